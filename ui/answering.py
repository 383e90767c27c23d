"""From the last question of a conversation to its response, step by step, as the page shows it."""

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from index.errors import AnswerStoppedError, OtvetError
from index.sentences import Span, split_sentences
from index.serving import Index
from index.text import Language, question_language
from qa.records import (
    Answer,
    Citation,
    CitationFound,
    PassagesFound,
    QuotesFound,
    Refusal,
    Restarted,
    TextDelta,
)
from ui.asking import Asker
from ui.conversation import Around, Conversation
from ui.messages import Stage
from ui.schemas import MAX_TURN_CHARS, response_out

log = logging.getLogger(__name__)

MAX_AROUND_CHARS = 300
UNEXPECTED: dict[Language, str] = {
    "ru": "Что-то пошло не так; что именно, сказано в журнале сервера. Можно спросить ещё раз.",
    "en": "Something went wrong; the log of the server tells what. You can ask again.",
}


class Step(NamedTuple):
    """A conversation whose last exchange is being answered. `stage` is None once it is over."""

    conversation: Conversation
    stage: Stage | None


def answer_last(asker: Asker, conversation: Conversation, is_stopped: Callable[[], bool]) -> Iterator[Step]:
    """Answers the last question. All steps see one generation of the index; the last one has no stage.

    Args:
        asker: what answers.
        conversation: ends with an open exchange.
        is_stopped: asked again and again; once it is true, the language model is stopped and there are no more steps.
    """
    yield Step(conversation, Stage("searching"))
    try:
        yield from asker.engine.index.pinned(_steps(asker, conversation, is_stopped))
    except AnswerStoppedError:
        return
    except OtvetError as exc:
        log.error("the page could not answer: %s", exc)
        yield Step(_changed(conversation, failed=str(exc)[:MAX_TURN_CHARS]), None)
    except Exception:
        log.exception("the page could not answer")
        yield Step(
            _changed(conversation, failed=UNEXPECTED[question_language(conversation.exchanges[-1].question)]), None
        )


def _steps(asker: Asker, conversation: Conversation, is_stopped: Callable[[], bool]) -> Iterator[Step]:
    index = asker.engine.index
    with index.lease() as generation:
        conversation = _changed(conversation, generation=generation.name)
    stage: Stage | None = Stage("searching")
    text, citations, n_passages = "", list[Citation](), 0
    for event in asker.steps(conversation.question(), "page", is_stopped):
        match event:
            case PassagesFound(passages):
                n_passages = len(passages)
                stage = Stage("found", n_passages)
            case QuotesFound(quotes):
                stage = Stage("writing", n_passages)
                conversation = _with_draft(conversation, quotes, index)
            case CitationFound(citation):
                citations.append(citation)
                continue
            case TextDelta(delta):
                text += delta
                written = Answer(text, "", "generative", tuple(citations))
                conversation = _with_draft(conversation, written, index)
            case Restarted():
                text, citations = "", []
                continue
            case Answer() | Refusal():
                conversation, stage = _answered(conversation, event, index), None
        yield Step(conversation, stage)


def _with_draft(conversation: Conversation, draft: Answer, index: Index) -> Conversation:
    out = response_out(draft)
    return _changed(conversation, draft=out, around=[around(index, citation) for citation in draft.citations])


def _answered(conversation: Conversation, response: Answer | Refusal, index: Index) -> Conversation:
    citations = response.citations if isinstance(response, Answer) else ()
    shown = [around(index, citation) for citation in citations]
    return _changed(conversation, response=response_out(response), draft=None, around=shown)


def _changed(conversation: Conversation, **changes: object) -> Conversation:
    return conversation.with_change(-1, **changes)


def around(index: Index, citation: Citation) -> Around:
    """The rest of the sentences that a quote is a part of; where it is whole ones, the sentence before and after it."""
    article = index.article(citation.source.article_id)
    if article is None:
        return Around()
    start, end = surrounding(split_sentences(article.text), citation.start, citation.end)
    before, after = article.text[start : citation.start], article.text[citation.end : end]
    return Around(before=_last_words(before.strip()), after=_first_words(after.strip()))


def surrounding(sentences: list[Span], start: int, end: int) -> Span:
    """From where to where to show a text around its characters `start` to `end`."""
    touched = [n for n, sentence in enumerate(sentences) if sentence.end > start and sentence.start < end]
    if not touched:
        return Span(start, end)
    first, last = touched[0], touched[-1]
    if sentences[first].start >= start and first > 0:
        first -= 1
    if sentences[last].end <= end and last + 1 < len(sentences):
        last += 1
    return Span(min(sentences[first].start, start), max(sentences[last].end, end))


def _last_words(text: str) -> str:
    return text if len(text) <= MAX_AROUND_CHARS else "…" + text[-MAX_AROUND_CHARS:].partition(" ")[2]


def _first_words(text: str) -> str:
    return text if len(text) <= MAX_AROUND_CHARS else text[:MAX_AROUND_CHARS].rpartition(" ")[0] + "…"
