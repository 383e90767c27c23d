"""What comes from outside is shown as text: in the chat's Markdown and on the page of an article."""

import re
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from index.records import Article
from ui.render import (
    article_link,
    article_page,
    day_range,
    details,
    missing_page,
    original_link,
    plain_html,
    remarks,
    safe_url,
)
from ui.schemas import AnswerOut, CitationOut, DisagreementOut, PeriodOut, RefusalOut, SourceOut

# As the chat of the page: HTML passes, so whatever is shown must be inert for Markdown and for HTML.
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
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
PAGE_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: set() for tag in ("head", "title", "style", "body", "main", "h1")},
    "html": {"lang"},
    "meta": {"charset", "name", "content"},
    "p": {"class"},
    "a": {"class", "href", "target", "rel"},
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
        if tag == "br":
            self.handle_data("\n")
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


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def source(**values: Any) -> SourceOut:
    made = {"article_id": "0123456789abcdef", "title": "Bridge", "published_at": date(2025, 3, 1), "language": "en"}
    return SourceOut(**{"publisher": "Gazette", "url": "https://news.example/1", **made, **values})


def citation(marker: int = 1, quote: str = "It opened.", start: int = 0, **values: Any) -> CitationOut:
    place = {"marker": marker, "quote": quote, "start": start, "end": start + len(quote), "score": 0.9}
    return CitationOut(**{**source().model_dump(), **place, **values})


def answer(text: str = "Text. [1] [2]", **values: Any) -> AnswerOut:
    found: dict[str, Any] = {"notice": None, "period": None, "query": None, "disagreements": [], "timings_ms": {}}
    cited = {"language": "en", "mode": "extractive", "citations": [citation(1), citation(2)]}
    return AnswerOut(**{**found, **cited, **values, "text": text})


def refusal(text: str = "No.", **values: Any) -> RefusalOut:
    found: dict[str, Any] = {
        "reason": "not_relevant",
        "language": "en",
        "nearest": [],
        "period": None,
        "query": None,
        "timings_ms": {},
    }
    return RefusalOut(**{**found, **values, "text": text})


def period(words: str, first: date | None = None, last: date | None = None) -> PeriodOut:
    return PeriodOut(published_from=first, published_to=last, words=words)


def differ(*words: str, markers: tuple[int, int] = (1, 2)) -> DisagreementOut:
    return DisagreementOut(markers=markers, words=(words[0], words[1]))


def article(text: str = "It opened. It is long.", **values: Any) -> Article:
    made = {"article_id": "0123456789abcdef", "title": "Bridge", "published_at": date(2025, 3, 1), "language": "en"}
    rest = {"publisher": "Gazette", "url": None, "authors": (), "source": "bridge.txt"}
    return Article(**{**made, **rest, **values, "text": text})


def page(shown: Article, start: int | None = None, end: int | None = None) -> Html:
    return Html(article_page(shown, start=start, end=end, language="en"))


MARKS = "ab1 \t\n\r#*_`[]()<>!&;:/\\.-+=~|\"'$@{}^%,?"
TEXTS = st.one_of(st.text(MARKS), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))


@given(TEXTS)
@example("<b>\n\n<script>alert(1)</script>")
def test_inert_text_is_shown_as_it_is_line_by_line(text: str) -> None:
    inert = plain_html(text)
    assert len(inert.splitlines()) == (1 if inert else 0)
    for shown in (Html(inert), Html(MARKDOWN.render(f"<div>{inert}</div>"))):
        assert lines(shown.text) == lines(text)
        check_only(shown, {"div": set(), "br": set()})


@given(TEXTS)
def test_inert_text_stays_text_where_markdown_is_read_in_it(text: str) -> None:
    """Should the chat ever take a block for a paragraph of Markdown."""
    shown = Html(MARKDOWN.render(f"a{plain_html(text)}"))
    assert words(shown.text) == words(f"a{text}")
    check_only(shown, {"p": set(), "br": set()})


@pytest.mark.parametrize("evil", EVIL)
def test_inert_text_defuses(evil: str) -> None:
    inert = plain_html(evil.strip())
    for shown in (Html(inert), Html(MARKDOWN.render(inert))):
        check_only(shown, {"p": set(), "br": set()})
        assert words(shown.text) == words(evil)


@given(TEXTS)
def test_inert_text_cannot_leave_an_attribute(text: str) -> None:
    [element] = Html(f'<p title="{plain_html(text)}"></p>').elements
    assert set(element.attributes) == {"title"}
    assert words(str(element.attributes["title"]).replace("<br>", " ")) == words(text.replace("<br>", " "))


def test_an_id_of_another_retriever_cannot_leave_its_link() -> None:
    link = article_link('a/../b?c#d" onclick="e) <b>', start=1, end=2)
    path = urlsplit(link)
    assert path.path.count("/") == 2
    assert path.query == "start=1&end=2"
    assert not set(link) & set("\"'<>() ")


DAYS = [
    (date(2025, 10, 1), date(2025, 11, 2), "2025-10-01 – 2025-11-02"),
    (date(2025, 10, 1), None, "2025-10-01 – …"),
    (None, date(2025, 10, 1), "… – 2025-10-01"),
    (date(2025, 10, 1), date(2025, 10, 1), "2025-10-01"),
]


