"""What stands before Gradio, so that nobody but an administrator brings it files or names any to it.

Decision: ours, as Gradio 6.31 has no such thing when mounted. Its upload route is there whether the page has a field
for files or not, takes a thousand files a request from whoever reaches it, and keeps them. Every event takes, for any
input, an object that names a file of the server or an address in the world, and copies that. And its route for files
looks up whatever host it is given. The page uses none of the routes that are closed here.
"""

import asyncio
import json
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.body_limit import WITHIN_S, read_body, replaying

MAX_EVENT_BYTES = 20_000_000  # of what an event of the page is told, such as a whole conversation
FILE_TYPE = "gradio.FileData"
CLOSED = (
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/gradio_api/proxy=",
    "/gradio_api/run-history/",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/runs",
    "/monitoring",
)


class GradioGuard:
    """Middleware that closes what the page has no need of, and lets a request bring or name files only if it may.

    Args:
        app: what is guarded.
        may_upload: whether a request comes from an administrator.
    """

    def __init__(self, app: ASGIApp, may_upload: Callable[[Request], bool]) -> None:
        self._app = app
        self._may_upload = may_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404 or 403 before Gradio sees anything of it; 413 where there is too much."""
        if scope["type"] == "http" and scope["path"].startswith(CLOSED):
            await PlainTextResponse("not found", 404)(scope, receive, send)
            return
        is_asked = scope["type"] == "http" and scope["method"] == "POST" and "/gradio_api/" in scope["path"]
        if not is_asked or self._may_upload(request := Request(scope)):
            await self._app(scope, receive, send)
            return
        is_multipart = request.headers.get("content-type", "").strip().lower().startswith("multipart/")
        try:
            async with asyncio.timeout(WITHIN_S):
                body = b"" if is_multipart else await read_body(receive, MAX_EVENT_BYTES)
        except (ClientDisconnect, TimeoutError):  # nobody waits for an answer to half an event
            return
        if body is None:
            await PlainTextResponse(f"more than {MAX_EVENT_BYTES:,} bytes", 413)(scope, receive, send)
        elif is_multipart or _names_file(body):
            await PlainTextResponse("only administrators may upload files", 403)(scope, receive, send)
        else:
            await self._app(scope, replaying(body, receive), send)


def _names_file(body: bytes) -> bool:
    """Whether JSON has an object in it that Gradio takes for a file."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):  # Gradio reads it likewise, and refuses it
        return False
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            meta = value.get("meta")
            if isinstance(meta, dict) and meta.get("_type") == FILE_TYPE:
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False
