"""Settings of the index: where it lives, what it is built from and how."""

from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from index.bundled import BUNDLED_MODEL


class IndexSettings(BaseModel):
    """How articles become an index. Changing the model or the chunk size asks for a new `otvet index`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: Path = Field(default=Path("corpus"), description="What `otvet index` reads when no path is given.")
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
