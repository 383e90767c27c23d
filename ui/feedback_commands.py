"""The terminal's `otvet feedback`: take out what readers said of answers."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer
from rich.console import Console
from rich.markup import escape

from index.errors import FeedbackError
from ui.feedback import Feedback
from ui.files import whole_file
from ui.settings import load_settings
from ui.shared_feedback import open_feedback

Format = Literal["jsonl", "csv"]

COLUMNS = (
    "question",
    "answer",
    "kind",
    "liked",
    "reason",
    "comment",
    "citations",
    "generation",
    "user",
    "said_at",
)
CITED = ("title", "url", "quote", "start", "end")
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")  # https://owasp.org/www-community/attacks/CSV_Injection
BOM = "\ufeff"

feedback_app = typer.Typer(help="Take out what readers said of answers.", no_args_is_help=True)
out = Console()


@feedback_app.callback()
def feedback() -> None:
    """Take out what readers said of answers."""  # keeps `export` a command of its own while there is no other


@feedback_app.command()
def export(
    as_format: Annotated[
        Format, typer.Option("--format", help="JSON lines, exact; or CSV for a spreadsheet.")
    ] = "jsonl",
    out_path: Annotated[Path | None, typer.Option("--out", help="File to write. Default: standard output.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was said on this day (UTC) or later.")
    ] = None,
) -> None:
    """Write all feedback with its question, answer, citations and generation, in UTF-8. A server may run meanwhile.

    CSV begins with a byte order mark, without which Excel garbles Cyrillic, and has a ' before cells that a
    spreadsheet would take for a formula.

    Example: otvet feedback export --format csv --out feedback.csv --since 2026-11-01
    """
    with closing(open_feedback(load_settings())) as place, _destination(out_path) as file:
        found = place.all(since=since.date() if since else None)
        lines = csv_lines(found) if as_format == "csv" else map(json_line, found)
        for line in lines:
            file.write(line.encode())
    if out_path is not None:
        out.print(f"Saved as {escape(str(out_path))}", soft_wrap=True, highlight=False)


def json_line(said: Feedback) -> str:
    """One feedback as a JSON object on a line."""
    fields = {**asdict(said), "said_at": said.said_at.isoformat()}
    del fields["key"]  # tells nothing to others than the store
    return json.dumps(fields, ensure_ascii=False) + "\n"


def csv_lines(found: Iterator[Feedback]) -> Iterator[str]:
    """All feedback as CSV: a byte order mark and a head, then a row for each."""
    yield BOM + _csv_line(COLUMNS)
    for said in found:
        yield _csv_line(tuple(map(_cell, _values(said))))


def _values(said: Feedback) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    citations = [{name: cited.get(name) for name in CITED} for cited in said.response.get("citations", [])]
    return (
        said.question,
        said.response.get("text", ""),
        said.response.get("kind", ""),
        "true" if said.liked else "false",
        said.reason,
        said.comment,
        json.dumps(citations, ensure_ascii=False),
        said.generation,
        said.user or "",
        said.said_at.isoformat(),
    )


def _cell(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


def _csv_line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


@contextmanager
def _destination(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that is there whole or not at all."""
    try:
        if path is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        else:
            with _whole_file(path.resolve()) as file:  # a link stays a link
                yield file
    except BrokenPipeError:  # `| head`; the command ends in silence
        raise
    except OSError as exc:
        raise FeedbackError(
            f"cannot write {repr(str(path)) if path else 'standard output'} ({exc.strerror}); free disk space, or give "
            "another --out"
        ) from exc


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    if path.exists() and not path.is_file():
        raise FeedbackError(f"{str(path)!r} is no file; give another --out")
    with whole_file(path) as file:
        yield file
