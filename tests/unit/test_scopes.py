"""Which path needs which scope, however it is written."""

import pytest

from ui.scopes import Caller, Scope, current_caller, is_for_programs, names, needed_scope

NONE: set[str] = set()
ASK, READ, ADMIN, BOTH = {"ask"}, {"read"}, {"admin"}, {"ask", "read"}
TABLE = [
    ("GET", "/health", NONE),
    ("GET", "/ready", NONE),
    ("GET", "/login", NONE),
    ("HEAD", "/login", NONE),
    ("POST", "/login", NONE),
    ("POST", "/logout", NONE),
    ("POST", "/answer", ASK),
    ("POST", "/answer/stream", ASK),
    ("POST", "/v1/chat/completions", ASK),
    ("GET", "/v1/models", ASK),
    ("GET", "/v1/models/otvet", ASK),
    ("POST", "/search", READ),
    ("GET", "/articles", READ),
    ("GET", "/articles/a b", READ),
    ("GET", "/read/статья", READ),
    ("GET", "/index", READ),
    ("GET", "/metrics", READ),
    ("GET", "/docs", READ),
    ("GET", "/docs/oauth2-redirect", READ),
    ("GET", "/openapi.json", READ),
    ("GET", "/static-offline-docs/swagger-ui.css", READ),
    ("POST", "/index/rebuild", ADMIN),
    ("DELETE", "/index/rebuild", ADMIN),
    ("GET", "/index/rebuild", ADMIN),
    ("POST", "/mcp", BOTH),
    ("GET", "/mcp", BOTH),
    ("GET", "/", BOTH),
    ("POST", "/gradio_api/queue/join", BOTH),
    ("GET", "/config", BOTH),
    ("", "/socket", BOTH),
    ("GET", "/a-route-to-come", BOTH),
]


@pytest.mark.parametrize(("method", "path", "needed"), TABLE)
def test_each_path_needs_what_it_should(method: str, path: str, needed: set[str]) -> None:
    assert needed_scope(method, path) == needed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/health"),
        ("POST", "/ready"),
        ("GET", "/logout"),
        ("PUT", "/login"),
        ("GET", "/LOGIN"),
        ("GET", "/login/"),
        ("GET", "//login"),
        ("GET", "/health/."),
        ("GET", "/x/../login"),
        ("GET", "/login;/config"),
        ("GET", "/answers"),
        ("GET", "/v10"),
        ("GET", "/indexes"),
        ("GET", "/readme"),
        ("GET", ""),
    ],
)
def test_what_is_much_like_another_path_needs_all_of_a_plain_caller(method: str, path: str) -> None:
    assert needed_scope(method, path) == BOTH


@pytest.mark.parametrize(("method", "path", "needed"), TABLE)
def test_odd_forms_of_a_path_need_no_less(method: str, path: str, needed: set[str]) -> None:
    for odd in (
        f"/{path}",
        f"//{path}",
        path.replace("/", "//"),
        f"/.{path}",
        f"/x/..{path}",
        f"{path}/.",
        f"{path}//",
        f"{path}/x/..",
        f"/gradio_api/file/x/../../..{path}",
    ):
        assert needed_scope(method, odd) >= needed | BOTH, odd
    assert needed_scope(method, f"{path}/") >= needed


def test_a_slash_at_the_end_changes_nothing() -> None:
    assert needed_scope("POST", "/answer/") == ASK
    assert needed_scope("POST", "/index/rebuild/") == ADMIN


def test_paths_for_programs_are_those_with_a_rule() -> None:
    assert [path for _, path, _ in TABLE if is_for_programs(path)] == [path for _, path, _ in TABLE[6:26]]


def test_scopes_in_words() -> None:
    assert names(frozenset(Scope)) == "ask and read and admin"
    assert names(frozenset()) == "none"
    assert [str(scope) for scope in Scope] == ["ask", "read", "admin"]


def test_a_caller_is_found_where_the_guard_puts_it_alone() -> None:
    caller = Caller("anna", frozenset({Scope.ADMIN}))
    assert caller.is_admin
    assert current_caller({"otvet_caller": caller}) is caller
    assert current_caller({"otvet_caller": "anna"}) is None
    assert current_caller({}) is None
    assert not Caller("boris", frozenset({Scope.ASK, Scope.READ})).is_admin
