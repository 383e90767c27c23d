"""The application: the endpoint, and the page mounted on it."""

from collections.abc import Callable
from socket import socket

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from qa.engine import Engine
from ui.api import add_error_handlers, make_router
from ui.chat import I18N, PAGE_CSS, THEME, make_page
from ui.settings import Settings

DESCRIPTION = "Questions over a corpus of articles, answered with exact quotes."


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()


def make_app(engine: Engine, settings: Settings) -> FastAPI:
    """Everything that `otvet serve` serves: the page at "/", the endpoint, its documentation at "/docs"."""
    app: FastAPI = FastAPIOffline(title="Otvet", version="0.1.0", description=DESCRIPTION, redoc_url=None)
    app.include_router(make_router(engine))
    add_error_handlers(app)
    page = make_page(engine.chain, max_concurrent_questions=settings.max_concurrent_questions)
    page.queue(default_concurrency_limit=settings.max_concurrent_questions)
    gr.mount_gradio_app(
        app, page, path="/", theme=THEME, css=PAGE_CSS, i18n=I18N, footer_links=[], ssr_mode=False, show_error=True
    )
    return app


def run_app(app: FastAPI, listener: socket, *, on_start: Callable[[], None]) -> None:
    """Serve until the process is told to stop. `on_start` is called once connections are taken."""
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    _Server(config, on_start).run(sockets=[listener])
