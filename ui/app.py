"""The application: the endpoint, and the page mounted on it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from socket import socket
from threading import Event, Thread

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.serving import Index
from qa.engine import Engine
from ui.access import Admin
from ui.api import add_error_handlers, index_status, make_index_router, make_router
from ui.gradio_guard import GradioGuard
from ui.login import add_login, current_user
from ui.page import I18N, PAGE_CSS, PAGE_HEAD, THEME, make_page
from ui.rebuilding import Rebuilder
from ui.settings import Settings
from ui.uploads import MAX_FILE_BYTES
from ui.users import Users

log = logging.getLogger(__name__)

DESCRIPTION = "Questions over a corpus of articles, answered with exact quotes."
# Gradio's page has scripts of its own inline and evaluates the templates of its HTML component.
PAGE_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; base-uri 'self'"
FOLLOW_EVERY_S = 0.5
SHUTDOWN_TIMEOUT_S = 2  # an open page holds a connection that never ends by itself


class _PolicyMiddleware:
    """Tells the browser to ask nothing of any other host, whatever a question, an article or a model makes it show."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", PAGE_POLICY)
            await send(message)

        await self._app(scope, receive, send_with_policy)


class _Server(uvicorn.Server):
    """Tells when it listens, and ends without a word about the pages that are still open."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def make_app(engine: Engine, settings: Settings) -> FastAPI:
    """Everything that `otvet serve` serves: the page at "/", the endpoint, its documentation at "/docs"."""
    rebuilder = Rebuilder(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with following(engine.index), closing(rebuilder):
            yield

    app: FastAPI = FastAPIOffline(
        title="Otvet", version="0.1.0", description=DESCRIPTION, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(_PolicyMiddleware)
    app.include_router(make_router(engine))
    app.include_router(make_index_router(engine, rebuilder, settings.admin_token))
    add_error_handlers(app)
    admin = Admin(settings, Users(settings.users) if settings.users is not None else None)
    app.add_middleware(GradioGuard, may_upload=admin.may_upload)
    page = make_page(
        engine,
        settings,
        rebuilder=rebuilder,
        index_status=lambda: index_status(engine, rebuilder),
        admin=admin,
    )
    page.queue(default_concurrency_limit=settings.max_concurrent_questions)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=THEME,
        css=PAGE_CSS,
        head=PAGE_HEAD,
        i18n=I18N,
        footer_links=[],
        ssr_mode=False,
        show_error=True,
        auth_dependency=_user_name if settings.users is not None else None,
        max_file_size=MAX_FILE_BYTES,
    )
    page.has_launched = True  # only then does Gradio refuse events that name files of the server (6.31, when mounted)
    add_login(app, settings)
    return app


def _user_name(request: Request) -> str | None:
    user = current_user(request.scope)
    return user.name if user is not None else None


@contextmanager
def following(index: Index) -> Iterator[None]:
    """Within it, a newly published generation is opened within a second, though nobody asks anything."""
    ended = Event()

    def follow() -> None:
        told = ""
        while not ended.wait(FOLLOW_EVERY_S):
            try:
                index.follow()
                told = ""
            except Exception as exc:  # whatever it is, the next generation may do without; told of once
                if str(exc) != told:
                    log.error("cannot look for a new generation: %s", exc)
                told = str(exc)

    thread = Thread(target=follow, name="follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def run_app(app: FastAPI, listener: socket, *, on_start: Callable[[], None]) -> None:
    """Serve until the process is told to stop. `on_start` is called once connections are taken."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S)
    _Server(config, on_start).run(sockets=[listener])
