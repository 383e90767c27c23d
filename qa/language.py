"""The few sentences Otvet says of itself, in the language of the question."""

from index.text import Language
from qa.records import RefusalReason

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

WIDENED: dict[Language, str] = {
    "ru": "В статьях за время, названное в вопросе («{words}»), ответа не нашлось, поэтому искали за все даты.",
    "en": "No article of the time that the question names ({words}) answers it, so all dates were searched.",
}
