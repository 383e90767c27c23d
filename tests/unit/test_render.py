"""What comes from outside is shown as text: in Markdown, on cards, on the page of an article."""

import re
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from index.records import Article
from qa.dates import Period
from qa.records import Answer, Citation, Disagreement, Refusal, RefusalReason, Source
from ui.render import (
    answer_cards,
    answer_markdown,
    article_link,
    article_page,
    missing_page,
    plain_markdown,
    refusal_cards,
    remarks,
    remarks_markdown,
    status,
)

COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])
EVIL = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</mark></div><iframe src=//evil.example></iframe>",
    "<!-- comment --><b>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<b>]]>",
    "<?php echo 1 ?>",
    "javascript:alert(1)",
    "jAvA\tscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/x",
    "http://[evil",
    "https://evil.example/\"onclick='alert(1)'<b>",
    "${alert(1)} {{constructor.constructor('alert(1)')()}} #{1} <%= 1 %>",
    "![pixel](https://evil.example/p.png)",
    "[click](javascript:alert(1)) [ref]: https://evil.example",
    "<https://evil.example> https://evil.example www.evil.example me@evil.example",
    "# h *i* **b** ~~s~~ `c` > q | a | b |\n|---|---|\n| 1 | 2 |",
    "    code\n\tcode\n```\nfence\n```\n***\n1. one\n- two\n===",
    "&lt;b&gt; &#60;script&#62; &amp;",
    "$$x$$ \\(x\\) \\[x\\]",
]
CARD_ATTRIBUTES = {"section": {"class"}, "h2": set(), "a": {"class", "href", "target", "rel"}, "span": {"class"}}
PAGE_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: set() for tag in ("head", "title", "style", "body", "main", "h1")},
    "html": {"lang"},
    "meta": {"charset", "name", "content"},
    "p": {"class"},
    "a": {"href", "rel"},
    "div": {"class"},
    "mark": {"id", "tabindex"},
}


