"""From the last question to its response, step by step; what is shown around a quote."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig

from fakes import HashedWordsModel, ScriptedChatModel, open_index, publish_articles
from index.errors import AnswerStoppedError, ChatModelError, IndexMissingError
from index.sentences import Span, split_sentences
from processes import becomes
from qa.chain import AnswerChain
from qa.engine import Engine, make_engine
from qa.records import (
    Answer,
    Citation,
    CitationFound,
    Passage,
    PassagesFound,
    Question,
    QuotesFound,
    Refusal,
    RefusalReason,
    Restarted,
    Source,
    TextDelta,
)
from qa.records import Event as ChainEvent
from qa.settings import AnswerSettings
from ui.answering import MAX_AROUND_CHARS, UNEXPECTED, Step, answer_last, around, surrounding
from ui.asking import Asker
from ui.conversation import Around, Conversation, Exchange
from ui.messages import Stage
from ui.schemas import MAX_TURN_CHARS, AnswerOut, FiltersIn, RefusalOut, response_out

PATIENCE_S = 10.0
SENTENCES = (
    "Мост закрыли.",
    "Его построили из дуба, а чинили дважды.",
    "Движение пустили через брод.",
    "Вернут его к осени.",
)
BRIDGE = " ".join(SENTENCES)
ENDLESS = "а" * 1_000
FERRY = "Паром на остров Сосновый ходит по вторникам."
LONG = "{} так, как писали об этом в газете, {}и никто не спорил."
HARBOUR = " ".join(
    LONG.format(words, "а потом в другой, и в третьей, и ещё раз в первой, " * 3) if words else FERRY
    for words in ("Гавань мелка", "Лёд встаёт рано", "Склады пустуют", "", "Кассу красят", "Чайки кричат", "Снег идёт")
)
ASK_FERRY = "Паром на остров Сосновый ходит по вторникам?"
ARTICLES = [
    {"title": "Мост", "text": BRIDGE, "published_at": "2024-03-05", "publisher": "Вестник"},
    {"title": "Гавань", "text": HARBOUR},
    {"title": "Список", "text": f"{'слово ' * 200}середина {'слово ' * 200}конец."},
    {"title": "Слово", "text": f"{ENDLESS} середина {ENDLESS}"},
]
ASK = "Мост закрыли, а его построили из дуба?"
SOURCE = Source("a" * 16, "Мост", date(2024, 3, 5), "Вестник", None, "ru")
PASSAGE = Passage(SOURCE, 0, 13, "Мост закрыли.", 0.9)
CITATION = Citation(1, SOURCE, "Мост закрыли.", 0, 13, 0.9)
QUOTED = Answer("Мост закрыли. [1]", "ru", "extractive", (CITATION,))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Answers by quotes."""
    index = open_index(tmp_path_factory.mktemp("answering"), HashedWordsModel(), ARTICLES)
    yield make_engine(index, HashedWordsModel(), AnswerSettings())
    index.close()


class Told:
    """A chain that tells prepared events and records what it was asked and whether it was closed."""

    def __init__(self, *events: ChainEvent | BaseException) -> None:
        self.events = events
        self.asked: list[Question] = []
        self.n_closed = 0

    def stream(self, question: Question, config: RunnableConfig) -> Iterator[ChainEvent]:
        self.asked.append(question)
        try:
            for event in self.events:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self.n_closed += 1


def asked(*questions: str, **values: Any) -> Conversation:
    *earlier, last = questions or (ASK,)
    before = [Exchange(question=one, response=response_out(QUOTED)) for one in earlier]
    return Conversation(exchanges=[*before, Exchange(question=last, **values)])


def steps_of(engine: Engine, told: Told, conversation: Conversation | None = None) -> list[Step]:
    engine = replace(engine, chain=cast("AnswerChain", told))
    return list(answer_last(Asker(engine), conversation or asked(), lambda: False))


def last_of(step: Step) -> Exchange:
    assert step.conversation.last is not None
    return step.conversation.last


def drafts(steps: Sequence[Step]) -> list[str | None]:
    return [one.text if (one := last_of(step).draft) is not None else None for step in steps]


