"""Responses and articles as Markdown and HTML. Pure functions; all that comes from outside is shown as mere text."""

import re
from collections.abc import Sequence
from html import escape, unescape
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode, urlsplit

from index.records import Article
from index.text import Language
from qa.records import Answer, Citation, Passage, Refusal, Response, Source

MEANT_FOR_MARKDOWN = re.compile(r"[!-/:-@\[-`{-~]|(?<![^\r\n])[ \t]")
MARKER = re.compile(r"\[(\d{1,3})\]")
MARKER_LINK = re.compile(r"\[(&#91;\d{1,3}&#93;)\]\(/read/[^)]*\)")
QUOTE_MARK = re.compile(r"^> ", re.MULTILINE)

WORDS: dict[str, dict[Language, str]] = {
    "sources": {"ru": "Источники", "en": "Sources"},
    "nearest": {"ru": "Ближайшие статьи", "en": "Nearest articles"},
    "found": {"ru": "Найдено отрывков: {n}. Выбираю ответ…", "en": "{n} passages found. Choosing the answer…"},
    "writing": {"ru": "Вот цитаты. Пишу ответ…", "en": "Here are quotes. Writing the answer…"},
    "query": {"ru": "Понято как вопрос: {query}", "en": "Understood as: {query}"},
    "period": {
        "ru": "Только статьи за {days} («{words}» в вопросе).",
        "en": "Only articles of {days} (“{words}” in the question).",
    },
    "differ": {"ru": "Статьи расходятся: {sides}.", "en": "The articles differ: {sides}."},
    "side": {"ru": "«{words}» [{n}]", "en": "“{words}” [{n}]"},
    "open": {"ru": "Открыть в статье", "en": "Open in the article"},
    "open_whole": {"ru": "Открыть статью", "en": "Open the article"},
    "original": {"ru": "Оригинал", "en": "Original"},
    "undated": {"ru": "без даты", "en": "no date"},
    "gone": {"ru": "Такой статьи в индексе нет.", "en": "There is no such article in the index."},
}


def article_link(source: Source, *, start: int | None = None, end: int | None = None) -> str:
    """Where an article is shown, at a quote if one is given."""
    path = f"/read/{percent_encode(source.article_id, safe='')}"
    return path if start is None else f"{path}?{urlencode({'start': start, 'end': end})}#quote"


def plain_markdown(text: str) -> str:
    """Markdown that shows the text as it is.

    Every ASCII punctuation mark, and white space that begins a line, becomes an entity, which is never markup.
    """
    return MEANT_FOR_MARKDOWN.sub(lambda match: f"&#{ord(match[0])};", text)


def plain_text(markdown: str) -> str:
    """What `answer_markdown` and `plain_markdown` were made from: without links, block quotes and entities."""
    return unescape(QUOTE_MARK.sub("", MARKER_LINK.sub(r"\1", markdown)))


def answer_markdown(text: str, citations: Sequence[Citation], *, quoted: bool) -> str:
    """The text of an answer so far, its markers linked to the quotes; as a block quote where it is one."""
    by_marker = {str(citation.marker): citation for citation in citations}
    parts = MARKER.split(text)
    for index, number in enumerate(parts):
        is_marker = index % 2 == 1
        citation = by_marker.get(number) if is_marker else None
        parts[index] = _marker_link(citation) if citation else plain_markdown(f"[{number}]" if is_marker else number)
    markdown = "".join(parts)
    return "\n".join(f"> {line}" for line in markdown.split("\n")) if quoted else markdown


def _marker_link(citation: Citation) -> str:
    return f"[&#91;{citation.marker}&#93;]({article_link(citation.source, start=citation.start, end=citation.end)})"


def answer_cards(citations: Sequence[Citation], language: Language) -> str:
    """The panel beside an answer: a card for each citation, empty without any."""
    cards = [_citation_card(citation, language) for citation in citations]
    return _panel(WORDS["sources"][language], cards) if cards else ""


def refusal_cards(refusal: Refusal) -> str:
    """The panel beside a refusal: the articles that come nearest."""
    cards = [_card(source, article_link(source), "", refusal.language) for source in refusal.nearest]
    return _panel(WORDS["nearest"][refusal.language], cards) if cards else ""


def status(passages: Sequence[Passage], language: Language) -> str:
    """What is shown between the search and the first words."""
    return f"*{plain_markdown(WORDS['found'][language].format(n=len(passages)))}*"


def writing(language: Language) -> str:
    """What is shown above the quotes while a language model writes."""
    return f"*{plain_markdown(WORDS['writing'][language])}*\n\n"


