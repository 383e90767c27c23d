"""Generations of a shared index: rows of PostgreSQL and vectors in a Chroma server, read by any number of processes.

What a directory and its locks are to an index of one machine (index/generations.py), this is to a shared one:

    the pointer          one column of one row, changed in the transaction that publishes
    the writer's lock    an advisory lock of PostgreSQL, held by the connection that writes: if it breaks, the lock is
                         free, and the build that had it cannot write any more
    a reader's hold      a shared advisory lock on the number of the generation, which ends with its connection

Decision: advisory locks, which need a connection of their own to the server itself or to a pooler that keeps sessions
(PgBouncer's `session` mode); one that hands out connections by transaction would let go of them.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from index.chroma_server import ChromaServer
from index.errors import IndexDamagedError, IndexLockedError, IndexStateError, IndexWriteError
from index.generation import Generation
from index.generations import (
    FORMAT_VERSION,
    LOCK_TIMEOUT_S,
    Manifest,
    Writer,
    index_root,
    name_of,
    now,
    number_of,
)
from index.postgres import LOCK, Database
from index.server_chunks import ServerChunks
from index.settings import IndexSettings
from index.shared_articles import SharedArticles
from index.shared_chunks import SharedChunks, load_places
from index.shared_lexical import SharedKeywordIndex
from index.shared_words import read_frequent_words
from index.shared_writer import SharedWriter
from index.words import WordIndex

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5  # at the pointer
BEAT_EVERY_S = 5.0  # of connections that hold a generation
WRITER = 0  # no generation has this number, so its lock is the writer's


class SharedCatalog:
    """See `Catalog`. A process needs no directory of its own to read, and to write one for scratch files."""

    def __init__(self, settings: IndexSettings) -> None:
        if settings.postgres_url is None or settings.chroma_url is None:
            raise ValueError("these are settings of an index here")
        token = settings.chroma_token
        self._server = ChromaServer(
            settings.chroma_url,
            token.get_secret_value() if token is not None else None,
            settings.chroma_tenant,
            settings.chroma_database,
            settings.chroma_ca_file,
        )
        self._database = Database(settings.postgres_url.get_secret_value(), schema=settings.postgres_schema)
        self._data_dir = settings.data_dir
        self.place = f"{self._database.place}, and {self._server.place}"
        self._lock = Lock()
        self._is_made = False
        self._seen: tuple[float, str | None] | None = None

    def current(self) -> str | None:
        """See `Catalog`. Asks the server twice a second at most."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._seen[0] > LOOK_EVERY_S:
                self._seen = time.monotonic(), self._serving()
            return self._seen[1]

    def _serving(self) -> str | None:
        if not self._exists():
            return None
        with self._database.connection() as connection:
            found = connection.execute("select serving from state").fetchone()
        return name_of(found[0]) if found and found[0] is not None else None

    def _exists(self) -> bool:
        self._is_made = self._is_made or self._database.is_made()
        return self._is_made

    def manifest(self, name: str) -> Manifest:
        """See `Catalog`."""
        self._database.check_version()
        with self._database.connection() as connection:
            found = connection.execute("select manifest from generations where number = %s", [number_of(name)])
            row = found.fetchone()
        if row is None:
            self._seen = None  # another serves
            raise IndexDamagedError(f"{name} is not in {self._database.place} any more; run: otvet index")
        try:
            values = json.loads(row[0])
            if values["format_version"] != FORMAT_VERSION:
                raise ValueError(f"it has format {values['format_version']!r}, not {FORMAT_VERSION}")
            return Manifest(**values)
        except (ValueError, TypeError, KeyError) as exc:
            raise IndexDamagedError(
                f"cannot read the manifest of {name} in {self._database.place} ({exc}); run: otvet index"
            ) from exc

    def open(self, name: str) -> Generation:
        """See `Catalog`. Takes memory for each article and chunk, about 250 and 24 bytes."""
        number = number_of(name)
        with ExitStack() as stack:
            hold = stack.enter_context(closing(self._hold(number)))
            manifest = self.manifest(name)
            words = WordIndex(read_frequent_words(self._database, number))
            articles = stack.enter_context(closing(SharedArticles(self._database, number)))
            with self._database.connection() as connection:
                query = "select index_id, lineage, n_rows from state, generations where number = %s"
                index_id, lineage, n_rows = connection.execute(query, [number]).fetchone() or ("", 0, 0)
                places = load_places(connection, articles.positions, n_rows=n_rows)
            chunks = stack.enter_context(
                closing(ServerChunks(self._server, index_id=index_id, lineage=lineage, row_ids=places.row_ids))
            )
            found = (articles.n_articles, len(places.row_ids), chunks.count())
            promised = (manifest.n_articles, manifest.n_chunks, manifest.n_chunks)
            if found != promised:
                raise IndexDamagedError(
                    f"{self.place} hold {found} articles, chunks and chunks in Chroma of {name}, its manifest says "
                    f"{promised}; run: otvet doctor --repair"
                )
            lexical = SharedKeywordIndex(self._database, number, places.row_ids)
            stack.pop_all()
        vectors = SharedChunks(self._database, places, dim=manifest.dim, width=words.width, nearest=chunks)
        return Generation(
            name=name,
            manifest=manifest,
            articles=articles,
            columns=articles.columns(),
            alive=np.ones(len(places.row_ids), np.bool_),
            chunks=chunks,
            lexical=lexical,
            vectors=vectors,
            words=words,
            late=vectors,
            release=hold.close,
            is_held=hold.is_alive,
        )

    def _hold(self, number: int) -> "_Hold":
        try:
            return _Hold(self._database, number)
        except IndexDamagedError:
            self._seen = None  # it was just removed, so another serves
            raise

    def remove_unused(self) -> None:
        """See `Catalog`. The next build does, as a reader need have no right to."""

    def check_unlocked(self) -> None:
        """See `Catalog`."""
        if not self._exists():
            return
        with self._database.connection() as connection, connection.transaction():
            # Shared, so that those who look do not see each other.
            found = connection.execute(f"select pg_try_advisory_xact_lock_shared({LOCK})", [WRITER]).fetchone()
        if found != (True,):
            raise IndexLockedError(f"another build is running ({self._holder()}); wait for it or stop it")

    def current_writer(self) -> Writer | None:
        """See `Catalog`."""
        try:
            self.check_unlocked()
        except IndexLockedError:
            found = self._writer()
            return found[0] if found is not None else None
        return None

    @contextmanager
    def writing(self) -> Iterator[SharedWriter]:
        """See `Catalog`."""
        self._database.create(uuid4().hex[:12])
        with closing(self._database.connect()) as connection:
            self._take_lock(connection)
            try:
                scratch = self._scratch(connection)
                with _writing_errors(self._database, str(scratch)):
                    scratch.mkdir(parents=True, exist_ok=True)
                    connection.execute("delete from writer")
                    connection.execute(
                        "insert into writer (host, pid, since, stage, done, total) values (%s, %s, %s, '', 0, 0)",
                        [socket.gethostname(), os.getpid(), now()],
                    )
                    with closing(SharedWriter(self._database, self._server, connection, scratch)) as writer:
                        yield writer
            finally:
                with suppress(IndexStateError), self._database.errors():
                    connection.execute("delete from writer")
                self._seen = None

    def _scratch(self, connection: "Connection[Any]") -> Path:
        """Of this index alone: two may be built at once from one data directory."""
        with self._database.errors():
            index_id = (connection.execute("select index_id from state").fetchone() or ("",))[0]
        return index_root(self._data_dir) / f"shared-{index_id}"

    def _take_lock(self, connection: "Connection[Any]") -> None:
        deadline = time.monotonic() + LOCK_TIMEOUT_S  # who only looks whether somebody builds holds it for a moment
        with self._database.errors(writing=True):
            while connection.execute(f"select pg_try_advisory_lock({LOCK})", [WRITER]).fetchone() != (True,):
                if time.monotonic() > deadline:
                    raise IndexLockedError(f"another build is running ({self._holder()}); wait for it or stop it")
                time.sleep(LOCK_TIMEOUT_S / 10)

    def _writer(self) -> tuple[Writer, str] | None:
        with self._database.connection() as connection:
            found = connection.execute("select pid, since, stage, done, total, host from writer").fetchone()
        return (Writer(*found[:5]), found[5]) if found is not None else None

    def _holder(self) -> str:
        found = self._writer()
        if found is None:
            return "it has just started"
        writer, host = found
        return f"process {writer.pid} on {host}, since {writer.since}"

    def close(self) -> None:
        """See `Catalog`. Generations that are open cannot be read any more."""
        self._database.close()


