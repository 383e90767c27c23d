"""What stands before the application, in which order.

A request meets, outermost first:

1. RequestIds: its id, for all that is answered and logged from here on.
2. AccessLog and HttpMetrics: what becomes of it.
3. SecurityHeaders: for all that is answered, refusals too.
4. HostCheck: whether it is for this server at all.
5. CORS, where sites are allowed: answers what browsers ask beforehand, which carries no login.
6. ServerErrorMiddleware: what nobody foresaw gets its 500 here, so that it has the headers of all before. Starlette
   has another one outside of everything, which only passes on what this one has answered.
7. BodyLimit: before the login, whose form has a body, too.
8. The login: who sends it.
9. RateLimit: behind the login, as it counts by caller; wrong logins are slowed down by the login itself.
"""

import re
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware

from index.errors import SettingsError
from ui.body_limit import WITHIN_S, BodyLimit
from ui.callers import Callers
from ui.headers import SecurityHeaders
from ui.hosts import HostCheck, allowed_names
from ui.login import add_login
from ui.logs import AccessLog
from ui.metrics import HttpMetrics, Metrics
from ui.rates import RateLimit
from ui.requests import RequestIds
from ui.settings import Settings

ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
CORS_METHODS = ("GET", "POST")
CORS_HEADERS = ("*",)  # OpenAI's client sends a dozen of its own
CORS_EXPOSED = ("X-Request-ID", "Retry-After")


def add_guards(
    app: FastAPI, settings: Settings, callers: Callers, metrics: Metrics, *, body_within_s: float = WITHIN_S
) -> None:
    """Put all of them before the application; call it last, after its own middleware and handlers of errors.

    Args:
        app: what is guarded.
        settings: rate_limit, max_body_bytes, cors_origins, allowed_hosts, host and those of the login matter.
        callers: those who may be let in.
        metrics: count what is asked and answered.
        body_within_s: seconds that a body may take to arrive.

    Raises:
        SettingsError: a name of `allowed_hosts` or an origin of `cors_origins` is none.
        UsersError: the key of the sessions cannot be read.
    """
    origins = site_origins(settings.cors_origins)
    if settings.rate_limit:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit)
    add_login(app, settings, callers, cors_origins=origins)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, within_s=body_within_s)
    app.add_middleware(ServerErrorMiddleware, handler=app.exception_handlers.get(Exception))
    add_cors(app, origins)
    hosts = allowed_names(settings.allowed_hosts)
    app.add_middleware(HostCheck, allowed_hosts=hosts, own_host=settings.host)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HttpMetrics, metrics=metrics)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)


def add_cors(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these sites call from a browser; they send a token, never the cookie of who has logged in here.

    Args:
        app: what they may call.
        origins: each as a browser names it, such as https://news.example.org; none for no such header at all.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_HEADERS,
            allow_credentials=False,
            expose_headers=CORS_EXPOSED,
        )


def site_origins(sites: Sequence[str]) -> tuple[str, ...]:
    """The sites as browsers name them in Origin: in lower case, without a slash at the end.

    Raises:
        SettingsError: one of them is no origin.
    """
    origins = tuple(site.lower().removesuffix("/") for site in sites)
    for site, origin in zip(sites, origins, strict=True):
        if not ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"setting 'cors_origins' (OTVET_CORS_ORIGINS) has {site!r}; give scheme and name, and a port if it is"
                " not the usual one, such as https://news.example.org"
            )
    return origins
