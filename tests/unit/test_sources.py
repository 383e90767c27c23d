"""The cards beside the conversation: what they tell, where they lead, and that all in them is text."""

from datetime import date
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_render import ELSEWHERE, EVIL, TEXTS, WEB, Element, Html, answer, check_only, citation, refusal, source

from ui.conversation import Around, Conversation, Exchange
from ui.schemas import CitationOut
from ui.sources import FAIR_SCORE, STRONG_SCORE, card_id, empty_panel, sources_panel

OURS: dict[str, set[str]] = {
    "div": {"class"},
    "section": {"class", "data-exchange", "lang"},
    "h2": set(),
    "ol": {"class"},
    "li": {"class", "id"},
    "span": {"class"},
    "p": {"class"},
    "a": {"class", "href", "target", "rel", "lang"},
    "blockquote": {"lang"},
}


def exchange(question: str = "What opened?", **values: Any) -> Exchange:
    return Exchange(question=question, **values)


def cited(*citations: CitationOut, question: str = "What opened?", around: list[Around] | None = None) -> Exchange:
    return exchange(question, response=answer(citations=list(citations)), around=around or [])


def panel(*exchanges: Exchange) -> Html:
    html = Html(sources_panel(Conversation(exchanges=list(exchanges))))
    check_only(html, OURS)
    return html


def all_of(html: Html, tag: str, cls: str | None = None) -> list[Element]:
    """Those of a tag that have a class, perhaps with others."""
    found = [element for element in html.elements if element.tag == tag]
    return [one for one in found if cls is None or cls in (one.attributes.get("class") or "").split()]


def texts(html: Html, tag: str, cls: str | None = None) -> list[str]:
    return [element.text for element in all_of(html, tag, cls)]


def hrefs(html: Html, cls: str) -> list[str]:
    return [str(element.attributes["href"]) for element in all_of(html, "a", cls)]


# --- cards


def test_a_card_tells_number_title_publisher_day_strength_quote_and_links() -> None:
    html = panel(cited(citation(3, "It opened.", 7)))
    assert texts(html, "span", "otvet-number") == ["3"]
    assert texts(html, "a", "otvet-open") == ["Bridge"]
    assert texts(html, "p", "otvet-details") == ["Gazette · 2025-03-01 · close to the question · Original"]
    assert texts(html, "span", "otvet-quote") == ["It opened."]
    assert hrefs(html, "otvet-open") == ["/read/0123456789abcdef?start=7&end=17#quote"]
    assert hrefs(html, "otvet-original") == ["https://news.example/1"]
    for link in all_of(html, "a"):
        assert link.attributes["target"] == "_blank"
        assert "noopener" in str(link.attributes["rel"]).split()


def test_what_is_not_known_is_left_out() -> None:
    html = panel(cited(citation(publisher=None, published_at=None, url=None, score=0.1)))
    assert texts(html, "p", "otvet-details") == ["no date · possibly about it"]
    assert hrefs(html, "otvet-original") == []


def test_cards_stand_in_the_order_of_the_citations_and_have_the_ids_that_markers_link_to() -> None:
    html = panel(cited(citation(1), citation(2)), cited(citation(1), citation(4), citation(2)))
    assert texts(html, "span", "otvet-number") == ["1", "2", "1", "4", "2"]
    ids = [card.attributes["id"] for card in all_of(html, "li")]
    assert ids == [card_id(0, 1), card_id(0, 2), card_id(1, 1), card_id(1, 4), card_id(1, 2)]
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    ("score", "russian", "english"),
    [
        (1.0, "близко к вопросу", "close to the question"),
        (STRONG_SCORE, "близко к вопросу", "close to the question"),
        (STRONG_SCORE - 1e-9, "скорее о том же", "likely about it"),
        (FAIR_SCORE, "скорее о том же", "likely about it"),
        (FAIR_SCORE - 1e-9, "возможно, о том же", "possibly about it"),
        (0.0, "возможно, о том же", "possibly about it"),
    ],
)
def test_a_score_is_told_in_words(score: float, russian: str, english: str) -> None:
    assert english in panel(cited(citation(score=score))).only("p", "otvet-details").text.split(" · ")
    html = panel(cited(citation(score=score), question="Что открыли?"))
    assert russian in html.only("p", "otvet-details").text.split(" · ")


