"""Articles to all that is stored of their chunks."""

from collections.abc import Sequence

import numpy as np

from index.chunking import chunk_article
from index.drafts import EmbeddedChunk
from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.records import Article, Chunk
from index.sentences import Span, split_sentences
from index.words import content_words

CHUNKS_AT_ONCE = 64  # the states of their words take up to 600 kB a chunk


class ArticleEmbedder:
    """Chunks articles and embeds their chunks, sentences and words.

    Args:
        model: the embedding model.
        means: of `mean_states`.
        max_tokens: of a chunk; at most what the model reads.
    """

    def __init__(self, model: EmbeddingModel, means: Vectors, *, max_tokens: int) -> None:
        self._model, self._means = model, means
        self._max_tokens = min(max_tokens, model.max_tokens)

    def embed(self, articles: Sequence[Article]) -> list[list[EmbeddedChunk]]:
        """The chunks of each article, in order."""
        chunks = [self._cut(article) for article in articles]
        embedded = iter(self._embed([chunk for own in chunks for chunk in own]))
        return [[next(embedded) for _ in own] for own in chunks]

    def _cut(self, article: Article) -> list[Chunk]:
        return chunk_article(article, count_tokens=self._model.count_tokens, max_tokens=self._max_tokens)

    def _embed(self, chunks: Sequence[Chunk]) -> list[EmbeddedChunk]:
        spans = [split_sentences(chunk.text) for chunk in chunks]
        sentences = [chunk.text[start:end] for chunk, own in zip(chunks, spans, strict=True) for start, end in own]
        left = self._model.encode_documents(sentences)
        embedded: list[EmbeddedChunk] = []
        for at in range(0, len(chunks), CHUNKS_AT_ONCE):
            some = chunks[at : at + CHUNKS_AT_ONCE]
            encodings = self._model.encode_passages([chunk.text for chunk in some])
            for chunk, own, encoding in zip(some, spans[at:], encodings, strict=False):
                embedded.append(self._embedded(chunk, own, left[: len(own)], encoding))
                left = left[len(own) :]
        return embedded

    def _embedded(self, chunk: Chunk, sentences: list[Span], vectors: Vectors, encoding: Encoding) -> EmbeddedChunk:
        words = content_words(chunk.text, encoding, self._means)
        return EmbeddedChunk(
            chunk.start,
            chunk.end,
            np.asarray(encoding.vector, np.float32),
            [Span(chunk.start + start, chunk.start + end) for start, end in sentences],
            vectors,
            [chunk.start + start for start in words.starts],
            words.states,
        )
