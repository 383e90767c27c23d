"""The property that all of rebuilding by the difference rests on: whatever happens to the articles, and however often
it is rebuilt or a build is broken off, the index is that of a clean build, and each report tells what happened.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import HashedWordsModel
from index import build_engine, drafts, lexical, rebuild, store
from index.checking import check_generation
from index.encoding import Encoding
from index.errors import CorpusError
from index.generations import current_generation, generation_names, index_root, read_manifest
from index.local_catalog import LocalCatalog
from index.rebuild import build_index
from index.records import Article, Filters, Hit
from index.report import RebuildReport
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings

pytestmark = pytest.mark.long

WORDS = (
    "мост порт зерно баржа школа ремонт паводок губернатор Чавес Каракас bridge grain harbour повод Ил-76 снег".split()
)
PLACES = ("a.txt", "b.txt", "c.txt", "sub/d.txt", "sub/e.txt", "table.jsonl")
TEXT_FILES = PLACES[:-1]
N_TEXTS = 12
QUERIES = (
    "мост и порт",
    "зерно на барже",
    "bridge in the harbour",
    "Chavez",
    "Ил-76 и снег",
    "паводок, губернатор",
    "?",
)


def text(number: int) -> str:
    """Of one to three chunks, no two with the same words."""
    rng = np.random.default_rng(number)
    words = [str(word) for word in rng.choice(WORDS, size=(8, 25, 60)[number % 3])]
    sentences = [f"{' '.join(words[at : at + 7])} {number}." for at in range(0, len(words), 7)]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


TEXTS = [text(number) for number in range(N_TEXTS)]


def day(number: int) -> str | None:
    return f"2024-03-{1 + number:02d}" if number % 2 else None


@dataclass(slots=True)
class Corpus:
    """Files of articles, by what they hold: numbers of texts, None for one that cannot be read."""

    folder: Path
    files: dict[str, list[int | None]] = field(default_factory=dict)

    def write(self, place: str, numbers: Sequence[int | None]) -> None:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files[place] = [*numbers] if place not in TEXT_FILES else [*numbers[:1]]
        path.write_text("\n".join(map(self._row if place not in TEXT_FILES else self._file, self.files[place])))

    @staticmethod
    def _row(number: int | None) -> str:
        return json.dumps({"text": TEXTS[number], "published_at": day(number)} if number is not None else {"text": 5})

    @staticmethod
    def _file(number: int | None) -> str:
        if number is None:
            return ""
        return f"date {day(number)} {TEXTS[number]}" if day(number) else TEXTS[number]

    def delete(self, place: str) -> None:
        if self.files.pop(place, None) is not None:
            (self.folder / place).unlink()

    def move(self, place: str, other: str) -> None:
        if place in self.files and place != other:
            (self.folder / place).rename(self.folder / other)
            self.files[other] = self.files.pop(place)

    def _all(self) -> Iterator[tuple[int | None, str]]:
        for place, numbers in sorted(self.files.items()):
            for line, number in enumerate(numbers, start=1):
                yield number, place if place in TEXT_FILES else f"{place}:{line}"

    def sources(self) -> dict[int, str]:
        """Where each text is met first."""
        found: dict[int, str] = {}
        for number, source in self._all():
            if number is not None:
                found.setdefault(number, source)
        return found

    def n_duplicates(self) -> int:
        return sum(number is not None for number, _ in self._all()) - len(self.sources())

    def n_failed(self) -> int:
        return sum(number is None for number, _ in self._all())


class BreaksOff(HashedWordsModel):
    """Embeds so many passages and no more."""

    def __init__(self, n_passages: int) -> None:
        super().__init__()
        self.n_left = n_passages

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        self.n_left -= len(texts)
        if self.n_left < 0:
            raise InterruptedBuildError
        return super().encode_passages(texts)


class InterruptedBuildError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the corpus. `numbers` of None cannot be read."""

    kind: str
    place: str
    other: str
    numbers: list[int | None]

    def apply(self, corpus: Corpus) -> None:
        if self.kind == "write":
            corpus.write(self.place, self.numbers)
        elif self.kind == "delete":
            corpus.delete(self.place)
        elif (self.place in TEXT_FILES) == (self.other in TEXT_FILES):
            corpus.move(self.place, self.other)


STEPS = st.builds(
    Step,
    st.sampled_from(["write", "write", "write", "delete", "move"]),
    st.sampled_from(PLACES),
    st.sampled_from(PLACES),
    st.lists(st.sampled_from([*range(N_TEXTS), None]), min_size=1, max_size=6),
)
ROUNDS = st.lists(st.tuples(st.lists(STEPS, min_size=1, max_size=4), st.none() | st.integers(0, 5)), max_size=4)


def expected_changes(before: dict[int, str], after: dict[int, str]) -> dict[str, int]:
    """By sets of places: what came and went in one place changed."""
    came = Counter(source for number, source in after.items() if number not in before)
    went = Counter(source for number, source in before.items() if number not in after)
    moved = [number for number, source in after.items() if number in before and before[number] != source]
    n_changed = sum(min(came[source], went[source]) for source in came)
    return {
        "n_articles": len(after),
        "n_added": came.total() - n_changed,
        "n_changed": n_changed,
        "n_deleted": went.total() - n_changed,
        "n_moved": len(moved),
        "n_unchanged": sum(before.get(number) == source for number, source in after.items()),
    }


