"""Measures of answers, against shares worked by hand."""

import pytest

from qa.answer_measures import MEASURES, OF_A_MODEL, Case, measure, text_without_markers
from qa.kept_answers import Cited, Kept
from qa.metrics import Share
from qa.squad import AskedQuestion

REFUSAL = Kept(None, "В статьях нет ответа.", (), {"total": 1.0})
QUESTION = AskedQuestion("q1", "До какого времени закрыли мост?", 0, ("до 1 500 года",), ("until 1500",))


def answer(text: str, *quotes: tuple[str, str], mode: str = "extractive") -> Kept:
    """An answer; quotes are pairs of article and text."""
    return Kept(mode, text, tuple(Cited(*quote) for quote in quotes), {"total": 1.0})


def case(given: Kept, *, far: Kept = REFUSAL, near: Kept = REFUSAL, question: AskedQuestion = QUESTION) -> Case:
    return Case(question, "right", {"answerable": given, "far": far, "near": near})


def share(name: str, one: Case) -> Share:
    return {**MEASURES, **OF_A_MODEL}[name].of(one)


@pytest.mark.parametrize(
    ("quotes", "holds"),
    [
        ([("right", "Мост закрыли до 1500 года.")], 1),
        ([("other", "Мост закрыли ДО 1 500 года.")], 1),
        ([("right", "Мост закрыли."), ("right", "До 1500 года.")], 0),
        ([("right", "The bridge is closed until 1500.")], 0),
        ([("right", "О" * 380 + " до 1500 года")], 1),
        ([("right", "О" * 390 + " до 1500 года")], 0),
        ([], 0),
    ],
)
def test_first_quote(quotes: list[tuple[str, str]], holds: float) -> None:
    assert share("first quote holds the answer", case(answer("Да.", *quotes))) == Share(holds, 1)


def test_answer_in_the_text_is_looked_for_in_both_languages() -> None:
    russian, english = answer("Закрыт до 1500 года [1]."), answer("Closed until 1,500 [1].")
    neither = answer("Closed [1].", ("right", "Мост."), ("right", "О" * 500 + " до 1500 года"))
    names = "answer in the text", "answer in the text or a quote"
    assert [[share(name, case(one)).part for name in names] for one in (russian, english, neither)] == [
        [1, 1],
        [1, 1],
        [0, 1],
    ]


def test_refusals_hold_no_answer_whatever_they_say() -> None:
    refusal = Kept(None, "Нет ответа до 1500 года.", (), {})
    names = ("first quote holds the answer", "answer in the text", "answer in the text or a quote", "token F1")
    assert [share(name, case(refusal)) for name in names] == [Share(0, 1)] * 4


def test_token_f1_leaves_markers_out() -> None:
    assert share("token F1", case(answer("до 1500 года [12]"))) == Share(1, 1)


def test_questions_without_a_known_answer_do_not_count() -> None:
    unknown = case(answer("Да.", ("right", "Да.")), question=AskedQuestion("q1", "Что закрыли?", 0))
    assert share("token F1", unknown).whole == share("first quote holds the answer", unknown).whole == 0
    assert share("citation recall", unknown) == Share(1, 1)
    assert "token F1" not in measure([unknown], MEASURES)


@pytest.mark.parametrize(
    ("articles", "precision", "recall", "first"),
    [
        (["right"], Share(1, 1), 1, 1),
        (["other", "right", "right"], Share(2, 3), 1, 0),
        (["right", "other"], Share(1, 2), 1, 1),
        (["other"], Share(0, 1), 0, 0),
        ([], Share(0, 0), 0, 0),
    ],
)
def test_citations(articles: list[str], precision: Share, recall: float, first: float) -> None:
    one = case(answer("Да.", *((article, "Мост.") for article in articles)) if articles else REFUSAL)
    assert share("citation precision", one) == precision
    assert share("citation recall", one) == Share(recall, 1)
    assert share("first citation right", one) == Share(first, 1)


def test_refusals_worked_by_hand() -> None:
    """Of four questions one is refused wrongly; three far and one near one are refused rightly."""
    given = answer("Да.")
    cases = [
        case(given, far=REFUSAL, near=given),
        case(given, far=REFUSAL, near=REFUSAL),
        case(REFUSAL, far=REFUSAL, near=given),
        case(given, far=given, near=given),
    ]
    found = {name: estimate.mean for name, estimate in measure(cases, MEASURES).items()}
    assert found["answerable refused"] == 1 / 4
    assert (found["far: refusal precision"], found["far: refusal recall"]) == (3 / 4, 3 / 4)
    assert (found["near: refusal precision"], found["near: refusal recall"]) == (1 / 2, 1 / 4)


def test_without_a_refusal_their_precision_is_left_out() -> None:
    given = answer("Да.")
    found = measure([case(given, far=given, near=given)], MEASURES)
    assert "far: refusal precision" not in found
    assert found["far: refusal recall"].mean == 0


@pytest.mark.parametrize(
    ("text", "whole", "part"),
    [
        ("Мост закрыт [1].", 1, 1),
        ("The bridge is closed [1].", 1, 0),
        ("The bridge: «мост через реку закрыт» [1].", 1, 0),
        ("Газета: “the bridge over the river is closed”.", 1, 1),
        ("Газета: «he said «the bridge over the river» is closed now».", 1, 1),
        ("«The bridge is closed.» [1]", 1, 1),
        ("1500", 1, 1),
    ],
)
def test_language_of_the_question(text: str, whole: float, part: float) -> None:
    assert share("in the question's language", case(answer(text))) == Share(part, whole)


def test_refusals_have_no_language_and_no_mode() -> None:
    assert share("in the question's language", case(REFUSAL)) == Share(0, 0)
    assert share("fell back to quotes", case(REFUSAL)) == Share(0, 0)


def test_fallen_back_to_quotes() -> None:
    assert share("fell back to quotes", case(answer("Да."))) == Share(1, 1)
    assert share("fell back to quotes", case(answer("Да.", mode="generative"))) == Share(0, 1)


def test_text_without_markers() -> None:
    assert text_without_markers("Мост [1] закрыт [2, 3].") == "Мост закрыт."
