"""Facts of a claim: numbers through words and separators, names through alphabets, and quotes that hold them."""

from datetime import date

import pytest

from fakes import HashedWordsModel
from index.embedding import EmbeddingModel
from qa.records import Passage, Source
from qa.sentences import SentenceRanker
from qa.squad import AskedQuestion, Collection
from qa.support import SupportCheck
from qa.support_facts import day_numbers, missing_numbers, numbers
from qa.support_measure import Outcome, judge, make_trials, passages_of
from qa.support_names import names_of
from qa.support_words import known_names


def passage(text: str, *, article_id: str = "a", title: str = "", day: date | None = None, start: int = 0) -> Passage:
    source = Source(article_id, title, day, None, None, "ru")
    return Passage(source, start, start + len(text), text, 0.5)


def check_by(model: EmbeddingModel) -> SupportCheck:
    return SupportCheck(SentenceRanker(model), model)


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("Three boats sank.", "Затонули трёх лодок корпуса."),
        ("The mast is 1.5 metres high.", "Высота мачты 1,5 метра."),
        ("It cost 1,000 roubles.", "Это стоило 1 000 рублей."),
        ("It cost 2.5 million roubles.", "Это стоило 2,5 млн рублей."),
        ("It cost 2.5 million roubles.", "Это стоило 2500000 рублей."),
        ("It cost $5m.", "Это стоило 5 миллионов долларов."),
        ("From 3 to 5 million fish were caught.", "Поймали 3-5 миллионов рыб."),
        ("Some 12 percent agreed.", "Согласны 12 % жителей."),
        ("It opened on 24 May 2014.", "Открыт 24 мая 2014 года."),
        ("It opened on May 24, 2014.", "Открыт 24.05.2014."),
        ("It opened in the 19th century.", "Открыт в XIX веке."),
        ("It opened in the 1990s.", "Открыт в 90-е годы."),
        ("Они плыли три дня.", "The trip took a three-day sail."),
        ("The house has two floors.", "Это двухэтажный дом."),
        ("The Il-76 landed at 5 pm.", "Ил-76 сел в 17:00."),
        ("One of them was the first to leave.", "Ушёл самый младший."),
        ("They met in the 1998–99 season.", "Встретились в 1998 и 1999 годах."),
        ("About 12 thousand people came.", "Пришли 12 400 человек."),
    ],
)
def test_numbers_that_stand(claim: str, text: str) -> None:
    assert missing_numbers(claim, numbers(text)) == []


@pytest.mark.parametrize(
    ("claim", "text", "value"),
    [
        ("Four boats sank.", "Затонули три лодки.", 4),
        ("The mast is 15 metres high.", "Высота мачты 1,5 метра.", 15),
        ("It cost 2.5 billion roubles.", "Это стоило 2,5 млн рублей.", 2.5e9),
        ("It opened in 2014.", "Открыт в 2015 году.", 2014),
        ("It opened in 1900.", "Открыт в 1905 году.", 1900),
        ("It opened on 24 May.", "Открыт 25 мая.", 24),
        ("It opened in the 19th century.", "Открыт в XX веке.", 19),
        ("Il-76 landed.", "Сел Ил-86.", 76),
    ],
)
def test_numbers_that_do_not_stand(claim: str, text: str, value: float) -> None:
    (missing,) = missing_numbers(claim, numbers(text))
    low, high = missing.readings[0]
    assert low <= value <= high


def test_month_is_no_number() -> None:
    assert [one.kind for one in missing_numbers("It opened in May.", numbers("Открыт в 5 часов."))] == ["month"]


def test_day_of_publication_states_numbers() -> None:
    known = day_numbers(date(2031, 3, 7))
    assert missing_numbers("It opened on 7 March 2031.", known) == []
    assert missing_numbers("It opened on 8 March 2031.", known) != []
    assert day_numbers(None) == ()


