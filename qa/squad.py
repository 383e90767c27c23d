"""Reads questions with known answers from files in SQuAD format.

A second file may ask the same questions, joined by their ids, in another language; so cross-lingual search and answers
are measured too. Each question then knows its answer in both languages.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from index.errors import QuestionError

EvaluationMode = Literal["retrieval", "extractive", "generative"]
"""What is measured on a collection: "retrieval" the search alone, else also answers by quotes or by a model."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question and the paragraph that answers it.

    Attributes:
        paragraph: its place in `Collection.paragraphs`.
        answers: the known answers, word for word as the paragraph has them; empty where the file gives none.
        own_answers: the known answers as the file of the questions words them; `answers` where it is the same file.
    """

    question_id: str
    text: str
    paragraph: int
    answers: tuple[str, ...] = ()
    own_answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """Paragraphs, and questions that each one of them answers.

    Attributes:
        articles: number of the article that each paragraph is from.
    """

    paragraphs: tuple[str, ...]
    questions: tuple[AskedQuestion, ...]
    articles: tuple[int, ...]


def load_collection(
    passages: Path, questions: Path | None = None, *, sample: int | None = None, seed: int = 0
) -> Collection:
    """Read the paragraphs of one file and the questions of the same or another one, joined by question id.

    Questions that SQuAD 2 marks as impossible are left out: no paragraph answers them.

    Args:
        passages: SQuAD-format file.
        questions: SQuAD-format file of the same questions in another language; None for those of `passages`.
        sample: so many questions at most, drawn with `seed`; None for all.
        seed: the same seed draws the same questions.

    Raises:
        QuestionError: a file is not there or not in SQuAD format, or the two share no question.
    """
    collection = _read_squad(passages)
    asked = list(collection.questions)
    if questions is not None:
        known = {question.question_id: question for question in asked}
        asked = [
            replace(known[other.question_id], text=other.text, own_answers=other.answers)
            for other in _read_squad(questions).questions
            if other.question_id in known
        ]
    if not asked:
        raise QuestionError(f"{str(passages)!r} and {str(questions)!r} share no question id; give parallel files")
    if sample is not None and sample < len(asked):
        asked = random.Random(seed).sample(asked, sample)
    return replace(collection, questions=tuple(asked))


def _read_squad(path: Path) -> Collection:
    """Everything that one file holds."""
    paragraphs: list[str] = []
    questions: list[AskedQuestion] = []
    articles: list[int] = []
    try:
        for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"]):
            for paragraph in article["paragraphs"]:
                questions += _questions(paragraph["qas"], len(paragraphs))
                paragraphs.append(str(paragraph["context"]))
                articles.append(number)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise QuestionError(
            f"cannot read {str(path)!r} as SQuAD ({exc!r}); it is JSON: data, paragraphs, context, qas, id, question, "
            "answers, text"
        ) from exc
    return Collection(tuple(paragraphs), tuple(questions), tuple(articles))


def _questions(qas: Sequence[Mapping[str, Any]], paragraph: int) -> list[AskedQuestion]:
    """The questions of one paragraph."""
    found = []
    for asked in qas:
        if not asked.get("is_impossible", False):
            texts = (str(answer["text"]).strip() for answer in asked.get("answers", ()))
            answers = tuple(dict.fromkeys(filter(None, texts)))
            found.append(AskedQuestion(str(asked["id"]), str(asked["question"]), paragraph, answers, answers))
    return found