# --- what is around a quote


def quoted(html: Html) -> list[str]:
    return texts(html, "blockquote")


def test_a_quote_stands_in_its_sentence() -> None:
    html = panel(cited(citation(1), citation(2), around=[Around(before="Before.", after="After."), Around()]))
    assert quoted(html) == ["Before. It opened. After.", "It opened."]
    assert texts(html, "span", "otvet-around") == ["Before. ", " After."]
    assert texts(html, "span", "otvet-quote") == ["It opened."] * 2


@pytest.mark.parametrize("n_around", range(5))
def test_each_citation_has_its_card_however_many_surroundings_there_are(n_around: int) -> None:
    around = [Around(before=f"Before {n}.") for n in range(n_around)]
    html = panel(cited(citation(1), citation(2), citation(3), around=around))
    assert texts(html, "span", "otvet-number") == ["1", "2", "3"]
    known = [f"Before {n}. It opened." for n in range(min(n_around, 3))]
    assert quoted(html) == known + ["It opened."] * (3 - len(known))


# --- sections


def test_every_exchange_has_a_section_and_the_last_is_chosen() -> None:
    html = panel(exchange("One?"), exchange("Two?", is_stopped=True), exchange("Три?"))
    sections = all_of(html, "section")
    assert [one.attributes["data-exchange"] for one in sections] == ["0", "1", "2"]
    assert [one.attributes["class"] for one in sections] == ["otvet-panel"] * 2 + ["otvet-panel is-chosen"]
    assert [one.attributes["lang"] for one in sections] == ["en", "en", "ru"]
    assert texts(html, "p", "otvet-of") == ["One?", "Two?", "Три?"]
    assert all_of(panel(), "section") == []


def test_what_has_no_sources_says_so() -> None:
    for one in (exchange(), exchange(failed="Broken."), exchange(response=answer("Hello!", citations=[]))):
        html = panel(one)
        assert texts(html, "p", "otvet-hint") == ["No sources."]
        assert not all_of(html, "ol")
    assert texts(panel(exchange("Что?")), "p", "otvet-hint") == ["Источников нет."]


def test_a_draft_shows_its_sources_until_there_is_a_response() -> None:
    draft, response = answer(citations=[citation(1, title="Draft")]), answer(citations=[citation(1, title="Response")])
    assert texts(panel(exchange(draft=draft)), "a", "otvet-open") == ["Draft"]
    assert texts(panel(exchange(draft=draft, is_stopped=True)), "a", "otvet-open") == ["Draft"]
    assert texts(panel(exchange(draft=draft, response=response)), "a", "otvet-open") == ["Response"]


def test_a_refusal_offers_the_nearest_articles() -> None:
    near = [source(title="Tunnel", url=None), source(article_id="b" * 16, publisher=None)]
    html = panel(exchange(response=refusal(nearest=near)), exchange("Что?", response=refusal(nearest=near)))
    assert texts(html, "h2") == ["Nearest articles", "Ближайшие статьи"]
    assert texts(html, "a", "otvet-open")[:2] == ["Tunnel", "Bridge"]
    assert hrefs(html, "otvet-open")[:2] == ["/read/0123456789abcdef", f"/read/{'b' * 16}"]
    assert texts(html, "p", "otvet-details")[:2] == ["Gazette · 2025-03-01", "2025-03-01 · Original"]
    assert {span.attributes["class"] for span in all_of(html, "span")} == {"otvet-facts"}
    assert not all_of(html, "blockquote")
    assert not any("id" in card.attributes for card in all_of(html, "li"))
    assert texts(panel(exchange(response=refusal())), "p", "otvet-hint") == ["No sources."]


