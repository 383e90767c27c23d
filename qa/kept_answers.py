"""The responses of an evaluation as they are kept in a file, so that a run that was stopped goes on where it stopped.

Decision: the file is named by all that a response depends on: questions and paragraphs, mode, models, settings, and the
source of this program. So an answer of other code or of another model is never taken for one of these; and there is
nothing to compare when a run starts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from index.settings import IndexSettings
from qa.records import Answer, AnswerMode, Response
from qa.settings import AnswerSettings

Kind = Literal["answerable", "far", "near"]
"""What a question is asked over: all; all but the article of its answer ("far"); all but the paragraph ("near")."""

# Where things are, and how one gets in.
PLACES = {
    "corpus",
    "data_dir",
    "cache_dir",
    "chat_api_key",
    "chroma_url",
    "chroma_token",
    "chroma_tenant",
    "chroma_database",
    "chroma_ca_file",
    "postgres_url",
    "postgres_schema",
}
SOURCES = {".py", ".json"}  # code, and numbers that were fitted
FLOORS = (Path(__file__).parent, Path(__file__).parents[1] / "index")


@dataclass(frozen=True, slots=True)
class Asking:
    """One asking of a question: its place in the collection, and what is in the index."""

    number: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation: its article and the exact quote."""

    article_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a response.

    Attributes:
        mode: how it was answered; None for a refusal.
        text: of the answer or the refusal, with its markers.
        timings_ms: milliseconds by stage, "total" among them.
    """

    mode: AnswerMode | None
    text: str
    citations: tuple[Cited, ...]
    timings_ms: dict[str, float]

    @property
    def is_refusal(self) -> bool:
        """Whether the question was refused."""
        return self.mode is None


def kept(response: Response) -> Kept:
    """What is kept of a response."""
    if not isinstance(response, Answer):
        return Kept(None, response.text, (), response.timings_ms)
    citations = tuple(Cited(one.source.article_id, one.quote) for one in response.citations)
    return Kept(response.mode, response.text, citations, response.timings_ms)


class KeptAnswers:
    """A JSONL file of one response a line. Each is on its way to the disk before the next question is asked.

    Two runs that write to one file at once both get all their answers; it then holds some twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[Asking, Kept]:
        """All responses so far; none where there is no file. A last line that was cut off is taken out of the file."""
        if not self._path.is_file():
            return {}
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._path.write_bytes(whole)
        return dict(map(_parse, whole.splitlines()))

    def add(self, asking: Asking, answer: Kept) -> None:
        """Append a response."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"asking": asdict(asking), "answer": asdict(answer)}, ensure_ascii=False) + "\n"
        with self._path.open("ab") as file:
            file.write(line.encode())

    def remove(self) -> None:
        """Delete the file, once nothing is left to ask."""
        self._path.unlink(missing_ok=True)


def _parse(line: bytes) -> tuple[Asking, Kept]:
    row = json.loads(line)
    answer = row["answer"]
    citations = tuple(Cited(**one) for one in answer["citations"])
    return Asking(**row["asking"]), Kept(**{**answer, "citations": citations})


def fingerprint(**parts: object) -> str:
    """16 hex digits of all that a response depends on, the source of `index` and `qa` included.

    Args:
        parts: whatever has a `repr` that tells it from others of its kind; settings by `settings_that_matter`.
    """
    digest = hashlib.sha256(repr(sorted(parts.items())).encode())
    for path in sorted(path for folder in FLOORS for path in folder.rglob("*") if path.suffix in SOURCES):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def settings_that_matter(index: IndexSettings, answers: AnswerSettings) -> Mapping[str, Any]:
    """What the index and the answers are made with, without places; a file by its name, size and time of change.

    Either may be more than that, such as all settings of the program; those of the server say nothing of answers.
    """
    values = {
        **index.model_dump(include=set(IndexSettings.model_fields) - PLACES),
        **answers.model_dump(include=set(AnswerSettings.model_fields) - PLACES),
    }
    return {name: file_identity(value) if isinstance(value, Path) else value for name, value in sorted(values.items())}


def file_identity(path: Path) -> tuple[object, ...]:
    """Path, size in bytes and time of change; the path alone where there is no file."""
    if not path.is_file():
        return (str(path),)
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns
