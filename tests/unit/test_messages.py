"""What the conversation shows: each message one inert block, its markers linked to the cards of their citations."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_render import EVIL, MARKDOWN, MARKS, TEXTS, Html, answer, check_only, citation, differ, lines, period, refusal

from ui.conversation import Conversation, Exchange
from ui.messages import Stage, answer_message, messages
from ui.schemas import AnswerOut
from ui.sources import sources_panel

OURS: dict[str, set[str]] = {
    "div": {"class", "lang"},
    "p": {"class"},
    "span": {"class"},
    "a": {"class", "href", "title"},
    "button": {"type", "class"},
    "br": set(),
}
QUESTIONS = TEXTS.map(str.strip).filter(bool)


def exchange(question: str = "What opened?", **values: Any) -> Exchange:
    return Exchange(question=question, **values)


def block(html: str) -> Html:
    """A message that is one element of ours, however it is read: as HTML, or as Markdown that HTML may stand in."""
    assert len(html.splitlines()) == 1
    assert MARKDOWN.render(html).rstrip("\n") == html
    as_html = Html(html)
    check_only(as_html, OURS)
    assert classes(as_html.elements[0].attributes)[0] == "otvet-message"
    assert sum("otvet-message" in classes(element.attributes) for element in as_html.elements) == 1
    return as_html


def classes(attributes: dict[str, str | None]) -> list[str]:
    return (attributes.get("class") or "").split()


def shown(one: Exchange, stage: Stage | None = None, n: int = 0) -> Html:
    return block(answer_message(n, one, stage))


def kind(html: Html) -> str:
    [kind] = set(classes(html.elements[0].attributes)) - {"otvet-message"}
    return kind


def with_class(html: Html, name: str) -> list[str]:
    return [element.text for element in html.elements if name in classes(element.attributes)]


def answer_text(html: Html) -> str:
    [text] = with_class(html, "otvet-text")
    return text


def steps(html: Html) -> list[tuple[str, str]]:
    found = [element for element in html.elements if "otvet-step" in classes(element.attributes)]
    return [(element.text, classes(element.attributes)[1].removeprefix("is-")) for element in found]


# --- text stays text


@given(QUESTIONS, QUESTIONS)
def test_a_question_is_shown_as_it_was_typed(first: str, second: str) -> None:
    one, _, other, _ = messages(Conversation(exchanges=[exchange(first), exchange(second)]))
    assert one["role"] == other["role"] == "user"
    for message, question in ((one, first), (other, second)):
        html = block(message["content"])
        assert kind(html) == "otvet-asked"
        assert lines(html.text) == lines(question)
        assert {element.tag for element in html.elements} <= {"div", "p", "br"}


@given(TEXTS, st.sampled_from(["extractive", "generative", "conversation"]))
def test_an_answer_is_shown_as_it_was_written(text: str, mode: str) -> None:
    """Also where it has numbers in brackets that are no citations."""
    html = shown(exchange(response=answer(text, mode=mode, citations=[])))
    assert kind(html) == "otvet-answer"
    assert lines(html.text) == lines(text)
    assert {element.tag for element in html.elements} <= {"div", "p", "br"}


@given(st.text(f"{MARKS}[[[]]]12", max_size=60), st.text(MARKS, max_size=20))
def test_markers_are_links_and_all_else_is_text(text: str, title: str) -> None:
    html = shown(exchange(response=answer(text, citations=[citation(1, title=title), citation(12, title=title)])), n=3)
    assert "".join(with_class(html, "otvet-text")[0].split()) == "".join(text.split())  # paragraphs are elements
    links = [element for element in html.elements if element.tag == "a"]
    assert [link.text for link in links] == re.findall(r"\[12?\]", text)
    for link in links:
        assert link.attributes["href"] == f"#source-3-{link.text[1:-1]}"
        assert link.attributes["title"] == " ".join(title.split())


@given(TEXTS, TEXTS, TEXTS)
def test_remarks_are_notes_of_mere_text(notice: str, query: str, named: str) -> None:
    told = answer(query=query, notice=f"!{notice}", period=period(named), disagreements=[differ(named, query)])
    html = shown(exchange(response=told))
    notes = with_class(html, "otvet-note")
    assert len(notes) == 4
    for note, told_text in zip(notes, (query, f"!{notice}", named, query), strict=True):
        assert " ".join(told_text.split()) in note


@given(QUESTIONS)
def test_a_failure_is_told_in_its_words(failed: str) -> None:
    html = shown(exchange(failed=failed))
    assert kind(html) == "otvet-failed"
    assert lines(html.text) == lines(failed)
    assert {element.tag for element in html.elements} <= {"div", "p", "br"}


@given(TEXTS, TEXTS)
def test_a_refusal_is_told_in_its_words(text: str, query: str) -> None:
    html = shown(exchange(response=refusal(text, query=query)))
    heading, *told, note = lines(html.text)
    assert heading == "No answer"
    assert told == lines(text)
    assert note == " ".join(f"Understood as: {query}".split())


@pytest.mark.parametrize("evil", EVIL)
def test_what_is_evil_is_shown_as_text_wherever_it_stands(evil: str) -> None:
    cited = [citation(1, evil, title=evil, publisher=evil, url=evil, language=evil, article_id=evil)]
    told = answer(
        f"{evil} [1]", language=evil, citations=cited, notice=evil, query=evil, disagreements=[differ(evil, evil)]
    )
    for one, stage in (
        (exchange(evil, response=told), None),
        (exchange(evil, response=refusal(evil, language=evil, query=evil)), None),
        (exchange(evil, failed=evil), None),
        (exchange(evil, draft=told), Stage("writing", 3)),
        (exchange(evil, draft=told, is_stopped=True), None),
    ):
        for message in messages(Conversation(exchanges=[one]), stage):
            html = block(message["content"])
            assert " ".join(evil.split()) in " ".join(html.text.split())
            for link in (element for element in html.elements if element.tag == "a"):
                assert link.attributes["href"] == "#source-0-1"


def test_paragraphs_are_kept_and_lines_broken() -> None:
    html = shown(exchange(response=answer("One\ntwo. [1]\n\n \n\nThree.", citations=[citation(1)])))
    assert [element.tag for element in html.elements if element.tag in ("p", "br")][:3] == ["p", "br", "p"]
    assert lines(answer_text(html)) == ["One", "two. [1]Three."]
    asked = block(messages(Conversation(exchanges=[exchange("a\n\nb\nc")]))[0]["content"])
    assert asked.text == "a\nb\nc\n"


# --- markers


def test_a_number_without_a_citation_stays_text() -> None:
    text = "A [1] b [2] c [3] d [01] e [1000] f [x] g [] h [[2]] i [١] j [-1]"
    html = shown(exchange(response=answer(text)))
    assert answer_text(html) == text
    links = [element.attributes["href"] for element in html.elements if element.tag == "a"]
    assert links == ["#source-0-1", "#source-0-2", "#source-0-2"]


def test_every_marker_leads_to_a_card_of_its_own_exchange() -> None:
    conversation = Conversation(exchanges=[exchange(response=answer()), exchange(response=answer())])
    ids = [element.attributes["id"] for element in Html(sources_panel(conversation)).elements if element.tag == "li"]
    assert len(set(ids)) == len(ids) == 4
    hrefs = []
    for message in messages(conversation):
        hrefs += [one.attributes["href"] for one in Html(message["content"]).elements if one.tag == "a"]
    assert hrefs == [f"#{card}" for card in ids]


# --- how far it is


@pytest.mark.parametrize(
    ("stage", "shown_steps"),
    [
        (Stage("searching"), [("Searching", "now"), ("Writing the answer", "next"), ("Checking", "next")]),
        (Stage("found", 7), [("7 passages found", "done"), ("Writing the answer", "now"), ("Checking", "next")]),
        (Stage("writing", 7), [("7 passages found", "done"), ("Writing the answer", "now"), ("Checking", "next")]),
    ],
)
def test_stages_tell_what_is_done_and_what_is_at_work(stage: Stage, shown_steps: list[tuple[str, str]]) -> None:
    html = shown(exchange(), stage)
    assert kind(html) == "otvet-unfinished"
    assert steps(html) == shown_steps


def test_stages_are_told_in_russian_to_a_russian_question() -> None:
    html = shown(exchange("Что открыли?"), Stage("found", 2))
    assert [text for text, _ in steps(html)] == ["Найдено отрывков: 2", "Пишу ответ", "Проверка"]
    assert html.elements[0].attributes["lang"] == "ru"


def test_quotes_are_told_to_be_for_the_meantime_until_there_is_a_draft() -> None:
    quotes = answer("Quoted. [1]", mode="extractive")
    html = shown(exchange(draft=quotes), Stage("writing", 2))
    assert with_class(html, "otvet-note") == ["Meanwhile, quotes from the articles:"]
    assert with_class(html, "is-quoted") == ["Quoted. [1]"]
    written = quotes.model_copy(update={"mode": "generative", "text": "Written. [1]"})
    html = shown(exchange(draft=written), Stage("writing", 2))
    assert with_class(html, "otvet-note") == []
    assert with_class(html, "is-written") == ["Written. [1]"]
    assert len(steps(html)) == 3


def test_only_the_last_exchange_is_at_a_stage() -> None:
    conversation = Conversation(exchanges=[exchange(), exchange(is_stopped=True), exchange()])
    _, first, _, second, _, last = (Html(one["content"]) for one in messages(conversation, Stage("searching")))
    assert steps(last)
    assert not steps(first)
    assert not steps(second)
    assert [one["role"] for one in messages(conversation)] == ["user", "assistant"] * 3
    assert messages(Conversation(), Stage("searching")) == []


# --- how it ended


@pytest.mark.parametrize(
    ("question", "values", "note"),
    [
        ("Why?", {}, "The answer broke off, as the page or the server was restarted. Press Retry."),
        ("Why?", {"draft": answer()}, "The answer broke off, as the page or the server was restarted. Press Retry."),
        ("Why?", {"is_stopped": True}, "Stopped."),
        ("Why?", {"is_stopped": True, "draft": answer()}, "Stopped: above is what there was by then."),
        ("Зачем?", {}, "Ответ прервался: страница или сервер были перезапущены. Нажмите «Повторить»."),
        ("Зачем?", {"is_stopped": True}, "Остановлено."),
        ("Зачем?", {"is_stopped": True, "draft": answer()}, "Остановлено: выше то, что успело появиться."),
    ],
)
def test_what_has_no_answer_says_why(question: str, values: dict[str, Any], note: str) -> None:
    html = shown(exchange(question, **values))
    assert kind(html) == "otvet-unfinished"
    assert with_class(html, "otvet-note") == [note]
    assert not steps(html)
    assert not with_class(html, "otvet-foot")
    assert with_class(html, "otvet-text") == (["Text. [1] [2]"] if "draft" in values else [])


def test_a_failure_outlives_the_stage() -> None:
    assert kind(shown(exchange(failed="The index is gone."), Stage("writing", 3))) == "otvet-failed"


@pytest.mark.parametrize(("question", "heading"), [("Why?", "No answer"), ("Зачем?", "Ответа нет")])
def test_a_refusal_looks_like_none_of_the_answers(question: str, heading: str) -> None:
    html = shown(exchange(question, response=refusal("Nothing is said of it.", period=period("in May"))))
    assert kind(html) == "otvet-refusal"
    assert with_class(html, "otvet-heading") == [heading]
    assert len(with_class(html, "otvet-note")) == 1
    assert not with_class(html, "otvet-foot")
    assert not with_class(html, "otvet-text")


def test_languages_are_told_to_screen_readers() -> None:
    html = shown(exchange("What opened?", response=answer("Мост. [1]", language="ru")))
    assert html.elements[0].attributes["lang"] == "en"
    assert [one.attributes["lang"] for one in html.elements if "otvet-text" in classes(one.attributes)] == ["ru"]


# --- below an answer


def foot(question: str, found: AnswerOut) -> str:
    [told] = with_class(shown(exchange(question, response=found)), "otvet-foot")
    return told


@pytest.mark.parametrize(
    ("ms", "russian", "english"),
    [
        (0.0, "0,00 с", "0.00 s"),
        (124.0, "0,12 с", "0.12 s"),
        (1_000.0, "1,0 с", "1.0 s"),
        (12_345.0, "12,3 с", "12.3 s"),
    ],
)
def test_seconds_are_written_as_each_language_writes_them(ms: float, russian: str, english: str) -> None:
    found = answer(timings_ms={"retrieve": 5.0, "total": ms})
    assert foot("Что открыли?", found) == f"Цитат сверено со статьями: 2 · {russian}Копировать"
    assert foot("What opened?", found) == f"Quotes checked against the articles: 2 · {english}Copy"


def test_seconds_of_the_stages_count_where_there_is_no_total() -> None:
    assert "1.5 s" in foot("What opened?", answer(timings_ms={"retrieve": 500.0, "extractive": 1_000.0}))


def test_talk_without_an_article_has_nothing_below() -> None:
    html = shown(exchange("Hello!", response=answer("Hello!", mode="conversation", citations=[])))
    assert html.text == "Hello!\n"
    assert not with_class(html, "otvet-foot")
