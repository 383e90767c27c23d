"""A build that is killed, at any moment: what serves goes on, the next build finishes, nothing is lost or doubled."""

import json
import multiprocessing
import random
import time
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from fakes import HashedWordsModel
from index.checking import check_generation
from index.generations import current_generation, current_writer
from index.local_catalog import LocalCatalog
from index.rebuild import build_index
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings

pytestmark = pytest.mark.long

N_KILLS = 100
FINISHED_EVERY = 4  # kills
N_OLD = 2100  # articles that stay; so many that Chroma's files are copied and changed, not made anew


def build(corpus: Path, settings: IndexSettings) -> None:
    """In a process of its own."""
    build_index([corpus], settings=settings, model=HashedWordsModel())


@pytest.fixture(scope="module")
def forkserver() -> ForkServerContext:
    """Starts processes that have all imports behind them, so that the kill hits the build."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["index.rebuild", "fakes", "chromadb", "py3langid", "scipy.fft", "test_kill"])
    return context


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [{"text": f"Выпуск номер {number} вышел в срок.", "language": "ru"} for number in range(N_OLD)]
    (folder / "old.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return folder


def change(corpus: Path, rng: random.Random) -> None:
    """Add, edit, move and delete a few articles."""
    there = sorted(corpus.glob("*.txt"))
    for path in rng.sample(there, min(len(there), rng.randint(0, 3))):
        rng.choice(
            [path.unlink, lambda p=path: p.rename(p.with_stem(f"m{rng.random()}")), lambda p=path: write(p, rng)]
        )()
    for _ in range(rng.randint(1, 90)):  # more than are committed together
        write(corpus / f"a{rng.random()}.txt", rng)


def write(path: Path, rng: random.Random) -> None:
    name = "".join(rng.choices("бвгдзклмнпрст", k=9)).capitalize()
    path.write_text(f"date 2024-01-01 Баржа {name} пришла в порт. На борту {rng.randint(1, 999)} тонн зерна.")


def problems(settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    name = str(current_generation(settings.data_dir))
    found = check_generation(LocalCatalog(settings.data_dir), name, settings=settings, model=model)
    return [problem for each in found for problem in each.problems]


def serving_texts(settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    with closing(Index(settings, model)) as index, index.lease() as generation:
        return sorted(article.text for article in generation.articles.all() if not article.source.startswith("old"))


def corpus_texts(corpus: Path) -> list[str]:
    return sorted(path.read_text().removeprefix("date 2024-01-01 ") for path in corpus.glob("*.txt"))


def best_hits(settings: IndexSettings, model: HashedWordsModel, names: list[str]) -> list[tuple[str, float]]:
    """The best hit for each barge. There are thousands of barges, so the others of a search are much alike."""
    with closing(Index(settings, model)) as index:
        search = HybridSearch(index, model)
        found = [search.search(f"баржа {name} пришла", k=1, filters=Filters())[0] for name in names]
    return [(hit.article.text, round(hit.score, 4)) for hit in found]


def test_a_hundred_kills(
    corpus: Path, tmp_path: Path, index_settings: IndexSettings, forkserver: ForkServerContext
) -> None:
    rng, model = random.Random(5), HashedWordsModel()
    build(corpus, index_settings)
    change(corpus, rng)
    started = time.monotonic()
    build(corpus, index_settings)
    longest = 1.5 * (time.monotonic() - started)
    before, n_killed = corpus_texts(corpus), 0
    for n in range(N_KILLS):
        change(corpus, rng)
        process = forkserver.Process(target=build, args=(corpus, index_settings))
        process.start()
        process.join(rng.uniform(0, longest))
        process.kill()
        process.join()
        n_killed += process.exitcode != 0
        process.close()
        serving = serving_texts(index_settings, model)
        assert serving in (before, corpus_texts(corpus)), f"after kill {n}"
        assert problems(index_settings, model) == []
        assert current_writer(index_settings.data_dir) is None
        before = serving
        if n % FINISHED_EVERY == FINISHED_EVERY - 1:
            build(corpus, index_settings)
            before = corpus_texts(corpus)
            assert serving_texts(index_settings, model) == before
            assert problems(index_settings, model) == []
    assert n_killed > N_KILLS / 2
    clean = index_settings.model_copy(update={"data_dir": tmp_path / "clean"})
    build(corpus, clean)
    names = [text.split()[1] for text in rng.sample(before, 50)]
    found = best_hits(index_settings, model, names)
    assert [text.split()[1] for text, _ in found] == names
    assert found == best_hits(clean, model, names)


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize(("stage", "n_left"), [("embed", 200 - 64), ("words", 0), ("store", 0)])
def test_what_was_embedded_is_not_embedded_again(
    tmp_path: Path, index_settings: IndexSettings, stage: str, n_left: int
) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.txt").write_text(f"Статья {number} рассказывает о мосте номер {number}. Конец.")
    model = HashedWordsModel()

    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        build_index([folder], settings=index_settings, model=model, progress=stop)
    report = build_index([folder], settings=index_settings, model=model)
    assert (report.n_articles, report.n_added, report.n_embedded) == (200, 200, n_left)
    assert problems(index_settings, model) == []
