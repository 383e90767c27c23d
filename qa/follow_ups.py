"""Follow-up questions made to stand alone for the search: "And China?" asks what was asked before, of China.

The rule, without a language model:

1. A question stands alone where it names something and says something of it («Когда открыли мост в Твери?»), has enough
   words of its own, or asks what something is. It follows up where it opens with «А …», "And …" or "What about …" and
   names nothing or nothing else; where a pronoun stands before any name («Где он это сказал?»); and where it has no
   name and next to no words ("How many people died?").
2. A follow-up that only brings another name or date puts it in the place of one: of the last behind the same
   preposition; without a preposition, of the last that has none either; after "what about" and «что насчёт», or where
   every name has one, simply of the last. The case of a Russian name is left as it is: the search compares stems.
3. Any other follow-up is put behind the question that it follows: "What did Maduro ask Iran for? When was that?" So is
   one that finds no place, that repeats a name, or that is in another language. Of earlier follow-ups those that say
   something stay, the last `MAX_ASPECTS` of them.
4. Answers give nothing but names, and only where the question before asked for one or has none: "Who heads the port?
   Olena Marchuk. How old is she?"

Limits. A follow-up with a name and a verb is taken to stand alone, though «А сколько погибло в Сирии?» may mean the
earthquake before; so is one of three words of content without a name («Какие страны участвовали в переговорах?»), and
a first word is taken for a name («Причина пожара известна?»). After "When did Boeing close its plant in Wichita?",
"And Denver?" is taken for a firm and "What about Airbus?" for a place. «Китай?» alone, and names in small letters
without a preposition, are put behind the question, not in the place of a name. A new matter in few words and without a
name ("Who won the lottery?") is taken for a follow-up.

Decision: a small model does not help, so the rule alone is the default for the embedded one. Qwen2.5-Coder-1.5B
(4 bits, 2 threads) was given 12 made-up conversations on 2026-11-25 that the prompt was not tuned on, all with a
follow-up. Judged by reading, 6 of its questions are tidier than the rule's ("How many teams will come to the 2031 chess
olympiad?"), 6 are wrong, lose the matter or repeat the question; the checks of `_is_sound`, two of them made after
that, stop 5 of the 6. It fails where only a name changes, which the rule does well. A question took 14 to 100 s on two
cores that others used as well.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig

from index.errors import ChatModelError
from index.names import name_keys
from index.text import WORD, fold, question_language, terms
from qa.chat_models import stream_text
from qa.follow_up_words import (
    AFTER_YEAR,
    ANAPHOR,
    ARTICLES,
    ASKING,
    ASKS_WHO,
    BEING,
    CLOSING,
    DEFINITION,
    DOING,
    OWN_MATTER,
    Phrase,
    content_words,
    is_careless,
    phrases,
    read_opening,
    tokens,
)
from qa.model_queue import ModelQueue, place_in
from qa.prompts import LANGUAGE_NAMES, REWRITING_PROMPT, n_tokens, tame
from qa.records import MAX_QUESTION_CHARS, SURROGATE, Question, Turn
from qa.small_talk import small_talk

log = logging.getLogger(__name__)

MAX_QUESTIONS_READ = 8  # of the conversation, the last ones
MAX_ASPECTS = 2  # earlier follow-ups that stay in the query
MAX_PLACED = 3  # names and dates of one follow-up; a text with more is none
MAX_NAMES_OF_ANSWER = 2
ANSWER_CHARS_READ = 300
FEW_WORDS = 2  # a question with no more words of content, and no name, follows up
WORDS_BEFORE_OWN = 3  # behind so many words of its own, a pronoun of a question means one of them
HISTORY_MAX_TOKENS = 300
MAX_REWRITTEN_CHARS = 300
MARKERS = re.compile(r"\s?\[\d+(?:,\s*\d+)*\]")
NUMBER = re.compile(r"\d+")


class Rewriter(Protocol):
    """Makes questions of a conversation stand alone. Safe to call from several threads at once."""

    def standalone(self, question: Question, config: RunnableConfig) -> str:
        """The query for a question: its own text where that stands alone, as it does without a history.

        Returns:
            1 to 2,000 characters that are not all white space.
        """


class RuleRewriter:
    """By the rule of this module, in less than a millisecond a turn."""

    def standalone(self, question: Question, config: RunnableConfig) -> str:
        """See `Rewriter`."""
        parts: tuple[str, ...] = ()
        answer = ""
        for exchange in _exchanges(question.history)[-MAX_QUESTIONS_READ:]:
            parts = _followed(parts, exchange.asked, answer)
            answer = exchange.answer
        return _joined(_followed(parts, question.text, answer))


class ModelRewriter:
    """By a language model, where the rule sees a follow-up; what the model writes must pass `_is_sound`.

    Args:
        model: is stopped once it has written more than 300 characters.
        fallback: takes over where the model fails, is busy or slow, or writes what cannot be used.
        queue: where a question waits for the model; None for no bound.
    """

    def __init__(self, model: BaseChatModel, fallback: Rewriter, queue: ModelQueue | None = None) -> None:
        self._model = model
        self._fallback = fallback
        self._queue = queue

    def standalone(self, question: Question, config: RunnableConfig) -> str:
        """See `Rewriter`."""
        turns = _turns_for_model(question.history)
        if turns and is_follow_up(question.text):
            try:
                written = self._write(question, turns, config)
            except ChatModelError as exc:
                log.warning("making the question stand alone by rule: %s", exc)
            else:
                if _is_sound(written, question, turns):
                    return written
                log.debug("making the question stand alone by rule: the model wrote %r", written)
        return self._fallback.standalone(question, config)

    def _write(self, question: Question, turns: Sequence[Turn], config: RunnableConfig) -> str:
        speakers = {"user": "User", "assistant": "Assistant"}
        values = {
            "conversation": "\n".join(f"{speakers[turn.role]}: {tame(turn.content)}" for turn in turns),
            "question": tame(question.text),
            "language": LANGUAGE_NAMES[question_language(question.text)],
        }
        written = ""
        pieces = stream_text(self._model, REWRITING_PROMPT.invoke(values).to_messages(), config)
        with place_in(self._queue, config), closing(pieces):
            for piece in pieces:
                written += piece
                if len(written) > MAX_REWRITTEN_CHARS:
                    break
        return written.strip()


def bounded_history(turns: Sequence[Turn], max_tokens: int) -> tuple[Turn, ...]:
    """The last turns that fit, oldest first, from a user's turn on; markers such as "[1]" are taken out of answers.

    Whole turns are left out, from the beginning of the conversation; empty ones as well.

    Args:
        turns: oldest first.
        max_tokens: of their contents together (`n_tokens`).
    """
    kept: list[Turn] = []
    left = max_tokens
    for turn in reversed(turns):
        content = MARKERS.sub("", turn.content) if turn.role == "assistant" else turn.content
        left -= n_tokens(content)
        if left < 0:
            break
        if content.strip():
            kept.append(Turn(turn.role, content))
    while kept and kept[-1].role == "assistant":
        kept.pop()
    return tuple(reversed(kept))


def is_follow_up(text: str) -> bool:
    """Whether a question cannot be understood without the one before it; see the rule of this module."""
    opening = read_opening(text)
    rest, careless = CLOSING.sub("", text[opening.end :]), is_careless(text)
    if opening.is_about:
        return True
    kinds = ("name",) if opening.lead else ("name", "day", "year")
    first_may_be_name = bool(opening.lead) or len(tokens(rest)) > 1
    found = phrases(rest, first_may_be_name=first_may_be_name, careless=careless)
    names = [phrase for phrase in found if phrase.kind in kinds]
    if _refers_back(rest, names):
        return True
    if DEFINITION.match(rest):
        return False
    n_content = sum(1 for _ in content_words(rest, careless=careless))
    if names:
        return not n_content and not BEING.match(rest) and not (DOING.search(rest) and not opening.lead)
    return bool(opening.lead) or n_content <= (FEW_WORDS if OWN_MATTER.match(rest) is None else 1)


def _refers_back(rest: str, names: Sequence[Phrase]) -> bool:
    """Whether a pronoun stands before any name and near the beginning."""
    anaphor = ANAPHOR.search(rest)
    if anaphor is None or any(name.start < anaphor.start() for name in names):
        return False
    return sum(1 for _ in content_words(rest[: anaphor.start()])) < WORDS_BEFORE_OWN


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A question of the conversation and its answer, which may be ""."""

    asked: str
    answer: str


