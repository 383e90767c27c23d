"""What the corpus holds and what of it is new: files of known content are not read, and nothing is missed by that."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import HashedWordsModel
from index import readers
from index.articles import ArticleRef
from index.build_engine import BuildEngine, LocalEngine
from index.difference import Reading, new_articles, read_corpus_difference
from index.errors import CorpusError, IndexStateError
from index.formats import read_text
from index.making import make_article
from index.readers import CorpusFile
from index.records import Article, Skipped
from index.sources import SourceCache, content_of
from index.tables import read_jsonl

TEXTS = {
    "bridge.txt": "Мост закрыли на ремонт.",
    "grain.txt": "В порт пришло зерно.",
    "school.txt": "Школу открыли вновь.",
}
LOCAL = LocalEngine(HashedWordsModel())
n_reads: Counter[str] = Counter()
while_reading: list[Callable[[Path], None]] = []


def read_counted(path: Path, source: str) -> Iterator[Article | Skipped]:
    """A reader of a third party, in the place of those that are built in."""
    n_reads[source] += 1
    for each in while_reading:
        each(path)
    yield from (read_jsonl if path.suffix == ".jsonl" else read_text)(path, source)


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    n_reads.clear()
    while_reading.clear()
    plugins = [EntryPoint(suffix, f"{__name__}:read_counted", readers.ENTRY_POINT_GROUP) for suffix in ("txt", "jsonl")]
    monkeypatch.setattr(readers, "entry_points", lambda group: plugins)


class Corpus:
    """A folder of articles that is read again and again, each time knowing what was read before."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.new = folder / "articles", folder / "sources.sqlite", folder / "new.jsonl"
        self.folder.mkdir()
        self.known: dict[str, ArticleRef] = {}
        self.told: list[tuple[str, int, int]] = []
        self.engine: BuildEngine = LOCAL

    def read(self, *, forgetting: bool = False, max_article_chars: int = 1000) -> Reading:
        n_reads.clear()
        self.told.clear()
        reading = read_corpus_difference(
            [self.folder],
            known={} if forgetting else self.known,
            served=(),
            new=self.new,
            cache=self.cache,
            max_article_chars=max_article_chars,
            left_out=Path("nowhere"),
            tell=lambda *values: self.told.append(values),
            engine=self.engine,
        )
        self.known = dict(reading.refs)
        return reading

    def new_texts(self) -> list[str]:
        return [article.text for article in new_articles(self.new)]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = Corpus(tmp_path)
    for name, text in TEXTS.items():
        corpus.write(name, text)
    return corpus


def sources(reading: Reading) -> list[str]:
    return [ref.source for ref in reading.refs.values()]


def test_at_first_all_is_read_and_new(corpus: Corpus) -> None:
    reading = corpus.read()
    assert sources(reading) == list(TEXTS)
    assert (reading.n_new, reading.n_duplicates, reading.skipped) == (3, 0, [])
    assert corpus.new_texts() == list(TEXTS.values())
    assert n_reads == dict.fromkeys(TEXTS, 1)
    assert corpus.told == [("read", 1, 0), ("read", 2, 0), ("read", 3, 0)]


def test_unchanged_files_are_not_read_again(corpus: Corpus) -> None:
    first = corpus.read()
    again = corpus.read()
    assert (again.refs, again.n_new) == (first.refs, 0)
    assert corpus.new_texts() == []
    assert n_reads == {}
    assert corpus.told == [("read", 1, 0), ("read", 2, 0), ("read", 3, 0)]


def test_only_the_file_that_changed_is_read(corpus: Corpus) -> None:
    corpus.read()
    corpus.write("grain.txt", "Зерно увезли.")
    reading = corpus.read()
    assert n_reads == {"grain.txt": 1}
    assert corpus.new_texts() == ["Зерно увезли."]
    assert (sources(reading), reading.n_new) == (list(TEXTS), 1)
    assert corpus.read().n_new == 0
    assert n_reads == {}


