"""Articles out of files: which files are read, in which order, by which reader.

    for item in read_corpus([Path("corpus")]): ...   # Article or Skipped

or file by file, so that a file whose content is known need not be read:

    for file in corpus_files([Path("corpus")]): ...  # CorpusFile or Skipped

A place may be a folder or a file here, or one elsewhere (index/remote.py).

The formats themselves are in `index.formats` (one article a file), `index.tables` and `index.parquet` (one a row).
Another format is an entry point of the group "otvet.readers": its name is the suffix without the dot, its value a
`Reader`. It may replace a reader that is built in.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import NamedTuple, Protocol

from index import parquet
from index.decoding import refuse_large
from index.errors import CorpusError
from index.formats import read_html, read_markdown, read_text
from index.making import MAX_ARTICLE_CHARS, BadArticleError, check_length, make_article, parse_date
from index.records import Article, Skipped
from index.remote import FetchError, NotFetched, Place, RemoteObject, RemotePlace, objects_of
from index.tables import read_csv, read_jsonl

__all__ = [
    "ENTRY_POINT_GROUP",
    "READERS",
    "BadArticleError",
    "CorpusFile",
    "Reader",
    "corpus_files",
    "make_article",
    "parse_date",
    "read_corpus",
    "readers_fingerprint",
]

ENTRY_POINT_GROUP = "otvet.readers"


class Reader(Protocol):
    """Reads the articles of one file.

    `path` is a regular file. `source` is how people know it, and becomes the `source` of its articles, with ":line"
    for a row of a table.

    Yields the articles in the order of the file, made by `make_article`, and a Skipped for each that cannot be used;
    one bad article does not end the others. A table is streamed. The same file gives the same values every time.

    BadArticleError and OSError may be raised: the rest of the file is then Skipped, with the message as the reason.
    Texts over the limit are refused by the caller. Anything else that is raised ends the whole reading.
    """

    def __call__(self, path: Path, source: str) -> Iterator[Article | Skipped]:
        """See the class."""
        ...


class _BoundedReader(Protocol):
    """A Reader that is built in: told the limit, it need not read what is too long."""

    def __call__(
        self, path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS
    ) -> Iterator[Article | Skipped]:
        """See the class."""
        ...


READERS: dict[str, _BoundedReader] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": parquet.read_parquet,
}
_ROW_BY_ROW = (read_jsonl, read_csv, parquet.read_parquet)


READERS_VERSION = 1  # is raised when a built-in reader makes other articles of the same file


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file or object that a reader is known for. `source` is how people know it. Can be pickled."""

    path: Path | RemoteObject
    source: str
    reader: Reader
    max_article_chars: int

    def read(self) -> Iterator[Article | Skipped]:
        """Its articles, in order; all that cannot be used is Skipped. An object that cannot be had is NotFetched.

        Raises:
            CorpusError: the entry point for its suffix cannot be loaded.
        """
        return _read_file(self)


