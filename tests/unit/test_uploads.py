"""What may be put into the corpus from the page, under which name, and that Gradio takes files from nobody else."""

import asyncio
import json
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import ui.gradio_guard
import ui.uploads
from index.errors import UploadError
from index.readers import read_corpus
from index.records import Article
from ui.gradio_guard import GradioGuard
from ui.settings import Settings
from ui.uploads import put_into_corpus, safe_name

NEWS = "date 2025-03-01 The bridge over the river was opened."
ADMIN = {"x-is": "admin"}  # who really is one is tested in test_access.py


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "corpus").mkdir()
    return Settings(corpus=tmp_path / "corpus")


@pytest.fixture
def drop(tmp_path: Path) -> Callable[..., Path]:
    """A file as it lies where uploads go."""

    def make(name: str, content: str | bytes = NEWS) -> Path:
        path = tmp_path / "uploads" / str(len(list(tmp_path.rglob("*")))) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def names(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.corpus.iterdir())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("новости дня.txt", "новости дня.txt"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\news\\a.txt", "a.txt"),
        ("...hidden.txt", "hidden.txt"),
        (". .hidden.txt", "hidden.txt"),
        ("a\n\x00\x7f\u202e\u2028b.txt", "ab.txt"),
        ("<b>a</b>.txt", "b_.txt"),
        ("<img src=x>.txt", "_img src=x_.txt"),
        ("con.txt", "_con.txt"),
        ("LPT1 .tar.md", "_LPT1 .tar.md"),
        ("console.txt", "console.txt"),
        ("a.txt. .", "a.txt"),
        (unicodedata.normalize("NFD", "чай.txt"), unicodedata.normalize("NFC", "чай.txt")),
        ("\udcff.txt", "txt"),
    ],
)
def test_names_are_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["", "..", "a/", "\x00", "\u200b. "])
def test_names_of_which_nothing_is_left_are_refused(name: str) -> None:
    with pytest.raises(UploadError, match="rename"):
        safe_name(name)


def test_files_of_all_formats_come_into_the_corpus(settings: Settings, drop: Callable[..., Path]) -> None:
    files = [
        drop("a.txt"),
        drop("b.MD", "# Title\n\nThe tunnel was closed."),
        drop("в.jsonl", '{"text": "The ferry sails."}\n{"oops"'),
        drop("d.csv", "title,text\nA,The road is long."),
        drop("e.html", "<html><body><article><p>The mayor spoke of the bridge at length today.</p></article></body>"),
    ]
    put = put_into_corpus(files, settings=settings)
    assert [path.name for path in put] == [file.name for file in files]
    assert [path.read_bytes() for path in put] == [file.read_bytes() for file in files]
    assert names(settings) == sorted(file.name for file in files)
    assert sum(isinstance(item, Article) for item in read_corpus([settings.corpus])) == 5


def test_the_same_again_is_fine_and_another_of_that_name_is_not(settings: Settings, drop: Callable[..., Path]) -> None:
    put_into_corpus([drop("a.txt")], settings=settings)
    assert put_into_corpus([drop("a.txt"), drop("a.txt")], settings=settings) == [settings.corpus / "a.txt"] * 2
    with pytest.raises(UploadError, match=r"another file 'a\.txt'"):
        put_into_corpus([drop("new.txt"), drop("a.txt", "Another text.")], settings=settings)
    assert names(settings) == ["a.txt"]
    assert (settings.corpus / "a.txt").read_text() == NEWS


def test_two_of_one_name_in_one_drop_are_compared(settings: Settings, drop: Callable[..., Path]) -> None:
    with pytest.raises(UploadError, match="another file"):
        put_into_corpus([drop("a.txt"), drop("a.txt", "Another text.")], settings=settings)
    assert names(settings) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.txt", "", "is empty"),
        ("blank.md", " \n ", "is empty"),
        ("old.txt", "Новости дня".encode("cp1251"), "is not UTF-8"),
        ("none.jsonl", "\n", "has no rows"),
        ("bad.csv", "a,b\n1,2", "text"),
        ("a.exe", "MZ", r"unknown suffix '\.exe'; known are \.csv"),
        ("a", "text", "unknown suffix ''"),
    ],
)
def test_what_no_reader_can_read_is_refused_with_the_reason(
    settings: Settings, drop: Callable[..., Path], name: str, content: str | bytes, reason: str
) -> None:
    with pytest.raises(UploadError, match=f"'{re.escape(name)}'.*({reason})"):
        put_into_corpus([drop("good.txt"), drop(name, content)], settings=settings)
    assert names(settings) == []