def check_steps(steps: Sequence[Step], engine: Engine) -> Exchange:
    """What all runs promise; returns the exchange that they end with."""
    first, *_, last = steps
    assert first.stage == Stage("searching")
    assert last_of(first).generation == ""
    assert [step.stage is None for step in steps] == [False] * (len(steps) - 1) + [True]
    for step in steps:
        one = last_of(step)
        shown = one.response or one.draft
        assert len(one.around) == (len(shown.citations) if isinstance(shown, AnswerOut) else 0)
        assert one.exchange_id == last_of(first).exchange_id
    ended = last_of(last)
    assert ended.draft is None
    assert not ended.is_open
    assert ended.generation == "g-0001"
    return ended


# --- with a real engine


def test_an_answer_by_quotes(engine: Engine) -> None:
    steps = list(answer_last(Asker(engine), asked(), lambda: False))
    ended = check_steps(steps, engine)
    assert isinstance(ended.response, AnswerOut)
    assert ended.response.mode == "extractive"
    expected = response_out(engine.chain.invoke(ASK))
    assert ended.response.model_copy(update={"timings_ms": expected.timings_ms}) == expected
    assert steps[1].stage is not None
    assert steps[1].stage.name == "found"
    assert steps[1].stage.n_passages > 0


def test_an_answer_comes_with_what_is_around_its_quotes(engine: Engine) -> None:
    *_, last = answer_last(Asker(engine), asked(ASK_FERRY), lambda: False)
    assert isinstance(response := last_of(last).response, AnswerOut)
    assert FERRY in response.citations[0].quote
    found = last_of(last).around[0]
    assert found.before
    assert found.after
    assert f"{found.before} {response.citations[0].quote} {found.after}" in HARBOUR


def test_quotes_stand_in_until_the_language_model_has_written(engine: Engine) -> None:
    model = ScriptedChatModel(replies=[["Мост закрыли. [1] ", "Его построили из дуба, ", "а чинили дважды. [1]"]])
    generative = make_engine(engine.index, HashedWordsModel(), AnswerSettings(), model)
    steps = list(answer_last(Asker(generative), asked(), lambda: False))
    ended = check_steps(steps, generative)
    assert isinstance(ended.response, AnswerOut)
    assert ended.response.mode == "generative"
    names = [step.stage.name for step in steps if step.stage is not None]
    assert names == ["searching", "found", *["writing"] * (len(names) - 2)]
    assert len({step.stage.n_passages for step in steps[1:-1] if step.stage is not None}) == 1
    by_quotes, *written = [draft for step in steps if (draft := last_of(step).draft) is not None]
    assert by_quotes.mode == "extractive"
    assert {draft.mode for draft in written} == {"generative"}
    assert len(written) > 1
    for draft in written:
        assert ended.response.text.startswith(draft.text)
        assert [one.marker for one in draft.citations] == list(range(1, len(draft.citations) + 1))
    assert written[-1].text == ended.response.text


def test_a_model_that_fails_leaves_the_quotes(engine: Engine) -> None:
    model = ScriptedChatModel(replies=[["Мост закрыли. [1] Его", ChatModelError("gone")]])
    generative = make_engine(engine.index, HashedWordsModel(), AnswerSettings(), model)
    ended = check_steps(list(answer_last(Asker(generative), asked(), lambda: False)), generative)
    assert isinstance(ended.response, AnswerOut)
    assert ended.response.mode == "extractive"
    assert ended.response.notice


def test_a_refusal(engine: Engine) -> None:
    filters = FiltersIn.model_validate({"published_from": "1999-01-01", "published_to": "1999-01-02"})
    ended = check_steps(list(answer_last(Asker(engine), asked(filters=filters), lambda: False)), engine)
    assert isinstance(ended.response, RefusalOut)
    assert ended.response.reason == "no_articles"


def test_all_that_was_asked_reaches_the_chain(engine: Engine) -> None:
    told = Told(QUOTED)
    given = {"published_from": "2024-01-01", "publisher": "Вестник", "language": "ru", "article_ids": ["b" * 16]}
    filters = FiltersIn.model_validate(given)
    steps_of(engine, told, asked("Что закрыли?", "А когда?", filters=filters, use_dates=False))
    [question] = told.asked
    assert question.text == "А когда?"
    assert (question.filters, question.use_dates) == (filters.filters(), False)
    assert [(turn.role, turn.content) for turn in question.history] == [
        ("user", "Что закрыли?"),
        ("assistant", QUOTED.text),
    ]


