"""Chunks as passages: neighbours become one, exact to the character, and nothing is lost or shown twice."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from index.records import Article
from qa.passages import passages_of
from qa.records import Passage

#       0         10        20        30        40
TEXT = "Баржа села на мель.\n\nЕё стащил буксир. К утру река обмелела ещё."
LINES = "Утром пришёл катер. Днём ушла яхта. "
ARTICLES = {"a" * 16: TEXT, "b" * 16: LINES * 4}
DAY = date(2024, 5, 1)


def article(article_id: str) -> Article | None:
    text = ARTICLES.get(article_id)
    return Article(article_id, "Река", text, DAY, None, "Вестник", (), "ru", "r.txt") if text else None


def document(
    start: int, end: int, *, score: float = 0.5, article_id: str = "a" * 16, repeats: Sequence[Document] = ()
) -> Document:
    """A chunk as `OtvetRetriever` gives it; of an article that is not there, any words."""
    text = ARTICLES.get(article_id, "Чужие слова. " * 9)[start:end]
    values = {"title": "Река", "published_at": "2024-05-01", "publisher": "Вестник", "url": None, "language": "ru"}
    place = {"article_id": article_id, "start": start, "end": end, "score": score, "repeats": list(repeats)}
    return Document(page_content=text, metadata={**values, **place})


def merged(*documents: Document) -> tuple[Passage, ...]:
    return passages_of(documents, article)


def places(passages: Sequence[Passage]) -> list[tuple[int, int]]:
    return [(passage.start, passage.end) for passage in passages]


def test_nothing_found_is_no_passage() -> None:
    assert merged() == ()


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the other way round"])
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([(0, 19), (21, 38)], [(0, 38)], id="a blank line between"),
        pytest.param([(21, 38), (39, 64)], [(21, 64)], id="a blank between"),
        pytest.param([(0, 12), (12, 19)], [(0, 19)], id="touching"),
        pytest.param([(0, 12), (6, 19)], [(0, 19)], id="overlapping"),
        pytest.param([(0, 38), (6, 19)], [(0, 38)], id="one in the other"),
        pytest.param([(0, 19), (0, 38)], [(0, 38)], id="the same start"),
        pytest.param([(0, 38), (21, 38)], [(0, 38)], id="the same end"),
        pytest.param([(0, 19), (0, 19)], [(0, 19)], id="the same"),
        pytest.param([(0, 19), (21, 38), (39, 64)], [(0, 64)], id="three in a row"),
        pytest.param([(0, 64), (6, 12), (39, 50)], [(0, 64)], id="two in one"),
        pytest.param([(0, 19), (39, 64)], [(0, 19), (39, 64)], id="a sentence between"),
        pytest.param([(0, 18), (19, 38)], [(0, 18), (19, 38)], id="a full stop between"),
    ],
)
def test_neighbours_of_one_article_are_one_passage(
    chunks: list[tuple[int, int]], expected: list[tuple[int, int]], order: int
) -> None:
    passages = merged(*(document(*chunk) for chunk in chunks[::order]))
    assert places(passages) == expected
    assert [passage.text for passage in passages] == [TEXT[start:end] for start, end in expected]


def test_chunks_of_two_articles_stay_apart() -> None:
    passages = merged(document(0, 19), document(19, 35, article_id="b" * 16))
    assert [passage.source.article_id for passage in passages] == ["a" * 16, "b" * 16]
    assert [passage.text for passage in passages] == [TEXT[:19], (LINES * 4)[19:35]]


@pytest.mark.parametrize("order", [1, -1])
def test_the_score_is_that_of_the_best_chunk(order: int) -> None:
    [passage] = merged(*[document(0, 19, score=0.3), document(21, 38, score=0.8), document(39, 64, score=0.5)][::order])
    assert passage.score == 0.8


def test_passages_come_best_first_and_equal_ones_as_they_were_found() -> None:
    found = merged(
        document(0, 19, score=0.6),
        document(0, 19, score=0.5, article_id="b" * 16),
        document(0, 12, score=0.5, article_id="c" * 16),
        document(39, 64, score=0.5),
        document(20, 35, score=0.9, article_id="b" * 16),
    )
    assert [(passage.source.article_id[0], passage.score) for passage in found] == [
        ("b", 0.9),
        ("a", 0.6),
        ("a", 0.5),
        ("c", 0.5),
    ]


def test_repeats_of_all_merged_chunks_are_kept() -> None:
    one, two, three = (document(0, 11, article_id=name * 16) for name in "cde")
    [passage] = merged(document(21, 38, repeats=[two, three]), document(0, 19, repeats=[one]))
    assert [repeat.source.article_id[0] for repeat in passage.repeats] == ["c", "d", "e"]
    assert {repeat.text for repeat in passage.repeats} == {"Чужие слова"}
    assert passage.text == TEXT[:38]


def test_chunks_of_an_article_that_is_gone_stay_as_they_were_found() -> None:
    passages = merged(document(0, 12, article_id="c" * 16), document(12, 25, article_id="c" * 16))
    assert [(passage.start, passage.end, passage.text) for passage in passages] == [
        (0, 12, "Чужие слова."),
        (12, 25, " Чужие слова."),
    ]


def test_the_article_goes_along() -> None:
    [passage] = merged(document(0, 19), document(21, 38))
    source = passage.source
    assert (source.title, source.published_at, source.publisher, source.url, source.language) == (
        "Река",
        DAY,
        "Вестник",
        None,
        "ru",
    )


CHUNKS = st.lists(
    st.builds(
        lambda article_id, start, n_chars, score: (
            article_id,
            start % (len(ARTICLES[article_id]) - 1),
            n_chars,
            score,
        ),
        st.sampled_from(sorted(ARTICLES)),
        st.integers(0, 200),
        st.integers(1, 60),
        st.floats(0, 1),
    ),
    max_size=9,
)


@given(CHUNKS)
def test_passages_are_exact_slices_that_lose_nothing_and_share_nothing(
    chunks: list[tuple[str, int, int, float]],
) -> None:
    found = [
        document(start, min(start + n_chars, len(ARTICLES[article_id])), score=score, article_id=article_id)
        for article_id, start, n_chars, score in chunks
    ]
    passages = merged(*found)
    assert [passage.score for passage in passages] == sorted((one.score for one in passages), reverse=True)
    for article_id, text in ARTICLES.items():
        own = sorted((one for one in passages if one.source.article_id == article_id), key=lambda one: one.start)
        chunked = [one.metadata for one in found if one.metadata["article_id"] == article_id]
        assert all(text[passage.start : passage.end] == passage.text for passage in own)
        for before, after in zip(own, own[1:], strict=False):
            assert before.end < after.start
            assert text[before.end : after.start].strip()
        for passage in own:
            inside = [one for one in chunked if passage.start <= one["start"] and one["end"] <= passage.end]
            assert passage.score == max(one["score"] for one in inside)
            covered = {place for one in inside for place in range(one["start"], one["end"])}
            assert not "".join(text[at] for at in range(passage.start, passage.end) if at not in covered).strip()
        assert all(any(p.start <= one["start"] and one["end"] <= p.end for p in own) for one in chunked)
