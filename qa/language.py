"""The language of questions and answers, and the few sentences Otvet says of itself in it."""

import re
from functools import lru_cache
from typing import Any

from index.text import WORD, Language, alphabet, question_language
from qa.records import Question, RefusalReason

SURE = 0.9
QUOTED = re.compile(r"«[^«»]*»|“[^“”]*”|\"[^\"]*\"")

REFUSALS: dict[tuple[RefusalReason, Language], str] = {
    (RefusalReason.NO_ARTICLES, "ru"): "Под заданные фильтры не подходит ни одна статья.",
    (RefusalReason.NO_ARTICLES, "en"): "No article passes the filters.",
    (RefusalReason.NOT_RELEVANT, "ru"): "В статьях нет ответа на этот вопрос.",
    (RefusalReason.NOT_RELEVANT, "en"): "The articles do not answer this question.",
    (RefusalReason.NOT_STATED, "ru"): "В найденных отрывках ответа нет.",
    (RefusalReason.NOT_STATED, "en"): "The passages that were found do not state an answer.",
}
MODEL_FAILED: dict[Language, str] = {
    "ru": "Языковая модель не дала ответа с проверенными ссылками, поэтому приведены цитаты.",
    "en": "The language model gave no answer with checked citations, so here are quotes.",
}
MODEL_BUSY: dict[Language, str] = {
    "ru": "Языковая модель занята другими вопросами, поэтому приведены цитаты.",
    "en": "The language model is busy with other questions, so here are quotes.",
}
MODEL_DOWN: dict[Language, str] = {
    "ru": "Языковая модель сейчас недоступна, поэтому приведены цитаты.",
    "en": "The language model cannot be reached now, so here are quotes.",
}
MODEL_SLOW: dict[Language, str] = {
    "ru": "Языковая модель не успела ответить, поэтому приведены цитаты.",
    "en": "The language model was not done in time, so here are quotes.",
}

WIDENED: dict[Language, str] = {
    "ru": "В статьях за время, названное в вопросе («{words}»), ответа не нашлось, поэтому искали за все даты.",
    "en": "No article of the time that the question names ({words}) answers it, so all dates were searched.",
}


def answer_language(question: Question) -> Language:
    """The language to answer in: the question's; of one without words («2024?»), that of the last one that has some."""
    asked = [turn.content for turn in question.history if turn.role == "user"]
    telling = next((text for text in (question.text, *reversed(asked)) if WORD.search(text)), question.text)
    return question_language(telling)


def speaks(text: str, language: Language) -> bool:
    """Whether a text is in a language: at least half of the words that tell are in its letters, and no other is sure.

    What is quoted tells nothing, nor do Latin names in Russian; a text without words is in every language. Of 600
    sentences and questions of XQuAD in each language py3langid takes none for another one with more than `SURE`
    (2026-11-25).
    """
    unquoted = QUOTED.sub(" ", text)
    words = WORD.findall(unquoted)
    cyrillic = [word for word in words if alphabet(word) == "cyrillic"]
    latin = [word for word in words if alphabet(word) != "cyrillic"]
    if language == "ru":
        latin = [word for word in latin if not word[0].isupper()]
    own, foreign = (cyrillic, latin) if language == "ru" else (latin, cyrillic)
    if len(own) < len(foreign):
        return False
    code, probability = _identifier().classify(unquoted)
    return bool(code == language or probability <= SURE)


@lru_cache(maxsize=1)
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
