"""What the words around a number mean, in Russian and English: units, hedges, and what befell the counted.

In the tables an entry is a meaning and its forms, lower case with е for ё; a form that ends in * stands for all words
that begin so, and the longest form counts.
"""

import re
from functools import lru_cache
from typing import Literal

from index.text import CYRILLIC
from qa.numerals import NUMERALS

LONGEST_WORD_CHARS = 40


def _table(entries: str) -> dict[str, str]:
    rows = (entry.split() for entry in entries.split(";"))
    return {form: meaning for meaning, *forms in rows for form in forms}


UNITS = _table("""
    people человек* чел люд* people person persons lives; - человече* ракетн* машинист* автомобильн* самолетн*
    вертолетн* пассажирск* школьн* больничн* региональн*; child дети детей детям детьми детях ребен* child children;
    man мужчин* man men; woman женщин* woman women; police полицейск* police policem* officer officers; soldier
    солдат* военнослужащ* soldier soldiers servicem* troops; civilian civilian civilians;
    resident жител* resident residents; passenger пассажир* passenger passengers;
    suspect подозреваем* suspect suspects; drone беспилотник* бпла дрон дрона дроны дронов дронам дронами drone
    drones uav uavs; missile ракет* missile missiles rocket rockets;
    aircraft самолет* aircraft plane planes airplane* jet jets; helicopter вертолет* helicopter helicopters;
    tank танк танка танки танков танкам танками tank tanks;
    ship корабл* судно судна судов ship ships vessel vessels; car автомобил* машин* car cars vehicle vehicles;
    bus автобус* bus buses; house дом дома домов домам домами house houses home homes;
    building здани* building buildings; school школ* school schools; pupil школьник* школьниц* pupil pupils;
    hospital больниц* hospital hospitals; shell снаряд* shell shells;
    bomb бомба бомбы бомб бомбу бомбами bomb bombs; case случай случая случаев случаи case cases;
    attack атака атаки атак атаку attack attacks; strike удар удара ударов удары strike strikes; country страна
    страны стран странах странам country countries nations; region регион* region regions;
    city город города городов городах city cities; company компани* company companies;
    vote голоса голосов vote votes; seat место места мест seat seats; times раз раза times;
    km км километр* km kilometer* kilometre*; m м метр метра метров метры метрам метрами m meter meters metre
    metres; mile миля мили миль mile miles; cm см сантиметр* cm centimet*; hectare га гектар* hectare*; tonne т
    тонна тонны тонн тонну тоннами ton tons tonne tonnes; kg кг килограмм* kg kilogram* kilo kilos;
    barrel баррел* barrel barrels; litre л литр* liter liters litre litres; watt мвт мегаватт* mw megawatt*;
    degree ° градус* degree degrees; second секунд* sec second seconds; minute минут* мин minute minutes;
    hour час часа часов часам ч hour hours; day день дня дней дни дням днями сут* day days; week недел* week weeks;
    month месяц* month months; halfyear полгода; quarter квартал* quarter quarters;
    year год года году годы годов годам лет year years; age летн* year-old; yen иен* yen ¥;
    dollar доллар* dollar dollars usd $; euro евро euro euros €; rouble руб рубл* rouble* ruble* ₽;
    hryvnia грн гривн* hryvnia*; yuan юан* yuan; pound фунт* pound* £; point пункт пункта пунктов point points;
    percent % процент процента проценту процентов процентам процентами процентах percent pct
    """)
ROLES = _table("""
    killed погиб* убит* убил* гибел* жертв* унес* скончал* умер умерл* умерш* kill* dead die died dies death* claimed
    fatal*; wounded ранен* ранил* wounded injur* hurt; affected пострада* affected;
    missing пропал* пропавш* missing disappear*; captured плен* captur*; detained задерж* арест* detain* arrest*;
    evacuated эвакуир* вывезл* вывезен* evacuat*; rescued спас* rescue rescued saved;
    hospital госпитализ* hospitali*; trapped завал* trapped; infected зараз* заболел* заболев* infect*;
    downed сбит* сбил* сбива* перехват* shot downed intercept*; attacked атаков* attacked;
    launched запуст* запуск* запущ* выпуст* launch* fired; destroyed разруш* уничтож* destroy*;
    damaged поврежд* ущерб* damag*; lost потер* lost lose* loss*; delivered достав* постав* deliver* suppl*; bought
    купил* купит* куплен* закуп* приобр* buy* bought purchas*; sold прода* sell* sold sale sales;
    produced произв* добы* выплав* produc*; exported экспорт* export*; imported импорт* import*;
    built построи* постро* built build; spent потрат* расход* spent spend*; earned заработ* прибыль прибылью выручк*
    доход* earn* revenue* profit*; rise вырос* выраст* возрос* увелич* подорож* рост роста ростом прирост* rose rise
    rises risen grew grow* increas*; fall упал* сниз* сократ* подешев* паден* fell fall falls drop* declin*
    decreas*; planned планир* намер* собираетс* собираютс* хочет хотят обеща* ожида* предлож* требу* потребова* plan
    plans planned planning intend* expect* will would could might promis* want wants wanted;
    signed подпис* sign signs signed signing; ratified ратифиц* ratif*; opened откры* open*; closed закры* clos*;
    started начал* начат* начн* начина* старт* began begin* start* begun; arrived прибыл прибыла прибыло прибыли
    прибыт* прилет* приех* arriv*; ended законч* заверш* ended ends finish* complet*;
    departed вылет* уех* улет* depart*; born родил* рожден* born;
    adopted принял* принят* одобр* adopt* pass passed approv*; enforced вступ* entered enters; sentenced приговор*
    осужд* осуд* колони* тюрьм* тюрем* sentenc* jail* prison*; cancelled отмен* cancel*;
    lasted длил* длит* продл* last lasts lasted lasting; - спасател* rescuer* начальн* потерп*
    """)
