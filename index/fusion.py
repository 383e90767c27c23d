"""How the legs of the search become one score, and what that score means.

    evidence = cosine of the chunk + highest cosine of one of its sentences + SHARE_WEIGHT * share of the query's weight
    score    = 1 / (1 + exp(-SLOPE * (evidence - middle)))

The share (index/lexical.py) says itself how much the keyword leg has to say about a query, so it needs no other weight
where that is little. The score is an estimate of how likely it is that the best chunk with that evidence answers the
query: cosines across languages are lower, so they have a middle of their own.

Measured on 2026-11-22 on XQuAD's dev articles (120 Russian paragraphs, 612 questions in each language), weight, slope
and middles chosen on other articles than those they are judged on, six times (`python -m qa.weights`):

                     recall@1   recall@5   MRR        best score below 0.15: answerable   far     near
    Russian          0.954      0.998      0.974                             0.044        0.962   0.554
    English          0.904      0.993      0.942                             0.041        0.709   0.299

where "far" and "near" are questions whose article or paragraph is taken out. Legs alone, recall@1 Russian / English:
chunks 0.904 / 0.840, chunks and sentences 0.926 / 0.884, words 0.922 / 0.783. Predicted and true shares of right
passages differ by 0.08 at most in six classes of score.

Tried, none better by the same judgement: the share's square root, square, its part of the best share and its z-score;
the second-best sentence, windows of two sentences, the mean of the sentences; sentences at half to twice the chunk's
weight; the query embedded as a passage too (English + 0.002, twice the time); subtracting a passage's likeness to its
neighbours; words of meaning also for words that the articles hold (Russian - 0.006).
"""

import numpy as np
import numpy.typing as npt

SHARE_WEIGHT = 0.3
SLOPE = 28.0
MIDDLE_SAME, MIDDLE_CROSS = 1.80, 1.61  # where the best chunk is as likely right as wrong

Floats = npt.NDArray[np.floating]


def evidence(cosines: Floats, sentences: Floats, shares: Floats) -> Floats:
    """What the legs say together, (n,): higher is better."""
    return np.asarray(cosines + sentences + SHARE_WEIGHT * shares)


def scores(evidence: Floats, *, same_language: npt.NDArray[np.bool_]) -> Floats:
    """Evidence as a score in [0, 1], (n,); `same_language`: whether the chunk speaks the query's language."""
    middle = np.where(same_language, MIDDLE_SAME, MIDDLE_CROSS)
    return np.asarray(1 / (1 + np.exp(-SLOPE * (evidence - middle))))
