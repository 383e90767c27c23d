"""The language of a question, and the few sentences Otvet says of itself in it."""

import re

from qa.records import Language, RefusalReason

WORD = re.compile(r"[^\W\d_]+")
CYRILLIC = re.compile(r"[\u0400-\u04ff]")

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


def question_language(text: str) -> Language:
    """Russian when at least half of the words have Cyrillic letters, else English.

    Words, not letters, are counted: "What is Ростех?" is an English question and «Что такое GPS?» a Russian one.
    """
    words = WORD.findall(text)
    n_cyrillic = sum(CYRILLIC.search(word) is not None for word in words)
    return "ru" if words and 2 * n_cyrillic >= len(words) else "en"