MODIFIERS = _table("""
    civilian мирн* гражданск* civilian; percent процентн* percentage; square квадратн* кв square;
    cubic кубическ* куб cubic
    """)
LANDS = _table("""
    russia росси* рф russia*; ukraine украин* ukrain*; usa сша америк* american* usa;
    china кита* кнр china chinese; iran иран* iran*; israel израил* israel*; germany герман* немецк* german*;
    france франц* france french; britain британ* англи* britain british england uk; turkey турц* turk*;
    poland польш* польск* poland polish; japan япон* japan*; india индия индии индию индийск* india*;
    korea корейск* корея кореи корее корею korea*;
    europe европ* ес europe* eu
    """)
MONEY = frozenset("dollar euro rouble hryvnia yuan pound yen".split())
TIME = frozenset("second minute hour day week month quarter year".split())
# Without another unit, what is killed, wounded, … is people.
PERSON_ROLES = frozenset(
    "killed wounded affected missing captured detained evacuated rescued hospital trapped infected sentenced".split()
)
CHANGES = frozenset({"rise", "fall"})  # «число раненых выросло до 33» counts the wounded
# Words after which a number is a name: article 5, flight 417.
LABELS = frozenset(
    """
    пункт пункта пункте пунктом статья статьи статье статью ст глава главы главе № # номер номера номером рейс рейса
    рейсом канал маршрут трасса версия резолюция резолюции указ закон приказ группа стр рис том д кв корпус телефону
    article articles section page room flight channel route highway number no nos chapter version resolution phone
    boeing airbus iphone windows
    """.split()
)
FUNCTION_WORDS = frozenset(
    """
    в во на с со к ко у о об от до из за по под при над и а но или что как это был была было были для не ни же ли бы
    то его ее их он она они мы вы я еще уже после перед через около более менее среди из-за который которые которых
    результате ходе время итоге число числа количество числе том тем чем стал стала стало стали составил составила
    составило составляет достиг достигла достигло the a an of in on at to by for from with and or but as is are was
    were be been being has have had that which who it its their his her they he she we this these those after before
    during over under about near into than not no when while where there were more most only also some least nearly
    almost number toll result total
    """.split()
)

