"""Words and postings in PostgreSQL give what the same ones give in files, to the last bit, whatever builds there were.

A generation here is what a build of one would leave: chunks gone, chunks come, now and then killed or taken back.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pytest

from index import shared_lexical, words
from index.errors import IndexDamagedError
from index.late_interaction import n_bytes
from index.lexical import LexicalIndex, LexicalWriter
from index.postgres import Database
from index.shared_lexical import (
    SharedKeywordIndex,
    forget_segments,
    merge_segments,
    rows_covered,
    undo_segments,
    write_postings,
)
from index.shared_words import choose_frequent_words, read_frequent_words, update_words
from index.text import terms
from index.words import MEANS, TERMS, VECTORS, FrequentWords, WordSums, WordWriter

WIDTH = 12
MEANS_HERE = np.random.default_rng(1).standard_normal((2, WIDTH)).astype(np.float32)
VOCABULARY = ["мост", "моста", "порт", "судно", "ёлка", "Grain", "bridge", "bridges", "naïve", "ß", "Ил-76", "ы" * 41]
VOCABULARY += [f"слово{number}" for number in range(60)]
QUERIES = [[{term: 1.0}] for text in VOCABULARY for term in terms(text)]
QUERIES.append([{term: 1.0, "порт": 0.5} for text in VOCABULARY[:9] for term in terms(text)])
SPAN, WORTH_IT = 64, 3


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A schema of one test's own."""
    with closing(Database(postgres_url, schema=f"test_{uuid4().hex}")) as database:
        database.create("words")
        yield database


@dataclass(frozen=True)
class Chunk:
    """The words of a chunk, with their states; frequent ones are the first of the vocabulary."""

    words: list[str]
    states: npt.NDArray[np.uint8]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def made_chunk(random: Random) -> Chunk:
    found = [VOCABULARY[int(len(VOCABULARY) * random.random() ** 3)] for _ in range(random.randint(0, 12))]
    states = np.frombuffer(random.randbytes(len(found) * n_bytes(WIDTH)), np.uint8)
    return Chunk(found, states.reshape(len(found), n_bytes(WIDTH)))