def _exchanges(turns: Iterable[Turn]) -> list[_Exchange]:
    """Questions and their answers, oldest first, without small talk."""
    exchanges: list[_Exchange] = []
    is_small_talk = False
    for turn in turns:
        content = SURROGATE.sub("", turn.content).strip()[:MAX_QUESTION_CHARS]
        if turn.role == "user":
            is_small_talk = not content or small_talk(content) is not None
            if not is_small_talk:
                exchanges.append(_Exchange(content, ""))
        elif exchanges and not is_small_talk:
            exchanges[-1] = _Exchange(exchanges[-1].asked, content)
    return exchanges


def _followed(parts: tuple[str, ...], text: str, answer: str) -> tuple[str, ...]:
    """What is asked after one more question.

    Args:
        parts: what was asked before: a question that stands alone and those behind it.
        text: the question.
        answer: to what was asked before.
    """
    if not parts or not is_follow_up(text):
        return (text,)
    aspects = [part for part in parts[1:] if _says_something(part)]
    return _replaced(parts, text) or (parts[0], *aspects[-MAX_ASPECTS:], *_names_of(answer, parts, text), text)


def _says_something(part: str) -> bool:
    return any(content_words(part)) or bool(phrases(part, first_may_be_name=True))


def _replaced(parts: tuple[str, ...], text: str) -> tuple[str, ...] | None:
    """The parts with the name or date of a follow-up that holds nothing else in its place; None where it has none."""
    opening = read_opening(text)
    rest = CLOSING.sub("", text[opening.end :])
    asking = ASKING.match(rest)
    if asking and _begins_alike(asking["word"], parts[-1]):
        rest = rest[asking.end() :]
    wanted = phrases(rest, first_may_be_name=opening.end > 0, careless=is_careless(text))
    if not 1 <= len(wanted) <= MAX_PLACED or not _is_all(rest, wanted) or _keys(rest) & _keys(" ".join(parts)):
        return None
    for position in reversed(range(len(parts))):
        part = parts[position]
        if question_language(text[: opening.end].strip() or rest) == question_language(part):
            changed = _placed(part, rest, wanted, anywhere=opening.is_about)
            if changed is not None:
                return (*parts[:position], changed, *parts[position + 1 :])
    return None


