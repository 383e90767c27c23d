"""Makes generations of a shared index: what `GenerationWriter` asks for, in PostgreSQL and a Chroma server.

All is written by the one connection that holds the writer's lock, so a build that has lost the lock cannot write; it is
asked whether it is there before anything is deleted in Chroma.
Chroma is written before PostgreSQL says that a generation is there; what it holds too much is told by numbers that no
generation has.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from index.chroma_server import ChromaServer
from index.drafts import Stamp
from index.embedding import Vectors
from index.errors import IndexDamagedError, IndexStateError
from index.generations import TOLD_EVERY_S, Manifest, name_of, number_of
from index.postgres import LOCK, VISIBLE, Database
from index.records import Progress
from index.report import Refs
from index.server_chunks import AT_ONCE, ServerChunks, ServerWriter
from index.shared_articles import end_articles, forget_articles, undo_articles, visible_refs
from index.shared_deriving import Derived, derive_shared
from index.shared_draft import SharedDraft
from index.shared_lexical import forget_segments, undo_segments
from index.shared_words import choose_frequent_words, read_frequent_words, update_words
from index.vectors import Rows

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

# Of articles that came with a number, and not those that only are elsewhere since: their chunks are of older ones.
DRAFT_ROWS = """
select row from chunks where position in (
    select position from articles where since = %(number)s
    and (%(article_ids)s::text[] is null or article_id = any(%(article_ids)s))
)
and not exists (select from articles where articles.position = chunks.position and since < %(number)s)
"""
BASE_CHUNKS = f"""
select count(*) from chunks where row < %(n_rows)s and position in (select position from articles where {VISIBLE})
"""
# Of articles of which no version is left that a generation from %(low)s on sees.
FORGOTTEN_ROWS = """
select row from chunks where position in (select position from articles where until <= %(low)s)
and not exists (
    select from articles where articles.position = chunks.position and (until is null or until > %(low)s)
)
"""


class SharedWriter:
    """See `GenerationWriter`. To be closed.

    Args:
        database: to read by, and to tell of the progress.
        server: of the vectors.
        connection: holds the writer's lock.
        scratch: a directory here.
    """

    def __init__(self, database: Database, server: ChromaServer, connection: "Connection[Any]", scratch: Path) -> None:
        self.scratch = scratch
        self._database, self._server, self._connection = database, server, connection
        self._index_id = str(self._one("select index_id from state")[0])
        self._told = 0.0
        self._derived: Derived | None = None

    def close(self) -> None:
        """Remove the scratch files."""
        if self._derived is not None:
            self._derived.close()

    def note(self, stage: str, done: int, total: int) -> None:
        """See `GenerationWriter`. By another connection, so that it is seen at once."""
        if time.monotonic() - self._told < TOLD_EVERY_S:
            return
        self._told = time.monotonic()
        with self._database.connection() as connection:
            connection.execute(
                "update writer set stage = %s, done = %s, total = %s where host = %s and pid = %s",
                [stage, done, total, socket.gethostname(), os.getpid()],
            )

    def means(self, base: str) -> Vectors | None:
        """See `GenerationWriter`."""
        try:
            return read_frequent_words(self._database, number_of(base)).means
        except IndexDamagedError:
            return None

    def refs(self, base: str) -> Refs:
        """See `GenerationWriter`."""
        return visible_refs(self._connection, number_of(base))

    def draft_left(self, stamp: Stamp) -> Refs | None:
        """See `GenerationWriter`."""
        found = self._draft()
        if found is None:
            return None
        number, _, left = found
        if left is not None and left == replace(stamp, width=left.width):
            self._check_base(stamp)
            return visible_refs(self._connection, number)
        self.discard()
        return None

    def discard(self) -> None:
        """See `GenerationWriter`."""
        found = self._draft()
        if found is None:
            return
        number, lineage, _ = found
        self._delete(lineage, self._draft_rows(number))
        with self._connection.transaction():
            undo_articles(self._connection, number)
            undo_segments(self._connection, number)
            self._connection.execute("delete from draft")

    def begin(self, stamp: Stamp, *, gone: Collection[str]) -> None:
        """See `GenerationWriter`."""
        self._check_base(stamp)
        with self._connection.transaction():
            (number,) = self._one("update state set last_number = last_number + 1 returning last_number")
            lineage = number
            if stamp.base is not None:
                (lineage,) = self._one("select lineage from generations where number = %s", number_of(stamp.base))
                end_articles(self._connection, number, list(gone))
            else:
                for table in ("articles", "segments"):
                    self._connection.execute(f"update {table} set until = %s where until is null", [number])
            self._connection.execute(
                "insert into draft (number, lineage, stamp) values (%s, %s, %s)",
                [number, lineage, json.dumps(asdict(stamp))],
            )

    def _check_base(self, stamp: Stamp) -> None:
        """Refuse to go on from a generation that has lost chunks.

        Raises:
            IndexDamagedError: it has.
        """
        if stamp.base is None:
            return
        number = number_of(stamp.base)
        manifest, n_rows = self._one("select manifest, n_rows from generations where number = %s", number)
        n_chunks = self._rows(BASE_CHUNKS, {"generation": number, "n_rows": n_rows})[0]
        promised = json.loads(manifest)["n_chunks"]
        if n_chunks != promised:
            raise IndexDamagedError(
                f"{self._database.place} holds {n_chunks} chunks of {stamp.base}, its manifest says {promised}; "
                "run: otvet doctor --repair"
            )

    def draft(self) -> SharedDraft:
        """See `GenerationWriter`."""
        number, lineage, _ = self._required_draft()

        def drop(article_ids: Sequence[str]) -> None:
            self._delete(lineage, self._draft_rows(number, article_ids))

        return SharedDraft(self._connection, number, drop=drop)

    def _draft_rows(self, number: int, article_ids: Sequence[str] | None = None) -> Rows:
        """Numbers of the chunks that came with a draft: all, or those of some articles."""
        return self._rows(DRAFT_ROWS, {"number": number, "article_ids": article_ids})

    def derive(self, *, means: Vectors, tell: Progress, anew: bool = False) -> int:
        """See `GenerationWriter`."""
        if not anew:
            try:
                return self._derive(means, tell)
            except IndexDamagedError as exc:
                log.warning("deriving all anew, as %s", exc)
        number = self._required_draft()[0]
        with self._connection.transaction():
            undo_segments(self._connection, number)
            self._connection.execute("update segments set until = %s where until is null", [number])
            self._connection.execute("update draft set lineage = %s", [number])
        return self._derive(means, tell)

    def _derive(self, means: Vectors, tell: Progress) -> int:
        number, lineage, stamp = self._required_draft()
        base = number_of(stamp.base) if stamp.base is not None and lineage != number else None
        with self._chunks(lineage) as chunks:
            self._derived = derive_shared(
                self._database,
                self._connection,
                chunks,
                number,
                base=base,
                are_stored=lambda row_ids: self._are_stored(lineage, row_ids),
                means=means,
                scratch=self.scratch,
                tell=tell,
            )
        return self._derived.n_chunks

    def _are_stored(self, lineage: int, row_ids: Rows) -> bool:
        """Whether Chroma has at least as many rows as it should."""
        with closing(ServerChunks(self._server, index_id=self._index_id, lineage=lineage, row_ids=row_ids)) as chunks:
            try:
                return chunks.count() == len(row_ids)
            except IndexDamagedError:  # a collection is not there
                return False

    def publish(self, manifest: Manifest) -> str:
        """See `GenerationWriter`."""
        number, lineage, _ = self._required_draft()
        if self._derived is None:
            raise ValueError("a draft is derived before it is published")
        with self._connection.transaction():
            update_words(self._connection, lineage, self._derived.words)
            terms, vectors, means = choose_frequent_words(self._connection, lineage, self._derived.means)
            self._connection.execute(
                "insert into generations (number, lineage, manifest, n_rows, terms, vectors, means) "
                "values (%s, %s, %s, %s, %s, %b, %b)",
                [
                    *(number, lineage, json.dumps(asdict(manifest)), self._derived.n_rows),
                    *(terms, vectors.tobytes(), means.astype(np.float32).tobytes()),
                ],
            )
            self._connection.execute("update state set serving = %s", [number])
            self._connection.execute("delete from draft")
        try:
            with self._database.errors(writing=True):
                self._forget(number)
        except IndexStateError as exc:
            log.warning("the next build removes what nobody reads any more, as %s", exc)
        return name_of(number)

    def _forget(self, serving: int) -> None:
        """Delete what only generations had that nobody reads, from Chroma first: what is left there has no number."""
        for number in self._rows("select number from generations where number < %s", [serving]):
            self._remove_generation(int(number))
        (low,) = self._one("select min(number) from generations")
        lineages = [int(one) for one in self._rows("select distinct lineage from generations", [])]
        rows = self._rows(FORGOTTEN_ROWS, {"low": low})
        for lineage in lineages:
            self._delete(lineage, rows)
            with self._chunks(lineage) as chunks:
                self._check_lock()
                chunks.drop_empty()
        with self._chunks(lineages[0]) as chunks:
            self._check_lock()
            chunks.drop_lineages(kept=lineages)
        with self._connection.transaction():
            forget_articles(self._connection, low)
            forget_segments(self._connection, low)
            self._connection.execute("delete from words where lineage <> all(%s)", [lineages])

    def _remove_generation(self, number: int) -> None:
        """Remove a generation that nobody holds; what it alone has is then forgotten."""
        if self._one(f"select pg_try_advisory_lock({LOCK})", number) == (True,):
            self._connection.execute("delete from generations where number = %s", [number])
            self._connection.execute(f"select pg_advisory_unlock({LOCK})", [number])

    def _chunks(self, lineage: int) -> "closing[ServerWriter]":
        return closing(ServerWriter(self._server, index_id=self._index_id, lineage=lineage))

    def _delete(self, lineage: int, rows: Rows) -> None:
        """Take rows out of Chroma, as long as this build is the one that writes."""
        if not len(rows):
            return
        with self._chunks(lineage) as chunks:
            for at in range(0, len(rows), AT_ONCE):
                self._check_lock()
                chunks.delete(rows[at : at + AT_ONCE])

    def _check_lock(self) -> None:
        """The lock is there as long as the connection is, of which psycopg tells."""
        self._connection.execute("select 1")

    def _draft(self) -> tuple[int, int, Stamp | None] | None:
        found = self._connection.execute("select number, lineage, stamp from draft").fetchone()
        if found is None:
            return None
        try:
            return found[0], found[1], Stamp(**json.loads(found[2]))
        except (ValueError, TypeError):  # of another version of Otvet
            return found[0], found[1], None

    def _required_draft(self) -> tuple[int, int, Stamp]:
        found = self._draft()
        if found is None or found[2] is None:
            raise IndexDamagedError(f"there is no draft in {self._database.place}; run: otvet index")
        return found[0], found[1], found[2]

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        found = self._connection.execute(query, values).fetchone()
        if found is None:
            raise IndexDamagedError(f"{self._database.place} lacks a row that should be there; run: otvet index")
        return tuple(found)

    def _rows(self, query: str, values: Any) -> Rows:  # noqa: ANN401 - parameters of psycopg
        found = self._connection.execute(query, values).fetchall()
        return np.array([row[0] for row in found], np.int64)
