"""Drafts: what was committed is there whatever happens, what was not is gone, and compaction loses nothing."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import drafts
from index.articles import ARTICLES, TEXTS, ArticleRef
from index.deriving import Plain
from index.drafts import MOST_DEAD, STAMP, Draft, EmbeddedChunk, Stamp, begin_draft, stamp_of
from index.embedding import Vectors
from index.errors import IndexDamagedError
from index.generations import FORMAT_VERSION, LATE_DIR, VECTORS_DIR
from index.late_interaction import FILES as LATE_FILES
from index.late_interaction import pack
from index.records import Article
from index.sentences import Span
from index.vectors import FILES as VECTOR_FILES

DIM, WIDTH = 8, 12
NEW = Stamp(FORMAT_VERSION, None, "c0ffee", 384, DIM, WIDTH)
FROM_BASE = replace(NEW, base="g-0001")
SHARED = [TEXTS, *(f"{VECTORS_DIR}/{name}" for name in VECTOR_FILES), *(f"{LATE_DIR}/{name}" for name in LATE_FILES)]


@pytest.fixture(autouse=True, scope="module")
def _without_fsync() -> Iterator[None]:
    """It is slow, and changes nothing as long as the machine is on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def article(number: int) -> Article:
    text = f"Статья {number}. " * (1 + number % 3)
    return Article(f"{number:016x}", f"Заголовок {number}", text, None, None, None, (), "ru", f"{number}.txt")


