"""Files to articles: every format, every bad input, order, plugins."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import date
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import readers
from index.errors import CorpusError
from index.making import make_article as make_article_of_making
from index.readers import BadArticleError, make_article, parse_date, read_corpus
from index.records import Article, Skipped

PARAGRAPH = "На северной окраине посёлка вчера открыли новый мост через реку, рассказали строители. "
PAGE = """<!doctype html><html lang="ru"><head><meta charset="{charset}"><title>Мост открыт</title>
<meta property="og:site_name" content="Речной вестник"><meta name="author" content="Пётр Лодкин; Вера Весло">
<meta property="article:published_time" content="2024-05-06T10:00:00+03:00">
<link rel="canonical" href="https://vestnik.test/most"></head><body><nav>Разделы</nav>
<article><h1>Мост открыт</h1>{paragraphs}</article><footer>© 2016</footer></body></html>"""


def read_file(path: Path, content: str | bytes, **limits: int) -> list[Article | Skipped]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_corpus([path], **limits))


def one_article(path: Path, content: str | bytes) -> Article:
    [item] = read_file(path, content)
    assert isinstance(item, Article), item
    return item


def one_skipped(path: Path, content: str | bytes, **limits: int) -> Skipped:
    [item] = read_file(path, content, **limits)
    assert isinstance(item, Skipped), item
    assert item.source == path.name
    return item


def page(charset: str = "utf-8") -> str:
    return PAGE.format(charset=charset, paragraphs=f"<p>{PARAGRAPH * 2}</p>" * 4)


def texts(items: list[Article | Skipped]) -> list[str | int | None]:
    """Texts of articles and lines of what was skipped, in order."""
    return [item.text if isinstance(item, Article) else item.line for item in items]


class TestText:
    @pytest.mark.parametrize(
        "content",
        [
            "date 2025-01-02 Снег выпал ночью. Его убрали.",
            " \tdate 2025-01-02\r\nСнег выпал ночью. Его убрали.\r\n",
            "\n\ndate 2025-01-02 \n\n Снег выпал ночью. Его убрали.",
            "\ufeffdate 2025-01-02T23:59:00 Снег выпал ночью. Его убрали.",
        ],
    )
    def test_date_line_is_taken_off(self, tmp_path: Path, content: str) -> None:
        article = one_article(tmp_path / "Снег.TXT", content)
        assert article.text == "Снег выпал ночью. Его убрали."
        assert article.published_at == date(2025, 1, 2)
        assert article.title == "Снег выпал ночью."
        assert article.language == "ru"
        assert article.source == "Снег.TXT"

    @pytest.mark.parametrize(
        "content", ["date palms grow here, they say", "update 2025-01-02 came", "no date 2025-01-02"]
    )
    def test_text_that_only_looks_like_a_date_line_stays(self, tmp_path: Path, content: str) -> None:
        article = one_article(tmp_path / "a.txt", content)
        assert article.text == content
        assert article.published_at is None

    @pytest.mark.parametrize("day", ["2025-13-45", "2025-02-30", "2025-1-2", "0000-01-01"])
    def test_impossible_date_is_named(self, tmp_path: Path, day: str) -> None:
        skipped = one_skipped(tmp_path / "a.txt", f"date {day} Снег выпал ночью.")
        assert day in skipped.reason
        assert "YYYY-MM-DD" in skipped.reason
        assert skipped.line == 1

    def test_date_line_without_text(self, tmp_path: Path) -> None:
        assert "no text" in one_skipped(tmp_path / "a.txt", "date 2025-01-02\n").reason


class TestMarkdown:
    def test_front_matter(self, tmp_path: Path) -> None:
        article = one_article(
            tmp_path / "a.md",
            "---\ntitle: 'Мост: открыт'\ndate: 2024-05-06 10:00:00\nurl: https://vestnik.test/most\n"
            "publisher: Вестник\nauthors: [Пётр Лодкин, Вера Весло]\nlang: RU-ru\nunknown: {a: 1}\n---\n\n"
            "# Другой заголовок\n\nМост открыли вчера.\n\n---\n\nЭто всё.\n",
        )
        assert article.title == "Мост: открыт"
        assert article.published_at == date(2024, 5, 6)
        assert article.url == "https://vestnik.test/most"
        assert article.publisher == "Вестник"
        assert article.authors == ("Пётр Лодкин", "Вера Весло")
        assert article.language == "ru"
        assert article.text == "# Другой заголовок\n\nМост открыли вчера.\n\n---\n\nЭто всё."

    def test_heading_becomes_the_title_and_leaves_the_text(self, tmp_path: Path) -> None:
        article = one_article(tmp_path / "a.markdown", "# Мост открыт #\n\nОткрыли вчера.\n\n## Что дальше\n\nДорога.")
        assert article.title == "Мост открыт"
        assert article.text == "Открыли вчера.\n\n## Что дальше\n\nДорога."

    def test_scalars_stay_as_typed(self, tmp_path: Path) -> None:
        article = one_article(
            tmp_path / "a.md", "---\r\nTitle: 1984\r\nauthor: Orwell; Blair\r\nlanguage: no\r\nurl: ~\r\n---\r\nTekst."
        )
        assert (article.title, article.authors, article.language) == ("1984", ("Orwell", "Blair"), "no")
        assert article.url is None

    def test_empty_front_matter(self, tmp_path: Path) -> None:
        assert one_article(tmp_path / "a.md", "---\n---\nОткрыли вчера.").text == "Открыли вчера."

    @pytest.mark.parametrize(
        ("block", "reason", "line"),
        [
            ("title: [a", "YAML", 3),
            ("title: a: b", "YAML", 2),
            ("- title\n- date", "[...], not a mapping", 2),
            ("просто слова", "not a mapping", 2),
            ("title: !!python/object/apply:os.getcwd []", "could not determine a constructor", 2),
            ("date: !!timestamp вчера", "could not determine a constructor", 2),
            ("date: 2025-13-45", "date '2025-13-45' is no date", None),
            ("date: [2025]", "date [...] is no date", None),
            ("title: [a, b]", "title is [...], not a string", None),
            ("authors: [[a]]", "authors holds [...], not a string", None),
            ("authors: {a: b}", "authors is {...}", None),
            ("title: a\x01b", "YAML", 2),
            ("? [a]\n: b", "unhashable", 2),
            ("a: " + "[" * 5000, "nested too deeply", 2),
            ("a: &a [*a]\nauthors: *a", "authors holds [...]", None),
            ("a: " + "b" * 70_000, "over the limit of 65,536", 2),
        ],
    )
    def test_bad_front_matter(self, tmp_path: Path, block: str, reason: str, line: int | None) -> None:
        skipped = one_skipped(tmp_path / "a.md", f"---\n{block}\n---\nОткрыли вчера.")
        assert reason in skipped.reason
        assert skipped.line == line

    def test_aliases_that_multiply_stay_small(self, tmp_path: Path) -> None:
        names = "abcdefghijklmnop"
        block = 'a: &a ["x", "x"]\n' + "".join(
            f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip(names, names[1:], strict=False)
        )
        skipped = one_skipped(tmp_path / "a.md", f"---\n{block}title: *p\n---\nОткрыли вчера.")
        assert len(skipped.reason) < 200

    def test_front_matter_without_end(self, tmp_path: Path) -> None:
        skipped = one_skipped(tmp_path / "a.md", "---\ntitle: a\n\nОткрыли вчера.")
        assert "never closed" in skipped.reason

    @pytest.mark.parametrize(
        ("wrapped", "text"),
        [
            ("Мост\nоткрыли вчера.\nНарод рад.\n\nВторой\n  абзац", "Мост открыли вчера. Народ рад.\n\nВторой абзац"),
            ("Мост\r\nоткрыли \r\nвчера", "Мост открыли вчера"),
            ("Год был\n2024. Мост стоял\n-5 градусов", "Год был 2024. Мост стоял -5 градусов"),
            ("Купили:\n- доски\n  и брус\n* гвозди\n+ пилу", "Купили:\n- доски и брус\n* гвозди\n+ пилу"),
            ("Порядок:\n1. Доски\nи брус\n2) Гвозди", "Порядок:\n1. Доски и брус\n2) Гвозди"),
            ("Мост\n## Что дальше\nДорога\nи дом", "Мост\n## Что дальше\nДорога и дом"),
            ("#Мост\nоткрыт", "#Мост открыт"),
            ("Что дальше\n==========\nДорога", "Что дальше\n==========\nДорога"),
            ("Он сказал:\n> Мост\n> открыт\nи ушёл", "Он сказал:\n> Мост\n> открыт и ушёл"),
            ("Цены\n| доска | 5 |\n|---|---|\nи всё", "Цены\n| доска | 5 |\n|---|---|\nи всё"),
            ("доска | 5\n--- | ---\nгвоздь | 1", "доска | 5\n--- | ---\nгвоздь | 1"),
            ("Мост\n***\nДорога\n- - -\nДом", "Мост\n***\nДорога\n- - -\nДом"),
            ("Код:\n    a = 1\n\tb = 2\nи всё", "Код:\n    a = 1\n\tb = 2\nи всё"),
            ("Код:\n```py\na = 1\n~~~\nb = 2\n```\nи\nвсё", "Код:\n```py\na = 1\n~~~\nb = 2\n```\nи всё"),
            ("Строка  \nстиха\\\nи ещё", "Строка  \nстиха\\\nи ещё"),
        ],
    )
    def test_lines_of_a_paragraph_are_joined(self, tmp_path: Path, wrapped: str, text: str) -> None:
        assert one_article(tmp_path / "a.md", f"---\ntitle: Мост\n---\n{wrapped}\n").text == text

    def test_joining_many_lines_is_no_burden(self, tmp_path: Path) -> None:
        """With quadratic time this would take many minutes."""
        article = one_article(tmp_path / "a.md", "а\n" * 500_000 + "# Мост" + " " * 200_000 + "б\n")
        assert article.title.startswith("Мост")
        assert "\n" not in article.text

    @pytest.mark.parametrize(
        ("line", "title"), [("# Язык C#", "Язык C#"), ("#\tМост  ## ", "Мост"), ("# # ", "Народ рад.")]
    )
    def test_marks_that_close_a_heading(self, tmp_path: Path, line: str, title: str) -> None:
        assert one_article(tmp_path / "a.md", f"{line}\n\nНарод рад. И всё.").title == title

    def test_heading_without_body(self, tmp_path: Path) -> None:
        assert "no text" in one_skipped(tmp_path / "a.md", "# Мост открыт\n").reason


class TestHtml:
    def test_article_and_metadata(self, tmp_path: Path) -> None:
        article = one_article(tmp_path / "a.html", page())
        assert article.title == "Мост открыт"
        assert article.published_at == date(2024, 5, 6)
        assert article.url == "https://vestnik.test/most"
        assert article.publisher == "Речной вестник"
        assert article.authors == ("Пётр Лодкин", "Вера Весло")
        assert article.language == "ru"
        assert article.text.startswith("На северной окраине")
        assert "Разделы" not in article.text

    def test_publisher_is_the_host_where_no_name_is_given(self, tmp_path: Path) -> None:
        nameless = page().replace('<meta property="og:site_name" content="Речной вестник">', "")
        assert one_article(tmp_path / "a.HTM", nameless).publisher == "vestnik.test"

    def test_year_in_the_footer_is_no_date(self, tmp_path: Path) -> None:
        undated = page().replace("2024-05-06T10:00:00+03:00", "")
        assert one_article(tmp_path / "a.html", undated).published_at is None

    def test_declared_charset_is_believed(self, tmp_path: Path) -> None:
        article = one_article(tmp_path / "a.html", page("windows-1251").encode("cp1251"))
        assert article.text.startswith("На северной окраине")

    def test_undeclared_charset_is_not_guessed(self, tmp_path: Path) -> None:
        skipped = one_skipped(tmp_path / "a.html", page().encode("cp1251"))
        assert "iconv" in skipped.reason

    def test_xml_declaration(self, tmp_path: Path) -> None:
        xhtml = '<?xml version="1.0" encoding="utf-8"?>\n' + page()
        assert one_article(tmp_path / "a.html", xhtml).title == "Мост открыт"

    @pytest.mark.parametrize(
        "content",
        ["<html><body><img src='a.png'></body></html>", "<", "просто слова", "<div>" * 9000, "<!-- -->", "{}"],
    )
    def test_page_without_an_article(
        self, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert "no article text" in one_skipped(tmp_path / "a.html", content).reason
        assert caplog.text == ""
        assert capfd.readouterr() == ("", "")


class TestJsonl:
    def test_fields(self, tmp_path: Path) -> None:
        row = {
            "title": "Мост открыт",
            "text": "Открыли вчера.\r\nНарод рад.",
            "published_at": "2024-05-06T10:00:00Z",
            "url": "https://vestnik.test/most",
            "publisher": "Вестник",
            "authors": ["Пётр Лодкин", " "],
            "language": "RU",
            "views": 7,
        }
        article = one_article(tmp_path / "a.jsonl", json.dumps(row))
        assert article.title == "Мост открыт"
        assert article.text == "Открыли вчера.\nНарод рад."
        assert article.published_at == date(2024, 5, 6)
        assert article.url == "https://vestnik.test/most"
        assert article.publisher == "Вестник"
        assert article.authors == ("Пётр Лодкин",)
        assert article.language == "ru"
        assert article.source == "a.jsonl:1"

    @pytest.mark.parametrize(
        ("authors", "expected"),
        [("А. Рак, Б. Кит", ("А. Рак", "Б. Кит")), ("Рак, А.; Кит, Б.", ("Рак, А.", "Кит, Б.")), ("", ()), (None, ())],
    )
    def test_authors_in_a_string(self, tmp_path: Path, authors: str | None, expected: tuple[str, ...]) -> None:
        row = {"text": "Открыли вчера.", "authors": authors, "published_at": "", "date": "2024-05-06"}
        article = one_article(tmp_path / "a.jsonl", json.dumps(row))
        assert article.authors == expected
        assert article.published_at == date(2024, 5, 6)

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (b'{"text": "a', "no JSON at column 10"),
            (b'{"text": "a"} {"text": "b"}', "no JSON at column 15"),
            (b'["text"]', "[...], not an object"),
            (b'"text"', "'text', not an object"),
            (b"null", "None, not an object"),
            (b"{}", "no text"),
            (b'{"text": " \\n\\u0000\\ufeff"}', "no text"),
            (b'{"text": null, "title": "a"}', "no text"),
            (b'{"text": 5}', "text is 5, not a string"),
            (b'{"text": "a", "title": ["b"]}', "title is [...], not a string"),
            (b'{"text": "a", "url": true}', "url is True, not a string"),
            (b'{"text": "a", "publisher": {}}', "publisher is {...}"),
            (b'{"text": "a", "language": 1}', "language is 1"),
            (b'{"text": "a", "authors": 7}', "authors is 7"),
            (b'{"text": "a", "authors": ["b", null]}', "authors holds None"),
            (b'{"text": "a", "date": "\xd0\xb2\xd1\x87\xd0\xb5\xd1\x80\xd0\xb0"}', "date 'вчера' is no date"),
            (b'{"text": "a", "date": 20250102}', "date 20250102 is no date"),
            (b'{"text": "a", "date": "2025-13-45"}', "date '2025-13-45' is no date"),
            (b'{"text": "a \\ud800 b"}', "text holds '\\ud800' at character 3"),
            (b'{"text": "a", "title": "\\udc00"}', "title holds '\\udc00'"),
            (b'{"text": "a", "authors": ["\\udc00"]}', "authors holds '\\udc00'"),
            (b'{"text": "\xcf\xf0\xe8"}', "0xCF is not UTF-8"),
            (b"[" * 200_000, "nested too deeply"),
            (b'{"a":' * 200_000, "nested too deeply"),
            (b'{"text": "a", "views": ' + b"9" * 5000 + b"}", "a number that is too long"),
            (b'{"text": "' + b"a" * 5001 + b'"}', "5,001 characters, over the limit of 5,000"),
            (b'{"text": "' + b"a" * 200_000 + b'"}', "more than 95,536 bytes"),
        ],
    )
    def test_bad_row_does_not_stop_the_next(self, tmp_path: Path, row: bytes, reason: str) -> None:
        limit = 5000 if "over the limit" in reason or "bytes" in reason else 2_000_000
        content = b'{"text": "one"}\n' + row + b'\n\n{"text": "two"}'
        items = read_file(tmp_path / "a.jsonl", content, max_article_chars=limit)
        assert texts(items) == ["one", 2, "two"]
        skipped = items[1]
        assert isinstance(skipped, Skipped)
        assert reason in skipped.reason
        assert skipped.source == "a.jsonl"
        assert len(skipped.reason) < 300
        assert isinstance(items[2], Article)
        assert items[2].source == "a.jsonl:4"

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        assert one_article(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "one"}\r\n').text == "one"


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_fields(self, tmp_path: Path, delimiter: str, line_end: str) -> None:
        table = io.StringIO()
        writer = csv.writer(table, delimiter=delimiter, lineterminator=line_end)
        writer.writerow(["Title", "text ", "date", "authors", "note, or; not"])
        writer.writerow(["Мост", 'Он сказал: "да, да; нет\tтак".\n\nКонец.', "2024-05-06", "А. Рак;Б. Кит", ""])
        writer.writerow([])
        writer.writerow(["", "Второй текст", "", "", "x"])
        first, second = read_file(tmp_path / "a.CSV", "\ufeff" + table.getvalue())
        assert isinstance(first, Article)
        assert isinstance(second, Article)
        assert first.text == 'Он сказал: "да, да; нет\tтак".\n\nКонец.'
        assert (first.title, first.published_at) == ("Мост", date(2024, 5, 6))
        assert first.authors == ("А. Рак", "Б. Кит")
        assert first.source == "a.CSV:2"
        assert (second.title, second.source) == ("Второй текст", "a.CSV:6")

    def test_long_field(self, tmp_path: Path) -> None:
        assert len(one_article(tmp_path / "a.csv", "text\n" + "a" * 300_000).text) == 300_000

    def test_nul_bytes_go(self, tmp_path: Path) -> None:
        assert one_article(tmp_path / "a.csv", b"title,text\na\x00b,c\x00d\n").text == "cd"

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (b"a", "1 columns, the header 3"),
            (b"a,b,c,d", "4 columns, the header 3"),
            (b"a,,", "no text"),
            (b"a,b,2025-13-45", "'2025-13-45'"),
            (b"\xcf\xf0,b,", "0xCF is not UTF-8"),
            (b'"a"b,c,', "no CSV"),
            (b'a,"b\nc"d",', "lines 3 to 4 were passed over"),
            (b"a,b\rc,", "no CSV"),
            (b"a," + b"b" * 5001 + b",", "5,001 characters"),
            (b"a," + b"b" * 200_000 + b",", "95,536 bytes"),
            (b'a,"' + b"b\n" * 200_000 + b'",', "95,536 bytes"),
            (b'a,"' + b"b" * 200_000 + b'\nc\n",', "lines 3 to 5 were passed over"),
        ],
    )
    def test_bad_row_does_not_stop_the_next(self, tmp_path: Path, row: bytes, reason: str) -> None:
        content = b"title,text,date\none,1,\n" + row + b"\ntwo,2,"
        items = read_file(tmp_path / "a.csv", content, max_article_chars=5000)
        assert texts(items) == ["1", 3, "2"]
        assert isinstance(items[1], Skipped)
        assert reason in items[1].reason

    def test_stray_quote_in_a_bad_row_costs_that_row_only(self, tmp_path: Path) -> None:
        items = read_file(tmp_path / "a.csv", 'title,text\n5" disk\none,1\n5" disk,2\n')
        assert texts(items) == [2, "1", "2"]

    @pytest.mark.parametrize(
        ("row", "lines"),
        [
            ('two,"2', [3]),
            ('two,"2\nmore', [3, 4]),  # "more" is a row of one column
            ('two,"2" more"', [3]),
            ('two,"2\n"more"', [3]),
            ('two,"' + "2" * 200_000, [3]),
            ('two,"' + "2\n" * 3, [3, 4, 5]),
        ],
    )
    def test_quote_that_is_never_closed(self, tmp_path: Path, row: str, lines: list[int]) -> None:
        items = read_file(tmp_path / "a.csv", f"title,text\none,1\n{row}\nthree,3\nfour,4", max_article_chars=5000)
        assert texts(items) == ["1", *lines, "3", "4"]

    def test_lines_of_a_row_with_bad_quotes_are_no_articles(self, tmp_path: Path) -> None:
        row = 'two,"He said "no" to it\nSecond line, with a comma\nThird"'
        items = read_file(tmp_path / "a.csv", f'title,text\n{row}\nthree,"3\nlines"\n')
        assert texts(items) == [2, "3\nlines"]
        assert isinstance(items[0], Skipped)
        assert "lines 2 to 4 were passed over" in items[0].reason

    def test_much_too_long_quoted_row(self, tmp_path: Path) -> None:
        row = 'two,"' + "a comma, and a line\n" * 20_000 + '"'
        items = read_file(tmp_path / "a.csv", f"title,text\none,1\n{row}\nthree,3", max_article_chars=5000)
        assert texts(items) == ["1", 3, "3"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("title,body\na,b\n", "'title, body'"),
            ("text,text\na,b\n", "only one, 'text'"),
            ("text,url,url\na,b,c\n", "'text, url, url'"),
            ('"text"a,b\n', "the header row is no CSV"),
            (b"text,\xcf\xf0\na,b\n", "0xCF"),
            ("title,text\n", "no rows"),
            ("\n\n", "empty"),
        ],
    )
    def test_bad_header(self, tmp_path: Path, content: str | bytes, reason: str) -> None:
        assert reason in one_skipped(tmp_path / "a.csv", content).reason


class TestBadFiles:
    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.jsonl", "a.csv"])
    @pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf"])
    def test_empty(self, tmp_path: Path, name: str, content: bytes) -> None:
        reason = one_skipped(tmp_path / name, content).reason
        assert any(word in reason for word in ("empty", "no rows", "no text", "no article text"))

    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
    def test_bad_utf8_names_byte_and_line(self, tmp_path: Path, name: str) -> None:
        skipped = one_skipped(tmp_path / name, b"\xef\xbb\xbfone\ntwo\n" + "Мост".encode("cp1251"))
        assert skipped.line == 3
        assert "0xCC" in skipped.reason
        assert "iconv -f cp1251 -t utf-8" in skipped.reason

    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.jsonl", "a.csv"])
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    @pytest.mark.parametrize("text", ["title;text of the bridge", "Мост открыли вчера вечером"])
    def test_utf16(self, tmp_path: Path, name: str, encoding: str, text: str) -> None:
        assert "UTF-16" in one_skipped(tmp_path / name, text.encode(encoding)).reason

    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
    def test_too_long_text(self, tmp_path: Path, name: str) -> None:
        words = " ".join(f"слово{n}" for n in range(500))
        content = f"<html><body><article><p>{words}</p></article></body></html>" if name == "a.html" else words
        assert "over the limit of 3,000;" in one_skipped(tmp_path / name, content, max_article_chars=3000).reason

    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.jsonl", "a.csv"])
    def test_one_line_of_50_mb_is_not_read_into_memory(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(b"text\n" if name == "a.csv" else b'{"text": "')
            for _ in range(50):
                file.write(b"a" * 1_000_000)
        list(read_corpus([tmp_path / name], max_article_chars=1))  # imports, outside the measure
        tracemalloc.start()
        try:
            [item] = read_corpus([path])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert isinstance(item, Skipped)
        assert "bytes" in item.reason
        assert peak < 30_000_000

    def test_file_of_just_the_limit(self, tmp_path: Path) -> None:
        [item] = read_file(tmp_path / "a.txt", "😀" * 100, max_article_chars=100)
        assert isinstance(item, Article)

    def test_fifo_and_socket_are_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.txt")
        os.mkfifo(tmp_path / "pipe.unknown")
        with socket.socket(socket.AF_UNIX) as door:
            before = Path.cwd()
            os.chdir(tmp_path)  # a socket's path has room for some 100 characters
            try:
                door.bind("socket.txt")
            finally:
                os.chdir(before)
        items = list(read_corpus([tmp_path]))
        assert [str(item) for item in items] == [
            "pipe.txt: it is no regular file; move it out of the corpus",
            "socket.txt: it is no regular file; move it out of the corpus",
        ]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_right_to_read(self, tmp_path: Path) -> None:
        (tmp_path / "closed").mkdir(mode=0)
        (tmp_path / "file.txt").touch(mode=0)
        reasons = [str(item) for item in read_corpus([tmp_path])]
        assert [reason.split(":")[0] for reason in reasons] == ["closed", "file.txt"]
        assert all("Permission denied" in reason for reason in reasons)

    def test_file_that_vanishes_while_reading(self, tmp_path: Path) -> None:
        for name in ("a.txt", "b.txt", "c.txt"):
            (tmp_path / name).write_text(f"Текст {name}")
        items = read_corpus([tmp_path])
        first = next(items)
        (tmp_path / "b.txt").unlink()
        assert [first.source, *(item.source for item in items)] == ["a.txt", "b.txt", "c.txt"]

    def test_directory_that_vanishes_while_reading(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("Текст")
        (tmp_path / "b").mkdir()
        items = read_corpus([tmp_path])
        next(items)
        (tmp_path / "b").rmdir()
        [skipped] = items
        assert "No such file" in str(skipped)


class TestWalk:
    def test_order_names_and_what_is_passed_over(self, tmp_path: Path) -> None:
        for name in ("b/z.txt", "b/a.md", "a.txt", "B.txt", "c.txt", ".hidden.txt", ".git/x.txt", "d.pdf", "README"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(f"Текст файла {name}")
        first = list(read_corpus([tmp_path]))
        assert [item.source for item in first] == ["B.txt", "a.txt", "b/a.md", "b/z.txt", "c.txt"]
        assert list(read_corpus([tmp_path])) == first

    def test_paths_in_the_order_given(self, tmp_path: Path) -> None:
        for name in ("one/a.txt", "two/b.txt"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text("Текст")
        items = read_corpus([tmp_path / "two" / "b.txt", tmp_path / "two", tmp_path / "one"])
        assert [item.source for item in items] == ["b.txt", "b.txt", "a.txt"]

    def test_directory_named_twice(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.txt").write_text("Текст")
        items = list(read_corpus([tmp_path, tmp_path / "sub"]))
        assert [type(item) for item in items] == [Article, Skipped]
        assert "read already" in str(items[1])

    def test_links(self, tmp_path: Path) -> None:
        corpus = tmp_path / "corpus"
        (corpus / "sub").mkdir(parents=True)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "far.txt").write_text("Далёкий текст")
        (corpus / "sub" / "up").symlink_to(corpus)
        (corpus / "broken.txt").symlink_to(corpus / "nothing")
        (corpus / "far").symlink_to(tmp_path / "elsewhere")
        (corpus / "self").symlink_to("self")
        items = list(read_corpus([corpus]))
        assert [(type(item), item.source) for item in items] == [
            (Skipped, "broken.txt"),
            (Article, "far/far.txt"),
            (Skipped, "self"),
            (Skipped, "sub/up"),
        ]
        assert "leads nowhere" in str(items[0])
        assert "leads nowhere" in str(items[2])
        assert "read already" in str(items[3])

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
    def test_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xcf\xf0.txt")).write_text("Текст")
        [item] = read_corpus([tmp_path])
        assert item.source == "\ufffd\ufffd.txt"

    def test_named_hidden_directory_is_read(self, tmp_path: Path) -> None:
        (tmp_path / ".corpus").mkdir()
        (tmp_path / ".corpus" / "a.txt").write_text("Текст")
        assert [item.source for item in read_corpus([tmp_path / ".corpus"])] == ["a.txt"]

    def test_nothing_in_nothing_out(self, tmp_path: Path) -> None:
        assert list(read_corpus([tmp_path])) == []
        assert list(read_corpus([])) == []

    def test_tables_are_streamed(self, tmp_path: Path) -> None:
        rows = "title,text\none,1\n" + f"x,{'слово ' * 100}\n" * 50_000
        (tmp_path / "a.csv").write_text(rows)
        tracemalloc.start()
        items = read_corpus([tmp_path])
        assert next(items).source == "a.csv:2"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < len(rows)  # bytes; the file has more than one a character

    @pytest.mark.parametrize("name", ["absent", "absent.txt", "a.txt/b", "x\0y", "n" * 300])
    def test_named_path_that_is_not_there(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "a.txt").write_text("Текст")
        with pytest.raises(CorpusError, match="corpus path '.*(name a file|correct the path)"):
            read_corpus([tmp_path, tmp_path / name])

    def test_named_file_of_unknown_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "a.pdf").touch()
        with pytest.raises(
            CorpusError, match=r"'\.pdf'; known are \.csv, \.htm, \.html, \.jsonl, \.markdown, \.md, \.parquet, \.txt"
        ):
            read_corpus([tmp_path / "a.pdf"])

    def test_named_device(self) -> None:
        with pytest.raises(CorpusError, match="neither a file nor a directory"):
            read_corpus([Path("/dev/null")])


class TestPlugins:
    @pytest.fixture
    def plugged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plugins = [
            EntryPoint("LINES", f"{__name__}:read_lines", readers.ENTRY_POINT_GROUP),
            EntryPoint("lost", "no_such_package:read", readers.ENTRY_POINT_GROUP),
        ]
        monkeypatch.setattr(readers, "entry_points", lambda group: plugins if group == "otvet.readers" else [])
        monkeypatch.setitem(sys.modules, __name__, sys.modules[read_lines.__module__])

    @pytest.mark.usefixtures("plugged")
    def test_another_format(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("Текст")
        items = read_file(tmp_path / "a.lines", "one\nlonger line\ntwo\nstop\nthree", max_article_chars=5)
        assert [str(item) if isinstance(item, Skipped) else item.text for item in items] == [
            "one",
            "a.lines:2: the text has 11 characters, over the limit of 5; split the article, or raise max_article_chars",
            "two",
            "a.lines:4: told to stop",
        ]
        assert len(list(read_corpus([tmp_path]))) == 5

    @pytest.mark.usefixtures("plugged")
    def test_plugin_that_cannot_be_loaded(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("Текст")
        assert len(list(read_corpus([tmp_path]))) == 1
        (tmp_path / "a.lost").touch()
        with pytest.raises(CorpusError, match="'no_such_package:read' for files '.lost' cannot be loaded"):
            list(read_corpus([tmp_path]))


def read_lines(path: Path, source: str) -> Iterator[Article | Skipped]:
    """A third party's reader."""
    for line, text in enumerate(path.read_text().splitlines(), start=1):
        if text == "stop":
            raise BadArticleError("told to stop", line)
        yield make_article(text=text, source=f"{source}:{line}")


