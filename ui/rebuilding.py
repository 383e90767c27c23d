"""Rebuilds of the index that the server is asked for: each a process of its own, started, watched and stopped here.

Decision: a process, not a thread. Answers do not wait for it, as it is of lower priority; its memory goes back when it
ends; a crash of it is a failed build and no more. It is ended when its standard input closes, so that it outlives no
server, however that ends. A build can be killed at any moment, and the next one goes on from what it had embedded.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any, Literal

from pydantic import SecretStr

from index.catalog import open_catalog
from index.errors import IndexLockedError, OtvetError
from index.generations import Writer
from index.remote import RemotePlace
from index.settings import IndexSettings
from qa.settings import NO_CHAT_MODEL
from ui.settings import PREFIX, Settings, variable_names

# -P: packages of ours are installed, and a folder of the same name where the server was started is none of them.
COMMAND = (sys.executable, "-P", "-m", "ui.cli", "index", "--json", "--background")
BUILT = (0, 3)  # exit codes: all is indexed, or some articles were skipped
STOP_S = 5  # what it takes to end after SIGTERM before it is killed
MAX_MESSAGE_CHARS = 1_000
COLOURING = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")  # make rich take a pipe for a terminal

State = Literal["published", "unchanged", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Running:
    """A build that runs."""

    writer: Writer
    started_here: bool
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a build ended. `report` has the fields of RebuildReport; None where nothing was built."""

    state: State
    message: str
    ended_at: datetime
    report: dict[str, Any] | None = None


class Rebuilder:
    """Starts `otvet index` on the corpus of the settings, one at a time. Safe between threads. To be closed.

    Attributes:
        catalog: of the generations.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.catalog = open_catalog(settings)
        self._lock = Lock()
        self._build: _Build | None = None
        self._last: Ended | None = None

    def start(self) -> None:
        """Start a build.

        Raises:
            IndexLockedError: one is running, ours or another's. Says which one and since when.
            OtvetError: the process cannot be started.
        """
        with self._lock:
            if self._build is not None:
                writer = self._build.writer
                raise IndexLockedError(
                    f"another build is running (process {writer.pid}, since {writer.since}); wait for it or cancel it"
                )
            self.catalog.check_unlocked()
            self._build = _Build(self._settings, on_end=self._note)

    def cancel(self) -> bool:
        """Stop the build that was started here and wait until it is gone. False where none is running."""
        with self._lock:
            build = self._build
        if build is None:
            return False
        build.stop()
        return True

    def running(self) -> Running | None:
        """The build that runs now, whoever started it."""
        with self._lock:
            own = self._build.writer if self._build is not None else None
        writer = self.catalog.current_writer() or own
        if writer is None:
            return None
        is_own = own is not None and own.pid == writer.pid
        return Running(writer, started_here=is_own, seconds_left=seconds_left(writer, datetime.now(UTC)))

    def last(self) -> Ended | None:
        """How the build ended that was started here last; None where none has ended."""
        with self._lock:
            return self._last

    def close(self) -> None:
        """Stop what runs."""
        self.cancel()
        self.catalog.close()

    def _note(self, ended: Ended) -> None:
        with self._lock:
            self._last, self._build = ended, None


def seconds_left(writer: Writer, now: datetime) -> float | None:
    """How long embedding will go on at the rate of the build so far; None where that cannot be told.

    The other stages are short beside it, so nothing is told of them.
    """
    if writer.stage != "embed" or not 0 < writer.done <= writer.total:
        return None
    elapsed_s = (now - datetime.fromisoformat(writer.since)).total_seconds()
    return round(max(elapsed_s, 0) * (writer.total - writer.done) / writer.done, 1)


class _Build:
    """One process that builds. `on_end` is told how it ended, in a thread that ends with it.

    Attributes:
        writer: as which the build is shown until it says more itself.
    """

    def __init__(self, settings: Settings, on_end: Callable[[Ended], None]) -> None:
        self._is_cancelled = False
        self._on_end = on_end
        stdin, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                COMMAND,
                env=_environment(settings),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # the Ctrl+C of a terminal is for the server, which then stops the build
            )
        except OSError as exc:
            os.close(self._lifeline)
            raise OtvetError(f"cannot start a build ({exc}); free memory or processes, then try again") from exc
        finally:
            os.close(stdin)
        self.writer = Writer(self._process.pid, datetime.now(UTC).isoformat(timespec="seconds"), "model")
        self._waiting = Thread(target=self._wait, name="rebuild", daemon=True)
        self._waiting.start()

    def stop(self) -> None:
        """End the process, by force if need be, and wait until that was noted."""
        self._is_cancelled = True
        self._process.terminate()
        self._waiting.join(STOP_S)
        if self._waiting.is_alive():
            self._process.kill()
            self._waiting.join()

    def _wait(self) -> None:
        out, err = self._process.communicate()
        os.close(self._lifeline)
        self._on_end(self._ended(out, err))

    def _ended(self, out: str, err: str) -> Ended:
        now, code = datetime.now(UTC), self._process.returncode
        report = _report(out) if code in BUILT else None
        if report is not None:
            name = report["generation"]
            if report["published"]:
                return Ended("published", f"{name} serves", now, report)
            return Ended("unchanged", f"nothing had changed, {name} goes on serving", now, report)
        if self._is_cancelled and code < 0:
            return Ended("cancelled", "the next build goes on from what was embedded", now)
        return Ended("failed", _why(err, code), now)


def _environment(settings: Settings) -> dict[str, str]:
    """That of the server, but the settings of the index as they are in force, and no others nor their secrets."""
    ours = settings.model_dump(include=set(IndexSettings.model_fields), exclude_none=True)
    left_out = {*variable_names(), *COLOURING}
    return {
        **{name: value for name, value in os.environ.items() if name.upper() not in left_out},
        **{PREFIX + name.upper(): _plain(value) for name, value in ours.items()},
        "OTVET_CHAT_MODEL": NO_CHAT_MODEL,
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "NO_COLOR": "1",
    }


def _plain(value: object) -> str:
    if isinstance(value, RemotePlace):
        return value.url
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _report(out: str) -> dict[str, Any] | None:
    """What `--json` made it print last."""
    try:
        return dict(json.loads(out.splitlines()[-1]))
    except (IndexError, ValueError):
        return None


def _why(err: str, code: int) -> str:
    """What a process said last that failed, on one line."""
    if code < 0:
        return f"the build was killed ({signal.strsignal(-code)}); if nobody did that, free memory. Then start it again"
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    firsts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    said = " ".join(lines[firsts[-1] :] if firsts else lines[-1:]).removeprefix("error: ")
    if not said:
        return f"the build ended with code {code} and said nothing; run: otvet index"
    return said if len(said) <= MAX_MESSAGE_CHARS else said[: MAX_MESSAGE_CHARS - 1] + "…"