def test_a_follow_up_is_understood_by_what_came_before(engine: Engine) -> None:
    model = ScriptedChatModel(replies=[["Почему закрыли мост?"], ["Мост закрыли. [1]"]])
    generative = make_engine(engine.index, HashedWordsModel(), AnswerSettings(), model)
    before = Exchange(question="Что с мостом?", draft=cast("AnswerOut", response_out(QUOTED)), is_stopped=True)
    conversation = Conversation(exchanges=[before, Exchange(question="Почему?")])
    *_, last = answer_last(Asker(generative), conversation, lambda: False)
    assert last.conversation.exchanges[0] == before
    assert last_of(last).response is not None
    rewriting = [str(one.content) for one in model.sent[0]]
    assert any("Что с мостом?" in content for content in rewriting)
    assert any("Мост закрыли." in content for content in rewriting)


def test_all_steps_see_one_generation_though_another_is_published(tmp_path: Path) -> None:
    model = HashedWordsModel()
    index = open_index(tmp_path, model, ARTICLES[1:2])
    steps = answer_last(Asker(make_engine(index, model, AnswerSettings())), asked(ASK_FERRY), lambda: False)
    assert next(steps).stage == Stage("searching")
    found = next(steps)
    assert last_of(found).generation == "g-0001"
    publish_articles(tmp_path, model, [{"title": "Гавань", "text": "Гавань закрыли. Парома больше нет."}])
    *_, last = steps
    assert last_of(last).generation == "g-0001"
    assert isinstance(response := last_of(last).response, AnswerOut)
    assert FERRY in response.text
    assert last_of(last).around[0] != Around()
    *_, after = answer_last(Asker(make_engine(index, model, AnswerSettings())), asked(), lambda: False)
    assert last_of(after).generation == "g-0002"
    index.close()


# --- with prepared events


def test_nothing_is_done_before_the_first_step_is_shown(engine: Engine) -> None:
    told, conversation = Told(QUOTED), asked()
    steps = answer_last(Asker(replace(engine, chain=cast("AnswerChain", told))), conversation, lambda: False)
    assert next(steps) == Step(conversation, Stage("searching"))
    assert told.asked == []
    next(steps)
    assert len(told.asked) == 1


def test_text_grows_with_its_citations(engine: Engine) -> None:
    plain = replace(QUOTED, mode="generative")
    steps = steps_of(
        engine,
        Told(PassagesFound((PASSAGE,)), TextDelta("Мост закрыли."), CitationFound(CITATION), TextDelta(" [1]"), plain),
    )
    ended = check_steps(steps, engine)
    assert drafts(steps) == [None, None, "Мост закрыли.", "Мост закрыли. [1]", None]
    shown = [len(draft.citations) for step in steps if (draft := last_of(step).draft) is not None]
    assert shown == [0, 1]
    assert ended.response == response_out(plain)


def test_text_of_a_model_that_failed_is_void(engine: Engine) -> None:
    told = Told(
        PassagesFound((PASSAGE,)),
        CitationFound(replace(CITATION, marker=7)),
        TextDelta("Выдумка [7]"),
        Restarted(),
        CitationFound(CITATION),
        TextDelta("Мост закрыли. [1]"),
        QUOTED,
    )
    steps = steps_of(engine, told)
    check_steps(steps, engine)
    assert drafts(steps) == [None, None, "Выдумка [7]", "Мост закрыли. [1]", None]
    last_draft = last_of(steps[-2]).draft
    assert last_draft is not None
    assert [citation.marker for citation in last_draft.citations] == [1]


def test_stages_tell_how_many_passages_there_are(engine: Engine) -> None:
    steps = steps_of(engine, Told(PassagesFound((PASSAGE,) * 7), QuotesFound(QUOTED), TextDelta("Мост"), QUOTED))
    stages = [step.stage for step in steps]
    assert stages == [Stage("searching"), Stage("found", 7), Stage("writing", 7), Stage("writing", 7), None]
    assert drafts(steps) == [None, None, "Мост закрыли. [1]", "Мост", None]


