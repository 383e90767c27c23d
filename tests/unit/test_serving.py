"""The index as readers see it: one generation from beginning to end of a request, and none kept longer than needed."""

import fcntl
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from fakes import HashedWordsModel
from index.errors import IndexDamagedError, IndexMissingError
from index.generations import generation_names, index_root
from index.local_catalog import open_generation
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings


class Corpus:
    """Each time it is published, it holds another article, whose title is the name of the generation."""

    def __init__(self, folder: Path, model: HashedWordsModel) -> None:
        self.path, self.settings, self.model = folder / "articles.jsonl", IndexSettings(data_dir=folder / "data"), model
        self.n_published = 0

    def publish(self) -> str:
        self.n_published += 1
        name = f"g-{self.n_published:04d}"
        row = {"title": name, "text": f"Выпуск номер {self.n_published}.", "language": "ru"}
        self.path.write_text(json.dumps(row))
        assert build_index([self.path], settings=self.settings, model=self.model).generation == name
        return name

    def there(self) -> list[str]:
        return generation_names(self.settings.data_dir)

    def folder(self, name: str) -> Path:
        return index_root(self.settings.data_dir) / name


@pytest.fixture
def corpus(tmp_path: Path, hashed_words: HashedWordsModel) -> Corpus:
    corpus = Corpus(tmp_path, hashed_words)
    corpus.publish()
    return corpus


@pytest.fixture
def index(corpus: Corpus) -> Iterator[Index]:
    with closing(Index(corpus.settings, corpus.model)) as index:
        yield index


def seen(index: Index) -> str:
    """The generation that a request meets now, as its name and its article tell."""
    with index.lease() as generation:
        (article,) = generation.articles.all()
        assert article.title == generation.name
        found = index.article(article.article_id)
        assert found is not None
        assert found.title == generation.name
        return generation.name


def steps_of(index: Index, *, n: int = 9) -> Iterator[str]:
    for _ in range(n):
        yield seen(index)


class TestLease:
    def test_it_follows_what_is_published(self, corpus: Corpus, index: Index) -> None:
        assert seen(index) == "g-0001"
        corpus.publish()
        assert seen(index) == "g-0002"

    def test_what_it_gave_stays_readable_until_it_ends(self, corpus: Corpus, index: Index) -> None:
        with index.lease() as generation:
            corpus.publish()
            assert seen(index) == "g-0002"
            assert corpus.there() == ["g-0001", "g-0002"]
            (article,) = generation.articles.all()
            assert article.title == "g-0001"
            assert generation.chunks.count() == 1
        assert corpus.there() == ["g-0002"]

    def test_the_last_of_several_lets_go(self, corpus: Corpus, index: Index) -> None:
        with index.lease():
            with index.lease():
                corpus.publish()
                index.follow()
            assert corpus.there() == ["g-0001", "g-0002"]
        assert corpus.there() == ["g-0002"]

    def test_what_nobody_asks_for_is_let_go_of_with_the_next_question(self, corpus: Corpus, index: Index) -> None:
        corpus.publish()
        assert corpus.there() == ["g-0001", "g-0002"]
        corpus.publish()
        assert corpus.there() == ["g-0001", "g-0003"]
        index.follow()
        assert corpus.there() == ["g-0003"]

    def test_each_reader_holds_its_own(self, corpus: Corpus, index: Index) -> None:
        corpus.publish()
        with closing(Index(corpus.settings, corpus.model)) as other:
            corpus.publish()
            assert corpus.there() == ["g-0001", "g-0002", "g-0003"]
            assert seen(index) == "g-0003"
            assert corpus.there() == ["g-0002", "g-0003"]
            assert seen(other) == "g-0003"
            assert corpus.there() == ["g-0003"]

    def test_a_closed_reader_holds_nothing(self, corpus: Corpus) -> None:
        Index(corpus.settings, corpus.model).close()
        corpus.publish()
        assert corpus.there() == ["g-0002"]

    def test_an_error_within_lets_go_too(self, corpus: Corpus, index: Index) -> None:
        def fail() -> None:
            with index.lease():
                corpus.publish()
                index.follow()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert corpus.there() == ["g-0002"]


