"""Which sentences are quoted: the best one with its neighbours, and a second quote where it is nearly as good."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import HashedWordsModel
from index.sentences import split_sentences
from qa.corroboration import Corroborator
from qa.drafts import Claim, Evidence, NoAnswer
from qa.extractive import MARGIN, MAX_QUOTE_CHARS, NEIGHBOUR_MARGIN, ExtractiveAnswerer, choose_quotes
from qa.records import Passage, Question, Source
from qa.sentences import Sentence, SentenceRanker


def passage(text: str, *, article_id: str = "a" * 16, start: int = 0) -> Passage:
    return Passage(Source(article_id, "Заголовок", None, None, None, "ru"), start, start + len(text), text, 0.9)


def ranked(*scored: tuple[Passage, Sequence[float]]) -> list[Sentence]:
    """The sentences of passages with the scores given, best first."""
    sentences = [
        Sentence(one, one.start + span.start, one.start + span.end, score)
        for one, scores in scored
        for span, score in zip(split_sentences(one.text), scores, strict=True)
    ]
    return sorted(sentences, key=lambda sentence: -sentence.score)


def quoted(*scored: tuple[Passage, Sequence[float]]) -> list[str]:
    return [quote.text for quote in choose_quotes(ranked(*scored))]


def test_nothing_to_quote() -> None:
    assert choose_quotes([]) == []


def test_neighbours_come_along() -> None:
    one = passage("Рыбаки вышли в море. Улов был велик. Вернулись к утру.")
    assert quoted((one, [0.7, 0.9, 0.6])) == [one.text]


def test_offsets_count_from_the_beginning_of_the_article() -> None:
    one = passage("Рыбаки вышли в море.\n\nУлов был велик.", start=1000)
    (quote,) = choose_quotes(ranked((one, [0.2, 0.9])))
    assert (quote.start, quote.end, quote.text) == (1022, 1037, "Улов был велик.")


def test_another_paragraph_comes_along_only_when_it_is_near_in_score() -> None:
    one = passage("Заголовок дня\n\nУлов был велик.")
    assert quoted((one, [0.9 - NEIGHBOUR_MARGIN / 2, 0.9])) == [one.text]
    assert quoted((one, [0.9 - NEIGHBOUR_MARGIN * 2, 0.9])) == ["Улов был велик."]


def test_a_quote_stays_short() -> None:
    sentence = "Слово " * 30 + "конец."  # 186 characters: two fit into 400, three do not
    one = passage(" ".join([sentence] * 3))
    assert quoted((one, [0.5, 0.9, 0.6])) == [f"{sentence} {sentence}"]


def test_a_long_sentence_is_quoted_whole() -> None:
    one = passage("Очень " * 100 + "длинно.")
    assert len(one.text) > MAX_QUOTE_CHARS
    assert quoted((one, [0.9])) == [one.text]


def test_a_question_in_the_article_answers_none() -> None:
    one = passage("Почему же рыба ушла из залива? Вода потеплела. «Куда она ушла?»")
    assert quoted((one, [0.99, 0.8, 0.95])) == ["Вода потеплела."]
    assert quoted((passage("Почему ушла рыба?"), [0.99])) == []


def test_a_question_is_not_quoted_between_two_sentences() -> None:
    one = passage("Вода потеплела. Ушла ли оттого рыба? Уловы упали.")
    assert quoted((one, [0.9, 0.99, 0.5])) == ["Вода потеплела."]


def test_a_second_quote_is_nearly_as_good() -> None:
    one, two = passage("Вода потеплела."), passage("Рыба ушла.", article_id="b" * 16)
    assert quoted((one, [0.9]), (two, [0.9 - MARGIN / 2])) == ["Вода потеплела.", "Рыба ушла."]
    assert quoted((one, [0.9]), (two, [0.9 - MARGIN * 2])) == ["Вода потеплела."]


def test_two_quotes_at_most_and_never_the_same_place_twice() -> None:
    passages = [passage(f"Рыба ушла {n}.", article_id=str(n) * 16) for n in range(3)]
    assert len(quoted(*((one, [0.9]) for one in passages))) == 2
    whole = passage("Вода потеплела. Рыба ушла.")
    part = passage("Рыба ушла.", start=16)
    assert quoted((whole, [0.9, 0.89]), (part, [0.9])) == [whole.text]


def test_the_draft_is_the_quotes_word_for_word(hashed_words: HashedWordsModel) -> None:
    passages = (passage("Вода потеплела в заливе."), passage("Вода потеплела в озере.", article_id="b" * 16))
    question = Question("Вода потеплела?")
    evidence = Evidence(question.text, passages, SentenceRanker(hashed_words).for_query(question.text, passages))
    draft = list(answerer(hashed_words).draft(question, evidence, {}))
    claims = [item for item in draft if isinstance(item, Claim)]
    assert len(claims) == len(draft) == 2
    assert all(claim.text.strip() == claim.quotes[0].text for claim in claims)
    assert [claim.quotes[0].passage for claim in claims] == list(passages)


def test_no_quote_is_no_answer(hashed_words: HashedWordsModel) -> None:
    assert list(answerer(hashed_words).draft(Question("Где?"), Evidence("Что?", (), ()), {})) == [NoAnswer()]


def answerer(model: HashedWordsModel) -> ExtractiveAnswerer:
    return ExtractiveAnswerer(Corroborator(SentenceRanker(model)))


def claims_of(model: HashedWordsModel, *passages: Passage) -> list[Claim]:
    """The claims about what the first passage says; it scores best."""
    found = tuple(replace(one, score=0.9 - n / 10) for n, one in enumerate(passages))
    evidence = Evidence(found[0].text, found, SentenceRanker(model).for_query(found[0].text, found))
    draft = list(answerer(model).draft(Question(found[0].text), evidence, {}))
    claims = [item for item in draft if isinstance(item, Claim)]
    assert len(claims) == len(draft)
    return claims


def cited(claim: Claim) -> list[str]:
    return [quote.passage.source.article_id[0] for quote in claim.quotes]


def test_articles_that_say_the_same_are_cited_beside_one_quote(hashed_words: HashedWordsModel) -> None:
    one, two, three = (
        passage("Вода потеплела в заливе.", article_id="a" * 16),
        passage("Рыба ушла. В заливе потеплела вода.", article_id="b" * 16),
        passage("В заливе вода потеплела! Чайки остались.", article_id="c" * 16),
    )
    [claim] = claims_of(hashed_words, one, two, three)
    assert claim.text == one.text
    assert cited(claim) == ["a", "b", "c"]
    assert [quote.text for quote in claim.quotes[1:]] == ["В заливе потеплела вода.", "В заливе вода потеплела!"]
    assert claim.difference is None


@pytest.mark.parametrize("begins", ["В частности,", "Например,", "А именно:", "In particular,", "так,"])
def test_what_elaborates_a_sentence_is_quoted_with_it_however_it_scores(begins: str) -> None:
    text = f"Дождь лил ночь. Лодки просили о помощи.\n\n{begins} о верёвках и вёслах.\n\nЧайки молчали."
    whole = f"Дождь лил ночь. Лодки просили о помощи.\n\n{begins} о верёвках и вёслах."
    assert quoted((passage(text), [0.3, 0.9, 0.1, 0.2])) == [whole]
    assert quoted((passage(text.replace(begins, "Таким образом,")), [0.3, 0.9, 0.1, 0.2])) == [whole.split("\n")[0]]


def test_what_elaborates_goes_before_other_neighbours_where_not_all_fit() -> None:
    before, best, behind = "Слово " * 40 + "раз.", "Лодки просили о помощи.", "В частности, " + "весла " * 30 + "и всё."
    assert quoted((passage(f"{before} {best} {behind}"), [0.9, 0.95, 0.1])) == [f"{best} {behind}"]


def test_a_source_that_says_the_same_is_cited_with_what_elaborates_it(hashed_words: HashedWordsModel) -> None:
    one, two = (
        passage("Вода потеплела в заливе.", article_id="a" * 16),
        passage("Рыба ушла. В заливе потеплела вода. В частности, на два градуса.", article_id="b" * 16),
    )
    [claim] = claims_of(hashed_words, one, two)
    assert [quote.text for quote in claim.quotes[1:]] == ["В заливе потеплела вода. В частности, на два градуса."]


def test_a_repeat_is_cited_beside_the_quote(hashed_words: HashedWordsModel) -> None:
    repeat = passage("Вода потеплела в заливе.", article_id="b" * 16, start=70)
    [claim] = claims_of(hashed_words, replace(passage("Вода потеплела в заливе."), repeats=(repeat,)))
    assert cited(claim) == ["a", "b"]
    assert (claim.quotes[1].start, claim.quotes[1].end) == (70, 94)


def test_what_was_cited_beside_the_first_quote_is_not_quoted_again(hashed_words: HashedWordsModel) -> None:
    one, two = passage("Вода потеплела в заливе."), passage("Вода потеплела в заливе.", article_id="b" * 16)
    evidence = Evidence(one.text, (one, two), SentenceRanker(hashed_words).for_query(one.text, (one, two)))
    assert len(choose_quotes(evidence.sentences)) == 2
    [claim] = answerer(hashed_words).draft(Question(one.text), evidence, {})
    assert isinstance(claim, Claim)
    assert cited(claim) == ["a", "b"]


CREW = "Уловы в заливе за всю прошлую неделю подняли на берег {} рыбаков из двух соседних посёлков."


def test_an_article_that_differs_is_quoted_after_those_that_agree(hashed_words: HashedWordsModel) -> None:
    agrees = passage(CREW.format(12), article_id="c" * 16)
    differs = passage(f"Рыба ушла. {CREW.format(15)} Чайки остались.", article_id="b" * 16)
    first, second = claims_of(hashed_words, passage(CREW.format(12)), differs, agrees)
    assert (first.text, cited(first), first.difference) == (CREW.format(12), ["a", "c"], None)
    assert (second.text, cited(second)) == (f"\n\n{CREW.format(15)}", ["b"])
    assert second.difference is not None
    assert second.difference.quotes == (first.quotes[0], second.quotes[0])
    assert second.difference.words == ("12 рыбаков", "15 рыбаков")


def test_a_second_quote_that_was_given_as_the_differing_one_is_not_given_again(hashed_words: HashedWordsModel) -> None:
    one, two = passage(CREW.format(12)), passage(CREW.format(15), article_id="b" * 16)
    evidence = Evidence(
        "Уловы в заливе?", (one, two), SentenceRanker(hashed_words).for_query("Уловы в заливе?", (one, two))
    )
    assert len(choose_quotes(evidence.sentences)) == 2
    claims = list(answerer(hashed_words).draft(Question("Уловы в заливе?"), evidence, {}))
    assert [claim.text.strip() for claim in claims if isinstance(claim, Claim)] == [one.text, two.text]


SENTENCES = st.sampled_from(["Дождь.", "Снег идёт второй день подряд.", "Где?", "Слово " * 40 + "всё.", "Град"])
SCORES = st.floats(-1, 1, allow_nan=False)


@pytest.mark.parametrize("joint", [" ", "\n\n", "\n"])
@given(st.lists(st.lists(st.tuples(SENTENCES, SCORES), min_size=1, max_size=6), max_size=3))
def test_quotes_are_whole_sentences_that_tell(joint: str, articles: list[list[tuple[str, float]]]) -> None:
    scored = []
    for n, article in enumerate(articles):
        one = passage(joint.join(text for text, _ in article), article_id=str(n) * 16)
        scored.append((one, [score for _, score in article][: len(split_sentences(one.text))]))
    sentences = ranked(*scored)
    quotes = choose_quotes(sentences)
    assert len(quotes) <= 2
    assert bool(quotes) == any(not one.text.endswith("?") for one in sentences)
    for quote in quotes:
        inside = [one for one in sentences if one.passage == quote.passage and quote.start <= one.start < quote.end]
        assert quote.start == min(one.start for one in inside)
        assert quote.end == max(one.end for one in inside)
        assert len(quote.text) <= MAX_QUOTE_CHARS or len(inside) == 1
        assert not quote.text.endswith("?")
