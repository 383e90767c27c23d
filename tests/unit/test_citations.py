"""Markers and quotes: whatever a model writes and however it is cut, no number leaves without its exact quote."""

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Article
from qa.citations import Citations, defuse, split_markers
from qa.drafts import Claim, Difference, Quote
from qa.records import Citation, CitationFound, Disagreement, Passage, Source, TextDelta

MESSY = st.lists(
    st.sampled_from(
        [*"[]【】123 ,;-–—.\n\xa0", "[1]", " [2]", "[1", "2]", "【3】", "[[1]]", "ночь", "1902", "[2024 год]"]
    ),
    max_size=25,
).map("".join)
ANY_MARKER = re.compile(r"[\[【][\d\s,;–—-]*\d[\d\s,;–—-]*[\]】]")

TEXT = "Шхуна стоит у пирса. Матросы красят борт. Боцман чинит парус."
ARTICLE = Article("a" * 16, "Шхуна", TEXT, date(2024, 5, 1), None, None, (), "ru", "s.txt")
PASSAGE = Passage(Source(ARTICLE.article_id, "Шхуна", ARTICLE.published_at, None, None, "ru"), 0, len(TEXT), TEXT, 0.9)
LOST = replace(PASSAGE, source=replace(PASSAGE.source, article_id="b" * 16))
CHANGED = replace(PASSAGE, text=TEXT.replace("красят", "чистят"))
SHIP, CREW, BOSUN = (Quote(PASSAGE, 0, 20), Quote(PASSAGE, 21, 41), Quote(PASSAGE, 42, 61))


def cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]


def split(pieces: list[str]) -> tuple[str, list[list[int]]]:
    items = list(split_markers(pieces))
    return "".join(item for item in items if isinstance(item, str)), [item for item in items if isinstance(item, list)]


def find_article(article_id: str) -> Article | None:
    return ARTICLE if article_id == ARTICLE.article_id else None


def text_of(claims: list[Claim]) -> tuple[str, tuple[Citation, ...]]:
    """The joined text and the citations that were announced; checks that both are what `Citations` remembers."""
    citations = Citations(find_article)
    events = [event for claim in claims for event in citations.events(claim)]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    announced = tuple(event.citation for event in events if isinstance(event, CitationFound))
    assert (text, announced) == (citations.text, citations.found)
    return text, announced


@pytest.mark.parametrize(
    ("text", "left", "numbers"),
    [
        ("Да [1]", "Да", [[1]]),
        ("Да [1]. Нет[2].", "Да. Нет.", [[1], [2]]),
        ("Да [1, 2; 4] и", "Да и", [[1, 2, 4]]),
        ("Да [1-3]", "Да", [[1, 2, 3]]),
        ("Да [1 – 3, 7]", "Да", [[1, 2, 3, 7]]),
        ("Да 【1】", "Да", [[1]]),
        ("Да [[1]].", "Да.", [[1]]),
        ("Да [1][2]", "Да", [[1], [2]]),
        ("Да [ 1 ]", "Да", [[1]]),
        ("Да [1,\xa02]", "Да", [[1, 2]]),
        ("Да \n\n [1] нет", "Да нет", [[1]]),
        ("[1]", "", [[1]]),
        ("Да [1] \n", "Да", [[1]]),
        ("Да [abc]", "Да [abc]", []),
        ("Да [2024 год]", "Да [2024 год]", []),
        ("Да [", "Да [", []),
        ("Да [1", "Да [1", []),
        ("Да []", "Да []", []),
        ("Да [,-]", "Да [,-]", []),
        ("Да [3-1]", "Да", [[1, 3]]),
        ("Да [2024]", "Да", [[]]),
        ("", "", []),
        (" \n", "", []),
    ],
)
def test_markers_are_told_from_text_wherever_the_stream_is_cut(text: str, left: str, numbers: list[list[int]]) -> None:
    assert split([text]) == (left, numbers)
    assert split(list(text)) == (left, numbers)