class TestPinned:
    def test_all_steps_see_one_generation(self, corpus: Corpus, index: Index) -> None:
        steps = index.pinned(steps_of(index))
        assert next(steps) == "g-0001"
        corpus.publish()
        assert seen(index) == "g-0002"
        assert next(steps) == "g-0001"
        assert corpus.there() == ["g-0001", "g-0002"]
        assert set(steps) == {"g-0001"}
        assert corpus.there() == ["g-0002"]
        assert list(index.pinned(steps_of(index, n=2))) == ["g-0002"] * 2

    def test_in_whichever_threads_they_are_asked_for(self, corpus: Corpus, index: Index) -> None:
        steps = index.pinned(steps_of(index))
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
            assert one.submit(next, steps).result() == "g-0001"
            corpus.publish()
            assert [pool.submit(next, steps).result() for pool in (other, one, other)] == ["g-0001"] * 3
            assert next(steps) == "g-0001"
            assert [pool.submit(seen, index).result() for pool in (one, other)] == ["g-0002"] * 2
            assert other.submit(list, steps).result() == ["g-0001"] * 4
        assert corpus.there() == ["g-0002"]

    def test_two_requests_at_once_have_each_their_own(self, corpus: Corpus, index: Index) -> None:
        first = index.pinned(steps_of(index))
        assert next(first) == "g-0001"
        corpus.publish()
        second = index.pinned(steps_of(index))
        assert next(second) == "g-0002"
        corpus.publish()
        assert (next(first), next(second), seen(index)) == ("g-0001", "g-0002", "g-0003")
        assert corpus.there() == ["g-0001", "g-0002", "g-0003"]
        assert set(first) == {"g-0001"}
        assert corpus.there() == ["g-0002", "g-0003"]
        assert set(second) == {"g-0002"}
        assert corpus.there() == ["g-0003"]

    def test_within_one_another_the_outer_one_counts(self, corpus: Corpus, index: Index) -> None:
        def outer() -> Iterator[list[str]]:
            yield [seen(index)]
            corpus.publish()
            yield list(index.pinned(steps_of(index, n=2)))

        assert list(index.pinned(outer())) == [["g-0001"], ["g-0001"] * 2]

    def test_another_index_is_not_pinned(self, corpus: Corpus, index: Index) -> None:
        with closing(Index(corpus.settings, corpus.model)) as other:
            steps = index.pinned((seen(index), seen(other)) for _ in range(2))
            assert next(steps) == ("g-0001", "g-0001")
            corpus.publish()
            assert next(steps) == ("g-0001", "g-0002")
            steps.close()  # type: ignore[attr-defined]

    @pytest.mark.parametrize("n_taken", [0, 1, 3])
    def test_a_request_that_is_broken_off_lets_go(self, corpus: Corpus, index: Index, n_taken: int) -> None:
        """And its steps are closed, where they still see what they saw before."""
        at_the_end: list[str] = []

        def steps() -> Iterator[str]:
            try:
                yield from steps_of(index)
            finally:
                at_the_end.append(seen(index))

        pinned = index.pinned(steps())
        taken = [next(pinned) for _ in range(n_taken)]
        corpus.publish()
        pinned.close()  # type: ignore[attr-defined]
        index.follow()
        assert taken == ["g-0001"] * n_taken
        assert at_the_end == ["g-0001"] * bool(n_taken)
        assert corpus.there() == ["g-0002"]

    def test_an_error_of_a_step_lets_go_and_is_told(self, corpus: Corpus, index: Index) -> None:
        def steps() -> Iterator[str]:
            yield seen(index)
            corpus.publish()
            index.follow()
            raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            list(index.pinned(steps()))
        index.follow()
        assert corpus.there() == ["g-0002"]

    def test_steps_need_not_be_a_generator(self, index: Index) -> None:
        assert list(index.pinned(iter([1, 2, 3]))) == [1, 2, 3]
        assert list(index.pinned(iter([]))) == []


@contextmanager
def slow_to_open(path: Path) -> Iterator[None]:
    """As long as somebody looks whether a generation may be removed, nobody can open it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class TestFollowing:
    def test_while_one_thread_opens_the_new_one_the_others_go_on_with_the_old(
        self, corpus: Corpus, index: Index
    ) -> None:
        corpus.publish()
        follower = Thread(target=index.follow)
        with ThreadPoolExecutor(3) as pool, slow_to_open(corpus.folder("g-0002")):
            follower.start()
            follower.join(0.2)
            assert follower.is_alive()
            assert {pool.submit(seen, index).result(timeout=30) for _ in range(9)} == {"g-0001"}
            assert follower.is_alive()
        follower.join(30)
        assert not follower.is_alive()
        assert seen(index) == "g-0002"
        assert corpus.there() == ["g-0002"]

    def test_many_threads_see_whole_generations_only_and_leave_none_behind(self, corpus: Corpus, index: Index) -> None:
        stop, failures, start = Event(), list[BaseException](), Barrier(4)

        def ask() -> None:
            start.wait()
            last = "g-0000"
            while not stop.is_set():
                try:
                    now = seen_by_a_request(index)
                    assert last <= now
                    last = now
                except BaseException as exc:
                    failures.append(exc)

        threads = [Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        names = [corpus.publish() for _ in range(4)]
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert seen(index) == names[-1]
        assert corpus.there() == names[-1:]

    def test_what_cannot_be_opened_is_refused_once_and_the_next_one_taken(
        self, corpus: Corpus, index: Index, caplog: pytest.LogCaptureFixture
    ) -> None:
        (corpus.folder(corpus.publish()) / "texts.utf8").write_bytes(b"")
        for _ in range(3):
            assert seen(index) == "g-0001"
        assert caplog.text.count("generation g-0002 cannot serve") == 1
        corpus.publish()
        assert seen(index) == "g-0003"
        assert corpus.there() == ["g-0003"]


def seen_by_a_request(index: Index) -> str:
    (name,) = set(index.pinned(steps_of(index, n=3)))
    return name


class TestOpening:
    def test_nothing_is_indexed_yet(self, tmp_path: Path, hashed_words: HashedWordsModel) -> None:
        with pytest.raises(IndexMissingError, match="otvet index"):
            Index(IndexSettings(data_dir=tmp_path), hashed_words)

    @pytest.mark.parametrize(
        "name", ["manifest.json", "words/means.npy", "late/states.u4", "chroma/0000/chroma.sqlite3"]
    )
    def test_what_could_not_be_opened_is_not_held(self, corpus: Corpus, name: str) -> None:
        (corpus.folder("g-0001") / name).unlink()
        for opened in (lambda: Index(corpus.settings, corpus.model), lambda: open_generation(corpus.folder("g-0001"))):
            with pytest.raises(IndexDamagedError, match="otvet index"):
                opened()
        corpus.publish()
        assert corpus.there() == ["g-0002"]
