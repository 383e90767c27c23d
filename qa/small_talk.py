"""Short honest replies to greetings, thanks, goodbyes and questions about Otvet itself.

Decision: only a message that consists of nothing else is small talk. The whole message, without punctuation, must be
one of the wordings below, or several of them in a row («Привет! Как дела?»). A message with one word more is a question
for the articles: a greeting taken for a question costs a needless search, a question taken for a greeting is lost.
"""

import re
from typing import Literal

from index.text import WORD, Language, fold, question_language

Kind = Literal["greeting", "thanks", "goodbye", "mood", "self", "abilities", "model", "articles"]

LONGEST_CHARS = 200  # of a longer message nothing is read

# Wordings in small letters with е for ё, digits and punctuation left out ("gpt-4" is "gpt").
WORDINGS: dict[Kind, str] = {
    "greeting": r"""
        привет(?: всем| тебе)?|приветствую|здравствуй(?:те)?|добр(?:ый|ое|ои) (?:день|вечер|утро)|доброго времени суток
        |салют|хай|хеллоу|hello(?: there| again)?|hi(?: there| again)?|hey(?: there)?|good (?:morning|afternoon|evening)
        |greetings
        """,
    "thanks": r"""
        (?:большое |огромное )?спасибо(?: большое| огромное| тебе| вам)?(?: за (?:помощь|ответ|ответы|информацию))?
        |благодарю(?: вас| тебя)?|спс|понятно|ясно|(?:это )?(?:отлично|супер|здорово|круто)|окей|ок
        |thanks(?: a lot| so much| very much| again)?(?: for (?:your|the) (?:help|answer|answers))?
        |(?:many )?thanks|thank you(?: so much| very much| again)?(?: for (?:your|the) (?:help|answer|answers))?
        |thx|cheers
        |ok|okay|great|got it|i see|nice|cool|perfect
        """,
    "goodbye": r"""
        пока(?: пока)?|до свидания|до встречи|прощай(?:те)?|всего (?:доброго|хорошего)|доброй ночи|спокойной ночи
        |goodbye|good bye|bye(?: bye)?|see you(?: later| soon)?|good night|have a (?:nice|good) day
        """,
    "mood": r"""
        как (?:у (?:тебя|вас) )?дела|как (?:ты|вы|поживаешь|поживаете|жизнь|настроение)|как ты сегодня
        |how are you(?: doing)?(?: today)?|how are things|how is it going|how s it going|how do you do|what s up
        """,
    "self": r"""
        (?:кто|что) (?:же )?(?:ты|вы)(?: так(?:ой|ая|ое|ие))?|(?:кто|что) так(?:ой|ое|ие) (?:ты|вы|otvet|ответ)
        |(?:ты|вы) кто(?: так(?:ой|ая|ое|ие))?|как (?:тебя|вас) зовут|представься|расскажи(?:те)? о себе
        |(?:ты|вы) (?:бот|робот|человек|программа|ии|живой)
        |кто (?:тебя|вас) (?:создал|сделал|разработал|написал)|who are you|what are you
        |what(?: is| s) (?:your name|otvet)|who (?:made|created|built|developed|wrote) you|tell me about yourself
        |introduce yourself|are you (?:an? )?(?:bot|robot|human|(?:real )?person|real|ai|program|chatbot)
        """,
    "abilities": r"""
        что (?:ты|вы) (?:умеешь|умеете|можешь|можете)(?: делать)?|чем (?:ты|вы) (?:можешь|можете) (?:мне )?помочь
        |как (?:ты|вы) работае(?:шь|те)|как (?:тобой|вами|этим) пользоваться
        |что (?:тут |здесь )?можно (?:у тебя )?спросить
        |(?:о чем|что) (?:тебя|вас|у тебя) (?:можно )?(?:спросить|спрашивать)
        |(?:на какие|какие) вопросы (?:ты|вы) отвечае(?:шь|те)
        |помощь|помоги(?:те)?(?: мне)?|что ты знаешь|what can you do(?: for me)?|what do you (?:do|know)
        |how (?:can|could) you help(?: me)?|how do you work|how (?:can|do) i use (?:you|this)
        |what (?:can|should|may) i ask(?: you)?|what (?:questions )?can you answer
        |what (?:kind of )?questions can i ask(?: you)?
        |(?:please )?help(?: me)?|can you help(?: me)?
        """,
    "model": r"""
        (?:ты|вы|это) (?:chatgpt|чат ?гпт|чатгпт|gpt|гпт|chat gpt|claude|клод|gemini|llama|qwen|deepseek
        |gigachat|гигачат
        |yandexgpt|алиса|нейросеть|языковая модель|llm)|какая (?:ты|вы|у тебя)(?: языковая)? (?:модель|нейросеть|llm)
        |на какой (?:языковой )?(?:модели|нейросети) (?:ты|вы) (?:работаешь|работаете|построен|основан)
        |какая (?:языковая )?(?:модель|нейросеть)(?: отвечает| пишет ответы)?
        |какую(?: языковую)? модель (?:ты|вы) используе(?:шь|те)|как называется твоя модель
        |are you (?:an? |the )?(?:chatgpt|chat gpt|gpt|claude|gemini|llama|qwen|deepseek|llm|(?:large )?language model)
        |(?:what|which)(?: language| ai)? (?:model|llm|ai) (?:are you|do you use|is this|are you using|are you based on)
        |what is your model|which company made you
        """,
    "articles": r"""
        какие (?:(?:у тебя|у вас|тут|здесь) )?(?:есть )?статьи(?: у тебя| у вас| тут| здесь)?(?: есть)?
        |(?:по каким|о каких) (?:статьям|статьях) (?:ты|вы) отвечае(?:шь|те)
        |какие статьи (?:ты|вы) (?:знаешь|знаете|читал|читаешь)
        |откуда (?:ты|вы) (?:это )?(?:все )?(?:знаешь|знаете|бер(?:ешь|ете) (?:ответы|информацию|данные))
        |сколько у тебя статей
        |(?:what|which) (?:articles|sources|documents) (?:do|can) you (?:have|know|use|search|read)
        |(?:what|which) (?:articles|sources|documents) are (?:there|in the index)|how many articles do you (?:have|know)
        |where do you (?:get|take) your (?:answers|information|data|knowledge)(?: from)?|what are your sources
        """,
}
FILLER = re.compile(r"(?:(?:otvet|ответ|а|и|and|so|ну|please|пожалуйста)(?: |\Z))*")  # «Привет, Ответ, а кто ты?»
LINE_BREAK = re.compile(r"\s*\n\s*")
PATTERNS: dict[Kind, re.Pattern[str]] = {
    kind: re.compile("(?:" + LINE_BREAK.sub("", wordings) + r")(?: |\Z)") for kind, wordings in WORDINGS.items()
}

