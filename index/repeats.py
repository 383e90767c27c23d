"""Whether two passages are the same words: news is reprinted, shortened and put under new headlines.

A passage repeats another when most runs of three words of the shorter one are in the longer one (containment of
shingles: Broder, "On the resemblance and containment of documents", 1997).
"""

import re

from index.text import fold

WORD = re.compile(r"[^\W_]+")  # numbers too: often reports by one template differ in nothing else
RUN = 3
CONTAINED = 0.7  # a reprint with every tenth word changed still shares 0.73 of its runs
NEARLY = 0.95  # cosine below which texts are not compared: reprints of the sample corpus have 0.95 and more

Shingles = frozenset[tuple[str, ...]]


def shingles(text: str) -> Shingles:
    """The runs of three words of a text; of a shorter text all its words as one run."""
    words = WORD.findall(fold(text))
    return frozenset(tuple(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1)))


def is_repeat(one: Shingles, other: Shingles) -> bool:
    """Whether the shorter of two texts is mostly contained in the other."""
    return len(one & other) >= CONTAINED * min(len(one), len(other))