@given(MESSY, st.lists(st.integers(0, 200), max_size=12))
def test_cuts_make_no_difference(text: str, places: list[int]) -> None:
    assert split(cut(text, places)) == split([text]) == split(list(text))


@given(MESSY)
def test_nothing_but_markers_and_white_space_is_lost(text: str) -> None:
    left, _ = split([text])
    assert re.sub(r"[\s\d\[\]【】,;–—-]", "", left) == re.sub(r"[\s\d\[\]【】,;–—-]", "", text)


def test_text_is_given_out_as_soon_as_it_can_hold_no_marker() -> None:
    stream = split_markers(iter(["Да", ", вот", " [", "1", "] и", " всё"]))
    assert [next(stream) for _ in range(4)] == ["Да", ", вот", [1], " и"]


@pytest.mark.parametrize("range_", ["[1-999999]", "[1-99999999999]", "[0-999999999, 1]", f"[1-{'9' * 5000}]"])
def test_huge_ranges_name_no_crowd_of_passages(range_: str) -> None:
    text, numbers = split([range_])
    assert text == ""
    assert set(numbers[0]) <= {0, 1}


def test_many_ranges_in_one_marker_name_each_number_once() -> None:
    assert split(["[" + "1-999," * 300 + "5]"]) == ("", [list(range(1, 1000))])


@pytest.mark.parametrize("piece", ["\n\n", "[", "1", "[1 ", "[[1", " ,", "]"])
def test_a_model_that_repeats_itself_costs_no_more_than_its_length(piece: str) -> None:
    pieces = ["[1", *[piece] * 3000]  # a square of this is bearable, a cube is not
    assert split(pieces) == split(["".join(pieces)])


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("Как известно[5], он прав【2】.", "Как известно(5), он прав(2)."),
        ("[1, 2] и [3–4]", "(1, 2) и (3–4)"),
        ("«[Мы] готовы» [2024 год]", "«[Мы] готовы» [2024 год]"),
        ("обрыв [", "обрыв ("),
        ("обрыв [12, ", "обрыв (12, "),
    ],
)
def test_what_reads_as_a_marker_becomes_harmless(text: str, harmless: str) -> None:
    assert defuse(text) == harmless


@given(st.lists(MESSY, max_size=5))
def test_defused_pieces_make_no_marker_together(pieces: list[str]) -> None:
    joined = "".join(map(defuse, pieces))
    assert not ANY_MARKER.search(joined)
    assert joined.translate(str.maketrans("()[]【】", "......")) == "".join(pieces).translate(
        str.maketrans("()[]【】", "......")
    )


def test_numbers_are_given_in_the_order_of_the_text() -> None:
    text, citations = text_of([Claim("Борт красят", (CREW,)), Claim(", парус чинят", (BOSUN,)), Claim(".")])
    assert text == "Борт красят [1], парус чинят [2]."
    assert [(one.marker, one.quote) for one in citations] == [
        (1, "Матросы красят борт."),
        (2, "Боцман чинит парус."),
    ]
    assert all(TEXT[one.start : one.end] == one.quote for one in citations)
    assert {(one.source, one.score) for one in citations} == {(PASSAGE.source, 0.9)}


def test_the_same_quote_has_one_number() -> None:
    other_passage = replace(PASSAGE, start=21, text=TEXT[21:], score=0.5)
    again = Quote(other_passage, CREW.start, CREW.end)
    text, citations = text_of([Claim("Раз", (CREW, CREW)), Claim(" два", (again,)), Claim(" три", (SHIP, again))])
    assert text == "Раз [1] два [1] три [2] [1]"
    assert [one.quote for one in citations] == [CREW.text, SHIP.text]


