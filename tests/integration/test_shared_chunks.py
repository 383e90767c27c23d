"""Chunks in PostgreSQL and Chroma's server give what the same chunks give in files, to the last bit."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import pytest

from index import shared_chunks
from index.chroma_server import ChromaServer
from index.drafts import EmbeddedChunk
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.late_interaction import LateIndex, LateWriter
from index.postgres import Database
from index.sentences import Span
from index.server_chunks import ServerChunks, ServerWriter
from index.shared_chunks import NewChunks, SharedChunks, add_chunks, load_places
from index.vectors import ChunkPlace, Rows, VectorIndex, VectorWriter

DIM, WIDTH = 48, 33
N_ARTICLES = 70
QUERIES = np.random.default_rng(1).standard_normal((5, DIM)).astype(np.float32)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
WORDS = np.random.default_rng(2).standard_normal((7, WIDTH)).astype(np.float32)
WORDS /= np.linalg.norm(WORDS, axis=1, keepdims=True)


def unit(random: np.random.Generator, n: int, dim: int) -> Vectors:
    vectors = random.standard_normal((n, dim)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def chunks_of(position: int) -> list[EmbeddedChunk]:
    """From one to four, some of them without words; each is 90 characters long."""
    random = np.random.default_rng(100 + position)
    chunks = []
    for at in range(1 + position % 4):
        n_sentences, n_words = 1 + int(random.integers(5)), int(random.integers(9))
        spans = [Span(100 * at + 15 * one, 100 * at + 15 * one + 14) for one in range(n_sentences)]
        starts = sorted(random.choice(90, n_words, replace=False) + 100 * at)
        vectors = unit(random, n_sentences, DIM)
        states = unit(random, n_words, WIDTH)
        chunks.append(EmbeddedChunk(100 * at, 100 * at + 90, unit(random, 1, DIM)[0], spans, vectors, starts, states))
    return chunks


@dataclass(frozen=True)
class Both:
    """The same living chunks in files and in the servers."""

    vectors: VectorIndex
    late: LateIndex
    shared: SharedChunks


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Database]:
    with closing(Database(postgres_url, schema=f"test_{uuid4().hex}")) as database:
        database.create("test")
        yield database


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, database: Database, chroma_url: str) -> Iterator[Both]:
    """Every fifth article was deleted, numbers have gaps, and behind them are those of a generation to come."""
    folder = tmp_path_factory.mktemp("both")
    alive = [position for position in range(N_ARTICLES) if position % 5]
    with (
        closing(VectorWriter(folder / "vectors", dim=DIM)) as vectors,
        closing(LateWriter(folder / "late", width=WIDTH)) as late,
    ):
        for article, position in enumerate(alive):
            for one in chunks_of(position):
                place = ChunkPlace(article, one.start, one.end)
                vectors.add(place, one.vector, one.sentences, one.sentence_vectors)
                late.add(one.word_starts, one.word_states)
        sizes = {"n_chunks": vectors.n_chunks, "n_sentences": vectors.n_sentences}
    new = [NewChunks(2 * at, 10 * at, chunks_of(at)) for at in range(N_ARTICLES + 9)]
    with database.connection() as connection:
        add_chunks(connection, new[:40])
        add_chunks(connection, new[40:])
        places = load_places(connection, np.array(alive) * 2, n_rows=10 * N_ARTICLES)
    server, index_id = ChromaServer(chroma_url), uuid4().hex
    with closing(ServerWriter(server, index_id=index_id, lineage=1)) as writer:
        for one in new:
            rows = np.arange(len(one.chunks)) + one.first_row
            writer.add(rows, np.stack([chunk.vector for chunk in one.chunks]))
    with closing(ServerChunks(server, index_id=index_id, lineage=1, row_ids=places.row_ids)) as nearest:
        shared = SharedChunks(database, places, dim=DIM, width=WIDTH, nearest=nearest)
        late_index = LateIndex(folder / "late", width=WIDTH, n_chunks=sizes["n_chunks"])
        yield Both(VectorIndex(folder / "vectors", dim=DIM, **sizes), late_index, shared)


def some_rows(both: Both) -> list[Rows]:
    random, n = np.random.default_rng(3), len(both.vectors)
    lots = [random.integers(0, n, size) for size in (1, 2, 3, 29, 50, 101)]  # the same ones now and then
    return [*lots, np.arange(n), np.array([n - 1, 0]), np.empty(0, np.int64)]


def test_places_are_the_same(both: Both) -> None:
    n = len(both.vectors)
    assert len(both.shared) == n > 100
    np.testing.assert_array_equal(both.shared.articles, both.vectors.articles)
    assert [both.shared.place(row) for row in range(n)] == [both.vectors.place(row) for row in range(n)]
    assert {type(value) for value in both.shared.place(7)} == {int}
    for article in range(-1, N_ARTICLES):
        for start, end in [(0, 999), (0, 90), (1, 290), (100, 190), (0, 0)]:
            assert both.shared.rows_in(article, start, end) == both.vectors.rows_in(article, start, end)


def test_vectors_and_their_cosines_are_the_same(both: Both) -> None:
    for rows in some_rows(both):
        np.testing.assert_array_equal(both.shared.vectors(rows), both.vectors.vectors(rows), strict=True)
        for query in QUERIES:
            for method in ("cosines", "best_sentences"):
                found = getattr(both.shared, method)(query, rows)
                np.testing.assert_array_equal(found, getattr(both.vectors, method)(query, rows), strict=True)


def test_sentences_are_the_same(both: Both) -> None:
    for row in range(len(both.vectors)):
        spans, vectors = both.vectors.sentences(row)
        found = both.shared.sentences(row)
        assert found[0] == spans
        np.testing.assert_array_equal(found[1], vectors, strict=True)
        sims = both.late.of_sentences(WORDS, row, spans)
        np.testing.assert_array_equal(both.shared.of_sentences(WORDS, row, spans), sims, strict=True)


def test_words_are_the_same(both: Both) -> None:
    assert both.shared.width == WIDTH
    for row in range(len(both.vectors)):
        starts, states = both.late.words(row)
        found = both.shared.words(row)
        assert found[0] == starts
        np.testing.assert_array_equal(found[1], states, strict=True)
    for rows in some_rows(both):
        for query in (WORDS, WORDS[:1], WORDS[:0]):
            np.testing.assert_array_equal(
                both.shared.max_sims(query, rows), both.late.max_sims(query, rows), strict=True
            )


@pytest.mark.parametrize("few", [0, 20, 5000])
@pytest.mark.parametrize("n_most", [0, 30, 20_000])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 1])
def test_nearest_that_pass_are_the_same(
    both: Both, monkeypatch: pytest.MonkeyPatch, few: int, n_most: int, share: float
) -> None:
    """Whether they are read and compared, or found by Chroma; its search is exact where there are so few."""
    monkeypatch.setattr(shared_chunks, "FEW", few)
    monkeypatch.setattr(shared_chunks, "MOST_ASKED", n_most)
    monkeypatch.setattr(shared_chunks, "SCANNED_AT_ONCE", 32)
    mask = np.random.default_rng(4).random(len(both.vectors)) < share
    for query in QUERIES:
        for k in (1, 10, 500):
            found = both.shared.nearest(query, k=k, mask=mask).tolist()
            assert len(found) == min(k, np.count_nonzero(mask))
            assert sorted(found) == sorted(both.vectors.nearest(query, k=k, mask=mask).tolist())


def test_nothing_of_no_articles(both: Both, database: Database) -> None:
    with database.connection() as connection:
        for positions, n_rows in ((np.empty(0, np.int64), 999), (np.array([2, 4]), 0)):
            row_ids, places = load_places(connection, positions, n_rows=n_rows)
            assert len(row_ids) == len(places) == 0


def test_a_chunk_that_is_lost_is_told(both: Both, database: Database) -> None:
    with database.connection() as connection:
        add_chunks(connection, [NewChunks(5001, 90_001, chunks_of(3)), NewChunks(5003, 90_010, chunks_of(0))])
        places = load_places(connection, np.array([5001]), n_rows=90_010)
        connection.execute("delete from chunks where row = 90002")
    lost = SharedChunks(database, places, dim=DIM, width=WIDTH, nearest=both.shared._nearest)
    assert lost.vectors(np.array([0])).shape == (1, DIM)
    for ask in (lambda: lost.vectors(np.arange(4)), lambda: lost.sentences(1), lambda: lost.words(1)):
        with pytest.raises(IndexDamagedError, match=r"chunk 90002.*otvet doctor --repair"):
            ask()
