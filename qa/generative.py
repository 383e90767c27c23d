"""Answer by a language model that reads numbered passages; each of its sentences is checked before it is let out.

A sentence stands when it is in the question's language and the passage that it cites carries it, or another one that
the model was shown does (qa/support.py); else it is dropped. So text comes sentence by sentence, not token by token.
A quote is the sentence that carries the claim with those of its neighbours that speak of the question, as in an answer
by quotes (qa/extractive.py). Where nothing stands the model is asked once more, only to say in that language what the
best sentence says; then there are quotes.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from index.errors import ChatModelError
from index.sentences import split_sentences
from index.text import Language
from qa.chat_models import check_reachable, stream_text, writing_options
from qa.citations import split_markers
from qa.corroboration import Corroborator
from qa.drafts import Claim, Draft, Evidence, NoAnswer, Quote
from qa.extractive import widened
from qa.follow_ups import HISTORY_MAX_TOKENS, bounded_history
from qa.language import answer_language, speaks
from qa.model_queue import ModelQueue, place_in
from qa.prompts import MAX_SENTENCES, NO_ANSWER, RETELL, Shown, answer_messages, choose_shown, n_prompt_tokens
from qa.records import AnswerMode, Passage, Question
from qa.settings import AnswerSettings
from qa.support import SupportCheck

REMNANT = re.compile(r"[\s,;:]+$|(?<=[.!?…])[\s,;:.]+$")  # what stood between markers
log = logging.getLogger(__name__)

AGAIN_TOKENS = 150  # of the articles, at the second try
CLOSING = ".!?…"
MARKUP = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s+|\*\*|`")  # bullets and emphasis, which a sentence has no use for
NON_ANSWER = re.compile(  # says of the passages that they do not say it
    rf"{NO_ANSWER}"
    r"|\b(?:passages?|text|articles?)\b[^.]{0,20}\b(?:do|does|did)(?: not|n['’]t)"
    r" (?:mention|say|state|provide|contain|specify|answer|indicate|include)\b"
    r"|\bno (?:information|mention|answer|data)\b[^.]{0,60}\b(?:passages?|text|articles?)\b"
    r"|\bв\s+(?:\w+\s+)?(?:отрывк|текст|стать)\w*[^.]{0,30}\b(?:не\s+(?:указ|говор|упомин|сказан|содерж)\w*|нет)\b"
    r"|\b(?:не\s+(?:указ|говор|упомин|сказан|содерж)\w*|нет)\b[^.]{0,60}\bв\s+(?:\w+\s+)?(?:отрывк|текст|стать)\w*",
    re.IGNORECASE,
)


class NothingStandsError(ChatModelError):
    """Nothing that the model wrote was let out: no passage carries it, or it is in another language."""


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence of a model, without its markers, and the numbers in them."""

    text: str
    numbers: tuple[int, ...]


