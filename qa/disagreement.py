"""Whether two texts contradict each other in a number or a date.

Readers are told "the articles differ", so every doubt is settled against a disagreement. It needs the same unit, the
same role (killed, sold, …), enough other words in common and no other reading: no sum, no second day, no other place.

Measured on pairs written before the rules were tuned on them: tests/unit/test_figures.py has them and the results. On
92 pairs of real headlines and sentences (ParaPhraser, NewsNLI) no false claim and 7 of 11 contradictions, 8 now. In 755
pairs of sentences of one XQuAD paragraph 5 false claims, none now, after tuning on them; in 453 of its sentences and
their translations one claim, true: the translator lost a digit.

Limits. Missed: what is counted by another noun or told by another verb («горняки» and «шахтёры», «сгорело» and
«уничтожено»), dates where a sentence has two. Not seen: who did it to whom; negation.
"""

import re
from itertools import product

from qa import figure_words as words
from qa.figures import Figure, ReadText, read_text, roles_of

# Of the words of the text that has fewer, so many must be in the other one; by what is known of the figure.
SHARE, SHARE_WITH_ROLE, SHARE_OF_DATE = 1 / 2, 1 / 3, 2 / 3
MOST_FIGURES = 30  # more stand in a table or a list, which no other text contradicts as a sentence does
ISO = re.compile(r"(?:([0-9]{4})|-)(?:-([0-9]{2}))?(?:-([0-9]{2}))?")


def disagreement(one: str, other: str) -> tuple[Figure, Figure] | None:
    """The first pair of figures of the same kind and unit that cannot both be true, None where there is none.

    Both texts are taken to be sentences about the same thing. The first figure is of `one`, the second of `other`.
    """
    left, right = read_text(one), read_text(other)
    if max(len(left.figures), len(right.figures)) > MOST_FIGURES:
        return None
    pairs = [pair for pair in product(left.figures, right.figures) if _is_comparable(*pair)]
    agreed = [pair for pair in pairs if _may_both_be_true(*pair)]
    settled = {figure for pair in agreed for figure in pair}
    topics = {_topic(ours) for ours, theirs in agreed if _topic(ours) == _topic(theirs)}
    found = [
        (ours, theirs)
        for ours, theirs in pairs
        if _topic(ours) == _topic(theirs)
        and _topic(ours) not in topics
        and not settled & {ours, theirs}
        and not _is_sum(ours, right.figures)
        and not _is_sum(theirs, left.figures)
        and _share_context(ours, left, right)
    ]
    return _first_certain(found, left, right)


def _first_certain(found: list[tuple[Figure, Figure]], left: ReadText, right: ReadText) -> tuple[Figure, Figure] | None:
    """Two days, and two spans of time, may well have two numbers: then neither is a disagreement."""
    dates = list(product(left.dates, right.dates))
    numbers = [pair for pair in product(left.figures, right.figures) if "date" not in (pair[0].kind, pair[1].kind)]
    timeless = [ours for ours, _ in found if ours.kind != "date" and ours.unit not in words.TIME]
    if dates and not any(_may_both_be_true(*pair) for pair in dates):
        certain = len(dates) == 1 and (not numbers or any(_may_both_be_true(*pair) for pair in numbers))
        certain = certain and all(ours.kind == "date" for ours, _ in found)
    else:
        certain = not timeless or (len(timeless) == len(found) and left.periods == right.periods)
    return found[0] if found and certain else None


def _is_comparable(one: Figure, other: Figure) -> bool:
    same = (one.kind, one.unit) == (other.kind, other.unit) and one.kind != "ordinal"
    opposite = words.CHANGES <= {*one.role.split("+"), *other.role.split("+")}
    told = bool(one.unit) if one.unit != "year" else bool(roles_of(one))  # «лет» are an age, a term or a span
    return same and not opposite and (told or one.kind == "date")


def _topic(figure: Figure) -> tuple[str, str, frozenset[str]]:
    return figure.kind, figure.unit, roles_of(figure)


def _may_both_be_true(one: Figure, other: Figure) -> bool:
    if one.kind != "date":
        return max(one.low, other.low) <= min(one.high, other.high)
    ends = [[match.groups("") for match in ISO.finditer(figure.value)] for figure in (one, other)]
    told = [i for i in range(3) if ends[0][0][i] and ends[1][0][i]]
    ours, theirs = ([[day[i] for i in told] for day in (group[0], group[-1])] for group in ends)
    over_new_year = ours[0] > ours[1] or theirs[0] > theirs[1]
    return over_new_year or max(ours[0], theirs[0]) <= min(ours[1], theirs[1])


def _is_sum(figure: Figure, others: tuple[Figure, ...]) -> bool:
    parts = [other for other in others if (other.kind, other.unit) == (figure.kind, figure.unit)]
    same = [other for other in parts if roles_of(other) == roles_of(figure)]
    return any(
        len(group) > 1
        and sum(part.low for part in group) <= figure.high
        and figure.low <= sum(part.high for part in group)
        for group in (parts, same)
    )


def _share_context(figure: Figure, left: ReadText, right: ReadText) -> bool:
    """Whether two texts have enough other words in common for the figure to be of one thing in both."""
    if left.names and right.names and not left.names & right.names:
        return False
    told = bool(roles_of(figure) - set(words.MARKS.values()))
    if not told and max(sum(_topic(figure) == _topic(f) for f in text.figures) for text in (left, right)) > 1:
        return False
    if left.english != right.english:
        alike = [(left.lands, right.lands), (left.things, right.things)]
        apart = any(ours and theirs and not ours & theirs for ours, theirs in alike)
        shared = left.cognates & right.cognates or any(ours & theirs for ours, theirs in alike)
        return not apart and (told or bool(shared))
    if not told and left.verbs and right.verbs and not left.verbs & right.verbs:
        return False
    common, least = len(left.stems & right.stems), min(len(left.stems), len(right.stems))
    needed = SHARE_WITH_ROLE if told else SHARE_OF_DATE if figure.kind == "date" else SHARE
    return common >= needed * least and (told or common > 0)
