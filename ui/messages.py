"""What the conversation shows of a question and of what came of it. Pure functions that give HTML for Gradio's chat.

Each message is one HTML block without blank lines, so that the chat's Markdown leaves it as it is; every text in it is
made inert by `plain_html`, in case it does not.
"""

import re
from typing import Literal, NamedTuple

from index.text import Language, question_language
from ui.conversation import Conversation, Exchange
from ui.languages import language_name
from ui.render import day_range, plain_html, remarks
from ui.schemas import AnswerOut, CitationOut, RefusalOut
from ui.sources import card_id

MARKER = re.compile(r"\[(\d{1,3})\]")
PARAGRAPH = re.compile(r"\n\s*\n")

WORDS: dict[str, dict[Language, str]] = {
    "searching": {"ru": "Поиск", "en": "Searching"},
    "found": {"ru": "Найдено отрывков: {n}", "en": "{n} passages found"},
    "writing": {"ru": "Пишу ответ", "en": "Writing the answer"},
    "checking": {"ru": "Проверка", "en": "Checking"},
    "quotes": {"ru": "Пока – цитаты из статей:", "en": "Meanwhile, quotes from the articles:"},
    "checked": {"ru": "Цитат сверено со статьями: {n}", "en": "Quotes checked against the articles: {n}"},
    "seconds": {"ru": "{s} с", "en": "{s} s"},
    "copy": {"ru": "Копировать", "en": "Copy"},
    "no_answer": {"ru": "Ответа нет", "en": "No answer"},
    "stopped": {"ru": "Остановлено.", "en": "Stopped."},
    "stopped_draft": {
        "ru": "Остановлено: выше то, что успело появиться.",
        "en": "Stopped: above is what there was by then.",
    },
    "broken_off": {
        "ru": "Ответ прервался: страница или сервер были перезапущены. Нажмите «Повторить».",
        "en": "The answer broke off, as the page or the server was restarted. Press Retry.",
    },
    "filters": {"ru": "Фильтры: {filters}", "en": "Filters: {filters}"},
    "published": {"ru": "дата публикации {value}", "en": "published {value}"},
    "publisher": {"ru": "издание {value}", "en": "publisher {value}"},
    "language": {"ru": "язык статей {value}", "en": "language of the articles {value}"},
    "articles": {"ru": "статьи {value}", "en": "articles {value}"},
    "dates_off": {"ru": "даты из вопроса не учтены", "en": "dates in the question not applied"},
}


class Stage(NamedTuple):
    """How far an answer is. `n_passages` is known from "found" on."""

    name: Literal["searching", "found", "writing"]
    n_passages: int = 0


def messages(conversation: Conversation, stage: Stage | None = None) -> list[dict[str, str]]:
    """The conversation as Gradio's chat takes it: two messages an exchange.

    Args:
        conversation: what to show.
        stage: of the last exchange, while it is being answered.
    """
    last = len(conversation.exchanges) - 1
    shown = []
    for n, exchange in enumerate(conversation.exchanges):
        shown.append({"role": "user", "content": _asked(exchange)})
        shown.append({"role": "assistant", "content": answer_message(n, exchange, stage if n == last else None)})
    return shown


def limits_told(exchange: Exchange, language: Language) -> str:
    """What kept articles out of the search, as one line; empty where nothing did."""
    filters = exchange.filters
    ids = filters.article_ids
    first, last = filters.published_from, filters.published_to
    shown = {
        "published": day_range(first, last) if first or last else None,
        "publisher": filters.publisher,
        "language": language_name(filters.language, language) if filters.language else None,
        "articles": None if ids is None else ", ".join(ids) or "–",
        "dates_off": None if exchange.use_dates else "–",
    }
    parts = [WORDS[name][language].format(value=value) for name, value in shown.items() if value]
    return WORDS["filters"][language].format(filters="; ".join(parts)) if parts else ""


def answer_message(n: int, exchange: Exchange, stage: Stage | None = None) -> str:
    """What came of exchange `n`, or how far it is."""
    language = question_language(exchange.question)
    if exchange.failed:
        shown = [_text(n, exchange.draft)] if exchange.draft is not None else []
        return _block("failed", [*shown, _paragraphs(exchange.failed)], language)
    if isinstance(exchange.response, RefusalOut):
        return _refusal(exchange.response, language)
    if exchange.response is not None:
        return _answer(n, exchange.response, language)
    if stage is not None:
        return _unfinished(n, exchange, stage, language)
    parts = [_text(n, exchange.draft)] if exchange.draft is not None else []
    why = "broken_off" if exchange.is_open else "stopped_draft" if exchange.draft is not None else "stopped"
    return _block("unfinished", [*parts, _note(WORDS[why][language])], language)


