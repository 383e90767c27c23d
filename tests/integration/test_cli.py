"""The command `otvet`: as a process where that is the point, else inside this one."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from filelock import FileLock

from apps import app_over
from index.embedding import EmbeddingModel
from index.generations import writing
from index.rebuild import build_index
from index.settings import IndexSettings
from places import CACHE_DIR
from qa.engine import open_engine
from ui.answering import answer_last
from ui.asking import Asker
from ui.cli import main
from ui.conversation import Conversation, Exchange
from ui.messages import messages
from ui.settings import load_settings
from ui.sources import sources_panel

OTVET = Path(sys.executable).with_name("otvet")
QUESTION = "Что Мадуро просил у Ирана?"
UNKNOWN = "Как приготовить борщ?"
HEAVY = {"torch", "chromadb", "gradio", "transformers", "sentence_transformers", "fastapi", "uvicorn"}
START_S, REPLY_S, STOP_S = 120, 60, 30


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


Otvet = Callable[..., Ended]


@pytest.fixture
def otvet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Otvet:
    """Runs the command inside this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["otvet", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def one_article(tmp_path: Path) -> Path:
    """A corpus of one article."""
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "bridge.txt").write_text("date 2025-03-01 The bridge over the river was opened on Monday.")
    return folder


def environment(data_dir: Path) -> dict[str, str]:
    # Wide enough that no line is broken, and none of the developer's own settings.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTVET_") or "CACHE" in name}
    own = {"OTVET_DATA_DIR": str(data_dir), "OTVET_CHAT_MODEL": "none", "COLUMNS": "300", "NO_COLOR": "1"}
    return {**kept, **own}


