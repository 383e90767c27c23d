"""Whether the corpus can answer at all, decided before anything is written.

The score of the best passage estimates how likely it is that it answers (index/fusion.py); below a threshold the
question is refused. Measured on 2026-11-25 with the bundled model on 24 articles of XQuAD (120 Russian paragraphs, 612
questions), a question being unanswerable when its article ("far") or only its paragraph ("near") is taken out of the
index; scores derived from other articles than those they are judged on, six times (`python -m qa.weights`); shares of
questions refused:

    threshold   Russian: answerable   far     near    English: answerable   far     near
    0.10                 0.029        0.930   0.482            0.018        0.595   0.222
    0.15                 0.042        0.956   0.544            0.039        0.734   0.332
    0.20                 0.060        0.964   0.595            0.067        0.828   0.420
    0.30                 0.080        0.975   0.685            0.127        0.938   0.587

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
