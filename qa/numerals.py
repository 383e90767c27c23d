"""Numbers as news write them, Russian and English: "5,2", «двадцать пять», "5 млн 200 тыс", "two dozen"."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

MOST_DIGITS = 15  # more are an account, not an amount
SPACE = re.compile(r"[ \u00a0\u202f\u2009]")
GROUPED = re.compile(r"\d{1,3}(?:(?:,\d{3}){2,}(?:\.\d+)?|(?:\.\d{3}){2,}(?:,\d+)?|,\d{3}\.\d+|\.\d{3},\d+)")
PLAIN = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


def _numbers(entries: str) -> dict[str, Decimal]:
    """A number and its forms an entry, lower case with е for ё."""
    rows = (entry.split() for entry in entries.split(";"))
    return {form: Decimal(value) for value, *forms in rows for form in forms}


NUMERALS = _numbers("""
    1 один одна одно одного одной одному одну одним one; 1.5 полтора полторы полутора;
    2 два две двух двум двумя двое двоих двоим двоими two; 3 три трех трем тремя трое троих троим троими three;
    4 четыре четырех четырем четырьмя четверо четверых четверым four; 5 пятеро пятерых пятерым five;
    6 шестеро шестерых шестерым six; 7 семь семи семеро семерых семерым seven; 9 девятеро девятерых nine;
    8 восемь восьми восемью восьмеро восьмерых eight; 10 десятеро десятерых ten; 11 eleven; 12 twelve; 13 thirteen;
    14 fourteen; 15 fifteen; 16 sixteen; 17 seventeen; 18 eighteen; 19 nineteen; 20 twenty; 30 thirty;
    40 сорок сорока forty; 50 пятьдесят пятидесяти fifty; 60 шестьдесят шестидесяти sixty;
    70 семьдесят семидесяти seventy; 80 восемьдесят восьмидесяти eighty; 90 девяносто девяноста ninety; 100 сто ста;
    200 двести двухсот двумстам; 300 триста трехсот тремстам; 400 четыреста четырехсот; 500 пятьсот пятисот;
    600 шестьсот шестисот; 700 семьсот семисот; 800 восемьсот восьмисот; 900 девятьсот девятисот
    """)
for ending in ("ь", "и", "ью"):  # not of 7: «семью» is a family too
    NUMERALS |= _numbers(f"""
    5 пят{ending}; 6 шест{ending}; 9 девят{ending}; 10 десят{ending}; 11 одиннадцат{ending}; 12 двенадцат{ending};
    13 тринадцат{ending}; 14 четырнадцат{ending}; 15 пятнадцат{ending}; 16 шестнадцат{ending}; 17 семнадцат{ending};
    18 восемнадцат{ending}; 19 девятнадцат{ending}; 20 двадцат{ending}; 30 тридцат{ending}
    """)
SCALES = _numbers("""
    10 десяток десятка десятков; 12 dozen; 100 hundred сотня сотню сотни сотен; 1e3 thousand тыс тысяча тысячу тысячи
    тысяч тысячам тысячами тысячах тысячей k; 1e6 million mln млн миллион миллиона миллионов миллионам миллионами;
    1e9 billion bn млрд миллиард миллиарда миллиардов миллиардам миллиардами; 1e12 trillion trn трлн триллион
    триллиона триллионов
    """)
# «десятки», "dozens" and «тысячи» alone tell no number; these forms do, the second row after «более» or "a".
ONE = frozenset("десяток сотня сотню тысяча тысячу тысячей миллион миллиард триллион".split())
ONE_AFTER = frozenset("десятка сотни тысячи миллиона миллиарда hundred thousand million billion dozen".split())


class Numeral(NamedTuple):
    """A number as written; `low` to `high` is what its precision leaves open, `next` the index after its last word."""

    value: Decimal
    low: Decimal
    high: Decimal
    scale: Decimal
    next: int


class _Part(NamedTuple):
    value: Decimal
    place: Decimal  # of the last decimal digit, 1 where there is none
    next: int


def read_numeral(words: Sequence[str], at: int, *, english: bool, singular: bool) -> Numeral | None:
    """The number that begins at a word, None where none does: "5,2", «двадцать пять», "5 млн 200 тыс", "two dozen".

    What is written in millions or with two noughts at its end may be rounded: it is open by half of its last place,
    but by no more than 10 % (5 % without a word such as "million"). "1.000", a thousand to some, is open from 1 on.

    Args:
        words: Lower-case words and marks of a text, digits with their separators as one word.
        at: Index of the first word.
        english: Whether a comma parts thousands.
        singular: Whether a scale alone, as in «более тысячи» or "a million", means one of it.
    """
    total, place, scale, last, i = Decimal(0), Decimal(0), Decimal(1), Decimal("Infinity"), at
    while i < len(words):
        part = _part(words, i, english)
        if part is None and i == at and (words[i] in ONE or (singular and words[i] in ONE_AFTER)):
            part = _Part(Decimal(1), Decimal(1), i)
        factor = SCALES.get(words[part.next], Decimal(1)) if part and part.next < len(words) else Decimal(1)
        if part is None or factor >= last:
            break
        total, place, last = total + part.value * factor, part.place * factor, factor
        scale, i = max(scale, factor), part.next + (factor > 1)
        if factor == 1:
            break
    if i == at:
        return None
    if last == 1 and place == 1:
        place = Decimal(10) ** min(len(digits := str(int(total))) - len(digits.rstrip("0")), len(digits) - 1)
        place = place if place >= 100 else Decimal(0)
    slack = min(place / 2 * Decimal("0.999"), total * Decimal("0.1" if scale > 1 else "0.05"))
    ambiguous = AMBIGUOUS.fullmatch(words[at]) and scale == 1 and not (english and "," in words[at])
    return Numeral(total, total - slack, total * 1000 if ambiguous else total + slack, scale, i)


def _part(words: Sequence[str], i: int, english: bool) -> _Part | None:
    place = Decimal(1)
    if "0" <= words[i][0] <= "9":
        literal = _literal(words[i], english)
        if literal is None:
            return None
        value, i = literal, i + 1
        place = Decimal(10) ** max(int(literal.as_tuple().exponent), -MOST_DIGITS)
    else:
        value, i = _sum(words, i)
    if value and tuple(words[i : i + 2]) == ("с", "половиной"):
        value, place, i = value + Decimal("0.5"), Decimal("0.1"), i + 2
    if value and i < len(words) and SCALES.get(words[i]) == 100:
        rest, after = _sum(words, i + 1 + (tuple(words[i + 1 : i + 2]) == ("and",)))
        value, i = value * 100 + rest, after if rest else i + 1
    return _Part(value, place, i) if value or "0" <= words[i - 1][0] <= "9" else None


def _sum(words: Sequence[str], i: int) -> tuple[Decimal, int]:
    total, below = Decimal(0), 1000
    while i < len(words) and NUMERALS.get(words[i], 1000) < below:
        number = NUMERALS[words[i]]
        total, below, i = total + number, 100 if number >= 100 else 10 if number >= 20 else 0, i + 1
        if below == 10 and tuple(words[i : i + 1]) == ("-",):  # twenty-five
            i += NUMERALS.get(words[i + 1], 10) < below if i + 1 < len(words) else 0
    return total, i


def _literal(digits: str, english: bool) -> Decimal | None:
    digits = SPACE.sub("", digits)
    if len(digits) > MOST_DIGITS:
        return None
    if GROUPED.fullmatch(digits) or (english and AMBIGUOUS.fullmatch(digits) and "," in digits):
        separator = next(char for char in digits if char in ".,")
        digits = digits.replace(separator, "")
    return Decimal(digits.replace(",", ".")) if PLAIN.fullmatch(digits) else None