def states(n: int, width: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def chunks(number: int) -> list[EmbeddedChunk]:
    """One to three, each of one or two sentences and none to three words."""
    made = []
    for at in range(1 + number % 3):
        start, seed = 10 * at, 100 * number + at
        n_sentences, n_words = 1 + (number + at) % 2, (number + at) % 4
        sentences = [Span(start + 4 * one, start + 4 * one + 3) for one in range(n_sentences)]
        words = list(range(start, start + 2 * n_words, 2))
        vector, *own = states(1 + n_sentences, DIM, seed)
        made.append(
            EmbeddedChunk(start, start + 9, vector, sentences, np.array(own), words, states(n_words, WIDTH, seed))
        )
    return made


@dataclass(frozen=True, slots=True)
class Held:
    """All that a draft holds of an article, but for its position."""

    article: Article
    chunks: list[tuple[Any, ...]]


def expected(*numbers: int) -> list[Held]:
    return [
        Held(
            article(number),
            [
                (
                    chunk.start,
                    chunk.end,
                    chunk.vector.tolist(),
                    [*chunk.sentences],
                    chunk.sentence_vectors.astype(np.float16).tolist(),
                    [*chunk.word_starts],
                    pack(chunk.word_states).tolist(),
                )
                for chunk in chunks(number)
            ],
        )
        for number in numbers
    ]


def held(folder: Path) -> dict[int, Held]:
    """What the living articles have, by their positions."""
    with closing(Plain(folder, dim=DIM, width=WIDTH)) as plain:
        found = {position: Held(each, []) for position, each in plain.articles.from_position(0)}
        for row in np.flatnonzero(plain.alive).tolist():
            place = plain.vectors.place(row)
            vector, (sentences, own), (starts, packed) = (
                plain.vectors.vectors(np.array([row]))[0],
                plain.vectors.sentences(row),
                plain.late.words(row),
            )
            found[place.article].chunks.append(
                (place.start, place.end, vector.tolist(), sentences, own.tolist(), starts, packed.tolist())
            )
    return found


def fill(folder: Path, *numbers: int, deleted: Sequence[int] = (), committed: bool = True) -> None:
    with Draft(folder) as draft:
        draft.delete([f"{number:016x}" for number in deleted])
        for number in numbers:
            draft.add(article(number), chunks(number))
        if committed:
            draft.commit()


def begin(folder: Path, *, base: Path | None = None, gone: Sequence[int] = ()) -> Path:
    stamp = FROM_BASE if base is not None else NEW
    begin_draft(folder, stamp, base=base, gone={f"{number:016x}" for number in gone})
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Articles 0 to 9 with 19 chunks."""
    fill(begin(tmp_path / "g-0001"), *range(10))
    return tmp_path / "g-0001"


def n_dead(folder: Path) -> int:
    with closing(Plain(folder, dim=DIM, width=WIDTH)) as plain:
        return int(np.count_nonzero(~plain.alive))


def is_compacted(folder: Path) -> bool:
    stamp = stamp_of(folder)
    assert stamp is not None
    return stamp.is_compacted


class TestResuming:
    def test_what_was_added_is_there(self, base: Path) -> None:
        assert held(base) == dict(enumerate(expected(*range(10))))

    def test_each_commit_goes_on_from_the_one_before(self, tmp_path: Path) -> None:
        folder = begin(tmp_path / "draft")
        for number in range(10):
            fill(folder, number)
            assert held(folder) == dict(enumerate(expected(*range(number + 1))))

    def test_what_was_not_committed_is_gone(self, base: Path) -> None:
        sizes = {name: (base / name).stat().st_size for name in SHARED}
        fill(base, 10, 11, deleted=[0, 1], committed=False)
        assert held(base) == dict(enumerate(expected(*range(10))))
        assert any((base / name).stat().st_size > size for name, size in sizes.items())
        with Draft(base):
            pass
        assert {name: (base / name).stat().st_size for name in SHARED} == sizes
        fill(base, 12)
        assert held(base) == dict(enumerate(expected(*range(10), 12)))

    @settings(deadline=None, max_examples=12)
    @given(st.lists(st.tuples(st.sampled_from(SHARED), st.binary(min_size=1, max_size=99))), st.integers(0, 3))
    def test_whatever_a_kill_left_behind_is_cut_off(
        self, tmp_path_factory: pytest.TempPathFactory, tails: list[tuple[str, bytes]], n_before: int
    ) -> None:
        """The files are written in any order, and not by whole rows."""
        folder = begin(tmp_path_factory.mktemp("killed") / "draft")
        fill(folder, *range(n_before))
        for name, tail in tails:
            with (folder / name).open("ab") as file:
                file.write(tail)
        fill(folder, 7, 8)
        assert held(folder) == dict(enumerate(expected(*range(n_before), 7, 8)))

    def test_what_was_committed_is_on_the_disk_before_it_counts(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The articles' file, which SQLite forces to the disk by itself, still says what it said before."""
        synced: dict[int, int] = {}

        def note(descriptor: int) -> None:
            status = os.fstat(descriptor)
            synced[status.st_ino] = status.st_size
            assert [*held(base)] == [*range(10)]

        with Draft(base) as draft:
            draft.add(article(11), chunks(11))
            monkeypatch.setattr(os, "fsync", note)
            draft.commit()
            assert synced == {(base / name).stat().st_ino: (base / name).stat().st_size for name in SHARED}
            assert held(base) == dict(enumerate(expected(*range(10), 11)))

    @pytest.mark.parametrize("name", SHARED)
    def test_a_draft_that_lost_what_was_committed_cannot_be_gone_on_with(self, base: Path, name: str) -> None:
        content = (base / name).read_bytes()
        (base / name).write_bytes(content[:-1])
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            Draft(base)

    def test_without_its_articles_a_draft_does_not_cut_off_what_its_base_has(self, base: Path, tmp_path: Path) -> None:
        draft = begin(tmp_path / "draft", base=base)
        (draft / ARTICLES).unlink()
        with pytest.raises(IndexDamagedError, match="lacks its articles; run: otvet index"):
            Draft(draft)
        assert held(base) == dict(enumerate(expected(*range(10))))

    def test_an_article_that_is_there_already_stays_as_it_is(self, base: Path) -> None:
        with Draft(base) as draft:
            draft.add(replace(article(3), source="elsewhere.txt"), chunks(3))
            draft.commit()
        assert held(base) == dict(enumerate(expected(*range(10))))

    def test_moved_articles_keep_all_but_their_source(self, base: Path) -> None:
        with Draft(base) as draft:
            draft.update([ArticleRef(f"{3:016x}", "new/3.txt", "ru")])
            draft.commit()
        found = held(base)
        assert found[3].article == replace(article(3), source="new/3.txt")
        assert found[3].chunks == expected(3)[0].chunks


class TestStamp:
    def test_it_comes_back(self, tmp_path: Path) -> None:
        assert stamp_of(begin(tmp_path / "draft")) == NEW

    @pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "{}", json.dumps(asdict(NEW) | {"more": 1})])
    def test_a_folder_without_one_is_no_draft(self, tmp_path: Path, content: str | None) -> None:
        folder = begin(tmp_path / "draft")
        (folder / STAMP).unlink() if content is None else (folder / STAMP).write_text(content)
        assert stamp_of(folder) is None
        with pytest.raises(IndexDamagedError, match="no draft"):
            Draft(folder)

    def test_it_is_written_when_all_else_is_there(self, base: Path, tmp_path: Path) -> None:
        """A draft that was not begun to the end is none."""
        (base / LATE_DIR / LATE_FILES[-1]).unlink()
        with pytest.raises(IndexDamagedError, match=r"g-0001.*run: otvet index"):
            begin(tmp_path / "draft", base=base)
        assert stamp_of(tmp_path / "draft") is None


