"""What other articles say of a quote: witnesses of the same, one that differs, and nobody else. With the real model."""

import pytest

from index.embedding import EmbeddingModel
from index.sentences import split_sentences
from qa.corroboration import Corroboration, Corroborator
from qa.drafts import Quote
from qa.records import Passage, Source
from qa.sentences import SentenceRanker

TANKER = "На верфи в Лазурном в среду спустили на воду танкер «Северный ветер»."
RETOLD = [
    "В Лазурном на верфи спустили на воду танкер «Северный ветер».",
    "Танкер «Северный ветер» спущен на воду на верфи в Лазурном, сообщил Портовый вестник.",
    "Как рассказали в Мореходке, верфь в Лазурном спустила на воду танкер «Северный ветер».",
]
ORCHIDS = "В городском саду зацвели орхидеи, редкие для этих мест."
BLAST = "При взрыве на складе в Каменке погибли 12 человек."
BLAST_OTHERWISE = "Взрыв на складе в Каменке унёс жизни 15 человек."


@pytest.fixture(scope="module")
def corroborator(model: EmbeddingModel) -> Corroborator:
    return Corroborator(SentenceRanker(model))


def passage(text: str, name: str, *, start: int = 0, repeats: tuple[Passage, ...] = ()) -> Passage:
    return Passage(Source(name, name.title(), None, None, None, "ru"), start, start + len(text), text, 0.9, repeats)


def whole(passage: Passage) -> Quote:
    return Quote(passage, passage.start, passage.end)


def told(found: Corroboration) -> list[tuple[str, str]]:
    """Who tells the same, and in what words."""
    return [(quote.passage.source.article_id, quote.text) for quote in found.same]


def corroborate(corroborator: Corroborator, quoted: str, *others: str) -> Corroboration:
    """What articles "b", "c", … say of a whole article "a"."""
    passages = [passage(text, name) for name, text in zip("abcdefgh", (quoted, *others), strict=False)]
    return corroborator.corroborate(whole(passages[0]), passages)


# The same


@pytest.mark.parametrize("other", RETOLD)
def test_another_article_that_tells_the_same_is_a_source(corroborator: Corroborator, other: str) -> None:
    found = corroborate(corroborator, TANKER, f"{ORCHIDS} {other} Погода стояла тихая.")
    assert told(found) == [("b", other)]
    assert found.difference is None


def test_all_that_tell_the_same_are_sources_the_nearest_first(corroborator: Corroborator) -> None:
    found = corroborate(corroborator, TANKER, RETOLD[2], ORCHIDS, TANKER, RETOLD[0])
    assert told(found) == [("d", TANKER), ("e", RETOLD[0]), ("b", RETOLD[2])]


def test_an_article_is_one_source_however_often_it_tells_it(corroborator: Corroborator) -> None:
    found = corroborate(corroborator, TANKER, f"{RETOLD[1]} {RETOLD[0]}")
    assert told(found) == [("b", RETOLD[0])]


def test_an_article_is_never_its_own_witness(corroborator: Corroborator) -> None:
    quoted, elsewhere = passage(TANKER, "a"), passage(RETOLD[0], "a", start=500)
    again = passage(ORCHIDS, "b", repeats=(passage(BLAST_OTHERWISE, "a", start=900),))
    assert corroborator.corroborate(whole(quoted), [quoted, elsewhere, again]) == Corroboration()
    blast = passage(BLAST, "a", start=700)
    assert corroborator.corroborate(whole(blast), [blast, quoted, again]) == Corroboration()


def test_repeats_are_sources(corroborator: Corroborator) -> None:
    quoted = passage(TANKER, "a", repeats=(passage(RETOLD[0], "b", start=40),))
    other = passage(ORCHIDS, "c", repeats=(passage(f"{ORCHIDS} {RETOLD[1]}", "d"),))
    found = corroborator.corroborate(whole(quoted), [quoted, other])
    assert told(found) == [("b", RETOLD[0]), ("d", RETOLD[1])]
    assert (found.same[0].start, found.same[0].end) == (40, 40 + len(RETOLD[0]))


def test_only_what_is_quoted_is_compared(corroborator: Corroborator) -> None:
    text = f"{ORCHIDS} {TANKER} {BLAST}"
    place = split_sentences(text)[1]
    quoted, others = passage(text, "a"), [passage(RETOLD[0], "b"), passage(BLAST_OTHERWISE, "c"), passage(ORCHIDS, "d")]
    found = corroborator.corroborate(Quote(quoted, place.start, place.end), [quoted, *others])
    assert told(found) == [("b", RETOLD[0])]
    assert found.difference is None


def test_nobody_else_says_anything(corroborator: Corroborator) -> None:
    assert corroborate(corroborator, TANKER) == Corroboration()


