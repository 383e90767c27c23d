"""Who counts as an administrator, and where Otvet may be served."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from index.errors import SettingsError, TokensError, UsersError
from ui.access import Admin, check_exposure
from ui.callers import Callers, open_callers
from ui.login import add_login
from ui.scopes import Scope
from ui.settings import Settings
from ui.tokens import Tokens
from ui.users import Users

PASSWORD = "correct horse"
ADMIN, PLAIN = frozenset(Scope), frozenset({Scope.ASK, Scope.READ})


@dataclass
class Asking:
    """What the page knows of who asks."""

    username: str | None = None


@dataclass
class Place:
    """Users and tokens, some of the same name but with other rights."""

    users: Users
    tokens: Tokens
    given: dict[str, str]

    @property
    def callers(self) -> Callers:
        return Callers(self.users, self.tokens)

    def settings(self, *, uploads: bool = False) -> Settings:
        return Settings(users=self.users.path, api_tokens=self.tokens.path, uploads=uploads)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    users, tokens = Users(tmp_path / "users.json"), Tokens(tmp_path / "tokens.json")
    users.add("Anna", PASSWORD, is_admin=True)
    users.add("Boris", PASSWORD)
    given = {
        name: tokens.add(name, scopes)
        for name, scopes in {"deploy": ADMIN, "only-admin": frozenset({Scope.ADMIN}), "Anna": PLAIN}.items()
    }
    return Place(users, tokens, given)


# --- allows


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("Anna", True),
        ("ANNA", True),
        ("Boris", False),
        ("Vera", False),
        ("", False),
        (None, False),
        ("\ud800", False),
        ("Anna\0", False),
        ("Boris,Anna", False),
        ("token:deploy", True),
        ("token:DEPLOY", True),
        ("token:only-admin", True),
        ("token:Anna", False),
        ("token:Boris", False),
        ("token:", False),
        ("token:token:deploy", False),
        ("TOKEN:deploy", False),
        ("deploy", False),
    ],
)
def test_the_files_say_who_is_an_administrator(place: Place, name: str | None, allowed: bool) -> None:
    assert Admin(place.callers, uploads=False).allows(Asking(name)) is allowed
    assert not Admin(Callers(), uploads=True).allows(Asking(name))


def test_who_is_removed_is_none_from_the_next_request_on(place: Place) -> None:
    admin = Admin(place.callers, uploads=False)
    assert admin.allows(Asking("Anna"))
    place.users.add("Boris", PASSWORD, is_admin=True)
    place.users.remove("Anna")
    place.tokens.remove("deploy")
    assert not admin.allows(Asking("Anna"))
    assert not admin.allows(Asking("token:deploy"))
    assert admin.allows(Asking("Boris"))


def test_nobody_is_administrator_of_a_broken_file(place: Place) -> None:
    admin = Admin(place.callers, uploads=False)
    place.users.path.write_text("{")
    assert not admin.allows(Asking("Anna"))
    assert admin.allows(Asking("token:deploy"))
    place.tokens.path.write_text("{")
    assert not admin.allows(Asking("token:deploy"))


# --- may_upload


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("name", ["Anna", "Boris", "Vera", None])
def test_only_administrators_who_log_in_bring_files(place: Place, uploads: bool, name: str | None) -> None:
    auth = (name, PASSWORD) if name is not None else None
    reply = asking_to_upload(place, uploads).get("/may", auth=auth)
    assert (reply.status_code == 200 and reply.json()) is (uploads and name == "Anna")


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("name", ["deploy", "Anna"])
def test_only_tokens_of_administrators_bring_files(place: Place, uploads: bool, name: str) -> None:
    headers = {"authorization": f"Bearer {place.given[name]}"}
    reply = asking_to_upload(place, uploads).get("/may", headers=headers)
    assert reply.status_code == 200
    assert reply.json() is (uploads and name == "deploy")


def test_nobody_brings_files_where_nobody_is_asked(place: Place) -> None:
    scope = {"type": "http", "headers": [(b"authorization", f"Bearer {place.given['deploy']}".encode())]}
    assert not Admin(place.callers, uploads=True).may_upload(Request(scope))


def asking_to_upload(place: Place, uploads: bool) -> TestClient:
    settings = place.settings(uploads=uploads)
    callers = open_callers(settings)
    admin = Admin(callers, uploads=settings.uploads)
    app = FastAPI()

    @app.get("/may")
    def may(request: Request) -> bool:
        return admin.may_upload(request)

    add_login(app, settings, callers)
    return TestClient(app, follow_redirects=False)


# --- check_exposure

OUTSIDE = [
    "0.0.0.0",
    "::",
    "192.0.2.1",
    "10.0.0.1",
    "2001:db8::1",
    "otvet.example.org",
    "localhost.example.org",
    "127.1",
]
INSIDE = ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("host", OUTSIDE)
def test_other_addresses_are_refused_where_nobody_is_asked(host: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_exposure(Settings(host=host))
    assert repr(host) in str(caught.value)
    for word in ("OTVET_HOST", "export OTVET_API_TOKENS=", "otvet tokens add NAME", "OTVET_USERS", "127.0.0.1"):
        assert word in str(caught.value)


@pytest.mark.parametrize("host", INSIDE)
def test_this_machine_is_free_to_ask(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_with_users_or_tokens_any_address_will_do_if_their_files_are_sound(
    place: Place, tmp_path: Path, host: str
) -> None:
    check_exposure(Settings(host=host, users=place.users.path))
    check_exposure(Settings(host=host, api_tokens=place.tokens.path))
    with pytest.raises(TokensError, match="none.json.*otvet tokens add NAME"):
        check_exposure(Settings(host=host, api_tokens=tmp_path / "none.json"))
    with pytest.raises(UsersError, match="none.json.*otvet users add NAME"):
        check_exposure(Settings(host=host, users=tmp_path / "none.json", api_tokens=place.tokens.path))
    place.tokens.path.write_text("{")
    with pytest.raises(TokensError, match="broken"):
        check_exposure(Settings(host=host, users=place.users.path, api_tokens=place.tokens.path))