@pytest.mark.parametrize(("first", "last", "days"), DAYS)
def test_a_period_is_told_with_its_days_and_its_words(first: date | None, last: date | None, days: str) -> None:
    assert day_range(first, last) == days
    named = period("in October", first, last)
    assert remarks(answer(period=named), "en") == [f"Only articles of {days} (“in October” in the question)."]
    assert remarks(answer(period=named), "ru") == [f"Только статьи за {days} («in October» в вопросе)."]
    assert remarks(refusal(period=named), "en") == remarks(answer(period=named), "en")


def test_differences_are_told_with_their_words_and_markers() -> None:
    told = answer(disagreements=[differ("12 men", "15 men"), differ("May", "June", markers=(1, 3))])
    assert remarks(told, "en") == [
        "The articles differ: “12 men” [1], “15 men” [2].",
        "The articles differ: “May” [1], “June” [3].",
    ]
    assert remarks(told, "ru")[0] == "Статьи расходятся: «12 men» [1], «15 men» [2]."


def test_all_that_there_is_to_know_is_told() -> None:
    told = answer(
        query="When?", notice="Widened.", period=period("since", date(2025, 1, 1)), disagreements=[differ("12", "15")]
    )
    assert [line.split()[0] for line in remarks(told, "en")] == ["Understood", "Widened.", "Only", "The"]
    assert remarks(answer(), "en") == remarks(refusal(), "ru") == []
    assert remarks(refusal(query="А когда?"), "ru") == ["Понято как вопрос: А когда?"]


@given(TEXTS, TEXTS)
def test_a_remark_is_one_line_whatever_is_in_it(one: str, other: str) -> None:
    told = answer(
        query=other, notice=f"(!) {one}", period=period(one, date(2025, 10, 1)), disagreements=[differ(one, other)]
    )
    for language in ("ru", "en"):
        shown = remarks(told, language)
        assert len(shown) == 4
        assert all(line == " ".join(line.split()) for line in shown)
        assert words(shown[1]) == words(f"(!) {one}")
        assert shown[0].endswith(" ".join(words(other)))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({}, ["Gazette", "2025-03-01"]),
        ({"publisher": None}, ["2025-03-01"]),
        ({"publisher": ""}, ["2025-03-01"]),
        ({"published_at": None}, ["Gazette", "no date"]),
        ({"publisher": None, "published_at": None}, ["no date"]),
        ({"publisher": "<b>"}, ["<b>", "2025-03-01"]),
    ],
)
def test_details_are_told_as_far_as_they_are_known(values: dict[str, Any], shown: list[str]) -> None:
    assert details(source(**values), "en") == details(article(**values), "en") == shown
    assert details(source(published_at=None), "ru") == ["Gazette", "без даты"]


WEB = ["http://news.example/a?b=1&c=2", "https://news.example", "HTTPS://NEWS.EXAMPLE/ы#1", "http:///", "https:x"]
ELSEWHERE = [
    "javascript:alert(1)",
    "jAvAscript:alert(1)",
    "jav\tascript:alert(1)",
    "\x01javascript:alert(1)",
    " javascript://https://news.example",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://news.example/1",
    "view-source:https://news.example",
    "file:///etc/passwd",
    "ftp://news.example/1",
    "news.example/a",
    "//news.example/a",
    "/read/1",
    "http",
    "http://[",
    "http://[evil",
    "",
    None,
]


@pytest.mark.parametrize("url", WEB)
def test_an_address_of_the_web_is_linked(url: str) -> None:
    assert safe_url(url) == url
    link = Html(original_link(url, "en")).only("a", "otvet-original")
    assert link.attributes["href"] == url
    assert link.attributes["target"] == "_blank"
    assert set(str(link.attributes["rel"]).split()) == {"noopener", "noreferrer", "nofollow"}
    assert (link.text, Html(original_link(url, "ru")).text) == ("Original", "Оригинал")


@pytest.mark.parametrize("url", ELSEWHERE)
def test_any_other_address_is_not_linked(url: str | None) -> None:
    assert safe_url(url) is None
    assert original_link(url, "en") == ""


@given(TEXTS | TEXTS.map("https://".__add__) | TEXTS.map("http:".__add__) | TEXTS.map("javascript:".__add__))
def test_only_the_web_is_ever_linked(url: str) -> None:
    html = Html(original_link(url, "en"))
    check_only(html, {"a": {"class", "href", "target", "rel"}})
    for element in html.elements:
        # As browsers read an address: without control characters and blanks around it, tabs and breaks nowhere.
        read = re.sub(r"[\t\r\n]", "", str(element.attributes["href"]).strip("".join(map(chr, range(33)))))
        assert re.match("https?:", read, re.IGNORECASE)


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


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_links_carry_the_place(start: int, n_chars: int) -> None:
    link = urlsplit(article_link("0123456789abcdef", start=start, end=start + n_chars))
    assert link.path == "/read/0123456789abcdef"
    assert parse_qs(link.query) == {"start": [str(start)], "end": [str(start + n_chars)]}
    assert link.fragment == "quote"
