"""No network at run time: neither tried (every attempt is refused and written down) nor missed (there is none)."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from index.settings import IndexSettings
from ui.offline import QUIET, go_offline

OTVET = Path(sys.executable).with_name("otvet")
QUESTION = "Что Мадуро просил у Ирана?"
TIMEOUT_S = 300
# Python runs a module of this name when it starts. Attempts are written down too, as libraries may swallow the error.
SITECUSTOMIZE = """
import os
import sys


def refuse(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = args[1][0] if isinstance(args[1], tuple) else None  # a Unix socket has a path
    else:
        return
    if host in (None, "localhost", "::1") or str(host).startswith("127."):
        return
    with open(os.environ["OTVET_TEST_ATTEMPTS"], "a") as file:
        file.write(f"{event} {host!r}\\n")
    raise OSError(f"refused by the test: {event} {host!r}")


sys.addaudithook(refuse)
"""


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """That of a user who has switched every telemetry on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTVET_") or "CACHE" in name}
    loud = {name: "1" if name.startswith("HF_") else "True" for name in QUIET}
    loud |= {"HF_HUB_OFFLINE": "0", "LANGSMITH_API_KEY": "none", "DO_NOT_TRACK": "0", "COLUMNS": "300"}
    return {**kept, **loud, "OTVET_DATA_DIR": str(data_dir), "OTVET_CHAT_MODEL": "none", **more}


def watched_environment(folder: Path) -> tuple[dict[str, str], Path]:
    """An environment in which Python refuses to leave this machine, and the file where attempts are written down."""
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(SITECUSTOMIZE)
    attempts = folder / "attempts.txt"
    watch = {"PYTHONPATH": str(folder / "site"), "OTVET_TEST_ATTEMPTS": str(attempts)}
    return environment(folder / "data", **watch), attempts


def test_the_watch_sees_attempts(tmp_path: Path) -> None:
    env, attempts = watched_environment(tmp_path)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "refused by the test" in ended.stderr
    assert "192.0.2.1" in attempts.read_text()


def test_indexing_and_serving_try_no_other_host(tmp_path: Path, corpus: Path) -> None:
    env, attempts = watched_environment(tmp_path)
    index = [OTVET, "index", str(corpus)]
    indexed = subprocess.run(index, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert indexed.returncode == 0, indexed.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    serve = [OTVET, "serve", "--port", str(port)]
    with subprocess.Popen(serve, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        watchdog = threading.Timer(TIMEOUT_S, server.kill)
        watchdog.start()
        try:
            url = server.stdout.readline().split()[-1]
            answer = httpx.post(f"{url}/answer", json={"question": QUESTION}, timeout=60).json()
            page = httpx.get(url, timeout=60)
        finally:
            watchdog.cancel()
            server.terminate()
    assert answer["kind"] == "answer"
    assert "GPS" in answer["citations"][0]["quote"]
    assert page.status_code == 200
    assert not attempts.exists(), attempts.read_text()


@pytest.fixture
def without_network() -> list[str]:
    """A command that runs another one where there is no network at all, not even loopback."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs the command unshare")
    command = [unshare, "--map-root-user", "--net"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=60)
    if tried.returncode:
        pytest.skip(f"may not make a network namespace here: {tried.stderr.strip()}")
    return command


def test_an_answer_where_there_is_no_network(tmp_path: Path, corpus: Path, without_network: list[str]) -> None:
    env = environment(tmp_path / "data")

    def otvet(*arguments: str) -> str:
        command = [*without_network, str(OTVET), *arguments]
        ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    (tmp_path / "articles").mkdir()
    for name in ("letter-to-iran.txt", "ammunition-plant.txt"):
        shutil.copy(corpus / name, tmp_path / "articles")
    assert otvet("index", "articles").startswith("Indexed 2 articles")
    answer = json.loads(otvet("ask", QUESTION, "--json"))
    assert answer["kind"] == "answer"
    assert "GPS" in answer["citations"][0]["quote"]


WITH_LOOPBACK = """
import fcntl, socket, struct
with socket.socket() as any_socket:  # a new network namespace has its loopback device down
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
from ui.cli import main
main()
"""


def test_the_embedded_model_writes_where_there_is_no_network(
    sample_settings: IndexSettings, without_network: list[str], chat_gguf: Path
) -> None:
    own = {"OTVET_CHAT_GGUF": str(chat_gguf), "OTVET_CHAT_MODEL": "embedded", "OTVET_ANSWER_TIMEOUT_S": "600"}
    env = environment(sample_settings.data_dir, **own)
    command = [*without_network, sys.executable, "-c", WITH_LOOPBACK, "ask", QUESTION, "--json"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["mode"] == "generative"


def test_what_the_user_switched_on_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET:
        monkeypatch.setenv(name, "loud")
    go_offline()
    assert {name: os.environ[name] for name in QUIET} == QUIET
