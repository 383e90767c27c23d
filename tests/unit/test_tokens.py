"""The file of tokens: what is kept of them, who fits, changes while a server runs, broken files, writers at once."""

import json
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from index.errors import TokensError
from ui.scopes import ASK_AND_READ, Scope
from ui.tokens import Tokens

ASK = frozenset({Scope.ASK})
DIGEST = sha256(b"otvet_some").hexdigest()


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "tokens.json")


def entry(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "scopes": ["ask"], "created_at": "2026-01-02T03:04:05Z", "sha256": DIGEST, **other}


def test_a_token_is_long_random_and_known_by_its_beginning(tokens: Tokens) -> None:
    made = [tokens.add(f"bot {n}", ASK) for n in range(50)]
    assert len(set(made)) == 50
    for token in made:
        assert token.startswith("otvet_")
        assert len(token) == len("otvet_") + 43  # 32 bytes in base64
        assert token.isascii()


def test_the_right_token_alone_is_taken(tokens: Tokens) -> None:
    made = {name: tokens.add(name, scopes) for name, scopes in (("bot", ASK), ("Отчёт", frozenset(Scope)))}
    for name, token in made.items():
        found = tokens.check(token)
        assert found is not None
        assert found.name == name
        assert datetime.now(UTC) - found.created_at < timedelta(minutes=5)
        for wrong in (token[:-1], token + "a", f" {token}", token.upper(), token.removeprefix("otvet_"), f"{token}\0"):
            assert tokens.check(wrong) is None, wrong
    for wrong in ("", "otvet_", "bot", "\ud800", "ключ", "a" * 1_000_000, sha256(made["bot"].encode()).hexdigest()):
        assert tokens.check(wrong) is None
    assert [(token.name, token.scopes) for token in tokens.all()] == [("bot", ASK), ("Отчёт", frozenset(Scope))]


def test_the_file_is_private_and_holds_no_token(tokens: Tokens) -> None:
    made = tokens.add("bot", ASK_AND_READ)
    tokens.path.chmod(0o644)
    tokens.add("other", ASK)
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    text = tokens.path.read_text()
    assert made not in text
    assert made.removeprefix("otvet_") not in text
    first = json.loads(text)["tokens"][0]
    assert first.pop("created_at").endswith("Z")
    assert first == {"name": "bot", "scopes": ["ask", "read"], "sha256": sha256(made.encode()).hexdigest()}
    assert made not in repr(tokens.all())


def test_a_name_is_given_once_whatever_its_case(tokens: Tokens) -> None:
    token = tokens.add("Bot", ASK)
    before = tokens.path.read_bytes()
    with pytest.raises(TokensError, match="'Bot'.* already.*otvet tokens remove"):
        tokens.add(" bOT ", frozenset(Scope))
    assert tokens.path.read_bytes() == before
    assert tokens.check(token) == tokens.get("BOT")


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a\nb", "a\0", "a\u202eb", "\ud800", "a:b", "token:a"])
def test_odd_names_and_no_scopes_are_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(TokensError, match="choose another") as caught:
        tokens.add(name, ASK)
    assert repr(name) in str(caught.value)
    with pytest.raises(TokensError, match="ask, read, admin"):
        tokens.add("bot", frozenset())
    assert not tokens.path.exists()


def test_a_token_made_anew_is_another(tokens: Tokens) -> None:
    first = tokens.add("bot", ASK)
    before = tokens.fingerprint("BOT")
    assert before
    assert before not in tokens.path.read_text()
    assert tokens.remove("BOT").name == "bot"
    assert (tokens.check(first), tokens.get("bot"), tokens.fingerprint("bot")) == (None, None, None)
    second = tokens.add("bot", ASK)
    assert tokens.fingerprint("bot") not in (before, None)
    assert tokens.check(first) is None
    assert tokens.check(second) is not None
    with pytest.raises(TokensError, match="no token 'other' in .*tokens list"):
        tokens.remove("other")


def test_a_change_by_another_counts_at_once(tokens: Tokens) -> None:
    other = Tokens(tokens.path)
    token = other.add("bot", ASK)
    assert tokens.check(token) is not None
    other.remove("bot")
    assert tokens.check(token) is None


def test_a_missing_file_holds_none_but_a_server_refuses_it(tokens: Tokens) -> None:
    assert tokens.all() == []
    with pytest.raises(TokensError, match="tokens add NAME.*OTVET_API_TOKENS") as caught:
        tokens.require()
    assert str(tokens.path) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOF"),
        (b"[]", "object"),
        (b"\xff\xfe", "JSON"),
        (b'{"version": 2, "tokens": []}', "version: "),
        (b'{"users": []}', "users: "),
        (json.dumps({"tokens": [entry("bot", sha256=DIGEST[:-1])]}).encode(), "tokens.0.sha256: "),
        (json.dumps({"tokens": [entry("bot", sha256=DIGEST.upper())]}).encode(), "tokens.0.sha256: "),
        (json.dumps({"tokens": [entry("bot", scopes=[])]}).encode(), "tokens.0.scopes: "),
        (json.dumps({"tokens": [entry("bot", scopes=["all"])]}).encode(), "tokens.0.scopes.0: "),
        (json.dumps({"tokens": [entry("bot", created_at="2026-01-02T03:04:05")]}).encode(), "created_at: "),
        (json.dumps({"tokens": [entry("a:b")]}).encode(), "colon"),
        (json.dumps({"tokens": [entry("bot"), entry("BOT")]}).encode(), "'BOT' is in it twice"),
    ],
)
def test_a_broken_file_is_told_with_the_reason_and_left_alone(tokens: Tokens, content: bytes, reason: str) -> None:
    tokens.path.write_bytes(content)
    for act in [tokens.require, tokens.all, lambda: tokens.add("new", ASK), lambda: tokens.remove("bot")]:
        with pytest.raises(TokensError) as caught:
            act()
        message = str(caught.value)
        assert str(tokens.path) in message
        assert reason in message
        assert "tokens add NAME" in message
        assert DIGEST not in message.lower()
    assert tokens.path.read_bytes() == content


def test_a_file_as_it_is_described_is_read(tokens: Tokens) -> None:
    tokens.path.write_text(json.dumps({"version": 1, "tokens": [entry("bot", scopes=["ask", "admin"])]}))
    found = tokens.check("otvet_some")
    assert found is not None
    assert found.scopes == {Scope.ASK, Scope.ADMIN}
    assert found.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_no_token_fits_while_the_file_is_broken_and_it_is_logged_once(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    token = tokens.add("bot", ASK)
    sound = tokens.path.read_text()
    with caplog.at_level(logging.ERROR):
        tokens.path.write_text("{")
        for _ in range(3):
            assert tokens.check(token) is None
    assert len(caplog.records) == 1
    assert token not in caplog.text
    tokens.path.write_text(sound)
    assert tokens.check(token) is not None


def test_writers_at_once_lose_nothing(tokens: Tokens) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda n: Tokens(tokens.path).add(f"bot {n:02}", ASK), range(12)))
    assert [token.name for token in tokens.all()] == [f"bot {n:02}" for n in range(12)]
    assert None not in [tokens.check(token) for token in made]
