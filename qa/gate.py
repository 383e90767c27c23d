"""Whether the corpus can answer at all, decided before anything is written.

The score of the best passage estimates how likely it is that it answers (index/fusion.py); below a threshold the
question is refused. Measured on 2026-11-22 with the bundled model on 24 articles of XQuAD (120 Russian paragraphs, 612
questions), a question being unanswerable when its article ("far") or only its paragraph ("near") is taken out of the
index; scores fitted on other articles than those they are judged on, six times; shares of questions refused:

    threshold   Russian: answerable   far     near    English: answerable   far     near
    0.10                 0.026        0.949   0.490            0.015        0.544   0.185
    0.15                 0.044        0.962   0.554            0.041        0.709   0.299
    0.20                 0.054        0.971   0.621            0.070        0.843   0.417
    0.30                 0.080        0.987   0.704            0.111        0.938   0.569

0.15 is taken: it errs on the side of answering, as a quote that misses is seen to miss and a refusal hides what is
there.
"""

from collections.abc import Sequence

from qa.records import Passage, RefusalReason

THRESHOLD = 0.15


def refusal_reason(passages: Sequence[Passage]) -> RefusalReason | None:
    """Why the question cannot be answered from these passages (best first), None when it can be tried."""
    if not passages:
        return RefusalReason.NO_ARTICLES
    return None if passages[0].score >= THRESHOLD else RefusalReason.NOT_RELEVANT
