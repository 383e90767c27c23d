"""Files from the page into the corpus: what they may be, under which name, and whole or not at all."""

import filecmp
import os
import shutil
import stat
import tempfile
import unicodedata
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from index.errors import UploadError
from index.readers import ENTRY_POINT_GROUP, READERS, read_corpus
from index.records import Article
from ui.files import sync_folder
from ui.settings import Settings

MAX_FILE_BYTES = 100_000_000

_SCRATCH = ".otvet-upload-"  # hidden, so that readers pass over it
_NOT_IN_NAMES = '<>:"|?*'  # on Windows, to which a corpus may be copied
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}


def known_suffixes() -> list[str]:
    """The suffixes that there is a reader for, sorted."""
    return sorted({*READERS, *(f".{plugin.name.lower()}" for plugin in entry_points(group=ENTRY_POINT_GROUP))})


def put_into_corpus(files: Sequence[Path], *, settings: Settings) -> list[Path]:
    """Copy files into the folder of the corpus; gives where each is now, in their order.

    All of them are put there, or none. A file appears whole or not at all, and only if some article can be read from
    it. What is there already with the same name and content stays as it is.

    Raises:
        UploadError: names the first file that cannot be put there, and why.
        CorpusError: the reader for its suffix cannot be loaded.
    """
    corpus = settings.corpus
    if not isinstance(corpus, Path) or not corpus.is_dir():
        raise UploadError(f"the corpus {str(corpus)!r} is no folder; name a folder in OTVET_CORPUS")
    try:
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=corpus) as scratch:
            folders = (Path(scratch) / str(number) for number in range(len(files)))  # two may have the same name
            copies = [_checked_copy(*pair, settings) for pair in zip(files, folders, strict=True)]
            return _publish(copies, corpus)
    except OSError as exc:
        raise UploadError(
            f"cannot write to the corpus {str(corpus)!r} ({exc.strerror or exc}); nothing was put there. Free disk "
            "space, or mend the rights of the folder"
        ) from exc


def safe_name(name: str) -> str:
    """The last part of a path as a file name that is harmless on every system, in NFC.

    Raises:
        UploadError: nothing of it is left.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join("_" if char in _NOT_IN_NAMES else char for char in last if not _is_invisible(char))
    kept = kept.lstrip(". ").rstrip(". ")
    if not kept:
        raise UploadError(f"the file name {name!r} cannot be used; rename the file")
    return f"_{kept}" if kept.split(".")[0].strip().upper() in _RESERVED else kept


def _is_invisible(char: str) -> bool:
    """Controls, marks of direction and line, halves of pairs, and what is no character."""
    category = unicodedata.category(char)
    return category[0] == "C" or category in ("Zl", "Zp")


def _checked_copy(file: Path, folder: Path, settings: Settings) -> Path:
    """A copy of the file, under its safe name, that an article could be read from."""
    name = safe_name(file.name)
    suffix = Path(name).suffix.lower()
    if suffix not in (known := known_suffixes()):
        raise UploadError(f"{name!r} has the unknown suffix {suffix!r}; known are {', '.join(known)}")
    own = folder / name
    own.parent.mkdir()
    _copy(file, own, name)
    first = None
    for item in read_corpus([own], max_article_chars=settings.max_article_chars):
        if isinstance(item, Article):
            return own
        first = first or item
    raise UploadError(f"{name!r}: {first.reason if first is not None else 'there is no article in it'}")


def _copy(file: Path, target: Path, name: str) -> None:
    """Copy a regular file, which no link leads to, and force the copy to the disk."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # opening a pipe would wait
    except OSError as exc:
        raise UploadError(f"{name!r} cannot be read ({exc.strerror}); upload it again") from exc
    with open(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UploadError(f"{name!r} is no regular file; upload a file")
        if (size := os.fstat(descriptor).st_size) > MAX_FILE_BYTES:
            raise UploadError(f"{name!r} has {size:,} bytes, over the limit of {MAX_FILE_BYTES:,}; split it")
        with target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())


def _publish(copies: Sequence[Path], corpus: Path) -> list[Path]:
    """Give the copies their names in the corpus, or take back those that have theirs already."""
    put: list[Path] = []
    try:
        for copy in copies:
            target = corpus / copy.name
            try:
                os.link(copy, target)  # not a rename, which would overwrite
                put.append(target)
            except FileExistsError:
                if not _is_same(copy, target):
                    raise UploadError(
                        f"the corpus has another file {copy.name!r}; rename yours, or remove the one that is there"
                    ) from None
        sync_folder(corpus)
    except BaseException:
        for target in put:
            target.unlink(missing_ok=True)
        raise
    return [corpus / copy.name for copy in copies]


def _is_same(copy: Path, target: Path) -> bool:
    return stat.S_ISREG(target.lstat().st_mode) and filecmp.cmp(copy, target, shallow=False)
