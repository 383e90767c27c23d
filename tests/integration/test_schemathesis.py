"""What the OpenAPI document promises, tried by schemathesis with all of its checks on the real application.

The cases are the same in every run. Those that are excused below are so by the very words of the response: the same
check still fails on any other response of the same operation.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.checks import CHECKS
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.specs.openapi import checks as openapi_checks
from starlette.testclient import TestClient

from apps import app_over
from fakes import ScriptedChatModel
from index.embedding import EmbeddingModel
from index.serving import Index
from index.settings import IndexSettings
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.openapi import describe
from ui.scopes import Scope
from ui.settings import Settings
from ui.tokens import Tokens

pytestmark = pytest.mark.long

N_EXAMPLES = 25  # of each operation, beside those that cover each keyword of its schema
WRITTEN = ("Мадуро попросил у Ирана ", "глушители сигнала GPS. [1]")
CHECKED = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "use_after_free",
    "ensure_resource_availability",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
}


class Excuse(NamedTuple):
    """A failure that is none.

    Attributes:
        check: its name.
        told: what the response says then, as a pattern.
    """

    check: str
    told: str


EXCUSED = (
    # A schema cannot say that of two days one is not after the other.
    Excuse("positive_data_acceptance", "published_from .* is after published_to .*; swap the two"),
    # Nor what the last of those messages holds that are the user's: there must be one, neither blank nor too long.
    Excuse("positive_data_acceptance", "messages has none with the role 'user'"),
    Excuse("positive_data_acceptance", "the question .* is empty; ask something"),
    Excuse("positive_data_acceptance", "the question has .* characters, more than"),
    # Without logins there is none to ask for: nobody may rebuild, whatever is sent.
    Excuse("missing_required_header", "nobody may do this over HTTP"),
    # Who sends wrong tokens is slowed down, and is told so instead of 401.
    Excuse("ignored_auth", "there were too many wrong tokens"),
    # Who is not let in is not told which methods there are, at the open paths neither.
    Excuse("unsupported_method", "a login is needed"),
)


class TalkingModel(ScriptedChatModel):
    """Always has the same to say, so that every way to answer is there."""

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self.replies.append(list(WRITTEN))
        return super()._stream(*args, **kwargs)


@pytest.fixture(scope="module")
def engine(sample_settings: IndexSettings, model: EmbeddingModel) -> Iterator[Engine]:
    index = Index(sample_settings, model)
    yield make_engine(index, model, AnswerSettings(), TalkingModel(replies=[]))
    index.close()


class Tried(NamedTuple):
    """What came of a run.

    Attributes:
        n_cases: requests, by operation.
        checks: those that were made.
        failures: each with the request that shows it.
        excused: how often each excuse was needed.
    """

    n_cases: Counter[str]
    checks: set[str]
    failures: list[str]
    excused: Counter[Excuse]


def tried(app: FastAPI, *, token: str | None = None) -> Tried:
    """Run all phases over the document of an application."""
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config(token))
    schema.app = app
    found = Tried(Counter(), set(), [], Counter())
    with TestClient(app):  # starts and, in the end, stops what runs beside the requests, rebuilds included
        for event in from_schema(schema).execute():
            match event:
                case events.ScenarioFinished():
                    note(event, found)
                case events.NonFatalError() | events.FatalError():
                    found.failures.append(str(event))
                case events.EngineFinished():
                    assert event.stop_reason is StopReason.COMPLETED
    return found


def config(token: str | None) -> Any:
    chosen: dict[str, Any] = {
        "seed": 1,
        "workers": 1,
        "continue-on-failure": True,
        "generation": {"deterministic": True, "max-examples": N_EXAMPLES, "database": "none", "no-shrink": True},
        "checks": {name: {"enabled": True} for name in CHECKED},
    }
    if token is not None:
        chosen["auth"] = {"openapi": {"HTTPBearer": {"bearer": token}}}
    return schemathesis.Config.from_dict(chosen)


def note(event: events.ScenarioFinished, found: Tried) -> None:
    recorder = event.recorder
    for case_id, node in recorder.cases.items():
        found.n_cases[node.value.operation.label] += 1
        for check in recorder.checks.get(case_id, []):
            found.checks.add(check.name)
            if check.failure_info is None:
                continue
            interaction = recorder.interactions.get(case_id)
            body = interaction.response.text if interaction and interaction.response else ""
            excuse = next((one for one in EXCUSED if one.check == check.name and re.search(one.told, body)), None)
            if excuse is not None:
                found.excused[excuse] += 1
            else:
                info = check.failure_info
                found.failures.append(f"{check.name}: {info.failure.message}\n{info.code_sample}\n-> {body[:500]}")


def test_all_checks_there_are_are_on() -> None:
    """So that a new version of schemathesis with more of them is noticed."""
    left_out = {
        "object_level_authorization",  # there are no objects that belong to a caller
        "max_response_time",  # a timing is no assertion
    }
    assert openapi_checks.ignored_auth.__name__ in CHECKS.get_all_names()  # the module that has them is loaded
    assert set(CHECKS.get_all_names()) - left_out == CHECKED


def test_the_application_keeps_what_its_document_promises(engine: Engine) -> None:
    found = tried(app_over(engine))
    assert "\n\n".join(found.failures) == ""
    assert found.checks >= CHECKED
    assert len(found.n_cases) == 13
    assert found.n_cases["POST /answer"] > 100
    assert found.excused.total() < sum(found.n_cases.values()) / 10


def test_it_keeps_it_behind_tokens(engine: Engine, tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    token = tokens.add("tests", frozenset(Scope))
    app = app_over(engine, Settings(api_tokens=tokens.path, data_dir=tmp_path / "data"))
    describe(app, is_login_asked=True)
    found = tried(app, token=token)
    assert "\n\n".join(found.failures) == ""
    assert found.checks >= CHECKED
    assert found.n_cases["POST /index/rebuild"] > 5
