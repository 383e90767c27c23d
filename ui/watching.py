"""The terminal's `otvet index --watch`: when the corpus has changed and come to rest, it is indexed anew.

Decision: watchfiles tells what changes, the pause is ours. Its own `step` takes a file that is still being written for
one at rest, as it counts changed files, not changes.

Decision: nothing tells what changes elsewhere (index/remote.py), so such places are listed every 30 s, which costs a
request for each folder, and built from where a version differs. An object that has none is not seen to change.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

from index.errors import CorpusError
from index.readers import ENTRY_POINT_GROUP, READERS
from index.remote import Place, RemotePlace, objects_of

log = logging.getLogger(__name__)

QUIET_S = 2.0  # so long nothing may change before files are read: they may be half-written
AT_MOST_S = 60.0  # but where changes never cease, files are read after this time
REMOTE_S = 30.0  # between two looks at places elsewhere
AGAIN_S = 5.0  # after a build that was put off
TICK_MS = 500
STEP_MS = 100
TEMPORARY = ("~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".swx", ".bak")

FileIdentity = tuple[int, int]
"""Device and inode."""


class Settling:
    """Tells when changes have come to rest. Times are those of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._again: float | None = None

    def note_change(self, now: float) -> None:
        """Something changed."""
        self._first, self._last = (now if self._first is None else self._first), now

    def put_off(self, until: float) -> None:
        """Be due at a time, whatever changes."""
        self._again = until

    def is_due(self, now: float) -> bool:
        """Whether there is something to be done now; if so, all is forgotten that was noted."""
        rests = self._first is not None and (now - self._last >= QUIET_S or now - self._first >= AT_MOST_S)
        if rests or (self._again is not None and now >= self._again):
            self._first = self._again = None
            return True
        return False


class RemoteChanges:
    """Tells, by listing them now and then, when places elsewhere have changed. Times are as for `Settling`."""

    def __init__(self, places: Sequence[RemotePlace]) -> None:
        self._places = places
        self._seen: str | None = None
        self._next_look = 0.0

    def have_come(self, now: float) -> bool:
        """Whether anything is other than at the last look; a place that cannot be listed is as it was."""
        if not self._places or now < self._next_look:
            return False
        self._next_look = now + REMOTE_S
        found = self._seen
        try:
            found = _listed(self._places)
        except CorpusError as exc:
            log.warning("%s", exc)
        before, self._seen = self._seen, found
        return before not in (None, found)


def _listed(places: Sequence[RemotePlace]) -> str:
    digest = hashlib.sha256()
    for place in places:
        for _, found in objects_of(place):
            digest.update(f"{found.key} {found.version}\n".encode())
    return digest.hexdigest()


def watch(paths: Sequence[Place], build: Callable[[], bool], *, apart_from: Path) -> None:
    """Call `build` at once, and again whenever something under `paths` has changed and come to rest. Never returns.

    Args:
        paths: files and folders; they may vanish and come back.
        build: returns False where it is to be called again soon. What changes while it works is not missed.
        apart_from: what changes in there does not matter: the index, should it lie among the articles.

    Raises:
        CorpusError: the system cannot watch so much.
        KeyboardInterrupt: Ctrl+C.
    """
    settling = Settling()
    settling.put_off(until=0)
    elsewhere = RemoteChanges([path for path in paths if isinstance(path, RemotePlace)])
    for has_changed in ticks([path for path in paths if isinstance(path, Path)], apart_from):
        if has_changed | elsewhere.have_come(time.monotonic()):
            settling.note_change(time.monotonic())
        if settling.is_due(time.monotonic()) and not build():
            settling.put_off(until=time.monotonic() + AGAIN_S)


def ticks(paths: Sequence[Path], apart_from: Path) -> Iterator[bool]:
    """Whether something changed since the last tick, several times a second; the first one when watching has begun."""
    before: dict[Path, FileIdentity] | None = None
    while True:
        there = _places(paths)
        has_changed = before not in (None, there)
        before = there
        if there:
            for news in _ticks_while(paths, there, apart_from.resolve()):
                yield news or has_changed
                has_changed = False
        if not there or has_changed:
            time.sleep(TICK_MS / 1000)
            yield has_changed


def matters(path: Path, roots: Sequence[Path], suffixes: Container[str]) -> bool:
    """Whether a change of `path`, at or below one of `roots`, can be one of articles.

    Readers pass over hidden files and those of other suffixes. What is no file is a folder, or is gone, and may have
    been a folder.
    """
    below = [path.relative_to(root) for root in roots if path.is_relative_to(root)] or [Path(path.name)]
    if all(any(part.startswith(".") for part in found.parts) for found in below):
        return False
    return path.suffix.lower() in suffixes or not (path.name.endswith(TEMPORARY) or path.is_file())


def _ticks_while(paths: Sequence[Path], there: dict[Path, FileIdentity], apart_from: Path) -> Iterator[bool]:
    """Ticks until one of the paths is gone, or has come, or is another file than before."""
    from watchfiles import Change
    from watchfiles import watch as changes_under

    roots = [form for path in there for form in (path.absolute(), path.resolve())]
    suffixes = {*READERS, *(f".{plugin.name.lower()}" for plugin in entry_points(group=ENTRY_POINT_GROUP))}
    try:
        for changes in changes_under(
            *there,
            watch_filter=None,  # with one there would be no tick while nothing but what it leaves out changes
            step=STEP_MS,
            debounce=TICK_MS,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            changed = {Path(path).absolute() for _, path in changes}
            yield any(matters(path, roots, suffixes) for path in changed if not _is_in(path, apart_from))
            gone = {Path(path).absolute() for change, path in changes if change is Change.deleted}
            if gone.intersection(roots) or _places(paths) != there:
                return
    except FileNotFoundError:
        return  # gone since it was looked for
    except RuntimeError as exc:  # of watchfiles, when what it watches changes faster than it can follow
        log.warning("watching begins again, as %s", exc)
        time.sleep(TICK_MS / 1000)
        yield True
    except OSError as exc:
        raise CorpusError(
            f"cannot watch {', '.join(repr(str(path)) for path in there)} ({exc}); raise the system's limit "
            "(fs.inotify.max_user_watches), or set WATCHFILES_FORCE_POLLING=true"
        ) from exc


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder)


def _places(paths: Sequence[Path]) -> dict[Path, FileIdentity]:
    """Which file or folder each path is now; without those that are not there."""
    places = {}
    for path in paths:
        with suppress(OSError):
            found = path.stat()
            places[path] = (found.st_dev, found.st_ino)
    return places
