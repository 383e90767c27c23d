"""A shared index is what a local one is: the same articles, chunks and hits, whatever happens to the articles."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from fakes import HashedWordsModel
from index import shared_catalog
from index.catalog import open_catalog, require_current
from index.checking import check_generation
from index.chroma_server import ChromaServer
from index.errors import IndexDamagedError, IndexLockedError, IndexMismatchError, IndexMissingError
from index.rebuild import build_index, derive_again
from index.records import Article, Filters, Hit
from index.report import RebuildReport
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from processes import becomes, wait_for
from servers import connected

pytestmark = pytest.mark.long

WORDS = "мост порт зерно баржа школа ремонт паводок губернатор Чавес bridge grain harbour повод Ил-76 снег".split()
QUERIES = ("мост и порт", "зерно на барже", "bridge in the harbour", "Chavez", "паводок, губернатор", "?")
COUNTS = ("n_articles", "n_chunks", "n_added", "n_changed", "n_unchanged", "n_moved", "n_deleted", "n_duplicates")
GRAIN = "В порт Самары пришли два судна с зерном из Астрахани. Разгрузили их за одну ночь."
BRIDGE = "Старый мост через реку Чапаевку закрыли на ремонт до осени."

# Locks that readers have of generations of this schema; the first part of their key is shown without its sign.
HELD = """pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted
and (classid::bigint - hashtext('otvet ' || current_schema())) % (2::bigint ^ 32)::bigint = 0"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture
def build(corpus: Path, shared_settings: IndexSettings) -> Callable[..., RebuildReport]:
    def build(**changed: Any) -> RebuildReport:
        settings = shared_settings.model_copy(update=changed)
        return build_index([corpus], settings=settings, model=HashedWordsModel())

    return build


def text(rng: random.Random) -> str:
    """Of up to three chunks of 32 tokens; the last sentence is in no other text."""
    sentences = [" ".join(rng.choices(WORDS, k=7)).capitalize() for _ in range(rng.randint(1, 8))]
    return ". ".join([*sentences, f"Выпуск {rng.randint(0, 10**9)}."])


def write(path: Path, words: str, *, language: str = "ru") -> None:
    path.write_text(f"---\nlanguage: {language}\ndate: 2024-03-{1 + len(words) % 28:02d}\n---\n{words}")


def change(corpus: Path, rng: random.Random) -> None:
    """Add, edit, move, copy and delete some articles, or say that they are in another language."""
    for _ in range(rng.randint(1, 12)):
        there = sorted(corpus.iterdir())
        new = corpus / f"{rng.random()}.md"
        path = rng.choice(there) if there else new
        kind = rng.choice(["add", "add", "edit", "move", "copy", "delete", "language"]) if there else "add"
        if kind == "add":
            write(new, text(rng))
        elif kind == "edit":
            write(path, text(rng))
        elif kind == "move":
            path.rename(new)
        elif kind == "copy":
            new.write_text(path.read_text())
        elif kind == "delete" and len(there) > 3:
            path.unlink()
        elif kind == "language":
            write(path, path.read_text().split("---\n")[-1], language=rng.choice(["en", "ru", "uk"]))


def articles(settings: IndexSettings) -> list[Article]:
    with closing(Index(settings, HashedWordsModel())) as index, index.lease() as generation:
        return sorted(generation.articles.all(), key=lambda article: article.article_id)


def hits(settings: IndexSettings) -> list[list[Hit]]:
    model = HashedWordsModel()
    with closing(Index(settings, model)) as index:
        search = HybridSearch(index, model)
        return [
            search.search(query, k=50, filters=filters)
            for query in QUERIES
            for filters in (Filters(), Filters(language="ru"))
        ]


def told(found: list[Hit]) -> list[tuple[Any, ...]]:
    return [(hit.rank, hit.chunk, hit.article, hit.score, told(list(hit.repeats))) for hit in found]


def problems(settings: IndexSettings, model: HashedWordsModel | None = None) -> list[str]:
    model = model or HashedWordsModel()
    with closing(open_catalog(settings)) as catalog:
        found = list(check_generation(catalog, require_current(catalog), settings=settings, model=model))
    return [problem for each in found for problem in each.problems]


def sources(index: Index, query: str = "суда мост") -> list[str]:
    found = HybridSearch(index, HashedWordsModel()).search(query, k=20, filters=Filters())
    return sorted(hit.article.source for hit in found)