def test_small_talk_has_no_sources(engine: Engine) -> None:
    steps = steps_of(engine, Told(TextDelta("Здравствуйте!"), Answer("Здравствуйте!", "ru", "conversation", ())))
    assert isinstance(response := check_steps(steps, engine).response, AnswerOut)
    assert (response.text, response.citations) == ("Здравствуйте!", [])


def test_a_refusal_leaves_nothing_of_the_draft(engine: Engine) -> None:
    refusal = Refusal(RefusalReason.NOT_STATED, "Ответа нет.", "ru", (SOURCE,))
    steps = steps_of(engine, Told(PassagesFound((PASSAGE,)), QuotesFound(QUOTED), refusal))
    ended = check_steps(steps, engine)
    assert ended.response == response_out(refusal)
    assert ended.around == []


# --- what goes wrong


@pytest.mark.parametrize("n_before", [0, 1, 2])
def test_an_error_is_told_in_its_words(engine: Engine, n_before: int, caplog: pytest.LogCaptureFixture) -> None:
    events: list[ChainEvent] = [PassagesFound((PASSAGE,)), QuotesFound(QUOTED)]
    *_, last = steps = steps_of(
        engine, Told(*events[:n_before], IndexMissingError("nothing is indexed; run: otvet index"))
    )
    assert len(steps) == 2 + n_before
    assert last.stage is None
    ended = last_of(last)
    assert ended.failed == "nothing is indexed; run: otvet index"
    assert (ended.draft, ended.response, ended.around, ended.is_open) == (None, None, [], False)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert ASK not in caplog.text


def test_a_long_error_is_cut_to_what_the_browser_may_give_back(engine: Engine) -> None:
    *_, last = steps_of(engine, Told(ChatModelError("x" * (MAX_TURN_CHARS + 1))))
    assert last_of(last).failed == "x" * MAX_TURN_CHARS
    Conversation.model_validate(last.conversation.model_dump(mode="json"))


def test_a_question_that_cannot_be_asked_is_told(engine: Engine) -> None:
    """pydantic and the question do not quite agree on what is white space."""
    *_, last = answer_last(Asker(engine), asked("\x1f"), lambda: False)
    assert "empty" in last_of(last).failed


