"""What stands before Gradio: only an administrator brings it files or names any, and no other site reads what it says.

Decision: ours, as Gradio 6.31 has no such thing when mounted. Its upload route is there whether the page has a field
for files or not, takes a thousand files a request from whoever reaches it, and keeps them. Every event takes, for any
input, an object that names a file of the server or an address in the world, and copies that. And its route for files
looks up whatever host it is given. The page uses none of the routes that are closed here.
Decision: Gradio is not told where a request comes from (Origin). Asked for by any name but localhost, it lets pages of
all sites read its answers; OTVET_CORS_ORIGINS says which may (ui/guards.py).
"""

import asyncio
import json
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.body_limit import CLOSE, WITHIN_S, read_body, replaying

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
        within_s: seconds that what an event is told may take to arrive.
    """

    def __init__(self, app: ASGIApp, may_upload: Callable[[Request], bool], within_s: float = WITHIN_S) -> None:
        self._app = app
        self._may_upload = may_upload
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer before Gradio sees anything of it: 404, 403, 413 where it is too long, 408 too slow."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"origin"]
        request = Request(scope)
        is_event = request.method == "POST" and "/gradio_api/" in scope["path"]
        if scope["path"].startswith(CLOSED):
            await PlainTextResponse("not found", 404)(scope, receive, send)
        elif is_event and not self._may_upload(request):
            await self._pass_event(request, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_event(self, request: Request, receive: Receive, send: Send) -> None:
        """Pass on what the page tells Gradio, unless it brings or names files."""
        is_multipart = request.headers.get("content-type", "").strip().lower().startswith("multipart/")
        try:
            async with asyncio.timeout(self._within_s):
                body = b"" if is_multipart else await read_body(receive, MAX_EVENT_BYTES)
        except ClientDisconnect:
            return
        except TimeoutError:
            late = PlainTextResponse(f"not there within {self._within_s:g} s", 408, CLOSE)
            await late(request.scope, receive, send)
            return
        if body is None:
            too_long = PlainTextResponse(f"more than {MAX_EVENT_BYTES:,} bytes", 413, CLOSE)
            await too_long(request.scope, receive, send)
        elif is_multipart or _names_file(body):
            await PlainTextResponse("only administrators may upload files", 403)(request.scope, receive, send)
        else:
            await self._app(request.scope, replaying(body, receive), send)


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
