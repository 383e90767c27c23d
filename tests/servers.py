"""Real servers on loopback ports, for the tests of a shared index: PostgreSQL and Chroma's own.

Each worker of a test run starts them once; every test has a schema and a database of its own there.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

from index.settings import IndexSettings
from processes import wait_for

if TYPE_CHECKING:
    import psycopg

CHROMA = Path(sys.executable).with_name("chroma")
DEBIAN = Path("/usr/lib/postgresql")  # /15/bin


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def postgres_binaries() -> Path:
    """Where PostgreSQL's programs are; skips where they are not."""
    for folder in sorted(DEBIAN.glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        pytest.skip("needs PostgreSQL's server programs; install Debian's package postgresql")
    return Path(found).resolve().parent


def as_nobody(folder: Path) -> list[str]:
    """PostgreSQL refuses to be run by root: the start of a command that runs it as its own user."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    for parent in [folder, *folder.parents]:
        parent.chmod(parent.stat().st_mode | 0o111)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@contextmanager
def running_postgres(folder: Path, *settings: str, port: int | None = None) -> Iterator[str]:
    """A PostgreSQL server of its own in a new folder, or in that of an earlier one; gives its URL.

    It is fast, not durable.
    """
    binaries = postgres_binaries()
    folder = _open_to_others(folder)
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    user = as_nobody(folder)
    data, port = folder / "data", port or free_port()
    initdb = [binaries / "initdb", "-D", data, "-U", "otvet", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    if is_new:
        subprocess.run([*user, *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/")
    own = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", *settings)
    options = [part for setting in own for part in ("-c", setting)]
    command = [*user, binaries / "postgres", "-D", data, "-p", str(port), "-k", "", *options]
    with (folder / "postgres.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            wait_for(lambda: _answers(port) or process.poll() is not None)
            assert process.poll() is None, (folder / "postgres.log").read_text()
            yield f"postgresql://otvet@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for its clients to leave
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def connected(settings: IndexSettings) -> Iterator["psycopg.Connection[Any]"]:
    """To the tables of a shared index, past what our own code does."""
    import psycopg

    assert settings.postgres_url is not None
    options = f"-c search_path={settings.postgres_schema}"
    with psycopg.connect(settings.postgres_url.get_secret_value(), options=options, autocommit=True) as connection:
        yield connection


@contextmanager
def running_chroma(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """`chroma run` on a free port; gives its URL."""
    port = port or free_port()
    command = [CHROMA, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _beats(url) or process.poll() is not None)
        assert process.poll() is None, "chroma run ended"
        yield url
    finally:
        process.kill()
        process.wait()


def _open_to_others(folder: Path) -> Path:
    """A folder of this process that stands for another one: pytest closes its own to other users, at any time."""
    place = Path(tempfile.gettempdir(), f"otvet-postgres-{os.getpid()}-{crc32(str(folder).encode())}")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _answers(port: int) -> bool:
    try:
        import psycopg

        psycopg.connect(f"postgresql://otvet@127.0.0.1:{port}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _beats(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/heartbeat", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False
