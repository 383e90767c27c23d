"""What tells a follow-up question, and what it is made of: openers, pronouns, names, dates (qa/follow_ups.py)."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal

from index.text import COMPOUND, fold, is_stop_word
from qa.date_words import DAYS_AGO, MONTH_NAME, WEEKDAYS, any_of

PhraseKind = Literal["name", "day", "year", "word"]

# Words that tell nothing of the matter, besides those that every text has (`is_stop_word`).
EMPTY_WORDS = frozenset(
    """
    whose many much long often old big people person like would could shall may might must cannot us really exactly ever
    also yet still else per via please yes
    сколько почему отчего откуда какие какое какого какому каким какими каких каком какую каков какова каковы который
    которая которое которые которого которой кого кому кем ком чему кто-то что-то человек люди людей это эта та те
    той тех тому этому этим этими этих туда оттуда нему нем ею оно именно вообще также пожалуйста мной нам вами тебе
    давно долго часто насчет
    """.split()
)
TO_THE_TALKER = re.compile(  # what begins a question with a capital letter and is a verb
    r"(?:tell|name|list|give|show|explain|describe|compare|summari[sz]e|find|let|\w{3,}(?:ть|йте|ите|ись|ся))",
    re.IGNORECASE,
)
PARTICLES = frozenset(
    "de der den van von la le el al bin ibn da di du фон дер де ван бин ибн аль эль ди да дю ла".split()
)
ARTICLES = frozenset(("the", "a", "an", "s"))

# Prepositions; those of one row take each other's place: «на Кипре» and «в Греции».
PREPOSITIONS = {
    word: row
    for row, words in enumerate(
        (
            "в во на",
            "о об обо про",
            "с со",
            "к ко",
            "из изо",
            *"у от до для за по при под над через между без против из-за перед около после".split(),
            "in at on of within",
            "about regarding concerning",
            *"to from for with by between against under over via after before into during".split(),
        )
    )
    for word in words.split()
}

# «А …», "And …"; before it what answers the answer.
COURTESY = r"(?:ок|окей|хорошо|ладно|ясно|понятно|спасибо|ok|okay|well|so|thanks|thank\s+you|i\s+see|right)"
ABOUT = (
    r"(?:(?:что|как)\s+(?:же\s+)?(?:насч[её]т|по\s+поводу|касательно|относительно)|насч[её]т|(?:what|how)\s+about"
    r"|what\s+of|(?:the\s+)?same\s+(?:question\s+)?(?:for|about))"
)
OPENING = re.compile(
    rf"\W*(?:{COURTESY}\b\W*)*(?P<lead>(?:(?:ну\s+)?(?:а|и|но|или|and|but|or)\b(?:\s+(?:then|also|вот|если|как\s+же|что(?=\s+(?-i:[«A-ZА-ЯЁ]))))?)?)"
    rf"[\s,]*(?P<about>(?:{ABOUT}\b)?)\s*",
    re.IGNORECASE,
)
CLOSING = re.compile(r"[\s,]*(?:\b(?:too|also|as\s+well|instead|тоже|также|тогда))?\W*\Z", re.IGNORECASE)

# «Сколько в 2024 году?», "And who in Togo?"
ASKING = re.compile(
    r"(?P<word>что|кто|где|куда|когда|сколько|what|who|where|when|how\s+(?:many|much))\s+"
    rf"(?=(?:{'|'.join(PREPOSITIONS)})\s)",
    re.IGNORECASE,
)
# What begins a matter of its own in few words: «Какой город затопило?»; and what dates it.
OWN_MATTER = re.compile(
    r"(?:which|what\s+(?!is|are|was|were|did|does|do|has|have|had|will|would|can|could|should)\w+|как(?:ой|ая|ое|ие|ого|ую|их)"
    r")\s|(?:is|are|was|were)\s+there\s|.*\b(?:this|эт(?:ом|ой|у)|сегодня|завтра|tomorrow|today|now|сейчас)\b",
    re.IGNORECASE | re.DOTALL,
)

DEFINITION = re.compile(
    r"(?:(?:кто|что)\s+(?:это\s+)?так(?:ой|ая|ое|ие)|что\s+(?:значит|означает)|(?:who|what)\s+(?:is|are|was|were)\s+"
    r"(?:an?\s+|the\s+)?(?!it\b|that\b|this\b|these\b|those\b|he\b|she\b|they\b|there\b)\w+(?:\s+\w+)?\W*\Z"
    r"|what\s+does\s+\w+\s+(?:mean|stand\s+for)\W*\Z)",
    re.IGNORECASE,
)
# With a name, no more is needed: "Where is Maduro?", «Где Мадуро?», "What did Maduro do?"
BEING = re.compile(
    rf"(?:кто|что|где|куда)\s+(?!(?:{'|'.join(PREPOSITIONS)})\s)|(?:who|what|where|how)\s*(?:'s|is|are|was|were)\s",
    re.IGNORECASE,
)
DOING = re.compile(r"\b(?:is|are|was|were|did|does|do|has|have|had|will|would|can|could|should)\b", re.IGNORECASE)

RUSSIAN_TIME = r"(?:год|месяц|недел|раз\b|утр|вечер|дн|день|весн|лет|осен|зим|квартал|век|час)"
ENGLISH_TIME = (
    r"(?:year|month|week|morning|evening|night|summer|winter|spring|autumn|fall|quarter|season|time|day|century)"
)
ANAPHOR = re.compile(
    r"\b(?:он|она|оно|они|ему|е[её]|ей|ею|им(?!\.)|ими|их|его|него|не[её]|ней|нему|ним|ними|них|н[её]м|там|туда|оттуда|тогда"
    rf"|эт(?:о|от|а|у|и|ой|ом|ого|ому|им|ими|их)(?!\s+{RUSSIAN_TIME}|\s+(?:правда|верно|значит|так)\b)"
    r"|(?:после|до|из-за|ради|вместо|против|кроме)\s+того|с\s+тех\s+пор|(?:кто|что|где|когда|кого)\s+ещ[её]|подробн\w+"
    r"|he|she|him|her|his|hers|they|them|their|theirs|else"
    r"|(?<!is\s)(?<!was\s)it(?!\s+(?:takes?|costs?)\s.*\sto\b)|(?:is|was)\s+it(?!\s+(?:\w+\s+){1,2}(?:that|to|for|in)\b)|its"
    rf"|th(?:is|ese|ose)(?!\s+(?:past\s+)?{ENGLISH_TIME}|\s+who\b)"
    r"|(?:is|was|are|were|did|does|do|has|had|after|before|about|for|of|why|how|with|by|from|since|than|like)\s+that"
    r"|that(?=\W*\Z)|there(?=\W*\Z)|(?:since|until|by|before)\s+then|then(?=\W*\Z)|more(?=\W*\Z)|details(?=\W*\Z))\b",
    re.IGNORECASE,
)
ASKS_WHO = re.compile(
    r"\b(?:кто|кого|кому|кем|как(?:ой|ая|ое|ого|ому|ую)|котор\w+|who|whom|whose|which)\b", re.IGNORECASE
)

YEAR = re.compile(r"(?<![\w.,:/-])(?:1[5-9]|20)\d\d(?:-?(?:го|м|й)\b)?(?![\w.,:/-]*\d)")
AFTER_YEAR = re.compile(r"(?:году?|года|годом|г)", re.IGNORECASE)
DAY = re.compile(
    rf"(?:(?<![\w.,:/-])\d{{1,2}}(?:-?го|st|nd|rd|th)?\s+(?:of\s+)?)?{MONTH_NAME}(?:\s+\d{{1,2}}(?:st|nd|rd|th)?(?!\w))?"
    rf"|(?<!\w)(?:{any_of(WEEKDAYS)}|{any_of(DAYS_AGO)})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a question begins before it says anything: characters up to `end`.

    Attributes:
        lead: «А», "And" or the like; "" for none.
        is_about: whether it goes on with "what about" or the like.
    """

    end: int
    lead: str
    is_about: bool


