"""An optional second look at the best hits by a cross-encoder, which reads query and chunk together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from index.errors import ModelError
from index.records import Filters, Hit
from index.search import Search

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DEPTH = 20  # hits that are looked at again; a small cross-encoder reads about 50 chunks a second on two cores


class Reranker(Protocol):
    """Judges passages. Implementations are safe to call from several threads at once."""

    def scores(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """How likely each text answers the query, (len(texts),), in [0, 1], higher is better."""
        ...


class CrossEncoderReranker:
    """A `Reranker` over a sentence-transformers CrossEncoder with one output."""

    def __init__(self, model: "CrossEncoder") -> None:
        self._model = model

    def scores(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See `Reranker`."""
        from torch.nn import Sigmoid

        if not texts:
            return np.empty(0, np.float32)
        pairs = [(query, text) for text in texts]
        scores = self._model.predict(pairs, activation_fn=Sigmoid(), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(scores, np.float32)


class RerankedSearch:
    """Another search, its best hits ordered anew. Their scores are then the reranker's, and so is what they mean."""

    def __init__(self, search: Search, reranker: Reranker) -> None:
        self._search = search
        self._reranker = reranker

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        """See `Search`."""
        hits = self._search.search(query, k=max(k, DEPTH), filters=filters)
        return rerank(hits, query, self._reranker)[:k]


def rerank(hits: Sequence[Hit], query: str, reranker: Reranker) -> list[Hit]:
    """The hits in the reranker's order, with its scores; among equal ones as they were."""
    scores = reranker.scores(query, [hit.chunk.text for hit in hits]).tolist()
    judged = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    ordered = sorted(judged, key=lambda hit: (-hit.score, hit.rank))
    return [_ranked(hit, rank) for rank, hit in enumerate(ordered, start=1)]


def load_reranker(name: str) -> CrossEncoderReranker:
    """Load a cross-encoder by its folder, or by its name in the local model cache. No network.

    Raises:
        ModelError: it cannot be loaded, or it gives more than one number a pair.
    """
    from sentence_transformers import CrossEncoder

    try:
        model = CrossEncoder(name, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as exc:
        raise ModelError(
            f"cannot load the reranker {name!r}: {exc}. Give OTVET_RERANKER a folder that holds a "
            "sentence-transformers CrossEncoder, or unset it"
        ) from exc
    if model.num_labels != 1:
        raise ModelError(f"the reranker {name!r} gives {model.num_labels} numbers a pair, not one; give another")
    return CrossEncoderReranker(model)


def _ranked(hit: Hit, rank: int) -> Hit:
    return replace(hit, rank=rank, repeats=tuple(replace(repeat, rank=rank) for repeat in hit.repeats))
