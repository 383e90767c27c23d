"""`otvet users`, with a real file, a pipe and a real terminal."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.errors import SettingsError, UsersError
from ui.users import User, Users
from ui.users_commands import users_app

PASSWORD = "correct horse"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OTVET_USERS", str(tmp_path / "users.json"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "users.json"


def run(*arguments: str, given: str = f"{PASSWORD}\n") -> str:
    """What a command prints; raises what it raises."""
    result = CliRunner().invoke(users_app, arguments, input=given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_add_list_remove(path: Path) -> None:
    assert "'Анна' may log in as an administrator; kept in" in run("add", "Анна", "--admin")
    assert "'[b]Boris' may log in; kept in" in run("add", "[b]Boris", given="another one\r\n")
    users = Users(path)
    assert users.check("Анна", PASSWORD) == User("Анна", True)
    assert users.check("[b]Boris", "another one") == User("[b]Boris", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = run("list")
    assert [line.split() for line in listed.splitlines() if "Анна" in line or "Boris" in line] == [
        ["[b]Boris"],
        ["Анна", "yes"],
    ]
    assert json.loads(run("list", "--json")) == [
        {"name": "[b]Boris", "is_admin": False},
        {"name": "Анна", "is_admin": True},
    ]
    assert "Removed '[b]Boris'" in run("remove", "[B]BORIS")
    assert users.all() == [User("Анна", True)]


def test_a_second_add_sets_the_password_and_keeps_the_administrator(path: Path) -> None:
    run("add", "Anna", "--admin")
    run("add", "Anna", given="a new password\n")
    assert Users(path).check("Anna", "a new password") == User("Anna", True)
    run("add", "Anna", "--no-admin")
    assert Users(path).all() == [User("Anna", False)]


def test_without_users_it_says_what_to_do(path: Path) -> None:
    assert "otvet users add NAME" in run("list")
    assert json.loads(run("list", "--json")) == []
    with pytest.raises(UsersError, match="no user 'Anna'"):
        run("remove", "Anna")


def test_wrong_input_is_told(path: Path) -> None:
    with pytest.raises(UsersError, match="0 characters"):
        run("add", "Anna", given="")
    with pytest.raises(UsersError, match="choose another"):
        run("add", "a:b")
    path.write_text("{")
    with pytest.raises(UsersError, match="broken"):
        run("add", "Anna")
    assert path.read_text() == "{"


@pytest.mark.parametrize("arguments", [("add", "Anna"), ("list",), ("remove", "Anna")])
def test_without_the_setting_it_says_how_to_set_it(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="export OTVET_USERS=.*users.json"):
        run(*arguments)


def test_a_terminal_shows_nothing_of_the_password_and_asks_twice(path: Path) -> None:
    command = [sys.executable, "-c", "from ui.users_commands import users_app; users_app()", "add", "Anna"]
    spawn = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)", *command]
    with subprocess.Popen(spawn, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        for typed in [PASSWORD, "mistyped horse", PASSWORD, PASSWORD]:
            n_before = len(shown)
            while not shown[n_before:].endswith(b": "):  # a message before the prompt may have a colon, too
                shown += (read := os.read(process.stdout.fileno(), 1000))
                assert read, shown
            process.stdin.write(f"{typed}\n".encode())
            process.stdin.flush()
        shown += process.stdout.read()
        assert process.wait(60) == 0, shown
    assert b"horse" not in shown
    assert b"may log in" in shown
    assert Users(path).check("Anna", PASSWORD) == User("Anna", False)