MONTHS = "янв фев мар апр ма июн июл авг сен окт ноя дек jan feb mar apr may jun jul aug sep oct nov dec".split()
MONTH_START = re.compile(rf"\b(?:{'|'.join(MONTHS)})")
MONTH = (
    r"(?:(?:январ|феврал|апрел|июн|июл|сентябр|октябр|ноябр|декабр)[ьяе]|(?:март|август)[ае]?|ма[йяе]"
    r"|(?-i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?))\b\.?"
)
DAY = r"[0-9]{1,2}(?![0-9])(?:-?(?:го|е|st|nd|rd|th)\b)?"
DAYS = rf"(?:{DAY}\s{{0,2}}(?:[-–—,]|и|по|до|and|to)\s{{0,2}}){{0,3}}{DAY}"
YEAR = r"(?:1[5-9]|20)[0-9]{2}(?![0-9])(?:-?го\b|\s?г(?:од[ауе]?)?\b\.?)?"
TOKEN = re.compile(
    rf"""
    (?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?![0-9]) | [0-9]{{1,2}}\.[0-9]{{1,2}}\.[0-9]{{4}}(?![0-9])
        | {DAYS}\s{{1,2}}(?:of\s)?{MONTH}(?:,?\s{{1,2}}{YEAR})?
        | {MONTH},?\s{{1,2}}(?:{YEAR}|{DAYS}(?![.,]?[0-9])(?:,?\s{{1,2}}{YEAR})?))
    | (?P<name>\+?[0-9]+(?:[-‑][0-9]+){{2,}} | \+[0-9][0-9()\s-]{{5,20}}[0-9] | [0-9]+(?:[:/][0-9]+)+
        | [^\W\d_]++[-‑]?[0-9][\w‑-]*)
    | (?P<number>[0-9]{{1,3}}(?:[ \u00a0\u202f\u2009][0-9]{{3}}(?![0-9]))++(?:[.,][0-9]+)? | [0-9]+(?:[.,][0-9]+)*)
    | (?P<word>[^\W\d_]++(?:['’][^\W\d_]++)*)
    | (?P<mark>\S)
    """,
    re.VERBOSE | re.IGNORECASE,
)
MONTH_ALONE = re.compile(MONTH, re.IGNORECASE)
YEAR_WORD = re.compile(r"год(?:|а|у|ом|ы|ов|ах)|гг?")
YEAR_ALONE = re.compile(r"(?:1[5-9]|20)[0-9]{2}")
# What stands before a number and leaves it open above, below, or on both sides.
HEDGE = re.compile(
    r"""\b(?:(?P<least>(?:более|больше)(?:,?\ чем)?|свыше|не\ (?:менее|меньше)|(?:как\ )?минимум|превы[сш]\w+
        |по\ (?:меньшей|крайней)\ мере|at\ least|more\ than|over|(?:no|not)\ (?:fewer|less)\ than|above|exceed\w*)
    |(?P<most>до|не\ (?:более|больше)|менее|меньше|максимум|up\ to|at\ most|(?:no|not)\ more\ than|(?:less|fewer)\ than
        |under|below|as\ many\ as)
    |(?P<near>почти|чуть\ (?:менее|меньше)|без\ малого|nearly|almost|just\ under|close\ to)
    |(?P<about>около|примерно|приблизительно|порядка|about|around|roughly|approximately|some|circa))\s{1,2}$""",
    re.VERBOSE | re.IGNORECASE,
)
HEDGE_CHARS = 40
# «Вырос до 33» is 33; «до 33» is 33 at most.
CHANGED_TO = re.compile(
    r"(?:р[оа]с|увелич|сниз|упал|сократ|подорож|подешев|опуст|подня|дош)\w*\s(?:\w+\s)?до\s$", re.IGNORECASE
)
# A span of time without a number, in which a count was made.
PERIOD = re.compile(
    r"\b(?:за|в|per|a|each|every|last|this|past)\s(?:[^\W\d]+\s)?"
    r"(сутки|день|неделю|неделе|месяц|месяце|квартал|квартале|полгода|год|году|day|week|month|quarter|year)\b",
    re.IGNORECASE,
)
SPAN_STARTS = frozenset("за последние последних течение in over within during last past".split())
DATE_UNITS = {
    **dict.fromkeys("в во on in на между between (".split(), ""),
    **dict.fromkeys("с со since from".split(), "since"),
    **dict.fromkeys("до по until till through".split(), "until"),
    **dict.fromkeys("к by".split(), "by"),
    **dict.fromkeys("после after".split(), "after"),
    **dict.fromkeys("перед накануне before".split(), "before"),
}
CLAUSE_MARKS = frozenset(",;:()[]!?…")
CONJUNCTIONS = frozenset("и а но and but while".split())
DASHES = frozenset("-–—‑")
ORDINAL_ENDINGS = frozenset("й я е го му м ю х ой ый ий ая ое ого st nd rd th".split())
YEAR_LINKS = DASHES | frozenset("и по до and to".split())
YEAR_ENDINGS = frozenset("го м й х е s".split())
DECADE_ENDINGS = frozenset("е х s".split())
ORDINAL = re.compile(
    r"(?:перв|втор|четверт|пят|шест|седьм|восьм|девят|десят)(?:[ыо]й|ая|ое|о[гм]о|ому|[оы]м|ую|ые|ых)"
    r"|трет(?:ий|ь[яею]|ьего|ьем[у]?|ьей|ьим|ьих)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
)
ORDINALS = _table(
    "1 пер fir;2 вто sec;3 тре thi;4 чет fou;5 пят fif;6 шес six;7 сед sev;8 вос eig;9 дев nin;10 дес ten"
)
DAY_TIMES = frozenset("утра вечера ночи мск gmt utc am pm".split())
UNITS_BEFORE = _table("age возрасте возраста aged age; magnitude магнитудой магнитуда магнитуду magnitude")
PLACE_STARTS = frozenset("в во на под из у in at near".split())
HOUR_STARTS = frozenset("в к at".split())
# Words before a count of a difference, and of what is added to another count.
MARKS = {**dict.fromkeys("на by".split(), "by"), **dict.fromkeys("еще another further дополнительно".split(), "more")}
AFTER_CURRENCY = {"m": "million", "b": "billion"}
CURRENCY = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
OR_MORE = frozenset([("и", "более"), ("и", "больше"), ("с", "лишним"), ("or", "more"), ("and", "more")])
RANGE_STARTS = frozenset("от с со между from between".split())
RANGE_LINKS = frozenset("до и to and".split())
PER = frozenset("per a an за в /".split())
ABBREVIATED = frozenset("тыс млн млрд кв куб".split())
UNIT_WORDS = 4  # at most so many from the number to the noun
ADJECTIVE = re.compile(r"(?:[ыи][хей]|[ыи]ми?|ая|[ое]е|[ое]го|[ое]й|[ую]ю)$")
VERB = re.compile(r"(?:л[ио](?:сь)?|[юя]т|[уюая]тся)$")
PAST = re.compile(r"(?:[аеиоуыя]л[аио]?с?[ья]?|[^e]ed)$")
REPORT = re.compile(
    r"сообщ|заяв|утвержд|рассказ|уточн|данным|словам|информации|оценк|подсч|accord|sa(?:id|ys?)\b|report|told"
)
SOUNDS = {
    **dict(zip("бвгджзклмнпрстфхцчшщ", "bvgdjsklmnprstfkskss", strict=True)),
    **dict(zip("bcdfgjklmnpqrstvwxz", "bkdfgjklmnpkrstvvks", strict=True)),
}  # of consonants; vowels, h, й and ь are silent
DIGRAPH = re.compile("sch|sh|ch|kh|zh|ts|dz")


