"""Follow-up questions by rule: made-up conversations in both languages, and that any conversation gives a query."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.follow_ups import RuleRewriter, bounded_history, is_follow_up
from qa.records import MAX_QUESTION_CHARS, MAX_TURNS, Question, Turn

MISSED = pytest.mark.xfail(strict=True, reason="a limit of the rule, named in qa/follow_ups.py")


def query(*said: str) -> str:
    """What is searched for the last of the things said, which the user and the assistant say in turn."""
    history = tuple(Turn("assistant" if n % 2 else "user", text) for n, text in enumerate(said[:-1]))
    return RuleRewriter().standalone(Question(said[-1], history=history), {})


def query_after(*asked: str) -> str:
    """What is searched for the last question of several, whose answers are not known."""
    history = tuple(Turn("user", text) for text in asked[:-1])
    return RuleRewriter().standalone(Question(asked[-1], history=history), {})


# Written before the rule: 52 of these 53 passed when it first ran.
FIRST_WRITTEN = [
    (("Что Мадуро просил у Ирана?", "А у Китая?"), "Что Мадуро просил у Китая?"),
    (("What did Maduro ask Iran for?", "and what about China?"), "What did Maduro ask China for?"),
    (("Когда открыли мост в Твери?", "А в Рязани?"), "Когда открыли мост в Рязани?"),
    (("Сколько людей погибло на Кипре?", "А в Греции?"), "Сколько людей погибло в Греции?"),
    (("Что сказал о пошлинах Орбан?", "А Фицо?"), "Что сказал о пошлинах Фицо?"),
    (("Что Орбан обещал Фицо?", "А Вучичу?"), "Что Орбан обещал Вучичу?"),
    (("Сколько зерна собрали в 2023 году?", "А в 2024 году?"), "Сколько зерна собрали в 2024 году?"),
    (("Кто победил на выборах в Молдавии?", "А что насчёт Румынии?"), "Кто победил на выборах в Румынии?"),
    (("Кто возглавляет «Роснефть»?", "А «Лукойл»?"), "Кто возглавляет «Лукойл»?"),
    (("Когда Макрон приедет в Астану?", "И в Ташкент?"), "Когда Макрон приедет в Ташкент?"),
    (("Who won the election in Ghana?", "And in Togo?"), "Who won the election in Togo?"),
    (
        ("How many tanks did Poland buy from Korea?", "How about from Germany?"),
        "How many tanks did Poland buy from Germany?",
    ),
    (("What did Lula say about tariffs?", "And Milei?"), "What did Milei say about tariffs?"),
    pytest.param(
        ("When did Boeing close its plant in Wichita?", "What about Airbus?"),
        "When did Airbus close its plant in Wichita?",
        marks=MISSED,
    ),
    (
        ("When did Boeing close its plant in Wichita?", "What about Denver?"),
        "When did Boeing close its plant in Denver?",
    ),
    (("How much aid did Norway send in 2022?", "And in 2023?"), "How much aid did Norway send in 2023?"),
    (("What happened in Goma on 3 March?", "And on 4 March?"), "What happened in Goma on 4 March?"),
    (("что мадуро просил у ирана", "а у китая"), "что мадуро просил у китая"),
    (("What did Maduro ask Iran for?", "When was that?"), "What did Maduro ask Iran for? When was that?"),
    (("Что Мадуро просил у Ирана?", "Когда это было?"), "Что Мадуро просил у Ирана? Когда это было?"),
    (("Кто поджёг склад в Туле?", "А почему?"), "Кто поджёг склад в Туле? А почему?"),
    (("Что заявил Песков о переговорах?", "Где он это сказал?"), "Что заявил Песков о переговорах? Где он это сказал?"),
    (("Где упал вертолёт Ми-8?", "Сколько человек погибло?"), "Где упал вертолёт Ми-8? Сколько человек погибло?"),
    (
        ("Where did the ferry Aurora sink?", "How many people died?"),
        "Where did the ferry Aurora sink? How many people died?",
    ),
    (("Who runs the port of Odesa?", "Since when?"), "Who runs the port of Odesa? Since when?"),
    (
        ("What did Macron promise Senegal?", "Did they accept it?"),
        "What did Macron promise Senegal? Did they accept it?",
    ),
    (
        ("Which bank lost its licence in Perm?", "Why did that happen?"),
        "Which bank lost its licence in Perm? Why did that happen?",
    ),
    (("Что построят в Воркуте?", "А сколько это стоит?"), "Что построят в Воркуте? А сколько это стоит?"),
    (("Какой город затопило?", "Когда там спадёт вода?"), "Какой город затопило? Когда там спадёт вода?"),
    (("What did Lula say about tariffs?", "Tell me more"), "What did Lula say about tariffs? Tell me more"),
    (("Что решил суд по делу Иванова?", "Подробнее"), "Что решил суд по делу Иванова? Подробнее"),
    (("Who won the race in Baku?", "Who else took part?"), "Who won the race in Baku? Who else took part?"),
    (("что случилось в туле", "когда"), "что случилось в туле? когда"),
    (
        ("What did Macron promise Senegal?", "What did he say about Gaza?"),
        "What did Macron promise Senegal? What did he say about Gaza?",
    ),
    (("Что Орбан обещал Фицо?", "Что он говорил про Киев?"), "Что Орбан обещал Фицо? Что он говорил про Киев?"),
    (("Что Мадуро просил у Ирана?", "And China?"), "Что Мадуро просил у Ирана? And China?"),
    (("What did Maduro ask Iran for?", "А почему?"), "What did Maduro ask Iran for? А почему?"),
    (("Что Мадуро просил у Ирана?", "Когда открыли мост в Твери?"), "Когда открыли мост в Твери?"),
    (("What did Maduro ask Iran for?", "Who won the election in Ghana?"), "Who won the election in Ghana?"),
    (("What did Maduro ask Iran for?", "And who won the election in Ghana?"), "And who won the election in Ghana?"),
    (("Что Мадуро просил у Ирана?", "А сколько людей погибло на Кипре?"), "А сколько людей погибло на Кипре?"),
    (("Что Мадуро просил у Ирана?", "Кто такой Орбан?"), "Кто такой Орбан?"),
    (("What did Maduro ask Iran for?", "What is inflation?"), "What is inflation?"),
    (("What did Maduro ask Iran for?", "Is it true that Chad left the pact?"), "Is it true that Chad left the pact?"),
    (("What did Maduro ask Iran for?", "Is there a curfew in Lagos?"), "Is there a curfew in Lagos?"),
    (("Что Мадуро просил у Ирана?", "Какие выборы пройдут в этом году?"), "Какие выборы пройдут в этом году?"),
    (("What did Maduro ask Iran for?", "Did Petro say he would resign?"), "Did Petro say he would resign?"),
    (
        ("Что Мадуро просил у Ирана?", "Правда ли, что Вучич уходит, потому что он болен?"),
        "Правда ли, что Вучич уходит, потому что он болен?",
    ),
    (("Что Мадуро просил у Ирана?", "А у Китая?", "Когда это было?"), "Что Мадуро просил у Китая? Когда это было?"),
    (
        ("What did Maduro ask Iran for?", "When was that?", "And China?"),
        "What did Maduro ask China for? When was that?",
    ),
    (("Who won the election in Ghana?", "And in Togo?", "And in Benin?"), "Who won the election in Benin?"),
    (
        ("Who won the election in Ghana?", "What did Lula say about tariffs?", "And Milei?"),
        "What did Milei say about tariffs?",
    ),
    (("Кто поджёг склад в Туле?", "А когда?", "А почему?"), "Кто поджёг склад в Туле? А почему?"),
]

# Written after its first run, before any change to it: 41 of these 50 passed at once, 46 after a change for them.
SECOND_WRITTEN = [
    (("Почему в Лиссабоне бастуют водители трамваев?", "А в Порту?"), "Почему в Порту бастуют водители трамваев?"),
    (("Сколько стоит билет на паром до Хельсинки?", "А до Таллина?"), "Сколько стоит билет на паром до Таллина?"),
    (
        ("О чём договорились Алиев и Пашинян?", "Где они встречались?"),
        "О чём договорились Алиев и Пашинян? Где они встречались?",
    ),
    (
        ("Какие санкции ввела Япония против Северной Кореи?", "Ну а Австралия?"),
        "Какие санкции ввела Австралия против Северной Кореи?",
    ),
    (
        ("Кто стал чемпионом мира по шахматам?", "Сколько ему лет?"),
        "Кто стал чемпионом мира по шахматам? Сколько ему лет?",
    ),
    (
        ("Что известно о пожаре на заводе в Ижевске?", "Есть пострадавшие?"),
        "Что известно о пожаре на заводе в Ижевске? Есть пострадавшие?",
    ),
    pytest.param(
        ("Что известно о пожаре на заводе в Ижевске?", "Причина пожара известна?"),
        "Что известно о пожаре на заводе в Ижевске? Причина пожара известна?",
        marks=MISSED,
    ),
    (("Сколько снега выпало в Оренбурге?", "А что в Самаре?"), "Сколько снега выпало в Самаре?"),
    (("Кто подписал договор с Тайванем?", "Зачем?"), "Кто подписал договор с Тайванем? Зачем?"),
    (("Какую премию получила Улицкая?", "За что?"), "Какую премию получила Улицкая? За что?"),
    (
        ("Какую премию получила Улицкая?", "а когда ей её вручили"),
        "Какую премию получила Улицкая? а когда ей её вручили",
    ),
    (("Когда взорвался вулкан Этна?", "Спасибо! А Везувий?"), "Когда взорвался вулкан Везувий?"),
    (("Чем болен папа Лев?", "Он ещё в больнице?"), "Чем болен папа Лев? Он ещё в больнице?"),
    (("Что строит «Росатом» в Бангладеш?", "А в Венгрии?"), "Что строит «Росатом» в Венгрии?"),
    (
        ("Сколько нефти экспортировала Россия в октябре 2025 года?", "А в ноябре?"),
        "Сколько нефти экспортировала Россия в ноябре 2025 года?",
    ),
    (("Что случилось вчера в Ницце?", "А сегодня?"), "Что случилось сегодня в Ницце?"),
    (("Какой курс доллара?", "А евро?"), "Какой курс доллара? А евро?"),
    (("Что Зеленский ответил Трампу?", "Как отреагировал Кремль?"), "Как отреагировал Кремль?"),
    (
        ("Что Зеленский ответил Трампу?", "А что тот сказал раньше?"),
        "Что Зеленский ответил Трампу? А что тот сказал раньше?",
    ),
    (
        ("Что Зеленский ответил Трампу?", "В каком издании это опубликовано?"),
        "Что Зеленский ответил Трампу? В каком издании это опубликовано?",
    ),
    (("Что Зеленский ответил Трампу?", "Какие дороги строят под Казанью?"), "Какие дороги строят под Казанью?"),
    (("Кто выиграл гонку в Монако?", "И кто второй?"), "Кто выиграл гонку в Монако? И кто второй?"),
    (
        ("Кто выиграл гонку в Монако?", "Какая команда победила в Кубке Стэнли?"),
        "Какая команда победила в Кубке Стэнли?",
    ),
    (("Why are tram drivers in Lisbon on strike?", "And in Porto?"), "Why are tram drivers in Porto on strike?"),
    (
        ("Which drugs did the FDA approve for asthma?", "What are their side effects?"),
        "Which drugs did the FDA approve for asthma? What are their side effects?",
    ),
    (("Who is the new head of the BBC?", "When did she start?"), "Who is the new head of the BBC? When did she start?"),
    (("Who is the new head of the BBC?", "And of ITV?"), "Who is the new head of ITV?"),
    (("What did Erdogan say about Sweden?", "What about Finland?"), "What did Erdogan say about Finland?"),
    (("What did Erdogan say about Sweden?", "and about finland?"), "What did Erdogan say about finland?"),
    (("How many refugees arrived in Chad in 2024?", "How many in 2025?"), "How many refugees arrived in Chad in 2025?"),
    (
        ("How many refugees arrived in Chad in 2024?", "Where did they come from?"),
        "How many refugees arrived in Chad in 2024? Where did they come from?",
    ),
    (
        ("How many refugees arrived in Chad in 2024?", "Why so many?"),
        "How many refugees arrived in Chad in 2024? Why so many?",
    ),
    (("When will the Louvre reopen?", "And the Orsay?"), "When will the Orsay reopen?"),
    (("When will the Louvre reopen?", "Is it still closed?"), "When will the Louvre reopen? Is it still closed?"),
    (("When will the Louvre reopen?", "Who stole the jewels?"), "When will the Louvre reopen? Who stole the jewels?"),
    (("When will the Louvre reopen?", "Were any arrests made?"), "When will the Louvre reopen? Were any arrests made?"),
    (
        ("When will the Louvre reopen?", "How much does a ticket to the Prado cost?"),
        "How much does a ticket to the Prado cost?",
    ),
    (("When will the Louvre reopen?", "What is the inflation rate?"), "What is the inflation rate?"),
    (("When will the Louvre reopen?", "Thanks!", "And the Orsay?"), "When will the Orsay reopen?"),
    (
        ("What did Canada and Mexico agree on?", "Did the US object?"),
        "What did Canada and Mexico agree on? Did the US object?",
    ),
    pytest.param(
        ("What caused the blackout in Spain?", "Was Portugal affected?"),
        "What caused the blackout in Spain? Was Portugal affected?",
        marks=MISSED,
    ),
    (
        ("What caused the blackout in Spain?", "What does the government say?"),
        "What caused the blackout in Spain? What does the government say?",
    ),
    (("What caused the blackout in Spain?", "Who said this?"), "What caused the blackout in Spain? Who said this?"),
    (("What caused the blackout in Spain?", "А в Португалии?"), "What caused the blackout in Spain? А в Португалии?"),
    (("Где построят завод BYD?", "А Tesla?"), "Где построят завод Tesla?"),
    (("Where will BYD build its plant?", "And Tesla?", "When?"), "Where will Tesla build its plant? When?"),
    pytest.param(
        ("Кто возглавит ЦБ Турции?", "Почему сменили прежнего главу?", "А кто им был?"),
        "Кто возглавит ЦБ Турции? Почему сменили прежнего главу? А кто им был?",
        marks=MISSED,
    ),
    (("Что обсуждали в Дохе?", "Кто там был?", "А от Египта?"), "Что обсуждали в Дохе? А от Египта?"),
    pytest.param(
        ("Что обсуждали в Дохе?", "Какие страны участвовали в переговорах?"),
        "Что обсуждали в Дохе? Какие страны участвовали в переговорах?",
        marks=MISSED,
    ),
    (("Кого избрали мэром Варшавы?", "А Праги?"), "Кого избрали мэром Праги?"),
]


@pytest.mark.parametrize(("asked", "searched"), [*FIRST_WRITTEN, *SECOND_WRITTEN])
def test_follow_ups_written_before_the_rule_was_tuned(asked: tuple[str, ...], searched: str) -> None:
    assert query_after(*asked) == searched


@pytest.mark.parametrize(
    ("asked", "searched"),
    [
        (("Кто приехал в Сочи?", "А «Динамо»?"), "Кто приехал в Динамо?"),
        (
            ("Кто приехал в Сочи?", "А что Сочи?"),
            "Кто приехал в Сочи? А что Сочи?",
        ),  # the same name asks something else
        (("Что нашли в Туле?", "А в больнице?"), "Что нашли в Туле? А в больнице?"),  # a word is no place of a name
        (("Что нашли в больнице?", "А в школе?"), "Что нашли в школе?"),
        (("Что нашли в Туле в среду?", "А в Перми в четверг?"), "Что нашли в Перми в четверг?"),
        (("Что нашли в Туле?", "А в Перми в четверг?"), "Что нашли в Туле? А в Перми в четверг?"),
        (("Что сказала Урсула фон дер Ляйен?", "А Кая Каллас?"), "Что сказала Кая Каллас?"),
        (("Кому Boeing продал Boeing 737?", "А Ил-96?"), "Кому Boeing продал Ил-96?"),
        (("Что Орбан просил у Ирана?", "А для Кубы?"), "Что Орбан просил у Ирана? А для Кубы?"),
        (("Сколько добыли в 2023 году?", "А в октябре?"), "Сколько добыли в 2023 году? А в октябре?"),
        (("Что нашли в Туле 5 мая 2024 года?", "А 6 июня 2025 года?"), "Что нашли в Туле 6 июня 2025 года?"),
        (("Кто был в Туле?", "А в Перми, в Орле?"), "Кто был в Туле? А в Перми, в Орле?"),
        (("Кто в мае летел из Тулы в Пермь?", "А в июне из Орла?"), "Кто в июне летел из Орла в Пермь?"),
        (("Ивану ли дали орден?", "А Петру?"), "Ивану ли дали орден? А Петру?"),
        (("Что нашли в Туле", "В Перми тоже?"), "Что нашли В Перми"),
        (("Who came to Paris?", "And who in Oslo?"), "Who came to Paris? And who in Oslo?"),
        (("Who came to Paris?", "Same question for Oslo"), "Who came to Oslo?"),
        (("Who came to Paris?", "And Oslo as well?"), "Who came to Oslo?"),
        (("Who came to Paris?", "Oslo?"), "Who came to Paris? Oslo?"),
        (("Who came to Paris...", "When?"), "Who came to Paris... When?"),
        (("Who came to Paris?", "Спасибо!", "When?"), "Who came to Paris? When?"),
        (("Привет", "А когда?"), "А когда?"),
        (("When?", "And where?"), "When? And where?"),
    ],
)
def test_where_a_follow_up_goes(asked: tuple[str, ...], searched: str) -> None:
    assert query_after(*asked) == searched


@pytest.mark.parametrize(
    "text",
    [
        "А почему?",
        "And?",
        "What about the price of oil?",
        "Почему Мадуро?",
        "Когда в Иране?",
        "Who signed it?",
        "Did she resign?",
        "Кто ещё?",
        "Кто такие эти люди?",
        "What happened after that?",
        "How many people live there?",
        "Сколько погибло?",
        "А кто это?",
        "What is that?",
        "Does this law work?",
    ],
)
def test_what_follows_up(text: str) -> None:
    assert is_follow_up(text)


@pytest.mark.parametrize(
    "text",
    [
        "Где Мадуро?",
        "А где Мадуро?",
        "Where is Maduro?",
        "And where is Maduro?",
        "What did Maduro do?",
        "Спасибо. Когда открыли мост в Твери?",
        "Что такое инфляция?",
        "What does inflation mean?",
        "Мадуро сказал, что он болен?",
        "Is it true that the central bank raised interest rates?",
        "Это правда, что школы закрыли из-за морозов и ветра?",
        "Were there strikes at any airports?",
        "Какой город затопило?",
        "Which bank failed?",
        "Какие законы вступят в силу в этом году?",
        "Почему в больнице им. Боткина нет врачей?",
        "Which large central bank said it would wait?",
    ],
)
def test_what_stands_alone(text: str) -> None:
    assert not is_follow_up(text)
    assert query_after("Who came to Paris?", text) == text


@pytest.mark.parametrize(
    ("said", "searched"),
    [
        (
            ("Who heads the port of Odesa?", "The port is headed by Olena Marchuk [1].", "How old is she?"),
            "Who heads the port of Odesa? Olena Marchuk. How old is she?",
        ),
        (
            ("Кто поджёг склад?", "Склад поджёг Пётр Ильин [1][2]. Ильин и Пётр Ильин признался.", "Где он живёт?"),
            "Кто поджёг склад? Пётр Ильин. Где он живёт?",
        ),
        # The question before names someone and asks for nobody.
        (
            ("What did Macron promise Senegal?", "It will get trains from Alstom [1].", "Did he keep it?"),
            "What did Macron promise Senegal? Did he keep it?",
        ),
        # Nothing in the follow-up points at the answer.
        (("Who heads the port?", "It is headed by Olena Marchuk [1].", "And why?"), "Who heads the port? And why?"),
        (("Who heads the port?", "The articles do not answer this.", "Is she ill?"), "Who heads the port? Is she ill?"),
        (
            ("Who heads the port?", "Olga Kim does.", "Thanks!", "I am Otvet, made by Nobody.", "Is she ill?"),
            "Who heads the port? Olga Kim. Is she ill?",
        ),
    ],
)
def test_names_that_the_answer_gave(said: tuple[str, ...], searched: str) -> None:
    assert query(*said) == searched


def test_without_a_history_the_question_is_searched_as_it_is() -> None:
    assert query("  А у Китая? ") == "  А у Китая? "


def test_an_answer_without_a_question_gives_nothing() -> None:
    question = Question("When was that?", history=(Turn("assistant", "Hello!"), Turn("user", " \n")))
    assert RuleRewriter().standalone(question, {}) == "When was that?"


def test_only_the_last_questions_of_a_long_conversation_are_read() -> None:
    asked = ["Who came to Paris?", *["And when?"] * 8, "And why?"]
    assert query_after(*asked) == "And when? And why?"
    assert query_after(*asked[1:]) == "And when? And why?"
    assert query_after(*asked[0:1], *asked[-3:]) == "Who came to Paris? And why?"


def test_follow_ups_that_say_something_stay_and_others_go() -> None:
    asked = ("Who came to Paris?", "And the ministers?", "And when?", "And the generals?", "And the judges?", "Why?")
    assert query_after(*asked) == "Who came to Paris? And the generals? And the judges? Why?"


def test_a_query_is_never_longer_than_a_question() -> None:
    long = "Who came to Paris? " + "Tell me. " * 150
    longest = "When was that? " + "Please. " * 240
    assert query_after(long, "And the ministers" + " of war" * 90, "Why?") == f"{long.strip()} Why?"
    assert query_after(long, longest) == longest


def test_broken_characters_of_the_history_stay_out() -> None:
    assert query_after("Who came to \ud800Paris?", "When?") == "Who came to Paris? When?"


TRICKY = st.lists(
    st.sampled_from(
        [
            *' \n\x00.,-–«»"(?!…\ud83d',
            *"а А и And what about что насчёт ok спасибо у в из-за to in the he он это".split(),
            *"that there тогда кто who".split(),
            *"Иран Китая China Ил-76 США фон дер ß İ ǅ 2024 2025-го 5 мая".split(),
            *"October Monday вчера года 737 просил went".split(),
        ]
    ),
    max_size=25,
).map(" ".join)
TEXTS = st.one_of(TRICKY, st.text(max_size=60), TRICKY.map(lambda text: text * 40))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), TEXTS), max_size=MAX_TURNS),
    TEXTS.map(lambda text: text.replace("\ud83d", "").encode("utf-8", "ignore").decode()[:MAX_QUESTION_CHARS]),
)
def test_any_conversation_gives_a_query(history: list[Turn], text: str) -> None:
    if not text.strip():
        text = "Когда?"
    searched = RuleRewriter().standalone(Question(text, history=tuple(history)), {})
    assert Question(searched)  # not empty, not too long, not broken
    assert RuleRewriter().standalone(Question(text), {}) == text


def turns(*contents: str) -> list[Turn]:
    return [Turn("assistant" if n % 2 else "user", content) for n, content in enumerate(contents)]


def test_history_is_cut_from_the_beginning_in_whole_turns() -> None:
    conversation = turns("a" * 30, "b" * 30, "c" * 30, "d" * 30)
    assert bounded_history(conversation, 40) == tuple(conversation)
    assert bounded_history(conversation, 39) == tuple(conversation[2:])
    assert bounded_history(conversation, 20) == tuple(conversation[2:])
    assert bounded_history(conversation, 19) == ()
    assert bounded_history([], 40) == ()


def test_history_has_no_markers_no_empty_turns_and_begins_with_the_user() -> None:
    said = [
        Turn("assistant", "Hello!"),
        *turns("Who [1]?", "Kim [1]. Not Li [2][3].", " ", "[1]", "Why?", "Since [4, 5]."),
    ]
    kept = [
        Turn("user", "Who [1]?"),
        Turn("assistant", "Kim. Not Li."),
        Turn("user", "Why?"),
        Turn("assistant", "Since."),
    ]
    assert bounded_history(said, 100) == tuple(kept)