class TestPositions:
    def test_that_of_the_newest_article_is_not_given_again(self, base: Path, tmp_path: Path) -> None:
        """Else the chunks of the old one, which still lie there, were taken for the new one's."""
        draft = begin(tmp_path / "draft", base=base, gone=[9])
        fill(draft, 20)
        assert held(draft) == {**dict(enumerate(expected(*range(9)))), 10: expected(20)[0]}

    def test_an_article_that_comes_back_gets_another_one(self, base: Path, tmp_path: Path) -> None:
        draft = begin(tmp_path / "draft", base=base, gone=[9])
        fill(draft, 9)
        assert [*held(draft)] == [*range(9), 10]
        fill(draft, 21, deleted=[9])
        assert held(draft) == {**dict(enumerate(expected(*range(9)))), 11: expected(21)[0]}

    @settings(deadline=None, max_examples=8)
    @given(st.lists(st.tuples(st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)), st.booleans()), max_size=5))
    def test_whatever_comes_and_goes_each_article_has_its_own_chunks(
        self, tmp_path_factory: pytest.TempPathFactory, goes: list[tuple[set[int], set[int], bool]]
    ) -> None:
        """From generation to generation, with compaction or without."""
        folder = tmp_path_factory.mktemp("any")
        last, there = begin(folder / "g-0000"), set[int]()
        fill(last)
        for number, (deleted, added, resumed) in enumerate(goes, start=1):
            last = begin(folder / f"g-{number:04d}", base=last, gone=sorted(deleted))
            if resumed:
                fill(last, 99, committed=False)
            fill(last, *sorted(added))
            there = there - deleted | added
            found = held(last).values()
            assert sorted(each.article.article_id for each in found) == sorted(f"{one:016x}" for one in there)
            for each in found:
                assert [each] == expected(int(each.article.article_id, 16))