@pytest.mark.parametrize("error", [ValueError("secret detail"), RuntimeError(ASK), MemoryError()])
def test_what_nobody_foresaw_is_logged_and_told_plainly(
    engine: Engine, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    *_, last = steps_of(engine, Told(PassagesFound((PASSAGE,)), QuotesFound(QUOTED), error))
    assert last.stage is None
    assert last_of(last).failed == UNEXPECTED["ru"]
    assert last_of(last).draft is None
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_an_answer_that_was_stopped_ends_without_a_step(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    events = (PassagesFound((PASSAGE,)), QuotesFound(QUOTED), AnswerStoppedError("stopped"))
    steps = steps_of(engine, Told(*events))
    assert [step.stage for step in steps] == [Stage("searching"), Stage("found", 1), Stage("writing", 1)]
    assert last_of(steps[-1]).is_open
    assert not caplog.records


def test_a_stop_reaches_the_language_model(engine: Engine) -> None:
    stop = Event()
    model = ScriptedChatModel(replies=[["Мост закрыли. [1] ", "Его построили из дуба. [1] ", *["Ещё. "] * 50]])
    generative = make_engine(engine.index, HashedWordsModel(), AnswerSettings(), model)
    seen: list[Step] = []
    for step in answer_last(Asker(generative), asked(), stop.is_set):
        seen.append(step)
        if (draft := last_of(step).draft) is not None and draft.mode == "generative":
            stop.set()
    assert seen[-1].stage is not None
    assert last_of(seen[-1]).response is None
    assert not last_of(seen[-1]).failed
    assert becomes(lambda: model.n_closed_early == 1)


def test_closing_ends_the_chain_and_frees_the_index(tmp_path: Path) -> None:
    index = open_index(tmp_path, HashedWordsModel(), ARTICLES[:1])
    told = Told(PassagesFound((PASSAGE,)), QuotesFound(QUOTED), QUOTED)
    engine = replace(make_engine(index, HashedWordsModel(), AnswerSettings()), chain=cast("AnswerChain", told))
    steps = cast("Any", answer_last(Asker(engine), asked(), lambda: False))
    assert [next(steps).stage for _ in range(2)] == [Stage("searching"), Stage("found", 1)]
    with index.lease() as generation:
        assert generation.n_users == 2
        steps.close()
        assert generation.n_users == 1
    assert told.n_closed == 1
    index.close()


# --- around a quote


def cite(engine: Engine, title: str, quote: str) -> Citation:
    with engine.index.lease() as generation:
        [article] = [one for one in generation.articles.page(limit=10) if one.title == title]
    start = article.text.index(quote)
    source = Source(article.article_id, title, None, None, None, "ru")
    return Citation(1, source, quote, start, start + len(quote), 0.9)


@pytest.mark.parametrize(
    ("quote", "before", "after"),
    [
        (SENTENCES[0], "", SENTENCES[1]),
        (SENTENCES[1], SENTENCES[0], SENTENCES[2]),
        (SENTENCES[3], SENTENCES[2], ""),
        (" ".join(SENTENCES[1:3]), SENTENCES[0], SENTENCES[3]),
        (BRIDGE, "", ""),
        ("построили из дуба", "Его", ", а чинили дважды."),
        ("Его построили", SENTENCES[0], "из дуба, а чинили дважды."),
        ("чинили дважды.", "Его построили из дуба, а", SENTENCES[2]),
        ("дважды. Движение", "Его построили из дуба, а чинили", "пустили через брод."),
        ("ост закры", "М", "ли."),
    ],
)
def test_a_quote_stands_in_its_sentence_or_between_its_neighbours(
    engine: Engine, quote: str, before: str, after: str
) -> None:
    assert around(engine.index, cite(engine, "Мост", quote)) == Around(before=before, after=after)


def test_a_long_sentence_is_cut_between_words(engine: Engine) -> None:
    found = around(engine.index, cite(engine, "Список", "середина"))
    for cut, words in ((found.before.removeprefix("…"), found.before), (found.after.removesuffix("…"), found.after)):
        assert cut != words
        assert 0.9 * MAX_AROUND_CHARS < len(cut) <= MAX_AROUND_CHARS
        assert set(cut.split()) == {"слово"}


def test_a_word_without_end_is_left_out(engine: Engine) -> None:
    assert around(engine.index, cite(engine, "Слово", "середина")) == Around(before="…", after="…")


def test_an_article_that_is_gone_has_nothing_around(engine: Engine) -> None:
    assert around(engine.index, CITATION) == Around()


TEXTS = st.lists(st.sampled_from(["Мост", "закрыли", "12", "г.", ".", "!", "…", "«Да»", " ", " ", "\n\n", "."])).map(
    "".join
)


@given(TEXTS, st.data())
def test_what_surrounds_a_text_is_the_rest_of_a_sentence_or_one_more(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    sentences = split_sentences(text)
    found = surrounding(sentences, start, end)
    assert 0 <= found.start <= start <= end <= found.end <= len(text)
    for side in (Span(found.start, start), Span(end, found.end)):
        assert sum(one.start < side.end and one.end > side.start for one in sentences) <= 1
    if start < end and text[start:end].strip():
        assert found.start in {start, *(one.start for one in sentences)}
        assert found.end in {end, *(one.end for one in sentences)}


@given(TEXTS.filter(lambda text: bool(split_sentences(text))), st.data())
def test_whole_sentences_are_shown_between_their_neighbours(text: str, data: st.DataObject) -> None:
    sentences = split_sentences(text)
    first = data.draw(st.integers(0, len(sentences) - 1))
    last = data.draw(st.integers(first, len(sentences) - 1))
    found = surrounding(sentences, sentences[first].start, sentences[last].end)
    assert found.start == sentences[max(first - 1, 0)].start
    assert found.end == sentences[min(last + 1, len(sentences) - 1)].end


@given(TEXTS, st.data())
def test_a_part_of_a_sentence_is_shown_in_it(text: str, data: st.DataObject) -> None:
    sentences = [one for one in split_sentences(text) if one.end - one.start > 2]
    if sentences:
        sentence = data.draw(st.sampled_from(sentences))
        start = data.draw(st.integers(sentence.start + 1, sentence.end - 2))
        end = data.draw(st.integers(start + 1, sentence.end - 1))
        assert surrounding(split_sentences(text), start, end) == sentence
