"""Who counts as an administrator: by login, or by the token, or nobody."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.requests import Request

from ui.access import Admin
from ui.gradio_guard import PERMIT_COOKIE, upload_permit
from ui.login import add_login
from ui.settings import Settings
from ui.users import Users

TOKEN = "a long enough token, ключ"
PASSWORD = "correct horse"
WRONG_TOKENS = [
    "",
    " ",
    TOKEN[:-1],
    f"{TOKEN} ",
    f" {TOKEN}",
    f"{TOKEN}\0",
    TOKEN.upper(),
    TOKEN.encode().decode("latin-1"),
    "\ud800",
    f"{TOKEN}\udcff",
    "?",
    "None",
    "**********",
    "a" * 1_000_000,
]


@dataclass
class Asking:
    """What the page knows of who asks."""

    username: str | None = None


@pytest.fixture
def users(tmp_path: Path) -> Users:
    made = Users(tmp_path / "users.json")
    made.add("Anna", PASSWORD, is_admin=True)
    made.add("Boris", PASSWORD)
    return made


def with_token(**values: Any) -> Settings:
    return Settings(admin_token=SecretStr(TOKEN), **values)


# --- allows


def test_the_right_token_alone_is_taken_where_nobody_logs_in() -> None:
    admin = Admin(with_token(), None)
    assert admin.allows(Asking(), TOKEN)
    assert admin.allows(Asking("Anna"), TOKEN)


@pytest.mark.parametrize("token", WRONG_TOKENS, ids=lambda token: repr(token)[:20])
def test_a_wrong_token_is_refused(token: str) -> None:
    for settings in (Settings(), with_token()):
        assert not Admin(settings, None).allows(Asking(), token)
        assert not Admin(settings, None).allows(Asking("Anna"), token)


def test_without_a_token_no_token_is_right() -> None:
    assert not Admin(Settings(), None).allows(Asking(), TOKEN)


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
    ],
)
def test_where_people_log_in_the_login_alone_counts(users: Users, name: str | None, allowed: bool) -> None:
    for settings in (Settings(), with_token(), with_token(uploads=True)):
        admin = Admin(settings, users)
        assert {admin.allows(Asking(name), token) for token in (TOKEN, *WRONG_TOKENS)} == {allowed}


def test_a_removed_administrator_is_none_from_the_next_request_on(users: Users) -> None:
    admin = Admin(Settings(), users)
    assert admin.allows(Asking("Anna"), "")
    users.add("Boris", PASSWORD, is_admin=True)
    users.remove("Anna")
    assert not admin.allows(Asking("Anna"), "")
    assert admin.allows(Asking("Boris"), "")


def test_nobody_is_administrator_of_a_broken_file(users: Users) -> None:
    admin = Admin(with_token(), users)
    users.path.write_text("{")
    assert not admin.allows(Asking("Anna"), TOKEN)


# --- may_upload


def uploading(admin: Admin, settings: Settings, *, name: str | None = None, **headers: str) -> bool:
    """Whether the application, asked over HTTP by `name`, lets files in."""
    app = FastAPI()

    @app.get("/may")
    def may(request: Request) -> bool:
        return admin.may_upload(request)

    add_login(app, settings)
    client = TestClient(app, follow_redirects=False)
    auth = (name, PASSWORD) if name is not None else None
    reply = client.get("/may", auth=auth, headers=headers)
    return reply.status_code == 200 and reply.json() is True


def permit(settings: Settings) -> str:
    assert settings.admin_token is not None
    return f"{PERMIT_COOKIE}={upload_permit(settings.admin_token)}"


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("given", ["right", "none", "wrong"])
def test_without_a_login_the_cookie_of_the_token_lets_files_in(uploads: bool, has_token: bool, given: str) -> None:
    settings = Settings(uploads=uploads, admin_token=SecretStr(TOKEN) if has_token else None)
    cookies = {
        "right": permit(with_token()),
        "none": "",
        "wrong": permit(Settings(admin_token=SecretStr("another token, as long"))),
    }
    is_let_in = uploading(Admin(settings, None), settings, cookie=cookies[given])
    assert is_let_in is (uploads and has_token and given == "right")


@pytest.mark.parametrize("value", [TOKEN.encode("utf-8").decode("latin-1"), "None", '""', "*"])
def test_neither_the_token_itself_nor_any_other_cookie_lets_files_in(value: str) -> None:
    settings = with_token(uploads=True)
    scope = {"type": "http", "headers": [(b"cookie", f"{PERMIT_COOKIE}={value}".encode("latin-1"))]}
    assert not Admin(settings, None).may_upload(Request(scope))


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("name", ["Anna", "Boris", "Vera", None])
def test_where_people_log_in_only_administrators_bring_files(
    users: Users, uploads: bool, has_token: bool, name: str | None
) -> None:
    """Whatever cookie they send."""
    settings = Settings(users=users.path, uploads=uploads, admin_token=SecretStr(TOKEN) if has_token else None)
    admin = Admin(settings, users)
    for cookie in ("", permit(with_token())):
        assert uploading(admin, settings, name=name, cookie=cookie) is (uploads and name == "Anna")
