"""Asks questions with known answers through the whole chain, and measures the answers.

Each question is asked three times: with everything in the index ("answerable"), without the article that its paragraph
is from ("far"), and without that paragraph alone ("near").

Decision: what is taken out is filtered out, as one index then serves all questions. It goes on to count in how rare a
word is held to be, which it would not in an index that never had it.
Decision: periods that questions name do not limit the days of publication here (`use_dates=False`). The paragraphs have
no such day, so a period would let none of them pass, and the chain would search a second time without it: the same
answers, a longer way, and figures that depend on the day of the run.
Decision: the times are those of answerable questions, which are all asked before the others. The sentences of passages
stay encoded for a while (qa/sentences.py), and each paragraph answers several questions; so stage "rank" is faster here
than over a large corpus.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from index.records import Filters, Progress
from qa.answer_measures import MEASURES, OF_A_MODEL, Case, measure
from qa.chain import AnswerChain
from qa.kept_answers import Asking, Kept, KeptAnswers, Kind, kept
from qa.metrics import Estimate, percentiles
from qa.records import Question
from qa.squad import Collection

log = logging.getLogger(__name__)

AskedMode = Literal["extractive", "generative"]
"""How a question is to be answered."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class AnswerEvaluation:
    """What was measured of the answers.

    Attributes:
        chat_model: its name; None for answers by quotes.
        measures: mean and interval by name; see qa/answer_measures.py. Those that no question counts for are left out.
        times_ms: median and 95th percentile of the milliseconds of each stage and of their "total", of answerable
            questions that came to that stage.
    """

    mode: AskedMode
    chat_model: str | None
    measures: dict[str, Estimate]
    times_ms: dict[str, tuple[float, float]]


def evaluate_answers(
    collection: Collection,
    chain: AnswerChain,
    *,
    article_ids: Sequence[str],
    mode: AskedMode,
    answers: KeptAnswers,
    chat_model: str | None = None,
    progress: Progress | None = None,
) -> AnswerEvaluation:
    """Ask every question three times, as far as `answers` does not hold the responses yet, and measure.

    Args:
        collection: paragraphs and questions, at least one.
        chain: over an index of the paragraphs.
        article_ids: of each paragraph, in their order.
        mode: how to answer.
        answers: keeps the responses as they come; removed when everything is measured.
        chat_model: what the report calls the language model.
        progress: told (stage "answer", done, total).
    """
    found = _ask_all(_askings(collection, article_ids, mode), chain, answers, progress)
    cases = [
        Case(question, article_ids[question.paragraph], {kind: found[Asking(number, kind)] for kind in KINDS})
        for number, question in enumerate(collection.questions)
    ]
    measures = MEASURES if mode == "extractive" else {**MEASURES, **OF_A_MODEL}
    evaluation = AnswerEvaluation(mode, chat_model, measure(cases, measures), _times(cases))
    answers.remove()
    return evaluation


def _askings(collection: Collection, article_ids: Sequence[str], mode: AskedMode) -> dict[Asking, Question]:
    """What is to be asked, in order."""
    return {
        Asking(number, kind): Question(
            question.text,
            mode=mode,
            filters=_without(collection, article_ids, question.paragraph, kind),
            use_dates=False,
        )
        for kind in KINDS
        for number, question in enumerate(collection.questions)
    }


def _without(collection: Collection, article_ids: Sequence[str], paragraph: int, kind: Kind) -> Filters:
    """Lets all articles of the index pass but those that are to be absent; equal paragraphs are one."""
    if kind == "answerable":
        return Filters()
    absent = {article_ids[paragraph]}
    if kind == "far":
        numbers = zip(article_ids, collection.articles, strict=True)
        absent |= {one for one, number in numbers if number == collection.articles[paragraph]}
    return Filters(article_ids=tuple(one for one in dict.fromkeys(article_ids) if one not in absent))


def _ask_all(
    askings: Mapping[Asking, Question], chain: AnswerChain, answers: KeptAnswers, progress: Progress | None
) -> dict[Asking, Kept]:
    """The response to each question; what is kept already is not asked again."""
    tell = progress or (lambda stage, done, total: None)
    found = answers.read()
    left = {asking: question for asking, question in askings.items() if asking not in found}
    if found:
        log.info("going on after %d answers of an earlier run, %d are left", len(found), len(left))
    for question in list(left.values())[:1]:
        chain.invoke(replace(question, mode="extractive"))  # warms the embedding model up; not measured
    tell("answer", len(found), len(askings))
    for asking, question in left.items():
        found[asking] = kept(chain.invoke(question))
        answers.add(asking, found[asking])
        tell("answer", len(found), len(askings))
    return found


def _times(cases: Sequence[Case]) -> dict[str, tuple[float, float]]:
    """Percentiles by stage, "total" last."""
    timings = [case.answer.timings_ms for case in cases]
    stages = sorted({stage: None for one in timings for stage in one}, key=lambda stage: stage == "total")
    return {stage: percentiles([one[stage] for one in timings if stage in one]) for stage in stages}