class TestMakeArticle:
    def test_cleaning(self) -> None:
        article = make_article(
            text="\ufeff one\r\ntwo\rthree\x00\x1b\tfour\ffive ",
            title=" a\n b\x07",
            authors=["\n", " c  d"],
            source="x",
        )
        assert article.text == "one\ntwo\nthree\tfour\nfive"
        assert article.title == "a b"
        assert article.authors == ("c d",)

    def test_id_is_made_of_content_only(self) -> None:
        article = make_article(text="Текст", source="here", language="ru")
        assert article.article_id == make_article(text=" Текст\r\n", source="there", language="uk").article_id
        assert len(article.article_id) == 16
        assert set(article.article_id) <= set("0123456789abcdef")
        others = [
            make_article(text="Текст.", source="here"),
            make_article(text="Текст", title="а", source="here"),
            make_article(text="Текст", published_at=date(2025, 1, 1), source="here"),
            make_article(text="Текст", url="https://a.test", source="here"),
            make_article(text="Текст", publisher="а", source="here"),
            make_article(text="Текст", authors=["а"], source="here"),
        ]
        assert len({article.article_id, *(other.article_id for other in others)}) == 7

    def test_id_worked_by_hand(self) -> None:
        canonical = '{"authors": [], "published_at": null, "publisher": null, "text": "Да", "title": "Да", "url": null}'
        digest = subprocess.run(["sha256sum"], input=canonical.encode(), capture_output=True, check=True).stdout[:16]
        assert make_article(text="Да", source="x").article_id == digest.decode()

    @pytest.mark.parametrize(
        ("text", "title"),
        [
            ("Мост открыт. Народ рад.", "Мост открыт."),
            ("«Мост открыт!» Так сказали.", "«Мост открыт!»"),
            ("В 2024 г. на реке открыли мост. Вот.", "В 2024 г. на реке открыли мост."),
            ("Мост открыт\nНарод рад.", "Мост открыт"),
            ("Мост открыли\n  вчера утром. Народ рад.", "Мост открыли вчера утром."),
            ("Мост ул. Садовой и т. д. открыт. Вот.", "Мост ул. Садовой и т. д. открыт."),
            ("Слово " * 30, "Слово " * 19 + "Слово…"),
            ("а" * 200, "а" * 119 + "…"),
            ("а" * 120, "а" * 120),
            ("а" * 119 + " бв", "а" * 119 + "…"),
        ],
    )
    def test_missing_title(self, text: str, title: str) -> None:
        assert make_article(text=text, source="x").title == title
        assert len(title) <= 120

    @pytest.mark.parametrize(
        ("text", "given", "language"),
        [
            ("The bridge over the river was opened yesterday by the mayor.", None, "en"),
            (PARAGRAPH, None, "ru"),
            (PARAGRAPH, "EN-gb", "en"),
            (PARAGRAPH, "русский", "ru"),
            (PARAGRAPH, "und", "ru"),
            (PARAGRAPH, " ", "ru"),
            ("12 345 678, 90 : 12 — ok", None, "und"),
        ],
    )
    def test_language(self, text: str, given: str | None, language: str) -> None:
        assert make_article(text=text, source="x", language=given).language == language

    @pytest.mark.parametrize("url", ["http://a.test", "HTTPS://a.test/ы?b=(c)#d"])
    def test_link_is_kept(self, url: str) -> None:
        assert make_article(text="a", source="x", url=f" {url} ").url == url

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "data:text/html,x",
            "//a.test",
            "a.test",
            "http://",
            "http:///x",
            "http://[a/",
            "ftp://a.test",
        ]
        + [
            "https://a.test/<script>",
            'https://a.test/"onclick',
            "https://a.test/a b",
            "https://a.test\njavascript:x",
            "",
        ],
    )
    def test_other_url_is_dropped(self, url: str) -> None:
        assert make_article(text="a", source="x", url=url).url is None

    @pytest.mark.parametrize("text", ["", " \n", "\ufeff", "\x00", "a\ud800"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(BadArticleError):
            make_article(text=text, source="x")

    def test_one_function_under_both_names(self) -> None:
        assert make_article is make_article_of_making

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_no_date(self, value: object) -> None:
        assert parse_date(value) is None


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(exclude_categories=())), ascii_only=st.booleans())
def test_any_text_is_one_article_or_one_skipped(text: str, ascii_only: bool) -> None:
    row = json.dumps({"text": text}, ensure_ascii=ascii_only)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        [first] = read_file(path, row.encode("utf-8", "surrogatepass"))
        [second] = read_corpus([path])
    assert first == second
    if isinstance(first, Article):
        assert first.text == first.text.strip()
        assert first.title
        assert json.loads(json.dumps(first.text)) == first.text


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=300), suffix=st.sampled_from(sorted(readers.READERS)))
def test_any_bytes_are_read_or_skipped(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        items = read_file(Path(folder, f"a{suffix}"), content)
    assert items
    for item in items:
        assert isinstance(item, Article) or item.reason


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(st.text(max_size=20), st.text(min_size=1, max_size=20)), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_csv_wrote_is_read(rows: list[tuple[str, str]], delimiter: str) -> None:
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("title", "text"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        items = read_file(Path(folder, "a.csv"), table.getvalue())
    assert len(items) == len(rows)
    for item, (_, text) in zip(items, rows, strict=True):
        try:
            expected = make_article(text=text, source="x").text
        except BadArticleError:
            assert isinstance(item, Skipped)
        else:
            assert isinstance(item, Article)
            assert item.text == expected


def test_sample_corpus() -> None:
    shared = Path(os.environ.get("OTVET_TEST_SHARED") or Path(__file__).parents[3] / "shared")
    if not (shared / "corpus").is_dir():
        pytest.skip(f"no sample corpus in {shared}; set OTVET_TEST_SHARED")
    items = list(read_corpus([shared / "corpus"]))
    assert len(items) == 2
    for item in items:
        assert isinstance(item, Article)
        assert item.published_at == date(2025, 10, 31)
        assert not item.text.startswith("date")
        assert item.language == "ru"


def test_importing_readers_is_light() -> None:
    heavy = "yaml trafilatura lxml py3langid numpy"
    code = f"import sys, index.readers; sys.exit(' '.join(m for m in {heavy!r}.split() if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
