"""The README keeps its word: its settings are the settings, its examples run."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from apps import app_over, listening
from index.settings import IndexSettings
from places import ROOT
from qa.engine import Engine
from qa.records import Answer
from ui.app import make_app
from ui.cli import app as cli
from ui.scopes import Scope
from ui.settings import Settings
from ui.tokens import Tokens

README = (ROOT / "README.md").read_text("utf-8")
HOME = str(Path.home())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shell_lines(start: str) -> list[list[str]]:
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith(start)]


def settings_table() -> list[tuple[str, str, str]]:
    """Name, default and meaning of every setting, as the README should show them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, ()) else f"`{str(default).replace(HOME, '~')}`"
        rows.append((f"`OTVET_{name.upper()}`", shown, field.description or ""))
    return sorted(rows)


def test_settings_table_is_complete() -> None:
    found = re.findall(r"^\| (`OTVET_\w+`) \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    assert [(row[0], row[2]) for row in found] == [(row[0], row[2]) for row in settings_table()]
    platform = {"`OTVET_DATA_DIR`", "`OTVET_CACHE_DIR`"}  # differ from system to system
    assert [row[1] for row in found if row[0] not in platform] == [
        row[1] for row in settings_table() if row[0] not in platform
    ]


def run_python_example(example: str, settings: IndexSettings | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if settings is not None:
        example = example.replace("IndexSettings()", f"IndexSettings(data_dir={str(settings.data_dir)!r})")
    exec(example, values)
    return values


def test_python_examples(sample_settings: IndexSettings, capsys: pytest.CaptureFixture[str]) -> None:
    _, answering, retrieving = blocks("python")
    response = run_python_example(answering, sample_settings)["response"]
    assert isinstance(response, Answer)
    assert "GPS" in response.text
    capsys.readouterr()
    titles = run_python_example(retrieving, sample_settings)["titles"]
    assert "Иран" in capsys.readouterr().out
    assert len(titles.invoke("Ростех")) == 3


def test_openai_example(sample_engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    example, *_ = blocks("python")
    with listening(lambda: make_app(sample_engine, Settings())) as url:
        values = run_python_example(example.replace("http://127.0.0.1:7860", url))
        values["client"].close()
    assert "GPS" in capsys.readouterr().out
    assert values["completion"].otvet["citations"]


def test_mcp_example() -> None:
    (example,) = blocks("json")
    server = json.loads(example)["mcpServers"]["otvet"]
    result = CliRunner().invoke(cli, [*server["args"], "--help"])
    assert (server["command"], result.exit_code) == ("otvet", 0)


def test_endpoint_example(sample_engine: Engine) -> None:
    words, _ = shell_lines("curl")
    client = TestClient(app_over(sample_engine))
    url = next(word for word in words if word.startswith("http"))
    reply = client.post(url.removeprefix("http://127.0.0.1:7860"), json=json.loads(words[words.index("-d") + 1]))
    assert reply.json()["kind"] == "answer"
    assert {"article_id", "quote", "start", "end"} <= set(reply.json()["citations"][0])
    for route in re.findall(r"`(/[a-z{}_/]+)`", README):
        assert route in ("/docs", "/v1") or route in client.get("/openapi.json").json()["paths"], route


def test_rebuild_example(sample_engine: Engine, tmp_path: Path) -> None:
    _, words = shell_lines("curl")
    url = next(word for word in words if word.startswith("http"))
    name, value = words[words.index("-H") + 1].split(": ")
    assert words[words.index("-X") + 1] == "POST"
    tokens = Tokens(tmp_path / "tokens.json")
    [command] = [line for line in shell_lines("otvet tokens") if "admin" in line]
    scopes = frozenset(Scope(word) for flag, word in pairwise(command) if flag == "--scope")
    given = value.replace("$TOKEN", tokens.add(command[3], scopes))
    settings = Settings(api_tokens=tokens.path, corpus=tmp_path / "none", data_dir=tmp_path / "data")
    with TestClient(app_over(sample_engine, settings)) as client:
        reply = client.post(url.removeprefix("http://127.0.0.1:7860"), headers={name: given})
        assert reply.status_code == 202
        assert client.get("/index", headers={name: given}).status_code == 200


def test_terminal_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OTVET_USERS", str(tmp_path / "users.json"))
    monkeypatch.setenv("OTVET_API_TOKENS", str(tmp_path / "tokens.json"))
    for words in shell_lines("otvet"):
        result = CliRunner().invoke(cli, words[1:], input="correct horse\n")
        assert result.exit_code == 0, (words, result.output)
    assert len(shell_lines("otvet")) == 9


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for words in shell_lines("make"):
        assert f"\n{words[1]}:" in makefile


def test_formats_of_the_readme_are_those_that_are_read() -> None:
    from index.readers import READERS

    named = set(re.findall(r"`(\.\w+)`", README.split("## Your articles")[1].split("## ")[0]))
    assert named <= set(READERS)
    assert set(READERS) - named == {".markdown", ".htm"}
