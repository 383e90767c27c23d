"""Progress bars in the terminal, one a stage."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from index.records import Progress

STAGES = {
    "model": "Preparing the embedding model",
    "read": "Reading articles",
    "embed": "Embedding articles",
    "words": "Indexing words",
    "store": "Storing vectors",
    "check": "Checking the index",
    "ask": "Searching",
    "answer": "Answering",
    "pull": "Fetching the chat model",
}
err = Console(stderr=True)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress bars on standard error, a line a stage."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with ProgressBar(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        waiting = bar.add_task("Loading", total=None)
        tasks = {}

        def tell(stage: str, done: int, total: int) -> None:
            bar.update(waiting, visible=False)
            if stage not in tasks:
                tasks[stage] = bar.add_task(STAGES[stage])
            bar.update(tasks[stage], completed=done, total=total or None)

        yield tell