WHAT_IT_IS: dict[Language, str] = {
    "ru": "Я Otvet, программа, которая отвечает на вопросы по статьям своего индекса и показывает цитаты из них.",
    "en": "I am Otvet, a program that answers questions about the articles of its index and shows quotes from them.",
}
CHECK: dict[Language, str] = {
    "ru": "Ответы бывают неверными, сверяйтесь с цитатами.",
    "en": "Answers can be wrong, so check the quotes.",
}
REPLIES: dict[tuple[Kind, Language], str] = {
    ("greeting", "ru"): "Здравствуйте! {what} О чём вы хотите узнать?",
    ("greeting", "en"): "Hello! {what} What would you like to know?",
    ("thanks", "ru"): "Пожалуйста. {check}",
    ("thanks", "en"): "You are welcome. {check}",
    ("goodbye", "ru"): "До свидания!",
    ("goodbye", "en"): "Goodbye!",
    ("mood", "ru"): "Я программа, настроения у меня нет. Спросите о том, что могло быть в статьях.",
    ("mood", "en"): "I am a program and have no moods. Ask about something that the articles may tell.",
    ("self", "ru"): "{what} Я не собеседник на любую тему. {check}",
    ("self", "en"): "{what} I am not a general chat assistant. {check}",
    (
        "abilities",
        "ru",
    ): "{what} Спрашивайте по-русски или по-английски; если в статьях ответа нет, я так и скажу. {check}",
    ("abilities", "en"): (
        "{what} Ask in Russian or English; where the articles hold no answer, I say so. I am not a general chat "
        "assistant. {check}"
    ),
    ("model", "ru"): (
        "{what} Пишет ли ответы языковая модель и какая, зависит от настроек; без неё ответы состоят из цитат. {check}"
    ),
    ("model", "en"): (
        "{what} Whether a language model writes the answers, and which, depends on the settings; without one they are "
        "quotes. {check}"
    ),
    ("articles", "ru"): (
        "Я отвечаю только по статьям, которые внесены в мой индекс. Спросите о том, что вас интересует: у каждой "
        "цитаты названа её статья. {check}"
    ),
    ("articles", "en"): (
        "I answer only from the articles that were put into my index. Ask about what interests you: each quote names "
        "its article. {check}"
    ),
}
MOST_TELLING: tuple[Kind, ...] = ("articles", "model", "abilities", "self", "mood", "goodbye", "thanks", "greeting")


def small_talk(text: str) -> str | None:
    """The reply to a message that only greets, thanks, takes leave or asks about Otvet, in its language; else None.

    Where a message does several of these, the reply is to the most telling one.
    """
    kinds = _kinds(text)
    if not kinds:
        return None
    language = question_language(text)
    kind = next(kind for kind in MOST_TELLING if kind in kinds)
    return REPLIES[kind, language].format(what=WHAT_IT_IS[language], check=CHECK[language])


def _kinds(text: str) -> set[Kind]:
    """What a message does when it does nothing else; empty when it does."""
    if len(text) > LONGEST_CHARS:
        return set()
    said = " ".join(WORD.findall(fold(text)))
    kinds: set[Kind] = set()
    position = _skip(said, 0)
    while position < len(said):
        end, kind = max((_end(said, position, kind), kind) for kind in PATTERNS)
        if end == position:
            return set()
        kinds.add(kind)
        position = _skip(said, end)
    return kinds


def _skip(said: str, position: int) -> int:
    match = FILLER.match(said, position)
    return match.end() if match else position


def _end(said: str, position: int, kind: Kind) -> int:
    """Where the wording of a kind that begins at `position` ends; `position` for none."""
    match = PATTERNS[kind].match(said, position)
    return match.end() if match else position