def read_opening(text: str) -> Opening:
    """The opening of a question; empty where it has none."""
    match = OPENING.match(text)
    return Opening(match.end(), match["lead"], bool(match["about"])) if match else Opening(0, "", False)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A name, a date or a word behind a preposition: characters `start` to `end` of a text.

    Attributes:
        lead: where its preposition begins; `start` where it has none.
        preposition: its row in `PREPOSITIONS`, None for none.
        kind: "word" is a word in small letters, given only behind a preposition.
    """

    lead: int
    start: int
    end: int
    preposition: int | None
    kind: PhraseKind


@dataclass(frozen=True, slots=True)
class Token:
    """A word, characters `start` to `end` of a text."""

    start: int
    end: int
    text: str

    @property
    def folded(self) -> str:
        """As the tables have it."""
        return fold(self.text)

    @property
    def is_empty(self) -> bool:
        """Whether it tells nothing of the matter."""
        return self.folded in EMPTY_WORDS or is_stop_word(self.folded) or len(self.folded) < 2

    @property
    def is_capitalised(self) -> bool:
        """Whether it may be a name."""
        return self.text[0].isupper() and not self.is_empty


def tokens(text: str) -> list[Token]:
    """The words of a text, in order; «Ми-8» is one."""
    return [Token(*match.span(), match[0]) for match in COMPOUND.finditer(text)]


def is_careless(text: str) -> bool:
    """Whether a text has no capital letters, so that names cannot be told."""
    return not any(map(str.isupper, text))


def phrases(text: str, *, first_may_be_name: bool, careless: bool = False) -> list[Phrase]:
    """Names, dates and words behind prepositions, in order, none over another.

    Args:
        text: any.
        careless: whether a word behind a preposition counts as a name; see `is_careless`.
        first_may_be_name: whether the first word counts as a name where a name does not follow it.
    """
    found: list[Phrase] = []
    words = tokens(text)
    dates = _dates(text)
    for position, word in enumerate(words):
        if found and word.start < found[-1].end:
            continue
        date = dates.get(word.start)
        kind: PhraseKind | None = date.kind if date else _kind(words, position, text, first_may_be_name)
        if kind is None:
            continue
        end = date.end if date else _name_end(words, position, text, dates) if kind == "name" else word.end
        lead, row = _preposition(words, position, text)
        if kind != "word":
            found.append(Phrase(lead, word.start, end, row, kind))
        elif row is not None:
            found.append(Phrase(lead, word.start, end, row, "name" if careless else "word"))
    return found


def _dates(text: str) -> dict[int, Phrase]:
    """Days and years by where they start."""
    patterns: tuple[tuple[re.Pattern[str], PhraseKind], ...] = ((DAY, "day"), (YEAR, "year"))
    found = [
        Phrase(match.start(), match.start(), match.end(), None, kind)
        for pattern, kind in patterns
        for match in pattern.finditer(text)
    ]
    return {phrase.start: phrase for phrase in found}


def _kind(words: list[Token], position: int, text: str, first_may_be_name: bool) -> PhraseKind | None:
    word = words[position]
    if not word.is_capitalised:
        return None if word.is_empty or word.folded in PREPOSITIONS or AFTER_YEAR.fullmatch(word.text) else "word"
    if position > 0 or _is_name_at_first(words, text, first_may_be_name):
        return "name"
    return None


def _is_name_at_first(words: list[Token], text: str, first_may_be_name: bool) -> bool:
    """Whether the capital letter of the first word is more than that of a sentence."""
    first, second = words[0], words[1] if len(words) > 1 else None
    if TO_THE_TALKER.fullmatch(first.text) or (second and second.folded == "ли"):
        return False
    return first_may_be_name or bool(second and second.is_capitalised and _is_next(first, second, text))


def _name_end(words: list[Token], position: int, text: str, dates: Container[int]) -> int:
    """Where a name of several words ends: «Урсула фон дер Ляйен», "Boeing 737"."""
    end, before = words[position].end, words[position]
    for word in words[position + 1 :]:
        if word.start in dates or not _is_next(before, word, text) or not (word.is_capitalised or _goes_on(word)):
            break
        end = end if word.folded in PARTICLES else word.end
        before = word
    return end


def _goes_on(word: Token) -> bool:
    return word.folded in PARTICLES or (word.text.isdecimal() and len(word.text) < 4)


def _is_next(before: Token, word: Token, text: str) -> bool:
    between = text[before.end : word.start]
    return between.isspace() or (between.strip() == "." and len(before.text) <= 2)  # an initial


def _preposition(words: list[Token], position: int, text: str) -> tuple[int, int | None]:
    """Where the preposition before a word begins, and its row; articles between are passed over."""
    for before in reversed(words[max(0, position - 2) : position]):
        if before.folded in PREPOSITIONS:
            return before.start, PREPOSITIONS[before.folded]
        if before.folded not in ARTICLES:
            break
    return words[position].start, None


def content_words(text: str, *, first_may_be_name: bool = True, careless: bool = False) -> Iterator[Token]:
    """Words that tell something of the matter and are neither names nor dates; see `phrases`."""
    found = phrases(text, first_may_be_name=first_may_be_name, careless=careless)
    taken = [phrase for phrase in found if phrase.kind != "word"]
    for word in tokens(text):
        if not word.is_empty and word.folded not in PREPOSITIONS and not AFTER_YEAR.fullmatch(word.text):
            if not any(phrase.start <= word.start < phrase.end for phrase in taken):
                yield word
