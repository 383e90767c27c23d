"""Names that are another word in the other language, and capitalised words that are no names.

The table holds what news name often and what neither the sound (index/names.py tells which kinds) nor a short
abbreviation gives away. It is no dictionary: other translated names are found by meaning (qa/support_names.py).
"""

import re
from functools import lru_cache

CACHED = 4_096
NO_NAMES = frozenset(
    """
    january february march april may june july august september october november december jan feb mar apr jun jul aug
    sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mr mrs ms dr st president minister
    prime mayor senator governor ambassador chairman director secretary президент министр премьер мэр
    январь января январе февраль февраля феврале март марта марте апрель апреля апреле май мая мае июнь июня июне июль
    июля июле август августа августе сентябрь сентября сентябре октябрь октября октябре ноябрь ноября ноябре декабрь
    декабря декабре понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье
    """.split()
)
# An entry a line; a form that ends in * stands for all words that begin so.
ABBREVIATIONS = """
    US, U.S., USA, U.S.A., United States, America*, США, Соединенн* Штат*, америк*
    UN, U.N., United Nations, ООН, Объединенн* Наци*
    EU, E.U., European Union, ЕС, Евросоюз*, Европейск* союз*
    UK, U.K., United Kingdom, Britain, British, Briton*, Соединенн* Королевств*, *британ*
    WHO, World Health Organi?ation, ВОЗ, Всемирн* организаци* здравоохранения
    IMF, International Monetary Fund, МВФ, Международн* валютн* фонд*
    WTO, World Trade Organi?ation, ВТО, Всемирн* торгов* организаци*
    IAEA, МАГАТЭ
    CIA, ЦРУ
    FBI, ФБР
    SBU, СБУ
    IDF, Israel Defen?e Forces, ЦАХАЛ*
    GRU, ГРУ
    USSR, Soviet Union, Soviet*, СССР, Советск* Союз*, советск*
    OSCE, ОБСЕ
    ICC, International Criminal Court, МУС, Международн* уголовн* суд*
    SCO, Shanghai Cooperation Organi?ation, ШОС, Шанхайск* организаци*
    CIS, СНГ
    UAE, U.A.E., United Arab Emirates, ОАЭ, Объединенн* Арабск* Эмират*, Эмират*
    ECB, ЕЦБ
    GDP, ВВП
    AI, ИИ
    CEO, гендиректор*, генеральн* директор*
    DPRK, КНДР, North Korea*, северокорей*, Северн* Коре*
    PRC, КНР, China, Chinese, Кита*
    FRG, ФРГ, German*, Герман*, немец*, немц*
    RF, РФ, Russian Federation, Российск* Федераци*, Russia*, Росси*, русск*
"""
WORDS = """
    White House, Бел* дом*
    Foreign Ministry, Ministry of Foreign Affairs, Foreign Minister, МИД*, министр* иностранных дел, глав* МИД*
    Defen?e Ministry, Ministry of Defen?e, Defen?e Minister, Минобороны, министерств* обороны, министр* обороны
    Finance Ministry, Ministry of Finance, Finance Minister, Минфин*, министерств* финансов, министр* финансов
    State Department, Госдеп*, Государственн* департамент*
    State Duma, Госдум*, Государственн* дум*
    Central Bank, ЦБ, Центробанк*, Центральн* банк*
    Security Council, Совбез*, Совет* Безопасности
    Supreme Court, Верховн* суд*
    Middle East*, Ближн* Восток*, ближневосточн*
    Beijing, Peking, Пекин*; Athens, Афин*; Jerusalem, Иерусалим*; Lebanon, Lebanese, Ливан*; Rome, Roman*, Рим*
    Scotland, Scottish, Scot, Scots, Шотланд*
    Petersburg, Петербург*; Warsaw, Варшав*; Francis, Франциск*; Libya*, Ливи*
    Istanbul, Стамбул*; Kremlin*, Кремл*; Munich, Мюнхен*; Paris*, Париж*; Texas, Техас*; Pyongyang, Пхеньян*
    Gaddafi, Каддафи; Tehran, Тегеран*; Brussels, Брюссел*; Damascus, Дамаск*; Reuters, Рейтер*
    Hungary, Hungarian*, Венгр*, Венгер*; Greece, Greek*, Греци*, Гречес*, Грек*; Georgia*, Грузи*; Egypt*, Егип*
    Japan*, Япон*; Swiss, Switzerland, Швейцар*; Sweden, Swede, Swedes, Swedish, Швеци*, швед*
    Spain, Spanish, Spaniard*, Испан*; Dutch, Netherlands, Нидерланд*, голланд*; Cyprus, Cypriot*, Кипр*
    Crimea*, Крым*; Kharkiv, Kharkov, Харьков*; Kyiv, Kiev, Киев*; Mykolaiv, Николаев*; Odesa, Odessa, Одес*
    Lviv, Львов*; Dnipro, Днепр*; Vienna, Вена, Вены, Вене, Вену, Веной, венск*
    Pole, Poles, Poland, Polish, Польш*, польс*, поляк*; France, French*, Франци*, француз*
    Turk, Turks, Turkey, Turkish, Турц*, турец*, турк*; Moscow, Москв*, москов*; Europe*, Европ*
    Asia, Asian*, Азия, Азии, Азию, Азией, азиат*; England, English*, Англи*; Irish, Ireland, Ирланд*
    Italy, Italian*, Итали*; India, Indian, Indians, Индия, Индии, Индию, Индией, инди?ск*, инде?ц*
    Israel*, Израил*; Czech*, Чехи*, чешск*, чехов*; Serb, Serbs, Serbia*, Серб*; Norway, Norwegian*, Норве*
    Denmark, Danish, Dane, Danes, Дания, Дании, Данию, датск*, датчан*; Arab, Arabs, Arabia*, Arabic, Арав*, араб*
    Africa, African*, Африк*; Jew, Jews, Jewish, Евре*, иуде*; Belarus*, Белорус*, Беларус*; Kurd*, Курд*
    Welsh, Wales, Уэльс*, валлийс*; Ukrain*, Украин*; Finland, Finn, Finns, Finnish, Финлянд*, финн*, финск*
    Belgi*, Бельги*; Portug*, Португал*; Syria*, Сирия, Сирии, Сирию, Сирией, сири?ск*
    Jordan*, Иордан*; Palestin*, Палестин*; Venezuel*, Венесуэл*; Canad*, Канад*
    Korea*, Корея, Кореи, Корее, Корею, коре?ск*
    Charles, Карл, Карла, Карлу, Карлом, Чарльз*; George, Георг*, Джордж*; William, Вильгельм*, Вильям*, Уильям*
    James, Яков, Якова, Якову, Джеймс*; Paul, Павел, Павла, Павлу, Пол, Пола, Полу; Peter, Петр, Петра, Петру, Питер*
    John, Иоанн*, Джон, Джона, Джону, Джоном; Pope, Папа, Папы, Папе, Папу, Папой; King, король, короля, королю, королем
    Queen, королева, королевы, королеве, королеву; West, Western, Запад*; East, Eastern, Восток*, восточн*
    North, Northern, Север*, Норт*; South, Southern, Юг, Юга, Юге, Югу, Южн*, Саут*; New, Нов*, Нью
    Sea, море, моря, морем; World War, Миров* войн*; President*, президент*; Congress*, Конгресс*
    Prime Minister, премьер*; Party, партия, партии, партию, партией
"""


def _compiled(entries: str, flags: re.RegexFlag) -> list[re.Pattern[str]]:
    rows = [row.strip() for row in re.split(r"[\n;]", entries) if row.strip()]
    return [re.compile(rf"(?<!\w)(?:{'|'.join(map(_pattern, row.split(', ')))})(?!\w)", flags) for row in rows]


def _pattern(form: str) -> str:
    return re.escape(form).replace(r"\*", r"\w*").replace(r"\?", r"\w").replace(r"\ ", r"\s")


KNOWN = [*_compiled(ABBREVIATIONS, re.RegexFlag(0)), *_compiled(WORDS, re.IGNORECASE)]


@lru_cache(maxsize=CACHED)
def known_names(text: str) -> tuple[tuple[int, int, int], ...]:
    """Where a text holds a name of the table: (start, end, number of its row), the longest first at each place."""
    folded = text.replace("ё", "е").replace("Ё", "Е")
    found = [(*match.span(), row) for row, pattern in enumerate(KNOWN) for match in pattern.finditer(folded)]
    return tuple(sorted(found, key=lambda one: (one[0], -one[1])))