def remarks(response: Response, language: Language) -> list[str]:
    """What a reader should know beside the text: how it was found, and where the cited articles differ.

    Plain text, a line each, whatever white space the question and the articles have between their words.
    """
    found = [response.notice] if isinstance(response, Answer) and response.notice else []
    if response.query is not None:
        found.insert(0, WORDS["query"][language].format(query=response.query))
    if response.period is not None:
        days = dict.fromkeys(str(day) if day else "…" for day in (response.period.first, response.period.last))
        found.append(WORDS["period"][language].format(days=" – ".join(days), words=response.period.words))
    for difference in response.disagreements if isinstance(response, Answer) else ():
        sides = zip(difference.words, difference.markers, strict=True)
        shown = (WORDS["side"][language].format(words=words, n=n) for words, n in sides)
        found.append(WORDS["differ"][language].format(sides=", ".join(shown)))
    return [" ".join(remark.split()) for remark in found]


def remarks_markdown(response: Response, language: Language) -> str:
    """The remarks as lines above a text; empty without any."""
    return "".join(f"*{plain_markdown(remark)}*\n\n" for remark in remarks(response, language))


def article_page(article: Article, *, start: int | None, end: int | None, language: Language) -> str:
    """A whole HTML page: the article, with characters `start` to `end` highlighted where that is a part of it."""
    has_quote = start is not None and end is not None and 0 <= start < end <= len(article.text)
    a, b = (start or 0, end or 0) if has_quote else (0, 0)
    before, quote, after = article.text[:a], article.text[a:b], article.text[b:]
    mark = f'<mark id="quote" tabindex="-1">{escape(quote)}</mark>' if has_quote else ""
    details = [escape(part) for part in (*_details(article, language), ", ".join(article.authors)) if part]
    if link := _safe_url(article.url):
        details.append(f'<a href="{escape(link)}" rel="noopener noreferrer nofollow">{WORDS["original"][language]}</a>')
    body = f'<h1>{escape(article.title)}</h1><p class="details">{" · ".join(details)}</p>'
    return _page(
        article.title, article.language, f'{body}<div class="text">{escape(before)}{mark}{escape(after)}</div>'
    )


def missing_page(language: Language) -> str:
    """A whole HTML page that says that the article is not there."""
    return _page("404", language, f"<p>{WORDS['gone'][language]}</p>")


def _page(title: str, language: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{PAGE_CSS}</style></head><body><main>{body}</main></body></html>"
    )


def _panel(heading: str, cards: Sequence[str]) -> str:
    return f'<section class="otvet-panel"><h2>{escape(heading)}</h2>{"".join(cards)}</section>'


def _citation_card(citation: Citation, language: Language) -> str:
    quote = f'<span class="otvet-quote">{escape(citation.quote)}</span>'
    link = article_link(citation.source, start=citation.start, end=citation.end)
    return _card(citation.source, link, quote, language, number=citation.marker)


def _card(source: Source, link: str, quote: str, language: Language, *, number: int | None = None) -> str:
    badge = f'<span class="otvet-number">{number}</span>' if number else ""
    details = escape(" · ".join(_details(source, language)))
    return (
        f'<a class="otvet-card" href="{escape(link)}" target="_blank" rel="noopener">'
        f'<span class="otvet-title">{badge}{escape(source.title)}</span>'
        f'<span class="otvet-details">{details}</span>{quote}'
        f'<span class="otvet-open">{WORDS["open" if quote else "open_whole"][language]}</span></a>'
    )


def _details(source: Source | Article, language: Language) -> list[str]:
    day = source.published_at.isoformat() if source.published_at else WORDS["undated"][language]
    return [part for part in (source.publisher, day) if part]


def _safe_url(url: str | None) -> str | None:
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:  # "http://["
        return None


PAGE_CSS = """
:root { color-scheme: light dark; }
body { margin: 0; font: 1.1rem/1.65 Georgia, "Noto Serif", "DejaVu Serif", serif; }
main { max-width: 42rem; margin: 0 auto; padding: 2rem 1.25rem 40vh; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
.details { font: .9rem/1.5 system-ui, sans-serif; opacity: .75; margin: 0 0 1.5rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark:focus { outline: none; }
mark { background: #fde68a; color: #1c1917; padding: .1em .15em; border-radius: .2em; scroll-margin-top: 30vh; }
"""

CARDS_CSS = """
.otvet-panel h2 { font-size: 1rem; margin: 0 0 .6rem; }
a.otvet-card { display: block; text-align: left; padding: .8rem .9rem; margin: 0 0 .7rem; border-radius: .6rem;
  color: inherit; border: 1px solid var(--border-color-primary); background: var(--background-fill-primary);
  text-decoration: none; }
a.otvet-card:hover, a.otvet-card:focus-visible { border-color: var(--color-accent); }
a.otvet-card:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
a.otvet-card > span { display: block; }
.otvet-title { font-weight: 700; line-height: 1.35; }
a.otvet-card .otvet-number { display: inline-block; min-width: 1.5em; margin-right: .5em; border-radius: .4em;
  text-align: center; background: var(--primary-700); color: #fff; }
.otvet-details { font-size: .85em; opacity: .75; margin-top: .15rem; }
.otvet-quote { margin-top: .5rem; padding-left: .7rem; border-left: 3px solid var(--color-accent);
  white-space: pre-line; overflow-wrap: anywhere; }
.otvet-open { margin-top: .5rem; font-size: .85em; text-decoration: underline; }
"""