def test_other_content_of_the_same_size_and_time_is_noticed(corpus: Corpus) -> None:
    """A copy or an editor may keep both."""
    corpus.read()
    path, other = corpus.folder / "grain.txt", "В порт пришла мерзь."
    stat = path.stat()
    path.write_text(other.ljust(len(other) + stat.st_size - len(other.encode())))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert corpus.read().n_new == 1
    assert corpus.new_texts() == [other]


def test_the_same_content_at_another_path_is_read_and_known(corpus: Corpus) -> None:
    first = corpus.read()
    (corpus.folder / "grain.txt").rename(corpus.folder / "wheat.txt")
    reading = corpus.read()
    assert n_reads == {"wheat.txt": 1}
    assert (reading.n_new, corpus.new_texts()) == (0, [])
    assert reading.refs.keys() == first.refs.keys()
    assert sources(reading) == ["bridge.txt", "school.txt", "wheat.txt"]


def test_files_that_change_places_are_told_from_where_they_are(corpus: Corpus) -> None:
    corpus.read()
    for name in ("grain.txt", "school.txt"):
        corpus.write(name, TEXTS["school.txt" if name == "grain.txt" else "grain.txt"])
    reading = corpus.read()
    assert reading.n_new == 0
    by_id = {make_article(text=text, source="").article_id: text for text in TEXTS.values()}
    assert {ref.source: by_id[article_id] for article_id, ref in reading.refs.items()} == {
        "bridge.txt": TEXTS["bridge.txt"],
        "grain.txt": TEXTS["school.txt"],
        "school.txt": TEXTS["grain.txt"],
    }


def test_a_file_that_people_know_by_another_name_now_is_read_again(corpus: Corpus) -> None:
    """As when a folder inside the corpus is given in its place."""
    corpus.write("sub/snow.txt", "Снег растаял.")
    assert sources(corpus.read())[3:] == ["sub/snow.txt"]
    corpus.folder /= "sub"
    assert sources(corpus.read()) == ["snow.txt"]
    assert n_reads == {"snow.txt": 1}


def test_a_known_file_is_read_again_where_its_article_is_not_known(corpus: Corpus) -> None:
    """As after a rebuild from nothing."""
    corpus.read()
    reading = corpus.read(forgetting=True)
    assert reading.n_new == 3
    assert corpus.new_texts() == list(TEXTS.values())


def test_of_a_table_with_a_new_row_only_that_is_written_out(corpus: Corpus) -> None:
    rows = [json.dumps({"text": text}) for text in ("Первая строка.", "Вторая строка.", "Третья строка.")]
    corpus.write("rows.jsonl", "\n".join(rows[:2]))
    assert corpus.read().n_new == 5
    corpus.write("rows.jsonl", "\n".join(rows))
    reading = corpus.read()
    assert n_reads == {"rows.jsonl": 1}
    assert corpus.new_texts() == ["Третья строка."]
    assert sources(reading)[2:5] == ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:3"]


def test_the_same_article_again_is_a_duplicate_and_counts_where_it_was_met_first(corpus: Corpus) -> None:
    for name in ("a.txt", "z.txt"):
        corpus.write(name, TEXTS["grain.txt"])
    for n_new in (3, 0):
        reading = corpus.read()
        assert (sources(reading), reading.n_duplicates) == (["a.txt", "bridge.txt", "school.txt"], 2)
        assert reading.n_new == n_new
    (corpus.folder / "a.txt").unlink()
    reading = corpus.read()
    assert (sources(reading), reading.n_duplicates) == (["bridge.txt", "grain.txt", "school.txt"], 1)
    assert reading.n_new == 0
    assert n_reads == {}


class AheadEngine(LocalEngine):
    """Takes all files before it reads one."""

    def read(self, files: Iterable[CorpusFile]) -> Iterator[Iterable[Article | Skipped]]:
        """See `BuildEngine`."""
        return (file.read() for file in list(files))


class LossyEngine(LocalEngine):
    """Forgets files."""

    def read(self, files: Iterable[CorpusFile]) -> Iterator[Iterable[Article | Skipped]]:
        """See `BuildEngine`."""
        return (file.read() for file in list(files)[1:-1])