class TestWords:
    @pytest.fixture(autouse=True)
    def _few_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("index.shared_words.TERMS_AT_ONCE", 7)
        monkeypatch.setattr(words, "MAX_WORDS", 30)
        monkeypatch.setattr("index.shared_words.MAX_WORDS", 30)

    def update(
        self,
        database: Database,
        tmp_path: Path,
        added: Sequence[Chunk],
        removed: Sequence[Chunk] = (),
        *,
        number: int = 1,
    ) -> FrequentWords:
        """Write a difference and choose the frequent words, as the end of a build does."""
        difference = WordSums(tmp_path / uuid4().hex, WIDTH)
        for one in added:
            difference.add(one.words, one.states)
        for one in removed:
            difference.remove(one.words, one.states)
        with database.connection() as connection:
            update_words(connection, 1, difference)
            terms, vectors, means = choose_frequent_words(connection, 1, MEANS_HERE)
            connection.execute(
                "insert into generations values (%s, '', 1, 0, %s, %b, %b) on conflict (number) do update set "
                "terms = excluded.terms, vectors = excluded.vectors, means = excluded.means",
                [number, terms, vectors.tobytes(), means.tobytes()],
            )
        return read_frequent_words(database, number)

    def local(self, tmp_path: Path, chunks: Sequence[Chunk]) -> FrequentWords:
        """What files hold of these chunks."""
        folder = tmp_path / uuid4().hex
        writer = WordWriter(folder, MEANS_HERE)
        for one in chunks:
            writer.add(one.words, one.states)
        writer.save()
        return FrequentWords(np.load(folder / TERMS).tolist(), np.load(folder / VECTORS), np.load(folder / MEANS))

    def assert_same(self, one: FrequentWords, other: FrequentWords) -> None:
        assert one.terms == other.terms
        np.testing.assert_array_equal(one.vectors, other.vectors, strict=True)
        np.testing.assert_array_equal(one.means, other.means, strict=True)

    @pytest.mark.parametrize("seed", range(4))
    def test_the_same_as_in_files_whatever_came_before(self, database: Database, tmp_path: Path, seed: int) -> None:
        random, living = Random(seed), list[Chunk]()
        for number in range(1, 7):
            added = [made_chunk(random) for _ in range(random.randint(0, 60))]
            removed = random.sample(living, random.randint(0, len(living)))
            living = [one for one in living if not any(one is other for other in removed)] + added
            random.shuffle(living)
            shared = self.update(database, tmp_path, added, removed, number=number)
            self.assert_same(shared, self.local(tmp_path, living))
        assert len(shared.terms) > 9

    def test_nothing_is_left_of_words_that_are_gone(self, database: Database, tmp_path: Path) -> None:
        chunks = [made_chunk(Random(seed)) for seed in range(30)]
        before = self.update(database, tmp_path, chunks)
        after = self.update(database, tmp_path, [], chunks, number=2)
        with database.connection() as connection:
            assert connection.execute("select * from words").fetchall() == []
        assert (after.terms, after.vectors.shape) == ([], (0, WIDTH))
        self.assert_same(read_frequent_words(database, 1), before)

    def test_more_taken_away_than_is_there_is_damage_and_changes_nothing(
        self, database: Database, tmp_path: Path
    ) -> None:
        chunks = [made_chunk(Random(seed)) for seed in range(30)]
        before = self.update(database, tmp_path, chunks)
        strange = Chunk(["ящик"], np.zeros((1, n_bytes(WIDTH)), np.uint8))
        with pytest.raises(IndexDamagedError, match=r"'ящик'.*otvet doctor --repair"):
            self.update(database, tmp_path, chunks[:9], [strange])
        self.assert_same(self.update(database, tmp_path, []), before)

    def test_other_states_taken_away_than_were_added_are_damage(self, database: Database, tmp_path: Path) -> None:
        added, other = (Chunk(["ящик"], np.full((1, n_bytes(WIDTH)), level, np.uint8)) for level in (0x11, 0x22))
        self.update(database, tmp_path, [added])
        with pytest.raises(IndexDamagedError, match="'ящик'"):
            self.update(database, tmp_path, [], [other])

    def test_lineages_do_not_meet(self, database: Database, tmp_path: Path) -> None:
        chunks = [made_chunk(Random(seed)) for seed in range(9)]
        before = self.update(database, tmp_path, chunks)
        with database.connection() as connection:
            connection.execute("insert into words select 2, term, n + 1, sum from words")
        self.assert_same(self.update(database, tmp_path, [], number=2), before)

    @pytest.mark.parametrize("change", ["terms = terms[2:]", "vectors = ''", "means = 'a'", "means = ''"])
    def test_what_does_not_belong_together_is_damage(self, database: Database, tmp_path: Path, change: str) -> None:
        self.update(database, tmp_path, [made_chunk(Random(1))])
        with database.connection() as connection:
            connection.execute(f"update generations set {change}")
        with pytest.raises(IndexDamagedError, match=r"words of generation 1 in PostgreSQL at .*otvet index"):
            read_frequent_words(database, 1)

    def test_a_generation_without_words_is_damage(self, database: Database) -> None:
        with pytest.raises(IndexDamagedError, match=r"generation 9 .*there are none"):
            read_frequent_words(database, 9)


class Killed(Exception):
    """A build ends in the middle."""