@pytest.mark.parametrize("passage", [LOST, CHANGED], ids=["no such article", "other words"])
def test_a_quote_that_does_not_stand_goes_with_its_number_and_text(passage: Passage) -> None:
    bad = Quote(passage, CREW.start, CREW.end)
    text, citations = text_of([Claim("Чистят", (bad,)), Claim("\n\nСтоит", (SHIP,)), Claim(" и чинят", (bad, BOSUN))])
    assert text == "Стоит [1] и чинят [2]"
    assert [one.quote for one in citations] == [SHIP.text, BOSUN.text]


def test_a_citation_comes_before_the_text_that_shows_it() -> None:
    events = list(Citations(find_article).events(Claim("Стоит", (SHIP, CREW))))
    assert [type(event) for event in events] == [CitationFound, CitationFound, TextDelta]


def test_text_without_quotes_passes_and_nothing_makes_no_event() -> None:
    assert text_of([Claim("Да"), Claim(""), Claim(" нет")]) == ("Да нет", ())
    assert list(Citations(find_article).events(Claim(""))) == []


def test_several_sources_of_one_statement_have_a_number_each() -> None:
    text, citations = text_of([Claim("Красят", (CREW, BOSUN, SHIP)), Claim("\n\nСтоит", (SHIP, CREW))])
    assert text == "Красят [1] [2] [3]\n\nСтоит [3] [1]"
    assert [one.quote for one in citations] == [CREW.text, BOSUN.text, SHIP.text]


def test_a_difference_is_told_by_the_numbers_of_its_quotes() -> None:
    citations = Citations(find_article)
    for claim in (Claim("Стоит", (SHIP,)), Claim("Красят", (CREW,), Difference((SHIP, CREW), ("Шхуна", "Матросы")))):
        list(citations.events(claim))
    assert citations.disagreements == (Disagreement((1, 2), ("Шхуна", "Матросы")),)


@pytest.mark.parametrize("lost", [Quote(LOST, 0, 20), Quote(CHANGED, 21, 41)], ids=["no such article", "other words"])
def test_a_difference_goes_with_a_quote_that_does_not_stand(lost: Quote) -> None:
    for quotes in ((lost, BOSUN), (BOSUN, lost)):
        citations = Citations(find_article)
        for claim in (Claim("Раз", quotes[:1]), Claim(" два", quotes[1:], Difference(quotes, ("Шхуна", "парус")))):
            list(citations.events(claim))
        assert citations.disagreements == ()
        assert [one.quote for one in citations.found] == [BOSUN.text]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (-5, 4), (0, len(TEXT) + 1), (9, 3)])
def test_a_quote_lies_within_its_passage(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"quote of {start} to {end} is no part of its passage"):
        Quote(PASSAGE, start, end)


QUOTES = st.sampled_from([SHIP, CREW, BOSUN, Quote(LOST, 0, 20), Quote(CHANGED, 21, 41)])
CLAIMS = st.lists(st.builds(Claim, MESSY, st.lists(QUOTES, max_size=3).map(tuple)), max_size=8)


@given(CLAIMS)
def test_the_numbers_in_the_text_are_those_of_the_citations(claims: list[Claim]) -> None:
    text, citations = text_of(claims)
    shown = ANY_MARKER.findall(text)
    assert set(shown) == {f"[{one.marker}]" for one in citations}
    assert [one.marker for one in citations] == list(range(1, len(citations) + 1))
    assert all(ARTICLE.text[one.start : one.end] == one.quote for one in citations)


@given(st.lists(QUOTES, min_size=1, max_size=6), st.data())
def test_the_numbers_of_a_difference_are_among_the_citations(quotes: list[Quote], data: st.DataObject) -> None:
    citations = Citations(find_article)
    for n, quote in enumerate(quotes):
        before = data.draw(st.none() | st.sampled_from(quotes[: n + 1]))
        difference = Difference((before, quote), ("раз", "два")) if before is not None else None
        list(citations.events(Claim("слово", (quote,), difference)))
    markers = [one.marker for one in citations.found]
    assert {int(number) for number in re.findall(r"\[(\d+)\]", citations.text)} == set(markers)
    assert all(set(one.markers) <= set(markers) for one in citations.disagreements)
