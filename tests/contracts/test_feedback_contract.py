"""What every place of feedback promises, run against both: a file in the data directory, a table of a shared index."""

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, LiteralString

import pytest
from typer.testing import CliRunner

from index.errors import FeedbackError
from index.postgres import Database
from processes import environment
from servers import running_postgres
from ui.feedback import ROWS_AT_ONCE, Feedback, FeedbackPlace, FeedbackStore, Reason
from ui.feedback_commands import feedback_app
from ui.settings import Settings
from ui.shared_feedback import SharedFeedback, open_feedback

SAID_AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
RESPONSE = {"kind": "answer", "text": "Мост открыт. [1]", "citations": [{"marker": 1, "quote": "«Открыт»\0\u2028"}]}
WRITES = """
import sys
from datetime import UTC, datetime
from ui.feedback import Feedback
from ui.settings import load_settings
from ui.shared_feedback import open_feedback
place = open_feedback(load_settings())
print('ready', flush=True)
sys.stdin.readline()
for n in range(20):
    for key in (f"{sys.argv[1]}-{n}", "one for all"):
        place.record(Feedback(key, datetime.now(UTC), True, "q", {}, "g", comment=sys.argv[1]))
place.close()
"""


def feedback(key: str = "a", **values: Any) -> Feedback:
    made = {"said_at": SAID_AT, "liked": False, "question": "Что открыт?", "response": RESPONSE, "generation": "g-0001"}
    return Feedback(key, **{**made, **values})


