"""The whole search with the bundled model over two dozen articles made up for it: names, forms, both languages."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from fakes import open_index
from index.embedding import EmbeddingModel
from index.records import Filters, Hit
from index.search import HybridSearch

RUSSIAN = {
    "мадуро": (
        "Николас Мадуро подписал указ о выпуске новых банкнот. Прежние деньги будут принимать до лета, после чего их "
        "изымут из обращения. Экономисты сомневаются, что это остановит рост цен."
    ),
    "каракас": (
        "В Каракасе после трёхдневных ливней остановилось метро. Вода залила две станции, жителей верхних кварталов "
        "перевезли в школы. Занятия возобновят через неделю."
    ),
    "ростех": (
        "«Ростех» пустил в Туле цех, где будут делать протезы рук. Управлять ими можно сигналами мышц. Первую сотню "
        "изделий отдадут ветеранам бесплатно."
    ),
    "цзиньпин": (
        "Си Цзиньпин приехал в Самарканд на двухдневные переговоры. Стороны обсудили железную дорогу через горы и "
        "отмену виз для водителей грузовиков."
    ),
    "ил-76": (
        "Ил-76ТД доставил на Камчатку двадцать тонн палаток и одеял. Борт разгрузили за час, обратным рейсом вывезли "
        "раненых геологов."
    ),
    "ил-96": (
        "Ил-96 вернулся в аэропорт вылета из-за трещины в стекле. Пассажиров пересадили на другой борт, никто не "
        "пострадал."
    ),
    "27 октября": (
        "Выставка старинных карт откроется 27 октября. Вход для школьников свободный, остальным билет обойдётся в "
        "триста рублей."
    ),
    "28 октября": (
        "Выставка морских раковин откроется 28 октября. Вход для студентов свободный, остальным билет обойдётся в "
        "двести рублей."
    ),
    "1 000 км": "Новый электробус прошёл без подзарядки 1 000 км. Испытания шли на замкнутой трассе две ночи подряд.",
    "100 км": "Опытный электробус прошёл без подзарядки 100 км. Испытания шли на городском кольце при сильном морозе.",
    "почта": (
        "Хор слепых певцов набирает новые голоса. Запись прослушивания можно прислать на golos@hor-zarya.example до "
        "конца недели."
    ),
    "сайт": (
        "Расписание паромов теперь видно на странице https://parom.example.org/vesna вместе с ценой перевоза машин."
    ),
    "суда": (
        "Рыболовецкие суда вернулись в гавань с пустыми трюмами. Капитаны жалуются, что сельдь ушла на север, к "
        "холодной воде."
    ),
    "врачи": (
        "Врачи областной больницы впервые пересадили сердце ребёнку. Операция длилась девять часов, мальчик уже дышит "
        "сам."
    ),
    "мост": "Пешеходный мост через Каму закрыли: в опоре нашли трещину длиной с ладонь. Ремонт займёт полгода.",
    "пчёлы": "Пасечники потеряли за зиму треть пчелиных семей. Причиной называют тёплый декабрь и клеща.",
}
ENGLISH = {
    "maduro": (
        "Nicolas Maduro has cancelled the carnival and told governors to save fuel. Shops will close at noon until the "
        "end of the drought."
    ),
    "caracas": (
        "The cable car above Caracas is running again. Engineers replaced eleven kilometres of rope, and the first "
        "riders waited since dawn."
    ),
    "rostec": (
        "Rostec has sold its stake in a titanium smelter. The buyer, a pension fund, promised to keep all jobs for "
        "five years."
    ),
    "jinping": (
        "Xi Jinping opened a rice museum in the south. He spoke for an hour about seeds, irrigation and the farmers of "
        "his youth."
    ),
    "s-400": (
        "Two S-400 launchers were shown to visitors of the air fair. Children were allowed to climb into the cabin."
    ),
    "s-300": "Two S-300 launchers were moved to a military museum. Veterans came to bid them farewell.",
    "lighthouse": (
        "The keeper of the last manned lighthouse retires this autumn. A sensor will switch on the lamp instead."
    ),
}
ANY, IN_RUSSIAN, IN_ENGLISH = Filters(), Filters(language="ru"), Filters(language="en")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[HybridSearch]:
    """Over articles whose titles are the keys above; titles are not searched."""
    rows = [
        {"title": title, "text": text, "language": language}
        for language, articles in (("ru", RUSSIAN), ("en", ENGLISH))
        for title, text in articles.items()
    ]
    with closing(open_index(tmp_path_factory.mktemp("search"), model, rows)) as index:
        yield HybridSearch(index, model)


def found(search: HybridSearch, query: str, filters: Filters = ANY, k: int = 5) -> list[str]:
    return [hit.article.title for hit in search.search(query, k=k, filters=filters)]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Ил-76ТД", "ил-76"),
        ("Что привёз Ил-76?", "ил-76"),
        ("Ил-96", "ил-96"),
        ("S-400", "s-400"),
        ("Where were the S-400 shown?", "s-400"),
        ("S-300", "s-300"),
        ("27 октября", "27 октября"),
        ("Что откроется 27 октября?", "27 октября"),
        ("Какая выставка откроется 28 октября?", "28 октября"),
        ("1 000 км", "1 000 км"),
        ("1000 км без подзарядки", "1 000 км"),
        ("100 км", "100 км"),
        ("golos@hor-zarya.example", "почта"),
        ("https://parom.example.org/vesna", "сайт"),
        ("parom.example.org", "сайт"),
    ],
)
def test_exact_names_numbers_and_addresses(search: HybridSearch, query: str, title: str) -> None:
    assert found(search, query)[0] == title


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("рыболовецкое судно", "суда"),
        ("рыболовецких судов", "суда"),
        ("Что случилось с пешеходным мостом?", "мост"),
        ("мосту", "мост"),
        ("пчелиная семья", "пчёлы"),
        ("пересадка сердца", "врачи"),
        ("lighthouses", "lighthouse"),
        ("Which lighthouses had keepers?", "lighthouse"),
        ("ТРЁХДНЕВНЫЙ ЛИВЕНЬ", "каракас"),
        ("трехдневные ливни", "каракас"),
    ],
)
def test_forms_of_words(search: HybridSearch, query: str, title: str) -> None:
    assert found(search, query)[0] == title


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What did the plane bring to Kamchatka?", "ил-76"),
        ("Why did the plane with a cracked window come back?", "ил-96"),
        ("Which bridge was closed for repair?", "мост"),
        ("Who got a new heart?", "врачи"),
        ("Why did the beekeepers lose their bees?", "пчёлы"),
        ("Where did the herring go?", "суда"),
        ("When does the exhibition of old maps open?", "27 октября"),
        ("Why did the metro stop after three days of rain?", "каракас"),
        ("Who makes artificial hands?", "ростех"),
        ("How can singers join the choir?", "почта"),
        ("What did Maduro decree about banknotes?", "мадуро"),
        ("What did Xi Jinping discuss in Samarkand?", "цзиньпин"),
    ],
)
def test_english_questions_over_russian_articles(search: HybridSearch, question: str, title: str) -> None:
    assert found(search, question, IN_RUSSIAN)[0] == title
    assert found(search, question)[0] == title


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Почему отменили карнавал?", "maduro"),
        ("Когда снова заработала канатная дорога?", "caracas"),
        ("Кому продали долю в титановом заводе?", "rostec"),
        ("Кто открыл музей риса?", "jinping"),
        ("Кто включит лампу маяка?", "lighthouse"),
    ],
)
def test_russian_questions_over_english_articles(search: HybridSearch, question: str, title: str) -> None:
    assert found(search, question, IN_ENGLISH)[0] == title
    assert found(search, question)[0] == title


NAMES = [
    ("Maduro", "Мадуро", "maduro", "мадуро"),
    ("Rostec", "Ростех", "rostec", "ростех"),
    ("Xi Jinping", "Си Цзиньпин", "jinping", "цзиньпин"),
    ("Jinping", "Цзиньпином", "jinping", "цзиньпин"),
    ("Caracas", "Каракас", "caracas", "каракас"),
    ("What happened in Caracas?", "Что случилось в Каракасе?", "caracas", "каракас"),
    ("What is Rostec doing?", "Чем занят Ростех?", "rostec", "ростех"),
    ("What did Maduro do?", "Что сделал Мадуро?", "maduro", "мадуро"),
]


@pytest.mark.parametrize(("latin", "cyrillic", "in_english", "in_russian"), NAMES)
def test_names_are_found_in_either_alphabet(
    search: HybridSearch, latin: str, cyrillic: str, in_english: str, in_russian: str
) -> None:
    assert found(search, latin, IN_RUSSIAN)[0] == in_russian
    assert found(search, cyrillic, IN_ENGLISH)[0] == in_english
    assert found(search, latin, IN_ENGLISH)[0] == in_english
    assert found(search, cyrillic, IN_RUSSIAN)[0] == in_russian


@pytest.mark.parametrize(("latin", "cyrillic", "in_english", "in_russian"), NAMES)
def test_without_a_filter_both_articles_of_a_name_come_first(
    search: HybridSearch, latin: str, cyrillic: str, in_english: str, in_russian: str
) -> None:
    for query in (latin, cyrillic):
        assert set(found(search, query)[:2]) == {in_english, in_russian}


def test_hits_know_why_they_were_found(search: HybridSearch) -> None:
    def best(query: str) -> Hit:
        return search.search(query, k=1, filters=ANY)[0]

    exact, meaning = best("Ил-76ТД доставил палатки").legs, best("помощь пострадавшим от стихии").legs
    assert exact is not None
    assert meaning is not None
    assert exact.share > 0.5 > meaning.share
    assert exact.cosine > meaning.cosine
    assert exact.sentence > exact.cosine - 0.05
