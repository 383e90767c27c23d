"""What answers to questions with known answers are worth: one share a question and measure. Pure functions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from index.text import WORD, question_language
from qa.citations import split_markers
from qa.kept_answers import Kept, Kind
from qa.metrics import Estimate, Share, bootstrap_share, holds_answer, token_f1
from qa.squad import AskedQuestion

MAX_QUOTE_CHARS = 400  # what a reader takes in at a glance; of a longer quote the beginning counts
QUOTED = re.compile(r"«[^«»]*»|“[^“”]*”")


@dataclass(frozen=True, slots=True)
class Case:
    """A question and all that was answered to it.

    Attributes:
        article_id: of the paragraph that answers it, which is an article of its own in the index.
        answers: by what was in the index.
    """

    question: AskedQuestion
    article_id: str
    answers: Mapping[Kind, Kept]

    @property
    def answer(self) -> Kept:
        """What was answered with the right paragraph in the index."""
        return self.answers["answerable"]

    @property
    def golds(self) -> tuple[str, ...]:
        """The known answers in the language of the passages and in that of the questions."""
        return self.question.answers + self.question.own_answers


@dataclass(frozen=True, slots=True)
class Measure:
    """How a case counts, and what its mean says, for people."""

    meaning: str
    of: Callable[[Case], Share]


def text_without_markers(text: str) -> str:
    """What was written, without the numbers of citations."""
    return "".join(piece for piece in split_markers([text]) if isinstance(piece, str))


def _first_quote(case: Case) -> Share:
    quotes = [citation.quote[:MAX_QUOTE_CHARS] for citation in case.answer.citations[:1]]
    return _of_known(case, any(holds_answer(quote, case.question.answers) for quote in quotes))


def _text(case: Case) -> Share:
    return _of_known(case, _in_text(case))


def _text_or_quote(case: Case) -> Share:
    quotes = (citation.quote for citation in case.answer.citations)
    return _of_known(case, _in_text(case) or any(holds_answer(quote, case.golds) for quote in quotes))


def _in_text(case: Case) -> bool:
    return not case.answer.is_refusal and holds_answer(text_without_markers(case.answer.text), case.golds)


def _f1(case: Case) -> Share:
    f1 = 0.0 if case.answer.is_refusal else token_f1(text_without_markers(case.answer.text), case.golds)
    return _of_known(case, f1)


def _of_known(case: Case, value: float) -> Share:
    """Of a question whose answer is known."""
    return Share(float(value), float(bool(case.question.answers)))


def _right(case: Case) -> list[bool]:
    """For each citation, whether it points at the right paragraph."""
    return [citation.article_id == case.article_id for citation in case.answer.citations]


def _language(case: Case) -> Share:
    """Whether an answer speaks the question's language; one without words of its own speaks no other one."""
    own = text_without_markers(case.answer.text)
    while own != (own := QUOTED.sub(" ", own)):  # quotes within quotes, from the inmost on
        pass
    is_right = not WORD.search(own) or question_language(own) == question_language(case.question.text)
    return _of_answered(case, is_right)


def _of_answered(case: Case, value: bool) -> Share:
    """Of a question that was answered."""
    answered = not case.answer.is_refusal
    return Share(float(answered and value), float(answered))


def _refused(case: Case, kind: Kind) -> float:
    return float(case.answers[kind].is_refusal)


def _refusals(kind: Kind) -> dict[str, Measure]:
    """How well refusals tell questions that can be answered from those that cannot, as many of these as of those."""
    return {
        f"{kind}: refusal precision": Measure(
            f"of the refusals, where all questions are asked with and without ({kind}) their answer, those without",
            lambda case: Share(_refused(case, kind), _refused(case, kind) + _refused(case, "answerable")),
        ),
        f"{kind}: refusal recall": Measure(
            f"of the questions asked without their answer ({kind}), those refused",
            lambda case: Share(_refused(case, kind)),
        ),
    }


MEASURES: Mapping[str, Measure] = {
    "first quote holds the answer": Measure(
        f"the first citation's quote, its first {MAX_QUOTE_CHARS} characters, holds the known answer as the passages "
        "word it; a refusal does not",
        _first_quote,
    ),
    "answer in the text": Measure(
        "the answer's text holds the known answer, as the passages or the questions' file word it", _text
    ),
    "answer in the text or a quote": Measure("the same for the text or any quote, however long", _text_or_quote),
    "token F1": Measure(
        "SQuAD's F1 of the answer's text and the nearest wording of the known answer; 0 for a refusal", _f1
    ),
    "citation precision": Measure(
        "of all citations, those that point at the paragraph that answers, which is an article of its own",
        lambda case: Share(sum(_right(case)), len(case.answer.citations)),
    ),
    "citation recall": Measure(
        "of all questions, those with such a citation at any place", lambda case: Share(float(any(_right(case))))
    ),
    "first citation right": Measure(
        "of all questions, those whose first citation is such a one", lambda case: Share(float(any(_right(case)[:1])))
    ),
    "answerable refused": Measure(
        "of the questions asked with their answer in the index, those refused",
        lambda case: Share(_refused(case, "answerable")),
    ),
    **_refusals("far"),
    **_refusals("near"),
    "in the question's language": Measure(
        "of the answers, those whose words outside of «…» and “…” are in the question's language", _language
    ),
}
OF_A_MODEL: Mapping[str, Measure] = {
    "fell back to quotes": Measure(
        "of the answers, those given by quotes because the language model failed or nothing that it wrote stood",
        lambda case: _of_answered(case, case.answer.mode == "extractive"),
    )
}


def measure(cases: Sequence[Case], measures: Mapping[str, Measure]) -> dict[str, Estimate]:
    """Each measure over all cases, without those that no case counts for."""
    estimates = {name: bootstrap_share([one.of(case) for case in cases]) for name, one in measures.items()}
    return {name: estimate for name, estimate in estimates.items() if estimate is not None}
