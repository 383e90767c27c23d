"""What every response tells the browser, so that no article, model or other site gets more than it needs.

Decision: defaults, which a route may replace; the article viewer, the login form and Gradio's files do.
Decision: what is data (JSON, events) is not kept anywhere, as it may be for one caller only. Pages and their files keep
what Gradio says.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's page has scripts of its own inline and evaluates the templates of its HTML component. It asks nothing of any
# other host, whatever a question, an article or a model makes it show. Articles are framed by it, and by nobody else.
PAGE_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'self'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
DATA_TYPES = ("application/json", "application/problem+json", "text/event-stream")

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",  # of pages whose own policy says nothing of frames
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
OF_DATA = {**COMMON, "Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-store"}
OF_PAGES = {**COMMON, "Content-Security-Policy": PAGE_POLICY}


class SecurityHeaders:
    """Middleware that adds these headers to whatever is answered, where the answer does not have them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                is_data = headers.get("content-type", "").lower().startswith(DATA_TYPES)
                for name, value in (OF_DATA if is_data else OF_PAGES).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
