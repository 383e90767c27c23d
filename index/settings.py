"""Settings of the index: where it lives, what it is built from and how."""

from pathlib import Path
from typing import Annotated, Self

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from index.bundled import BUNDLED_MODEL
from index.remote import Place, place_of


def _place(given: object) -> object:
    return place_of(given) if isinstance(given, str) else given


class IndexSettings(BaseModel):
    """How articles become an index. Changing the model or the chunk size asks for a new `otvet index`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: Annotated[Place, BeforeValidator(_place)] = Field(
        default=Path("corpus"), description="What `otvet index` reads when no path is given: a path or a URL."
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("otvet"), description="Where the index lives."
    )
    cache_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("otvet"),
        description="Where the default models are; can be deleted, are made or fetched again.",
    )
    embedding_model: str = Field(
        default=BUNDLED_MODEL, min_length=1, description="Any name or folder that sentence-transformers loads."
    )
    reranker: str | None = Field(
        default=None,
        min_length=1,
        description="Any CrossEncoder that sentence-transformers loads; looks again at the best 20 hits.",
    )
    # `otvet evaluate`, 2026-11-22, 120 Russian paragraphs of XQuAD, recall@1 for Russian / English questions, by chunks
    # and keywords, before the other legs were there:
    # 160 tokens 0.941 / 0.820, 256 0.933 / 0.828, 384 0.936 / 0.843, 500 0.935 / 0.845.
    chunk_max_tokens: int = Field(
        default=384, ge=32, le=8192, description="Most tokens of a chunk; capped at what the model reads."
    )
    max_article_chars: int = Field(
        default=2_000_000, ge=1_000, le=50_000_000, description="A longer article is skipped, in characters."
    )
    chroma_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Chroma server that holds the vectors of a shared index, for example http://127.0.0.1:8000; "
        "goes with OTVET_POSTGRES_URL.",
    )
    chroma_token: SecretStr | None = Field(default=None, description="Sent to it as a bearer token.")
    chroma_tenant: str = Field(default="default_tenant", min_length=1, description="Its tenant.")
    chroma_database: str = Field(default="default_database", min_length=1, description="Its database.")
    chroma_ca_file: Path | None = Field(
        default=None, description="Certificates that its own is checked against, instead of the system's."
    )
    postgres_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL that holds the rest of a shared index, for example postgresql://otvet@127.0.0.1/otvet; "
        "goes with OTVET_CHROMA_URL.",
    )
    postgres_schema: str = Field(
        default="otvet", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Its schema; one for each index."
    )

    @property
    def is_shared(self) -> bool:
        """Whether the index is in servers that many machines read, instead of files here."""
        return self.postgres_url is not None

    @model_validator(mode="after")
    def _names_both_servers(self) -> Self:
        if (self.chroma_url is None) != (self.postgres_url is None):
            given, missing = ("chroma_url", "postgres_url") if self.chroma_url else ("postgres_url", "chroma_url")
            raise ValueError(f"{given} is set, but {missing} is not; a shared index needs both, one here neither")
        return self
