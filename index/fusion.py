"""How the legs of the search become one score, and what that score means.

    evidence = cosine of the chunk + SENTENCE_WEIGHT * highest cosine of one of its sentences
               + SHARE_WEIGHT * share of the query's weight + MAX_SIM_WEIGHT * MaxSim of the words
    score    = 1 / (1 + exp(-SLOPE * (evidence - middle)))

The share (index/lexical.py) says itself how much the keyword leg has to say about a query, so it needs no other weight
where that is little. The score is an estimate of how likely it is that the best chunk with that evidence answers the
query: cosines across languages are lower, so they have a middle of their own. Languages are told apart by their
alphabet, lest an article whose language was not recognised be judged more mildly than its neighbours.

Measured on 2026-11-25 on XQuAD's dev articles (120 Russian paragraphs, 612 questions in each language), weights, slope
and middles derived from other articles than those they are judged on, six times (`python -m qa.weights`):

                     recall@1   recall@5   MRR        best score below 0.15: answerable   far     near
    Russian          0.959      0.998      0.977                             0.042        0.954   0.546
    English          0.908      0.993      0.946                             0.036        0.750   0.337

where "far" and "near" are questions whose article or paragraph is taken out. Fitted on all: 0.961 / 0.913. Legs alone,
recall@1 Russian / English: chunks 0.905 / 0.838, sentences 0.904 / 0.845, share 0.922 / 0.783, MaxSim 0.948 / 0.874.

Tried, none better by the same judgement. Before MaxSim was there (0.953 / 0.900): the share's square root, square, its
part of the best share and its z-score; the second-best sentence, windows of two sentences, the mean of the sentences;
the query embedded as a passage too; words of meaning also for words that the articles hold. On 2026-11-25: the share of
the best sentence alone, or in one sum with its cosine; stems that follow each other as in the query; a number where one
is asked for; numbers of the query found; the passage's length; the article's title before the chunk's text (0.961 /
0.918 where it was 0.961 / 0.913, but chunks alone 0.902 / 0.827, and the titles there are English); its likeness to its
neighbours subtracted (English + 0.005, Russian - 0.002).
"""

import numpy as np
import numpy.typing as npt

SENTENCE_WEIGHT, SHARE_WEIGHT, MAX_SIM_WEIGHT = 2.3, 0.53, 0.94
SLOPE = 10.2
MIDDLE_SAME, MIDDLE_CROSS = 3.52, 3.11  # where the best chunk is as likely right as wrong

Floats = npt.NDArray[np.floating]


def evidence(cosines: Floats, sentences: Floats, shares: Floats, max_sims: Floats | float = 0.0) -> Floats:
    """What the legs say together, (n,): higher is better."""
    return np.asarray(
        cosines + SENTENCE_WEIGHT * sentences + SHARE_WEIGHT * shares + MAX_SIM_WEIGHT * np.asarray(max_sims)
    )


def scores(evidence: Floats, *, same_script: npt.NDArray[np.bool_]) -> Floats:
    """Evidence as a score in [0, 1], (n,); `same_script`: whether the chunk is in the query's alphabet."""
    middle = np.where(same_script, MIDDLE_SAME, MIDDLE_CROSS)
    return np.asarray(1 / (1 + np.exp(-SLOPE * (evidence - middle))))
