"""Texts to vectors. Every embedding model is a sentence-transformers model; this is the only file that runs one."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from index.bundled import BUNDLED_MODEL, bundled_model_path
from index.errors import ModelError
from index.records import Progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]
"""float32, (n, dim), each row of unit length."""

BATCH = 32


class EmbeddingModel(Protocol):
    """Turns texts into vectors whose dot product is their cosine.

    Attributes:
        name: what the manifest calls it.
        checksum: changes with the weights, the prompts and the length limit.
        max_tokens: the most tokens of a document, special tokens and prompt included, that are read.

    Every method may be called from several threads at once and returns its rows in the order of its texts.
    """

    name: str
    checksum: str
    dim: int
    max_tokens: int

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, (n, dim); (0, dim) for no texts."""
        ...

    def encode_query(self, text: str) -> npt.NDArray[np.float32]:
        """The vector of a query, (dim,)."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document, prompt and special tokens included; may exceed `max_tokens`."""
        ...


class SentenceTransformerModel:
    """An `EmbeddingModel` over sentence-transformers."""

    def __init__(self, model: "SentenceTransformer", *, name: str) -> None:
        self.name = name
        self.dim = model.get_embedding_dimension() or 0
        self.max_tokens = int(model.max_seq_length or 512)
        self._model = model
        self._document_prompt = model.prompts.get("document") or ""
        self.checksum = _checksum(model)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        return self._encode(self._model.encode_document, list(texts))

    def encode_query(self, text: str) -> npt.NDArray[np.float32]:
        """See `EmbeddingModel`."""
        vector: npt.NDArray[np.float32] = self._encode(self._model.encode_query, [text])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        if not texts:
            return []
        prompted = [self._document_prompt + text for text in texts]
        ids = self._model.tokenizer(prompted, add_special_tokens=True, truncation=False, verbose=False)["input_ids"]
        return [len(row) for row in ids]

    def _encode(self, encode: Callable[..., Vectors], texts: list[str]) -> Vectors:
        vectors = encode(
            texts, batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


def load_embedding_model(name: str, *, cache_dir: Path, progress: Progress | None = None) -> SentenceTransformerModel:
    """Load an embedding model. No network: a model named by its hub name must already be in its cache.

    Args:
        name: "multilingual-e5-small" (bundled), or any name or folder that sentence-transformers loads.
        cache_dir: where the bundled model is written out on the first call.
        progress: told (stage, done, total) while that happens.

    Raises:
        ModelError: it cannot be loaded.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    bundled = name == BUNDLED_MODEL
    path = str(bundled_model_path(cache_dir, progress=progress)) if bundled else name
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        model = SentenceTransformer(path, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as exc:
        raise ModelError(
            f"cannot load the embedding model {name!r}: {exc}. Give OTVET_EMBEDDING_MODEL a folder that holds a "
            f"sentence-transformers model, or unset it for the bundled {BUNDLED_MODEL!r}"
        ) from exc
    return SentenceTransformerModel(model, name=name)


def _checksum(model: "SentenceTransformer") -> str:
    """sha256 over all weights, the prompts and the length limit. A change of the tokenizer alone is not seen."""
    digest = hashlib.sha256(json.dumps([model.prompts, model.max_seq_length], sort_keys=True).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(memoryview(tensor.detach().cpu().contiguous().float().numpy()).cast("B"))
    return digest.hexdigest()