@dataclass
class Builds:
    """Builds of one shared index, and the living rows of every generation."""

    database: Database
    random: Random
    texts: dict[int, str] = field(default_factory=dict)  # of all rows there ever were
    living: dict[int, list[int]] = field(default_factory=lambda: {0: []})
    next_row: int = 0
    n_less: int = 0  # segments, by merges

    @property
    def last(self) -> int:
        return max(self.living)

    def draft(self) -> list[int]:
        """Rows of a generation to come: of those that are there most stay, and others come."""
        n_gone = self.random.choice([0, 0, 1, len(self.living[self.last]) // 2])
        gone = set(self.random.sample(self.living[self.last], min(n_gone, len(self.living[self.last]))))
        rows = [row for row in self.living[self.last] if row not in gone]
        for _ in range(self.random.randint(0, self.random.choice([3, 12, 3 * SPAN]))):
            self.next_row += self.random.choice([1, 1, 1, 1, 1, 1, 2, 9])
            self.texts[self.next_row] = made_chunk(self.random).text
            rows.append(self.next_row)
        return rows

    def write(self, rows: Sequence[int], *, n_before_kill: int | None = None) -> None:
        """Write what is missing of the generation to come, up to a kill after so many chunks."""
        number, base = self.last + 1, max(self.living[self.last], default=-1)
        with self.database.connection() as connection:
            first = max(rows_covered(connection, number), base + 1)
            missing = [row for row in rows if row >= first]
            write_postings(connection, number, self.read(missing, n_before_kill), tell=lambda done: None)
            self.n_less += merge_segments(connection, number, np.array(rows, np.int64))

    def read(self, rows: Sequence[int], n_before_kill: int | None) -> Iterator[tuple[int, str]]:
        for n_read, row in enumerate(rows):
            if n_read == n_before_kill:
                raise Killed
            yield row, self.texts[row]

    def build(self) -> None:
        """A build, after some that were killed, gone on with or taken back."""
        rows = self.draft()
        while self.random.random() < 0.5:
            try:
                self.write(rows, n_before_kill=self.random.choice([None, 3, SPAN, 2 * SPAN]))
            except Killed:
                pass
            if self.random.random() < 0.3:
                with self.database.connection() as connection:
                    undo_segments(connection, self.last + 1)
                rows = self.draft()
        self.write(rows)
        self.living[self.last + 1] = rows

    def forget(self, before: int) -> None:
        with self.database.connection() as connection:
            forget_segments(connection, before)
        self.living = {number: rows for number, rows in self.living.items() if number >= before}

    def read_shared(self, number: int) -> SharedKeywordIndex:
        return SharedKeywordIndex(self.database, number, np.array(self.living[number], np.int64))

    def read_local(self, folder: Path, number: int) -> LexicalIndex:
        """The same chunks in files, among others that are gone."""
        writer, rows = LexicalWriter(folder), sorted(self.texts)
        for row in rows:
            writer.add(self.texts[row])
        writer.save()
        return LexicalIndex(folder, alive=np.isin(rows, self.living[number]))

    def n_stored(self, table: str) -> int:
        with self.database.connection() as connection:
            (n,) = connection.execute(f"select count(*) from {table}").fetchone() or (0,)
        return int(n)


def assert_same(shared: SharedKeywordIndex, local: LexicalIndex, alive: Sequence[bool]) -> None:
    assert len(shared) == np.count_nonzero(alive)
    asked = [term for query in QUERIES for alternatives in query for term in alternatives]
    assert shared.known(asked) == local.known(asked)
    for query in QUERIES:
        np.testing.assert_array_equal(shared.shares(query), local.shares(query)[np.array(alive, np.bool_)], strict=True)


class TestPostings:
    @pytest.fixture(autouse=True)
    def _small_segments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared_lexical, "SPAN", SPAN)
        monkeypatch.setattr(shared_lexical, "SMALL", SPAN // 2)
        monkeypatch.setattr(shared_lexical, "WORTH_IT", WORTH_IT)

    @pytest.mark.parametrize("seed", range(4))
    def test_every_generation_is_the_same_as_in_files(self, database: Database, tmp_path: Path, seed: int) -> None:
        builds = Builds(database, Random(seed))
        for round_ in range(10):
            builds.build()
            if builds.random.random() < 0.3:
                builds.forget(builds.random.randint(1, builds.last))
            for number in {builds.last, builds.random.choice(list(builds.living))} - {0}:
                alive = [row in set(builds.living[number]) for row in sorted(builds.texts)]
                local = builds.read_local(tmp_path / f"{round_}-{number}", number)
                assert_same(builds.read_shared(number), local, alive)
        assert builds.n_less > 0

    def test_a_killed_build_goes_on_behind_what_it_has_written(self, database: Database, tmp_path: Path) -> None:
        builds = Builds(database, Random(4))
        builds.next_row = 3 * SPAN - 1
        builds.texts = {row: made_chunk(builds.random).text for row in range(3 * SPAN)}
        with pytest.raises(Killed):
            builds.write(range(3 * SPAN), n_before_kill=2 * SPAN + 5)
        with database.connection() as connection:
            assert (rows_covered(connection, 1), rows_covered(connection, 2)) == (2 * SPAN, 0)
        living = [row for row in builds.texts if row % 3]  # others went in the meantime
        builds.write(living)
        builds.living[1] = living
        assert_same(
            builds.read_shared(1), builds.read_local(tmp_path / "local", 1), [row % 3 > 0 for row in builds.texts]
        )
        assert builds.n_stored("segments") == 3

    def test_undone_builds_leave_nothing(self, database: Database) -> None:
        builds = Builds(database, Random(5))
        for _ in range(4):
            builds.build()
        before = builds.n_stored("segments where until is null"), builds.n_stored("postings")
        for _ in range(3):
            builds.write(builds.draft())
            with database.connection() as connection:
                undo_segments(connection, builds.last + 1)
                assert rows_covered(connection, builds.last + 1) == 0
            assert (builds.n_stored("segments where until is null"), builds.n_stored("postings")) == before

    def test_what_nobody_sees_is_forgotten(self, database: Database) -> None:
        builds = Builds(database, Random(6))
        for _ in range(12):
            builds.build()
            builds.forget(builds.last)
            assert builds.n_stored("segments where until is not null") == 0
        assert builds.n_less > 0
        unseen = "postings where segment not in (select segment from segments)"
        assert (builds.n_stored(unseen), len(builds.read_shared(builds.last))) == (0, len(builds.living[builds.last]))

    def test_rows_that_no_segment_holds_are_damage(self, database: Database) -> None:
        builds = Builds(database, Random(7))
        builds.build()
        rows = np.array([*builds.living[1], builds.next_row + 1])
        with pytest.raises(
            IndexDamagedError, match=rf"{len(rows) - 1} chunks of generation 1, not of {len(rows)}.*doctor"
        ):
            SharedKeywordIndex(database, 1, rows)

    def test_a_merge_waits_until_it_is_worth_it(self, database: Database) -> None:
        """One chunk a build: a few segments are read, and rows are not written anew by every build."""
        builds = Builds(database, Random(8))
        n_read, n_merges = [], 0
        for row in range(3 * SPAN):
            builds.texts[row], before = "мост", builds.n_less
            builds.write([*builds.living[builds.last], row])
            builds.living[builds.last + 1] = [*builds.living[builds.last], row]
            n_read.append(builds.n_stored("segments where until is null"))
            n_merges += builds.n_less > before
        assert max(n_read) <= WORTH_IT + 3 * SPAN // (SPAN // 2)
        assert n_merges <= 3 * SPAN // WORTH_IT
        assert builds.n_less == 3 * SPAN - n_read[-1]

    def test_sparse_segments_that_do_not_fit_together_are_left(self, database: Database) -> None:
        builds = Builds(database, Random(9))
        builds.texts = {row: "мост" for row in range(9 * SPAN)}
        builds.write(sorted(builds.texts))
        builds.living[1] = [row for row in builds.texts if row % SPAN in (0, SPAN - 1)]
        builds.write(builds.living[1])
        assert (builds.n_less, builds.n_stored("segments")) == (0, 9)
        builds.write([])
        assert (builds.n_less, builds.n_stored("segments where until is null")) == (9, 0)

    def test_segments_that_are_not_small_are_left(self, database: Database) -> None:
        """And those around them are not merged over them."""
        builds = Builds(database, Random(10))
        for n_rows in [1, SPAN // 2 + 3, *[1] * 3 * WORTH_IT]:
            builds.texts |= {row: "мост" for row in range(len(builds.texts), len(builds.texts) + n_rows)}
            builds.write(sorted(builds.texts))
            builds.living[builds.last + 1] = sorted(builds.texts)
            assert len(builds.read_shared(builds.last)) == len(builds.texts)
        assert builds.n_less > 0
        assert builds.n_stored("segments where since = 2 and until is null") == 1
