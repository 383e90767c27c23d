"""The articles tab's HTML: whole, in two languages, and all that comes from an article is text."""

import re
from datetime import date
from html.parser import HTMLParser

import pytest

from index.listing import ListedArticle, Listing, MonthCount, ValueCount
from index.text import Language
from ui.articles_panel import (
    ARTICLES_TEXTS,
    WORDS,
    articles_list,
    language_choices,
    months_figure,
    position_line,
    publisher_choices,
    status_line,
)

EVIL = "<img src=x onerror=\"alert('1')\"> </a></li><script>alert(1)</script> &lt;b&gt;"
ARTICLE = ListedArticle("00000000000000a1", "Мост", date(2025, 3, 1), "ТАСС", ("Пётр",), "ru", 3217)
VOID = {"rect", "br"}


class Parsed(HTMLParser):
    """What HTML holds; fails where a tag is not closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def evil(article_id: str = "00000000000000a1") -> ListedArticle:
    return ListedArticle(article_id, EVIL, None, EVIL, (EVIL,), EVIL, 12)


def months(n: int, first_year: int = 2005) -> list[MonthCount]:
    return [MonthCount(date(first_year + i // 12, i % 12 + 1, 1), i % 5 + 1) for i in range(n)]


def labels(html: str) -> list[str]:
    axis = html.split('class="otvet-months-axis"')[1].split("</div>")[0]
    return [label.replace("<br>", " ").strip() for label in re.findall(r"<span[^>]*>(.*?)</span>", axis)]


def test_a_row_tells_the_article_and_links_to_it() -> None:
    parsed = Parsed(articles_list([ARTICLE], "ru"))
    assert ("href", "/read/00000000000000a1") in parsed.attributes
    assert parsed.text == "Мост ТАСС · 2025-03-01 · русский · около 3\N{NO-BREAK SPACE}200 знаков"
    assert Parsed(articles_list([ARTICLE], "en")).text.endswith("· Russian · about 3,200 characters")


def test_what_an_article_lacks_is_left_out_or_said() -> None:
    bare = ListedArticle("a", " ", None, "", (), "xx", 1)
    assert Parsed(articles_list([bare], "en")).text == "Untitled no date · xx · about 1 character"
    assert Parsed(articles_list([bare], "ru")).text == "Без заголовка без даты · xx · около 1 знака"


def test_evil_is_text() -> None:
    parsed = Parsed(articles_list([evil("../a?b#c\"'")], "en"))
    assert set(parsed.tags) == {"ul", "li", "a", "span", "bdi"}
    assert parsed.text.count(EVIL) == 3
    assert ("href", "/read/..%2Fa%3Fb%23c%22%27") in parsed.attributes
    assert Parsed(status_line(EVIL)).text == EVIL


def test_no_article_gives_a_hint() -> None:
    assert "Nothing that is indexed matches." in Parsed(articles_list([], "en")).text


@pytest.mark.parametrize(
    ("n", "language", "expected"),
    [
        (0, "ru", "0 статей"),
        (1, "ru", "1 статья"),
        (3, "ru", "3 статьи"),
        (11, "ru", "11 статей"),
        (14, "ru", "14 статей"),
        (112, "ru", "112 статей"),
        (1221, "ru", "1\N{NO-BREAK SPACE}221 статья"),
        (0, "en", "0 articles"),
        (1, "en", "1 article"),
        (1221, "en", "1,221 articles"),
    ],
)
def test_numbers_in_words(n: int, language: Language, expected: str) -> None:
    assert Parsed(position_line(Listing((), n, (), 0), offset=0, language=language)).text == expected


def test_position_is_told_where_not_all_are_shown() -> None:
    page = Listing((ARTICLE,) * 20, 1070, (), 0)
    assert Parsed(position_line(page, offset=1050, language="en")).text == "1,070 articles · showing 1,051–1,070"
    assert Parsed(position_line(Listing((ARTICLE,), 1, (), 0), offset=0, language="en")).text == "1 article"


class TestMonths:
    @pytest.mark.parametrize("n", [1, 2, 12, 13, 40, 90, 240, 1500, 24000])
    def test_labels_are_few_and_begin_years(self, n: int) -> None:
        shown = labels(months_figure(months(n, first_year=1), 0, "en"))
        assert 1 <= len(shown) <= 9
        assert n <= 96 or shown == sorted(set(shown), key=int)

    def test_labels_of_a_year(self) -> None:
        assert labels(months_figure(months(12), 0, "ru")) == ["янв 2005", "мар", "май", "июл", "сен", "ноя"]
        assert labels(months_figure(months(240), 0, "en")) == ["2005", "2010", "2015", "2020"]

    def test_months_without_articles_are_gaps(self) -> None:
        two = [MonthCount(date(2024, 11, 1), 4), MonthCount(date(2026, 2, 1), 2)]
        html = months_figure(two, 0, "en")
        assert 'viewBox="0 0 16 100"' in html
        assert re.findall(r'otvet-months-bar" x="([\d.]+)" width=".8" y="([\d.]+)"', html) == [
            ("0.1", "0"),
            ("15.1", "50"),
        ]

    def test_one_article_is_seen_beside_thousands(self) -> None:
        html = months_figure([MonthCount(date(2024, 1, 1), 9000), MonthCount(date(2024, 2, 1), 1)], 0, "en")
        assert [float(height) for height in re.findall(r'height="([\d.]+)"/></g>', html)] == [100, 2]

    def test_picture_and_table_say_the_same(self) -> None:
        parsed = Parsed(months_figure(months(14), 3, "en"))
        assert ("aria-label", "Articles by month: Jan 2005 to Feb 2006, at most 5") in parsed.attributes
        assert "no date: 3" in parsed.text
        assert parsed.text.count("Feb 2006: 4 articles") == 1
        assert parsed.text.endswith("Jan 20063Feb 20064")

    def test_no_dated_article(self) -> None:
        parsed = Parsed(months_figure([], 12, "ru"))
        assert parsed.tags == ["figure", "figcaption", "span", "span", "p"]
        assert "без даты: 12" in parsed.text


def test_choices_are_labelled_with_counts() -> None:
    publishers = publisher_choices([ValueCount("ТАСС", 1200), ValueCount("А" * 200, 1)], "ru")
    assert publishers[:2] == [("любое", ""), ("ТАСС (1\N{NO-BREAK SPACE}200)", "ТАСС")]
    assert publishers[2] == (f"{'А' * 59}… (1)", "А" * 200)
    languages = language_choices([ValueCount("uk", 2), ValueCount("xx", 1)], "en")
    assert languages == [("any", ""), ("Ukrainian (2)", "uk"), ("xx (1)", "xx")]


def test_every_text_is_in_both_languages() -> None:
    assert ARTICLES_TEXTS["ru"].keys() == ARTICLES_TEXTS["en"].keys()
    assert all(key.startswith("articles_") for key in ARTICLES_TEXTS["en"])
    assert all(words.keys() == {"ru", "en"} for words in WORDS.values())