class FeedbackContract(ABC):
    """Give `make` and `variables`; nothing was recorded there yet."""

    @pytest.fixture
    @abstractmethod
    def variables(self, tmp_path: Path) -> dict[str, str]:
        """Of the environment of a process that keeps feedback at that place."""

    @pytest.fixture
    @abstractmethod
    def make(self, variables: dict[str, str]) -> Callable[[], FeedbackPlace]:
        """Opens the place once more."""

    @pytest.fixture
    def place(self, make: Callable[[], FeedbackPlace]) -> Iterator[FeedbackPlace]:
        with closing(make()) as place:
            yield place

    def test_what_was_recorded_is_read_as_it_was(self, place: FeedbackPlace, make: Callable[[], FeedbackPlace]) -> None:
        said = [
            feedback(reason=Reason.NOT_SUPPORTED, comment="Нет\nтакого 'слова'; %s {}", user="анна"),
            feedback("b", liked=True, said_at=datetime(2026, 11, 26, 12, 30, 1, 5, UTC)),
        ]
        first, second = [place.record(one) for one in said]
        assert first < second
        assert list(place.all()) == said
        with closing(make()) as other:
            assert list(other.all()) == said

    def test_there_is_nothing_before_the_first_record(self, place: FeedbackPlace) -> None:
        assert list(place.all()) == []
        place.forget("a", None)
        assert list(place.all()) == []

    def test_a_later_word_replaces_the_earlier_of_the_same_reader(self, place: FeedbackPlace) -> None:
        first = place.record(feedback(liked=True))
        place.record(feedback(user="анна"))
        later = feedback(reason="wrong", comment="Всё не так", said_at=SAID_AT + timedelta(hours=1), generation="g-2")
        assert place.record(later) == first
        assert list(place.all()) == [later, feedback(user="анна")]

    def test_a_word_is_taken_back_by_who_said_it(self, place: FeedbackPlace) -> None:
        place.record(feedback(user="анна"))
        place.record(feedback(user="борис"))
        place.forget("a", None)
        place.forget("a", "анна")
        assert [one.user for one in place.all()] == ["борис"]

    def test_days_are_of_utc(self, place: FeedbackPlace) -> None:
        east = timezone(timedelta(hours=5))
        place.record(feedback("a", said_at=datetime(2026, 11, 27, 2, tzinfo=east)))  # still the 26th
        place.record(feedback("b", said_at=datetime(2026, 11, 27, tzinfo=UTC)))
        assert [one.said_at.isoformat() for one in place.all()] == [
            "2026-11-26T21:00:00+00:00",
            "2026-11-27T00:00:00+00:00",
        ]
        keys = {day: [one.key for one in place.all(since=date(2026, 11, day))] for day in (26, 27, 28)}
        assert keys == {26: ["a", "b"], 27: ["b"], 28: []}

    def test_more_than_is_read_at_once_comes_once_and_in_order(self, place: FeedbackPlace) -> None:
        n = 2 * ROWS_AT_ONCE + 1
        for key in range(n):
            place.record(feedback(str(key)))
        assert [one.key for one in place.all()] == [str(key) for key in range(n)]

    def test_one_may_write_while_another_is_in_the_middle_of_reading(self, place: FeedbackPlace) -> None:
        for key in range(ROWS_AT_ONCE + 1):
            place.record(feedback(str(key)))
        reading = place.all()
        assert next(reading).key == "0"
        place.record(feedback("later"))
        assert [one.key for one in reading][-1] == "later"

    @pytest.mark.parametrize("field", ["comment", "question", "generation", "user"])
    def test_broken_characters_are_refused_and_nothing_is_left_half(self, place: FeedbackPlace, field: str) -> None:
        with pytest.raises(FeedbackError, match="broken characters"):
            place.record(feedback(**{field: "\ud800"}))
        assert list(place.all()) == []
        place.record(feedback())
        assert len(list(place.all())) == 1

    def test_characters_that_end_texts_elsewhere_lose_nothing_around_them(self, place: FeedbackPlace) -> None:
        place.record(feedback(comment="до\0после"))
        [said] = place.all()
        assert said.comment in ("до\0после", "до\ufffdпосле")
        assert said.response == RESPONSE

    def test_threads_and_processes_at_once_lose_nothing(
        self, make: Callable[[], FeedbackPlace], variables: dict[str, str], tmp_path: Path
    ) -> None:
        """All begin before there is anything, so that they make it at once, too."""
        names = ["p0", "p1"]
        env = environment(tmp_path / "data", **variables)
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITES, name],
                env=env,
                cwd=tmp_path,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for name in names
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.read(6) == b"ready\n"

        def write(name: str) -> None:
            with closing(make()) as place:
                for n in range(20):
                    place.record(feedback(f"{name}-{n}"))
                    place.record(feedback("one for all", comment=name))

        with ThreadPoolExecutor(4) as pool:
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
            list(pool.map(write, ["t0", "t1", "t2", "t3"]))
        assert [process.wait(60) for process in processes] == [0, 0]
        for process in processes:
            assert process.stdout is not None
            process.stdout.close()
        with closing(make()) as place:
            keys = [said.key for said in place.all()]
        names += ["t0", "t1", "t2", "t3"]
        assert sorted(keys) == sorted(["one for all", *(f"{name}-{n}" for name in names for n in range(20))])

    def test_the_terminal_exports_it(
        self, place: FeedbackPlace, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.record(feedback(comment="Нет"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = CliRunner().invoke(feedback_app, ["export"])
        assert result.exit_code == 0, result.exception
        assert '"comment": "Нет"' in result.stdout


class TestFeedbackStore(FeedbackContract):
    @pytest.fixture
    def variables(self, tmp_path: Path) -> dict[str, str]:
        return {"OTVET_DATA_DIR": str(tmp_path / "да ta")}

    @pytest.fixture
    def make(self, variables: dict[str, str]) -> Callable[[], FeedbackPlace]:
        return lambda: open_feedback(Settings(data_dir=Path(variables["OTVET_DATA_DIR"])))

    def test_it_is_the_file(self, place: FeedbackPlace) -> None:
        assert isinstance(place, FeedbackStore)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_postgres(tmp_path_factory.mktemp("feedback") / "postgres") as url:
        yield url


def execute(url: str, *statements: LiteralString) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


class TestSharedFeedback(FeedbackContract):
    @pytest.fixture
    def variables(self, postgres: str) -> dict[str, str]:
        execute(postgres, "drop schema if exists of_test cascade", "create schema of_test")
        return {
            "OTVET_POSTGRES_URL": postgres,
            "OTVET_POSTGRES_SCHEMA": "of_test",
            "OTVET_CHROMA_URL": "http://127.0.0.1:1",
        }

    @pytest.fixture
    def make(self, variables: dict[str, str]) -> Callable[[], FeedbackPlace]:
        def opened() -> FeedbackPlace:
            url, schema, chroma = variables.values()
            return open_feedback(
                Settings.model_validate({"postgres_url": url, "postgres_schema": schema, "chroma_url": chroma})
            )

        return opened

    def test_it_is_the_table(self, place: FeedbackPlace) -> None:
        assert isinstance(place, SharedFeedback)

    def test_a_role_that_may_not_make_it_is_told_what_to_run(
        self, place: FeedbackPlace, postgres: str, variables: dict[str, str]
    ) -> None:
        execute(
            postgres,
            "drop role if exists reader",
            "create role reader login",
            "grant usage on schema of_test to reader",
        )
        replica = SharedFeedback(Database(postgres.replace("otvet@", "reader@"), schema="of_test"))
        with closing(replica):
            assert list(replica.all()) == []
            with pytest.raises(FeedbackError, match="this role may make no table there") as raised:
                replica.record(feedback())
            told = str(raised.value)
            execute(
                postgres,
                told[told.index("set search_path") :],  # type: ignore[arg-type]
                "grant select, insert, update, delete on of_test.feedback to reader",
            )
            assert replica.record(feedback()) == 1
            replica.forget("a", None)
            assert list(replica.all()) == []
        execute(postgres, "drop owned by reader", "drop role reader")

    def test_a_schema_that_is_not_there_is_told(self, place: FeedbackPlace, postgres: str) -> None:
        execute(postgres, "drop schema of_test cascade")
        with pytest.raises(FeedbackError, match=r"cannot keep feedback: .*schema of_test.*run: otvet index"):
            place.record(feedback())
        assert list(place.all()) == []

    def test_a_server_that_is_not_there_is_told_without_its_password(self) -> None:
        with closing(SharedFeedback(Database("postgresql://otvet:geheim@127.0.0.1:1/postgres"))) as place:
            with pytest.raises(FeedbackError, match="cannot read feedback: cannot reach PostgreSQL at") as raised:
                list(place.all())
            assert "geheim" not in str(raised.value)

    def test_a_damaged_row_is_named(self, place: FeedbackPlace, postgres: str) -> None:
        place.record(feedback())
        execute(postgres, "update of_test.feedback set reason = 'bad'")
        with pytest.raises(FeedbackError, match=r"feedback 1 in PostgreSQL at .* is damaged"):
            list(place.all())