def read_corpus(paths: Sequence[Place], *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """The articles of files and directories, in the order of `corpus_files`, which also tells the errors.

    Nothing is read before the first item is asked for, a table row by row.
    """
    files = corpus_files(paths, max_article_chars=max_article_chars)
    return (item for found in files for item in ([found] if isinstance(found, Skipped) else found.read()))


def corpus_files(
    paths: Sequence[Place], *, max_article_chars: int = MAX_ARTICLE_CHARS, left_out: Path | None = None
) -> Iterator[CorpusFile | Skipped]:
    """The files of articles, in a fixed order: the paths as given, inside them by name.

    Directories are read with all below them. Hidden files and directories, and files of unknown suffix, are passed
    over silently. Links are followed; a directory that was read already, by a link or by another path, is Skipped, and
    so is all that cannot be read or used.

    Args:
        paths: files and directories, here or elsewhere. An article's `source` is the path inside the directory, or the
            file's name.
        max_article_chars: a longer article is Skipped. A file of one article is refused unread over 4 bytes for each.
        left_out: a directory that is passed over silently, such as that of the index.

    Raises:
        CorpusError: at once, if a path does not exist, cannot be looked at, or is a file of unknown suffix, and where
            a remote place is not listed, before any of its files is given.
    """
    readers = _readers(max_article_chars)
    for path in paths:
        if isinstance(path, Path):
            _check_named(path, readers)
    return _all_files(paths, readers, max_article_chars, os.path.realpath(left_out) if left_out is not None else None)


def readers_fingerprint(max_article_chars: int) -> str:
    """Changes with all that decides which articles a file of a given content holds."""
    plugins = sorted(f"{one.name}={one.value} {one.dist and one.dist.version}" for one in _plugins())
    without = [] if parquet.is_installed() else ["without pyarrow"]
    return "; ".join([f"readers {READERS_VERSION}", f"at most {max_article_chars}", *plugins, *without])


def _plugins() -> EntryPoints:
    return entry_points(group=ENTRY_POINT_GROUP)


def _readers(max_article_chars: int) -> Mapping[str, Reader]:
    """Readers by suffix, in lower case; a plugin is loaded when the first file of its suffix turns up."""
    built_in: dict[str, Reader] = {
        suffix: partial(reader, max_article_chars=max_article_chars) for suffix, reader in READERS.items()
    }
    plugins = sorted(_plugins(), key=lambda plugin: (plugin.name, plugin.value))
    return built_in | {f".{plugin.name.lower()}": partial(_read_with, plugin) for plugin in plugins}


def _read_with(plugin: EntryPoint, path: Path, source: str) -> Iterator[Article | Skipped]:
    try:
        reader: Reader = plugin.load()
    except (ImportError, AttributeError) as exc:
        raise CorpusError(
            f"the reader {plugin.value!r} for files '.{plugin.name}' cannot be loaded: {exc}; "
            "install its package again, or remove it"
        ) from exc
    return reader(path, source)


def _check_named(path: Path, readers: Mapping[str, Reader]) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as exc:
        raise CorpusError(f"corpus path {str(path)!r} does not exist; name a file or directory of articles") from exc
    except (OSError, ValueError) as exc:
        raise CorpusError(f"corpus path {str(path)!r} cannot be read: {exc}; correct the path or its rights") from exc
    if stat.S_ISDIR(mode):
        return
    if not stat.S_ISREG(mode):
        raise CorpusError(f"corpus path {str(path)!r} is neither a file nor a directory; name one of these")
    if path.suffix.lower() not in readers:
        raise _unknown_suffix(path, path.suffix, readers)


def _unknown_suffix(place: Place, suffix: str, readers: Mapping[str, Reader]) -> CorpusError:
    known = ", ".join(sorted(readers))
    return CorpusError(f"corpus file {str(place)!r} has the unknown suffix {suffix!r}; known are {known}")


def _all_files(
    paths: Sequence[Place], readers: Mapping[str, Reader], max_article_chars: int, left_out: str | None
) -> Iterator[CorpusFile | Skipped]:
    seen: set[str] = set()
    for root in paths:
        if isinstance(root, RemotePlace):
            yield from _remote_files(root, readers, max_article_chars)
            continue
        for path, source, problem in _walk(root, seen, left_out):
            if problem is not None:
                yield Skipped(source, None, problem)
            elif reader := readers.get(path.suffix.lower()):
                yield CorpusFile(path, source, reader, max_article_chars)


def _remote_files(place: RemotePlace, readers: Mapping[str, Reader], max_article_chars: int) -> Iterator[CorpusFile]:
    for source, found in objects_of(place):
        if reader := readers.get(found.suffix):
            yield CorpusFile(found, source, reader, max_article_chars)
        elif found.url == place.url:
            raise _unknown_suffix(place, found.suffix, readers)


class _Found(NamedTuple):
    path: Path
    source: str
    problem: str | None = None


def _walk(root: Path, seen: set[str], left_out: str | None) -> Iterator[_Found]:
    """All files under `root`, or `root` itself, depth first and by name. `seen` holds the directories read so far."""
    waiting = [_Found(root, _shown(root.name or str(root)))]
    while waiting:
        found = waiting.pop()
        path, source, _ = found
        try:
            if not stat.S_ISDIR(path.stat().st_mode):
                yield found
                continue
            real = os.path.realpath(path)
            if real == left_out:
                continue
            if real in seen:
                problem = f"the directory {real!r} was read already; remove the link or the path"
                yield found._replace(problem=problem)
                continue
            seen.add(real)
            children = [child for child in path.iterdir() if not child.name.startswith(".")]
        except OSError as exc:
            yield found._replace(problem=_os_reason(path, exc))
        else:
            inside = "" if path == root else f"{source}/"
            children.sort(key=lambda child: child.name, reverse=True)
            waiting += [_Found(child, inside + _shown(child.name)) for child in children]


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", errors="replace")  # names on Linux need not be UTF-8


def _read_file(file: CorpusFile) -> Iterator[Article | Skipped]:
    try:
        if isinstance(file.path, RemoteObject):
            _refuse_unfetched(file.path, file)
            with file.path.fetched() as path:
                yield from _read_path(path, file)
        else:
            yield from _read_path(file.path, file)
    except FetchError as exc:
        yield NotFetched(file.source, None, f"it cannot be fetched: {exc}", exc.is_gone)
    except BadArticleError as exc:
        yield Skipped(file.source, exc.line, str(exc))


def _refuse_unfetched(found: RemoteObject, file: CorpusFile) -> None:
    """BadArticleError for what is too large for the one article that a built-in reader takes it for."""
    reader = file.reader.func if isinstance(file.reader, partial) else file.reader
    if found.size is not None and reader in READERS.values() and reader not in _ROW_BY_ROW:
        refuse_large(found.size, file.max_article_chars)


def _read_path(path: Path, file: CorpusFile) -> Iterator[Article | Skipped]:
    try:
        if not path.is_file():
            raise BadArticleError("it is no regular file; move it out of the corpus")
        for item in file.reader(path, file.source):
            yield _checked(item, file.max_article_chars)
    except OSError as exc:
        yield Skipped(file.source, None, _os_reason(path, exc))


def _checked(item: Article | Skipped, max_article_chars: int) -> Article | Skipped:
    try:
        return item if isinstance(item, Skipped) else check_length(item, max_article_chars)
    except BadArticleError as exc:
        return Skipped(item.source, None, str(exc))


def _os_reason(path: Path, exc: OSError) -> str:
    if path.is_symlink() and not os.path.exists(path):
        return f"the link leads nowhere ({exc.strerror}); correct or remove it"
    return f"it cannot be read: {exc.strerror or exc}; correct its rights, or remove it"
