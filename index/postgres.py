"""PostgreSQL, the store of a shared index beside the Chroma server: the only file that opens connections of psycopg.

Every table lies in one schema, so that indexes can share a database. What generations see of a table is told by two
columns, as in temporal tables:

    since   the number of the generation that the row came with
    until   the number of the first generation that does not have it any more; null where there is none

Generation g has the rows with `since <= g and (until is null or until > g)`. A build writes rows of the generation to
come, which nobody sees before it is published, and so an article costs what it weighs, however many are there.

Decision: PostgreSQL, of the stores that could hold what Chroma's server does not (texts, ranked keywords): one small
server that everybody's Debian, cloud and laptop has, transactions, and locks that end with their connection, which is
what generations need (index/shared_catalog.py). What its own ranking lacks is told in index/shared_lexical.py.

Decision: numbers of rows and positions are never given twice, so what a broken build has left in Chroma can never be
taken for something else; numbers that were given away for nothing are gaps.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, LiteralString
from weakref import WeakKeyDictionary

from index.errors import IndexDamagedError, IndexUnreachableError, IndexWriteError, SettingsError

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_TIMEOUT_S = 5
# A server that has gone without a word is noticed within half a minute, and by the server so is a client: it would keep
# its locks for two hours else.
DEAD_PEERS = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
DEAD_CLIENTS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
NO_RESOURCES = "53"  # how codes of errors begin that tell of a full disk, memory or limit
POOL_SIZE = 16  # connections of a process at most
IDLE_S = 1.0
SCHEMA_VERSION = 1
VISIBLE = "since <= %(generation)s and (until is null or until > %(generation)s)"
"""The condition on rows of a generation, whose number is the parameter `generation`."""
LOCK: LiteralString = "hashtext('otvet ' || current_schema()), %s"
"""The key of an advisory lock, which takes a number."""

# Bytes are kept as they are (`external`): they are vectors, which do not shrink.
TABLES: LiteralString = """
create table state (
    is_only boolean primary key default true check (is_only),
    schema_version int not null,
    index_id text not null,                   -- names the collections in Chroma
    next_position bigint not null default 0,
    next_row bigint not null default 0,
    serving int,                              -- the number of the generation that serves, null before the first
    last_number int not null default 0        -- of the generations that there ever were
);
create table generations (
    number int primary key,
    manifest text not null,                   -- JSON; `jsonb` takes no NUL and no half of a surrogate pair
    lineage int not null,                     -- of index/shared_words.py and of the collections in Chroma
    n_rows bigint not null,                   -- numbers of its chunks are below
    terms text[] not null,                    -- its frequent words
    vectors bytea not null,                   -- (n, width) float32: of these
    means bytea not null                      -- (2, width) float32
);
alter table generations alter vectors set storage external;
create table draft (
    is_only boolean primary key default true check (is_only),
    number int not null,                      -- of the generation that it is to be
    lineage int not null,
    stamp text not null
);
create table articles (
    position bigint not null,
    since int not null,
    until int,
    article_id text collate "C" not null,
    title text not null,
    published_at date,
    url text,
    publisher text,
    authors text[] not null,
    language text not null,
    source text not null,
    n_text_bytes int not null,
    title_key text collate "C" not null,      -- what titles and publishers are sorted by (index/listing.py)
    publisher_key text collate "C" not null,
    search_key text collate "C" not null,     -- what the words of a list are looked for in
    primary key (position, since)
);
create index articles_by_id on articles (article_id);
create index articles_by_date on articles (published_at);
create index articles_gone on articles (until) where until is not null;
create table texts (
    position bigint primary key,
    text text not null
);
create table chunks (
    row bigint primary key,
    position bigint not null,                 -- of the article
    start_char int not null,
    end_char int not null,
    vector bytea not null,                    -- (dim,) float32
    sentences bytea not null,                 -- (n, 2) int32: start, end in the article
    sentence_vectors bytea not null,          -- (n, dim) float16
    word_starts bytea not null,               -- (n_words,) int32: in the article
    word_states bytea not null                -- (n_words, n_bytes(width)) uint8, see index/late_interaction.py
);
alter table chunks alter vector set storage external, alter sentences set storage external,
    alter sentence_vectors set storage external, alter word_starts set storage external,
    alter word_states set storage external;
