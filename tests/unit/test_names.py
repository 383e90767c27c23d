"""Keys of names across alphabets."""

import threading
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.names import WORD_CHARS, name_keys

PEOPLE = """
Maduro Мадуро, Rostec Ростеха, Xi Си, Jinping Цзиньпином, Caracas Каракасе, Moscow Москве, Putin Путиным,
Zelensky Зеленского, Zelenskyy Зеленский, Lukashenko Лукашенко, Gazprom Газпрома, Khabarovsk Хабаровска,
Yekaterinburg Екатеринбурге, Shoigu Шойгу, Chávez Чавеса, Trump Трампа, Xinhua Синьхуа, Erdogan Эрдоганом,
Zhukov Жукова, Hugh Хью, Biden Байденом, Obama Обамы, Clinton Клинтон, Kamala Камалы, Harris Харрис,
Vance Вэнсом, Rubio Рубио, Musk Маска, Bezos Безоса, Zuckerberg Цукерберга, Macron Макрона, Sarkozy Саркози,
Merkel Меркель, Scholz Шольца, Merz Мерцем, Steinmeier Штайнмайера, Baerbock Бербок, Starmer Стармера,
Johnson Джонсона, Sunak Сунак, Thatcher Тэтчер, Meloni Мелони, Berlusconi Берлускони, Orbán Орбана,
Tusk Туска, Kaczyński Качиньского, Duda Дудой, Stoltenberg Столтенберга, Rutte Рютте, Borrell Боррелем,
Netanyahu Нетаньяху, Sinwar Синвара, Arafat Арафата, Khamenei Хаменеи, Rouhani Роухани, Pezeshkian Пезешкиана,
Assad Асадом, Mubarak Мубарака, Modi Моди, Khan Хана, Kishida Кисиды, Abe Абэ, Ishiba Исиба, Yoon Юн,
Kim Кима, Deng Дэна, Lavrov Лавровым, Medvedev Медведева, Peskov Песков, Navalny Навального,
Prigozhin Пригожина, Kadyrov Кадыров, Gorbachev Горбачёва, Yeltsin Ельцина, Khrushchev Хрущёв,
Stalin Сталиным, Tchaikovsky Чайковского, Dostoevsky Достоевский, Sobyanin Собянину, Nabiullina Набиуллиной,
Zakharova Захарова, Mishustin Мишустиным, Poroshenko Порошенко, Zaluzhny Залужного, Aliyev Алиева,
Pashinyan Пашиняна, Tokayev Токаевым, Mirziyoyev Мирзиёев, Sandu Санду, Milei Милей, Lula Лулы,
Bolsonaro Болсонару, Castro Кастро, Guterres Гутерриш, Messi Месси, Ronaldo Роналду, Djokovic Джокович,
Nadal Надаля, Hamilton Хэмилтон, Spielberg Спилберга, Einstein Эйнштейна, Milosevic Милошевича, Vučić Вучича,
Philip Филиппа, Ahmed Ахмеда, Gandhi Ганди, Wilson Уилсона, Albright Олбрайта, Guevara Гевары
"""
PLACES = """
Washington Вашингтоне, California Калифорнии, Chicago Чикаго, Houston Хьюстона, Boston Бостоне,
Florida Флориды, Guantanamo Гуантанамо, Ottawa Оттаве, Quebec Квебека, Mexico Мексики, Havana Гаване,
Brasilia Бразилиа, Buenos Буэнос, Venezuela Венесуэлы, Colombia Колумбией, Guatemala Гватемалы,
London Лондоном, Manchester Манчестера, Marseille Марселя, Berlin Берлине, Hamburg Гамбурга, Vienna Вене,
Geneva Женеве, Venice Венеции, Madrid Мадриде, Barcelona Барселоне, Lisbon Лиссабона, Prague Праги,
Budapest Будапешта, Belgrade Белграде, Vilnius Вильнюса, Riga Риге, Tallinn Таллина, Helsinki Хельсинки,
Kyiv Киева, Kharkiv Харькове, Donetsk Донецка, Zaporizhzhia Запорожье, Odesa Одессы, Chernobyl Чернобыля,
Minsk Минском, Vladivostok Владивостоке, Novosibirsk Новосибирска, Chechnya Чечне, Dagestan Дагестана,
Kazan Казани, Sochi Сочи, Crimea Крыму, Tbilisi Тбилиси, Yerevan Ереване, Baku Баку, Tashkent Ташкента,
Kabul Кабуле, Baghdad Багдаде, Gaza Газе, Beirut Бейруте, Ankara Анкаре, Cairo Каире, Nairobi Найроби,
Vietnam Вьетнама, Hanoi Ханое, Thailand Таиланде, Shanghai Шанхае, Shenzhen Шэньчжэня, Wuhan Ухане,
Taiwan Тайваня, Seoul Сеула, Tokyo Токио, Hiroshima Хиросимы, Sydney Сиднее, Ghana Ганы,
Edinburgh Эдинбурга, Krakow Кракова, Bahrain Бахрейне, Ukraine Украиной
"""
ORGANISATIONS = """
Google Гугл, Microsoft Майкрософт, Tesla Теслы, Boeing Боинга, Airbus Аэробус, Lockheed Локхид,
Siemens Сименса, Toyota Тойоты, Huawei Хуавэй, Samsung Самсунга, Bloomberg Блумберга, NATO НАТО,
UNESCO ЮНЕСКО, OPEC ОПЕК, BRICS БРИКС, Hamas ХАМАС, Hezbollah Хезболлы, Taliban Талибан, Wagner Вагнера,
Pentagon Пентагона, Interpol Интерпола, Rosneft Роснефти, Lukoil Лукойл, Sberbank Сбербанк,
Roscosmos Роскосмоса, Rosatom Росатом, Aeroflot Аэрофлота, Kalashnikov Калашникова, Yandex Яндекса, TASS ТАСС,
FIFA ФИФА, WhatsApp Ватсап, Facebook Фейсбук, Telegram Телеграм, Bitcoin Биткоин, Novichok Новичок,
Oreshnik Орешником, Sputnik Спутника, Soyuz Союз
"""
PAIRS = [tuple(pair.split()) for pair in ",".join((PEOPLE, PLACES, ORGANISATIONS)).split(",")]

CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"

DECLINED = """
Путин Путина Путину Путиным Путине, Зеленский Зеленского Зеленскому Зеленским Зеленском,
Навальный Навального Навальному Навальным Навальная Навальную,
Лавров Лаврова Лаврову Лавровым, Захарова Захаровой Захарову,
Меркель, Хрущёв Хрущев Хрущёва Хрущёвым, Москва Москвы Москве Москву Москвой, Вьетнам Вьетнама Вьетнаму Вьетнамом,
Ростех Ростеха Ростехом, Крым Крыма Крыму Крымом, Майами, Казань Казани Казанью, Берлин Берлина Берлином Берлине
"""
DIFFERENT = """
Putin Пушкина, Obama Осамы, Trump Трамвай, Zelensky Залужный, Shoigu Шольц, Lavrov Лаврентий, Medvedev Медведчук,
Macron Макаров, Merkel Меркурий, Biden Байкала, Ivan Иванов, Xi Су, Li Лу, Iran Ирака, Iraq Иран, Omsk Томска,
Orsk Курска, Minsk Мурманска, Georgia Германии, Mali Малави, Gambia Замбии, Paraguay Уругвая, Slovenia Словакии,
Austria Австралии, Moscow Маска, Kyiv Кувейта, Rostec Ростова, Rosneft Роснано, Gazprom Газета
"""


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_a_name_and_its_transliteration_share_their_key(english: str, russian: str) -> None:
    assert name_keys(english) == name_keys(russian) != []


@pytest.mark.parametrize("forms", [forms.split() for forms in DECLINED.split(",")])
def test_case_and_capitals_do_not_change_a_key(forms: list[str]) -> None:
    assert len({tuple(name_keys(form)) for word in forms for form in (word, word.upper())}) == 1


@pytest.mark.parametrize(("english", "russian"), [pair.split() for pair in DIFFERENT.split(",")])
def test_different_names_have_different_keys(english: str, russian: str) -> None:
    assert name_keys(english) != name_keys(russian)


def test_few_of_the_other_names_share_a_key() -> None:
    keys = [(name_keys(english), name_keys(russian)) for english, russian in PAIRS]
    others = [one[0] == other[1] for i, one in enumerate(keys) for j, other in enumerate(keys) if i != j]
    assert sum(others) / len(others) <= 0.0005


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who met Maduro in Caracas, and when?", ["mdr", "krks"]),
        ("Кто встретил Мадуро в Каракасе?", ["mdr", "krks"]),
        ("A fair in Frankfurt-on-Oder", ["frnkfrt", "adr"]),
        ("Ярмарка во Франкфурте-на-Одере", ["armrk", "frnkfrt", "adr"]),  # a sentence's first word counts
        ("Putin’s and Biden's talks", ["ptn", "bdn"]),
        ("мадуро, maduro", []),
        ("Si and Xi", ["si", "si"]),
        ("27 октября 2025, Ил-76", ["ali"]),
        ("習近平 — ΝΑΤΟ!", ["nta"]),
        ("", []),
    ],
)
def test_name_keys(text: str, expected: list[str]) -> None:
    assert name_keys(text) == expected


def test_only_the_beginning_of_an_endless_word_counts() -> None:
    assert name_keys("Ба" * WORD_CHARS) == name_keys("Ба" * 100_000)


@given(st.text(), st.text())
def test_keys_are_plain_letters_word_by_word(one: str, other: str) -> None:
    keys = name_keys(one)
    assert all(key.isascii() and key.isalpha() and key.islower() for key in keys)
    assert name_keys(f"{one}\n{other}") == keys + name_keys(other)
    assert name_keys(unicodedata.normalize("NFD", one)) == keys


@given(st.text(CYRILLIC, min_size=3, max_size=WORD_CHARS // 2), st.sampled_from(["ов", "ин", "евск"]))
def test_the_cases_of_any_surname_have_one_key(stem: str, suffix: str) -> None:
    cases = ["ий", "ого", "ому", "им", "ом", "ая", "ой", "ую"] if suffix == "евск" else ["", "а", "у", "ым", "е", "ой"]
    keys = {tuple(name_keys(f"М{stem}{suffix}{case}")) for case in cases}
    assert len(keys) == 1


def test_threads_get_the_same_keys() -> None:
    texts = [f"Путин{suffix} и Zelensky{suffix}" for suffix in "абвгдежз" * 20]
    expected = [name_keys(text) for text in texts]
    results: list[list[list[str]]] = []
    threads = [threading.Thread(target=lambda: results.append([name_keys(text) for text in texts])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