@pytest.mark.parametrize(
    ("text", "names", "opens"),
    [
        ("Yesterday Anna Reed left Old Port.", ["Yesterday Anna Reed", "Old Port"], [False, False]),
        ("Лодки нашёл Пётр Весло.", ["Лодки", "Пётр Весло"], [True, False]),
        ("The boats left in May on Monday.", [], []),
        ("King Otto II met the US envoy.", ["King Otto", "US"], [False, False]),
        ("", [], []),
    ],
)
def test_names_of_a_text(text: str, names: list[str], opens: list[bool]) -> None:
    found = names_of(text)
    assert [text[name.start : name.end] for name in found] == names
    assert [name.opens for name in found] == opens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the US fleet", "флот США"),
        ("American boats", "лодки США"),
        ("the UN", "в ООН"),
        ("the EU", "Евросоюз"),
        ("the White House", "в Белом доме"),
        ("Beijing", "из Пекина"),
        ("the Foreign Ministry", "в МИДе"),
    ],
)
def test_table_of_names(one: str, other: str) -> None:
    assert {row for _, _, row in known_names(one)} & {row for _, _, row in known_names(other)}


@pytest.mark.parametrize("text", ["who told us about it", "новое дело", "Рима", "Венера"])
def test_small_words_are_no_abbreviations(text: str) -> None:
    assert not {row for _, _, row in known_names(text)} & {row for _, _, row in known_names("US WHO Vienna")}


SHED = "The old shed burnt down."
BOATS = "Nine boats left the harbour. Anna Reed led them north. They came back late."


def found(check: SupportCheck, claim: str, cited: list[Passage], others: list[Passage]) -> list[tuple[str, str]]:
    quotes = check.quotes(claim, cited, [*cited, *others])
    return [(quote.passage.source.article_id, quote.text) for quote in quotes]


def test_a_carried_claim_is_quoted_by_its_sentence(hashed_words: HashedWordsModel) -> None:
    boats, shed = passage(BOATS, start=40), passage(SHED, article_id="b")
    check = check_by(hashed_words)
    (quote,) = check.quotes("Nine boats left the harbour.", [boats], [boats, shed])
    assert (quote.passage, quote.start, quote.end) == (boats, 40, 40 + len("Nine boats left the harbour."))


def test_a_wrong_citation_is_replaced_by_the_right_one(hashed_words: HashedWordsModel) -> None:
    boats, shed = passage(BOATS), passage(SHED, article_id="b")
    check = check_by(hashed_words)
    assert found(check, "The old shed burnt down.", [boats], [shed]) == [("b", SHED)]


def test_the_wrong_one_of_two_citations_is_dropped(hashed_words: HashedWordsModel) -> None:
    boats, shed = passage(BOATS), passage(SHED, article_id="b")
    assert found(check_by(hashed_words), "The old shed burnt down.", [boats, shed], []) == [("b", SHED)]


def test_all_cited_passages_that_carry_a_claim_are_quoted_in_their_order(hashed_words: HashedWordsModel) -> None:
    one, same = passage(SHED, article_id="one"), passage(SHED, article_id="same")
    assert found(check_by(hashed_words), SHED, [same, one], []) == [("same", SHED), ("one", SHED)]


def test_a_number_that_stands_nowhere_leaves_no_support(hashed_words: HashedWordsModel) -> None:
    boats, shed = passage(BOATS), passage(SHED, article_id="b")
    assert found(check_by(hashed_words), "Eight boats left the harbour.", [boats], [shed]) == []


def test_a_name_that_stands_nowhere_leaves_no_support(hashed_words: HashedWordsModel) -> None:
    boats = passage(BOATS)
    assert found(check_by(hashed_words), "They were led north by Anna Reed.", [boats], []) != []
    assert found(check_by(hashed_words), "They were led north by Ivan Wolf.", [boats], []) == []


def test_title_and_day_of_publication_count(hashed_words: HashedWordsModel) -> None:
    claim = "The old shed in Elmwick burnt down in March 2031."
    bare = passage(SHED)
    told = passage(SHED, title="Fire in Elmwick", day=date(2031, 3, 7))
    assert found(check_by(hashed_words), claim, [bare], []) == []
    assert found(check_by(hashed_words), claim, [told], []) == [("a", SHED)]


def test_a_quote_is_widened_until_it_holds_the_facts(hashed_words: HashedWordsModel) -> None:
    claim = "Nine boats left the harbour, led by Anna Reed."
    ((_, quote),) = found(check_by(hashed_words), claim, [passage(BOATS)], [])
    assert quote == "Nine boats left the harbour. Anna Reed led them north."


def test_a_quote_is_not_widened_beyond_its_longest(hashed_words: HashedWordsModel) -> None:
    filler = "Nobody spoke a word about it " + "for a very long time " * 20 + "after that."
    text = f"Nine boats left the harbour. {filler} Anna Reed led them north."
    ((_, quote),) = found(check_by(hashed_words), "Nine boats left the harbour with Anna Reed.", [passage(text)], [])
    assert quote == "Nine boats left the harbour."


@pytest.mark.parametrize("claim", ["", " \n", "…!"])
def test_a_claim_without_words_has_no_quotes(hashed_words: HashedWordsModel, claim: str) -> None:
    assert check_by(hashed_words).quotes(claim, [passage(SHED)], [passage(SHED)]) == ()


def test_the_mark_of_an_enumeration_is_no_number(hashed_words: HashedWordsModel) -> None:
    assert found(check_by(hashed_words), "2. The old shed burnt down.", [passage(SHED)], []) == [("a", SHED)]


def test_no_passages_carry_nothing(hashed_words: HashedWordsModel) -> None:
    assert check_by(hashed_words).quotes(SHED, [], []) == ()


PARAGRAPHS = (
    "Nine boats left the old harbour of Elmwick in the spring of 1931. Nobody there was glad of it, not even Ada.",
    "A storm took 17 roofs from the houses below the hill. Only old Anna Reed saw it from her window at 5.",
    "The bridge over the Tolva was closed for 24 days that summer. Carts and cattle went round by Low Ferry instead.",
    "In winter 1952 the mill of Peter Oakes burnt down to the ground. Of its 3 floors none was ever built up again.",
)
COLLECTION = Collection(PARAGRAPHS, (AskedQuestion("q", "Who left?", 0),), (0, 0, 1, 1))


def test_trials_swap_within_the_article_and_change_one_thing() -> None:
    trials = make_trials(COLLECTION, COLLECTION, n=8, seed=3)
    assert len(trials) == 8
    for trial in trials:
        assert trial.claim in PARAGRAPHS[trial.own]
        assert (COLLECTION.articles[trial.swap], trial.swap) == (COLLECTION.articles[trial.own], trial.own ^ 1)
        start, end = trial.changed
        if trial.altered:
            assert trial.altered[start:end] not in PARAGRAPHS[trial.own]
            assert trial.altered[:start] == trial.claim[:start]
            assert trial.claim.endswith(trial.altered[end:])
    assert {trial.kind for trial in trials} >= {"number", "name"}


def test_trials_are_drawn_alike_by_one_seed() -> None:
    assert make_trials(COLLECTION, COLLECTION, n=5, seed=3) == make_trials(COLLECTION, COLLECTION, n=5, seed=3)


def test_judging_counts_what_was_kept_and_caught(hashed_words: HashedWordsModel) -> None:
    """A model of equal words over the claims' own paragraphs: nothing of it can be mistaken."""
    trials, outcome = make_trials(COLLECTION, COLLECTION, n=8, seed=3), Outcome()
    judge(check_by(hashed_words), passages_of(COLLECTION), COLLECTION.articles, trials, outcome)
    shares = outcome.shares()
    n_altered = sum(trial.altered != "" for trial in trials)
    assert shares["right one kept"] == (1.0, 8)
    assert shares["swap caught"] == (1.0, 8)
    assert shares["altered caught"] == (1.0, n_altered)
