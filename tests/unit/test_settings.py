"""Where settings come from, which are refused, and that a secret stays one."""

from pathlib import Path

import pytest

from index.errors import SettingsError
from qa.kept_answers import settings_that_matter
from ui.settings import Settings, load_settings, variable_names

SECRET = "sk-do-not-show-me"


@pytest.fixture(autouse=True)
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "otvet.toml"


def refused(**arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**arguments)
    return str(caught.value)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTVET_CHAT_MODEL")
    settings = load_settings()
    assert (settings.host, settings.port, settings.k, settings.chat_model) == ("127.0.0.1", 7860, 5, "embedded")
    assert settings.corpus == Path("corpus")
    assert settings.embedding_model == "multilingual-e5-small"
    assert settings.chat_gguf is None


def test_an_endpoint_needs_a_name_and_a_name_an_endpoint() -> None:
    assert "'qwen3:4b', but chat_base_url names no endpoint" in refused(chat_model="qwen3:4b")
    assert "no chat_model is named" in refused(chat_model="embedded", chat_base_url="http://127.0.0.1:9/v1")


def test_a_gguf_may_lie_in_the_home_directory() -> None:
    gguf = load_settings(chat_gguf=Path("~/some.gguf")).chat_gguf
    assert gguf == Path.home() / "some.gguf"


def test_arguments_win_over_environment_over_file_over_defaults(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("port = 1001\nk = 11\nchat_max_tokens = 99\n")
    monkeypatch.setenv("OTVET_PORT", "1002")
    monkeypatch.setenv("OTVET_K", "12")
    settings = load_settings(port=1003)
    assert (settings.port, settings.k, settings.chat_max_tokens, settings.chunk_max_tokens) == (1003, 12, 99, 384)


def test_an_argument_that_is_none_and_an_empty_variable_are_not_given(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("port = 1001\nk = 11\n")
    monkeypatch.setenv("OTVET_K", "")
    settings = load_settings(port=None)
    assert (settings.port, settings.k) == (1001, 11)


def test_only_the_working_directory_has_a_settings_file(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("port = 1001\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_settings().port == 7860


def test_dotenv_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTVET_PORT=1001\nOTVET_NONSENSE=1\n")
    assert load_settings().port == 7860


def test_unknown_key_of_the_file_is_named(toml: Path) -> None:
    toml.write_text("prot = 1001\n")
    message = refused()
    assert "'prot'" in message
    assert "port" in message.split("known are")[1]


def test_unknown_table_of_the_file_is_named(toml: Path) -> None:
    toml.write_text("[server]\nport = 1001\n")
    assert "'server'" in refused()


@pytest.mark.parametrize("name", ["OTVET_PROT", "otvet_prot", "OTVET_"])
def test_unknown_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1001")
    message = refused()
    assert repr(name) in message
    assert "OTVET_PORT" in message


def test_unknown_argument_is_named() -> None:
    assert "'prot'" in refused(prot=1001)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", "0", "greater than or equal to 1"),
        ("port", "65536", "less than or equal to 65535"),
        ("port", "http", "valid integer"),
        ("port", "80.5", "valid integer"),
        ("host", "\udcff", "valid string"),
        ("max_concurrent_questions", "0", "greater than or equal to 1"),
        ("k", "51", "less than or equal to 50"),
        ("k", "-1", "greater than or equal to 1"),
        ("chunk_max_tokens", "31", "greater than or equal to 32"),
        ("max_article_chars", "999", "greater than or equal to 1000"),
        ("chat_timeout_s", "0", "greater than 0"),
        ("chat_timeout_s", "nan", "3600"),
        ("chat_timeout_s", "inf", "3600"),
        ("chat_max_tokens", "15", "greater than or equal to 16"),
        ("chat_base_url", "ftp://127.0.0.1/v1", "https?://"),
        ("data_dir", "~no-such-user-here/data", "home directory"),
        ("api_tokens", "~no-such-user-here/data", "home directory"),
    ],
)
def test_value_out_of_bounds_is_told_with_name_and_limit(
    name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"OTVET_{name.upper()}"
    monkeypatch.setenv(variable, value)
    message = refused()
    assert repr(name) in message
    assert variable in message
    assert repr(value) in message
    assert allowed in message


def test_every_wrong_value_is_told_at_once(toml: Path) -> None:
    toml.write_text('port = "x"\nk = 0\n')
    message = refused()
    assert "'port'" in message
    assert "'k'" in message


@pytest.mark.parametrize("content", [b"port = ", b"port = 1\nport = 2", b"[", b'host = "\xff"'])
def test_broken_file_is_named(content: bytes, toml: Path) -> None:
    toml.write_bytes(content)
    assert refused().startswith("cannot read 'otvet.toml': ")


def test_tilde_is_the_home_directory(toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OTVET_DATA_DIR", "~/state")
    toml.write_text('corpus = "~/articles"\n')
    settings = load_settings(cache_dir="~/cache")
    assert settings.data_dir == tmp_path / "state"
    assert settings.corpus == tmp_path / "articles"
    assert settings.cache_dir == tmp_path / "cache"


def test_key_of_the_chat_model_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_CHAT_API_KEY", SECRET)
    settings = load_settings()
    assert settings.chat_api_key is not None
    assert settings.chat_api_key.get_secret_value() == SECRET
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "content",
    [
        f'chat_api_key = ["{SECRET}"]',
        f'[chat_api_key]\nvalue = "{SECRET}"',
        f'chat_api_keys = "{SECRET}"',
        f'port = 0\nchat_api_key = "{SECRET}"',
        f'chat_api_key = "{SECRET}',
    ],
)
def test_key_of_the_chat_model_is_in_no_message(content: str, toml: Path) -> None:
    toml.write_text(content)
    assert SECRET not in refused()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]


def test_every_setting_is_described_in_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_every_setting_has_a_variable() -> None:
    assert len(variable_names()) == len(Settings.model_fields)
    assert {"OTVET_DATA_DIR", "OTVET_CACHE_DIR", "OTVET_CORPUS", "OTVET_CHAT_MODEL"} <= set(variable_names())


def test_what_the_server_is_set_to_says_nothing_of_answers(tmp_path: Path) -> None:
    plain, served = load_settings(), load_settings(port=8000, users=tmp_path / "users.json", data_dir=tmp_path)
    assert settings_that_matter(plain, plain) == settings_that_matter(served, served)
    other = load_settings(k=7)
    assert settings_that_matter(plain, plain) != settings_that_matter(other, other)
