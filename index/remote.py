"""Corpus places elsewhere: `s3://bucket/prefix`, `gs://…`, `https://host/file.jsonl`, and all else that fsspec knows.

Decision: an object is fetched whole into a temporary file, which its reader reads and which is removed after. Reading
from the connection would save room on the disk, but a connection that breaks would leave half of the articles, CSV and
Parquet go back in a file, and readers of third parties take a path. One object is on the disk at a time, and a block
of it in memory.

Decision: folders are listed by `ls`, one by one. fsspec's `find` and `walk` leave out a folder that they could not list
(2026.9; `walk` told to raise does so for its first folder only), and what is not listed is deleted from the index.

Who may read what is the business of fsspec's libraries: they take keys and addresses from where they always do, such as
AWS_PROFILE and AWS_ENDPOINT_URL. What a URL holds before "@" and behind "?" may be secret and is never shown or stored.
"""

import hashlib
import logging
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from index.errors import CorpusError
from index.records import Skipped

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

log = logging.getLogger(__name__)

PAUSES_S = (1.0, 4.0)  # before an object is tried a second and a third time
SILENCE_S = 60.0  # so long a web server may send nothing
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
DENIED, GONE = (401, 403), (404, 410)

_URL = re.compile(r"\w[\w+.-]*://[^\s'\"]+")
_URL_USER = re.compile(r"^(\w[\w+.-]*://)[^/?#]*@")
_LEFT_OUT = re.compile(r"^\w[\w+.-]*://\.\.\.@|\?\.\.\.$")
_MODIFIED = ("LastModified", "last_modified", "updated", "mtime", "Last-Modified", "created")
_READ_AT_ONCE = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """A folder of objects, or one object. `str` of it can be shown: it holds no secrets."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return _shown(self.url)


Place = Path | RemotePlace
"""Where articles are: a file or folder here, or elsewhere."""


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as it was listed.

    Attributes:
        version: its ETag, else its time and size; None where the place tells neither.
        size: in bytes, None where the place does not tell.
    """

    url: str = field(repr=False)
    version: str | None
    size: int | None

    def __str__(self) -> str:
        return _shown(self.url)

    @property
    def suffix(self) -> str:
        """As of a Path, in lower case."""
        return PurePosixPath(_path(self.url)).suffix.lower()

    @property
    def key(self) -> str:
        """What it is remembered by: tells objects apart and holds no secrets."""
        known = _URL_USER.sub(r"\1", self.url)
        return f"{self} {hashlib.sha256(known.encode(errors='surrogatepass')).hexdigest()[:16]}"

    def now(self) -> "RemoteObject":
        """The same object, as it is now.

        Raises:
            FetchError: it cannot be looked at.
        """
        fs, path = _open(self.url)
        with _translated(self.url):
            info = fs.info(path)
        return replace(self, version=_version(info), size=info.get("size"))

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        """Its content as a file, which lasts as long as the context.

        Raises:
            FetchError: it cannot be had, not at the third try either where the network fails.
        """
        try:
            scratch = tempfile.TemporaryDirectory(prefix="otvet-")
        except OSError as exc:  # which may say that a file is not there
            raise FetchError(f"there is no temporary folder for it ({exc}); set TMPDIR", may_pass=False) from exc
        with scratch as folder:
            target = Path(folder) / f"object{self.suffix}"
            self._fetch(target)
            yield target

    def content(self) -> str:
        """Changes with its content: the version, or else the sha256 of what is fetched for that.

        Raises:
            FetchError: see `fetched`.
        """
        if self.version is not None:
            return self.version
        with self.fetched() as path, path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(_READ_AT_ONCE):
                digest.update(block)
        return digest.hexdigest()

    def _fetch(self, target: Path) -> None:
        fs, path = _open(self.url)
        for pause in (*PAUSES_S, None):
            try:
                with _translated(self.url):
                    fs.get_file(path, str(target))
                return
            except FetchError as exc:
                if pause is None or not exc.may_pass:
                    raise
                log.warning("trying %s again, as %s", self, exc)
                time.sleep(pause)


