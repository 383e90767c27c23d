"""The answer endpoint: what programs call. Shapes of requests and replies are in ui/schemas.py."""

import logging
from collections.abc import Callable
from reprlib import Repr
from secrets import compare_digest
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from index.errors import IndexLockedError, IndexStateError, OtvetError, QuestionError
from qa.engine import Engine
from ui.index_schemas import IndexOut, index_out
from ui.languages import language_of
from ui.rebuilding import Rebuilder
from ui.render import article_page, missing_page
from ui.schemas import (
    ArticleOut,
    ArticlesOut,
    HitsOut,
    PageIn,
    QueryIn,
    QuestionIn,
    ResponseOut,
    article_head,
    article_out,
    hit_out,
    response_out,
)

log = logging.getLogger(__name__)

N_REASONS = 5  # how many things that are wrong with one request are told
SHORT = Repr()
SHORT.maxstring = SHORT.maxother = 80
ARTICLE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def make_router(engine: Engine) -> APIRouter:
    """The routes. Each runs in a thread of its own, so a slow answer holds up no other."""
    router = APIRouter()

    @router.post("/answer", summary="Answer a question", response_model=ResponseOut)
    def answer(asked: QuestionIn) -> ResponseOut:
        """Ask in Russian or English; get an answer with exact quotes, or a refusal with the nearest articles."""
        return response_out(engine.chain.invoke(asked.to_question()))

    @router.post("/search", summary="Find passages")
    def search(asked: QueryIn) -> HitsOut:
        """The chunks that speak most of a query, best first."""
        hits = engine.search.search(asked.query, k=asked.k, filters=asked.filters())
        return HitsOut(hits=[hit_out(hit) for hit in hits])

    @router.get("/articles", summary="List articles")
    def articles(
        asked: Annotated[PageIn, Query()],
    ) -> ArticlesOut:
        """Articles without their texts, newest first."""
        filters = asked.filters()
        with engine.index.lease() as generation:
            found = generation.articles.page(filters=filters, offset=asked.offset, limit=asked.limit)
            n_articles = generation.articles.count(filters)
        return ArticlesOut(n_articles=n_articles, articles=[article_head(article) for article in found])

    @router.get("/articles/{article_id}", summary="One article")
    def article(article_id: str) -> ArticleOut:
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

    _add_status_routes(router, engine)
    return router


def _add_status_routes(router: APIRouter, engine: Engine) -> None:
    @router.get("/health", summary="Is the process alive?")
    def health() -> dict[str, str]:
        """Always ok while the process answers."""
        return {"status": "ok"}

    @router.get("/ready", summary="Can questions be answered?")
    def ready() -> dict[str, str | int]:
        """The serving generation; 503 with the reason while there is none."""
        with engine.index.lease() as generation:
            return {"status": "ready", "generation": generation.name, "n_articles": generation.manifest.n_articles}


def make_index_router(engine: Engine, rebuilder: Rebuilder, admin_token: SecretStr | None) -> APIRouter:
    """The routes that tell of the index and rebuild it; the latter for who knows the token only."""
    router = APIRouter()
    admin = [Depends(_admin_check(admin_token))]
    forbidden: dict[int | str, dict[str, Any]] = {403: {"description": "The token is missing, wrong, or not set."}}

    @router.get("/index", summary="The index and its builds")
    def index() -> IndexOut:
        """The serving generation, what its build did, and the build that runs now, whoever started it."""
        return index_status(engine, rebuilder)

    @router.post(
        "/index/rebuild",
        summary="Rebuild the index",
        status_code=202,
        dependencies=admin,
        responses={**forbidden, 409: {"description": "A build is running; tells whose."}},
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
        responses={**forbidden, 409: {"description": "No build is running that was started here; tells whose is."}},
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


def _admin_check(admin_token: SecretStr | None) -> Callable[..., None]:
    bearer = HTTPBearer(auto_error=False, description="The token of OTVET_ADMIN_TOKEN.")

    def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if admin_token is None:
            raise HTTPException(
                403, "nobody may do this over HTTP, as OTVET_ADMIN_TOKEN is not set; set it and restart"
            )
        if credentials is None:
            raise HTTPException(403, "a token is needed; send the header: Authorization: Bearer <OTVET_ADMIN_TOKEN>")
        given = credentials.credentials.encode("latin-1", errors="replace")  # the bytes as they were sent
        if not compare_digest(given, admin_token.get_secret_value().encode()):
            raise HTTPException(403, "the token is wrong; send that of OTVET_ADMIN_TOKEN")

    return check


def _nothing_to_cancel(rebuilder: Rebuilder) -> str:
    running = rebuilder.running()
    if running is None:
        return "no build is running; POST /index/rebuild starts one"
    writer = running.writer
    return f"the build that is running (process {writer.pid}, since {writer.since}) was not started here; stop it there"


def add_error_handlers(app: FastAPI) -> None:
    """Errors as `{"detail": "what, which value, what to do"}`.

    422 for bad input, 409 where somebody builds already, 503 for an index to be mended.
    """

    @app.exception_handler(RequestValidationError)
    def bad_request(request: Request, exc: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "; ".join(map(_reason, exc.errors()[:N_REASONS]))}, 422)

    @app.exception_handler(400)
    def unreadable_body(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the body cannot be read; send JSON in UTF-8, not deeply nested"}, 422)

    @app.exception_handler(QuestionError)
    def bad_question(request: Request, exc: QuestionError) -> JSONResponse:
        return JSONResponse({"detail": str(exc)}, 422)

    @app.exception_handler(IndexLockedError)
    def locked(request: Request, exc: IndexLockedError) -> JSONResponse:
        return JSONResponse({"detail": str(exc)}, 409)

    @app.exception_handler(OtvetError)
    def bad_state(request: Request, exc: OtvetError) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.url.path, exc)
        return JSONResponse({"detail": str(exc)}, 503 if isinstance(exc, IndexStateError) else 500)


def _reason(error: dict[str, Any]) -> str:
    """One error of pydantic as "field, value, what is allowed"."""
    place = ".".join(str(part) for part in error["loc"][1:]) or "body"
    match error["type"]:
        case "json_invalid":
            return f"the body is no JSON: {error['ctx']['error']} at character {place}"
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            allowed = "there is no such field; /docs shows those that there are"
        case "model_attributes_type":
            allowed = "Input should be a JSON object, sent as application/json"
        case _:
            allowed = error["msg"]
    return f"{place} is {SHORT.repr(error['input'])}: {allowed}"
