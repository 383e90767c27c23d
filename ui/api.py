"""The answer endpoint: what programs call. Shapes of requests and replies are in ui/schemas.py."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from index.errors import IndexStateError, NotReadyError
from qa.engine import Engine
from ui.asking import Asker
from ui.index_schemas import IndexOut, index_out
from ui.languages import language_of
from ui.openapi import problems
from ui.problems import Kind
from ui.rebuilding import Rebuilder
from ui.render import article_page, missing_page
from ui.requests import while_connected
from ui.schemas import (
    ArticleOut,
    ArticlesOut,
    HealthOut,
    HitsOut,
    PageIn,
    QueryIn,
    QuestionIn,
    ReadyOut,
    ResponseOut,
    article_head,
    article_out,
    hit_out,
    response_out,
)
from ui.scopes import current_caller, names

ARTICLE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
ArticleId = Annotated[str, Path(description="As citations and lists give it.", examples=["17e9bb12db920b17"])]
BEARER = HTTPBearer(auto_error=False, description="A token of `otvet tokens add`.")
NOBODY_MAY = (
    "nobody may do this over HTTP, as neither OTVET_API_TOKENS nor OTVET_USERS is set; set the first, run"
    " `otvet tokens add NAME --scope admin` and restart the server"
)


def make_router(asker: Asker) -> APIRouter:
    """The routes; questions are answered in threads of their own, so a slow answer holds up no other."""
    router = APIRouter()
    engine = asker.engine

    @router.post(
        "/answer",
        summary="Answer a question",
        response_model=ResponseOut,
        responses=problems(Kind.INDEX, Kind.MODEL, Kind.BUSY, Kind.TIMEOUT),
    )
    async def answer(request: Request, asked: QuestionIn) -> ResponseOut:
        """Ask in Russian or English; get an answer with exact quotes, or a refusal with the nearest articles.

        A client that goes away stops the work, the language model included.
        """
        return response_out(await while_connected(request, asker.respond(asked.to_question(), "answer")))

    @router.post("/search", summary="Find passages", responses=problems(Kind.INDEX))
    def search(asked: QueryIn) -> HitsOut:
        """The chunks that speak most of a query, best first."""
        hits = engine.search.search(asked.query, k=asked.k, filters=asked.filters())
        return HitsOut(hits=[hit_out(hit) for hit in hits])

    _add_article_routes(router, engine)
    _add_status_routes(router, engine)
    return router


def _add_article_routes(router: APIRouter, engine: Engine) -> None:
    @router.get("/articles", summary="List articles", responses=problems(Kind.INDEX))
    def articles(
        asked: Annotated[PageIn, Query()],
    ) -> ArticlesOut:
        """Articles without their texts, newest first."""
        filters = asked.filters()
        with engine.index.lease() as generation:
            found = generation.articles.page(filters=filters, offset=asked.offset, limit=asked.limit)
            n_articles = generation.articles.count(filters)
        return ArticlesOut(n_articles=n_articles, articles=[article_head(article) for article in found])

    @router.get("/articles/{article_id}", summary="One article", responses=problems(Kind.NOT_FOUND, Kind.INDEX))
    def article(article_id: ArticleId) -> ArticleOut:
        """An article with its text; citations count its characters."""
        found = engine.index.article(article_id)
        if found is None:
            raise HTTPException(404, f"there is no article {article_id!r} in the index; see GET /articles")
        return article_out(found)

    @router.get("/read/{article_id}", include_in_schema=False)
    def read(request: Request, article_id: str, start: int | None = None, end: int | None = None) -> HTMLResponse:
        language = language_of(request)
        found = engine.index.article(article_id)
        page = article_page(found, start=start, end=end, language=language) if found else missing_page(language)
        return HTMLResponse(page, 200 if found else 404, {"Content-Security-Policy": ARTICLE_POLICY})


def _add_status_routes(router: APIRouter, engine: Engine) -> None:
    @router.get("/health", summary="Is the process alive?", responses=problems())
    async def health() -> HealthOut:
        """Always ok while the process answers."""
        return HealthOut()

    @router.get("/ready", summary="Can questions be answered?", responses=problems(Kind.NOT_READY))
    def ready() -> ReadyOut:
        """The serving generation; 503 with the reasons while not everything is loaded."""
        reasons = engine.unready()
        try:
            with engine.index.lease() as generation:
                name, n_articles = generation.name, generation.manifest.n_articles
                generation.check()
        except IndexStateError as exc:
            reasons.append(str(exc))
        if reasons:
            raise NotReadyError("; ".join(reasons))
        return ReadyOut(generation=name, n_articles=n_articles)


def make_index_router(engine: Engine, rebuilder: Rebuilder) -> APIRouter:
    """The routes that tell of the index and rebuild it; the latter for administrators only."""
    router = APIRouter()
    admin = [Depends(require_admin)]

    @router.get("/index", summary="The index and its builds", responses=problems(Kind.INDEX))
    def index() -> IndexOut:
        """The serving generation, what its build did, and the build that runs now, whoever started it."""
        return index_status(engine, rebuilder)

    @router.post(
        "/index/rebuild",
        summary="Rebuild the index",
        status_code=202,
        dependencies=admin,
        responses=problems(Kind.CONFLICT, Kind.INDEX),
    )
    def rebuild() -> IndexOut:
        """Does what `otvet index` does, on OTVET_CORPUS, in the background; GET /index tells how far it is."""
        rebuilder.start()
        return index_status(engine, rebuilder)

    @router.delete(
        "/index/rebuild",
        summary="Cancel the rebuild",
        status_code=202,
        dependencies=admin,
        responses=problems(Kind.CONFLICT, Kind.INDEX),
    )
    def cancel() -> IndexOut:
        """Stops the build that was started here. The next one goes on from what it has embedded."""
        if not rebuilder.cancel():
            raise HTTPException(409, _nothing_to_cancel(rebuilder))
        return index_status(engine, rebuilder)

    return router


def index_status(engine: Engine, rebuilder: Rebuilder) -> IndexOut:
    """What the endpoint and the page tell of the index."""
    running, last = rebuilder.running(), rebuilder.last()
    with engine.index.lease() as generation:
        return index_out(generation.name, generation.manifest, running, last)


def require_admin(
    request: Request,
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],  # so that /docs has a field for it
) -> None:
    """Let administrators pass; the guard of ui/login.py has found out who asks.

    Raises:
        HTTPException: 403 for everybody else.
    """
    caller = current_caller(request.scope)
    if caller is None:
        raise HTTPException(403, NOBODY_MAY)
    if not caller.is_admin:
        raise HTTPException(403, f"this needs the scope admin; {caller.name!r} has {names(caller.scopes)}")


def _nothing_to_cancel(rebuilder: Rebuilder) -> str:
    running = rebuilder.running()
    if running is None:
        return "no build is running; POST /index/rebuild starts one"
    writer = running.writer
    return f"the build that is running (process {writer.pid}, since {writer.since}) was not started here; stop it there"
