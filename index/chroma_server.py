"""A Chroma server and the collections of an index in it: beside index/store.py all that knows chromadb.

    otvet-{index_id}-{lineage}-{shard}    a collection for some of the chunks of one embedding model

What they hold is told in index/server_chunks.py.

Chroma's open-source server asks nobody who he is, and speaks plain HTTP. Where others can reach its port, a proxy must
stand before it that ends TLS and checks the token; OTVET_CHROMA_URL is then the proxy's.

Decision: `chromadb.HttpClient` is not used, but the API under it. It makes four requests to come into being, none of
which has a time limit, so a server that accepts and says nothing would hold a reader for ever.
"""

import json
import ssl
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from index.errors import IndexDamagedError, IndexStateError, IndexUnreachableError, SettingsError
from index.store import EF_SEARCH

if TYPE_CHECKING:
    import httpx
    from chromadb.api.fastapi import FastAPI
    from chromadb.api.models.Collection import Collection as ChromaCollection

CONNECT_TIMEOUT_S = 5
LISTED_AT_ONCE = 500  # collections
NO_LEAVE = (401, 403)  # what a proxy says to a wrong token

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChromaServer:
    """Where a Chroma server is, and how it is spoken to.

    Attributes:
        url: begins with http:// or https://; may end with the path that a proxy has it under.
        token: is sent as `Authorization: Bearer`.
        ca_file: certificates that the server's own is checked against, instead of those of the system.

    Raises:
        SettingsError: the URL is none.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    tenant: str = "default_tenant"
    database: str = "default_database"
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url or parts.query or parts.fragment or "@" in parts.netloc:  # there may be a password before it
            raise SettingsError(
                "OTVET_CHROMA_URL is no address such as http://127.0.0.1:8000; a token goes into OTVET_CHROMA_TOKEN"
            )

    @property
    def place(self) -> str:
        """How messages name it."""
        return f"Chroma at {self.url}, {self.tenant}/{self.database}"

    def api(self, *, timeout_s: float) -> "FastAPI":
        """Chroma's own API over HTTP, safe between threads; asks the server nothing yet.

        Raises:
            SettingsError: `ca_file` holds no certificates.
        """
        import httpx
        from chromadb.api.fastapi import FastAPI
        from chromadb.config import Settings, System

        settings = Settings(
            anonymized_telemetry=False,
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=self.url.rstrip("/"),
            chroma_server_http_port=urlsplit(self.url).port or 80,  # required; that of the address is what counts
            chroma_server_headers={"Authorization": f"Bearer {self.token}"} if self.token else None,
        )
        api = System(settings).instance(FastAPI)
        unbounded = api._session
        api._session = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=api.http_limits,
            headers=unbounded.headers,
            verify=self._certificates(),
            event_hooks={"response": [_refuse_what_is_not_of_chroma]},
        )
        unbounded.close()
        return api

    def _certificates(self) -> Any:  # noqa: ANN401 - an SSLContext or True
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as exc:
            raise SettingsError(f"cannot read OTVET_CHROMA_CA_FILE {str(self.ca_file)!r} ({exc})") from exc


def _refuse_what_is_not_of_chroma(response: "httpx.Response") -> None:
    """Chroma's client raises a bare `Exception` of what a proxy says; this one is `httpx.HTTPStatusError`."""
    from chromadb.errors import error_types

    if response.is_error:
        response.read()
        try:
            name = json.loads(response.content)["error"]
        except (ValueError, TypeError, KeyError):
            name = None
        if name not in error_types:
            response.raise_for_status()


