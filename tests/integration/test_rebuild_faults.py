"""What goes wrong with the indexes of others when articles change; the numbers are those of issue threads.

Each was a complaint of users of kotaemon, Open WebUI, RAGFlow, Onyx, private-gpt, paper-qa or Chroma.
"""

import json
import multiprocessing
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from fakes import HashedWordsModel
from index.checking import check_generation
from index.embedding import EmbeddingModel
from index.errors import IndexLockedError, IndexMismatchError, IndexWriteError
from index.generations import current_generation, generation_names, index_root
from index.local_catalog import LocalCatalog
from index.rebuild import build_index
from index.records import Filters
from index.report import RebuildReport
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from processes import writer_elsewhere
from qa.engine import make_engine
from qa.records import Answer, PassagesFound, Question, Turn
from qa.settings import AnswerSettings

GRAIN = "date 2024-03-01 В порт Самары пришли два судна с зерном из Астрахани. Разгрузили их за одну ночь."
BRIDGE = "date 2024-03-05 Старый мост через реку Чапаевку закрыли на ремонт до осени."


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "grain.txt").write_text(GRAIN)
    (folder / "bridge.txt").write_text(BRIDGE)
    return folder


@pytest.fixture
def build(corpus: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel) -> Callable[[], RebuildReport]:
    return lambda: build_index([corpus], settings=index_settings, model=hashed_words)


def found(index: Index, model: HashedWordsModel, query: str) -> list[str]:
    return [hit.article.source for hit in HybridSearch(index, model).search(query, k=20, filters=Filters())]


def size(root: Path) -> int:
    """Bytes on the disk; a file with several names once."""
    files = {(path.stat().st_dev, path.stat().st_ino): path.stat() for path in root.rglob("*") if path.is_file()}
    return sum(one.st_blocks * 512 for one in files.values())


