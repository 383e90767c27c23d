"""Corpus places elsewhere: a web server on loopback and fsspec's memory, from listing to the difference."""

import json
import pickle
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from fakes import HashedWordsModel
from index import remote
from index.articles import ArticleRef
from index.build_engine import LocalEngine
from index.difference import Reading, new_articles, read_corpus_difference
from index.errors import CorpusError
from index.readers import CorpusFile, corpus_files, read_corpus
from index.records import Article, Skipped
from index.remote import NotFetched, Place, RemotePlace, is_whole, place_of
from ui.watching import REMOTE_S, RemoteChanges


def row(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


class Web:
    """A web server and what it has: content and ETag, or a status, by path."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.failing: dict[str, int] = {}
        self.breaks: set[str] = set()
        self.n_gets: Counter[str] = Counter()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def put(self, path: str, content: bytes, etag: str | None = None) -> RemotePlace:
        self.content[path] = content
        if etag is not None:
            self.etags[path] = etag
        return RemotePlace(f"http://127.0.0.1:{self.server.server_port}{path}")

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _handler(web) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                path = self.path.partition("?")[0]
                status = 200 if path in web.content else 404
                self.send_response(status)
                self.send_header("Content-Length", str(len(web.content.get(path, b""))))
                if path in web.etags:
                    self.send_header("ETag", web.etags[path])
                self.end_headers()

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                web.n_gets[path] += 1
                if path in web.failing:
                    self.send_response(web.failing[path])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.do_HEAD()
                content = web.content.get(path, b"")
                self.wfile.write(content[: len(content) // 2] if path in web.breaks else content)
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        return Handler


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(remote, "PAUSES_S", (0.01, 0.01))
    web = Web()
    yield web
    web.close()


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.rm("/bucket", recursive=True)


class Corpus:
    """Places that are read again and again, each time knowing what was read before."""

    def __init__(self, folder: Path, *places: Place) -> None:
        self.folder, self.places = folder, list(places)
        self.known: dict[str, ArticleRef] = {}
        self.served: list[ArticleRef] = []

    def read(self) -> Reading:
        reading = read_corpus_difference(
            self.places,
            known=self.known,
            served=self.served,
            new=self.folder / "new.jsonl",
            cache=self.folder / "sources.sqlite",
            max_article_chars=10_000,
            left_out=Path("nowhere"),
            tell=lambda *values: None,
            engine=LocalEngine(HashedWordsModel()),
        )
        self.known = dict(reading.refs)
        return reading

    def new_texts(self) -> list[str]:
        return [article.text for article in new_articles(self.folder / "new.jsonl")]


def sources(items: Iterator[Article | Skipped]) -> list[str]:
    return [item.source for item in items]


def test_a_folder_is_listed_like_one_here(bucket: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    names = ("b.txt", "a/z.md", "a.txt", "a/b/c.jsonl", ".hidden.txt", ".git/x.txt", "picture.png", "A/what?.txt")
    for name in names:
        content = row("Строка.") if name.endswith("jsonl") else f"Статья {name}.".encode()
        bucket.pipe(f"/bucket/news/{name}", content)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert list(read_corpus([RemotePlace("memory://bucket/news")])) == list(read_corpus([tmp_path]))
    assert list(read_corpus([RemotePlace("memory://bucket/news/")])) == list(read_corpus([tmp_path]))
    assert sources(read_corpus([RemotePlace("memory://bucket/news/a.txt")])) == ["a.txt"]


def test_csv_and_parquet_are_read_from_elsewhere(bucket: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": ["Из Parquet."]}), tmp_path / "b.parquet")
    bucket.pipe("/bucket/a.csv", "text\nИз CSV.\n".encode())
    bucket.pipe("/bucket/b.parquet", (tmp_path / "b.parquet").read_bytes())
    assert sources(read_corpus([RemotePlace("memory://bucket")])) == ["a.csv:2", "b.parquet:1"]


def test_a_file_can_be_sent_to_another_process(web: Web) -> None:
    [file] = corpus_files([web.put("/a.jsonl", row("Мост."), '"1"')])
    assert isinstance(file, CorpusFile)
    assert list(pickle.loads(pickle.dumps(file)).read()) == list(file.read())


def test_a_url_of_a_file_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("Мост.")
    place = place_of((tmp_path / "a b.txt").as_uri())
    assert place == tmp_path / "a b.txt"
    assert place_of("s3://bucket/a") == RemotePlace("s3://bucket/a")
    assert place_of("corpus") == Path("corpus")


@pytest.mark.parametrize("etags", [('"1"', '"2"'), ('W/"1"', 'W/"2"')])
def test_what_has_the_same_etag_is_not_fetched_again(web: Web, tmp_path: Path, etags: tuple[str, str]) -> None:
    corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост."), etags[0]))
    assert corpus.read().n_new == 1
    assert (corpus.read().n_new, web.n_gets["/a.jsonl"]) == (0, 1)
    web.put("/a.jsonl", row("Мост."), etags[1])
    assert (corpus.read().n_new, web.n_gets["/a.jsonl"]) == (0, 2)
    web.put("/a.jsonl", row("Мост.") + row("Паром."), etags[0])
    assert corpus.read().n_new == 1
    assert corpus.new_texts() == ["Паром."]


def test_without_etag_and_time_the_content_tells(web: Web, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост.")))
    assert corpus.read().n_new == 1
    before = web.n_gets["/a.jsonl"]
    assert (corpus.read().n_new, web.n_gets["/a.jsonl"]) == (0, before + 1)
    web.put("/a.jsonl", row("Рост."))
    assert corpus.read().n_new == 1


def test_an_object_that_changed_since_it_was_listed_is_not_noted(web: Web, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост."), '"1"'))
    [file] = corpus_files(corpus.places)
    web.put("/a.jsonl", row("Паром."), '"2"')
    assert isinstance(file, CorpusFile)
    assert [item.text for item in file.read() if isinstance(item, Article)] == ["Паром."]
    assert corpus.read().n_new == 1
    assert corpus.new_texts() == ["Паром."]


@pytest.mark.parametrize(("status", "told"), [(403, "access is denied"), (404, "it is not there")])
def test_what_is_refused_is_skipped_and_tried_again_next_time(web: Web, tmp_path: Path, status: int, told: str) -> None:
    corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост."), '"1"'), web.put("/b.jsonl", row("Паром."), '"1"'))
    web.failing["/a.jsonl"] = status
    reading = corpus.read()
    assert [str(item.reason) for item in reading.skipped] == [f"it cannot be fetched: {told}"]
    assert [ref.source for ref in reading.refs.values()] == ["b.jsonl:1"]
    assert web.n_gets["/a.jsonl"] == 1
    web.failing.clear()
    assert (corpus.read().n_new, corpus.new_texts()) == (1, ["Мост."])


class TestNetworkFailures:
    def test_what_was_never_read_is_skipped(self, web: Web, tmp_path: Path) -> None:
        corpus = Corpus(tmp_path, web.put("/b.jsonl", row("Паром."), '"1"'))
        corpus.read()
        corpus.places.append(web.put("/a.jsonl", row("Мост."), '"1"'))
        web.failing["/a.jsonl"] = 503
        reading = corpus.read()
        assert [item.reason for item in reading.skipped] == ["it cannot be fetched: the server answered 503"]
        assert type(reading.skipped[0]) is Skipped
        assert web.n_gets["/a.jsonl"] == 3

    @pytest.mark.parametrize("status", [401, 403, 500, 503])
    @pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
    def test_what_was_read_before_ends_the_build_on_every_machine(
        self, web: Web, tmp_path: Path, name: str, status: int
    ) -> None:
        corpus = Corpus(tmp_path, web.put("/b.jsonl", row("Паром."), '"1"'), web.put(f"/{name}", row("Мост."), '"1"'))
        corpus.read()
        other = Corpus(tmp_path / "other", corpus.places[0])  # whose cache knows of the other file only
        other.folder.mkdir()
        other.read()
        other.places, other.known = corpus.places, corpus.known
        web.put(f"/{name}", row("Новый мост."), '"2"')
        web.failing[f"/{name}"] = status
        for each in (corpus, other):
            with pytest.raises(CorpusError, match=rf"{name}' was read before .* the index stays as it is"):
                each.read()
        web.failing.clear()
        assert corpus.read().n_new == 1

    def test_a_build_from_nothing_loses_nothing_that_serves(self, web: Web, tmp_path: Path) -> None:
        corpus = Corpus(tmp_path, web.put("/b.jsonl", row("Паром."), '"1"'), web.put("/a.jsonl", row("Мост."), '"1"'))
        corpus.served = list(corpus.read().refs.values())
        corpus.known = {}
        web.failing["/a.jsonl"] = 503
        with pytest.raises(CorpusError, match=r"a.jsonl' was read before .* the index stays as it is"):
            corpus.read()

    @pytest.mark.parametrize("status", [404, 410])
    def test_what_is_gone_lets_its_articles_go(self, web: Web, tmp_path: Path, status: int) -> None:
        corpus = Corpus(tmp_path, web.put("/b.jsonl", row("Паром."), '"1"'), web.put("/a.jsonl", row("Мост."), '"1"'))
        corpus.read()
        web.put("/a.jsonl", row("Новый мост."), '"2"')
        web.failing["/a.jsonl"] = status
        reading = corpus.read()
        assert [item.reason for item in reading.skipped] == ["it cannot be fetched: it is not there"]
        assert [ref.source for ref in reading.refs.values()] == ["b.jsonl:1"]

    def test_no_temporary_folder_is_not_taken_for_an_object_that_is_gone(
        self, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост."), '"1"'))
        corpus.read()
        web.put("/a.jsonl", row("Новый мост."), '"2"')
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(CorpusError, match=r"was read before .* there is no temporary folder .* set TMPDIR"):
            corpus.read()

    def test_what_breaks_off_gives_no_article(self, web: Web) -> None:
        place = web.put("/a.jsonl", row("Мост.") * 1000, '"1"')
        web.breaks.add("/a.jsonl")
        [item] = read_corpus([place])
        assert isinstance(item, NotFetched)
        assert not item.is_gone

    def test_a_server_that_is_gone_ends_the_build(self, web: Web, tmp_path: Path) -> None:
        corpus = Corpus(tmp_path, web.put("/a.jsonl", row("Мост."), '"1"'))
        corpus.read()
        web.server.server_close()
        with pytest.raises(CorpusError, match="cannot be listed: .*index again"):
            corpus.read()

    def test_a_folder_below_that_cannot_be_listed_ends_the_build(
        self, bucket: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket.pipe("/bucket/a.txt", "Мост.".encode())
        bucket.pipe("/bucket/below/b.txt", "Паром.".encode())
        whole = type(bucket).ls

        def ls(fs: fsspec.AbstractFileSystem, path: str, **options: object) -> object:
            if path.endswith("below"):
                raise TimeoutError("no answer")
            return whole(fs, path, **options)

        monkeypatch.setattr(type(bucket), "ls", ls)
        with pytest.raises(CorpusError, match="cannot be listed: TimeoutError no answer"):
            list(read_corpus([RemotePlace("memory://bucket")]))


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_that_lists_itself_is_listed_once(
    bucket: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch, slash: str
) -> None:
    """As object stores do where an empty object marks the folder."""
    bucket.pipe("/bucket/a.txt", "Мост.".encode())
    bucket.pipe("/bucket/below/b.txt", "Паром.".encode())
    whole, listed = type(bucket).ls, Counter[str]()

    def ls(fs: fsspec.AbstractFileSystem, path: str, **options: object) -> list[dict[str, object]]:
        listed[path.rstrip("/")] += 1
        assert listed[path.rstrip("/")] == 1
        return [{"name": path.rstrip("/") + slash, "type": "directory", "size": 0}, *whole(fs, path, **options)]

    monkeypatch.setattr(type(bucket), "ls", ls)
    assert sources(read_corpus([RemotePlace("memory://bucket")])) == ["a.txt", "below/b.txt"]


def test_places_that_cannot_be_used_are_named(web: Web) -> None:
    for place, told in [
        (web.put("/a.pdf", b"x"), r"a\.pdf' has the unknown suffix '\.pdf'"),
        (RemotePlace(str(web.put("/a.txt", b"x")).replace("a.txt", "none.txt")), "it is not there"),
        (RemotePlace("memory://nowhere"), "it is not there"),
        (RemotePlace("nonsense://a"), "Protocol not known"),
    ]:
        with pytest.raises(CorpusError, match=told):
            list(read_corpus([place]))


@pytest.mark.parametrize(("scheme", "library", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs")])
def test_a_missing_library_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, scheme: str, library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CorpusError, match=rf"pip install 'otvet\[{extra}\]'"):
        list(read_corpus([RemotePlace(f"{scheme}://bucket")]))


def test_secrets_of_an_address_are_shown_nowhere(web: Web, tmp_path: Path) -> None:
    plain = web.put("/a.jsonl", row("Мост."), '"1"').url
    place = RemotePlace(plain.replace("http://", "http://user:pa@ss@") + "?sig=secret")
    corpus = Corpus(tmp_path, place)
    reading = corpus.read()
    assert [ref.source for ref in reading.refs.values()] == ["a.jsonl:1"]
    web.failing["/a.jsonl"] = 503
    web.put("/a.jsonl", row("Паром."), '"2"')
    with pytest.raises(CorpusError) as told:
        corpus.read()
    stored = (tmp_path / "sources.sqlite").read_bytes()
    for shown in (str(place), repr(place), str(told.value), stored.decode(errors="replace")):
        assert "pa@ss" not in shown
        assert "secret" not in shown
    assert str(place) == f"{plain}?...".replace("http://", "http://...@")
    assert [is_whole(shown) for shown in (plain, f"{plain}?...", str(place))] == [True, False, False]
    assert not is_whole(str(RemotePlace("sftp://me@host/news")))


def test_one_article_that_is_too_large_is_not_fetched(web: Web) -> None:
    [item] = read_corpus([web.put("/a.txt", b"a" * 5000)], max_article_chars=1000)
    assert isinstance(item, Skipped)
    assert "over the limit" in item.reason
    assert web.n_gets["/a.txt"] == 0


def test_watching_looks_now_and_then(bucket: fsspec.AbstractFileSystem) -> None:
    bucket.pipe("/bucket/a.txt", "Мост.".encode())
    changes = RemoteChanges([RemotePlace("memory://bucket")])
    assert not changes.have_come(10.0)
    bucket.pipe("/bucket/b.txt", "Паром.".encode())
    assert not changes.have_come(10.0 + REMOTE_S / 2)
    assert changes.have_come(10.0 + REMOTE_S)
    assert not changes.have_come(10.0 + 2 * REMOTE_S)
    bucket.rm("/bucket/a.txt")
    assert changes.have_come(10.0 + 3 * REMOTE_S)


def test_s3_is_listed_and_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the extra `s3` and moto only: s3fs asks for an older python-dateutil than newer parts of Chroma do."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    try:
        fs = fsspec.filesystem("s3", skip_instance_cache=True)
        fs.mkdir("news")
        fs.pipe("news/2025/a.jsonl", row("Мост."))
        corpus = Corpus(tmp_path, RemotePlace("s3://news/2025"))
        assert corpus.read().n_new == 1
        fs.pipe("news/2025/b.jsonl", row("Паром."))
        assert (corpus.read().n_new, corpus.new_texts()) == (1, ["Паром."])
    finally:
        server.stop()