@pytest.mark.parametrize(
    ("quoted", "other"),
    [
        (TANKER, ORCHIDS),
        (TANKER, BLAST),
        (TANKER, "На верфи в Лазурном в среду спустили на воду танкер «Южный крест»."),
        (TANKER, "На верфи в Приозёрске в среду спустили на воду танкер «Северный ветер»."),
        (TANKER, "На верфи в Лазурном в среду не спустили на воду танкер «Северный ветер»."),
        (BLAST, "При взрыве на складе в Боровом погибли 12 человек."),
        (BLAST, "При взрыве на складе в Боровом погибли 15 человек."),
        ("Мост через реку Ольшанку откроют 14 мая.", "Мост через реку Берёзовку откроют 14 мая."),
        ("За год верфь продала 60 якорей.", "За год верфь купила 25 якорей."),
        ("Гребцы «Волны» выиграли 5 заездов.", "Гребцы «Волны» проиграли 2 заезда."),
        ("Катер «Ласточка-134» вошёл в порт.", "Катер «Ласточка-154» вошёл в порт."),
        ("Колокол зазвонил 8 августа в 10:30.", "Колокол зазвонил 8 августа в 11:05."),
        ("The harbour master opened the new pier.", "The harbour master didn't open the new pier."),
    ],
)
def test_another_event_is_no_source_and_no_difference(corroborator: Corroborator, quoted: str, other: str) -> None:
    assert corroborate(corroborator, quoted, other) == Corroboration()
    assert corroborate(corroborator, other, quoted) == Corroboration()


@pytest.mark.parametrize(
    ("quoted", "other"),
    [
        ("На пристани дежурят 12 матросов.", "Двенадцать матросов дежурят на пристани."),
        ("Указ о гавани подписали 24 марта 2021 года.", "Указ о гавани подписали 24 марта."),
        ("В Заречье уцелели не менее 40 домов.", "Уцелели в Заречье 40 домов, сообщила Управа."),
        ("Гавань закрыта, сообщает Маяк.", "Гавань закрыта, рассказал Вестник Заречья."),
        ("Мэр Лазурного Ольхин встретил капитана Дубова.", "Капитана Дубова встретил мэр Лазурного Ольхин."),
        ("The harbour is closed, the mayor said.", "The mayor said the harbour is closed."),
    ],
)
def test_other_words_for_the_same_are_a_source(corroborator: Corroborator, quoted: str, other: str) -> None:
    assert told(corroborate(corroborator, quoted, other)) == [("b", other)]
    assert told(corroborate(corroborator, other, quoted)) == [("b", quoted)]


# Otherwise


@pytest.mark.parametrize(
    ("quoted", "other", "words"),
    [
        (BLAST, BLAST_OTHERWISE, ("12 человек", "15 человек")),
        (
            "Ущерб от паводка в Заречье оценили в 40 миллионов рублей.",
            "Ущерб от паводка в Заречье составил 65 миллионов рублей.",
            ("40 миллионов рублей", "65 миллионов рублей"),
        ),
        (
            "Добыча угля в Каменке за год выросла на 8 процентов.",
            "Добыча угля в Каменке за год выросла на 11 %.",
            ("8 процентов", "11 %"),
        ),
        (
            "Договор о пароме 24 марта подписали в Лазурном.",
            "Договор о пароме подписали 26 марта в Лазурном.",
            ("24 марта", "26 марта"),
        ),
    ],
)
def test_another_number_or_date_is_a_difference_and_names_the_words(
    corroborator: Corroborator, quoted: str, other: str, words: tuple[str, str]
) -> None:
    found = corroborate(corroborator, f"{ORCHIDS} {quoted}", f"{TANKER} {other} Дождя не было.")
    assert found.same == ()
    assert found.difference is not None
    assert found.difference.words == words
    ours, theirs = found.difference.quotes
    assert ours.text == f"{ORCHIDS} {quoted}"  # the quote as it is given
    assert (theirs.passage.source.article_id, theirs.text) == ("b", other)


def test_some_agree_and_one_differs(corroborator: Corroborator) -> None:
    agreeing = "На складе в Каменке при взрыве погибли 12 человек."
    found = corroborate(corroborator, BLAST, BLAST_OTHERWISE, agreeing, ORCHIDS)
    assert told(found) == [("c", agreeing)]
    assert found.difference is not None
    assert found.difference.words == ("12 человек", "15 человек")


def test_who_differs_in_one_sentence_is_no_source_for_the_next(corroborator: Corroborator) -> None:
    quoted = f"{TANKER} {BLAST}"
    one, other = f"{TANKER} {BLAST.replace('12', '17')}", f"{RETOLD[0]} {BLAST_OTHERWISE}"
    found = corroborate(corroborator, quoted, one, other, RETOLD[1])
    assert told(found) == [("d", RETOLD[1])]
    assert found.difference is not None
    assert found.difference.words in {("12 человек", "15 человек"), ("12 человек", "17 человек")}  # equally near


def test_a_repeat_that_differs_is_a_difference(corroborator: Corroborator) -> None:
    quoted = passage(BLAST, "a", repeats=(passage(BLAST_OTHERWISE, "b"),))
    found = corroborator.corroborate(whole(quoted), [quoted])
    assert found.same == ()
    assert found.difference is not None
    assert found.difference.quotes == (whole(quoted), whole(quoted.repeats[0]))
