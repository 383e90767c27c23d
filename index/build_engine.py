"""Where a build reads and embeds: in this process, or on a Ray cluster (index/ray_engine.py)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Protocol

from index.drafts import EmbeddedChunk
from index.embedder import ArticleEmbedder
from index.embedding import EmbeddingModel, Vectors
from index.errors import SettingsError
from index.readers import CorpusFile
from index.records import Article, Skipped

ARTICLES_AT_ONCE = 64  # how many articles are chunked and embedded together; bounds the memory


class BuildEngine(Protocol):
    """Does the two long parts of a build. What it gives does not depend on where they are done."""

    def read(self, files: Iterable[CorpusFile]) -> Iterator[Iterable[Article | Skipped]]:
        """What each file holds, in the order of the files; each is used up before the next one is asked for.

        Raises:
            CorpusError: a reader cannot be loaded.
        """
        ...

    def embed(
        self, articles: Iterable[Article], *, means: Vectors, max_tokens: int
    ) -> Iterator[tuple[Article, list[EmbeddedChunk]]]:
        """Each article with its chunks, in order. Holds a bounded number of them at any moment.

        Args:
            articles: are taken as they are needed.
            means: of `mean_states`.
            max_tokens: of a chunk; at most what the model reads.
        """
        ...


class LocalEngine:
    """Reads and embeds in this process."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model

    def read(self, files: Iterable[CorpusFile]) -> Iterator[Iterable[Article | Skipped]]:
        """See `BuildEngine`."""
        return (file.read() for file in files)

    def embed(
        self, articles: Iterable[Article], *, means: Vectors, max_tokens: int
    ) -> Iterator[tuple[Article, list[EmbeddedChunk]]]:
        """See `BuildEngine`."""
        embedder = ArticleEmbedder(self._model, means, max_tokens=max_tokens)
        waiting = iter(articles)
        while batch := list(islice(waiting, ARTICLES_AT_ONCE)):
            yield from zip(batch, embedder.embed(batch), strict=True)


def open_engine(
    name: str, model: EmbeddingModel, make_model: Callable[[], EmbeddingModel], *, uses_gpu: bool = False
) -> AbstractContextManager[BuildEngine]:
    """The engine of a name, which is ended with the context.

    Args:
        name: "local", "ray" for Ray on this machine alone, or "ray://" with the address of a cluster that this machine
            is a node of: "ray://host:6379", "ray://auto".
        model: of a local engine.
        make_model: makes the same one in another process; can be pickled.
        uses_gpu: the model runs on a GPU where there is one, which the bundled one does not.

    Raises:
        SettingsError: there is no engine of that name.
    """
    kind, _, address = name.partition("://")
    if name == "local":
        return nullcontext(LocalEngine(model))
    if kind == "ray" and (address or name == "ray"):
        from index.ray_engine import RayEngine

        return RayEngine(make_model, address=address or None, uses_gpu=uses_gpu)
    raise SettingsError(f"there is no engine {name!r}; take 'local', 'ray', or 'ray://host:port' of a running cluster")
