"""A conversation comes back from the browser as it was, or as an empty one."""

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qa.records import MAX_QUESTION_CHARS, MAX_TURNS, RefusalReason, Turn
from ui.conversation import MAX_EXCHANGES, Around, Conversation, Exchange, kept_form, read_conversation
from ui.schemas import (
    AnswerOut,
    CitationOut,
    DisagreementOut,
    FiltersIn,
    PeriodOut,
    RefusalOut,
    SourceOut,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(-(2**53), 2**53)
DAYS = st.none() | st.dates()
SOURCE: dict[str, Any] = {
    "article_id": TEXTS,
    "title": TEXTS,
    "published_at": DAYS,
    "publisher": st.none() | TEXTS,
    "url": st.none() | TEXTS,
    "language": TEXTS,
}
CITATIONS = st.builds(
    CitationOut, **SOURCE, marker=NUMBERS, quote=TEXTS, start=NUMBERS, end=NUMBERS, score=st.floats(0, 1)
)
FOUND: dict[str, Any] = {
    "text": TEXTS,
    "language": TEXTS,
    "period": st.none() | st.builds(PeriodOut, published_from=DAYS, published_to=DAYS, words=TEXTS),
    "query": st.none() | TEXTS,
    "timings_ms": st.dictionaries(TEXTS, st.floats(0, 1e9), max_size=2),
}
ANSWERS = st.builds(
    AnswerOut,
    **FOUND,
    mode=st.sampled_from(["extractive", "generative", "conversation"]),
    citations=st.lists(CITATIONS, max_size=2),
    notice=st.none() | TEXTS,
    disagreements=st.lists(
        st.builds(DisagreementOut, markers=st.tuples(NUMBERS, NUMBERS), words=st.tuples(TEXTS, TEXTS)), max_size=1
    ),
)
REFUSALS = st.builds(
    RefusalOut,
    **FOUND,
    reason=st.sampled_from(RefusalReason),
    nearest=st.lists(st.builds(SourceOut, **SOURCE), max_size=2),
)
FILTERS = st.builds(
    FiltersIn,
    published_from=st.none() | st.dates().map(date.isoformat),
    published_to=st.none() | st.dates().map(date.isoformat),
    publisher=st.none() | TEXTS,
    language=st.none() | st.text("aбe", max_size=20),
    article_ids=st.none() | st.lists(TEXTS.filter(bool), max_size=2),
)
EXCHANGES = st.builds(
    Exchange,
    exchange_id=st.uuids().map(lambda made: made.hex),
    question=TEXTS.filter(str.strip),
    asked_at=st.datetimes(timezones=st.just(UTC)),
    filters=FILTERS,
    use_dates=st.booleans(),
    draft=st.none() | ANSWERS,
    response=st.none() | ANSWERS | REFUSALS,
    is_stopped=st.booleans(),
    failed=TEXTS,
    around=st.lists(st.builds(Around, before=TEXTS, after=TEXTS), max_size=2),
    generation=TEXTS,
    liked=st.none() | st.booleans(),
)
CONVERSATIONS = st.builds(Conversation, user=st.none() | TEXTS, exchanges=st.lists(EXCHANGES, max_size=3))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(), some, max_size=4))

BIG = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # values take long to make


def answer(text: str = "It opened. [1]", **values: Any) -> AnswerOut:
    made = {"language": "en", "mode": "extractive", "citations": [], "notice": None, "period": None, "query": None}
    return AnswerOut(**{**made, "disagreements": [], "timings_ms": {}, **values}, text=text)


def exchange(question: str = "What opened?", **values: Any) -> Exchange:
    return Exchange(question=question, **values)


@BIG
@given(CONVERSATIONS)
def test_what_was_kept_is_read_as_it_was(conversation: Conversation) -> None:
    kept = json.loads(json.dumps(kept_form(conversation)))
    assert read_conversation(kept, user=conversation.user) == conversation
    assert kept_form(read_conversation(kept, user=conversation.user)) == kept


@BIG
@given(CONVERSATIONS, st.none() | TEXTS)
def test_nobody_sees_the_conversation_of_another(conversation: Conversation, user: str | None) -> None:
    read = read_conversation(kept_form(conversation), user=user)
    assert read.user == user
    assert read.exchanges == (conversation.exchanges if user == conversation.user else [])


@given(JSON)
def test_whatever_is_no_conversation_is_an_empty_one(kept: object) -> None:
    read = read_conversation(kept, user="anna")
    assert read == Conversation(user="anna") or (isinstance(kept, dict) and kept.get("user") == "anna")
    assert read.exchanges == []


@BIG
@given(CONVERSATIONS.filter(lambda made: made.exchanges), st.data())
def test_a_conversation_with_something_else_in_it_is_read_or_is_an_empty_one(
    conversation: Conversation, data: st.DataObject
) -> None:
    kept: Any = copy.deepcopy(kept_form(conversation))
    place = kept["exchanges"][0]
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    read = read_conversation(kept, user=conversation.user)
    assert len(read.exchanges) in (0, len(conversation.exchanges))
    json.dumps(kept_form(read)).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"question": ""},
        {"question": "я" * (MAX_QUESTION_CHARS + 1)},
        {"question": "\ud800"},
        {"exchange_id": "../../etc/passwd"},
        {"exchange_id": "0" * 32 + "\n"},
        {"asked_at": "yesterday"},
        {"response": {"kind": "answer"}},
        {"draft": {"kind": "refusal"}},
        {"filters": {"published_from": "2025-02-30"}},
        {"around": [{"before": "a" * 1_001}]},
        {"more": 1},
    ],
)
def test_an_exchange_that_is_none_spoils_the_conversation(change: dict[str, Any]) -> None:
    kept = kept_form(Conversation(exchanges=[exchange(response=answer())]))
    assert read_conversation(kept, user=None).exchanges
    kept["exchanges"][0] |= change
    assert read_conversation(kept, user=None) == Conversation()