def test_links_pipes_and_what_is_gone_are_refused(settings: Settings, drop: Callable[..., Path]) -> None:
    secret = drop("secret.txt")
    link = secret.with_name("link.txt")
    link.symlink_to(secret)
    pipe = secret.with_name("pipe.txt")
    os.mkfifo(pipe)
    for path in (link, pipe, secret.with_name("gone.txt"), secret.parent.with_name("folder.txt")):
        with pytest.raises(UploadError, match=re.escape(path.name)):
            put_into_corpus([path], settings=settings)
    assert names(settings) == []


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_not_replaced(settings: Settings, drop: Callable[..., Path], kind: str) -> None:
    taken, elsewhere = settings.corpus / "a.txt", drop("elsewhere.txt", "old")
    taken.mkdir() if kind == "folder" else taken.symlink_to(elsewhere)
    with pytest.raises(UploadError, match="another file"):
        put_into_corpus([drop("a.txt", "old")], settings=settings)
    assert elsewhere.read_text() == "old"


def test_large_files_are_refused_unread(settings: Settings, drop: Callable[..., Path]) -> None:
    large = drop("large.jsonl")
    os.truncate(large, ui.uploads.MAX_FILE_BYTES + 1)
    with pytest.raises(UploadError, match="100,000,001 bytes, over the limit of 100,000,000"):
        put_into_corpus([large], settings=settings)
    assert names(settings) == []


def test_long_articles_are_refused(settings: Settings, drop: Callable[..., Path]) -> None:
    short = Settings(corpus=settings.corpus, max_article_chars=1_000)
    with pytest.raises(UploadError, match="over the limit"):
        put_into_corpus([drop("a.txt", "word " * 500)], settings=short)


def test_a_corpus_that_is_no_folder_takes_nothing(tmp_path: Path, drop: Callable[..., Path]) -> None:
    for corpus in (tmp_path / "none", drop("one.jsonl")):
        with pytest.raises(UploadError, match="is no folder; name a folder in OTVET_CORPUS"):
            put_into_corpus([drop("a.txt")], settings=Settings(corpus=corpus))


def test_a_name_that_the_system_refuses_is_told(settings: Settings, drop: Callable[..., Path]) -> None:
    with pytest.raises(UploadError, match="nothing was put there"):
        put_into_corpus([drop(f"con.{'a' * 247}.txt")], settings=settings)  # grows over what Linux allows


def test_readers_see_nothing_of_a_drop_before_it_is_whole(
    settings: Settings, drop: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:  # called when a copy is complete, and beside when all have their names
        seen.append(len(list(read_corpus([settings.corpus]))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    put_into_corpus([drop("a.txt"), drop("b.txt", "Another text.")], settings=settings)
    assert seen == [0, 0, 2]


def _guarded() -> TestClient:
    async def make() -> FastAPI:  # inside an event loop: outside of one, Gradio makes loops and does not close them
        app = FastAPI()
        with gr.Blocks(analytics_enabled=False) as page:
            gr.Button("Say").click(lambda text: text, [box := gr.Textbox()], [box], queue=False)
        app.add_middleware(GradioGuard, may_upload=lambda request: request.headers.get("x-is") == "admin")
        return gr.mount_gradio_app(app, page, path="/", ssr_mode=False, max_file_size=1_000)

    return TestClient(asyncio.run(make()))


def test_gradio_takes_files_from_those_only_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    client = _guarded()
    files = [("files", ("a.txt", b"x" * 10, "text/plain"))]
    for route in ("upload", "upload/", "process_recording", "component_server"):
        assert client.post(f"/gradio_api/{route}", files=files).status_code == 403
    shouted = {"Content-Type": "MULTIPART/form-data; boundary=b"}
    assert client.post("/gradio_api/upload", content=b"--b--", headers=shouted).status_code == 403
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    client.headers.update(ADMIN)
    [path] = client.post("/gradio_api/upload", files=files).json()
    assert Path(path).is_relative_to(tmp_path / "gradio")
    assert client.post("/gradio_api/upload", files=[("files", ("a.txt", b"x" * 2_000))]).status_code == 413


def test_events_name_files_of_the_server_or_of_others_for_those_only_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "secret.txt").write_text("secret")
    client = _guarded()
    client.headers["Content-Type"] = "application/json"

    def say(value: Any) -> httpx.Response:
        event = {"fn_index": 0, "data": [value], "session_hash": "s"}
        return client.post("/gradio_api/run/predict", content=json.dumps(event).replace("F", "\\u0046"))

    assert say("gradio.FileData").json()["data"] == ["gradio.FileData"]
    for path in (str(tmp_path / "secret.txt"), "https://example.org/a.txt"):
        named = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for value in (named, [[named]], {"text": [{"file": named}]}):
            assert say(value).status_code == 403
    assert not [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()]
    assert say("x" * ui.gradio_guard.MAX_EVENT_BYTES).status_code == 413
    assert client.post("/gradio_api/run/predict", content=b"[" * 100_000).status_code in (400, 422, 500)
