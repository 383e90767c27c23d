"""`otvet tokens`, with a real file."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from index.errors import SettingsError, TokensError
from ui.scopes import Scope
from ui.tokens import Tokens
from ui.tokens_commands import tokens_app


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OTVET_API_TOKENS", str(tmp_path / "tokens.json"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "tokens.json"


def run(*arguments: str) -> Result:
    """What a command prints; raises what it raises."""
    result = CliRunner().invoke(tokens_app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_the_token_alone_goes_to_standard_output(path: Path) -> None:
    made = run("add", "Бот [b]")
    token = made.stdout.rstrip("\n")
    assert made.stdout == f"{token}\n"
    assert "may ask and read. It is not shown again" in made.stderr
    assert str(path) in made.stderr
    assert token not in made.stderr
    found = Tokens(path).check(token)
    assert found is not None
    assert (found.name, found.scopes) == ("Бот [b]", {Scope.ASK, Scope.READ})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_scopes_are_those_that_are_named(path: Path) -> None:
    made = run("add", "nightly", "--scope", "admin", "--scope", "read")
    assert "may read and admin." in made.stderr
    assert Tokens(path).all()[0].scopes == {Scope.READ, Scope.ADMIN}
    assert CliRunner().invoke(tokens_app, ["add", "other", "--scope", "all"]).exit_code == 2


def test_list_and_remove(path: Path) -> None:
    token = run("add", "[b]bot").stdout.strip()
    run("add", "Анна", "--scope", "admin")
    listed = run("list").output
    assert ["[b]bot", "ask,", "read"] in [line.split()[:3] for line in listed.splitlines()]
    assert ["Анна", "admin"] in [line.split()[:2] for line in listed.splitlines()]
    as_json = json.loads(run("list", "--json").stdout)
    assert [(one["name"], one["scopes"]) for one in as_json] == [("[b]bot", ["ask", "read"]), ("Анна", ["admin"])]
    assert set(as_json[0]) == {"name", "scopes", "created_at"}
    assert token not in listed
    assert "Removed '[b]bot'" in run("remove", "[B]BOT").output
    assert [token.name for token in Tokens(path).all()] == ["Анна"]


def test_wrong_input_is_told(path: Path) -> None:
    assert "otvet tokens add NAME" in run("list").output
    assert json.loads(run("list", "--json").stdout) == []
    with pytest.raises(TokensError, match="no token 'bot'"):
        run("remove", "bot")
    run("add", "bot")
    with pytest.raises(TokensError, match="already"):
        run("add", "BOT")
    with pytest.raises(TokensError, match="choose another"):
        run("add", "a:b")
    path.write_text("{")
    with pytest.raises(TokensError, match="broken"):
        run("add", "other")
    assert path.read_text() == "{"


@pytest.mark.parametrize("arguments", [("add", "bot"), ("list",), ("remove", "bot")])
def test_without_the_setting_it_says_how_to_set_it(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="export OTVET_API_TOKENS=.*tokens.json"):
        run(*arguments)