def problems(settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    name = str(current_generation(settings.data_dir))
    found = check_generation(LocalCatalog(settings.data_dir), name, settings=settings, model=model)
    return [problem for each in found for problem in each.problems]


def test_deleted_and_edited_articles_are_cited_in_no_open_conversation(
    corpus: Path, index_settings: IndexSettings, model: EmbeddingModel
) -> None:
    """RAGFlow 9578, 12039, 9109, 9503; Onyx 1222."""
    build_index([corpus], settings=index_settings, model=model)
    with closing(Index(index_settings, model)) as index:
        chain = make_engine(index, model, AnswerSettings()).chain
        first = chain.invoke(Question("Откуда пришли суда с зерном?"))
        assert isinstance(first, Answer)
        assert "Астрахани" in first.citations[0].quote
        (corpus / "grain.txt").write_text(GRAIN.replace("Астрахани", "Казани"))
        build_index([corpus], settings=index_settings, model=model)
        edited = chain.invoke(Question("Откуда пришли суда с зерном?"))
        assert isinstance(edited, Answer)
        assert "Казани" in edited.citations[0].quote
        (corpus / "grain.txt").unlink()
        build_index([corpus], settings=index_settings, model=model)
        history = (Turn("user", "Откуда пришли суда с зерном?"), Turn("assistant", edited.text))
        gone = chain.invoke(Question("А когда они пришли?", history=history))
        sources = gone.citations if isinstance(gone, Answer) else ()
        assert all("зерном" not in citation.quote for citation in sources)
        assert index.article(first.citations[0].source.article_id) is None
        with index.lease() as generation:
            assert generation.articles.n_articles == generation.chunks.count() == 1


def test_an_answer_sees_one_generation_from_beginning_to_end(
    corpus: Path, index_settings: IndexSettings, model: EmbeddingModel
) -> None:
    build_index([corpus], settings=index_settings, model=model)
    with closing(Index(index_settings, model)) as index:
        chain = make_engine(index, model, AnswerSettings()).chain
        events = chain.stream(Question("Откуда пришли суда с зерном?"))
        assert isinstance(next(events), PassagesFound)
        (corpus / "grain.txt").unlink()
        build_index([corpus], settings=index_settings, model=model)
        index.follow()
        *_, answer = events
        assert isinstance(answer, Answer)
        assert "Астрахани" in answer.citations[0].quote
        assert index.article(answer.citations[0].source.article_id) is None
        assert generation_names(index_settings.data_dir) == ["g-0002"]


def test_the_old_index_answers_while_the_new_one_is_built(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Onyx 1211: indexing must not disturb answering. Open WebUI: re-indexing deletes first."""
    build()
    (corpus / "grain.txt").unlink()
    for number in range(150):
        (corpus / f"{number}.txt").write_text(f"Заметка {number} о погоде.")
    seen: list[tuple[str, bool]] = []
    with closing(Index(index_settings, hashed_words)) as index:

        def look(stage: str, done: int, total: int) -> None:
            seen.append((stage, "grain.txt" in found(index, hashed_words, "суда с зерном")))

        build_index([corpus], settings=index_settings, model=hashed_words, progress=look)
        assert {"read", "embed", "store"} <= {stage for stage, _ in seen}
        assert all(is_there for _, is_there in seen)
        assert "grain.txt" not in found(index, hashed_words, "суда с зерном")


def test_another_embedding_model_is_built_aside_while_the_old_one_serves(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Open WebUI 13225, 11279: "expecting embedding with dimension X, got Y" after a change of the model."""

    build()
    wider = HashedWordsModel(name="wider", dim=512)
    with closing(Index(index_settings, hashed_words)) as old:
        report = build_index([corpus], settings=index_settings, model=wider)
        assert report.n_embedded == 2
        assert found(old, hashed_words, "суда с зерном")[0] == "grain.txt"
        with closing(Index(index_settings, wider)) as new:
            assert found(new, wider, "суда с зерном")[0] == "grain.txt"
        (corpus / "new.txt").write_text("Ещё одна статья.")
        build_index([corpus], settings=index_settings, model=wider)
        assert found(old, hashed_words, "суда с зерном")[0] == "grain.txt"
    with pytest.raises(IndexMismatchError, match="otvet index"):
        Index(index_settings, hashed_words)


def test_what_is_deleted_leaves_nothing_behind(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Open WebUI 12155: 7.7 GiB of vectors a day after their deletion."""
    small = size(index_root(index_settings.data_dir)) if build().published else 0
    rows = [json.dumps({"text": f"Выпуск номер {number} вышел в срок.", "language": "ru"}) for number in range(3000)]
    (corpus / "many.jsonl").write_text("\n".join(rows))
    build()
    assert size(index_root(index_settings.data_dir)) > 5 * small
    (corpus / "many.jsonl").unlink()
    build()
    assert size(index_root(index_settings.data_dir)) < 1.1 * small
    assert problems(index_settings, hashed_words) == []


@pytest.mark.long
def test_a_hundred_rebuilds_with_churn_do_not_grow_the_index(
    corpus: Path,
    build: Callable[[], RebuildReport],
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    tmp_path: Path,
) -> None:
    """Claude-mem 3266: 13 GB against 619 MB after a clean rebuild."""
    for number in range(400):
        (corpus / f"{number}.txt").write_text(f"Выпуск номер {number} вышел в срок. " * 20)
    build()
    for n in range(100):
        for number in range(7 * n, 7 * n + 7):
            (corpus / f"{number % 400}.txt").write_text(f"Выпуск номер {number} вышел опять, в раз {n}. " * 20)
        report = build()
        assert (report.n_changed, report.n_embedded) == (7, 7)
    clean = index_settings.model_copy(update={"data_dir": tmp_path / "clean"})
    build_index([corpus], settings=clean, model=hashed_words)
    assert size(index_root(index_settings.data_dir)) <= 1.2 * size(index_root(clean.data_dir))
    assert len(generation_names(index_settings.data_dir)) == 1
    assert problems(index_settings, hashed_words) == []


def test_the_same_articles_again_are_not_doubled(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """LangChain 22361, Chroma 1780: `from_documents` twice doubles all. Private-gpt 1306: so may a restart."""
    build()
    n_embedded = hashed_words.n_documents
    (corpus / "copy.txt").write_text(GRAIN)
    (corpus / "bridge.txt").rename(corpus / "moved.txt")
    report = build()
    assert (report.n_articles, report.n_duplicates, report.n_moved) == (2, 1, 2)
    assert hashed_words.n_documents == n_embedded
    with closing(Index(index_settings, hashed_words)) as index:
        assert sorted(found(index, hashed_words, "суда мост")) == ["copy.txt", "moved.txt"]


READER = """
import sys, time
from pathlib import Path
from fakes import HashedWordsModel
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
model = HashedWordsModel()
index = Index(IndexSettings(data_dir=Path(sys.argv[1])), model)
search = HybridSearch(index, model)
for line in sys.stdin:
    started = time.monotonic()
    sources = [hit.article.source for hit in search.search(line, k=9, filters=Filters())]
    print(time.monotonic() - started, *sources, flush=True)
"""


def test_readers_in_other_processes_see_what_is_new_within_a_second(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings
) -> None:
    """Chroma 3792: `query` of another process stays stale. Chroma 7040: a second process hangs for 16 minutes."""
    build()
    command = [sys.executable, "-c", READER, str(index_settings.data_dir)]
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{root.parent}{os.pathsep}{root}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    readers = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]

    def ask(reader: "subprocess.Popen[str]") -> tuple[float, list[str]]:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("суда с зерном снег\n")
        reader.stdin.flush()
        seconds, *sources = reader.stdout.readline().split()
        return float(seconds), sources

    try:
        assert [sorted(ask(reader)[1]) for reader in readers] == [["bridge.txt", "grain.txt"]] * 2
        for n in range(3):
            (corpus / "grain.txt").write_text(GRAIN + f" Снег {n}.")
            (corpus / f"snow{n}.txt").write_text(f"Снег растаял за {n} дней.")
            build()
            told = [ask(reader) for reader in readers]
            assert all(f"snow{n}.txt" in sources for _, sources in told)
            assert all(seconds < 1 for seconds, _ in told)
        assert len(generation_names(index_settings.data_dir)) == 1
    finally:
        for reader in readers:
            reader.communicate()


def test_a_second_writer_is_refused_and_a_dead_ones_lock_is_taken_over(
    build: Callable[[], RebuildReport], index_settings: IndexSettings
) -> None:
    """MemPalace 2195, 2026: records lost between two writers. Open WebUI 13225: a second rebuild must be refused."""
    with writer_elsewhere(index_settings.data_dir) as holder:
        started = time.monotonic()
        with pytest.raises(IndexLockedError, match=rf"process {holder.pid}, since \d{{4}}-"):
            build()
        assert time.monotonic() - started < 5  # at once, not after a time-out
        holder.kill()
    assert build().published


def test_a_rebuild_in_the_process_that_reads(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Chroma 6499: "attempt to write a readonly database" after a directory was made again."""
    build()
    with closing(Index(index_settings, hashed_words)) as index:
        for n in range(5):
            (corpus / f"{n}.txt").write_text(f"Заметка {n} о погоде.")
            build()
            assert f"{n}.txt" in found(index, hashed_words, f"заметка {n} о погоде")


def test_asking_writes_nothing_but_what_chroma_notes_for_itself(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Paper-qa 1257: `ask` indexes known files anew."""
    build()

    def files() -> dict[str, int]:
        root = index_root(index_settings.data_dir)
        return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if "chroma" not in path.parts}

    before, n_embedded = files(), hashed_words.n_documents
    with closing(Index(index_settings, hashed_words)) as index:
        assert found(index, hashed_words, "суда с зерном")[0] == "grain.txt"
    assert files() == before
    assert hashed_words.n_documents == n_embedded


def test_an_index_that_lies_among_the_articles_is_none_of_them(
    corpus: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    inside = index_settings.model_copy(update={"data_dir": corpus / "data"})
    for published in (True, False):
        report = build_index([corpus], settings=inside, model=hashed_words)
        assert (report.published, report.n_articles, report.failed) == (published, 2, ())


def test_everything_is_on_the_disk_before_it_serves(
    corpus: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut: of every file the content is forced to the disk after its last change, then the pointer's."""
    build()
    (corpus / "new.txt").write_text("Снег растаял за один день.")
    synced: dict[int, tuple[int, int]] = {}
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        real_sync(descriptor)
        one = os.fstat(descriptor)
        synced[one.st_ino] = (one.st_mtime_ns, one.st_size)

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "CURRENT":
            folder = index_root(index_settings.data_dir) / "g-0002"
            for path in (folder, *folder.rglob("*")):
                one = path.stat()
                assert synced[one.st_ino][0] >= one.st_mtime_ns or stat.S_ISDIR(one.st_mode), path
                assert one.st_ino in synced, path
            order.append("pointer")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    assert build().generation == "g-0002"
    assert order == ["pointer"]


def build_with_little_room(corpus: Path, settings: IndexSettings, n_bytes: int) -> None:
    """In a process of its own, in which no file can grow over so many bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    try:
        build_index([corpus], settings=settings, model=HashedWordsModel())
    except IndexWriteError as exc:
        if "otvet index" not in str(exc):
            raise
        sys.exit(77)


@pytest.fixture(scope="module")
def forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["index.rebuild", "fakes", "chromadb", "py3langid", "scipy.fft"])
    return context


@pytest.mark.parametrize("n_kilobytes", [1, 20, 60, 120, 250, 500, 900, 1500])
def test_a_full_disk_leaves_what_serves_and_the_next_build_finishes(
    corpus: Path,
    build: Callable[[], RebuildReport],
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    forkserver: ForkServerContext,
    n_kilobytes: int,
) -> None:
    build()
    rows = [json.dumps({"text": f"Выпуск номер {number} вышел в срок.", "language": "ru"}) for number in range(1500)]
    (corpus / "many.jsonl").write_text("\n".join(rows))
    process = forkserver.Process(target=build_with_little_room, args=(corpus, index_settings, 1024 * n_kilobytes))
    process.start()
    process.join()
    assert process.exitcode == 77
    with closing(Index(index_settings, hashed_words)) as index:
        assert sorted(found(index, hashed_words, "суда мост")) == ["bridge.txt", "grain.txt"]
    assert build().n_articles == 1502
    assert problems(index_settings, hashed_words) == []
