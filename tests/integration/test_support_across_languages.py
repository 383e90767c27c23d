"""The support check with the real model, on made-up news: claims in English over Russian articles, and in Russian."""

from datetime import date

import pytest

from index.embedding import EmbeddingModel
from qa.records import Passage, Source
from qa.sentences import SentenceRanker
from qa.support import SupportCheck

TEXTS = {
    "fleet": "Президент Венесуэлы Николас Мадуро попросил у Ирана двенадцать патрульных катеров. Об этом "
    "3 марта 2031 года сообщила газета The Harbor Post. "
    "В Белом доме письмо назвали опасным, а в Тегеране его не обсуждали.",
    "works": "Корпорация «Ростех» открыла в Рыбинске завод лодочных моторов. "
    "На строительство потратили 2,5 млрд рублей. Детали привозит компания «Цитотранс», раньше их покупали в Пекине.",
    "talks": "США и ЕС начали переговоры о рыбном промысле в Вашингтоне. Наблюдателей прислала ООН. "
    "Российский посол на встречу не приехал: его самолёт задержали на 16 часов.",
    "storm": "Шторм сорвал крыши с сорока домов в посёлке Ясная Бухта. Пострадали семь человек, двое из них дети. "
    "Электричество обещают вернуть к пятнице.",
    "bridge": "Мост через Каменку закрыли на ремонт до 24 мая. Движение пустили в объезд, автобус № 15 отменили. "
    "Мэр Олег Соснин сказал, что опоры треснули из-за льда.",
}
PASSAGES = {
    key: Passage(Source(key, "", date(2031, 3, 4), None, None, "ru"), 100, 100 + len(text), text, 0.5)
    for key, text in TEXTS.items()
}
ALL = tuple(PASSAGES.values())


@pytest.fixture(scope="module")
def check(model: EmbeddingModel) -> SupportCheck:
    return SupportCheck(SentenceRanker(model), model)


def cited(check: SupportCheck, claim: str, key: str) -> list[str]:
    return [quote.passage.source.article_id for quote in check.quotes(claim, [PASSAGES[key]], ALL)]


TRUE = [
    ("fleet", "Maduro asked Iran for 12 patrol boats."),
    ("fleet", "Venezuelan President Nicolas Maduro asked Iran for twelve patrol boats."),
    ("fleet", "The letter was reported by The Harbor Post on March 3, 2031."),
    ("fleet", "The White House called the letter dangerous."),
    ("fleet", "Tehran did not discuss the letter."),
    ("fleet", "Мадуро просил у Ирана 12 катеров."),
    ("works", "Rostec opened a plant for boat engines in Rybinsk."),
    ("works", "The construction cost 2.5 billion roubles."),
    ("works", "The parts are brought by Zitotrans and used to be bought in Beijing."),
    ("works", "Ростех построил завод за 2,5 миллиарда рублей."),
    ("talks", "The US and the EU began talks on fishing in Washington."),
    ("talks", "The UN sent observers to the talks in Washington."),
    ("talks", "The Russian ambassador did not come, as his plane was delayed for sixteen hours."),
    ("talks", "Соединённые Штаты и Евросоюз ведут переговоры о рыбе."),
    ("storm", "The storm tore the roofs off 40 houses."),
    ("storm", "Seven people were hurt, among them two children."),
    ("bridge", "The bridge is closed for repairs until May 24."),
    ("bridge", "Mayor Oleg Sosnin said that ice had cracked the supports."),
]
FALSE = [
    ("fleet", "Maduro asked Iran for 20 patrol boats."),
    ("fleet", "President Lukashenko asked Iran for 12 patrol boats."),
    ("fleet", "Maduro asked Norway for 12 patrol boats."),
    ("fleet", "The letter was reported by The Harbor Post on March 5, 2031."),
    ("fleet", "Лукашенко просил у Ирана 12 катеров."),
    ("fleet", "Мадуро просил у Кубы 12 катеров."),
    ("works", "Gazprom opened a plant for boat engines in Rybinsk."),
    ("works", "Rostec opened a plant for boat engines in Kazan."),
    ("works", "The construction cost 2.5 million roubles."),
    ("works", "The parts are brought by Zitotrans and used to be bought in Tokyo."),
    ("talks", "The US and the EU began talks on fishing in Geneva."),
    ("talks", "NATO sent observers to the talks in Washington."),
    ("storm", "The storm tore the roofs off 14 houses."),
    ("bridge", "The bridge is closed for repairs until June 24."),
    ("bridge", "Mayor Ivan Petrov said that ice had cracked the supports."),
]


@pytest.mark.parametrize(("key", "claim"), TRUE)
def test_a_claim_that_stands_keeps_its_citation(check: SupportCheck, key: str, claim: str) -> None:
    assert cited(check, claim, key) == [key]


@pytest.mark.parametrize(("key", "claim"), TRUE)
def test_a_wrong_citation_is_replaced(check: SupportCheck, key: str, claim: str) -> None:
    wrong = next(other for other in TEXTS if other != key)
    assert cited(check, claim, wrong) == [key]


@pytest.mark.parametrize(("key", "claim"), FALSE)
def test_a_changed_number_or_name_has_no_support(check: SupportCheck, key: str, claim: str) -> None:
    assert cited(check, claim, key) == []