class GenerativeAnswerer:
    """What the model writes, as far as the passages carry it. See `Answerer`.

    Args:
        queue: where a draft waits for its place, which it keeps for both tries; None for no bound.
    """

    mode: AnswerMode = "generative"

    def __init__(
        self,
        model: BaseChatModel,
        support: SupportCheck,
        corroborator: Corroborator,
        settings: AnswerSettings,
        queue: ModelQueue | None = None,
    ) -> None:
        self._model = model
        self._support = support
        self._corroborator = corroborator
        self._settings = settings
        self._queue = queue

    def draft(self, question: Question, evidence: Evidence, config: RunnableConfig) -> Draft:
        """See `Answerer`."""
        if not evidence.sentences:
            yield NoAnswer()
            return
        check_reachable(self._model)  # who cannot be answered takes no place in the queue
        with place_in(self._queue, config):
            try:
                yield from self._draft(question, evidence, config)
            except NothingStandsError as exc:
                log.info("asking once more: %s", exc)
                yield from self._draft(question, evidence, config, again=True)

    def _draft(self, question: Question, evidence: Evidence, config: RunnableConfig, *, again: bool = False) -> Draft:
        language = answer_language(question)
        messages, shown = self._prompt(question, evidence, language, again=again)
        options = writing_options(self._model, language, n_passages=len(shown))
        with closing(stream_text(self._model, messages, config, **options)) as written:
            head = _head(written)
            if head.startswith(NO_ANSWER):
                yield NoAnswer()
                return
            told: set[Quote] = set()
            for text, quotes in self._supported(written_sentences(chain([head], written)), shown, language):
                wide = [widened(quote, evidence.sentences) for quote in quotes]
                yield from self._cited(text, wide, [one.passage for one in shown], told)

    def _prompt(
        self, question: Question, evidence: Evidence, language: Language, *, again: bool
    ) -> tuple[list[BaseMessage], tuple[Shown, ...]]:
        """What the model is sent, which fits its context together with the answer, and what of the passages is in it.

        Raises:
            ChatModelError: not even the best sentence fits.
        """
        settings = self._settings
        query = RETELL[language] if again else evidence.query
        history = _messages(question) if evidence.query != question.text and not again else []
        max_tokens = AGAIN_TOKENS if again else settings.chat_evidence_tokens
        shown = choose_shown(evidence.sentences, max_tokens=min(max_tokens, settings.chat_evidence_tokens))
        while True:
            messages = answer_messages(query, shown, language, history, insist=again)
            if n_prompt_tokens(messages) + settings.chat_max_tokens <= settings.chat_context_tokens:
                return messages, shown
            if len(shown) <= 1:
                raise ChatModelError(
                    f"the question and one passage do not fit {settings.chat_context_tokens} tokens; raise "
                    "OTVET_CHAT_CONTEXT_TOKENS, if the model can"
                )
            shown = shown[:-1]

    def _supported(
        self, sentences: Iterable[Written], shown: Sequence[Shown], language: Language
    ) -> Iterator[tuple[str, tuple[Quote, ...]]]:
        """Those sentences that the passages carry, with white space between them, and what each rests on."""
        passages = [one.passage for one in shown]
        n_given = 0
        for sentence in islice(sentences, MAX_SENTENCES):
            quotes = self._carried(sentence, passages, language)
            if quotes:
                yield (" " if n_given else "") + sentence.text, quotes
                n_given += 1
        if n_given == 0:
            raise NothingStandsError("nothing that the language model wrote is carried by a passage")

    def _carried(self, sentence: Written, passages: Sequence[Passage], language: Language) -> tuple[Quote, ...]:
        """What a sentence rests on; nothing where it says nothing or speaks another language."""
        if NON_ANSWER.search(sentence.text) or not speaks(sentence.text, language):
            log.debug("dropped, as it does not answer in %s: %r", language, sentence.text)
            return ()
        cited = [passages[number - 1] for number in sentence.numbers if 1 <= number <= len(passages)]
        quotes = self._support.quotes(sentence.text, cited, passages)
        if not quotes:
            log.debug("dropped, as no passage carries it: %r", sentence.text)
        return quotes

    def _cited(
        self, text: str, quotes: Sequence[Quote], passages: Sequence[Passage], told: set[Quote]
    ) -> Iterator[Claim]:
        """A sentence with its quotes, and those of other articles that say the same or, not yet `told`, otherwise."""
        found = [self._corroborator.corroborate(quote, passages) for quote in quotes]
        yield Claim(text, (*quotes, *(other for one in found for other in one.same)))
        for difference in (one.difference for one in found if one.difference is not None):
            if difference.quotes[1] not in told:
                told.add(difference.quotes[1])
                yield Claim("", (difference.quotes[1],), difference)


def written_sentences(pieces: Iterable[str]) -> Iterator[Written]:
    """The sentences of a stream of text, each as soon as the next one begins.

    A marker belongs to the sentence that it stands in or behind; one that opens the text, to the first. Where the
    stream ends within a sentence, without a marker or a full stop, that sentence is left out unless it is the only one.
    """
    text = ""
    marks: list[tuple[int, int]] = []  # number, and where in the text it stood
    n_given = 0
    for item in split_markers(pieces):
        if isinstance(item, str):
            text += item
        else:
            marks += [(number, len(text)) for number in item]
        sentences = list(_with_marks(text, marks))
        yield from sentences[n_given:-1]
        n_given = max(n_given, len(sentences) - 1)
    for last in list(_with_marks(text, marks))[n_given:]:
        if last.numbers or last.text.rstrip("»”\"')")[-1:] in CLOSING or n_given == 0:
            yield last


def _with_marks(text: str, marks: Sequence[tuple[int, int]]) -> Iterator[Written]:
    start = 0  # of what belongs to the sentence; white space before it belongs to the one before
    for span in split_sentences(text):
        words = text[span.start : span.end]
        numbers = tuple(dict.fromkeys(number for number, place in marks if start <= place <= span.end))
        start = span.end + 1
        if any(map(str.isalnum, words)):
            yield Written(REMNANT.sub("", " ".join(MARKUP.sub("", words).split())), numbers)


def _messages(question: Question) -> list[BaseMessage]:
    turns = bounded_history(question.history, HISTORY_MAX_TOKENS)
    return [HumanMessage(turn.content) if turn.role == "user" else AIMessage(turn.content) for turn in turns]


def _head(pieces: Iterator[str]) -> str:
    """The beginning of the stream, taken from it: enough to see whether it is the model's word for "no answer"."""
    head = ""
    for piece in pieces:
        head = (head + piece).lstrip()
        if len(head) >= len(NO_ANSWER):
            break
    return head
