"""Greetings and questions about Otvet get a reply; whatever may be a question for the articles gets none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.text import Language, question_language
from qa.small_talk import CHECK, MOST_TELLING, PATTERNS, REPLIES, WHAT_IT_IS, Kind, small_talk


def reply(kind: Kind, language: Language) -> str:
    return REPLIES[kind, language].format(what=WHAT_IT_IS[language], check=CHECK[language])


@pytest.mark.parametrize(
    ("text", "kind", "language"),
    [
        ("Привет!", "greeting", "ru"),
        ("ПРИВЕТ", "greeting", "ru"),
        ("Добрый день.", "greeting", "ru"),
        ("  здравствуйте  ", "greeting", "ru"),
        ("Привет, Otvet!", "greeting", "ru"),
        ("hello", "greeting", "en"),
        ("Hi there 👋", "greeting", "en"),
        ("Good morning!", "greeting", "en"),
        ("Спасибо за ответ!", "thanks", "ru"),
        ("Огромное спасибо", "thanks", "ru"),
        ("Thank you so much", "thanks", "en"),
        ("ok, thanks", "thanks", "en"),
        ("Пока-пока", "goodbye", "ru"),
        ("Спасибо, до свидания!", "goodbye", "ru"),
        ("bye", "goodbye", "en"),
        ("Как дела?", "mood", "ru"),
        ("Привет! Как у тебя дела?", "mood", "ru"),
        ("How's it going?", "mood", "en"),
        ("Hi, how are you?", "mood", "en"),
        ("Кто ты?", "self", "ru"),
        ("А ты кто такой?", "self", "ru"),
        ("Привет, а кто ты такой?", "self", "ru"),
        ("Ты бот?", "self", "ru"),
        ("Что такое Otvet?", "self", "ru"),
        ("Как тебя зовут?", "self", "ru"),
        ("who are you?", "self", "en"),
        ("What's your name?", "self", "en"),
        ("Are you a real person?", "self", "en"),
        ("Что ты умеешь?", "abilities", "ru"),
        ("Чем вы можете помочь?", "abilities", "ru"),
        ("Помощь", "abilities", "ru"),
        ("what can you do?", "abilities", "en"),
        ("help", "abilities", "en"),
        ("Hello! What can I ask you?", "abilities", "en"),
        ("Какая ты модель?", "model", "ru"),
        ("Ты ChatGPT?", "model", "ru"),
        ("На какой модели ты работаешь?", "model", "ru"),
        ("are you ChatGPT?", "model", "en"),
        ("Are you GPT-4?", "model", "en"),
        ("Which language model do you use?", "model", "en"),
        ("what articles do you have?", "articles", "en"),
        ("Какие у тебя есть статьи?", "articles", "ru"),
        ("Откуда ты берёшь информацию?", "articles", "ru"),
    ],
)
def test_small_talk_is_answered_in_its_language(text: str, kind: Kind, language: Language) -> None:
    assert small_talk(text) == reply(kind, language)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!",
        "👋",
        "42",
        "Ответ",
        "otvet",
        "Привет, что Мадуро просил у Ирана?",
        "Спасибо, а что с Ираном?",
        "Thanks, and what about China?",
        "Who are you voting for, asked the reporter?",
        "Кто ты такой, Иван Петров?",
        "What did Hello Kitty earn in 2024?",
        "Hello Kitty",
        "Кто так думает?",
        "Что ты умеешь, спросил судья?",
        "Как дела у Газпрома?",
        "How are you supposed to vote in Ghana?",
        "How do you do business in Chad?",
        "Что умеет робот «Фёдор»?",
        "What can you do in Lisbon?",
        "Что можно спросить у Путина на прямой линии?",
        "Какая модель у Tesla?",
        "Which language model did Baidu release?",
        "Кто создал ChatGPT?",
        "Who made ChatGPT?",
        "What is ChatGPT?",
        "Какие статьи Конституции изменят?",
        "Что нового?",
        "Как это работает?",
        "What is this?",
        "Пока неясно, кто победил?",
        "Помогите найти статью о Мадуро",
        "Help for Sudan",
        "Спасибо деду за победу",
        "привет " * 40,
    ],
)
def test_what_may_be_a_question_gets_no_reply(text: str) -> None:
    assert small_talk(text) is None


def test_the_most_telling_of_several_is_answered() -> None:
    assert small_talk("Hi! Who are you and what can you do? Thanks!") == reply("abilities", "en")
    assert small_talk("Спасибо! Пока!") == reply("goodbye", "ru")


def test_every_kind_has_a_reply_in_both_languages_that_names_no_model() -> None:
    assert set(REPLIES) == {(kind, language) for kind in PATTERNS for language in ("ru", "en")}
    assert sorted(MOST_TELLING) == sorted(PATTERNS)
    for kind, language in REPLIES:
        text = reply(kind, language)
        assert question_language(text) == language
        assert not re.search("gpt|qwen|llama|claude|gemini|[{}]", text, re.IGNORECASE)


@pytest.mark.parametrize("kind", sorted(PATTERNS))
def test_wordings_are_of_the_form_that_messages_are_brought_to(kind: Kind) -> None:
    """A capital letter, a digit or ё in a wording could never be met."""
    assert not re.search(r"[A-ZА-ЯЁё0-9]", PATTERNS[kind].pattern.replace(r"\Z", ""))


WORDS = st.sampled_from(
    "привет hello спасибо thanks кто ты who are you как дела а and ответ пока Иран ! ? , - 7".split()
)


@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=60).map(" ".join)))
def test_any_text_gets_a_known_reply_or_none(text: str) -> None:
    said = small_talk(text)
    assert said is None or said in {reply(kind, language) for kind, language in REPLIES}
    assert "Иран" not in text or said is None
