"""A small reverse proxy as load balancers are: takes turns, looks at /ready, tries another backend where that is safe.

Safe is what no backend can have seen: the connection was refused. Any other failure before the response is a 502, as
with the common proxies for a POST.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from apps import listening

LOOK_EVERY_S = 0.2
KEEP_S = 2  # idle connections; less than the 5 s after which uvicorn closes them
OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy:
    """Sends each request to one backend that is ready.

    Attributes:
        backends: their addresses, which may be changed at any time, as a registry of services would.
        ready: those that said so when they were last looked at.
        n_tried_again: requests whose first backend refused the connection.
        url: its own address.
    """

    def __init__(self, backends: list[str]) -> None:
        self.backends = backends
        self.ready: set[str] = set()
        self.n_tried_again = 0
        self.url = ""
        self._turn = 0

    def app(self) -> FastAPI:
        """What is served."""
        app = FastAPI(lifespan=self._lifespan)
        app.add_api_route("/{path:path}", self._pass_on, methods=["GET", "POST", "DELETE"], response_model=None)
        return app

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=KEEP_S)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as self._client:
            looking = asyncio.create_task(self._look_on())
            yield
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _look_on(self) -> None:
        while True:
            for backend in list(self.backends):
                try:
                    is_ready = (await self._client.get(f"{backend}/ready", timeout=5)).status_code == 200
                except httpx.HTTPError:
                    is_ready = False
                (self.ready.add if is_ready else self.ready.discard)(backend)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _pass_on(self, request: Request) -> Response:
        body = await request.body()
        for n_tried, backend in enumerate(self._in_turn()):
            self.n_tried_again += n_tried == 1
            url = f"{backend}{request.url.path}?{request.url.query}"
            asked = self._client.build_request(request.method, url, headers=request.headers, content=body)
            try:
                return _streamed(await self._client.send(asked, stream=True))
            except httpx.ConnectError:
                self.ready.discard(backend)
            except httpx.HTTPError as exc:
                return PlainTextResponse(f"{backend} failed: {exc!r}", 502)
        return PlainTextResponse("no backend is ready", 503)

    def _in_turn(self) -> list[str]:
        ready = [backend for backend in self.backends if backend in self.ready]
        self._turn += 1
        start = self._turn % len(ready) if ready else 0
        return ready[start:] + ready[:start]


def _streamed(response: httpx.Response) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in response.aiter_raw():
                yield piece
        finally:
            await response.aclose()

    headers = {name: value for name, value in response.headers.items() if name not in OF_A_CONNECTION}
    return StreamingResponse(pieces(), response.status_code, headers)


@contextmanager
def proxying(*backends: str) -> Iterator[Proxy]:
    """A proxy on a free port before these."""
    proxy = Proxy(list(backends))
    with listening(proxy.app) as proxy.url:
        yield proxy
