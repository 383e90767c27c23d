"""Chroma's server as it is found and left: rows that nobody should see, killed builds, servers that are away."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from index import server_chunks
from index.chroma_server import ChromaServer
from index.errors import IndexDamagedError, IndexUnreachableError, IndexWriteError, SettingsError
from index.server_chunks import ServerChunks, ServerWriter
from index.vectors import Rows
from servers import free_port, running_chroma

DIM, SHARD = 16, 100
VECTORS = np.random.default_rng(1).standard_normal((400, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
QUERIES = np.random.default_rng(2).standard_normal((6, DIM)).astype(np.float32)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_chunks, "SERVER_SHARD", SHARD)


@pytest.fixture
def index_id() -> str:
    return uuid4().hex


@pytest.fixture
def writer(chroma_url: str, index_id: str) -> Iterator[ServerWriter]:
    with closing(ServerWriter(ChromaServer(chroma_url), index_id=index_id, lineage=1)) as writer:
        yield writer


def reader(url: str, index_id: str, row_ids: Rows, *, lineage: int = 1) -> ServerChunks:
    return ServerChunks(ChromaServer(url), index_id=index_id, lineage=lineage, row_ids=row_ids)


def fill(writer: ServerWriter, rows: Rows) -> None:
    writer.add(rows, VECTORS[rows])


@pytest.mark.parametrize("n_alive", [1, 5, 40, 399])
@pytest.mark.parametrize("is_counted", [False, True])
def test_the_dead_never_show_however_many_they_are(
    chroma_url: str, index_id: str, writer: ServerWriter, n_alive: int, is_counted: bool
) -> None:
    fill(writer, np.arange(400))
    alive = np.sort(np.random.default_rng(n_alive).permutation(400)[:n_alive])
    with closing(reader(chroma_url, index_id, alive)) as chunks:
        assert not is_counted or chunks.count() == n_alive
        assert chunks.rows().tolist() == list(range(n_alive))
        for query in QUERIES:
            for k in (1, 10, 400):
                expected = np.argsort(-(VECTORS[alive] @ query))[:k]
                assert chunks.nearest(query, k=k).tolist() == expected.tolist()


def test_a_reader_stays_as_it_is_while_others_write(chroma_url: str, index_id: str, writer: ServerWriter) -> None:
    fill(writer, np.arange(150))
    with closing(reader(chroma_url, index_id, np.arange(50, 150))) as chunks:
        before = [chunks.nearest(query, k=20).tolist() for query in QUERIES]
        fill(writer, np.arange(150, 300))
        writer.delete(np.arange(0, 50))
        assert [chunks.nearest(query, k=20).tolist() for query in QUERIES] == before
        assert chunks.count() == 100


def test_a_killed_build_goes_on(writer: ServerWriter) -> None:
    assert writer.missing(np.arange(90, 120)).tolist() == list(range(90, 120))
    fill(writer, np.arange(95, 105))
    assert writer.missing(np.arange(90, 120)).tolist() == [*range(90, 95), *range(105, 120)]
    assert writer.missing(np.empty(0, np.int64)).tolist() == []


def test_what_is_put_there_again_is_what_is_there(chroma_url: str, index_id: str, writer: ServerWriter) -> None:
    rows = np.arange(90, 110)
    writer.add(rows, VECTORS[rows + 200])
    fill(writer, rows)
    with closing(reader(chroma_url, index_id, rows)) as chunks:
        np.testing.assert_allclose(chunks.vectors(np.arange(20)), VECTORS[rows], atol=1e-5)


def test_what_is_missing_is_told(chroma_url: str, index_id: str, writer: ServerWriter) -> None:
    fill(writer, np.arange(90, 110))
    with closing(reader(chroma_url, index_id, np.arange(90, 112))) as chunks:
        assert chunks.count() == 20
        assert chunks.rows().tolist() == list(range(20))
        with pytest.raises(IndexDamagedError, match=r"lacks chunk '11[01]'.*otvet doctor --repair"):
            chunks.vectors(np.arange(22))
    with (
        closing(reader(chroma_url, index_id, np.array([350]))) as chunks,
        pytest.raises(IndexDamagedError, match="00003"),
    ):
        chunks.count()


def test_collections_without_rows_and_of_other_models_are_dropped(chroma_url: str, index_id: str) -> None:
    server = ChromaServer(chroma_url)
    with (
        closing(ServerWriter(server, index_id=index_id, lineage=1)) as old,
        closing(ServerWriter(server, index_id=index_id, lineage=12)) as new,
        closing(ServerWriter(server, index_id=f"{index_id}x", lineage=1)) as foreign,
    ):
        for writer in (old, new, foreign):
            fill(writer, np.arange(90, 110))
        new.delete(np.arange(0, 100))
        new.drop_empty()
        with closing(reader(chroma_url, index_id, np.array([100]), lineage=12)) as chunks:
            assert chunks.rows().tolist() == [0]
        with (
            closing(reader(chroma_url, index_id, np.array([99]), lineage=12)) as chunks,
            pytest.raises(IndexDamagedError),
        ):
            chunks.count()
        new.drop_lineages(kept=[12])
        assert old.missing(np.arange(90, 110)).tolist() == list(range(90, 110))
        assert new.missing(np.arange(100, 110)).tolist() == foreign.missing(np.arange(90, 110)).tolist() == []
        fill(old, np.arange(90, 110))  # its collections are made again
        assert old.missing(np.arange(90, 110)).tolist() == []


def test_a_reader_finds_a_collection_that_was_made_again(chroma_url: str, index_id: str, writer: ServerWriter) -> None:
    fill(writer, np.arange(10))
    with closing(reader(chroma_url, index_id, np.arange(10, 20))) as chunks:
        assert chunks.nearest(QUERIES[0], k=3).tolist() == []
        writer.delete(np.arange(10))
        writer.drop_empty()
        fill(writer, np.arange(10, 20))
        assert len(chunks.nearest(QUERIES[0], k=3)) == 3


def test_a_server_that_was_away_works_again(tmp_path: Path) -> None:
    port, rows = free_port(), np.arange(150)
    server = ChromaServer(f"http://127.0.0.1:{port}")
    with (
        closing(ServerChunks(server, index_id="one", lineage=1, row_ids=rows)) as chunks,
        closing(ServerWriter(server, index_id="one", lineage=1)) as writer,
    ):
        with running_chroma(tmp_path / "chroma", port=port):
            fill(writer, rows)
            before = chunks.nearest(QUERIES[0], k=9).tolist()
        for ask in (chunks.count, chunks.rows, lambda: chunks.nearest(QUERIES[0], k=9), lambda: fill(writer, rows)):
            with pytest.raises(IndexUnreachableError, match=rf"127.0.0.1:{port}.*OTVET_CHROMA_URL"):
                ask()
        with running_chroma(tmp_path / "chroma", port=port):
            assert chunks.nearest(QUERIES[0], k=9).tolist() == before
            assert chunks.count() == 150


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_chunks, "READ_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            closing(reader(url, "one", np.arange(9))) as chunks,
            pytest.raises(IndexUnreachableError, match=r"timed out.*OTVET_CHROMA_URL"),
        ):
            chunks.count()


def test_a_tenant_or_database_that_is_not_there_is_told(chroma_url: str) -> None:
    server = ChromaServer(chroma_url, database="absent")
    with (
        closing(ServerWriter(server, index_id="one", lineage=1)) as writer,
        pytest.raises(IndexWriteError, match="absent"),
    ):
        fill(writer, np.arange(9))


@pytest.mark.parametrize(
    "url", ["", "chroma", "127.0.0.1:8000", "ftp://host", "http://", "http://host:x", "http://a:b@host", "http://h?x=1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="OTVET_CHROMA_URL"):
        ChromaServer(url)


def test_a_token_is_in_no_message() -> None:
    server = ChromaServer("http://host", token="secret")
    assert "secret" not in repr(server) + server.place


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_certificates_that_cannot_be_read_are_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SettingsError, match="OTVET_CHROMA_CA_FILE"):
        ChromaServer("https://host", ca_file=tmp_path / "ca.pem").api(timeout_s=1)