def _begins_alike(word: str, part: str) -> bool:
    """Whether a question word says nothing new: «А что в Самаре?» asks whatever was asked."""
    return fold(word) in ("что", "what") or fold(part).startswith(fold(word))


def _is_all(rest: str, wanted: Sequence[Phrase]) -> bool:
    """Whether a text holds nothing but these phrases."""
    words = [word for word in tokens(rest) if not any(phrase.lead <= word.start < phrase.end for phrase in wanted)]
    return all(word.folded in ARTICLES or AFTER_YEAR.fullmatch(word.text) for word in words)


def _placed(part: str, rest: str, wanted: Sequence[Phrase], *, anywhere: bool) -> str | None:
    """A question with phrases of `rest` in place of its own; None where not each finds a place of its own."""
    slots = phrases(part, first_may_be_name=True, careless=is_careless(part))
    places = {phrase: _slot(slots, phrase, anywhere=anywhere) for phrase in wanted}
    taken = {phrase: slot for phrase, slot in places.items() if slot is not None}
    if len(set(taken.values())) < len(wanted):
        return None
    for phrase, slot in sorted(taken.items(), key=lambda place: place[1].start, reverse=True):
        if None in (phrase.preposition, slot.preposition):
            part = part[: slot.start] + rest[phrase.start : phrase.end] + part[slot.end :]
        else:
            part = part[: slot.lead] + rest[phrase.lead : phrase.end] + part[slot.end :]
    return part