def rows(settings: IndexSettings, query: str) -> list[tuple[Any, ...]]:
    with connected(settings) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def count(settings: IndexSettings, table: str) -> int:
    return int(rows(settings, f"select count(*) from {table}")[0][0])


def in_chroma(settings: IndexSettings) -> dict[str, int]:
    """The collections of the index by name, with how many rows they hold."""
    ((index_id,),) = rows(settings, "select index_id from state")
    assert settings.chroma_url is not None
    api = ChromaServer(settings.chroma_url).api(timeout_s=20)
    try:
        found = [one for one in api.list_collections(1000) if one.name.startswith(f"otvet-{index_id}-")]
        return {one.name: api._count(one.id) for one in found}
    finally:
        api._session.close()


def assert_nothing_is_left_over(settings: IndexSettings) -> None:
    """Of what nobody reads: only the rows of the serving generation are there."""
    with closing(open_catalog(settings)) as catalog:
        manifest = catalog.manifest(require_current(catalog))
    assert count(settings, "generations") == 1
    assert count(settings, "draft") == count(settings, "writer") == 0
    assert count(settings, "articles") == count(settings, "texts") == manifest.n_articles
    assert count(settings, "articles where until is not null") == 0
    assert count(settings, "chunks") == sum(in_chroma(settings).values()) == manifest.n_chunks
    assert count(settings, "segments where until is not null") == 0
    assert count(settings, "postings where segment not in (select segment from segments)") == 0
    assert count(settings, "words where lineage not in (select lineage from generations)") == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_any_changes_give_what_a_local_index_gives(
    corpus: Path, shared_settings: IndexSettings, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    shared = shared_settings.model_copy(update={"chunk_max_tokens": 32})
    local = IndexSettings(data_dir=tmp_path / "local", chunk_max_tokens=32)
    for _ in range(5):
        change(corpus, rng)
        one, other = (build_index([corpus], settings=each, model=HashedWordsModel()) for each in (shared, local))
        assert {name: getattr(one, name) for name in COUNTS} == {name: getattr(other, name) for name in COUNTS}
        assert (one.n_embedded, one.published) == (other.n_embedded, other.published)
        assert articles(shared) == articles(local)
        assert [told(found) for found in hits(shared)] == [told(found) for found in hits(local)]
        assert problems(shared) == []
        again = build_index([corpus], settings=shared, model=HashedWordsModel())
        assert (again.published, again.n_embedded, again.generation) == (False, 0, one.generation)
        assert_nothing_is_left_over(shared)


def test_a_first_build_in_an_empty_schema(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    with pytest.raises(IndexMissingError, match="PostgreSQL at 127.0.0.1:.*otvet index"):
        Index(shared_settings, HashedWordsModel())
    assert shared_settings.postgres_url is not None
    with psycopg.connect(shared_settings.postgres_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(f"create schema {shared_settings.postgres_schema}")  # type: ignore[arg-type]
    write(corpus / "grain.md", GRAIN)
    assert build().generation == "g-0001"
    assert problems(shared_settings) == []


def test_another_chunk_size_or_model_builds_anew_and_leaves_nothing_of_the_old(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    rng = random.Random(3)
    for number in range(20):
        write(corpus / f"{number}.md", text(rng))
    build()
    old, (old_lineage,) = in_chroma(shared_settings), rows(shared_settings, "select distinct lineage from words")
    assert len(old) == 1
    small = shared_settings.model_copy(update={"chunk_max_tokens": 32})
    with pytest.raises(IndexMismatchError, match="chunk_max_tokens 384, now it is 32"):
        Index(small, HashedWordsModel())
    report = build(chunk_max_tokens=32)
    assert (report.n_embedded, report.n_unchanged) == (20, 20)
    assert not old.keys() & in_chroma(shared_settings).keys()
    assert rows(shared_settings, "select distinct lineage from words") != [old_lineage]
    assert_nothing_is_left_over(small)
    other = HashedWordsModel(name="other", dim=64)
    assert build_index([corpus], settings=small, model=other).n_embedded == 20
    assert problems(small, other) == []
    assert rows(shared_settings, "select distinct length(vector) from chunks") == [(4 * 64,)]
    with closing(Index(small, other)) as index:
        assert len(HybridSearch(index, other).search("мост", k=20, filters=Filters())) > 0


def test_derived_again_it_is_the_same_and_nothing_is_embedded(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    rng, model = random.Random(4), HashedWordsModel()
    for number in range(20):
        write(corpus / f"{number}.md", text(rng))
    build()
    before = hits(shared_settings)
    with connected(shared_settings) as connection:
        connection.execute("delete from postings where term like 'м%'")
        connection.execute("update words set n = n + 1")
    assert derive_again(settings=shared_settings, model=model) == "g-0002"
    assert model.n_documents == 0
    assert [told(found) for found in hits(shared_settings)] == [told(found) for found in before]
    assert_nothing_is_left_over(shared_settings)
    write(corpus / "more.md", BRIDGE)
    (corpus / "3.md").unlink()
    assert build().n_embedded == 1
    assert problems(shared_settings) == []
    assert_nothing_is_left_over(shared_settings)


class _StoppedError(Exception):
    pass


def broken_off(corpus: Path, settings: IndexSettings, stage: str) -> None:
    """A build that ends when it tells of a stage."""

    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        build_index([corpus], settings=settings, model=HashedWordsModel(), progress=stop)


@pytest.mark.parametrize("stage", ["embed", "words", "store"])
def test_a_draft_that_is_dropped_takes_nothing_of_what_serves(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings, stage: str
) -> None:
    """Moved articles have a row of the draft, and the chunks of the generation that serves."""
    rng = random.Random(5)
    for number in range(10):
        write(corpus / f"{number}.md", text(rng))
    build()
    before = articles(shared_settings)
    (corpus / "1.md").rename(corpus / "moved.md")
    (corpus / "2.md").unlink()
    write(corpus / "3.md", text(rng))
    write(corpus / "more.md", BRIDGE)
    broken_off(corpus, shared_settings, stage)
    broken_off(corpus, shared_settings.model_copy(update={"chunk_max_tokens": 32}), "embed")  # drops the first draft
    assert problems(shared_settings) == []
    assert articles(shared_settings) == before
    assert build().published
    assert problems(shared_settings) == []
    assert_nothing_is_left_over(shared_settings)


@pytest.mark.parametrize("stage", ["embed", "words", "store"])
def test_a_draft_is_gone_on_with_whatever_changed_meanwhile(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings, tmp_path: Path, stage: str
) -> None:
    rng = random.Random(6)
    for number in range(10):
        write(corpus / f"{number}.md", text(rng))
    build()
    (corpus / "1.md").rename(corpus / "moved.md")
    for number in range(5):
        write(corpus / f"more{number}.md", text(rng))
    (corpus / "2.md").unlink()
    broken_off(corpus, shared_settings, stage)
    (corpus / "moved.md").unlink()
    (corpus / "more1.md").unlink()
    write(corpus / "last.md", text(rng))
    report = build()
    assert (report.n_embedded, report.n_articles) == (1, 13)
    assert problems(shared_settings) == []
    local = IndexSettings(data_dir=tmp_path / "clean")
    build_index([corpus], settings=local, model=HashedWordsModel())
    assert [told(found) for found in hits(shared_settings)] == [told(found) for found in hits(local)]
    assert_nothing_is_left_over(shared_settings)


def test_two_indexes_in_one_database_do_not_disturb_each_other(
    corpus: Path, shared_settings: IndexSettings, tmp_path: Path
) -> None:
    """They share the data directory, too, and are built at once."""
    other = shared_settings.model_copy(update={"postgres_schema": f"{shared_settings.postgres_schema}_b"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for turn in ("embed", "words"):
        for number in range(100):  # more than are committed together
            write(corpus / f"{number}.md", f"{turn}, {number}. {GRAIN} {GRAIN}")
        write(elsewhere / "bridge.md", f"{BRIDGE} {turn}.")

        def build_the_other(stage: str, done: int, total: int, turn: str = turn) -> None:
            if stage == turn:  # a second time it finds nothing to do
                build_index([elsewhere], settings=other, model=HashedWordsModel())

        build_index([corpus], settings=shared_settings, model=HashedWordsModel(), progress=build_the_other)
        assert [article.text for article in articles(other)] == [f"{BRIDGE} {turn}."]
        assert sorted(article.text for article in articles(shared_settings)) == sorted(
            f"{turn}, {number}. {GRAIN} {GRAIN}" for number in range(100)
        )
    build_index([elsewhere], settings=other, model=HashedWordsModel(name="another"))
    assert problems(shared_settings) == []
    assert problems(other, HashedWordsModel(name="another")) == []
    assert_nothing_is_left_over(shared_settings)
    assert_nothing_is_left_over(other)


def test_a_reader_follows_within_a_second(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    write(corpus / "grain.md", GRAIN)
    build()
    with closing(Index(shared_settings, HashedWordsModel())) as index:
        assert sources(index) == ["grain.md"]
        for number in range(3):
            write(corpus / f"{number}.md", f"Старый мост номер {number}.")
            build()
            assert becomes(lambda n=number: len(sources(index)) == n + 2, timeout_s=1)  # type: ignore[misc]
    assert count(shared_settings, "generations") == 2  # the reader held it, and nobody has built since
    write(corpus / "more.md", "Мост.")
    build()
    assert_nothing_is_left_over(shared_settings)


def test_what_a_request_reads_stays_whole(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    """Two builds delete all that it was opened with."""
    model = HashedWordsModel()
    write(corpus / "grain.md", GRAIN)
    write(corpus / "bridge.md", BRIDGE)
    build()
    with closing(Index(shared_settings, model)) as index, index.lease() as generation:
        before = [article.text for article in generation.articles.all()]
        searches = index.pinned(sources(index) for _ in range(2))
        assert next(searches) == ["bridge.md", "grain.md"]
        for words in ("Снег выпал.", "Снег растаял."):
            for path in corpus.iterdir():
                path.unlink()
            write(corpus / "snow.md", words)
            build()
        index.follow()
        assert next(searches) == ["bridge.md", "grain.md"]
        assert [article.text for article in generation.articles.all()] == before == [BRIDGE, GRAIN]
        assert generation.articles.get(generation.articles.refs()[0].article_id) is not None
        assert np.array_equal(generation.chunks.rows(), [0, 1])
        assert np.allclose(generation.chunks.vectors(np.arange(2)), generation.vectors.vectors(np.arange(2)))
        assert len(generation.lexical.known(["мост", "зерн", "снег"])) == 2
        assert count(shared_settings, "generations") == 2  # nobody read the middle one
        assert list(searches) == []
    write(corpus / "more.md", "Мост.")
    build()
    assert_nothing_is_left_over(shared_settings)


READ = """
import sys
from fakes import HashedWordsModel
from index.serving import Index
from index.settings import IndexSettings
settings = IndexSettings.model_validate_json(sys.stdin.readline())
index = Index(settings, HashedWordsModel())
print("reads", flush=True)
sys.stdin.read()
"""
WRITE = """
import sys, time
from index.catalog import open_catalog
from index.settings import IndexSettings
settings = IndexSettings.model_validate_json(sys.stdin.readline())
with open_catalog(settings).writing() as writer:
    time.sleep(0.6)  # the progress is written down twice a second
    writer.note("embed", 30, 40)
    print("writes", flush=True)
    sys.stdin.read()
"""


@contextmanager
def elsewhere(code: str, settings: IndexSettings) -> Iterator["subprocess.Popen[str]"]:
    """Another process that reads or writes, until it is killed or the `with` ends."""
    assert settings.postgres_url is not None
    own = settings.model_dump(mode="json", include={"data_dir", "postgres_schema", "chroma_url"})
    values = {**own, "postgres_url": settings.postgres_url.get_secret_value()}
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(values) + "\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith("s\n")
            yield process
        finally:
            process.kill()


def test_a_reader_that_is_killed_lets_go(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    write(corpus / "grain.md", GRAIN)
    build()
    with elsewhere(READ, shared_settings) as reader:
        write(corpus / "grain.md", BRIDGE)
        build()
        assert [number for (number,) in rows(shared_settings, "select number from generations order by 1")] == [1, 2]
        assert count(shared_settings, HELD) == 1
        assert (count(shared_settings, "texts"), sum(in_chroma(shared_settings).values())) == (2, 2)
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    assert becomes(lambda: count(shared_settings, HELD) == 0)
    write(corpus / "more.md", "Снег растаял.")
    build()
    assert_nothing_is_left_over(shared_settings)


def test_two_writers_at_once(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings, tmp_path: Path
) -> None:
    """From different machines, as far as directories tell; one that is killed lets go."""
    write(corpus / "grain.md", GRAIN)
    with closing(open_catalog(shared_settings)) as catalog:
        catalog.check_unlocked()
        assert catalog.current_writer() is None
        with elsewhere(WRITE, shared_settings) as writer:
            said = rf"another build is running \(process {writer.pid} on .*, since \d{{4}}-"
            for data_dir in (shared_settings.data_dir, tmp_path / "another"):
                with pytest.raises(IndexLockedError, match=said):
                    build(data_dir=data_dir)
            with pytest.raises(IndexLockedError, match=said):
                catalog.check_unlocked()
            found = catalog.current_writer()
            assert found is not None
            assert (found.pid, found.stage, found.done, found.total) == (writer.pid, "embed", 30, 40)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        assert becomes(lambda: catalog.current_writer() is None)
        assert build().published
        assert catalog.current_writer() is None


def build_and_tell(corpus: Path, settings: IndexSettings, barrier: Any, results: Any) -> None:
    """In a process of its own, at the same moment as another one."""
    barrier.wait()
    try:
        results.put(build_index([corpus], settings=settings, model=HashedWordsModel()).published)
    except IndexLockedError:
        results.put("locked")


def test_two_first_builds_at_once(corpus: Path, shared_settings: IndexSettings, tmp_path: Path) -> None:
    """Tables are made once, and one of them is refused or finds all done."""
    for number in range(50):
        write(corpus / f"{number}.md", f"Статья {number}. {GRAIN}")
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(
            target=build_and_tell,
            args=(corpus, shared_settings.model_copy(update={"data_dir": tmp_path / name}), barrier, results),
        )
        for name in ("one", "two")
    ]
    for process in processes:
        process.start()
    told_by_each = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(map(str, told_by_each)) in (["True", "locked"], ["False", "True"])
    assert problems(shared_settings) == []
    assert len(articles(shared_settings)) == 50


def test_a_generation_that_is_removed_while_it_is_opened_is_left_for_the_next(
    corpus: Path,
    build: Callable[..., RebuildReport],
    shared_settings: IndexSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What serves is asked for now and then, so what was told may be gone."""
    monkeypatch.setattr(shared_catalog, "LOOK_EVERY_S", 600)
    write(corpus / "grain.md", GRAIN)
    build()
    with closing(open_catalog(shared_settings)) as catalog:
        assert catalog.current() == "g-0001"
        write(corpus / "grain.md", BRIDGE)
        build()
        for act, due in ((catalog.open, "g-0002"), (catalog.manifest, "g-0003")):
            with pytest.raises(IndexDamagedError, match="g-000"):
                act(catalog.current() or "")
            assert catalog.current() == due
            write(corpus / "grain.md", f"{BRIDGE} {due}")
            build()


def test_a_role_that_may_only_read_serves(
    corpus: Path, build: Callable[..., RebuildReport], shared_settings: IndexSettings
) -> None:
    write(corpus / "grain.md", GRAIN)
    write(corpus / "bridge.md", BRIDGE)
    build()
    schema = shared_settings.postgres_schema
    role = f"reader_{schema[-12:]}"
    with connected(shared_settings) as connection:
        connection.execute(f"create role {role} login")  # type: ignore[arg-type]
        assert shared_settings.postgres_url is not None
        url = shared_settings.postgres_url.get_secret_value().replace("otvet@", f"{role}@")
        reading = shared_settings.model_copy(update={"postgres_url": SecretStr(url)})
        with pytest.raises(IndexDamagedError, match="grant usage on the schema"):
            Index(reading, HashedWordsModel())
        connection.execute(f"grant usage on schema {schema} to {role}")  # type: ignore[arg-type]
        with pytest.raises(IndexDamagedError, match="permission denied for .*; grant it"):
            Index(reading, HashedWordsModel())
        connection.execute(f"grant select on all tables in schema {schema} to {role}")  # type: ignore[arg-type]
    with closing(Index(reading, HashedWordsModel())) as index:
        assert sources(index) == ["bridge.md", "grain.md"]
        assert len(index.catalog.manifest(require_current(index.catalog)).paths) == 1
        assert index.catalog.current_writer() is None
        with index.lease() as generation:
            assert generation.articles.listing(words="мост").n_articles == 1
        write(corpus / "more.md", "Новый мост.")
        build()
        assert wait_for(lambda: len(sources(index)) == 3, timeout_s=5)
    assert problems(reading) == []