class TestEngines:
    def test_one_that_takes_files_ahead_gives_the_same(self, corpus: Corpus) -> None:
        first = corpus.read()
        for name in ("a.txt", "grain.txt", "h.txt", "z.txt"):
            corpus.write(name, f"Новое: {name}.")
        known, expected = first.refs, corpus.read()
        corpus.known, corpus.engine = known, AheadEngine(HashedWordsModel())
        corpus.cache.unlink()
        found = corpus.read()
        assert list(found.refs.items()) == list(expected.refs.items())
        assert sources(found) == ["a.txt", "bridge.txt", "grain.txt", "h.txt", "school.txt", "z.txt"]

    def test_files_are_looked_at_as_they_are_asked_for(self, corpus: Corpus) -> None:
        """What they hold does not wait in memory for those before them."""
        while_reading.append(lambda path: corpus.write("school.txt", "Школа.") if path.name == "bridge.txt" else None)
        assert corpus.read().n_new == 3
        assert corpus.new_texts()[2] == "Школа."
        while_reading.clear()
        corpus.read()
        assert n_reads == {}

    def test_one_that_loses_a_file_ends_the_build(self, corpus: Corpus) -> None:
        corpus.engine = LossyEngine(HashedWordsModel())
        with pytest.raises(IndexStateError, match="the engine did not read 'grain.txt'"):
            corpus.read()


