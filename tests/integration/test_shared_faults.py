"""What goes wrong with the servers of a shared index: what is said, what goes on, and what works again after it."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from fakes import HashedWordsModel
from index import postgres
from index import serving as serving_module
from index.catalog import open_catalog, require_current
from index.checking import check_generation
from index.chroma_server import ChromaServer
from index.embedding import EmbeddingModel
from index.errors import (
    IndexDamagedError,
    IndexMissingError,
    IndexStateError,
    IndexUnreachableError,
    IndexWriteError,
    SettingsError,
)
from index.postgres import Database
from index.rebuild import build_index, derive_again
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from places import CACHE_DIR
from processes import OTVET, becomes, environment, serving, wait_for
from servers import connected, free_port, running_chroma, running_postgres
from ui.scopes import Scope
from ui.tokens import Tokens

pytestmark = pytest.mark.long

PASSWORD = "tainy-parol"
GRAIN = "В порт Самары пришли два судна с зерном из Астрахани. Разгрузили их за одну ночь."
BRIDGE = "Старый мост через реку Чапаевку закрыли на ремонт до осени."
ASKED = "Откуда пришли суда с зерном?"
TIMEOUT_S = 60
# Locks that readers have of generations of a schema; the first part of their key is shown without its sign.
HELD = """select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted
and (classid::bigint - hashtext('otvet ' || current_schema())) % (2::bigint ^ 32)::bigint = 0"""


class Server:
    """A server that is stopped and started again, with the same data and address."""

    def __init__(self, run: Callable[[], AbstractContextManager[str]]) -> None:
        self._run, self._stack = run, ExitStack()
        self.start()

    def start(self) -> None:
        if not self.is_running:
            self.url = self._stack.enter_context(self._run())
            self.is_running = True

    def stop(self) -> None:
        self._stack.close()
        self.is_running = False

    is_running = False


@dataclass(frozen=True)
class Servers:
    postgres: Server
    chroma: Server


@pytest.fixture(scope="module")
def kept_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder, ports = tmp_path_factory.mktemp("servers"), (free_port(), free_port())
    postgres = Server(lambda: running_postgres(folder / "postgres", port=ports[0]))
    with ExitStack() as stack:
        stack.callback(postgres.stop)
        chroma = Server(lambda: running_chroma(folder / "chroma", port=ports[1]))
        stack.callback(chroma.stop)
        yield Servers(postgres, chroma)


@pytest.fixture
def servers(kept_servers: Servers) -> Iterator[Servers]:
    yield kept_servers
    kept_servers.postgres.start()
    kept_servers.chroma.start()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> IndexSettings:
    return IndexSettings(
        data_dir=tmp_path / "data",
        cache_dir=CACHE_DIR,
        postgres_url=SecretStr(servers.postgres.url.replace("otvet@", f"otvet:{PASSWORD}@")),
        postgres_schema=f"test_{uuid4().hex}",
        chroma_url=servers.chroma.url,
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "grain.txt").write_text(GRAIN)
    (folder / "bridge.txt").write_text(BRIDGE)
    return folder


@pytest.fixture
def build(corpus: Path, settings: IndexSettings) -> Callable[..., str]:
    def build(**changed: Any) -> str:
        given = settings.model_copy(update=changed)
        return build_index([corpus], settings=given, model=HashedWordsModel()).generation

    return build


@pytest.fixture
def index(build: Callable[..., str], settings: IndexSettings) -> Iterator[Index]:
    build()
    with closing(Index(settings, HashedWordsModel())) as index:
        yield index


def found(index: Index) -> list[str]:
    hits = HybridSearch(index, HashedWordsModel()).search("суда мост", k=20, filters=Filters())
    return sorted(hit.article.source for hit in hits)


def finds_again(index: Index) -> bool:
    try:
        return found(index) == ["bridge.txt", "grain.txt"]
    except IndexStateError:
        return False


def problems(settings: IndexSettings) -> list[str]:
    with closing(open_catalog(settings)) as catalog:
        name = require_current(catalog)
        findings = list(check_generation(catalog, name, settings=settings, model=HashedWordsModel()))
    return [problem for each in findings for problem in each.problems]


def execute(settings: IndexSettings, *statements: str) -> None:
    with connected(settings) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def held(settings: IndexSettings) -> int:
    """How many readers hold a generation of the index."""
    with connected(settings) as connection:
        ((n,),) = connection.execute(HELD).fetchall()
    return int(n)


def end_connections(settings: IndexSettings) -> None:
    """All but the one that asks for it, and wait until they are gone."""
    others = "from pg_stat_activity where application_name = 'otvet'"
    with connected(settings) as connection:
        connection.execute(f"select pg_terminate_backend(pid) {others}")  # type: ignore[arg-type]
        gone = f"select count(*) {others}"
        assert becomes(lambda: connection.execute(gone).fetchone() == (0,))  # type: ignore[arg-type]


def collections_of(settings: IndexSettings) -> list[str]:
    with connected(settings) as connection:
        ((index_id,),) = connection.execute("select index_id from state").fetchall()
    api = chroma_api(settings)
    try:
        return [one.name for one in api.list_collections(1000) if one.name.startswith(f"otvet-{index_id}-")]
    finally:
        api._session.close()


def chroma_api(settings: IndexSettings) -> Any:
    assert settings.chroma_url is not None
    return ChromaServer(settings.chroma_url).api(timeout_s=20)


def drop_collections(settings: IndexSettings) -> None:
    api = chroma_api(settings)
    for name in collections_of(settings):
        api.delete_collection(name)
    api._session.close()


def test_postgres_is_away_at_the_start(servers: Servers, build: Callable[..., str], settings: IndexSettings) -> None:
    build()
    servers.postgres.stop()
    for act in (build, lambda: Index(settings, HashedWordsModel())):
        with pytest.raises(IndexUnreachableError, match="127.0.0.1.*refused.*correct OTVET_POSTGRES_URL") as said:
            act()
        assert PASSWORD not in str(said.value)


def test_chroma_is_away_at_the_start(servers: Servers, build: Callable[..., str], settings: IndexSettings) -> None:
    build()
    servers.chroma.stop()
    with pytest.raises(IndexUnreachableError, match="Chroma at http://127.0.0.1:.*correct OTVET_CHROMA_URL"):
        Index(settings, HashedWordsModel())
    servers.chroma.start()
    assert problems(settings) == []


def test_postgres_is_away_while_it_is_read(servers: Servers, index: Index, settings: IndexSettings) -> None:
    assert finds_again(index)
    servers.postgres.stop()
    for reason in ("", "refused", "refused"):  # the first may be told that its connection was ended
        with pytest.raises(IndexUnreachableError, match=f"{reason}.*OTVET_POSTGRES_URL") as said:
            found(index)
        assert PASSWORD not in str(said.value)
    servers.postgres.start()
    assert becomes(lambda: finds_again(index), timeout_s=30)
    assert becomes(lambda: finds_again(index) and held(settings) == 1, timeout_s=30)


def test_chroma_is_away_while_it_is_read(servers: Servers, index: Index, settings: IndexSettings) -> None:
    assert finds_again(index)
    servers.chroma.stop()
    with index.lease() as generation, pytest.raises(IndexUnreachableError, match="OTVET_CHROMA_URL"):
        generation.check()
    servers.chroma.start()
    assert becomes(lambda: finds_again(index), timeout_s=30)
    with index.lease() as generation:
        generation.check()


def test_what_is_published_while_chroma_is_away_for_a_moment_serves_in_the_end(
    servers: Servers, index: Index, settings: IndexSettings, corpus: Path, build: Callable[..., str]
) -> None:
    """A reader that cannot open it the first time tries again."""
    (corpus / "snow.txt").write_text("Суда ждут: снег.")
    assert build() == "g-0002"
    servers.chroma.stop()
    assert becomes(lambda: index.catalog.current() == "g-0002")
    index.follow()
    servers.chroma.start()
    assert becomes(lambda: found(index) == ["bridge.txt", "grain.txt", "snow.txt"], timeout_s=30)


def test_a_hold_that_is_lost_is_taken_anew(index: Index, settings: IndexSettings, corpus: Path) -> None:
    assert held(settings) == 1
    end_connections(settings)
    assert held(settings) == 0
    assert becomes(lambda: finds_again(index) and held(settings) == 1, timeout_s=30)
    assert finds_again(index)


@pytest.mark.parametrize("name", ["postgres", "chroma"])
@pytest.mark.parametrize("stage", ["read", "embed", "words"])
def test_a_server_goes_away_in_the_middle_of_a_build(
    servers: Servers, index: Index, settings: IndexSettings, corpus: Path, name: str, stage: str
) -> None:
    server: Server = getattr(servers, name)
    for number in range(130):
        (corpus / f"{number}.txt").write_text(f"Выпуск номер {number} вышел в срок.")

    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            server.stop()

    with pytest.raises(IndexUnreachableError, match=f"OTVET_{name.upper()}_URL"):
        build_index([corpus], settings=settings, model=HashedWordsModel(), progress=stop)
    server.start()
    assert becomes(lambda: finds_again(index), timeout_s=30)
    report = build_index([corpus], settings=settings, model=HashedWordsModel())
    assert report.n_articles == 132
    assert report.n_embedded <= {"read": 130, "embed": 130 - 64, "words": 0}[stage]
    assert problems(settings) == []


def test_wrong_addresses(servers: Servers, index: Index, settings: IndexSettings, corpus: Path) -> None:
    assert settings.postgres_url is not None
    url = settings.postgres_url.get_secret_value()
    for wrong, error, said in (
        ("postgresql://[", SettingsError, "OTVET_POSTGRES_URL is no address"),
        (f"postgresql://otvet:{PASSWORD}@127.0.0.1:port/x", IndexStateError, "OTVET_POSTGRES_URL"),
        (url.replace("/postgres", "/another"), IndexUnreachableError, 'database "another" does not exist'),
        (url.replace("//otvet:", "//someone:"), IndexUnreachableError, 'role "someone" does not exist'),
    ):
        given = settings.model_copy(update={"postgres_url": SecretStr(wrong)})
        with pytest.raises(error, match=said) as raised:
            Index(given, HashedWordsModel())
        assert PASSWORD not in str(raised.value)
    given = settings.model_copy(update={"chroma_database": "another"})
    with pytest.raises(IndexDamagedError, match="default_tenant/another"):
        Index(given, HashedWordsModel())
    given = settings.model_copy(update={"chroma_url": servers.postgres.url.replace("postgresql://otvet@", "http://")})
    with pytest.raises(IndexUnreachableError, match="OTVET_CHROMA_URL"):
        Index(given, HashedWordsModel())
    given = settings.model_copy(update={"postgres_schema": "another"})
    with pytest.raises(IndexMissingError, match="schema another, and Chroma at .*run: otvet index"):
        Index(given, HashedWordsModel())


def test_a_wrong_password(servers: Servers, index: Index, settings: IndexSettings, kept_servers: Servers) -> None:
    execute(settings, "create role guarded login password 'right'")
    with connected(settings) as connection:
        ((file,),) = connection.execute("show hba_file").fetchall()
        path = Path(file)
        before = path.read_text()
        try:
            path.write_text(f"host all guarded all scram-sha-256\n{before}")
            connection.execute("select pg_reload_conf()")
            assert settings.postgres_url is not None
            url = settings.postgres_url.get_secret_value().replace("//otvet:", "//guarded:")
            given = settings.model_copy(update={"postgres_url": SecretStr(url)})

            def says_so() -> bool:
                try:
                    Index(given, HashedWordsModel())
                except IndexUnreachableError as exc:
                    return 'password authentication failed for user "guarded"' in str(exc) and PASSWORD not in str(exc)
                except IndexDamagedError:
                    return False  # it has not read the file yet
                return False

            assert becomes(says_so)
        finally:
            path.write_text(before)
            connection.execute("select pg_reload_conf()")


def test_a_role_without_rights_cannot_build(settings: IndexSettings, build: Callable[..., str]) -> None:
    """It can where it was given a schema."""
    role = f"writer_{uuid4().hex[:12]}"
    assert settings.postgres_url is not None
    url = SecretStr(settings.postgres_url.get_secret_value().replace("//otvet:", f"//{role}:"))
    execute(settings, f"create role {role} login")
    with pytest.raises(IndexWriteError, match="permission denied for database.*; grant it to the role"):
        build(postgres_url=url)
    execute(settings, f"create schema {settings.postgres_schema} authorization {role}")
    assert build(postgres_url=url) == "g-0001"


def test_tables_of_another_version(index: Index, settings: IndexSettings, build: Callable[..., str]) -> None:
    execute(settings, "update state set schema_version = 99")
    for act in (build, lambda: Index(settings, HashedWordsModel())):
        with pytest.raises(IndexDamagedError, match="tables of version 99, not 1; give another schema"):
            act()
    assert finds_again(index)


def test_tables_that_are_deleted_under_a_reader(
    index: Index, settings: IndexSettings, corpus: Path, build: Callable[..., str]
) -> None:
    assert finds_again(index)
    execute(settings, f"drop schema {settings.postgres_schema} cascade")
    with pytest.raises(IndexDamagedError, match="lacks tables.*; run: otvet index"):
        found(index)
    (corpus / "bridge.txt").unlink()
    assert build() == "g-0001"  # of another index by the same name
    assert becomes(lambda: finds_only_grain(index), timeout_s=30)


def finds_only_grain(index: Index) -> bool:
    try:
        return found(index) == ["grain.txt"]
    except IndexStateError:
        return False


@pytest.mark.parametrize("table", ["chunks", "state"])
def test_one_table_is_deleted(index: Index, settings: IndexSettings, build: Callable[..., str], table: str) -> None:
    execute(settings, f"drop table {table}")
    with pytest.raises(IndexStateError, match="give another schema in OTVET_POSTGRES_SCHEMA.*otvet feedback export"):
        build()
    execute(settings, f"drop schema {settings.postgres_schema} cascade")
    build()
    assert problems(settings) == []


def test_a_collection_that_is_deleted(index: Index, settings: IndexSettings, build: Callable[..., str]) -> None:
    drop_collections(settings)
    with index.lease() as generation, pytest.raises(IndexDamagedError, match="run: otvet (doctor|index)"):
        generation.check()
    model = HashedWordsModel()
    assert derive_again(settings=settings, model=model) == "g-0002"
    assert model.n_documents == 0
    assert problems(settings) == []
    assert becomes(lambda: finds_again(index), timeout_s=30)
    drop_collections(settings)
    assert build() == "g-0003"  # a build mends it, too
    assert problems(settings) == []


@pytest.mark.parametrize(
    ("damage", "is_broken_off", "n_embedded"),
    [
        ("delete from segments", False, 1),
        ("delete from segments", True, 0),
        ("delete from chunks where row = 0", False, 3),
        ("delete from chunks where row = 0", True, 3),
    ],
)
def test_a_build_does_not_go_on_from_what_is_damaged(
    index: Index, settings: IndexSettings, corpus: Path, damage: str, is_broken_off: bool, n_embedded: int
) -> None:
    """Lost segments are made anew, of a generation and a draft alike; a lost chunk must be embedded again."""
    (corpus / "snow.txt").write_text("Суда ждут: снег.")
    model = HashedWordsModel()
    if is_broken_off:
        with pytest.raises(_StoppedError):
            build_index([corpus], settings=settings, model=model, progress=stopping_at("embed"))
    execute(settings, damage)
    assert build_index([corpus], settings=settings, model=model).n_embedded == n_embedded
    assert problems(settings) == []
    assert becomes(lambda: found(index) == ["bridge.txt", "grain.txt", "snow.txt"], timeout_s=30)


class _StoppedError(Exception):
    pass


def stopping_at(stage: str) -> Callable[[str, int, int], None]:
    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise _StoppedError

    return stop


@pytest.mark.parametrize("damage", ["delete from postings", "delete from postings where term = 'мост'"])
def test_lost_postings_are_found_and_made_again(index: Index, settings: IndexSettings, damage: str) -> None:
    execute(settings, damage)
    (told,) = problems(settings)
    assert "postings of" in told
    derive_again(settings=settings, model=HashedWordsModel())
    assert problems(settings) == []


def test_a_build_that_has_lost_its_lock_writes_nothing_more(
    index: Index, settings: IndexSettings, corpus: Path, build: Callable[..., str], tmp_path: Path
) -> None:
    for number in range(130):
        (corpus / f"{number}.txt").write_text(f"Выпуск номер {number} вышел в срок.")
    built: list[str] = []

    def lose(at: str, done: int, total: int) -> None:
        if at == "words" and not built:
            end_connections(settings)
            (corpus / "0.txt").unlink()
            (corpus / "more.txt").write_text("Суда ждут: снег.")
            built.append(build(data_dir=tmp_path / "another"))

    with pytest.raises(IndexUnreachableError):
        build_index([corpus], settings=settings, model=HashedWordsModel(), progress=lose)
    with closing(open_catalog(settings)) as catalog:
        assert [catalog.current()] == built
        assert catalog.current_writer() is None
        assert catalog.manifest(built[0]).n_articles == 132
    assert problems(settings) == []
    assert build() == built[0]


def test_both_sides_notice_that_the_other_is_dead(settings: IndexSettings) -> None:
    """And nothing of it is among what a pooler such as PgBouncer refuses at the start of a connection."""
    assert settings.postgres_url is not None
    with closing(Database(settings.postgres_url.get_secret_value(), schema="some")) as database, ExitStack() as stack:
        for connection in (
            stack.enter_context(closing(database.connect())),
            stack.enter_context(database.connection()),
        ):
            for name, value in (
                ("tcp_keepalives_idle", "10"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
                ("tcp_user_timeout", "20000"),
                ("search_path", "some"),
            ):
                assert connection.execute(f"show {name}").fetchone() == (value,)  # type: ignore[arg-type]
            assert "options" not in connection.info.get_parameters()


def test_all_connections_are_in_use(settings: IndexSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "POOL_SIZE", 1)
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT_S", 1)
    assert settings.postgres_url is not None
    with (
        closing(Database(settings.postgres_url.get_secret_value())) as database,
        database.connection(),
        pytest.raises(IndexUnreachableError, match="all connections to PostgreSQL at 127.0.0.1.* are in use"),
        database.connection(),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "host", "place"),
    [
        ("postgresql:///otvet", "", "the local socket:5432"),
        ("postgresql:///otvet", "db.example", "db.example:5432"),
        ("service=otvet", "", "service otvet"),
        ("postgresql://a@b:1/c", "db.example", "b:1"),
    ],
)
def test_messages_name_the_server_that_libpq_takes(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, place: str
) -> None:
    monkeypatch.setenv("PGHOST", host)
    with closing(Database(url)) as database:
        assert database.place == f"PostgreSQL at {place}, schema otvet"


def test_a_server_that_is_away_is_not_asked_each_time_what_serves(
    servers: Servers, index: Index, corpus: Path, build: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "TRY_AGAIN_S", 600)
    servers.postgres.stop()
    assert becomes(lambda: refuses(index.catalog.current))
    index.follow()
    servers.postgres.start()
    (corpus / "snow.txt").write_text("Суда ждут: снег.")
    assert build() == "g-0002"
    assert becomes(lambda: index.catalog.current() == "g-0002")
    with index.lease() as generation:
        assert generation.name == "g-0001"


def refuses(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except IndexUnreachableError:
        return True
    return False


@pytest.mark.parametrize("user", ["me", ""])
def test_a_password_in_the_address_of_chroma_is_not_shown(user: str) -> None:
    with pytest.raises(SettingsError, match="OTVET_CHROMA_URL.*OTVET_CHROMA_TOKEN") as said:
        ChromaServer(f"http://{user}:{PASSWORD}@host:1")
    assert PASSWORD not in str(said.value)


class _Guard(BaseHTTPRequestHandler):
    """What a proxy says to a wrong token."""

    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_a_proxy_before_chroma_refuses(index: Index, settings: IndexSettings) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Guard) as guard:
        Thread(target=guard.serve_forever).start()
        given = settings.model_copy(update={"chroma_url": f"http://127.0.0.1:{guard.server_port}"})
        with pytest.raises(IndexUnreachableError, match="401.*correct OTVET_CHROMA_URL or OTVET_CHROMA_TOKEN"):
            Index(given, HashedWordsModel())
        guard.shutdown()
    assert settings.chroma_url is not None
    given = settings.model_copy(update={"chroma_url": settings.chroma_url.replace("http://", "https://")})
    with pytest.raises(IndexUnreachableError, match="SSL.*correct OTVET_CHROMA_URL or OTVET_CHROMA_CA_FILE"):
        Index(given, HashedWordsModel())


def test_no_room_in_postgres(settings: IndexSettings) -> None:
    """As `temp_file_limit` says it, whose error is of the same kind as that of a full disk."""
    much = "select count(*) from (select n from generate_series(1, 1000000) n order by -n) s"
    assert settings.postgres_url is not None
    url = settings.postgres_url.get_secret_value()
    with (
        closing(Database(url, schema=settings.postgres_schema)) as database,
        closing(database.connect()) as connection,
    ):
        connection.execute("set temp_file_limit = 100")
        connection.execute("set work_mem = '64kB'")
        for writing, error in ((True, IndexWriteError), (False, IndexUnreachableError)):
            with pytest.raises(error, match="temp_file_limit.*make room"), database.errors(writing=writing):
                connection.execute(much)


def variables(settings: IndexSettings) -> dict[str, str]:
    assert settings.postgres_url is not None
    assert settings.chroma_url is not None
    return {
        "OTVET_CACHE_DIR": str(CACHE_DIR),
        "OTVET_POSTGRES_URL": settings.postgres_url.get_secret_value(),
        "OTVET_POSTGRES_SCHEMA": settings.postgres_schema,
        "OTVET_CHROMA_URL": settings.chroma_url,
    }


def run(env: dict[str, str], folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([OTVET, *words], env=env, cwd=folder, capture_output=True, text=True, timeout=180)
    assert PASSWORD not in done.stdout + done.stderr
    return done


def test_commands(servers: Servers, settings: IndexSettings, corpus: Path, model: EmbeddingModel) -> None:
    """`model`: that it is in the cache."""
    env = environment(settings.data_dir, **variables(settings))
    asked = run(env, corpus.parent, "ask", ASKED)
    assert asked.returncode == 1
    assert "nothing is indexed yet in PostgreSQL at 127.0.0.1" in asked.stderr
    built = run(env, corpus.parent, "index", corpus)
    assert built.returncode == 0, built.stderr
    asked = run(env, corpus.parent, "ask", ASKED)
    assert asked.returncode == 0, asked.stderr
    assert "Астрахани" in asked.stdout
    looked = run(env, corpus.parent, "doctor")
    assert looked.returncode == 0, looked.stdout
    assert f"schema {settings.postgres_schema}" in looked.stdout
    drop_collections(settings)
    looked = run(env, corpus.parent, "doctor")
    assert looked.returncode == 1
    assert "run: otvet doctor --repair" in looked.stdout
    mended = run(env, corpus.parent, "doctor", "--repair")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert run(env, corpus.parent, "doctor").returncode == 0
    servers.postgres.stop()
    for words in (["ask", ASKED], ["index", corpus], ["doctor"], ["serve"]):
        done = run(env, corpus.parent, *words)
        assert done.returncode == 1
        assert "correct OTVET_POSTGRES_URL" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def answer(url: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/answer", json={"question": ASKED}, headers=headers, timeout=TIMEOUT_S, trust_env=False)


def status(url: str) -> tuple[int, str]:
    reply = httpx.get(f"{url}/ready", timeout=TIMEOUT_S, trust_env=False)
    return reply.status_code, reply.text


def test_a_server_over_http(
    servers: Servers, settings: IndexSettings, corpus: Path, model: EmbeddingModel, tmp_path: Path
) -> None:
    build_index([corpus], settings=settings, model=model)
    tokens = Tokens(tmp_path / "tokens.json")
    token = tokens.add("deploy", frozenset({Scope.READ, Scope.ASK, Scope.ADMIN}))
    more = {"OTVET_API_TOKENS": str(tokens.path), "OTVET_CORPUS": str(corpus)}
    env = environment(settings.data_dir, **variables(settings), **more)
    with (
        serving(env, tmp_path) as (url, _),
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S, trust_env=False
        ) as client,
    ):
        assert "Астрахани" in answer(url, token).text
        (corpus / "grain.txt").write_text(GRAIN.replace("Астрахани", "Казани"))
        assert client.post("/index/rebuild").status_code == 202
        wait_for(lambda: client.get("/index").json()["rebuild"] is None)
        assert client.get("/index").json()["last_rebuild"]["state"] == "published"
        assert becomes(lambda: "Казани" in answer(url, token).text)
        for server, variable in ((servers.postgres, "OTVET_POSTGRES_URL"), (servers.chroma, "OTVET_CHROMA_URL")):
            server.stop()
            code, said = status(url)
            assert (code, variable in said) == (503, True), said
            assert PASSWORD not in said
            reply = answer(url, token)
            assert (reply.status_code, reply.json()["type"]) == (503, "urn:otvet:problem:index-unavailable")
            assert (variable in reply.text, "Retry-After" in reply.headers) == (True, True)
            assert PASSWORD not in reply.text
            server.start()
            assert becomes(lambda: status(url)[0] == 200, timeout_s=30)
            assert becomes(lambda: "Казани" in answer(url, token).text, timeout_s=30)
    assert PASSWORD not in (tmp_path / "serve.err").read_text()
