"""Responses in words, and an article as a page of its own. Pure functions; all that comes from outside is mere text."""

import re
from datetime import date
from html import escape
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode, urlsplit

from index.records import Article
from index.text import Language
from ui.schemas import AnswerOut, RefusalOut, SourceOut

PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")

WORDS: dict[str, dict[Language, str]] = {
    "query": {"ru": "Понято как вопрос: {query}", "en": "Understood as: {query}"},
    "period": {
        "ru": "Только статьи за {days} («{words}» в вопросе).",
        "en": "Only articles of {days} (“{words}” in the question).",
    },
    "differ": {"ru": "Статьи расходятся: {sides}.", "en": "The articles differ: {sides}."},
    "side": {"ru": "«{words}» [{n}]", "en": "“{words}” [{n}]"},
    "original": {"ru": "Оригинал", "en": "Original"},
    "undated": {"ru": "без даты", "en": "no date"},
    "gone": {"ru": "Такой статьи в индексе нет.", "en": "There is no such article in the index."},
}


def article_link(article_id: str, *, start: int | None = None, end: int | None = None) -> str:
    """Where an article is shown, at a quote if one is given."""
    path = f"/read/{percent_encode(article_id, safe='')}"
    return path if start is None else f"{path}?{urlencode({'start': start, 'end': end})}#quote"


def plain_html(text: str) -> str:
    """HTML that shows the text as it is, also where Markdown is read in it: line breaks are kept, in one line.

    Every ASCII punctuation mark becomes an entity, which is never markup.
    """
    inert = PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", text)
    return "<br>".join(inert.splitlines())


def remarks(response: AnswerOut | RefusalOut, language: Language) -> list[str]:
    """What a reader should know beside the text: how it was found, and where the cited articles differ.

    Plain text, a line each, whatever white space the question and the articles have between their words.
    """
    found = [response.notice] if isinstance(response, AnswerOut) and response.notice else []
    if response.query is not None:
        found.insert(0, WORDS["query"][language].format(query=response.query))
    if response.period is not None:
        days = day_range(response.period.published_from, response.period.published_to)
        found.append(WORDS["period"][language].format(days=days, words=response.period.words))
    for difference in response.disagreements if isinstance(response, AnswerOut) else ():
        sides = zip(difference.words, difference.markers, strict=True)
        shown = (WORDS["side"][language].format(words=words, n=n) for words, n in sides)
        found.append(WORDS["differ"][language].format(sides=", ".join(shown)))
    return [" ".join(remark.split()) for remark in found]


def day_range(first: date | None, last: date | None) -> str:
    """Days from and to, a dash between them; one day alone; "…" for no bound."""
    return " – ".join(dict.fromkeys(str(day) if day else "…" for day in (first, last)))


def details(source: SourceOut | Article, language: Language) -> list[str]:
    """Publisher and day, as far as they are known."""
    day = source.published_at.isoformat() if source.published_at else WORDS["undated"][language]
    return [part for part in (source.publisher, day) if part]


def safe_url(url: str | None) -> str | None:
    """The address, where it is one of the web."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:  # "http://["
        return None


def original_link(url: str | None, language: Language) -> str:
    """HTML of a link to where an article was published; empty without an address of the web."""
    address = safe_url(url)
    if address is None:
        return ""
    opened = 'target="_blank" rel="noopener noreferrer nofollow"'
    return f'<a class="otvet-original" href="{escape(address)}" {opened}>{WORDS["original"][language]}</a>'


def article_page(article: Article, *, start: int | None, end: int | None, language: Language) -> str:
    """A whole HTML page: the article, with characters `start` to `end` highlighted where that is a part of it."""
    has_quote = start is not None and end is not None and 0 <= start < end <= len(article.text)
    a, b = (start or 0, end or 0) if has_quote else (0, 0)
    before, quote, after = article.text[:a], article.text[a:b], article.text[b:]
    mark = f'<mark id="quote" tabindex="-1">{escape(quote)}</mark>' if has_quote else ""
    parts = [escape(part) for part in (*details(article, language), ", ".join(article.authors)) if part]
    if link := original_link(article.url, language):
        parts.append(link)
    body = f'<h1>{escape(article.title)}</h1><p class="details">{" · ".join(parts)}</p>'
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


PAGE_CSS = """
:root { color-scheme: light dark; }
body { margin: 0; font: 1.1rem/1.65 Georgia, "Noto Serif", "DejaVu Serif", serif; }
main { max-width: 42rem; margin: 0 auto; padding: 2rem 1.25rem 40vh; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
.details { font: .9rem/1.5 system-ui, sans-serif; opacity: .8; margin: 0 0 1.5rem; }
a { color: inherit; }
@media (prefers-color-scheme: dark) { body { background: #1c1917; color: #e7e5e4; } }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark:focus { outline: none; }
mark { background: #fde68a; color: #1c1917; padding: .1em .15em; border-radius: .2em; scroll-margin-top: 30vh; }
"""