class Checked:
    """An index that is rebuilt, and looked at each time."""

    def __init__(self, corpus: Corpus, data_dir: Path) -> None:
        self.corpus, self.settings = corpus, IndexSettings(data_dir=data_dir, chunk_max_tokens=32)
        self.before: dict[int, str] = {}
        self.was_broken_off = False

    def build(self, model: HashedWordsModel) -> RebuildReport:
        return build_index([self.corpus.folder], settings=self.settings, model=model)

    def break_off(self, n_passages: int) -> None:
        """A build that may get to its end, too."""
        generation = current_generation(self.settings.data_dir)
        try:
            self._check(self.build(BreaksOff(n_passages)))
        except InterruptedBuildError:
            self.was_broken_off = True
            assert current_generation(self.settings.data_dir) == generation

    def rebuild(self) -> None:
        self._check(self.build(HashedWordsModel()))

    def _check(self, report: RebuildReport) -> None:
        after = self.corpus.sources()
        changes = expected_changes(self.before, after)
        assert {name: getattr(report, name) for name in changes} == changes
        assert (report.n_duplicates, len(report.failed)) == (self.corpus.n_duplicates(), self.corpus.n_failed())
        n_new = changes["n_added"] + changes["n_changed"]
        if self.was_broken_off:
            assert report.n_embedded <= len(after)
            assert report.published or after == self.before
        else:
            assert report.n_embedded == n_new
            assert report.published == (after != self.before)
        assert generation_names(self.settings.data_dir) == [report.generation]
        manifest = read_manifest(index_root(self.settings.data_dir) / report.generation)
        assert (manifest.n_articles, manifest.n_chunks) == (report.n_articles, report.n_chunks)
        assert {article.text: article.source for article in articles(self.settings)} == {
            TEXTS[number]: source for number, source in after.items()
        }
        self.before, self.was_broken_off = after, False


def articles(index_settings: IndexSettings) -> list[Article]:
    with closing(Index(index_settings, HashedWordsModel())) as index, index.lease() as generation:
        return sorted(generation.articles.all(), key=lambda article: article.article_id)


def hits(index_settings: IndexSettings, filters: Filters) -> list[list[Hit]]:
    model = HashedWordsModel()
    with closing(Index(index_settings, model)) as index:
        search = HybridSearch(index, model)
        return [search.search(query, k=50, filters=filters) for query in (*QUERIES, TEXTS[1])]


def assert_same_hits(found: Sequence[Hit], expected: Sequence[Hit]) -> None:
    assert [(hit.rank, hit.chunk, hit.article) for hit in found] == [
        (hit.rank, hit.chunk, hit.article) for hit in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.legs is not None
        assert other.legs is not None
        for name in ("cosine", "sentence", "share", "max_sim", "plain", "ahead"):
            assert getattr(one.legs, name) == pytest.approx(getattr(other.legs, name), abs=1e-5)
        assert_same_hits(one.repeats, other.repeats)


def assert_as_if_built_at_once(checked: Checked, clean: IndexSettings) -> None:
    model = HashedWordsModel()
    report = build_index([checked.corpus.folder], settings=clean, model=model)
    assert report.n_embedded == report.n_articles
    assert articles(checked.settings) == articles(clean)
    for filters in (Filters(), Filters(published_from=None, language="ru")):
        for found, expected in zip(hits(checked.settings, filters), hits(clean, filters), strict=True):
            assert_same_hits(found, expected)
    name = str(current_generation(checked.settings.data_dir))
    catalog = LocalCatalog(checked.settings.data_dir)
    findings = list(check_generation(catalog, name, settings=checked.settings, model=model))
    assert [problem for finding in findings for problem in finding.problems] == []


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=ROUNDS, most_dead=st.sampled_from([0.0, 0.2, 5.0]), small_blocks=st.booleans())
def test_any_changes_and_rebuilds_give_the_index_of_a_clean_build(
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[tuple[list[Step], int | None]],
    most_dead: float,
    small_blocks: bool,
) -> None:
    """With compaction always, sometimes and never; with blocks and shards of a few chunks, or one for all."""
    folder = tmp_path_factory.mktemp("any")
    corpus = Corpus(folder / "articles")
    for place, number in zip(("a.txt", "b.txt", "sub/d.txt"), (0, 1, 2), strict=True):
        corpus.write(place, [number])
    corpus.write("table.jsonl", [3, 4, None, 0, 5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(rebuild, "ARTICLES_AT_ONCE", 2)
        patch.setattr(build_engine, "ARTICLES_AT_ONCE", 2)
        patch.setattr(drafts, "MOST_DEAD", most_dead)
        if small_blocks:
            patch.setattr(lexical, "BLOCK", 4)
            patch.setattr(store, "SHARD", 8)
            patch.setattr(store, "SMALL", 3)
        checked = Checked(corpus, folder / "data")
        checked.rebuild()
        for steps, n_passages in rounds:
            for step in steps:
                step.apply(corpus)
            if not corpus.sources():
                with pytest.raises(CorpusError):
                    checked.rebuild()
                continue
            if n_passages is not None:
                checked.break_off(n_passages)
            else:
                checked.rebuild()
        if corpus.sources():
            checked.rebuild()
            assert_as_if_built_at_once(checked, checked.settings.model_copy(update={"data_dir": folder / "clean"}))