@lru_cache(maxsize=20_000)
def _find(word: str, table_name: str) -> str:
    table = {"unit": UNITS, "role": ROLES, "modifier": MODIFIERS, "land": LANDS}[table_name]
    sizes = range(min(len(word), LONGEST_WORD_CHARS), 1, -1)
    return table.get(word) or next((table[f"{word[:n]}*"] for n in sizes if f"{word[:n]}*" in table), "")


def unit_of(word: str) -> str:
    """The unit that a word names, the same for both languages; empty when it is not among the frequent ones."""
    return _find(word, "unit").strip("-")


def role_of(word: str) -> str:
    """What a word says was done with the counted thing (killed, sold, …), the same for both languages; or empty."""
    return _find(word, "role").strip("-")


def modifier_of(word: str) -> str:
    """The adjective, the same for both languages, for the few by which news tell counts apart; or empty."""
    return _find(word, "modifier") or land_of(word)


def land_of(word: str) -> str:
    """The country of a name or an adjective, the same for both languages, for the most frequent; or empty."""
    return _find(word, "land")


def place_before_noun(word: str) -> Literal["noun", "modifier", "skip", "stop"]:
    """What a word between a number and the noun that it counts is, judged by its ending."""
    role = role_of(word)
    if not word[0].isalpha() or word in FUNCTION_WORDS or word in NUMERALS:
        return "stop"
    if modifier_of(word):
        return "modifier"
    if CYRILLIC.search(word):
        if ADJECTIVE.search(word):
            return "skip" if role else "modifier"
        return "stop" if role or VERB.search(word) else "noun"
    if role:
        return "skip"
    return "noun" if word.endswith("s") and not word.endswith(("ss", "us", "is")) else "modifier"


def sound(word: str) -> str:
    """The consonants of a word, each once: much the same for Харьков, Харьковской, Kharkiv and Kharkov."""
    letters = DIGRAPH.sub(lambda match: match[0][0], word)
    return "".join(dict.fromkeys(SOUNDS.get(letter, "") for letter in letters))


def iso_date(text: str) -> str:
    """A date in lower case as ISO 8601; empty where it has no such month or day."""
    numbers = re.findall(r"[0-9]+", text)
    year = next((number for number in numbers if len(number) == 4), "")
    days = [number.zfill(2) for number in numbers if len(number) < 3]
    starts = re.search(MONTH_START, text)
    if starts:
        month = f"{1 + MONTHS.index(starts[0]) % 12:02}"
    elif len(days) == 2:
        month = days.pop(0 if text.startswith(year) else 1)
    else:
        return ""
    if not "01" <= month <= "12" or not all("01" <= day <= "31" for day in days):
        return ""
    dates = [f"{year or '-'}-{month}-{day}" for day in (days[:1] + days[-1:] if len(days) > 1 else days)]
    return "/".join(dates) or f"{year or '-'}-{month}"
