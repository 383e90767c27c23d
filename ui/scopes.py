"""What a caller may do, and which path needs what of it.

Decision: one table by path, asked by the guard before everything that is served, instead of a word at each route: what
is forgotten, a page of Gradio's or a route to come, needs the most that a plain caller has. A path that no rule names
needs both ask and read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from posixpath import normpath
from typing import Any

CALLER = "otvet_caller"  # where the guard puts the caller in the scope of a request


class Scope(StrEnum):
    """One thing that a caller may be allowed."""

    ASK = "ask"
    READ = "read"
    ADMIN = "admin"


NOTHING: frozenset[Scope] = frozenset()
ASK_AND_READ = frozenset({Scope.ASK, Scope.READ})
OPEN = {
    ("GET", "/login"),
    ("HEAD", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/health"),
    ("GET", "/ready"),
}
# A path and all below it; the first that fits counts.
RULES: tuple[tuple[str, frozenset[Scope]], ...] = (
    ("/answer", frozenset({Scope.ASK})),
    ("/v1", frozenset({Scope.ASK})),
    ("/index/rebuild", frozenset({Scope.ADMIN})),
    ("/index", frozenset({Scope.READ})),
    ("/search", frozenset({Scope.READ})),
    ("/articles", frozenset({Scope.READ})),
    ("/read", frozenset({Scope.READ})),
    ("/metrics", frozenset({Scope.READ})),
    ("/docs", frozenset({Scope.READ})),
    ("/openapi.json", frozenset({Scope.READ})),
    ("/static-offline-docs", frozenset({Scope.READ})),
    ("/mcp", ASK_AND_READ),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        name: of a user as it is; of a token with `token:` before it, which no name of a user has.
        scopes: what is allowed.
    """

    name: str
    scopes: frozenset[Scope]

    @property
    def is_admin(self) -> bool:
        """Whether this one may change the index and the corpus."""
        return Scope.ADMIN in self.scopes


def current_caller(connection: Mapping[str, Any]) -> Caller | None:
    """Who sent this: of a request, a websocket or a scope. None where nobody is asked who they are."""
    caller = connection.get(CALLER)
    return caller if isinstance(caller, Caller) else None


def needed_scope(method: str, path: str) -> frozenset[Scope]:
    """All that a request needs; nothing where anybody may send it.

    Args:
        method: of HTTP, in upper case; "" of a websocket.
        path: as the router sees it, that is without escapes.
    """
    if (method, path) in OPEN:
        return NOTHING
    plain = _plain(path)
    rule = _rule(plain)
    if rule is None:
        return ASK_AND_READ
    # The router reads dots and doubled slashes literally, others before it may not: such a path needs what either does.
    return rule if path in (plain, f"{plain}/") else rule | ASK_AND_READ


def is_for_programs(path: str) -> bool:
    """Whether a path has a rule of its own, and so is not of the page."""
    return _rule(_plain(path)) is not None


def names(scopes: frozenset[Scope]) -> str:
    """Scopes in words, such as "ask and read"."""
    return " and ".join(scope for scope in Scope if scope in scopes) or "none"


def _plain(path: str) -> str:
    return normpath(f"/{path.lstrip('/')}")


def _rule(plain: str) -> frozenset[Scope] | None:
    return next((scopes for start, scopes in RULES if plain == start or plain.startswith(f"{start}/")), None)
