"""The real application for tests."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from qa.engine import Engine
from ui.app import make_app
from ui.settings import Settings


def app_over(engine: Engine, settings: Settings | None = None) -> FastAPI:
    """The application, made inside an event loop: outside of one, Gradio makes loops and does not close them.

    It knows the host that Starlette's TestClient asks for, whose address is none of this machine; so it has no limit of
    requests a minute but what is asked for.
    """
    chosen = settings or Settings()
    own: dict[str, Any] = {"allowed_hosts": (*chosen.allowed_hosts, "testserver")}
    if "rate_limit" not in chosen.model_fields_set:
        own["rate_limit"] = 0

    async def make() -> FastAPI:
        return make_app(engine, chosen.model_copy(update=own))

    return asyncio.run(make())


@contextmanager
def listening(make: Callable[[], FastAPI]) -> Iterator[str]:
    """An application on a free port; yields its address."""
    servers: list[uvicorn.Server] = []

    async def serve() -> None:  # made inside the event loop, for the same reason
        config = uvicorn.Config(make(), log_level="warning", timeout_graceful_shutdown=1)
        servers.append(uvicorn.Server(config))
        await servers[0].serve(sockets=[listener])

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:  # as ui/cli.py listens
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        while not (servers and servers[0].started):
            assert thread.is_alive(), "the server ended before it listened"
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            servers[0].should_exit = True
            thread.join(15)
        assert not thread.is_alive()