class TestBase:
    def test_its_files_are_shared_and_grow_for_the_draft_only(self, base: Path, tmp_path: Path) -> None:
        draft = begin(tmp_path / "draft", base=base)
        fill(draft, 10, 11, deleted=[0])
        for name in SHARED:
            assert (base / name).samefile(draft / name)
        assert not (base / ARTICLES).samefile(draft / ARTICLES)
        assert held(base) == dict(enumerate(expected(*range(10))))
        assert [*held(draft).values()] == expected(*range(1, 12))

    def test_a_draft_that_was_given_up_leaves_it_as_it_was(self, base: Path, tmp_path: Path) -> None:
        draft = begin(tmp_path / "draft", base=base, gone=[3])
        fill(draft, 10, 11)
        shutil.rmtree(draft)
        other = begin(tmp_path / "draft", base=base)
        fill(other, 12)
        assert held(base) == dict(enumerate(expected(*range(10))))
        assert held(other) == dict(enumerate(expected(*range(10), 12)))

    @pytest.mark.parametrize("gone", [[], [0], range(4)])
    @pytest.mark.parametrize("name", [ARTICLES, *SHARED])
    @pytest.mark.parametrize("damage", ["missing", "short"])
    def test_damage_is_told_before_anything_is_added(
        self, base: Path, tmp_path: Path, gone: Sequence[int], name: str, damage: str
    ) -> None:
        """At the latest when the draft is opened; a base that is compacted is read at once."""
        content = (base / name).read_bytes()
        (base / name).unlink() if damage == "missing" else (base / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(IndexDamagedError, match="run: otvet index"):
            fill(begin(tmp_path / "draft", base=base, gone=gone), 20)


class TestCompaction:
    def test_when_more_than_a_fifth_of_the_living_are_dead(self, base: Path, tmp_path: Path) -> None:
        """Of 19 chunks four are dead to 15, which is more, or three to 16, which is less."""
        for gone, n_gone, compacted in (([0, 2], 4, True), ([0, 1], 3, False), ([2], 3, False)):
            draft = begin(tmp_path / f"draft-{gone}", base=base, gone=gone)
            assert is_compacted(draft) == compacted == (n_gone > MOST_DEAD * (19 - n_gone))
            assert n_dead(draft) == (0 if compacted else n_gone)
            assert [*held(draft).values()] == expected(*(one for one in range(10) if one not in gone))

    def test_exactly_a_fifth_is_not_too_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three chunks to fifteen."""
        fill(begin(tmp_path / "base"), *range(9))
        assert not is_compacted(begin(tmp_path / "draft", base=tmp_path / "base", gone=[2]))
        monkeypatch.setattr(drafts, "MOST_DEAD", 0.199)
        assert is_compacted(begin(tmp_path / "other", base=tmp_path / "base", gone=[2]))

    def test_the_dead_add_up_over_generations(self, base: Path, tmp_path: Path) -> None:
        first = begin(tmp_path / "first", base=base, gone=[2])
        assert not is_compacted(first)
        second = begin(tmp_path / "second", base=first, gone=[0])
        assert is_compacted(second)
        assert [*held(second).values()] == expected(1, *range(3, 10))

    @settings(deadline=None, max_examples=12)
    @given(st.sets(st.integers(0, 9)), st.lists(st.integers(10, 19), unique=True, max_size=3))
    def test_exactly_the_living_are_left(
        self, tmp_path_factory: pytest.TempPathFactory, gone: set[int], added: list[int]
    ) -> None:
        folder = tmp_path_factory.mktemp("compacted")
        fill(begin(folder / "base"), *range(10))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drafts, "MOST_DEAD", 0)
            draft = begin(folder / "draft", base=folder / "base", gone=sorted(gone))
        assert is_compacted(draft) == bool(gone)
        left = [number for number in range(10) if number not in gone]
        assert held(draft) == dict(enumerate(expected(*left)))
        assert n_dead(draft) == 0
        for name in SHARED:
            assert (draft / name).samefile(folder / "base" / name) == (not gone)
        fresh = begin(folder / "fresh")
        fill(fresh, *left)
        assert {name: (draft / name).read_bytes() for name in SHARED} == {
            name: (fresh / name).read_bytes() for name in SHARED
        }
        fill(draft, *added)
        assert [*held(draft).values()] == expected(*left, *added)

    def test_nothing_of_the_deleted_stays_on_the_disk(self, base: Path, tmp_path: Path) -> None:
        draft = begin(tmp_path / "draft", base=base, gone=[0, 2, 4])
        content = b"".join(path.read_bytes() for path in draft.rglob("*") if path.is_file())
        for number in range(10):
            for trace in (f"Статья {number}.", f"Заголовок {number}"):
                assert (trace.encode() in content) == (number not in (0, 2, 4))