create index chunks_by_position on chunks (position);
create table segments (
    segment int primary key generated always as identity,
    since int not null,
    until int,
    first_row bigint not null,
    n_rows int not null,                      -- gaps included, at most 65,536
    lengths bytea not null                    -- (n_rows,) int32: how many terms each chunk has
);
create table postings (
    term text collate "C" not null,
    segment int not null,
    rows bytea not null,                      -- (n,) uint16, from the first row of the segment, in order
    counts bytea not null,                    -- (n,) uint16: how often the term is in each
    primary key (term, segment)
);
create index postings_by_segment on postings (segment);
alter table postings alter rows set storage external, alter counts set storage external;
create table words (
    lineage int not null,
    term text collate "C" not null,
    n bigint not null,                        -- how many words were added up
    sum bytea not null,                       -- (width,) int32: of their levels
    primary key (lineage, term)
);
alter table words alter sum set storage plain;
create table writer (
    is_only boolean primary key default true check (is_only),
    host text not null,
    pid int not null,
    since text not null,
    stage text not null,
    done bigint not null,
    total bigint not null
);
"""


_used: "WeakKeyDictionary[Connection[Any], float]" = WeakKeyDictionary()
"""When each connection was taken out of its pool, by the monotonic clock."""


class Database:
    """Connections to one schema of a PostgreSQL database. Safe between threads. To be closed.

    Args:
        url: as libpq takes it, `postgresql://user:password@host/name?sslmode=verify-full`.
        schema: is made, with its tables, by `create`; all else needs no right but to read it.

    Raises:
        SettingsError: the extra `shared` is not installed, or the address cannot be understood.
    """

    def __init__(self, url: str, *, schema: str = "otvet") -> None:
        try:
            from psycopg.conninfo import conninfo_to_dict, make_conninfo
            from psycopg_pool import ConnectionPool
        except ImportError as exc:
            raise SettingsError(
                f"a shared index needs the extra 'shared' ({exc}); run: pip install 'otvet[shared]'"
            ) from exc
        from psycopg import ProgrammingError

        try:
            own = conninfo_to_dict(url)
            self._address = make_conninfo(
                url,
                connect_timeout=int(own.get("connect_timeout") or CONNECT_TIMEOUT_S),
                **DEAD_PEERS,
                application_name="otvet",
            )
        except (ProgrammingError, ValueError) as exc:
            raise SettingsError("OTVET_POSTGRES_URL is no address such as postgresql://user@host/name") from exc
        self.schema = schema
        self.place = f"PostgreSQL at {_server(own)}, schema {schema}"
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            self._address,
            min_size=0,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            reconnect_timeout=CONNECT_TIMEOUT_S,  # it tries ever more seldom, so that soon it must begin again
            configure=self._configure,
            check=_check_if_idle,
            kwargs={"autocommit": True},
            open=True,
        )
        self._is_away = False

    @contextmanager
    def connection(self) -> Iterator["Connection[Any]"]:
        """A connection of the pool, on which every statement is its own transaction unless one is begun.

        Raises:
            IndexUnreachableError: the server cannot be reached.
            IndexDamagedError: what should be there is not.
        """
        from psycopg_pool import PoolTimeout

        with self.errors():
            if self._is_away:
                self.connect().close()  # says so at once, where the pool waits
            try:
                with self._pool.connection() as connection:
                    self._is_away = False
                    yield connection
            except PoolTimeout as exc:
                self._is_away = True
                self.connect().close()  # says why, which the pool does not
                self._is_away = False
                raise IndexUnreachableError(
                    f"all connections to {self.place} are in use, of this process {POOL_SIZE}; try again later"
                ) from exc

    def connect(self) -> "Connection[Any]":
        """A connection apart from the pool, to be closed: for what has to last as long as a connection does.

        Raises:
            IndexUnreachableError: the server cannot be reached.
        """
        from psycopg import connect

        with self.errors(), ExitStack() as failing:
            connection = failing.enter_context(closing(connect(self._address, autocommit=True)))
            self._configure(connection)
            failing.pop_all()
        return connection

    def _configure(self, connection: "Connection[Any]") -> None:
        """Not in the address, whose `options` PgBouncer refuses or drops."""
        values = {"search_path": self.schema, **DEAD_CLIENTS}
        connection.execute(
            "select set_config(name, value, false) from unnest(%s::text[], %s::text[]) _(name, value)",
            [list(values), list(values.values())],
        )

    @contextmanager
    def errors(self, *, writing: bool = False) -> Iterator[None]:
        """Errors of psycopg as ours."""
        import psycopg

        try:
            yield
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.DuplicateTable,  # where that of the version is not there, but others are
            psycopg.errors.InvalidSchemaName,
        ) as exc:
            raise IndexDamagedError(
                f"{self.place} lacks tables ({_line(exc)}); run: otvet index. If that says the same, some are there "
                "still: give another schema in OTVET_POSTGRES_SCHEMA. To drop this one instead, first save: otvet "
                "feedback export"
            ) from exc
        except psycopg.errors.InsufficientPrivilege as exc:
            kind = IndexWriteError if writing else IndexDamagedError
            raise kind(
                f"{self.place} refuses a right ({_line(exc)}); grant it to the role of OTVET_POSTGRES_URL"
            ) from exc
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            if (exc.sqlstate or "").startswith(NO_RESOURCES):
                no_room = IndexWriteError if writing else IndexUnreachableError
                raise no_room(f"{self.place} has not enough room ({_line(exc)}); make room there") from exc
            raise IndexUnreachableError(
                f"cannot reach {self.place} ({_line(exc)}); start it, or correct OTVET_POSTGRES_URL"
            ) from exc
        except psycopg.Error as exc:
            kind = IndexWriteError if writing else IndexDamagedError
            raise kind(f"{self.place} refused a statement ({_line(exc)}); run: otvet doctor") from exc

    def is_made(self) -> bool:
        """Whether the schema has our tables.

        Raises:
            IndexUnreachableError: the server cannot be reached.
        """
        with self.errors(), self.connect() as connection:
            query = "select to_regclass('state') is not null, to_regnamespace(%s) is not null, current_schema() is null"
            is_made, is_there, is_hidden = connection.execute(query, [self.schema]).fetchone() or (False, False, False)
        if is_there and is_hidden:
            raise IndexDamagedError(
                f"{self.place} may not be looked into; grant usage on the schema to the role of OTVET_POSTGRES_URL"
            )
        return bool(is_made)

    def create(self, index_id: str) -> None:
        """Make the schema and its tables where they are not there; `index_id` then names the collections in Chroma.

        Raises:
            IndexWriteError: they cannot be made.
            IndexDamagedError: they are of another version of Otvet.
        """
        from psycopg import sql

        with self.errors(writing=True), self.connect() as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"otvet {self.schema}"])
            # Not "if not exists", which asks for the right to make one where there is one already.
            if connection.execute("select to_regnamespace(%s)", [self.schema]).fetchone() == (None,):
                connection.execute(sql.SQL("create schema {}").format(sql.Identifier(self.schema)))
            if connection.execute("select to_regclass('state')").fetchone() == (None,):
                connection.execute(TABLES)
                connection.execute(
                    "insert into state (schema_version, index_id) values (%s, %s)", [SCHEMA_VERSION, index_id]
                )
        self.check_version()

    def check_version(self) -> None:
        """Refuse tables of another version.

        Raises:
            IndexDamagedError: they are; or there are none.
        """
        with self.connection() as connection:
            found = connection.execute("select schema_version from state").fetchone()
        if found != (SCHEMA_VERSION,):
            raise IndexDamagedError(
                f"{self.place} has tables of version {found and found[0]}, not {SCHEMA_VERSION}; give another schema "
                "in OTVET_POSTGRES_SCHEMA, and run: otvet index"
            )

    def close(self) -> None:
        """Close the connections of the pool."""
        self._pool.close()


def _server(given: Mapping[str, Any]) -> str:
    """How messages name the server: what the URL leaves out libpq takes from elsewhere."""
    host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST")
    service = given.get("service") or os.environ.get("PGSERVICE")
    if service and not host:
        return f"service {service}"
    return f"{host or 'the local socket'}:{given.get('port') or os.environ.get('PGPORT') or 5432}"


def _check_if_idle(connection: "Connection[Any]") -> None:
    """Ask a connection that was not used for a while whether it is there still; each asking is a round trip.

    So after a restart of the server few questions meet a connection that has gone.
    """
    from psycopg_pool import ConnectionPool

    used = _used.get(connection, 0.0)
    _used[connection] = now = time.monotonic()
    if now - used > IDLE_S:
        ConnectionPool.check_connection(connection)


def _line(exc: Exception) -> str:
    """What an error of psycopg says, on one line; it names no password."""
    return str(exc).strip().partition("\n")[0]
