"""The terminal's `otvet index`: one build and its report, on standard output or as JSON."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from index.bundled import BUNDLED_MODEL
from index.catalog import open_catalog
from index.errors import CorpusError, IndexLockedError, IndexStateError
from index.records import Progress
from index.remote import Place
from ui.progress import progress_bars
from ui.settings import Settings

if TYPE_CHECKING:
    from index.embedding import EmbeddingModel
    from index.report import RebuildReport

LOCAL = "local"  # the engine of this process
N_FAILED_SHOWN = 20
LOWER_PRIORITY = 10
STDIN = 0  # read as a descriptor: a thread that waits in a stream would hinder the interpreter's end
out = Console()
err = Console(stderr=True)


class Builder:
    """Builds the index of some paths and prints the reports; the model is loaded once, before the first build.

    `engine` is one of `open_engine` (index/build_engine.py).
    """

    def __init__(
        self, paths: Sequence[Place], settings: Settings, *, as_json: bool = False, engine: str = LOCAL
    ) -> None:
        self._paths, self._settings, self._as_json, self._engine = paths, settings, as_json, engine
        self._model: EmbeddingModel | None = None

    def build(self) -> "RebuildReport":
        """Build and print the report.

        Raises:
            IndexLockedError: another build is running; told before the model is loaded.
            OtvetError: see `build_index`, `load_embedding_model` and `open_engine`.
        """
        with closing(open_catalog(self._settings)) as catalog:
            catalog.check_unlocked()
        with progress_bars() as progress:
            report = self._build(progress)
        if self._as_json:
            sys.stdout.write(json.dumps(asdict(report), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            print_report(report)
        return report

    def _build(self, progress: Progress) -> "RebuildReport":
        from index.build_engine import open_engine
        from index.embedding import load_embedding_model
        from index.rebuild import build_index

        name = self._settings.embedding_model
        load = partial(load_embedding_model, name, cache_dir=self._settings.cache_dir.absolute())
        if self._model is None:
            self._model = load(progress=progress)
        with open_engine(self._engine, self._model, load, uses_gpu=name != BUNDLED_MODEL) as engine:
            return build_index(
                self._paths, settings=self._settings, model=self._model, progress=progress, engine=engine
            )

    def watch(self) -> None:
        """Build, and build again whenever the corpus has changed, until Ctrl+C.

        What a later change can mend, for example a corpus without articles, is told and ends nothing.
        """
        from ui.watching import watch

        err.print(f"Watching {escape(', '.join(map(str, self._paths)))}; Ctrl+C stops", soft_wrap=True)
        try:
            watch(self._paths, self._build_or_tell, apart_from=self._settings.data_dir)
        except KeyboardInterrupt:
            err.print("Stopped")

    def _build_or_tell(self) -> bool:
        """Build; False where another build is running."""
        try:
            self.build()
        except (CorpusError, IndexStateError) as exc:
            err.print(f"[yellow]not indexed:[/yellow] {escape(str(exc))}", soft_wrap=True)
            return not isinstance(exc, IndexLockedError)
        return True


def print_report(report: "RebuildReport") -> None:
    """Print all counts, and the first articles that could not be read, each with its reason."""
    held = f"{report.n_articles} articles, {report.n_chunks} chunks"
    counts = (
        f"{report.n_added} added, {report.n_changed} changed, {report.n_moved} moved, {report.n_unchanged} unchanged,"
        f" {report.n_deleted} deleted, {report.n_duplicates} duplicates left out, {len(report.failed)} failed"
    )
    if report.published:
        speed = f"{report.articles_per_second:g} articles per second"
        out.print(f"Indexed {held} in {report.seconds:.1f} s as {report.generation}: {counts}; {speed}")
    else:
        seconds = f"{report.seconds:.1f} s"
        out.print(
            f"Nothing changed: {held}, {report.generation} goes on serving; {counts}; looked through in {seconds}"
        )
    for failed in report.failed[:N_FAILED_SHOWN]:
        err.print(f"[yellow]skipped[/yellow] {escape(str(failed))}", soft_wrap=True)
    if len(report.failed) > N_FAILED_SHOWN:
        err.print(f"… and {len(report.failed) - N_FAILED_SHOWN} more")


def go_to_background() -> None:
    """Lower this process's priority, and end it when its standard input closes: with the server that started it."""
    os.nice(LOWER_PRIORITY)
    Thread(target=_end_with_input, name="lifeline", daemon=True).start()


def _end_with_input() -> None:
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