def state_of(data: Path) -> dict[str, int]:
    """What a build would change, and when that was changed. Chroma touches its own files whenever it opens them."""
    paths = [data / "index/CURRENT", data / "index/g-0001", *(data / "index/g-0001").iterdir()]
    return {str(path): path.stat().st_mtime_ns for path in paths if path.name != "chroma"}


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """Where `otvet index`, run as a process, put the index of the sample corpus."""
    data = tmp_path_factory.mktemp("cli") / "data"
    command = [OTVET, "index", str(corpus)]
    ended = subprocess.run(command, env=environment(data), cwd=data.parent, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    counts = "12 added, 0 changed, 0 moved, 0 unchanged, 0 deleted, 0 duplicates left out, 0 failed"
    assert re.fullmatch(
        rf"Indexed 12 articles, \d+ chunks in [\d.]+ s as g-0001: {counts}; [\d.]+ articles per second\n", ended.stdout
    )
    assert ended.stderr == ""
    return data


@pytest.fixture(scope="module")
def served(data_dir: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that `otvet serve` printed, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [OTVET, "serve", "--port", str(port)],
        env=environment(data_dir),
        cwd=data_dir.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        assert line == f"Otvet answers at http://127.0.0.1:{port}\n", process.communicate()
        yield line.split()[-1], process
        process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def indexed(data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the index of the sample corpus, in force for this test."""
    shutil.copytree(data_dir, tmp_path / "indexed")
    monkeypatch.setenv("OTVET_DATA_DIR", str(tmp_path / "indexed"))
    return tmp_path / "indexed"


def test_nothing_changed_is_nothing_written(otvet: Otvet, indexed: Path, corpus: Path) -> None:
    before = state_of(indexed)
    ended = otvet("index", str(corpus))
    assert ended.code == 0
    assert "Nothing changed: 12 articles" in one_line(ended.out)
    assert "g-0001 goes on serving; 0 added, 0 changed, 0 moved, 12 unchanged, 0 deleted" in one_line(ended.out)
    assert state_of(indexed) == before
    assert sorted(path.name for path in (indexed / "index").glob("[gb]*")) == ["g-0001"]


def test_a_bad_file_of_the_corpus_is_named_and_the_rest_indexed(
    otvet: Otvet, one_article: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTVET_CORPUS", str(one_article))
    (one_article / "torn.txt").write_bytes(b"date 2025-03-02 \xff\xfe\x81 torn \x98")
    (one_article / "rows.jsonl").write_text('{"title": "Tunnel", "text": "The tunnel was closed."}\n{"title": \n')
    (one_article / "[bold]empty.txt").write_text("")
    ended = otvet("index")
    assert ended.code == 3
    assert one_line(ended.out).startswith("Indexed 2 articles")
    assert "2 added, 0 changed" in one_line(ended.out)
    assert "3 failed" in one_line(ended.out)
    skipped = [line for line in ended.err.splitlines() if line.startswith("skipped ")]
    assert sorted(line.split()[1] for line in skipped) == ["[bold]empty.txt:", "rows.jsonl:2:", "torn.txt:1:"]


def test_the_report_as_json(otvet: Otvet, indexed: Path, corpus: Path) -> None:
    ended = otvet("index", str(corpus), "--json")
    assert (ended.code, ended.err, ended.out.count("\n")) == (0, "", 1)
    report = json.loads(ended.out)
    assert (report["published"], report["n_unchanged"], report["failed"]) == (False, 12, [])


def test_a_corpus_without_articles_leaves_the_old_index(otvet: Otvet, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    ended = otvet("index", str(tmp_path / "nothing"))
    assert ended.code == 1
    assert "there is no readable article" in ended.err
    assert repr(str(tmp_path / "nothing")) in one_line(ended.err)
    assert "Traceback" not in ended.err
    assert "GPS" in otvet("ask", QUESTION).out


def test_a_path_that_is_not_there_is_told(otvet: Otvet, tmp_path: Path) -> None:
    ended = otvet("index", str(tmp_path / "nowhere"))
    assert ended.code == 1
    assert repr(str(tmp_path / "nowhere")) in one_line(ended.err)
    assert ended.out == ""


def test_a_second_build_at_the_same_time_is_refused(otvet: Otvet, indexed: Path, one_article: Path) -> None:
    before = state_of(indexed)
    with FileLock(indexed / "index/writer.lock"):
        ended = otvet("index", str(one_article))
    assert ended.code == 4
    assert "another build is running" in ended.err
    assert state_of(indexed) == before


def test_who_builds_is_told_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_DATA_DIR", str(tmp_path / "data"))
    with writing(tmp_path / "data"):
        modules, ended = modules_after("index", str(tmp_path))
    assert ended.returncode == 4
    assert f"process {os.getpid()}, since 20" in one_line(ended.stderr)
    assert not modules & HEAVY


def test_an_answer_in_the_terminal(otvet: Otvet, indexed: Path) -> None:
    ended = otvet("ask", QUESTION, "--k", "5", "--mode", "extractive", "--from", "2025-10-31", "--to", "2025-10-31")
    assert (ended.code, ended.err) == (0, "")
    shown = one_line(ended.out)
    assert "скремблеры GPS" in shown
    assert re.search(r"\[1\] \S.* · 2025-10-31 · [0-9a-f]{16}", shown)


def test_a_refusal_in_the_terminal(otvet: Otvet, indexed: Path) -> None:
    ended = otvet("ask", UNKNOWN)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "В статьях нет ответа на этот вопрос."
    assert sum(line.startswith("- ") for line in lines) == 3


BLAST = "Сколько человек погибло при взрыве на складе в Каменке в октябре 2025 года?"
TOLD = [
    ("2025-10-08", "ru", "При взрыве на складе в Каменке погибли 12 человек."),
    ("2025-10-09", "ru", "Взрыв на складе в Каменке унёс жизни 15 человек."),
    ("2025-12-09", "ru", "Число погибших при взрыве на складе в Каменке выросло до 19 человек."),
    ("2025-10-10", "en", "The warehouse blast in Kamenka killed 12 people."),
]


@pytest.fixture(scope="module")
def blast_dir(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Path:
    """Where an index of articles that differ is; not to be written to."""
    folder = tmp_path_factory.mktemp("blast")
    rows = [{"title": day, "text": text, "published_at": day, "language": language} for day, language, text in TOLD]
    (folder / "blast.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    settings = IndexSettings(data_dir=folder / "data", cache_dir=CACHE_DIR)
    build_index([folder / "blast.jsonl"], settings=settings, model=model)
    return settings.data_dir


@pytest.fixture
def blast(blast_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That index is in force for this test."""
    monkeypatch.setenv("OTVET_DATA_DIR", str(blast_dir))


def asked_in_json(otvet: Otvet, *arguments: str) -> dict[str, Any]:
    ended = otvet("ask", BLAST, "--json", *arguments)
    assert (ended.code, ended.err) == (0, "")
    printed = dict(json.loads(ended.out))
    assert printed.pop("timings_ms")["total"] > 0
    return printed


@pytest.mark.usefixtures("blast")
def test_period_and_difference_come_out_of_every_door_alike(otvet: Otvet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    printed = asked_in_json(otvet, "--language", "ru")
    assert printed["period"] == {
        "published_from": "2025-10-01",
        "published_to": "2025-11-02",
        "words": "в октябре 2025 года",
    }
    [difference] = printed["disagreements"]
    assert sorted(difference["words"]) == ["12 человек", "15 человек"]
    quotes = {citation["marker"]: citation["quote"] for citation in printed["citations"]}
    for marker, words in zip(difference["markers"], difference["words"], strict=True):
        assert words in quotes[marker]
        assert f"[{marker}]" in printed["text"]

    remarks = [
        "Только статьи за 2025-10-01 – 2025-11-02 («в октябре 2025 года» в вопросе).",
        "Статьи расходятся: «{}» [{}], «{}» [{}].".format(
            difference["words"][0], difference["markers"][0], difference["words"][1], difference["markers"][1]
        ),
    ]
    shown = one_line(otvet("ask", BLAST, "--language", "ru").out)
    assert shown.startswith(one_line(printed["text"]))
    assert all(remark in shown for remark in remarks)

    settings = load_settings()
    engine = open_engine(settings, settings)
    over_http = TestClient(app_over(engine)).post("/answer", json={"question": BLAST, "language": "ru"}).json()
    assert over_http.pop("timings_ms")
    assert over_http == printed
    *_, (conversation, _) = answer_last(
        Asker(engine), Conversation(exchanges=[Exchange(question=BLAST)]), lambda: False
    )
    assert conversation.last is not None
    assert conversation.last.response is not None
    whole = TestClient(app_over(engine)).post("/answer", json={"question": BLAST}).json()
    assert conversation.last.response.model_dump(mode="json") | {"timings_ms": whole["timings_ms"]} == whole
    assert whole["disagreements"] == printed["disagreements"]
    [_, answered] = messages(conversation)
    shown = one_line(unescape(answered["content"]).replace("<br>", " "))
    assert all(remark in shown for remark in remarks)
    assert sources_panel(conversation).count("<li ") == len(whole["citations"])
    engine.index.close()


@pytest.mark.usefixtures("blast")
def test_filters_and_dates_in_the_terminal(otvet: Otvet) -> None:
    kept, ignoring = (
        asked_in_json(otvet, "--language", "ru"),
        asked_in_json(otvet, "--language", "ru", "--ignore-dates"),
    )
    assert ignoring["period"] is None
    december = {citation["article_id"] for citation in ignoring["citations"] if citation["published_at"] == TOLD[2][0]}
    assert len(december) == 1
    assert not december & {citation["article_id"] for citation in kept["citations"]}
    last = kept["citations"][-1]["article_id"]
    alone = asked_in_json(otvet, "--article", last, "--article", "0" * 16)
    assert [citation["article_id"] for citation in alone["citations"]] == [last]
    english = asked_in_json(otvet, "--language", "en")
    assert {citation["published_at"] for citation in english["citations"]} == {TOLD[3][0]}


def test_markup_of_an_article_is_shown_as_it_is(otvet: Otvet, one_article: Path) -> None:
    text = "The [bold]bridge[/bold] over the [link=file:///etc/passwd]river[/link] was opened [/nonsense] by the mayor."
    (one_article / "bridge.txt").write_text(f"date 2025-03-01 {text}")
    otvet("index", str(one_article))
    assert text in one_line(otvet("ask", "Who opened the bridge over the river?").out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ask", ""], "'' is empty"),
        (["ask", "a" * 2001], "2001 characters"),
        (["ask", "\udcff"], "UTF-8"),
        (["ask", QUESTION, "--k", "51"], "less than or equal to 50"),
        (["ask", QUESTION, "--mode", "magic"], "'auto', 'extractive', 'generative'"),
        (["ask", QUESTION, "--from", "2025-13-45"], "'2025-13-45'"),
        (["ask", QUESTION, "--from", "2025-11-01", "--to", "2025-10-01"], "2025-11-01 is after"),
        (["ask"], "Missing argument"),
        (["serve", "--port", "70000"], "OTVET_PORT"),
        (["serve", "--host", "no such host"], "'no such host'"),
        (["serve", "--host", "\udcff"], "OTVET_HOST"),
        (["nonsense"], "'nonsense'"),
    ],
)
def test_wrong_usage_is_told_at_once(otvet: Otvet, arguments: list[str], says: str) -> None:
    ended = otvet(*arguments)
    assert ended.code == 2
    assert says in one_line(re.sub("[│╭╰─]", "", ended.err))
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_a_wrong_setting_is_told(otvet: Otvet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_CHUNK_TOKENS", "100")
    ended = otvet("ask", QUESTION)
    assert ended.code == 2
    assert "'OTVET_CHUNK_TOKENS'" in ended.err


def test_asking_before_indexing_names_the_command(otvet: Otvet) -> None:
    ended = otvet("ask", QUESTION)
    assert ended.code == 1
    assert "run: otvet index" in one_line(ended.err)


def test_a_port_in_use_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        modules, ended = modules_after("serve", "--port", str(port))
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr
    assert "in use" in ended.stderr
    assert not modules & HEAVY


def test_doctor_finds_all_well(otvet: Otvet, indexed: Path) -> None:
    ended = otvet("doctor")
    assert ended.code == 0
    assert "FAIL" not in ended.out
    for what in ("settings", "data directory", "cache directory", "chat model", "embedding model", "index"):
        assert f"ok   {what}: " in ended.out
    assert "12 articles" in one_line(ended.out)


def test_doctor_finds_what_is_wrong(otvet: Otvet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_CHAT_MODEL", "any")
    monkeypatch.setenv("OTVET_CHAT_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    ended = otvet("doctor")
    assert ended.code == 1
    assert "FAIL chat model" in ended.out
    assert "FAIL index" in ended.out
    assert "otvet index" in one_line(ended.out)


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/v1", "http://[/v1"])
def test_doctor_survives_all_at_once(otvet: Otvet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OTVET_DATA_DIR", str(tmp_path / "file/data"))
    monkeypatch.setenv("OTVET_CHAT_MODEL", "any")
    monkeypatch.setenv("OTVET_CHAT_BASE_URL", url)
    monkeypatch.setenv("OTVET_EMBEDDING_MODEL", "/no/such/model")
    ended = otvet("doctor")
    assert ended.code == 1
    for what in ("data directory", "chat model", "embedding model"):
        assert f"FAIL {what}: " in ended.out


def test_doctor_tells_a_wrong_setting(otvet: Otvet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_PORT", "x")
    ended = otvet("doctor")
    assert ended.code == 1
    assert "FAIL settings: " in ended.out


def modules_after(*arguments: str) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """The modules that a command loads, and how it ended."""
    code = (
        "import atexit, sys; from ui.cli import main\n"
        "atexit.register(lambda: print('modules', *sorted(sys.modules)))\n"
        f"sys.argv = {['otvet', *arguments]!r}\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return set(ended.stdout.splitlines()[-1].split()[1:]), ended


@pytest.mark.parametrize("arguments", [["--help"], ["index", "--help"], ["ask", "--help"], ["serve", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    modules, ended = modules_after(*arguments)
    assert ended.returncode == 0
    assert "Usage: otvet" in ended.stdout
    assert "ui.cli" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("module", ["index", "qa", "index.rebuild", "index.search", "qa.engine"])
def test_import_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    modules = set(ended.stdout.split())
    assert module in modules
    assert not modules & HEAVY


def test_help_teaches(otvet: Otvet) -> None:
    shown = one_line(otvet("--help").out)
    for command in ("index", "ask", "serve", "doctor"):
        assert f"│ {command} " in shown
    assert "Exit code 3" in one_line(otvet("index", "--help").out)
    assert "--watch" in otvet("index", "--help").out
    assert "--background" not in otvet("index", "--help").out
    for option in ("--json", "--language", "--article", "--ignore-dates"):
        assert option in otvet("ask", "--help").out
    assert "7860" in otvet("serve", "--help").out


def asked_over_http(url: str, question: str) -> dict[str, Any]:
    response = httpx.post(f"{url}/answer", json={"question": question}, timeout=REPLY_S)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_served_over_http_and_in_the_terminal_the_same(
    served: tuple[str, subprocess.Popen[str]], data_dir: Path
) -> None:
    url, process = served
    assert process.poll() is None, process.communicate()
    assert httpx.get(f"{url}/ready", timeout=REPLY_S).json() == {
        "status": "ready",
        "generation": "g-0001",
        "n_articles": 12,
    }
    command = [OTVET, "ask", QUESTION, "--json"]
    ended = subprocess.run(
        command, env=environment(data_dir), cwd=data_dir.parent, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    printed = json.loads(ended.stdout)
    assert printed["kind"] == "answer"
    assert printed.pop("timings_ms")["total"] > 0
    over_http = asked_over_http(url, QUESTION)
    over_http.pop("timings_ms")
    assert printed == over_http


def test_a_refusal_in_json_is_the_same_over_http(
    served: tuple[str, subprocess.Popen[str]], otvet: Otvet, indexed: Path
) -> None:
    printed = json.loads(otvet("ask", UNKNOWN, "--json").out)
    assert printed["kind"] == "refusal"
    assert {**asked_over_http(served[0], UNKNOWN), "timings_ms": None} == {**printed, "timings_ms": None}


def test_the_server_ends_when_told_though_a_page_is_open(served: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = served
    with httpx.stream("GET", f"{url}/gradio_api/heartbeat/open-page", timeout=REPLY_S) as heartbeat:
        assert "ALIVE" in next(heartbeat.iter_text())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=STOP_S)
    assert process.returncode in (0, -signal.SIGTERM)
    assert (out, err) == ("", "")
