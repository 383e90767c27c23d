"""The tools for agents over HTTP, at /mcp.

Decision: each request stands for itself and gets one JSON object, so that any proxy, any load balancer and any number
of processes may be between. The client that goes away is then not noticed by the SDK (2.3), so this is done here.
Decision: the SDK's own check of Host and Origin is off. It knows a fixed list of loopback names only; the application
checks the Host of every request before this, by OTVET_HOST and OTVET_ALLOWED_HOSTS. A page of another site cannot send
what is taken here, application/json, unless OTVET_CORS_ORIGINS lets it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.asking import Asker
from ui.mcp_server import make_mcp_server
from ui.problems import RETRY_SOON_S, Kind, Problem


class McpEndpoint:
    """The tools over HTTP, at /mcp: an ASGI application.

    Args:
        asker: what answers.
        max_body_bytes: longest body of a request.
    """

    def __init__(self, asker: Asker, *, max_body_bytes: int) -> None:
        self._server = make_mcp_server(asker)
        self._max_body_bytes = max_body_bytes
        self._manager: StreamableHTTPSessionManager | None = None

    @property
    def routes(self) -> list[Route]:
        """For an application, before any mount at "/". With and without a slash: clients redirect no POST."""
        return [Route(path, self, include_in_schema=False) for path in ("/mcp", "/mcp/")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within it requests are answered; to be entered in the application's lifespan. Ends what still runs."""
        manager = StreamableHTTPSessionManager(
            self._server,
            json_response=True,
            stateless=True,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            max_request_body_size=self._max_body_bytes,
        )
        async with manager.run():
            self._manager = manager
            try:
                yield
            finally:
                self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":  # a GET would wait for messages that no server without sessions sends
            only_post = Problem(Kind.METHOD, "MCP clients POST to /mcp; see the README", {"Allow": "POST"})
            await only_post.response()(scope, receive, send)
            return
        if self._manager is None:
            told = "the server is starting or stopping; try again"
            busy = Problem(Kind.BUSY, told, {"Retry-After": str(RETRY_SOON_S)})
            await busy.response()(scope, receive, send)
            return
        await _while_connected(self._manager.handle_request, scope, receive, send)


async def _while_connected(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application that waits for nothing but the body; cancel it when the client goes away."""
    is_read = anyio.Event()

    async def receive_body() -> Message:
        message = await receive()
        if not message.get("more_body", False):
            is_read.set()
        return message

    async def watch() -> None:
        await is_read.wait()
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await app(scope, receive_body, send)
        tasks.cancel_scope.cancel()