@dataclass
class Element:
    """A tag that was met, and all the text inside it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Html(HTMLParser):
    """Elements, text, and whatever else a piece of HTML holds."""

    source: str
    elements: list[Element] = field(default_factory=list)
    text: str = ""
    others: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self.feed(self.source)
        self.close()
        assert all(element.tag in ("br", "meta") for element in self._open), self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))
        if tag not in ("br", "meta"):
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag != "br":
            assert self._open.pop().tag == tag
        if tag == "p":
            self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data
        for element in self._open:
            element.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        if decl != "doctype html":
            self.others.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def only(self, tag: str, cls: str | None = None) -> Element:
        found = [one for one in self.elements if one.tag == tag and (cls is None or one.attributes.get("class") == cls)]
        assert len(found) == 1, found
        return found[0]


def check_only(html: Html, allowed: dict[str, set[str]]) -> None:
    assert not html.others
    for element in html.elements:
        assert set(element.attributes) <= allowed[element.tag], element


def words(text: str) -> list[str]:
    return text.split()


def source(**values: Any) -> Source:
    made = {"article_id": "0123456789abcdef", "title": "Bridge", "published_at": date(2025, 3, 1), "language": "en"}
    return Source(**{"publisher": "Gazette", "url": "https://news.example/1", **made, **values})


def citation(marker: int = 1, quote: str = "It opened.", start: int = 0, **values: Any) -> Citation:
    return Citation(marker, source(**values), quote, start, start + len(quote), 0.9)


def article(text: str = "It opened. It is long.", **values: Any) -> Article:
    made = {"article_id": "0123456789abcdef", "title": "Bridge", "published_at": date(2025, 3, 1), "language": "en"}
    rest = {"publisher": "Gazette", "url": None, "authors": (), "source": "bridge.txt"}
    return Article(**{**made, **rest, **values, "text": text})  # type: ignore[arg-type]


def page(shown: Article, start: int | None = None, end: int | None = None) -> Html:
    return Html(article_page(shown, start=start, end=end, language="en"))


MARKDOWN_MARKS = "ab1 \t\n\r#*_`[]()<>!&;:/\\.-+=~|\"'$@{}^%,?"


@given(st.one_of(st.text(MARKDOWN_MARKS), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_plain_markdown_is_shown_as_the_text(text: str) -> None:
    shown = Html(COMMONMARK.render(plain_markdown(text)))
    assert words(shown.text) == words(text)
    check_only(shown, {"p": set(), "br": set()})


@pytest.mark.parametrize("text", EVIL)
def test_plain_markdown_defuses(text: str) -> None:
    shown = Html(COMMONMARK.render(plain_markdown(text)))
    assert words(shown.text) == words(text)
    check_only(shown, {"p": set(), "br": set()})


@given(st.text(MARKDOWN_MARKS))
def test_a_quoted_answer_holds_nothing_but_its_text(text: str) -> None:
    shown = Html(COMMONMARK.render(answer_markdown(text, [], quoted=True)))
    assert words(shown.text) == words(text)
    check_only(shown, {"blockquote": set(), "p": set(), "br": set()})


def test_markers_lead_to_their_quotes() -> None:
    cited = citation(2, start=7)
    shown = Html(COMMONMARK.render(answer_markdown("Built [2] and *opened* [1].", [cited], quoted=True)))
    assert words(shown.text) == words("Built [2] and *opened* [1].")
    link = shown.only("a")
    assert link.text == "[2]"
    assert link.attributes == {"href": "/read/0123456789abcdef?start=7&end=17#quote"}


def test_an_answer_of_two_paragraphs_is_one_block_quote() -> None:
    shown = Html(COMMONMARK.render(answer_markdown("One. [1]\n\nTwo. [2]", [citation(1), citation(2)], quoted=True)))
    assert [element.tag for element in shown.elements] == ["blockquote", "p", "a", "p", "a"]


def test_an_id_of_another_retriever_cannot_leave_its_link() -> None:
    evil = source(article_id='a/../b?c#d" onclick="e) <b>')
    path = urlsplit(article_link(evil, start=1, end=2))
    assert path.path.count("/") == 2
    assert path.query == "start=1&end=2"
    shown = Html(COMMONMARK.render(answer_markdown("[1]", [Citation(1, evil, "q", 0, 1, 0.5)], quoted=False)))
    assert [element.tag for element in shown.elements] == ["p", "a"]


def test_status_and_remarks_are_emphasised_lines() -> None:
    for line in (status([], "ru"), status([], "en")):
        shown = Html(COMMONMARK.render(line))
        assert [element.tag for element in shown.elements] == ["p", "em"]
        assert "0" in shown.text
    answer = Answer("Text.", "en", "extractive", (), notice="The model <b>failed</b>.")
    shown = Html(COMMONMARK.render(remarks_markdown(answer, "en") + "Text"))
    assert [element.tag for element in shown.elements] == ["p", "em", "p"]
    assert shown.only("em").text == "The model <b>failed</b>."
    assert remarks_markdown(Answer("Text.", "en", "extractive", ()), "en") == ""
    assert remarks_markdown(Refusal(RefusalReason.NOT_STATED, "No.", "en", ()), "en") == ""


def told(**values: Any) -> Answer:
    return Answer("Text. [1] [2]", "en", "extractive", (citation(1), citation(2)), **values)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (date(2025, 10, 1), date(2025, 11, 2), "2025-10-01 – 2025-11-02"),
        (date(2025, 10, 1), None, "2025-10-01 – …"),
        (None, date(2025, 10, 1), "… – 2025-10-01"),
        (date(2025, 10, 1), date(2025, 10, 1), "2025-10-01"),
    ],
)
def test_a_period_is_told_with_its_days_and_its_words(first: date | None, last: date | None, days: str) -> None:
    period = Period(first, last, "in October")
    assert remarks(told(period=period), "en") == [f"Only articles of {days} (“in October” in the question)."]
    assert remarks(told(period=period), "ru") == [f"Только статьи за {days} («in October» в вопросе)."]
    refusal = Refusal(RefusalReason.NO_ARTICLES, "No.", "en", (), period=period)
    assert remarks(refusal, "en") == remarks(told(period=period), "en")


def test_differences_are_told_with_their_words_and_markers() -> None:
    answer = told(disagreements=(Disagreement((1, 2), ("12 men", "15 men")), Disagreement((1, 3), ("May", "June"))))
    assert remarks(answer, "en") == [
        "The articles differ: “12 men” [1], “15 men” [2].",
        "The articles differ: “May” [1], “June” [3].",
    ]
    assert remarks(answer, "ru")[0] == "Статьи расходятся: «12 men» [1], «15 men» [2]."


def test_all_that_there_is_to_know_is_told() -> None:
    difference = Disagreement((1, 2), ("12", "15"))
    answer = told(notice="Widened.", period=Period(date(2025, 1, 1), None, "since"), disagreements=(difference,))
    assert [line.split()[0] for line in remarks(answer, "en")] == ["Widened.", "Only", "The"]


@given(st.text(MARKDOWN_MARKS, max_size=30), st.text(MARKDOWN_MARKS, max_size=30))
def test_remarks_are_emphasised_lines_of_mere_text(one: str, other: str) -> None:
    period = Period(date(2025, 10, 1), None, f"в{one}")
    answer = told(notice=f"(!) {one}{other}.", period=period, disagreements=(Disagreement((1, 2), (one, other)),))
    for language in ("ru", "en"):
        lines = remarks(answer, language)  # type: ignore[arg-type]
        html = Html(COMMONMARK.render(remarks_markdown(answer, language) + "Text"))  # type: ignore[arg-type]
        assert [element.tag for element in html.elements] == ["p", "em"] * 3 + ["p"]
        assert [words(element.text) for element in html.elements if element.tag == "em"] == list(map(words, lines))


@pytest.mark.parametrize("evil", EVIL)
def test_remarks_defuse(evil: str) -> None:
    answer = told(period=Period(None, date(2025, 10, 1), evil), disagreements=(Disagreement((1, 2), (evil, evil)),))
    html = Html(COMMONMARK.render(remarks_markdown(answer, "ru")))
    check_only(html, {"p": set(), "em": set()})
    assert words(html.text) == words(" ".join(remarks(answer, "ru")))
    assert html.text.count(" ".join(evil.split())) == 3


@pytest.mark.parametrize("evil", EVIL)
def test_cards_show_what_is_evil_as_text(evil: str) -> None:
    html = Html(answer_cards([citation(title=evil, publisher=evil, url=evil, quote=evil)], "en"))
    check_only(html, CARD_ATTRIBUTES)
    assert html.only("span", "otvet-title").text == f"1{evil}"
    assert html.only("span", "otvet-details").text == f"{evil} · 2025-03-01"
    assert html.only("span", "otvet-quote").text == evil
    assert html.only("a").attributes["href"] == f"/read/0123456789abcdef?start=0&end={len(evil)}#quote"


@pytest.mark.parametrize("evil", EVIL)
def test_nearest_articles_show_what_is_evil_as_text(evil: str) -> None:
    refusal = Refusal(RefusalReason.NOT_RELEVANT, "No.", "en", (source(title=evil, publisher=evil, url=evil),))
    html = Html(refusal_cards(refusal))
    check_only(html, CARD_ATTRIBUTES)
    assert html.only("span", "otvet-title").text == evil
    assert html.only("a").attributes["href"] == "/read/0123456789abcdef"


@pytest.mark.parametrize("evil", EVIL)
def test_article_page_shows_what_is_evil_as_text(evil: str) -> None:
    text = f"Before. {evil} After."
    values = {"title": evil, "publisher": evil, "url": evil, "authors": (evil, evil), "language": evil}
    html = page(article(text, **values), 8, 8 + len(evil))
    check_only(html, PAGE_ATTRIBUTES)
    assert html.only("h1").text == html.only("title").text == evil
    assert html.only("div").text == text
    assert html.only("mark").text == evil
    assert html.only("p").text.startswith(f"{evil} · 2025-03-01 · {evil}, {evil}")
    for link in (element for element in html.elements if element.tag == "a"):
        assert str(link.attributes["href"]).startswith("https://")


def test_the_original_is_linked_where_its_address_is_of_the_web() -> None:
    html = page(article(url="http://news.example/a?b=1&c=2"))
    assert html.only("a").attributes["href"] == "http://news.example/a?b=1&c=2"
    for other in ("javascript:alert(1)", "file:///etc/passwd", "news.example/a", "http://[", None):
        assert "<a" not in article_page(article(url=other), start=None, end=None, language="en")


@given(st.text(min_size=1).filter(str.strip), st.data())
def test_highlight_is_exactly_the_slice(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    html = article_page(article(text), start=start, end=end, language="en")
    found = re.search(r'<div class="text">(.*?)<mark id="quote" tabindex="-1">(.*?)</mark>(.*?)</div>', html, re.DOTALL)
    assert found is not None
    parts = [Html(part).text for part in found.groups()]
    assert parts == [text[:start], text[start:end], text[end:]]


@pytest.mark.parametrize(
    ("start", "end"),
    [(-1, 5), (-5, -1), (5, 5), (6, 5), (0, 23), (22, 23), (10**30, 10**30 + 1), (None, 5), (5, None), (None, None)],
)
def test_a_place_that_is_none_is_not_highlighted(start: int | None, end: int | None) -> None:
    shown = article()
    assert len(shown.text) == 22
    html = page(shown, start, end)
    assert html.only("div").text == shown.text
    assert "mark" not in {element.tag for element in html.elements}


def test_an_article_without_date_publisher_and_authors() -> None:
    bare = article(publisher=None, published_at=None)
    assert page(bare).only("p").text == "no date"
    assert "без даты" in article_page(bare, start=None, end=None, language="ru")


def test_an_unknown_article_has_a_page_that_says_so() -> None:
    for language, says in (("ru", "Такой статьи в индексе нет."), ("en", "There is no such article in the index.")):
        html = Html(missing_page(language))  # type: ignore[arg-type]
        check_only(html, PAGE_ATTRIBUTES)
        assert html.only("p").text == says
        assert html.only("html").attributes["lang"] == language


def test_panels_speak_the_language_asked_for() -> None:
    assert Html(answer_cards([citation()], "ru")).only("h2").text == "Источники"
    assert Html(answer_cards([citation()], "en")).only("h2").text == "Sources"
    refusal = Refusal(RefusalReason.NOT_RELEVANT, "Нет.", "ru", (source(),))
    assert Html(refusal_cards(refusal)).only("h2").text == "Ближайшие статьи"
    assert refusal_cards(Refusal(RefusalReason.NO_ARTICLES, "Нет.", "ru", ())) == ""


def test_cards_stand_in_the_order_of_their_numbers() -> None:
    html = Html(answer_cards([citation(1), citation(2), citation(3)], "en"))
    numbers = [element.text for element in html.elements if element.attributes.get("class") == "otvet-number"]
    assert numbers == ["1", "2", "3"]


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_links_carry_the_place(start: int, n_chars: int) -> None:
    link = urlsplit(article_link(source(), start=start, end=start + n_chars))
    assert link.path == "/read/0123456789abcdef"
    assert parse_qs(link.query) == {"start": [str(start)], "end": [str(start + n_chars)]}
    assert link.fragment == "quote"
