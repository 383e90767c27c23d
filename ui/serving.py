"""Runs the application: listens, reloads, and stops without cutting off an answer.

Decision: SIGTERM and Ctrl+C close the port at once, so that whoever balances load goes elsewhere, then wait for the
answers that are being given, then end the open pages, whose connections would never end by themselves. Responses
meanwhile tell clients to close their connections. A second Ctrl+C ends at once. SIGHUP looks for a new generation
now (not where a terminal is attached, whose closing is a SIGHUP, too); without it that happens within a second
(ui/app.py), and requests are answered all the while either way.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from socket import socket

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.asking import Asker

log = logging.getLogger(__name__)

CLOSE_S = 2  # what is left of connections has to end within
LOOK_EVERY_S = 0.05


def run_app(
    app: ASGIApp, listener: socket, *, asker: Asker, stop_timeout_s: float, on_start: Callable[[], None]
) -> None:
    """Serve until the process is told to stop.

    Args:
        app: what is served.
        listener: a socket that is bound and listens.
        asker: whose answers are waited for in the end.
        stop_timeout_s: how long at most.
        on_start: called once connections are taken.
    """
    _Server(app, asker, stop_timeout_s, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, asker: Asker, stop_timeout_s: float, on_start: Callable[[], None]) -> None:
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

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if hasattr(signal, "SIGHUP") and not _has_terminal():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        self._on_start()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if not await self._is_idle_within(self._stop_timeout_s):
            log.warning("stopping with %d unfinished answers", self._asker.n_running)
            self._asker.stop()
            await self._is_idle_within(CLOSE_S)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it tells of each page that is still open
        await super().shutdown(sockets)

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
    """Has clients close their connections once the server is being stopped."""

    def __init__(self, app: ASGIApp, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_stopping():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_and_close)
