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
from index.catalog import Catalog, open_catalog, require_current
from index.checking import check_generation
from index.rebuild import build_index
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from processes import becomes

pytestmark = pytest.mark.long

FINISHED_EVERY = 4  # kills


def build(corpus: Path, settings: IndexSettings) -> None:
    """In a process of its own."""
    build_index([corpus], settings=settings, model=HashedWordsModel())


@pytest.fixture(scope="module")
def forkserver() -> ForkServerContext:
    """Starts processes that have all imports behind them, so that the kill hits the build."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["index.rebuild", "index.shared_catalog", "psycopg_pool", "chromadb.api.fastapi", "chromadb", "scipy.fft"]
        + ["fakes", "py3langid", "test_kill"]
    )
    return context


def write_old(corpus: Path, n_old: int) -> None:
    """Articles that stay."""
    corpus.mkdir()
    rows = [{"text": f"Выпуск номер {number} вышел в срок.", "language": "ru"} for number in range(n_old)]
    (corpus / "old.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def change(corpus: Path, rng: random.Random, *, n_touched: int) -> None:
    """Add, edit, move and delete a few articles; of those that are there so many at most."""
    there = sorted(corpus.glob("*.md"))
    for path in rng.sample(there, min(len(there), rng.randint(0, n_touched))):
        kind = rng.choice(["edit", "move", "delete"])
        if kind == "edit":
            write(path, rng)
        elif kind == "move":
            path.rename(path.with_stem(f"m{rng.random()}"))
        else:
            path.unlink()
    for _ in range(rng.randint(1, 90)):  # more than are committed together
        write(corpus / f"a{rng.random()}.md", rng)


def write(path: Path, rng: random.Random) -> None:
    name = "".join(rng.choices("бвгдзклмнпрст", k=9)).capitalize()
    body = f"Баржа {name} пришла в порт. На борту {rng.randint(1, 999)} тонн зерна."
    path.write_text(f"---\nlanguage: ru\ndate: 2024-01-01\n---\n{body}")


def problems(catalog: Catalog, settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    found = list(check_generation(catalog, require_current(catalog), settings=settings, model=model))
    return [problem for each in found for problem in each.problems]


def serving_texts(index: Index) -> list[str]:
    with index.lease() as generation:
        return sorted(article.text for article in generation.articles.all() if not article.source.startswith("old"))


def sound_texts(settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    """Of what serves, which is whole."""
    with closing(Index(settings, model)) as index:
        assert problems(index.catalog, settings, model) == []
        return serving_texts(index)


def corpus_texts(corpus: Path) -> list[str]:
    return sorted(path.read_text().split("---\n")[-1] for path in corpus.glob("*.md"))


def best_hits(settings: IndexSettings, names: list[str]) -> list[tuple[str, float]]:
    """The best hit for each barge. There are hundreds of barges, so the others of a search are much alike."""
    model = HashedWordsModel()
    with closing(Index(settings, model)) as index:
        search = HybridSearch(index, model)
        found = [search.search(f"баржа {name} пришла", k=1, filters=Filters())[0] for name in names]
    return [(hit.article.text, round(hit.score, 4)) for hit in found]


class _StoppedError(Exception):
    pass


class KillContract:
    """To test generations that are kept elsewhere, subclass and override the fixture.

    Attributes:
        n_kills: of builds.
        n_old: articles that stay.
        n_touched: of the others, before each build.
    """

    n_kills: int
    n_old: int
    n_touched: int

    @pytest.fixture
    def settings(self) -> IndexSettings:
        raise NotImplementedError("override this fixture")

    def test_kills_at_any_moment(self, tmp_path: Path, settings: IndexSettings, forkserver: ForkServerContext) -> None:
        rng, model, corpus = random.Random(5), HashedWordsModel(), tmp_path / "corpus"
        write_old(corpus, self.n_old)
        build(corpus, settings)
        change(corpus, rng, n_touched=self.n_touched)
        started = time.monotonic()
        build(corpus, settings)
        longest = 1.5 * (time.monotonic() - started)
        before, n_killed = corpus_texts(corpus), 0
        with closing(Index(settings, model)) as index:
            for n in range(self.n_kills):
                change(corpus, rng, n_touched=self.n_touched)
                process = forkserver.Process(target=build, args=(corpus, settings))
                process.start()
                process.join(rng.uniform(0, longest))
                process.kill()
                process.join()
                n_killed += process.exitcode != 0
                process.close()
                assert becomes(lambda: index.catalog.current_writer() is None)  # whose lock is free at once
                serving = sound_texts(settings, model)
                assert serving in (before, corpus_texts(corpus)), f"after kill {n}"
                before = serving
                if n % FINISHED_EVERY == FINISHED_EVERY - 1:
                    build(corpus, settings)
                    before = sound_texts(settings, model)
                    assert before == corpus_texts(corpus)
                assert becomes(lambda due=before: serving_texts(index) == due)  # type: ignore[misc]
        assert n_killed > self.n_kills / 2
        clean = IndexSettings(data_dir=tmp_path / "clean")
        build(corpus, clean)
        names = [one.split()[1] for one in rng.sample(before, 50)]
        found = best_hits(settings, names)
        assert [one.split()[1] for one, _ in found] == names
        assert found == best_hits(clean, names)

    @pytest.mark.parametrize(("stage", "n_left"), [("embed", 200 - 64), ("words", 0), ("store", 0)])
    def test_what_was_embedded_is_not_embedded_again(
        self, tmp_path: Path, settings: IndexSettings, stage: str, n_left: int
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
            build_index([folder], settings=settings, model=model, progress=stop)
        report = build_index([folder], settings=settings, model=model)
        assert (report.n_articles, report.n_added, report.n_embedded) == (200, 200, n_left)
        with closing(open_catalog(settings)) as catalog:
            assert problems(catalog, settings, model) == []


class TestKillsHere(KillContract):
    n_kills, n_touched = 100, 3
    n_old = 2100  # so many that Chroma's files are copied and changed, not made anew

    @pytest.fixture
    def settings(self, index_settings: IndexSettings) -> IndexSettings:
        return index_settings


class TestKillsOfASharedIndex(KillContract):
    n_kills, n_touched, n_old = 20, 30, 100

    @pytest.fixture
    def settings(self, shared_settings: IndexSettings) -> IndexSettings:
        return shared_settings