class FetchError(Exception):
    """An object cannot be had. Never leaves `index`, hence no child of OtvetError.

    Attributes:
        may_pass: whether it may be had at another try, as the network or the server failed.
        is_gone: whether it is not there, rather than not to be had.
    """

    def __init__(self, reason: str, *, may_pass: bool = False, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.may_pass, self.is_gone = may_pass, is_gone


@dataclass(frozen=True, slots=True)
class NotFetched(Skipped):
    """Skipped, as it could not be had now. `is_gone` is that of FetchError."""

    is_gone: bool


def place_of(text: str) -> Place:
    """What people write: a URL has "://", all else is a path, and so is a URL of a file here."""
    if _scheme(text) == "file" and "://" in text:
        return Path(url2pathname(urlsplit(text).path))
    return RemotePlace(text) if "://" in text else Path(text)


def is_whole(shown: str) -> bool:
    """Whether what `str` gives of a place is all of it, so that it leads there again."""
    return _LEFT_OUT.search(shown) is None


def objects_of(place: RemotePlace) -> list[tuple[str, RemoteObject]]:
    """The objects of a place with their paths inside of it, depth first and by name; hidden ones are passed over.

    A web address is one object: pages that list others are not followed.

    Raises:
        CorpusError: it is not there, or not all of it can be listed.
    """
    fs, root = _open(place.url)
    try:
        with _translated(place.url):
            info = fs.info(root)
            if _is_web(place.url) or info["type"] != "directory":
                name = PurePosixPath(_path(place.url)).name or str(place)
                return [(name, RemoteObject(place.url, _version(info), info.get("size")))]
            found = dict(_walk(fs, root))
    except FetchError as exc:
        raise CorpusError(
            f"corpus place {str(place)!r} cannot be listed: {exc}; the index stays as it is. Correct the address, "
            "the keys or the network, and index again"
        ) from exc
    base = place.url.rstrip("/")
    return [
        (inside, RemoteObject(f"{base}/{inside}", _version(found[inside]), found[inside].get("size")))
        for inside in sorted(found, key=lambda inside: inside.split("/"))
    ]


def _walk(fs: "AbstractFileSystem", root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All files below `root`, each with its path from there and what was listed of it, in any order."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for info in fs.ls(folder, detail=True):
            inside = info["name"].removeprefix(root).strip("/")
            if not inside or inside.rpartition("/")[2].startswith("."):
                continue  # it is hidden
            if info["name"].strip("/") == folder.strip("/"):
                continue  # it lists itself, as where a folder has a marker
            if info["type"] == "directory":
                waiting.append(info["name"])
            else:
                yield inside, info


def _open(url: str) -> tuple["AbstractFileSystem", str]:
    """The file system and the path in it; fsspec keeps one for each place and process.

    Raises:
        CorpusError: what it needs is not installed, or nobody knows such addresses.
    """
    from fsspec.core import url_to_fs

    scheme = _scheme(url)
    try:
        options = _web_options() if _is_web(url) else {}
        fs, path = url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as exc:
        extra = EXTRAS.get(scheme)
        todo = f"pip install 'otvet[{extra}]'" if extra else "install what fsspec names"
        raise CorpusError(f"corpus place {_shown(url)!r} needs a library that is not installed; {todo}") from exc
    except Exception as exc:  # of the library of that scheme; they share no root
        raise CorpusError(f"corpus place {_shown(url)!r} cannot be used: {_told(exc, url)}; correct it") from exc
    return fs, path.rstrip("/") if not _is_web(url) else path


def _web_options() -> dict[str, Any]:
    """No limit of the whole time, as objects are large, but of silence."""
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)}}


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Makes FetchError of what fsspec's libraries raise, which has no common root."""
    try:
        yield
    except Exception as exc:
        hides_cause = isinstance(exc, FileNotFoundError) and _is_web(url)  # whatever fsspec's web meets
        cause = (exc.__cause__ if hides_cause else None) or exc
        status = getattr(cause, "status", None)
        if status in GONE or isinstance(cause, FileNotFoundError):
            raise FetchError("it is not there", is_gone=True) from exc
        if status in DENIED or isinstance(cause, PermissionError):
            raise FetchError("access is denied") from exc
        raise FetchError(_told(cause, url), may_pass=True) from exc


def _told(exc: BaseException, url: str) -> str:
    """What an error says, in one line and without addresses, which may hold secrets."""
    status = getattr(exc, "status", None)
    if status is not None:
        return f"the server answered {status}"
    first = next(iter(str(exc).splitlines()), "")
    return " ".join([type(exc).__name__, _URL.sub(lambda _: _shown(url), first)[:200]]).strip()


def _version(info: Mapping[str, Any]) -> str | None:
    etag = info.get("ETag") or info.get("etag")
    if etag:
        return f"etag {etag}"
    modified = next((info[name] for name in _MODIFIED if info.get(name) is not None), None)
    size = info.get("size")
    return f"modified {modified} size {size}" if modified is not None and size is not None else None


def _is_web(url: str) -> bool:
    return _scheme(url) in ("http", "https")


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _path(url: str) -> str:
    """Of a web address without what is asked; the name of an object elsewhere may hold a "?"."""
    return urlsplit(url).path if _is_web(url) else url.partition("://")[2]


def _shown(url: str) -> str:
    """A URL without what may be secret; "...@" and "?..." stand where something was left out."""
    known = _URL_USER.sub(r"\1...@", url)
    if not _is_web(url):
        return known
    address, asked, _ = known.partition("?")
    return f"{address}?..." if asked else address
