"""Whether the corpus can answer at all, decided before anything is written.

The score of the best passage estimates how likely it is that it answers (index/fusion.py); below a threshold the
question is refused. Measured on 2026-11-25 with the bundled model on 24 articles of XQuAD (120 Russian paragraphs, 612
questions), a question being unanswerable when its article ("far") or only its paragraph ("near") is taken out of the
index; scores derived from other articles than those they are judged on, six times (`python -m qa.weights`); shares of
questions refused:

    threshold   Russian: answerable   far     near    English: answerable   far     near
    0.10                 0.031        0.936   0.485            0.020        0.600   0.225
    0.15                 0.042        0.954   0.546            0.036        0.750   0.337
    0.20                 0.062        0.962   0.592            0.065        0.840   0.422
    0.30                 0.080        0.977   0.696            0.127        0.941   0.595

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
