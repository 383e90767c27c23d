"""Runs the application: listens, reloads, and stops without cutting off an answer.

Decision: SIGTERM and Ctrl+C have /ready say no at once, keep the port open for `drain_s`, then close it, wait for the
answers that are being given, and end the open pages, whose connections would never end by themselves. Responses
meanwhile tell clients to close their connections. A second signal ends at once. A load balancer looks at /ready only
every few seconds: what it sends before it has noticed is answered as ever, where a closed port would fail it. Without
one there is nobody to notice, so `drain_s` is 0 by default, and the port closes at once.

SIGHUP looks for a new generation now (not where a terminal is attached, whose closing is a SIGHUP, too); without it
that happens within a second (ui/app.py), and requests are answered all the while either way.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from socket import socket
from types import FrameType

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.asking import Asker
from ui.problems import Kind, Problem
from ui.requests import RequestIds

log = logging.getLogger(__name__)

CLOSE_S = 2  # what is left of connections has to end within
LOOK_EVERY_S = 0.05
READY = "/ready"


def run_app(
    app: ASGIApp,
    listener: socket,
    *,
    asker: Asker,
    stop_timeout_s: float,
    on_start: Callable[[], None],
    drain_s: float = 0,
) -> None:
    """Serve until the process is told to stop.

    Args:
        app: what is served.
        listener: a socket that is bound and listens.
        asker: whose answers are waited for in the end.
        stop_timeout_s: how long at most.
        on_start: called once connections are taken.
        drain_s: how long connections are still taken once it is told to stop.
    """
    _Server(app, asker, stop_timeout_s, on_start, drain_s).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(
        self, app: ASGIApp, asker: Asker, stop_timeout_s: float, on_start: Callable[[], None], drain_s: float
    ) -> None:
        config = uvicorn.Config(
            _Draining(app, lambda: self.should_exit),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_S,
        )
        super().__init__(config)
        self._asker = asker
        self._stop_timeout_s = stop_timeout_s
        self._on_start = on_start
        self._drain_s = drain_s

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if hasattr(signal, "SIGHUP") and not _has_terminal():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit  # of the second signal, whichever it is
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await self._drain()
        for server in self.servers:
            server.close()
        if not await self._is_idle_within(self._stop_timeout_s):
            log.warning("stopping with %d unfinished answers", self._asker.n_running)
            self._asker.stop()
            await self._is_idle_within(CLOSE_S)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it tells of each page that is still open
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        until = time.monotonic() + self._drain_s
        while not self.force_exit and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)

    async def _is_idle_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._asker.n_running and not self.force_exit and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
        return self._asker.n_running == 0

    def _reload(self) -> None:
        log.info("SIGHUP: looking for a new generation")
        asyncio.get_running_loop().run_in_executor(None, self._asker.engine.index.follow)


def _has_terminal() -> bool:
    """Where one closes its terminal, the server is to end with it."""
    return sys.stdin is not None and sys.stdin.isatty()


class _Draining:
    """Once the server is being stopped: /ready says no, and clients close their connections."""

    def __init__(self, app: ASGIApp, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._not_ready = RequestIds(_say_not_ready)
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_stopping():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        asks_whether_ready = scope["type"] == "http" and scope["path"] == READY
        app = self._not_ready if asks_whether_ready and self._is_stopping() else self._app
        await app(scope, receive, send_and_close)


async def _say_not_ready(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(Kind.NOT_READY, "the server is being stopped; ask another one")
    await problem.response()(scope, receive, send)
