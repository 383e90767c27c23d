"""The application: the endpoint, and the page mounted on it."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.metadata import version
from threading import Event, Thread

import gradio as gr
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline

from index.serving import Index
from qa.engine import Engine
from ui.access import Admin
from ui.answer_stream import make_stream_router
from ui.api import index_status, make_index_router, make_router
from ui.asking import Asked, Asker
from ui.callers import open_callers
from ui.error_handlers import add_error_handlers
from ui.feedback import FeedbackPlace
from ui.gradio_guard import GradioGuard
from ui.guards import add_guards
from ui.logs import log_asked
from ui.mcp_endpoint import McpEndpoint
from ui.metrics import Metrics
from ui.openai_api import make_openai_router
from ui.openapi import add_method_routes, describe
from ui.page import I18N, PAGE_CSS, PAGE_HEAD, THEME, make_page
from ui.rebuilding import Rebuilder
from ui.scopes import current_caller
from ui.settings import Settings
from ui.shared_feedback import open_feedback
from ui.tracing import set_up_tracing
from ui.uploads import MAX_FILE_BYTES

log = logging.getLogger(__name__)

DESCRIPTION = "Questions over a corpus of articles, answered with exact quotes."
FOLLOW_EVERY_S = 0.5


def make_app(engine: Engine, settings: Settings) -> FastAPI:
    """Everything that `otvet serve` serves: the page at "/", the endpoint, its documentation at "/docs".

    `app.state.asker` is what answers.
    """
    rebuilder, feedback = Rebuilder(settings), open_feedback(settings)
    mcp: McpEndpoint

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with mcp.running():
            with following(engine.index), closing(rebuilder), closing(feedback):
                yield

    app: FastAPI = FastAPIOffline(
        title="Otvet", version=version("otvet"), description=DESCRIPTION, redoc_url=None, lifespan=lifespan
    )
    metrics = Metrics()
    asker = app.state.asker = _make_asker(app, engine, settings, metrics)
    mcp = McpEndpoint(asker, max_body_bytes=settings.max_body_bytes)
    _add_routes(app, asker, rebuilder)
    app.router.routes += [*mcp.routes, metrics.route()]
    add_method_routes(app)
    add_error_handlers(app)
    callers = open_callers(settings)
    describe(app, is_login_asked=callers.are_asked)
    admin = Admin(callers, uploads=settings.uploads)
    app.add_middleware(GradioGuard, may_upload=admin.may_upload)
    _mount_page(app, asker, settings, feedback, rebuilder, admin, is_login_asked=callers.are_asked)
    add_guards(app, settings, callers, metrics)
    return app


def _make_asker(app: FastAPI, engine: Engine, settings: Settings, metrics: Metrics) -> Asker:
    """What answers, with those who are told of each question."""
    observers = (metrics.observe, log_asked(with_text=settings.log_questions), set_up_tracing(app, settings))

    def observe(asked: Asked) -> None:
        for tell in observers:
            tell(asked)

    asker = Asker(engine, timeout_s=settings.answer_timeout_s, observe=observe)
    metrics.watch(engine, lambda: asker.n_running)
    return asker


def _add_routes(app: FastAPI, asker: Asker, rebuilder: Rebuilder) -> None:
    app.include_router(make_router(asker))
    app.include_router(make_stream_router(asker))
    app.include_router(make_openai_router(asker))
    app.include_router(make_index_router(asker.engine, rebuilder))


def _mount_page(
    app: FastAPI,
    asker: Asker,
    settings: Settings,
    feedback: FeedbackPlace,
    rebuilder: Rebuilder,
    admin: Admin,
    *,
    is_login_asked: bool,
) -> None:
    page = make_page(
        asker,
        settings,
        feedback=feedback,
        rebuilder=rebuilder,
        index_status=lambda: index_status(asker.engine, rebuilder),
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
        auth_dependency=_caller_name if is_login_asked else None,
        max_file_size=MAX_FILE_BYTES,
    )
    page.has_launched = True  # only then does Gradio refuse events that name files of the server (6.31, when mounted)


def _caller_name(request: Request) -> str | None:
    caller = current_caller(request.scope)
    return caller.name if caller is not None else None


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
