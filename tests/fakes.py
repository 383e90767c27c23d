"""Stand-ins for what is slow, random or remote."""

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.rebuild import build_index
from index.sentences import Span
from index.serving import Index
from index.settings import IndexSettings

DIM = 256


def publish_articles(
    folder: Path,
    model: EmbeddingModel,
    articles: Sequence[dict[str, str]],
    settings: IndexSettings | None = None,
) -> IndexSettings:
    """Index exactly these articles, given by the fields of a JSONL row, in a data directory below `folder`.

    Or where the settings say, which may name a shared index.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "articles.jsonl"
    path.write_text("\n".join(json.dumps({"language": "ru", **article}) for article in articles), encoding="utf-8")
    settings = settings or IndexSettings(data_dir=folder / "data")
    build_index([path], settings=settings, model=model)
    return settings


def open_index(
    folder: Path,
    model: EmbeddingModel,
    articles: Sequence[dict[str, str]],
    settings: IndexSettings | None = None,
) -> Index:
    """An open index of these articles."""
    return Index(publish_articles(folder, model, articles, settings), model)


class HashedWordsModel:
    """An `EmbeddingModel` that puts each word's stem into one of 256 places, so that ranking stays testable.

    Attributes:
        n_documents: how many documents were embedded so far.
    """

    def __init__(self, *, name: str = "hashed-words", max_tokens: int = 512, dim: int = DIM) -> None:
        self.name = name
        self.checksum = hashlib.sha256(name.encode()).hexdigest()
        self.dim = dim
        self.max_tokens = max_tokens
        self.n_documents = 0

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.n_documents += len(texts)
        return np.array([self._vector(text) for text in texts], np.float32).reshape(len(texts), self.dim)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        return [self.encode_query(text) for text in texts]

    def encode_query(self, text: str) -> Encoding:
        words = tuple(Span(*match.span()) for match in re.finditer(r"[^\W\d_]+", text))
        states = [self._vector(text[start:end]) for start, end in words]
        return Encoding(self._vector(text), words, np.array(states, np.float32).reshape(len(words), self.dim))

    def _vector(self, text: str) -> Vectors:
        vector = np.full(self.dim, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int(hashlib.sha256(word[:5].encode()).hexdigest(), 16) % self.dim] += 1
        return vector / np.linalg.norm(vector)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 2 for text in texts]


class ScriptedChatModel(BaseChatModel):
    """Streams prepared replies, one a call, in pieces; records what it was sent.

    A reply is a list of pieces; a piece that is an exception is raised instead.
    """

    replies: list[list[Any]]
    _sent: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _closed: list[bool] = PrivateAttr(default_factory=list)

    @property
    def sent(self) -> list[list[BaseMessage]]:
        return self._sent

    @property
    def n_closed_early(self) -> int:
        return sum(self._closed)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("the chain streams")

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._sent.append(messages)
        finished = False
        try:
            for piece in self.replies.pop(0):
                if isinstance(piece, Exception):
                    raise piece
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            finished = True
        finally:
            self._closed.append(not finished)


class Stop:
    """Says that items are not wanted any more, from some seconds on.

    Attributes:
        at: when that is, by `time.monotonic`.
    """

    def __init__(self, after_s: float = math.inf) -> None:
        self.at = time.monotonic() + after_s

    def __call__(self) -> bool:
        return time.monotonic() >= self.at
