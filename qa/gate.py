"""Whether the corpus can answer at all, decided before anything is written.

The score of the best sentence (mean of its own cosine with the question and its passage's score) must reach a
threshold, one for passages in the question's language and one for others, as cosines across languages are lower.

Measured on 2026-11-22 with the bundled model on 24 articles of XQuAD (120 Russian paragraphs, 612 questions), a
question being unanswerable when its article ("far") or only its paragraph ("near") is taken out of the index:

    questions   answerable ones refused   far ones refused   near ones refused
    Russian     0.010                     0.853              0.338
    English     0.041                     0.683              0.306

These come from a script over whole paragraphs, and the thresholds were chosen by hand on these very questions, with a
look at a dozen questions over the sample and two real articles. They are fitted figures: expect worse on others.

The thresholds err on the side of answering: a quote that misses is seen to miss, a refusal hides what is there.
"""

from collections.abc import Sequence

from qa.language import question_language
from qa.records import RefusalReason
from qa.sentences import Sentence

SAME_LANGUAGE = 0.83
CROSS_LANGUAGE = 0.765


def refusal_reason(question: str, sentences: Sequence[Sentence]) -> RefusalReason | None:
    """Why the question cannot be answered from these sentences (best first), None when it can be tried."""
    if not sentences:
        return RefusalReason.NO_ARTICLES
    best = sentences[0]
    same = best.passage.source.language == question_language(question)
    return None if best.score >= (SAME_LANGUAGE if same else CROSS_LANGUAGE) else RefusalReason.NOT_RELEVANT
