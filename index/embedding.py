"""Texts to vectors. Every embedding model but the bundled one is run by sentence-transformers."""

import hashlib
import json
import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from index.bundled import BUNDLED_MODEL, bundled_model_path
from index.encoding import Encoding, Offsets, encoding_of
from index.errors import ModelError
from index.records import Progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer as SentenceTransformer

Vectors = npt.NDArray[np.float32]
"""float32, (n, dim), each row of unit length."""

BATCH = 8  # the caches of the processor hold as much; 32 take 1.3 times as long and four times the memory
ENCODE: dict[str, Any] = {"batch_size": BATCH, "normalize_embeddings": True, "show_progress_bar": False}


class EmbeddingModel(Protocol):
    """Turns texts into vectors whose dot product is their cosine.

    Attributes:
        name: what the manifest calls it.
        checksum: changes with the weights, the tokenizer, the prompts, the length limit and the way passages are run.
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

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """Passages with their words."""
        ...

    def encode_query(self, text: str) -> Encoding:
        """A query with its words."""
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
        self._own_tokenizer: Any = None
        self._tokenising = Lock()
        self._document_prompt = model.prompts.get("document") or ""
        self._query_prompt = model.prompts.get("query") or ""
        self.checksum = _checksum(model)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel`."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        vectors = self._model.encode_document(list(texts), convert_to_numpy=True, **ENCODE)
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """See `EmbeddingModel`."""
        outputs: Any = self._model.encode_document(list(texts), output_value=None, **ENCODE) if texts else []
        return self._encodings(texts, self._document_prompt, outputs)

    def encode_query(self, text: str) -> Encoding:
        """See `EmbeddingModel`."""
        outputs: Any = self._model.encode_query([text], output_value=None, **ENCODE)
        return self._encodings([text], self._query_prompt, outputs)[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `EmbeddingModel`."""
        if not texts:
            return []
        prompted = [self._document_prompt + text for text in texts]
        ids = self._tokens(prompted, add_special_tokens=True, truncation=False, verbose=False)["input_ids"]
        return [len(row) for row in ids]

    def _encodings(self, texts: Sequence[str], prompt: str, outputs: Sequence[dict[str, Any]]) -> list[Encoding]:
        places = self._token_spans([prompt + text for text in texts])
        return [
            _encoding(text, output, spans, prompt=prompt)
            for text, output, spans in zip(texts, outputs, places, strict=True)
        ]

    def _token_spans(self, prompted: list[str]) -> list[Offsets]:
        """Where each token is, (n_tokens, 2); no tokens where the tokenizer cannot tell."""
        if not prompted or not getattr(self._model.tokenizer, "is_fast", False):
            return [np.empty((0, 2), np.int64) for _ in prompted]
        found = self._tokens(prompted, return_offsets_mapping=True, truncation=True, max_length=self.max_tokens)
        return [np.array(spans, np.int64).reshape(-1, 2) for spans in found["offset_mapping"]]

    def _tokens(self, prompted: list[str], **how: object) -> dict[str, Any]:
        """By a tokenizer apart: a call changes its settings, while other threads may be encoding with the model's."""
        with self._tokenising:
            self._own_tokenizer = self._own_tokenizer or deepcopy(self._model.tokenizer)
            found: dict[str, Any] = self._own_tokenizer(prompted, **how)
            return found


def _encoding(text: str, output: dict[str, Any], tokens: Offsets, *, prompt: str) -> Encoding:
    is_read = output["attention_mask"].cpu().numpy().astype(bool)  # the rest is padding, on either side
    states = output["token_embeddings"].float().cpu().numpy()[is_read]
    return encoding_of(text, output["sentence_embedding"].float().cpu().numpy(), states, tokens, shift=len(prompt))


def load_embedding_model(name: str, *, cache_dir: Path, progress: Progress | None = None) -> EmbeddingModel:
    """Load an embedding model. No network: a model named by its hub name must already be in its cache.

    Args:
        name: "multilingual-e5-small" (bundled), or any name or folder that sentence-transformers loads.
        cache_dir: where the bundled model is written out on the first call.
        progress: told (stage, done, total) while that happens.

    Raises:
        ModelError: it cannot be loaded.
    """
    from threadpoolctl import threadpool_limits

    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    model: EmbeddingModel
    if name == BUNDLED_MODEL:
        from index.bundled_model import BundledModel

        model = BundledModel(bundled_model_path(cache_dir, progress=progress))
    else:
        model = SentenceTransformerModel(_sentence_transformer(name), name=name)
    # NumPy's BLAS threads spin for a while after each product and take the cores from the model's: a search of 36 ms
    # took 113 ms on two cores.
    threadpool_limits(limits=1, user_api="blas")
    return model


def _sentence_transformer(name: str) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        return SentenceTransformer(name, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as exc:
        raise ModelError(
            f"cannot load the embedding model {name!r}: {exc}. Give OTVET_EMBEDDING_MODEL a folder that holds a "
            f"sentence-transformers model, or unset it for the bundled {BUNDLED_MODEL!r}"
        ) from exc


def _checksum(model: "SentenceTransformer") -> str:
    """sha256 over all weights, the tokenizer, the prompts and the length limit."""
    digest = hashlib.sha256(json.dumps([model.prompts, model.max_seq_length], sort_keys=True).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(memoryview(tensor.detach().cpu().contiguous().float().numpy()).cast("B"))
    if tokenizer := getattr(model.tokenizer, "backend_tokenizer", None):
        digest.update(tokenizer.to_str().encode())
    return digest.hexdigest()