def _asked(exchange: Exchange) -> str:
    limits = limits_told(exchange, question_language(exchange.question))
    return _block("asked", [_paragraphs(exchange.question), *([_note(limits)] if limits else [])])


def _answer(n: int, answer: AnswerOut, language: Language) -> str:
    notes = [_note(remark) for remark in remarks(answer, language)]
    return _block("answer", [*notes, _text(n, answer), _foot(answer, language)], language)


def _refusal(refusal: RefusalOut, language: Language) -> str:
    notes = [_note(remark) for remark in remarks(refusal, language)]
    heading = f'<p class="otvet-heading">{WORDS["no_answer"][language]}</p>'
    return _block("refusal", [heading, _paragraphs(refusal.text), *notes], language)


def _unfinished(n: int, exchange: Exchange, stage: Stage, language: Language) -> str:
    draft = exchange.draft
    parts = [_stages(stage, language)]
    if draft is not None:
        if draft.mode == "extractive" and stage.name == "writing":
            parts.append(_note(WORDS["quotes"][language]))
        parts.append(_text(n, draft))
    return _block("unfinished", parts, language)


def _stages(stage: Stage, language: Language) -> str:
    """Steps in a row: those that are done, the one at work, those to come."""
    names = ("searching", "writing", "checking")
    now = 0 if stage.name == "searching" else 1
    steps = []
    for place, name in enumerate(names):
        word = WORDS["found" if name == "searching" and now else name][language].format(n=stage.n_passages)
        state = "done" if place < now else "now" if place == now else "next"
        steps.append(f'<span class="otvet-step is-{state}">{plain_html(word)}</span>')
    return f'<p class="otvet-stages">{"".join(steps)}</p>'


def _foot(answer: AnswerOut, language: Language) -> str:
    if not answer.citations:
        return ""
    total_ms = answer.timings_ms.get("total", sum(answer.timings_ms.values()))
    parts = [
        WORDS["checked"][language].format(n=len(answer.citations)),
        WORDS["seconds"][language].format(s=_seconds(total_ms, language)),
    ]
    copy = f'<button type="button" class="otvet-copy">{WORDS["copy"][language]}</button>'
    return f'<p class="otvet-foot"><span>{plain_html(" · ".join(parts))}</span>{copy}</p>'


def _seconds(ms: float, language: Language) -> str:
    text = f"{ms / 1000:.2f}" if ms < 1000 else f"{ms / 1000:.1f}"
    return text.replace(".", ",") if language == "ru" else text


def _text(n: int, answer: AnswerOut) -> str:
    by_marker = {str(citation.marker): citation for citation in answer.citations}
    kind = "quoted" if answer.mode == "extractive" else "written"
    paragraphs = "".join(f"<p>{_linked(n, text, by_marker)}</p>" for text in PARAGRAPH.split(answer.text))
    return f'<div class="otvet-text is-{kind}" lang="{plain_html(answer.language)}">{paragraphs}</div>'


def _linked(n: int, text: str, by_marker: dict[str, CitationOut]) -> str:
    """Text with its markers linked to their cards; a number that is no citation stays text."""
    parts = MARKER.split(text)
    for place, part in enumerate(parts):
        is_marker = place % 2 == 1
        citation = by_marker.get(part) if is_marker else None
        parts[place] = _marker(n, citation) if citation else plain_html(f"[{part}]" if is_marker else part)
    return "".join(parts)


def _marker(n: int, citation: CitationOut) -> str:
    title = plain_html(" ".join(citation.title.split()))
    href = f"#{card_id(n, citation.marker)}"
    return f'<a class="otvet-marker" href="{href}" title="{title}">&#91;{citation.marker}&#93;</a>'


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{plain_html(paragraph)}</p>" for paragraph in PARAGRAPH.split(text))


def _note(text: str) -> str:
    return f'<p class="otvet-note">{plain_html(text)}</p>'


def _block(kind: str, parts: list[str], language: Language | None = None) -> str:
    lang = f' lang="{language}"' if language else ""
    return f'<div class="otvet-message otvet-{kind}"{lang}>{"".join(parts)}</div>'