class Collections:
    """The collections of one lineage of an index. Safe between threads."""

    def __init__(self, server: ChromaServer, index_id: str, lineage: int, *, timeout_s: float) -> None:
        self._server = server
        self._index_prefix = f"otvet-{index_id}-"
        self._prefix = f"{self._index_prefix}{lineage}-"
        self._api = server.api(timeout_s=timeout_s)
        self._tenant, self._database = server.tenant, server.database
        self._found: dict[int, ChromaCollection] = {}

    def close(self) -> None:
        """Close the connections."""
        self._api._session.close()

    def ask(self, shard: int, request: "Callable[[ChromaCollection], T]", *, create: bool = False) -> T:
        """What a request to a shard gives; one that was deleted and made again meanwhile is found again.

        Raises:
            NotFoundError: of Chroma; there is no such collection.
        """
        from chromadb.errors import NotFoundError

        known = self._found.get(shard)
        if known is not None:
            try:
                return request(known)
            except NotFoundError:
                self._found.pop(shard, None)
        self._found[shard] = found = self._find(shard, create=create)
        return request(found)

    def ask_or(self, absent: T, shard: int, request: "Callable[[ChromaCollection], T]") -> T:
        """What a request to a shard gives, or `absent` where there is no such collection."""
        from chromadb.errors import NotFoundError

        try:
            return self.ask(shard, request)
        except NotFoundError:
            return absent

    def _find(self, shard: int, *, create: bool) -> "ChromaCollection":
        from chromadb.api.models.Collection import Collection as ChromaCollection

        name = f"{self._prefix}{shard:05d}"
        graph: Any = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}
        if create:
            model = self._api.get_or_create_collection(
                name, configuration=graph, tenant=self._tenant, database=self._database
            )
        else:
            model = self._api.get_collection(name, tenant=self._tenant, database=self._database)
        return ChromaCollection(client=self._api, model=model, embedding_function=None)

    def shards(self) -> list[int]:
        """Those that there are, in order."""
        return sorted(int(name.removeprefix(self._prefix)) for name in self._names(self._prefix))

    def drop(self, shard: int) -> None:
        """Delete the collection of a shard."""
        self._found.pop(shard, None)
        self._api.delete_collection(f"{self._prefix}{shard:05d}", tenant=self._tenant, database=self._database)

    def drop_lineages(self, kept: Collection[int]) -> None:
        """Delete the collections of all lineages of this index but those."""
        stay = tuple(f"{self._index_prefix}{lineage}-" for lineage in kept)
        for name in self._names(self._index_prefix):
            if not name.startswith(stay):
                self._api.delete_collection(name, tenant=self._tenant, database=self._database)

    def _names(self, prefix: str) -> list[str]:
        names: list[str] = []
        while True:
            some = self._api.list_collections(LISTED_AT_ONCE, len(names), tenant=self._tenant, database=self._database)
            names += [one.name for one in some]
            if len(some) < LISTED_AT_ONCE:
                return [name for name in names if name.startswith(prefix)]

    def max_batch(self) -> int:
        """How many rows the server takes at once."""
        return self._api.get_max_batch_size()

    @contextmanager
    def errors(self, kind: type[IndexStateError], what: str) -> Iterator[None]:
        """Errors of Chroma and of its connection as ours."""
        import httpx
        from chromadb.errors import AuthorizationError, ChromaAuthError, ChromaError, RateLimitError

        unreachable = (httpx.HTTPError, RateLimitError, AuthorizationError, ChromaAuthError)
        place = self._server.place
        try:
            yield
        except (*unreachable, json.JSONDecodeError) as exc:  # the last: it is no Chroma
            said = str(exc).partition("\n")[0] or type(exc).__name__
            raise IndexUnreachableError(f"cannot reach {place} ({said}); {_next_step(exc)}") from exc
        except ChromaError as exc:
            command = "otvet doctor --repair" if kind is IndexDamagedError else "otvet index"
            raise kind(f"cannot {what} the chunks in {place} ({exc}); run: {command}") from exc


def _next_step(exc: BaseException) -> str:
    """What mends that a server cannot be reached."""
    import httpx
    from chromadb.errors import AuthorizationError, ChromaAuthError

    is_refused = isinstance(exc, httpx.HTTPStatusError) and exc.response.status_code in NO_LEAVE
    if is_refused or isinstance(exc, AuthorizationError | ChromaAuthError):
        return "correct OTVET_CHROMA_URL or OTVET_CHROMA_TOKEN"
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "correct OTVET_CHROMA_URL or OTVET_CHROMA_CA_FILE"
        cause = cause.__cause__ or cause.__context__
    return "start it, or correct OTVET_CHROMA_URL"
