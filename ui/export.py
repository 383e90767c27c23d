"""A conversation as a Markdown document, to be read as it is, in a text editor as well as rendered.

All that comes from outside is shown as mere text: what Markdown would take for markup at its place is escaped, no more.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote as percent_encode

from index.text import Language
from ui.conversation import Conversation, Exchange
from ui.messages import WORDS as CHAT_WORDS
from ui.messages import limits_told
from ui.render import details, remarks
from ui.schemas import AnswerOut, CitationOut, RefusalOut, SourceOut
from ui.sources import WORDS as SOURCE_WORDS

UNSEEN = re.compile(r"[\0-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")  # controls, which some terminals obey
INLINE = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~]|$)            # before punctuation, or as a line's end
    | [`~]
    | (?<=[^ ])\*|\*(?=[^ ])           # a star between spaces is a star
    | (?<![^\W_])_|_(?![^\W_])         # so is a low line within a word
    | \[(?![0-9]{1,3}\](?![(:]))       # a marker is text as long as nothing defines what it refers to
    | [<&]                             # as entities: not all dialects know their escapes
    """,
    re.VERBOSE,
)
BLOCK = re.compile(r"^(?:(?=[#>]|[-+*](?:\s|$)|[-+=:|\s]+$)|[0-9]{1,9}(?=[.)](?:\s|$)))")  # up to what is to be escaped
HEADING_END = re.compile(r"(?:^|(?<= ))(?=#+$)")
ENTITIES = {"<": "&lt;", "&": "&amp;"}
WEB = re.compile(r"https?://\S", re.IGNORECASE)
NOT_IN_URL = re.compile(r"[\s<>\0-\x20\x7f-\x9f\ud800-\udfff]")

EXPORT_WORDS: dict[str, dict[Language, str]] = {
    "title": {"ru": "Разговор с Otvet", "en": "Conversation with Otvet"},
    "extractive": {"ru": "Ответ цитатами из статей.", "en": "An answer by quotes from the articles."},
    "generative": {
        "ru": "Ответ написан языковой моделью по цитатам; сверьте его с ними.",
        "en": "Written by a language model from the quotes; compare it with them.",
    },
    "broken_off": {"ru": "Ответ не дописан.", "en": "The answer was not finished."},
    "article": {"ru": "Статья {article_id}", "en": "Article {article_id}"},
    "place": {"ru": "символы {start}–{end}", "en": "characters {start}–{end}"},
}


def export_file_name(conversation: Conversation) -> str:
    """What the file is called, after the day of the last question."""
    days = [exchange.asked_at.date().isoformat() for exchange in conversation.exchanges[-1:]]
    return "-".join(["otvet", *days]) + ".md"


def conversation_markdown(conversation: Conversation, *, language: Language) -> str:
    """The whole conversation with its sources; only the headings and remarks are in `language`."""
    days = [exchange.asked_at.date().isoformat() for exchange in conversation.exchanges]
    period = " – ".join(dict.fromkeys([*days[:1], *days[-1:]]))
    blocks = [f"# {', '.join(filter(None, [EXPORT_WORDS['title'][language], period]))}"]
    for exchange in conversation.exchanges:
        blocks += _exchange(exchange, language)
    return "\n\n".join(block for block in blocks if block) + "\n"


def text_markdown(text: str) -> str:
    """Markdown that shows the text as it is, in its lines and paragraphs; without white space at their ends."""
    lines = [_line(line) for line in UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text).splitlines()]
    paragraphs = re.split(r"\n{2,}", "\n".join(lines).strip("\n"))
    return "\n\n".join(paragraph.replace("\n", "  \n") for paragraph in paragraphs)


def heading_markdown(text: str) -> str:
    """What may stand behind the # of a heading, to show the text on one line."""
    return HEADING_END.sub(r"\\", _inline(_on_one_line(text)))


def _line(line: str) -> str:
    return BLOCK.sub(r"\g<0>\\", _inline(line.strip()))


def _inline(text: str) -> str:
    return INLINE.sub(lambda match: ENTITIES.get(match[0], f"\\{match[0]}"), text)


def _on_one_line(text: str) -> str:
    return " ".join(UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text).split())


def _exchange(exchange: Exchange, language: Language) -> Iterator[str]:
    """Blocks of Markdown; empty ones count for nothing."""
    yield f"## {heading_markdown(exchange.question)}"
    yield _lines([f"{exchange.asked_at:%Y-%m-%d %H:%M %Z}", limits_told(exchange, language)])
    if exchange.failed:
        yield text_markdown(exchange.failed)
    elif exchange.response is not None:
        yield from _response(exchange.response, language)
    else:
        yield from _unfinished(exchange, language)


def _response(response: AnswerOut | RefusalOut, language: Language) -> Iterator[str]:
    notes = remarks(response, language)
    if isinstance(response, RefusalOut):
        yield from (text_markdown(response.text), _lines(notes))
        nearest = [_source(source, language) for source in response.nearest]
        yield from _section("nearest", nearest, language)
        return
    if response.mode != "conversation":
        notes.insert(0, EXPORT_WORDS[response.mode][language])
    yield from (text_markdown(response.text), _lines(notes))
    yield from _section("sources", [_citation(cited, language) for cited in response.citations], language)


def _unfinished(exchange: Exchange, language: Language) -> Iterator[str]:
    draft = exchange.draft
    why = "stopped_draft" if draft is not None else "stopped"
    note = CHAT_WORDS[why][language] if exchange.is_stopped else EXPORT_WORDS["broken_off"][language]
    yield from (text_markdown(draft.text) if draft is not None else "", note)
    quotes = [_citation(cited, language) for cited in draft.citations] if draft is not None else []
    yield from _section("sources", quotes, language)


def _section(heading: str, sources: Sequence[str], language: Language) -> Sequence[str]:
    return [f"### {SOURCE_WORDS[heading][language]}", *sources] if sources else []


def _citation(cited: CitationOut, language: Language) -> str:
    """The article, and the exact quote in the language of the article."""
    place = EXPORT_WORDS["place"][language].format(start=cited.start, end=cited.end)
    head = _source(cited, language, number=f"[{cited.marker}] ", place=f", {place}")
    quote = text_markdown(cited.quote).split("\n")
    return "\n".join([head, "", *(f"> {line}" if line else ">" for line in quote)])


def _source(source: SourceOut, language: Language, *, number: str = "", place: str = "") -> str:
    """Title, publisher and day; the address where it is of the web; the article's id."""
    title = number + " · ".join(part for part in (source.title, *details(source, language)) if part)
    article = EXPORT_WORDS["article"][language].format(article_id=source.article_id) + place
    return "  \n".join(filter(None, [_lines([title]), _address(source.url), _lines([article])]))


def _address(url: str | None) -> str:
    """A link that shows where it leads; empty where that is not of the web."""
    address = (url or "").strip()
    if not WEB.match(address):
        return ""
    return f"<{NOT_IN_URL.sub(lambda match: percent_encode(match[0], errors='replace'), address)}>"


def _lines(texts: Iterable[str]) -> str:
    """Each text on a line of its own."""
    return text_markdown("\n".join(filter(None, map(_on_one_line, texts))))