@BIG
@given(st.lists(EXCHANGES.filter(lambda one: _in_order(one.filters)), min_size=1, max_size=5))
def test_a_question_has_what_came_before_it(exchanges: list[Exchange]) -> None:
    *earlier, last = exchanges
    question = Conversation(exchanges=exchanges).question()
    assert question.text == last.question
    assert question.filters == last.filters.filters()
    assert question.use_dates == last.use_dates
    assert [turn.content for turn in question.history if turn.role == "user"] == [one.question for one in earlier]
    said = [one.response or one.draft for one in earlier]
    assert [turn.content for turn in question.history if turn.role == "assistant"] == [one.text for one in said if one]


def _in_order(filters: FiltersIn) -> bool:
    return not (filters.published_from and filters.published_to) or filters.published_from <= filters.published_to


@pytest.mark.parametrize("n", [1, 2, MAX_TURNS // 2, MAX_TURNS // 2 + 1, MAX_EXCHANGES])
def test_a_question_takes_the_last_turns_along(n: int) -> None:
    exchanges = [exchange(f"question {k}", response=answer(f"answer {k}")) for k in range(n)]
    history = Conversation(exchanges=exchanges).question().history
    turns = [turn for k in range(n - 1) for turn in (Turn("user", f"question {k}"), Turn("assistant", f"answer {k}"))]
    assert list(history) == turns[-MAX_TURNS:]


def test_what_was_shown_before_a_stop_is_remembered_and_nothing_of_a_failure() -> None:
    stopped = exchange("One?", draft=answer("Half"), is_stopped=True)
    failed = exchange("Two?", failed="No disk.")
    question = Conversation(exchanges=[stopped, failed, exchange("Three?")]).question()
    assert question.history == (Turn("user", "One?"), Turn("assistant", "Half"), Turn("user", "Two?"))


def test_it_forgets_the_oldest() -> None:
    conversation = Conversation(user="anna")
    for n in range(MAX_EXCHANGES + 2):
        conversation = conversation.followed_by(exchange(str(n)))
    assert [one.question for one in conversation.exchanges] == [str(n) for n in range(2, MAX_EXCHANGES + 2)]
    assert conversation.user == "anna"
    assert conversation.question().text == str(MAX_EXCHANGES + 1)


@BIG
@given(CONVERSATIONS, EXCHANGES)
def test_it_changes_into_others_and_stays_itself(conversation: Conversation, more: Exchange) -> None:
    before = kept_form(conversation)
    longer = conversation.followed_by(more)
    assert longer.last == more
    assert longer.before_last() == conversation
    changed = longer.with_change(-1, liked=True, response=None)
    assert changed.last == more.model_copy(update={"liked": True, "response": None})
    assert changed.before_last() == conversation
    assert kept_form(conversation) == before
    assert longer.last == more


def test_an_empty_one_has_no_last_exchange() -> None:
    assert Conversation().last is None
    assert Conversation().before_last() == Conversation()


@BIG
@given(EXCHANGES)
def test_asked_anew_it_is_the_same_question_without_an_answer(asked: Exchange) -> None:
    anew = asked.anew()
    assert (anew.question, anew.filters, anew.use_dates) == (asked.question, asked.filters, asked.use_dates)
    assert anew.is_open
    assert anew.exchange_id != asked.exchange_id
    assert (anew.draft, anew.liked, anew.around, anew.generation) == (None, None, [], "")
    widened = asked.anew(filters=FiltersIn(), use_dates=False)
    assert (widened.question, widened.is_limited, widened.use_dates) == (asked.question, False, False)


def test_it_is_open_until_something_came_of_it() -> None:
    assert exchange().is_open
    assert exchange(draft=answer()).is_open
    for over in ({"response": answer()}, {"is_stopped": True}, {"failed": "No disk."}):
        assert not exchange(**over).is_open


def test_it_is_limited_by_filters_or_by_the_period_that_was_named() -> None:
    period = PeriodOut(published_from=date(2025, 10, 1), published_to=None, words="since October")
    assert not exchange(response=answer()).is_limited
    assert exchange(response=answer(period=period)).is_limited
    assert exchange(filters=FiltersIn(language="ru")).is_limited


def test_each_exchange_has_an_id_and_a_time_of_its_own() -> None:
    one, other = exchange(), exchange()
    assert one.exchange_id != other.exchange_id
    assert one.asked_at.tzinfo is not None
    assert abs((datetime.now(UTC) - one.asked_at).total_seconds()) < 60


def test_a_question_has_its_bounds() -> None:
    exchange("я" * MAX_QUESTION_CHARS)
    for text in ("", "я" * (MAX_QUESTION_CHARS + 1)):
        with pytest.raises(ValidationError):
            exchange(text)
