"""Responses as plain text that stands for itself, with its sources: for agents and chats that read text only. Pure.

Quotes are given character for character, each of their lines after `> `, as in Markdown.
"""

from index.text import Language
from ui.render import details, remarks, safe_url
from ui.schemas import AnswerOut, ArticleOut, HitsOut, RefusalOut, SourceOut

WORDS: dict[str, dict[Language, str]] = {
    "sources": {"ru": "Источники:", "en": "Sources:"},
    "nearest": {"ru": "Ближайшие статьи:", "en": "Nearest articles:"},
}
NOTHING_FOUND = "No passage was found."


def answer_text(out: AnswerOut | RefusalOut) -> str:
    """An answer with its markers, what a reader should know of it, and its sources; or a refusal with what is near."""
    parts = [out.text, *remarks(out, _language(out)), source_list(out)]
    return "\n\n".join(filter(None, parts))


def source_list(out: AnswerOut | RefusalOut) -> str:
    """What an answer cites, each with its exact quote; of a refusal the nearest articles. Empty if there are none."""
    language = _language(out)
    if isinstance(out, AnswerOut):
        heading = "sources"
        items = [_quoted(f"[{one.marker}]", one, one.quote, language) for one in out.citations]
    else:
        heading = "nearest"
        items = [f"- {_source_line(source, language)}" for source in out.nearest]
    return "\n".join([WORDS[heading][language], *items]) if items else ""


def hits_text(out: HitsOut) -> str:
    """What a search found, best first."""
    hits = [_quoted(f"{hit.rank}.", hit, hit.text, "en") for hit in out.hits]
    return "\n\n".join(hits) or NOTHING_FOUND


def article_text(out: ArticleOut) -> str:
    """An article: a line of what it is, then its text as it stands."""
    return f"{_source_line(out, 'en')}\n\n{out.text}"


def _quoted(mark: str, source: SourceOut, quote: str, language: Language) -> str:
    lines = quote.split("\n")  # no other break, as each of them is a part of the quote
    return "\n".join([f"{mark} {_source_line(source, language)}", *(f"> {line}" for line in lines)])


def _source_line(source: SourceOut, language: Language) -> str:
    url = safe_url(source.url)
    parts = [source.title, *details(source, language), *([url] if url else []), f"article_id {source.article_id}"]
    return " · ".join(" ".join(part.split()) for part in parts)


def _language(out: AnswerOut | RefusalOut) -> Language:
    return "ru" if out.language == "ru" else "en"
