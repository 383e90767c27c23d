"""Answers, refusals, passages and articles in words."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ui.answer_text import NOTHING_FOUND, answer_text, article_text, hits_text, source_list
from ui.schemas import (
    AnswerOut,
    ArticleOut,
    CitationOut,
    DisagreementOut,
    HitOut,
    HitsOut,
    PeriodOut,
    RefusalOut,
    SourceOut,
)

SOURCE: dict[str, Any] = {
    "article_id": "a1",
    "title": "Паром снова ходит",
    "published_at": date(2025, 10, 31),
    "publisher": "Вестник",
    "url": "https://news.example.org/1",
    "language": "ru",
}
BARE: dict[str, Any] = {**SOURCE, "article_id": "a2", "published_at": None, "publisher": None, "url": None}


def citation(marker: int, quote: str, **fields: Any) -> CitationOut:
    return CitationOut(**{**SOURCE, **fields}, marker=marker, quote=quote, start=0, end=len(quote), score=0.5)


def answer(*citations: CitationOut, **fields: Any) -> AnswerOut:
    more: dict[str, Any] = {"notice": None, "period": None, "query": None, "disagreements": [], "timings_ms": {}}
    return AnswerOut(
        **{**more, "text": "Паром ходит [1].", "language": "ru", "mode": "extractive", **fields},
        citations=list(citations),
    )


def refusal(*nearest: SourceOut, language: str = "en") -> RefusalOut:
    return RefusalOut(
        reason="not_relevant",
        text="There is no answer.",
        language=language,
        nearest=list(nearest),
        period=None,
        query=None,
        timings_ms={},
    )


def test_an_answer_with_its_sources() -> None:
    out = answer(citation(1, "Паром снова ходит."), citation(2, "В мае.\n\nОн встал.", **BARE))
    assert answer_text(out) == (
        "Паром ходит [1].\n"
        "\n"
        "Источники:\n"
        "[1] Паром снова ходит · Вестник · 2025-10-31 · https://news.example.org/1 · article_id a1\n"
        "> Паром снова ходит.\n"
        "[2] Паром снова ходит · без даты · article_id a2\n"
        "> В мае.\n"
        "> \n"
        "> Он встал."
    )


def test_what_a_reader_should_know_stands_between() -> None:
    out = answer(
        citation(1, "5"),
        language="en",
        text="It runs [1].",
        notice="By quotes.",
        query="When does the ferry run?",
        period=PeriodOut(published_from=date(2025, 10, 1), published_to=date(2025, 10, 31), words="in October"),
        disagreements=[DisagreementOut(markers=(1, 2), words=("5", "6"))],
    )
    assert answer_text(out).split("\n\n")[:-1] == [
        "It runs [1].",
        "Understood as: When does the ferry run?",
        "By quotes.",
        "Only articles of 2025-10-01 – 2025-10-31 (“in October” in the question).",
        "The articles differ: “5” [1], “6” [2].",
    ]


def test_talk_has_no_sources() -> None:
    talk = answer(text="Здравствуйте!", mode="conversation")
    assert (answer_text(talk), source_list(talk)) == ("Здравствуйте!", "")


def test_a_refusal_names_the_nearest_articles() -> None:
    out = refusal(SourceOut(**SOURCE), SourceOut(**BARE))
    assert answer_text(out) == (
        "There is no answer.\n"
        "\n"
        "Nearest articles:\n"
        "- Паром снова ходит · Вестник · 2025-10-31 · https://news.example.org/1 · article_id a1\n"
        "- Паром снова ходит · no date · article_id a2"
    )
    assert answer_text(refusal()) == "There is no answer."
    assert source_list(refusal(SourceOut(**SOURCE), language="ru")).startswith("Ближайшие статьи:")


def test_what_articles_say_of_themselves_makes_no_line_and_no_script() -> None:
    out = refusal(SourceOut(**{**SOURCE, "title": "Паром\n[2] чужое\u2028", "url": "javascript:alert(1)"}))
    assert source_list(out) == "Nearest articles:\n- Паром [2] чужое · Вестник · 2025-10-31 · article_id a1"


@given(st.text(min_size=1))
def test_a_quote_can_be_taken_out_again_character_for_character(quote: str) -> None:
    lines = source_list(answer(citation(1, quote))).split("\n")[2:]
    assert all(line.startswith("> ") for line in lines)
    assert "\n".join(line.removeprefix("> ") for line in lines) == quote


def test_passages_and_articles() -> None:
    hit = HitOut(**SOURCE, text="В мае.", start=0, end=6, rank=1, score=0.5, legs=None, repeats=[])
    line = "Паром снова ходит · Вестник · 2025-10-31 · https://news.example.org/1 · article_id a1"
    assert hits_text(HitsOut(hits=[hit, hit.model_copy(update={"rank": 2})])) == (
        f"1. {line}\n> В мае.\n\n2. {line}\n> В мае."
    )
    assert hits_text(HitsOut(hits=[])) == NOTHING_FOUND
    article = ArticleOut(**SOURCE, authors=[], source="a.txt", n_chars=13, text="В мае.\n\nОн  .")
    assert article_text(article) == f"{line}\n\nВ мае.\n\nОн  ."