class TestSkipped:
    @pytest.fixture
    def skipped(self, corpus: Corpus) -> list[Skipped]:
        corpus.write("rows.jsonl", '{"text": "Строка."}\n{"text": 5}\n')
        corpus.write("empty.txt", "")
        corpus.write("long.txt", "а" * 1001)
        return corpus.read().skipped

    def test_it_is_remembered_and_told_again(self, corpus: Corpus, skipped: list[Skipped]) -> None:
        assert [(item.source, item.line) for item in skipped] == [
            ("empty.txt", None),
            ("long.txt", None),
            ("rows.jsonl", 2),
        ]
        reading = corpus.read()
        assert n_reads == {}
        assert reading.skipped == skipped
        assert len(reading.refs) == 4

    def test_under_another_limit_it_is_read_again(self, corpus: Corpus, skipped: list[Skipped]) -> None:
        reading = corpus.read(max_article_chars=1001)
        assert n_reads.keys() == {*TEXTS, "rows.jsonl", "empty.txt", "long.txt"}
        assert [item.source for item in reading.skipped] == ["empty.txt", "rows.jsonl"]
        assert corpus.new_texts() == ["а" * 1001]
        corpus.read(max_article_chars=1001)
        assert n_reads == {}
        corpus.read(max_article_chars=1000)
        assert n_reads.total() == 6

    def test_a_mended_file_is_read(self, corpus: Corpus, skipped: list[Skipped]) -> None:
        corpus.write("empty.txt", "Уже нет.")
        assert [item.source for item in corpus.read().skipped] == ["long.txt", "rows.jsonl"]
        assert corpus.new_texts() == ["Уже нет."]

    def test_what_cannot_be_opened_is_told_each_time(self, corpus: Corpus) -> None:
        os.mkfifo(corpus.folder / "pipe.txt")
        (corpus.folder / "lost.txt").symlink_to("nowhere.txt")
        for _ in range(2):
            reading = corpus.read()
            assert [item.source for item in reading.skipped] == ["lost.txt", "pipe.txt"]
            assert len(reading.refs) == 3

    def test_without_any_article_the_reasons_are_told(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        corpus = Corpus(tmp_path / "sub")
        for number in range(7):
            corpus.write(f"{number}.txt", "")
        for _ in range(2):
            with pytest.raises(CorpusError, match=r"no readable article in .*stays as it is") as told:
                corpus.read()
            assert str(told.value).count("the file is empty") == 5

    def test_another_version_of_a_reader_reads_again(
        self, corpus: Corpus, skipped: list[Skipped], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(readers, "READERS_VERSION", readers.READERS_VERSION + 1)
        corpus.read()
        assert n_reads.total() == 6

    def test_another_reader_reads_again(
        self, corpus: Corpus, skipped: list[Skipped], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = [
            *readers.entry_points(group=readers.ENTRY_POINT_GROUP),
            EntryPoint("more", "x:y", readers.ENTRY_POINT_GROUP),
        ]
        monkeypatch.setattr(readers, "entry_points", lambda group: more)
        corpus.read()
        assert n_reads.total() == 6


class TestRemembering:
    def test_a_file_that_changes_while_it_is_read_is_not_remembered(self, corpus: Corpus) -> None:
        def change(path: Path) -> None:
            if path.name == "grain.txt":
                path.write_text("Пока читали, изменилось.")

        while_reading.append(change)
        assert corpus.read().n_new == 3
        assert "Пока читали, изменилось." in corpus.new_texts()
        while_reading.clear()
        corpus.read()
        assert n_reads == {"grain.txt": 1}
        corpus.read()
        assert n_reads == {}

    def test_not_even_when_it_is_as_it_was_again(self, corpus: Corpus) -> None:
        """Else what was read of the other content would be taken for what this one holds."""
        while_reading.append(lambda path: path.write_text("Ненадолго.") if path.name == "grain.txt" else None)
        corpus.read()
        while_reading.clear()
        corpus.write("grain.txt", TEXTS["grain.txt"])
        assert corpus.read().n_new == 1
        assert corpus.new_texts() == [TEXTS["grain.txt"]]

    def test_a_file_that_is_gone_when_it_was_read_is_no_error(self, corpus: Corpus) -> None:
        while_reading.append(lambda path: path.unlink() if path.name == "grain.txt" else None)
        assert [item.source for item in corpus.read().skipped] == ["grain.txt"]
        while_reading.clear()
        assert corpus.read().skipped == []

    def test_reading_that_was_broken_off_forgets_nothing(self, corpus: Corpus) -> None:
        corpus.read()
        corpus.write("bridge.txt", "Мост открыли.")
        corpus.write("z.txt", "Последняя статья.")

        def stop(path: Path) -> None:
            if path.name == "z.txt":
                raise KeyboardInterrupt

        while_reading.append(stop)
        with suppress(KeyboardInterrupt):
            corpus.read()
        while_reading.clear()
        assert corpus.read().n_new == 2
        assert n_reads == {"bridge.txt": 1, "z.txt": 1}

    def test_a_file_that_was_away_is_read_again(self, corpus: Corpus) -> None:
        corpus.read()
        known = dict(corpus.known)
        (corpus.folder / "grain.txt").rename(corpus.folder.parent / "aside.txt")
        corpus.read()
        (corpus.folder.parent / "aside.txt").rename(corpus.folder / "grain.txt")
        corpus.known = known
        corpus.read()
        assert n_reads == {"grain.txt": 1}

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: None,
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: b"not what it was",
            lambda content: content[:5000] + b"\xff" * 4096 + content[9096:],
            lambda content: content[:-4096] + b"\xff" * 4096,
        ],
    )
    def test_a_damaged_cache_is_begun_anew(self, corpus: Corpus, damage: Callable[[bytes], bytes | None]) -> None:
        for number in range(200):  # so that it has some pages
            corpus.write(f"sub/{number}.txt", f"Выпуск номер {number}.")
        first = corpus.read()
        content = damage(corpus.cache.read_bytes())
        corpus.cache.unlink() if content is None else corpus.cache.write_bytes(content)
        assert (corpus.read().refs, n_reads.total()) == (first.refs, 203)
        assert corpus.new_texts() == []
        assert (corpus.read().refs, n_reads.total()) == (first.refs, 0)

    def test_items_that_cannot_be_read_are_not_known(self, corpus: Corpus) -> None:
        first = corpus.read()
        for damaged in ("", "[", "5", "[5]", '[["one"]]', '{"a": 1}'):
            with closing(sqlite3.connect(corpus.cache)) as connection:
                connection.execute("update files set items = ? where path like '%grain.txt'", [damaged])
                connection.commit()
            assert corpus.read().refs == first.refs
            assert n_reads == {"grain.txt": 1}

    def test_a_cache_of_another_shape_is_begun_anew(self, corpus: Corpus) -> None:
        with closing(sqlite3.connect(corpus.cache)) as connection:
            connection.execute("create table files (name text)")
            connection.commit()
        for n_new, n_read in ((3, 3), (0, 0)):
            assert corpus.read().n_new == n_new
            assert n_reads.total() == n_read


class TestSourceCache:
    ITEMS = (ArticleRef("f" * 16, "a.jsonl:1", "ru"), Skipped("a.jsonl", 2, "пусто"), Skipped("a.jsonl", None, "и всё"))

    @pytest.mark.parametrize("name", ["a.jsonl", "статья №1 'x' \"y\".jsonl", os.fsdecode(b"\xff\xfe.jsonl")])
    def test_what_was_noted_comes_back_for_the_same_content_only(self, tmp_path: Path, name: str) -> None:
        with closing(SourceCache(tmp_path / "cache")) as cache:
            assert cache.get(tmp_path / name, "one") is None
            cache.put(tmp_path / name, "one", self.ITEMS)
            cache.keep_seen()
        with closing(SourceCache(tmp_path / "cache")) as cache:
            assert cache.get(tmp_path / name, "one") == list(self.ITEMS)
            assert cache.get(tmp_path / name, "other") is None
            assert cache.get(tmp_path / "b.jsonl", "one") is None

    def test_what_was_not_asked_for_is_forgotten_and_what_was_not_kept_lost(self, tmp_path: Path) -> None:
        with closing(SourceCache(tmp_path / "cache")) as cache:
            for name in ("a", "b"):
                assert cache.get(tmp_path / name, "one") is None
                cache.put(tmp_path / name, "one", self.ITEMS)
            cache.keep_seen()
        with closing(SourceCache(tmp_path / "cache")) as cache:
            assert cache.get(tmp_path / "a", "one") is not None
            cache.put(tmp_path / "a", "two", [])
        with closing(SourceCache(tmp_path / "cache")) as cache:
            assert cache.get(tmp_path / "a", "one") is not None
            cache.keep_seen()
        with closing(SourceCache(tmp_path / "cache")) as cache:
            assert cache.get(tmp_path / "a", "one") is not None
            assert cache.get(tmp_path / "b", "one") is None

    @settings(deadline=None)
    @given(st.binary(), st.binary(), st.text(), st.text())
    def test_content_is_told_from_other_content_and_other_readers(
        self, tmp_path_factory: pytest.TempPathFactory, one: bytes, other: bytes, first: str, second: str
    ) -> None:
        folder = tmp_path_factory.mktemp("contents")
        (folder / "one").write_bytes(one)
        (folder / "other").write_bytes(other)
        a, b = content_of(folder / "one", fingerprint=first), content_of(folder / "other", fingerprint=second)
        assert a is not None
        assert (a == b) == ((one, first) == (other, second))


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.builds(
            Article,
            article_id=ANY_TEXT,
            title=ANY_TEXT,
            text=ANY_TEXT.filter(str.strip),
            published_at=st.none() | st.dates(),
            url=st.none() | ANY_TEXT,
            publisher=st.none() | ANY_TEXT,
            authors=st.lists(ANY_TEXT).map(tuple),
            language=ANY_TEXT,
            source=ANY_TEXT,
        ),
        max_size=3,
    )
)
def test_new_articles_come_back_as_they_were_read(
    tmp_path_factory: pytest.TempPathFactory, articles: list[Article]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    unique = [replace(article, article_id=f"{number:016x}") for number, article in enumerate(articles)]
    given_articles.clear()
    given_articles.extend(unique)
    (folder / "a.made").touch()
    with pytest.MonkeyPatch.context() as patch:
        plugin = EntryPoint("made", f"{__name__}:read_made", readers.ENTRY_POINT_GROUP)
        patch.setattr(readers, "entry_points", lambda group: [plugin])
        with suppress(CorpusError):
            read_corpus_difference(
                [folder],
                known={},
                served=(),
                new=folder / "new",
                cache=folder / "cache",
                max_article_chars=10_000,
                left_out=Path("nowhere"),
                tell=lambda *values: None,
                engine=LOCAL,
            )
    assert list(new_articles(folder / "new")) == unique


given_articles: list[Article] = []


def read_made(path: Path, source: str) -> Iterator[Article | Skipped]:
    yield from given_articles