def test_titles_and_quotes_are_in_the_language_of_their_article_and_all_else_in_the_questions() -> None:
    html = panel(cited(citation(language="ru"), citation(2, language="en"), question="What opened?"))
    assert [one.attributes["lang"] for one in all_of(html, "blockquote")] == ["ru", "en"]
    assert [one.attributes["lang"] for one in all_of(html, "a", "otvet-open")] == ["ru", "en"]
    assert all_of(html, "section")[0].attributes["lang"] == "en"
    assert texts(html, "h2") == ["Sources"]
    assert texts(panel(cited(citation(language="en"), question="Что?")), "h2") == ["Источники"]


def test_before_the_first_question_the_newest_articles_are_offered() -> None:
    html = Html(empty_panel([source(), source(title="Tunnel", published_at=date(2025, 3, 2))], "en"))
    check_only(html, OURS)
    assert texts(html, "p", "otvet-hint") == ["The sources of an answer appear here."]
    assert texts(html, "h2") == ["Newest articles"]
    assert texts(html, "a", "otvet-open") == ["Bridge", "Tunnel"]
    html = Html(empty_panel([], "ru"))
    assert texts(html, "p") == ["Здесь появятся источники ответа."]
    assert not all_of(html, "h2")


# --- text stays text


@pytest.mark.parametrize("evil", EVIL)
def test_what_is_evil_is_shown_as_text(evil: str) -> None:
    values: dict[str, Any] = {"title": evil, "publisher": evil, "url": evil, "language": evil}
    html = panel(
        cited(citation(1, evil, **values), question=evil, around=[Around(before=evil, after=evil)]),
        exchange(evil, response=refusal(evil, nearest=[source(**values)])),
    )
    assert texts(html, "p", "otvet-of") == [evil.strip()] * 2
    assert texts(html, "a", "otvet-open") == [evil] * 2
    assert texts(html, "span", "otvet-quote") == [evil]
    assert quoted(html) == [f"{evil} {evil} {evil}"]
    for told in texts(html, "p", "otvet-details"):
        assert told.startswith(f"{evil} · 2025-03-01")
    for link in hrefs(html, "otvet-open"):
        assert link.startswith("/read/0123456789abcdef")
    for link in hrefs(html, "otvet-original"):
        assert link.startswith("https://")
    check_only(Html(empty_panel([source(**values)], "en")), OURS)


@given(TEXTS.filter(str.strip), TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_text_is_shown_as_it_is(question: str, title: str, quote: str, before: str, after: str) -> None:
    one = cited(citation(1, quote, title=title), question=question, around=[Around(before=before, after=after)])
    html = panel(one, exchange(question, response=refusal(nearest=[source(title=title)])))
    assert texts(html, "p", "otvet-of") == [one.question] * 2
    assert texts(html, "a", "otvet-open") == [title] * 2
    assert texts(html, "span", "otvet-quote") == [quote]
    assert quoted(html) == [(f"{before} " if before else "") + quote + (f" {after}" if after else "")]


@given(TEXTS, st.integers(0, 10**6), st.integers(0, 10**4))
def test_an_id_of_another_retriever_cannot_leave_its_link(article_id: str, start: int, n_chars: int) -> None:
    html = panel(cited(citation(article_id=article_id, start=start, end=start + n_chars)))
    link = urlsplit(all_of(html, "a", "otvet-open")[0].attributes["href"] or "")
    assert (link.scheme, link.netloc, link.path.count("/"), link.fragment) == ("", "", 2, "quote")
    assert parse_qs(link.query) == {"start": [str(start)], "end": [str(start + n_chars)]}


@pytest.mark.parametrize("url", WEB)
def test_an_address_of_the_web_is_linked(url: str) -> None:
    assert hrefs(panel(cited(citation(url=url))), "otvet-original") == [url]
    assert hrefs(panel(exchange(response=refusal(nearest=[source(url=url)]))), "otvet-original") == [url]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_any_other_address_is_not_linked(url: str | None) -> None:
    html = sources_panel(Conversation(exchanges=[cited(citation(url=url)), exchange(response=refusal(nearest=[]))]))
    assert hrefs(Html(html), "otvet-original") == []
    assert not url or len(url) < 5 or url not in unescape(html)
