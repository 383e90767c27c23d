"""All settings in one value: arguments > environment `OTVET_…` > `otvet.toml` in the working directory > defaults."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from index.errors import SettingsError
from index.settings import IndexSettings
from qa.settings import AnswerSettings

PREFIX = "OTVET_"
TOML_FILE = "otvet.toml"


def _split(names: object) -> object:
    """A text with commas as its parts."""
    return tuple(filter(None, map(str.strip, names.split(",")))) if isinstance(names, str) else names


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class ServerSettings(BaseModel):
    """Where the page and the endpoint are served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=7860, ge=1, le=65535, description="Port to listen on.")
    max_concurrent_questions: int = Field(
        default=16, ge=1, le=256, description="Questions of the page that are answered at once; the others wait."
    )
    users: Path | None = Field(
        default=None, description="File of those who may log in, made by `otvet users add`; without it all may read."
    )
    api_tokens: Path | None = Field(
        default=None,
        description="File of the tokens that programs send, made by `otvet tokens add`; without it none is asked for.",
    )
    session_hours: float = Field(
        default=12, gt=0, le=24 * 365, description="Hours after which a person has to log in again."
    )
    session_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        max_length=1024,
        description="Signs the sessions, 32 random characters or more, the same for all replicas; without it a key is "
        "made in the data directory. `openssl rand -hex 32` makes one.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Names of this server that requests may give as Host, comma separated, `*.example.org` for all "
        "below one; IP addresses, localhost and OTVET_HOST always may.",
    )
    cors_origins: Names = Field(
        default=(),
        description="Sites whose pages may call the endpoint from a browser, comma separated, for example "
        "https://news.example.org; none by default.",
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=10_000, le=1_000_000_000, description="Longest body that the endpoint reads, in bytes."
    )
    rate_limit: int = Field(
        default=300,
        ge=0,
        le=1_000_000,
        description="Requests a minute from one token, user or address; 0 for no limit. A caller on this machine that "
        "sends no token has none.",
    )
    stop_timeout_s: float = Field(
        default=30, ge=0, le=3600, description="Seconds that running answers have to end in when the server is stopped."
    )
    drain_s: float = Field(
        default=0,
        ge=0,
        le=3600,
        description="Seconds for which a server that is being stopped still takes requests, while /ready tells load "
        "balancers to go elsewhere; more than they take to notice.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How the server logs: lines for people, or one JSON object a line."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="From which level on the server logs; each request is told at `info`."
    )
    log_questions: bool = Field(default=False, description="Whether the log tells what is asked.")
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Collector that OpenTelemetry spans are sent to by gRPC, for example http://127.0.0.1:4317; "
        "needs the extra `otel`.",
    )
    uploads: bool = Field(
        default=False, description="Whether administrators may put article files into the corpus from the page."
    )


class Settings(ServerSettings, AnswerSettings, IndexSettings, BaseSettings):
    """Every setting; see the three parents for what they mean."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, toml_file=TOML_FILE, extra="forbid", frozen=True
    )

    @field_validator("corpus", "data_dir", "cache_dir", "chat_gguf", "users", "api_tokens", "chroma_ca_file")
    @classmethod
    def _expand_home(cls, path: object) -> object:
        try:
            return path.expanduser() if isinstance(path, Path) else path
        except RuntimeError as exc:
            raise ValueError("there is no such home directory") from exc

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, otvet.toml; no .env and no secrets folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**arguments: Any) -> Settings:  # noqa: ANN401 - the fields of Settings, which checks them
    """Read the settings. Arguments that are None and variables that are empty count as not given.

    Raises:
        SettingsError: names the setting, its value and what is allowed.
    """
    unknown = sorted(name for name in os.environ if _is_unknown(name))
    if unknown:
        raise SettingsError(f"unknown environment variable {unknown[0]!r}; known are {', '.join(variable_names())}")
    try:
        return Settings(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as exc:
        raise SettingsError(_reasons(exc)) from exc
    except (OSError, ValueError) as exc:  # broken TOML is a ValueError
        raise SettingsError(f"cannot read {TOML_FILE!r}: {exc}") from exc


def variable_names() -> list[str]:
    """The environment variables that are read, sorted."""
    return sorted(PREFIX + name.upper() for name in Settings.model_fields)


def _is_unknown(name: str) -> bool:
    key = name.upper()  # case does not matter to the source either
    return key.startswith(PREFIX) and not key.startswith(f"{PREFIX}TEST_") and key not in variable_names()


def _reasons(exc: ValidationError) -> str:
    reasons = []
    for error in exc.errors():
        name = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            reasons.append(f"unknown setting {name!r}; known are {', '.join(sorted(Settings.model_fields))}")
        else:
            value = "secret" if _is_secret(name) else repr(error["input"])
            message = error["msg"].removeprefix("Value error, ")
            reasons.append(f"setting {name!r} ({PREFIX}{name.upper()}) is {value}: {message}")
    return "; ".join(reasons)


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))
