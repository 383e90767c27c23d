"""The command `otvet` as processes of its own, and waiting for what they do."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

OTVET = Path(sys.executable).with_name("otvet")
START_S, WAIT_S = 120, 180  # generous, because machines that run tests are slow and busy

T = TypeVar("T")


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Wide enough that no line is broken, and none of the developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTVET_") or "CACHE" in name}
    own = {"OTVET_DATA_DIR": str(data_dir), "OTVET_CHAT_MODEL": "none", "COLUMNS": "300", "NO_COLOR": "1"}
    return {**kept, **own, **more}


def wait_for(find: Callable[[], T | None], *, timeout_s: float = WAIT_S) -> T:
    """What `find` gives as soon as that is something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {find} in {timeout_s} s")


def becomes(true: Callable[[], bool], *, timeout_s: float = 10) -> bool:
    """Whether it is true within that time; looked at 200 times a second."""
    deadline = time.monotonic() + timeout_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return true()


@contextmanager
def serving(env: dict[str, str], folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`otvet serve` on a free port: its address and process, which is killed in the end if it still runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [OTVET, "serve", "--port", str(port)]
    with (folder / "serve.err").open("w+") as errors:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
        watchdog = threading.Timer(START_S, process.kill)
        watchdog.start()
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                watchdog.cancel()
                assert line == f"Otvet answers at http://127.0.0.1:{port}\n", (folder / "serve.err").read_text()
                yield line.split()[-1], process
            finally:
                watchdog.cancel()
                process.kill()


@contextmanager
def writer_elsewhere(data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the writer's lock, until it is killed or its input is closed."""
    code = (
        "import sys; from pathlib import Path; from index.generations import writing\n"
        "with writing(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder


def is_running(pid: int) -> bool:
    """Whether there is such a process, dead ones that nobody has waited for included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
