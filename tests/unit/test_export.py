"""A conversation as Markdown: readable as it is, and rendered it shows every text as it was, with no other markup."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from index.text import Language
from ui.conversation import Conversation, Exchange
from ui.export import UNSEEN, conversation_markdown, export_file_name, heading_markdown, text_markdown
from ui.messages import WORDS as CHAT_WORDS
from ui.render import remarks
from ui.schemas import AnswerOut, CitationOut, DisagreementOut, FiltersIn, PeriodOut, RefusalOut, SourceOut

COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = "ab1 \t\n\r#*_`[]()<>!&;:/\\.-+=~|\"'$@{}^%,?х—\xa0\x85\u2028"
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TEXTS = st.one_of(st.text(MARKS, max_size=40), ANY)
ASKED_AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)> <!-- c --> <![CDATA[x]]> <?php ?>",
    "[click](javascript:alert(1)) ![pixel](https://evil.example/p.png)",
    "[1]: https://evil.example\n\n[1] [1][1] ![1] [a][1] [1](https://evil.example)",
    "[^1] text\n\n[^1]: note",
    "# h\n## h ##\nSetext\n===\nother\n---\nthird\n-- --\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\na\n-\n\na | b\n:-: | -:\n1 | 2",
    "    code\n\tcode\n```\nfence\n```\n~~~\nfence\n~~~\n***\n* * *\n_ _ _\n- - -",
    "1. one\n2) two\n- a\n+ b\n* c\n1.\n-\n+\n*\n- [ ] task\n  - nested",
    "> quote\n>> more\nlazy",
    "*i* **b** _i_ __b__ ~~s~~ ~s~ `c` ``c ` c`` a*b*c a_b_c a__b__c _a_b_ *_*",
    "&lt;b&gt; &#60;script&#62; &amp; &copy; &nbsp; AT&T",
    "\\ \\\\ \\* \\a a\\\nb\\\n\nc\\",
    "two  \nspaces   \nend",
    "<https://evil.example> <me@evil.example>",
    "---\ntitle: x\n---",
]


@dataclass
class Shown:
    """What a parser makes of a document: its blocks with their text, the links, and each kind of markup there is."""

    blocks: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    def of(self, kind: str) -> list[str]:
        return [text for found, text in self.blocks if found == kind]


def render(markdown: str) -> Shown:
    shown = Shown()
    around: list[str] = []
    for token in COMMONMARK.parse(markdown):
        shown.kinds.add(token.type.removesuffix("_open").removesuffix("_close"))
        if token.nesting == 1:
            around.append(token.tag)
            if token.tag == "blockquote":
                shown.blocks.append(("blockquote", ""))
        elif token.nesting == -1:
            around.pop()
        elif token.type == "inline":
            text = ""
            for child in token.children or []:
                shown.kinds.add(child.type.removesuffix("_open").removesuffix("_close"))
                text += "\n" if child.type in ("hardbreak", "softbreak") else child.content
                if child.type == "link_open":
                    shown.links.append(str(child.attrs["href"]))
            if around[0] == "blockquote":
                kind, before = shown.blocks.pop()
                shown.blocks.append((kind, f"{before}\n\n{text}" if before else text))
            else:
                shown.blocks.append((around[-1], text))
    return shown


def visible(text: str) -> str:
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def lines(text: str) -> list[str]:
    """Those that hold anything, without white space at their ends."""
    return [line.strip() for line in visible(text).splitlines() if line.strip()]


def one_line(text: str) -> str:
    return " ".join(visible(text).split())


def check_text(text: str) -> None:
    shown = render(text_markdown(text))
    assert shown.kinds <= {"paragraph", "inline", "text", "hardbreak"}
    assert [line for block in shown.of("p") for line in block.split("\n")] == lines(text)


@given(TEXTS)
def test_a_text_is_shown_line_by_line(text: str) -> None:
    check_text(text)


@given(
    st.lists(st.sampled_from([*"*_`~[]()!<>&#\\|:-+=1. \nab", "**", "__", "](", "[1]", "\n\n", "  \n"])).map("".join)
)
def test_a_text_of_little_but_markup_is_shown_line_by_line(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize("text", EVIL)
def test_markup_is_shown_as_text(text: str) -> None:
    check_text(text)
    check_text(f"before {text} after")


@given(TEXTS)
def test_a_heading_is_one_line_of_mere_text(text: str) -> None:
    shown = render(f"## {heading_markdown(text)}")
    assert shown.kinds <= {"heading", "inline", "text"}
    assert shown.of("h2") == [one_line(text)]


@pytest.mark.parametrize("text", ["#", "# #", "C #", "C##", "a \\#", "a #\\", "- a", "1. a", "> a", "==", "a ##b #"])
def test_a_heading_keeps_its_number_signs(text: str) -> None:
    assert render(f"## {heading_markdown(text)}").of("h2") == [text]


@given(st.lists(TEXTS.map(one_line).filter(bool)), st.sampled_from(["\n\n", "\r\n\r\n", "\n \t\n\n"]))
def test_paragraphs_stay_paragraphs(paragraphs: list[str], between: str) -> None:
    assert render(text_markdown(between.join(paragraphs))).of("p") == paragraphs


@pytest.mark.parametrize(
    "text",
    [
        "«Газпром» (бывш. РАО) продал 12,5 % акций за $1.2 млрд – сказал И. И. Иванов. [1] [2]",
        "В 2024. г. цена – 5 * 3 = 15; C# и snake_case; e-mail: a.b@example.org!",
        "– Да! – сказал он… (см. № 5/7) {так} 50:50 | 100+ ^ 'кавычки' \"и\" такие; R&D".replace("&", "и"),
        "C:\\Users\\x",
    ],
)
def test_what_means_nothing_to_markdown_stays_as_it_is(text: str) -> None:
    assert text_markdown(text) == text


def test_only_what_could_mean_something_is_escaped() -> None:
    assert text_markdown("2024. Год\n- да\na - b") == "2024\\. Год  \n\\- да  \na - b"
    assert text_markdown("*a* b_c_ [x] [1](y) <b> R&D") == "\\*a\\* b_c\\_ \\[x] \\[1](y) &lt;b> R&amp;D"


def test_articles_read_in_a_text_editor_nearly_as_they_are(corpus: Path) -> None:
    texts = [path.read_text("utf-8") for path in sorted(corpus.rglob("*.txt"))]
    assert texts
    n_escapes = sum(len(text_markdown(line)) - len(line.strip()) for text in texts for line in text.splitlines())
    assert n_escapes < sum(map(len, texts)) / 1_000


def source(**values: Any) -> dict[str, Any]:
    made = {"article_id": "0123456789abcdef", "title": "Bridge", "published_at": date(2025, 3, 1), "language": "en"}
    return {**made, "publisher": "Gazette", "url": "https://news.example/1", **values}


def citation(marker: int = 1, quote: str = "It opened.", **values: Any) -> CitationOut:
    return CitationOut(marker=marker, quote=quote, start=7, end=7 + len(quote), score=0.9, **source(**values))


def answer(text: str = "Built. [1]", *citations: CitationOut, **values: Any) -> AnswerOut:
    made = {"language": "en", "mode": "generative", "notice": None, "period": None, "query": None}
    made |= {"disagreements": [], "timings_ms": {}}
    return AnswerOut(**{**made, "citations": list(citations or [citation()]), **values}, text=text)


def refusal(text: str = "The articles do not say.", *nearest: SourceOut, **values: Any) -> RefusalOut:
    made = {"reason": "not_relevant", "language": "en", "period": None, "query": None, "timings_ms": {}}
    return RefusalOut(**{**made, **values}, text=text, nearest=list(nearest))


def exchange(response: AnswerOut | RefusalOut | None = None, **values: Any) -> Exchange:
    return Exchange(**{"question": "What opened?", "asked_at": ASKED_AT, "response": response, **values})


def document(*exchanges: Exchange, language: Language = "en") -> str:
    return conversation_markdown(Conversation(exchanges=list(exchanges)), language=language)


def test_a_whole_conversation_reads_well() -> None:
    asked = exchange(
        answer(
            "The bridge opened. [1]",
            citation(1, "Мост открыт.\nОн длинный.", language="ru"),
            period=PeriodOut(published_from=date(2025, 3, 1), published_to=date(2025, 3, 31), words="in March"),
            query="What opened in March?",
            disagreements=[DisagreementOut(markers=(1, 2), words=("12", "15"))],
        ),
        filters=FiltersIn(published_from=date(2025, 1, 1).isoformat(), publisher="Gazette", language="ru"),
    )
    refused = exchange(refusal("No.", SourceOut(**source(url=None))), question="And China?", use_dates=False)
    assert document(asked, refused) == (
        "# Conversation with Otvet, 2026-11-26\n\n"
        "## What opened?\n\n"
        "2026-11-26 12:30 UTC  \n"
        "Filters: published 2025-01-01 – …; publisher Gazette; language of the articles Russian\n\n"
        "The bridge opened. [1]\n\n"
        "Written by a language model from the quotes; compare it with them.  \n"
        "Understood as: What opened in March?  \n"
        "Only articles of 2025-03-01 – 2025-03-31 (“in March” in the question).  \n"
        "The articles differ: “12” [1], “15” [2].\n\n"
        "### Sources\n\n"
        "[1] Bridge · Gazette · 2025-03-01  \n"
        "<https://news.example/1>  \n"
        "Article 0123456789abcdef, characters 7–31\n\n"
        "> Мост открыт.  \n"
        "> Он длинный.\n\n"
        "## And China?\n\n"
        "2026-11-26 12:30 UTC  \n"
        "Filters: dates in the question not applied\n\n"
        "No.\n\n"
        "### Nearest articles\n\n"
        "Bridge · Gazette · 2025-03-01  \n"
        "Article 0123456789abcdef\n"
    )


def test_it_speaks_russian() -> None:
    text = document(
        exchange(answer(mode="extractive"), filters=FiltersIn(article_ids=["a", "b"])),
        exchange(refusal("Нет.", SourceOut(**source(published_at=None))), filters=FiltersIn(article_ids=[])),
        language="ru",
    )
    for part in (
        "# Разговор с Otvet, 2026-11-26\n",
        "Фильтры: статьи a, b\n",
        "Фильтры: статьи –\n",
        "Ответ цитатами из статей.",
        "### Источники\n",
        "Статья 0123456789abcdef, символы 7–17\n",
        "### Ближайшие статьи\n",
        "Bridge · Gazette · без даты",
    ):
        assert part in text


def test_small_talk_has_neither_sources_nor_a_word_on_how_it_was_written() -> None:
    talk = answer("Hello!", mode="conversation").model_copy(update={"citations": []})
    assert document(exchange(talk)).endswith("UTC\n\nHello!\n")


def test_what_was_stopped_broke_off_or_failed_says_so() -> None:
    draft = answer("The bridge opened. [1]")
    stopped = document(exchange(draft=draft, is_stopped=True))
    assert CHAT_WORDS["stopped_draft"]["en"] in stopped
    assert "> It opened." in stopped
    assert "The bridge opened. [1]" in stopped
    assert document(exchange(is_stopped=True)).endswith(f"\n\n{CHAT_WORDS['stopped']['en']}\n")
    assert document(exchange()).endswith("\n\nThe answer was not finished.\n")
    assert document(exchange(failed="No *disk*.")).endswith("\n\nNo \\*disk\\*.\n")


def test_a_conversation_of_several_days_names_the_first_and_the_last() -> None:
    days = [exchange(answer(), asked_at=ASKED_AT + timedelta(days=n)) for n in range(3)]
    assert document(*days).startswith("# Conversation with Otvet, 2026-11-26 – 2026-11-28\n")
    assert export_file_name(Conversation(exchanges=days)) == "otvet-2026-11-28.md"


def test_an_empty_conversation_is_a_title() -> None:
    assert document() == "# Conversation with Otvet\n"
    assert export_file_name(Conversation()) == "otvet.md"


@pytest.mark.parametrize(
    "url",
    [None, "", "javascript:alert(1)", "file:///etc/passwd", "news.example/a", "//a", "http:", "ht\ntp://a", "https://"],
)
def test_only_addresses_of_the_web_are_linked(url: str | None) -> None:
    shown = render(document(exchange(answer("a", citation(url=url)))))
    assert shown.links == []
    assert "link" not in shown.kinds


@pytest.mark.parametrize(
    "url",
    [
        "https://news.example/a_b_*c*?x=1&y=[2]#z",
        "HTTP://news.example/страница",
        "http://news.example/a b>c<d\ne\"'`)",
        "https://[evil",
        "http://a.example/> <script>alert(1)</script>",
    ],
)
def test_an_address_of_the_web_stays_in_its_link(url: str) -> None:
    shown = render(document(exchange(answer("a", citation(url=url)))))
    assert [unquote(link).lower() for link in shown.links] == [url.lower()]
    assert shown.kinds == {"heading", "paragraph", "blockquote", "inline", "text", "hardbreak", "link"}


CITATIONS = st.builds(citation, st.integers(1, 99), TEXTS, title=TEXTS, publisher=TEXTS, url=TEXTS, article_id=TEXTS)
PERIODS = st.builds(PeriodOut, published_from=st.dates(), published_to=st.none() | st.dates(), words=TEXTS)
DIFFERENCES = st.builds(DisagreementOut, markers=st.just((1, 2)), words=st.tuples(TEXTS, TEXTS))
FOUND = {"period": st.none() | PERIODS, "query": st.none() | TEXTS, "text": TEXTS}
ANSWERS = st.builds(
    lambda citations, **values: answer(**values).model_copy(update={"citations": citations}),
    citations=st.lists(CITATIONS, max_size=2),
    mode=st.sampled_from(["extractive", "generative", "conversation"]),
    notice=st.none() | TEXTS,
    disagreements=st.lists(DIFFERENCES, max_size=2),
    **FOUND,
)
NEAREST = st.builds(lambda **values: SourceOut(**source(**values)), title=TEXTS, publisher=TEXTS, url=TEXTS)
REFUSALS = st.builds(
    lambda nearest, text, **values: refusal(text, *nearest, **values), st.lists(NEAREST, max_size=2), **FOUND
)
EXCHANGES = st.builds(
    exchange,
    st.none() | ANSWERS | REFUSALS,
    question=TEXTS.filter(str.strip),
    draft=st.none() | ANSWERS,
    failed=st.just("") | TEXTS,
    filters=st.builds(FiltersIn, publisher=st.none() | TEXTS, article_ids=st.none() | st.lists(TEXTS.filter(bool))),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EXCHANGES, max_size=3), st.sampled_from(["ru", "en"]))
def test_a_document_shows_every_text_and_has_no_other_markup(exchanges: list[Exchange], language: Language) -> None:
    shown = render(document(*exchanges, language=language))
    assert shown.kinds <= {"heading", "paragraph", "blockquote", "inline", "text", "hardbreak", "link"}
    assert len(shown.of("h1")) == 1
    assert shown.of("h2") == [one_line(one.question) for one in exchanges]
    seen = [None if one.failed else one.response or one.draft for one in exchanges]
    citations = [cited for one in seen if isinstance(one, AnswerOut) for cited in one.citations]
    quotes = [[line for line in quote.split("\n") if line] for quote in shown.of("blockquote")]
    assert quotes == [lines(cited.quote) for cited in citations]
    paragraphs = [line for block in shown.of("p") for line in block.split("\n")]
    for one in exchanges:
        texts = [one.failed] if one.failed else [said.text for said in [one.response or one.draft] if said]
        assert all(line in paragraphs for text in texts for line in lines(text))
        if one.response and not one.failed:
            assert all(one_line(remark) in paragraphs for remark in remarks(one.response, language) if remark)
    for cited in citations:
        assert any(line.startswith(f"[{cited.marker}] {one_line(cited.title)}".strip()) for line in paragraphs)