class _Hold:
    """Keeps a generation from being removed until it is closed, or its connection breaks.

    Raises:
        IndexDamagedError: it is not there, or was just removed.
    """

    def __init__(self, database: Database, number: int) -> None:
        self._database, self._number = database, number
        self._lock = Lock()
        self._connection = database.connect()
        self._beaten = time.monotonic()
        with ExitStack() as failing, database.errors():
            failing.callback(self._connection.close)
            self._connection.execute(f"select pg_advisory_lock_shared({LOCK})", [number])
            self._made = self._made_at()
            if self._made is None:
                raise IndexDamagedError(f"{name_of(number)} was removed from {database.place}; run: otvet index")
            failing.pop_all()

    def _made_at(self) -> tuple[str, str] | None:
        """The index and the generation, as long as they are there."""
        query = "select index_id, manifest from state, generations where number = %s"
        return self._connection.execute(query, [self._number]).fetchone()

    def is_alive(self) -> bool:
        """Whether connection and generation are there still; looked at every few seconds."""
        with self._lock:
            if time.monotonic() - self._beaten < BEAT_EVERY_S:
                return True
            try:
                with self._database.errors():
                    if self._made_at() != self._made:  # its tables were deleted and made again
                        return False
            except IndexStateError as exc:
                log.warning("opening the index again, as %s", exc)
                return False
            self._beaten = time.monotonic()
            return True

    def close(self) -> None:
        """Let it be removed."""
        with self._lock:
            self._connection.close()


@contextmanager
def _writing_errors(database: Database, scratch: str) -> Iterator[None]:
    try:
        with database.errors(writing=True):
            yield
    except OSError as exc:
        raise IndexWriteError(
            f"cannot write scratch files in {scratch!r} ({exc}); what serves stays as it is. Mend that, or set "
            "OTVET_DATA_DIR, and run: otvet index. It goes on from where it stopped"
        ) from exc
