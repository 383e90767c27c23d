"""The panel beside the conversation: the sources of each answer as cards. Pure functions that give HTML.

The panel holds the sources of every answer; which one's are shown, the browser decides (ui/page.js), so that choosing
an earlier answer asks nothing of the server.
"""

from collections.abc import Sequence
from html import escape
from itertools import zip_longest

from index.text import Language, question_language
from ui.conversation import Around, Conversation, Exchange
from ui.render import article_link, details, original_link
from ui.schemas import AnswerOut, CitationOut, RefusalOut, SourceOut

WORDS: dict[str, dict[Language, str]] = {
    "sources": {"ru": "Источники", "en": "Sources"},
    "nearest": {"ru": "Ближайшие статьи", "en": "Nearest articles"},
    "newest": {"ru": "Новые статьи", "en": "Newest articles"},
    "none": {"ru": "Источников нет.", "en": "No sources."},
    "empty": {"ru": "Здесь появятся источники ответа.", "en": "The sources of an answer appear here."},
    "strong": {"ru": "близко к вопросу", "en": "close to the question"},
    "fair": {"ru": "скорее о том же", "en": "likely about it"},
    "weak": {"ru": "возможно, о том же", "en": "possibly about it"},
}
# index/fusion.py: a score is an estimate of how likely it is that the passage answers.
STRONG_SCORE, FAIR_SCORE = 0.8, 0.4


def sources_panel(conversation: Conversation) -> str:
    """HTML of the sources of all answers, those of the last one chosen."""
    last = len(conversation.exchanges) - 1
    sections = [_section(n, exchange, n == last) for n, exchange in enumerate(conversation.exchanges)]
    return f'<div class="otvet-sources">{"".join(sections)}</div>'


def empty_panel(newest: Sequence[SourceOut], language: Language, *, trouble: str = "") -> str:
    """HTML of the panel before the first question: what there is to ask about, or why that cannot be told."""
    cards = "".join(_source_card(source, language) for source in newest)
    heading = f'<h2>{WORDS["newest"][language]}</h2><ol class="otvet-cards">{cards}</ol>' if cards else ""
    hint = escape(trouble) or WORDS["empty"][language]
    return f'<div class="otvet-sources"><p class="otvet-hint">{hint}</p>{heading}</div>'


def card_id(n: int, marker: int) -> str:
    """What the markers of an answer link to: the card of citation `marker` of exchange `n`."""
    return f"source-{n}-{marker}"


def _section(n: int, exchange: Exchange, is_chosen: bool) -> str:
    language = question_language(exchange.question)
    shown = exchange.response or exchange.draft
    heading, cards = "sources", ""
    if isinstance(shown, AnswerOut):
        pairs = zip_longest(shown.citations, exchange.around[: len(shown.citations)], fillvalue=None)
        cards = "".join(_citation_card(n, citation, around, language) for citation, around in pairs if citation)
    elif isinstance(shown, RefusalOut):
        heading = "nearest"
        cards = "".join(_source_card(source, language) for source in shown.nearest)
    listed = (
        f'<ol class="otvet-cards">{cards}</ol>' if cards else f'<p class="otvet-hint">{WORDS["none"][language]}</p>'
    )
    chosen = " is-chosen" if is_chosen else ""
    return (
        f'<section class="otvet-panel{chosen}" data-exchange="{n}" lang="{language}">'
        f"<h2>{WORDS[heading][language]}</h2>"
        f'<p class="otvet-of">{escape(exchange.question)}</p>{listed}</section>'
    )


def _citation_card(n: int, citation: CitationOut, around: Around | None, language: Language) -> str:
    context = around or Around()
    before = f'<span class="otvet-around">{escape(context.before)} </span>' if context.before else ""
    after = f'<span class="otvet-around"> {escape(context.after)}</span>' if context.after else ""
    quote = (
        f'<blockquote lang="{escape(citation.language)}">{before}'
        f'<span class="otvet-quote">{escape(citation.quote)}</span>{after}</blockquote>'
    )
    link = article_link(citation.article_id, start=citation.start, end=citation.end)
    badge = f'<span class="otvet-number">{citation.marker}</span>'
    anchor = f' id="{card_id(n, citation.marker)}"'
    strength = _strength(citation.score, language)
    return _card(citation, link, language, anchor=anchor, badge=badge, quote=quote, strength=strength)


def _source_card(source: SourceOut, language: Language) -> str:
    return _card(source, article_link(source.article_id), language)


def _card(
    source: SourceOut,
    link: str,
    language: Language,
    *,
    anchor: str = "",
    badge: str = "",
    quote: str = "",
    strength: str = "",
) -> str:
    facts = f'<span class="otvet-facts">{escape(" · ".join(details(source, language)))}</span>'
    parts = [part for part in (facts, strength, original_link(source.url, language)) if part]
    return (
        f'<li class="otvet-card"{anchor}>{badge}<div class="otvet-card-body">'
        f'<a class="otvet-open" href="{escape(link)}" target="_blank" rel="noopener" lang="{escape(source.language)}">'
        f'{escape(source.title)}</a><p class="otvet-details">{" · ".join(parts)}</p>{quote}</div></li>'
    )


def _strength(score: float, language: Language) -> str:
    word = "strong" if score >= STRONG_SCORE else "fair" if score >= FAIR_SCORE else "weak"
    return WORDS[word][language]
