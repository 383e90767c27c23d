"""From article files to a published generation. A build that fails leaves the serving generation as it is."""

import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from index.articles import ArticleRef, ArticleStore, ArticleWriter
from index.chunking import chunk_article
from index.embedding import EmbeddingModel, Vectors
from index.errors import CorpusError, IndexStateError
from index.generations import (
    ARTICLES_FILE,
    CHUNKS_DIR,
    LATE_DIR,
    LEXICAL_DIR,
    VECTORS_DIR,
    WORDS_DIR,
    Manifest,
    current_generation,
    index_root,
    new_manifest,
    publish,
    read_manifest,
    write_manifest,
    writing,
)
from index.late_interaction import LateWriter
from index.lexical import LexicalWriter
from index.readers import read_corpus
from index.records import Article, Chunk, Progress, Skipped
from index.sentences import Span, split_sentences
from index.serving import Generation, check_manifest
from index.settings import IndexSettings
from index.store import ChunkStore
from index.vectors import ChunkPlace, VectorWriter
from index.words import WordWriter, content_words, mean_states

log = logging.getLogger(__name__)

ARTICLES_AT_ONCE = 64  # how many articles are chunked, embedded and stored together; bounds the memory
CHUNKS_AT_ONCE = 64  # the states of their words take up to 600 kB a chunk
SENTENCES_AT_ONCE = 512  # the vectors of their words take 30 kB a sentence
N_REASONS = 5


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What `build_index` did.

    Attributes:
        generation: the serving generation afterwards.
        published: False when nothing had changed, so that nothing was written.
        n_added: articles that the generation before did not hold; an edited article counts as added and deleted.
        n_duplicates: articles left out because another has the very same content.
        skipped: articles that could not be read, each with its reason.
    """

    generation: str
    published: bool
    n_articles: int
    n_chunks: int
    n_added: int
    n_deleted: int
    n_duplicates: int
    skipped: tuple[Skipped, ...]
    seconds: float


def build_index(
    paths: Sequence[Path], *, settings: IndexSettings, model: EmbeddingModel, progress: Progress | None = None
) -> RebuildReport:
    """Index exactly the articles under `paths` and publish them as a new generation.

    Args:
        paths: files and folders; together they are the whole corpus.
        settings: where the index is and how it is built.
        model: the embedding model.
        progress: told (stage, done, total): "read" with total 0, as it is not known, then "embed" in articles.

    Raises:
        CorpusError: a path does not exist, or there is no article at all under `paths`.
        IndexLockedError: another process is building.
    """
    started = time.monotonic()
    tell = progress or (lambda stage, done, total: None)
    with writing(settings.data_dir) as building:
        reading = _read(paths, building / ARTICLES_FILE, settings, tell)
        serving = _serving(settings)
        if serving is not None and _is_same(serving, reading, settings, model):
            return _report(serving.name, reading, n_chunks=serving.manifest.n_chunks, started=started)
        n_chunks = _embed(building, settings, model, tell)
        known = frozenset(serving.article_ids) if serving else frozenset()
        report = _report(None, reading, n_chunks=n_chunks, started=started, known=known)
        write_manifest(building, _manifest(settings, model, reading, report))
        return replace(report, generation=publish(settings.data_dir, building))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the corpus holds: the articles themselves are in the file that `_read` wrote."""

    refs: list[ArticleRef]
    n_duplicates: int
    skipped: tuple[Skipped, ...]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("\n".join(f"{ref.article_id} {ref.source}" for ref in self.refs).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Serving:
    name: str
    manifest: Manifest
    article_ids: list[str]


def _read(paths: Sequence[Path], target: Path, settings: IndexSettings, tell: Progress) -> _Reading:
    n_duplicates, skipped = 0, []
    with ArticleWriter(target) as writer:
        for n_read, item in enumerate(read_corpus(paths, max_article_chars=settings.max_article_chars), start=1):
            if isinstance(item, Skipped):
                skipped.append(item)
            elif not writer.add(item):
                n_duplicates += 1
            tell("read", n_read, 0)
    with closing(ArticleStore(target)) as articles:
        refs = articles.refs()
    if not refs:
        raise CorpusError(_no_articles(paths, skipped))
    return _Reading(refs, n_duplicates, tuple(skipped))


def _no_articles(paths: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(repr(str(path)) for path in paths)
    reasons = "".join(f"\n  {item}" for item in skipped[:N_REASONS])
    return f"there is no readable article in {places}; the index stays as it is, put articles there{reasons}"


def _serving(settings: IndexSettings) -> _Serving | None:
    """What serves now; None where nothing does, or nothing that could be read."""
    name = current_generation(settings.data_dir)
    if name is None:
        return None
    path = index_root(settings.data_dir) / name
    try:
        with closing(ArticleStore(path / ARTICLES_FILE)) as articles:
            return _Serving(name, read_manifest(path), [ref.article_id for ref in articles.refs()])
    except IndexStateError as exc:
        log.warning("the serving generation %s cannot be compared with: %s", name, exc)
        return None


def _is_same(serving: _Serving, reading: _Reading, settings: IndexSettings, model: EmbeddingModel) -> bool:
    try:
        check_manifest(serving.manifest, settings=settings, model=model)
        Generation.open(index_root(settings.data_dir) / serving.name).close()
    except IndexStateError:
        return False
    return serving.manifest.corpus_fingerprint == reading.fingerprint


def _embed(building: Path, settings: IndexSettings, model: EmbeddingModel, tell: Progress) -> int:
    """Chunk, embed and store every article that was read; returns the number of chunks."""
    with (
        closing(ArticleStore(building / ARTICLES_FILE)) as articles,
        closing(ChunkStore(building / CHUNKS_DIR, create=True)) as store,
        VectorWriter(building / VECTORS_DIR) as vectors,
        LateWriter(building / LATE_DIR) as late,
    ):
        max_tokens = min(settings.chunk_max_tokens, model.max_tokens)
        embedding = _Embedding(model, store, vectors, late, max_tokens=max_tokens)
        remaining = articles.all()
        while batch := list(islice(remaining, ARTICLES_AT_ONCE)):
            embedding.add(batch)
            tell("embed", embedding.n_articles, articles.n_articles)
    embedding.lexical.save(building / LEXICAL_DIR)
    embedding.words.save(building / WORDS_DIR, embedding.means)
    return embedding.n_chunks


class _Embedding:
    """Takes articles, batch after batch, to all that is stored of them."""

    def __init__(
        self, model: EmbeddingModel, store: ChunkStore, vectors: VectorWriter, late: LateWriter, *, max_tokens: int
    ) -> None:
        self._model, self._store, self._vectors, self._late = model, store, vectors, late
        self._max_tokens = max_tokens
        self.means = mean_states(model)
        self.lexical, self.words = LexicalWriter(), WordWriter()
        self.n_articles = self.n_chunks = 0

    def add(self, articles: Sequence[Article]) -> None:
        chunks = [
            (position, chunk)
            for position, article in enumerate(articles, self.n_articles)
            for chunk in self._cut(article)
        ]
        texts = [chunk.text for _, chunk in chunks]
        vectors = self._encode_chunks([chunk for _, chunk in chunks])
        self._store.add(vectors, first_row=self.n_chunks)
        self.lexical.add(texts)
        spans = [split_sentences(text) for text in texts]
        sentences = [text[start:end] for text, own in zip(texts, spans, strict=True) for start, end in own]
        left = self._encode_sentences(sentences)
        for (position, chunk), vector, own in zip(chunks, vectors, spans, strict=True):
            here, left = left[: len(own)], left[len(own) :]
            shifted = [Span(chunk.start + start, chunk.start + end) for start, end in own]
            self._vectors.add(ChunkPlace(position, chunk.start, chunk.end), vector, shifted, here)
        self.n_articles, self.n_chunks = self.n_articles + len(articles), self.n_chunks + len(chunks)

    def _cut(self, article: Article) -> list[Chunk]:
        return chunk_article(article, count_tokens=self._model.count_tokens, max_tokens=self._max_tokens)

    def _encode_chunks(self, chunks: Sequence[Chunk]) -> Vectors:
        """Vectors of chunks, (len(chunks), dim); their words go to the late interaction."""
        vectors = np.empty((len(chunks), self._model.dim), np.float32)
        for at in range(0, len(chunks), CHUNKS_AT_ONCE):
            some = chunks[at : at + CHUNKS_AT_ONCE]
            encodings = self._model.encode_passages([chunk.text for chunk in some])
            vectors[at : at + len(some)] = [encoding.vector for encoding in encodings]
            for chunk, encoding in zip(some, encodings, strict=True):
                words = content_words(chunk.text, encoding, self.means)
                self._late.add([chunk.start + start for start in words.starts], words.states)
        return vectors

    def _encode_sentences(self, sentences: Sequence[str]) -> Vectors:
        """Vectors of sentences, (len(sentences), dim); their words are taken in."""
        vectors = np.empty((len(sentences), self._model.dim), np.float32)
        for at in range(0, len(sentences), SENTENCES_AT_ONCE):
            texts = sentences[at : at + SENTENCES_AT_ONCE]
            encodings = self._model.encode_passages(texts)
            self.words.add(texts, encodings)
            vectors[at : at + len(texts)] = [encoding.vector for encoding in encodings]
        return vectors


def _report(
    generation: str | None,
    reading: _Reading,
    *,
    n_chunks: int,
    started: float,
    known: frozenset[str] | None = None,
) -> RebuildReport:
    """The report of a build; of an unchanged corpus where `generation` is given."""
    read = frozenset(ref.article_id for ref in reading.refs)
    before = read if known is None else known
    return RebuildReport(
        generation=generation or "",
        published=generation is None,
        n_articles=len(reading.refs),
        n_chunks=n_chunks,
        n_added=len(read - before),
        n_deleted=len(before - read),
        n_duplicates=reading.n_duplicates,
        skipped=reading.skipped,
        seconds=round(time.monotonic() - started, 2),
    )


def _manifest(settings: IndexSettings, model: EmbeddingModel, reading: _Reading, report: RebuildReport) -> Manifest:
    return new_manifest(
        embedding_model=model.name,
        embedding_checksum=model.checksum,
        dim=model.dim,
        chunk_max_tokens=settings.chunk_max_tokens,
        corpus_fingerprint=reading.fingerprint,
        n_articles=report.n_articles,
        n_chunks=report.n_chunks,
        report=asdict(report),
    )