def _slot(slots: Iterable[Phrase], phrase: Phrase, *, anywhere: bool) -> Phrase | None:
    """The phrase whose place another takes."""
    alike = [slot for slot in slots if slot.kind == phrase.kind]
    if phrase.kind in ("name", "word") and not (anywhere and phrase.preposition is None):
        same = [slot for slot in alike if slot.preposition == phrase.preposition]
        alike = same if same or phrase.preposition is not None else alike
    return alike[-1] if alike else None


def _names_of(answer: str, parts: Sequence[str], text: str) -> tuple[str, ...]:
    """The names that an answer gave to a question for them, if the next one has a pronoun."""
    asked = " ".join(parts)
    if not ANAPHOR.search(text) or (_keys(asked) and not ASKS_WHO.search(parts[0])):
        return ()
    answer = MARKERS.sub("", answer)[:ANSWER_CHARS_READ]
    told = [answer[name.start : name.end] for name in phrases(answer, first_may_be_name=False) if name.kind == "name"]
    known, new = _keys(asked), list[str]()
    for name in told:
        if not _keys(name) <= known:
            new.append(name)
            known |= _keys(name)
    return (f"{', '.join(new[:MAX_NAMES_OF_ANSWER])}.",) if new else ()


def _keys(text: str, *, first_may_be_name: bool = True) -> set[str]:
    """Keys of the names in a text, without what begins with a capital letter for another reason."""
    names = [name for name in phrases(text, first_may_be_name=first_may_be_name) if name.kind == "name"]
    return {key for name in names for key in name_keys(_capitalised(text[name.start : name.end]))}


def _capitalised(text: str) -> str:
    return " ".join(word[0].upper() + word[1:] for word in WORD.findall(text))


def _joined(parts: Sequence[str]) -> str:
    """One text of all parts; where that is too long, of the first and the last, or the last alone."""
    for chosen in (parts, (parts[0], parts[-1])):
        ended = [part if part[-1] in ".?!…" else f"{part}?" for part in chosen[:-1]]
        joined = " ".join((*ended, chosen[-1]))
        if len(joined) <= MAX_QUESTION_CHARS:
            return joined
    return parts[-1]


def _turns_for_model(history: Sequence[Turn]) -> tuple[Turn, ...]:
    """The last turns, answers cut short so that the questions before them fit."""
    turns = [Turn(turn.role, SURROGATE.sub("", turn.content)) for turn in history]
    short = [turn if turn.role == "user" else Turn(turn.role, turn.content[:ANSWER_CHARS_READ]) for turn in turns]
    return bounded_history(short, HISTORY_MAX_TOKENS)


def _is_sound(written: str, question: Question, turns: Sequence[Turn]) -> bool:
    """Whether a rewritten question can be used.

    It is one line of 1 to 300 characters in the question's language, ends in a question mark (small models answer),
    stands alone by the rule and does not end in the question itself (or repeat it, where the rule may do more), keeps
    what the question says, and has no name and no number that neither the question nor the turns have.
    """
    if not 1 <= len(written) <= MAX_REWRITTEN_CHARS or len(written.splitlines()) > 1 or written[-1] != "?":
        return False
    if question_language(written) != question_language(question.text):
        return False
    if is_follow_up(written) or written.endswith(question.text.strip()):
        return False
    if not _keeps(written, question.text):
        return False
    said = " ".join([*(turn.content for turn in turns), question.text])
    if not set(NUMBER.findall(written)) <= set(NUMBER.findall(said)):
        return False
    return _keys(written) <= set(name_keys(_capitalised(said)))


def _keeps(written: str, text: str) -> bool:
    """Whether a rewritten question has the names and the words of content of the question."""
    opening = read_opening(text)
    rest, has_lead = text[opening.end :], bool(opening.lead)
    words = {term for word in content_words(rest, first_may_be_name=has_lead) for term in terms(word.text)}
    return words <= set(terms(written)) and _keys(rest, first_may_be_name=has_lead) <= set(name_keys(written))
