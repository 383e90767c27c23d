"""The contract of `index.parts.NearestChunks`, kept by an embedded Chroma and by Chroma's server.

To test a store of your own, subclass `NearestContract` and override one fixture.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from index import server_chunks, store
from index.chroma_server import ChromaServer
from index.embedding import Vectors
from index.parts import NearestChunks
from index.server_chunks import ServerChunks, ServerWriter
from index.store import ChunkStore, write_store
from index.vectors import Rows

DIM, N = 16, 130
SHARD = 50
VECTORS = np.random.default_rng(1).standard_normal((N, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
QUERIES = np.random.default_rng(2).standard_normal((6, DIM)).astype(np.float32)

Open = Callable[[Vectors], AbstractContextManager[NearestChunks]]


def nearest(vectors: Vectors, query: Vectors, k: int) -> list[int]:
    return np.argsort(-(vectors @ query))[:k].tolist()


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are three of them."""
    monkeypatch.setattr(store, "SHARD", SHARD)
    monkeypatch.setattr(store, "SMALL", 10)
    monkeypatch.setattr(server_chunks, "SERVER_SHARD", SHARD)
    monkeypatch.setattr(server_chunks, "AT_ONCE", 20)


class NearestContract:
    @pytest.fixture
    def opened(self) -> Open:
        """Opens a store whose rows have these vectors."""
        raise NotImplementedError

    @pytest.mark.parametrize("k", [1, 7, N, N + 9])
    def test_nearest_are_those_of_an_exact_scan(self, opened: Open, k: int) -> None:
        with opened(VECTORS) as chunks:
            for query in QUERIES:
                found = chunks.nearest(query, k=k)
                assert found.dtype == np.int64
                assert found.tolist() == nearest(VECTORS, query, k)

    def test_all_are_counted_and_named_in_order(self, opened: Open) -> None:
        with opened(VECTORS) as chunks:
            assert chunks.count() == N
            assert chunks.rows().tolist() == list(range(N))

    def test_vectors_come_in_the_order_that_is_asked_for(self, opened: Open) -> None:
        with opened(VECTORS) as chunks:
            rows = np.random.default_rng(3).permutation(N)
            np.testing.assert_allclose(chunks.vectors(rows), VECTORS[rows], atol=1e-5)

    def test_an_empty_one_has_nothing(self, opened: Open) -> None:
        with opened(VECTORS[:0]) as chunks:
            assert chunks.count() == 0
            assert chunks.rows().tolist() == chunks.nearest(QUERIES[0], k=5).tolist() == []

    def test_many_threads(self, opened: Open) -> None:
        with opened(VECTORS) as chunks, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda at: chunks.nearest(QUERIES[at % 6], k=9).tolist(), range(120)))
        assert found == [nearest(VECTORS, QUERIES[at % 6], 9) for at in range(120)]


class TestEmbedded(NearestContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Open:
        @contextmanager
        def opened(vectors: Vectors) -> Iterator[ChunkStore]:
            write_store(tmp_path / "chroma", np.arange(len(vectors)), lambda rows: vectors[rows], base=None, tell=id)
            with closing(ChunkStore(tmp_path / "chroma")) as chunks:
                yield chunks

        return opened


@contextmanager
def on_server(url: str, index_id: str, vectors: Vectors, row_ids: Rows, all_vectors: Vectors) -> Iterator[ServerChunks]:
    """A reader of the rows `row_ids` among others, which have the other vectors."""
    server, others = ChromaServer(url), np.setdiff1d(np.arange(len(all_vectors)), row_ids)
    with closing(ServerWriter(server, index_id=index_id, lineage=1)) as writer:
        writer.add(row_ids, vectors)
        writer.add(others, all_vectors[others])
    with closing(ServerChunks(server, index_id=index_id, lineage=1, row_ids=row_ids)) as chunks:
        yield chunks


class TestServer(NearestContract):
    """Every second row is of an article that is gone, or of a generation to come."""

    @pytest.fixture
    def opened(self, chroma_url: str) -> Open:
        @contextmanager
        def opened(vectors: Vectors) -> Iterator[ServerChunks]:
            row_ids = 2 * np.arange(len(vectors)) + 1
            strange = np.random.default_rng(9).standard_normal((2 * len(vectors), DIM)).astype(np.float32)
            with on_server(chroma_url, uuid4().hex, vectors, row_ids, strange) as chunks:
                yield chunks

        return opened
