"""Which articles pass the filters: the columns in memory say what each article says itself, and what SQLite counts."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import ArticleStore, ArticleWriter
from index.filtering import ArticleColumns
from index.records import Article, Filters
from index.rows import Sizes

BARE = Article("", "Мост", "Мост открыли.", None, None, None, (), "ru", "a.txt")
SPRING = date(2024, 3, 1)
IDS = [f"{number:016x}" for number in range(12)]
DAYS = st.dates() | st.integers(0, 3).map(lambda n: SPRING + timedelta(n)) | st.sampled_from([date.min, date.max])
PUBLISHERS = ["Вестник", "Заря", "вестник", "", "' or 1=1 --"]
LANGUAGES = ["ru", "en", "und"]
ARTICLES = st.lists(
    st.builds(
        lambda day, publisher, language: replace(BARE, published_at=day, publisher=publisher, language=language),
        st.none() | DAYS,
        st.none() | st.sampled_from(PUBLISHERS),
        st.sampled_from(LANGUAGES),
    ),
    max_size=9,
).map(lambda articles: [replace(each, article_id=id_) for each, id_ in zip(articles, IDS, strict=False)])
FILTERS = st.builds(
    lambda days, publisher, language, article_ids: Filters(days[0], days[1], publisher, language, article_ids),
    st.tuples(st.none() | DAYS, st.none() | DAYS).map(
        lambda days: tuple(sorted(days)) if None not in days else days  # type: ignore[type-var]
    ),
    st.none() | st.sampled_from(PUBLISHERS),
    st.none() | st.sampled_from(LANGUAGES),
    st.none() | st.lists(st.sampled_from(IDS)).map(tuple),
)


def columns_of(articles: Sequence[Article | None]) -> ArticleColumns:
    """None is an article that was deleted."""
    rows = (
        (
            position,
            each.article_id,
            each.published_at.isoformat() if each.published_at else None,
            each.publisher,
            each.language,
        )
        for position, each in enumerate(articles)
        if each is not None
    )
    return ArticleColumns(rows, n_positions=len(articles))


def passes(article: Article, filters: Filters) -> bool:
    """What the docstring of `Filters` says, one article at a time."""
    day = article.published_at
    return (
        (filters.published_from is None or (day is not None and filters.published_from <= day))
        and (filters.published_to is None or (day is not None and day <= filters.published_to))
        and (filters.publisher is None or article.publisher == filters.publisher)
        and (filters.language is None or article.language == filters.language)
        and (filters.article_ids is None or article.article_id in filters.article_ids)
    )


@settings(deadline=None, max_examples=300)
@given(ARTICLES, FILTERS)
def test_the_mask_says_what_each_article_says(articles: list[Article], filters: Filters) -> None:
    mask = columns_of(articles).mask(filters)
    assert (mask.dtype, mask.shape) == (np.bool_, (len(articles),))
    assert mask.tolist() == [passes(article, filters) for article in articles]


@settings(deadline=None)
@given(ARTICLES, st.sets(st.sampled_from(IDS)), FILTERS)
def test_deleted_articles_pass_nothing_and_change_nothing(
    articles: list[Article], deleted: set[str], filters: Filters
) -> None:
    left = [article if article.article_id not in deleted else None for article in articles]
    columns, whole = columns_of(left), columns_of(articles)
    assert columns.is_there.tolist() == [article is not None for article in left]
    assert columns.article_ids == [article.article_id if article else "" for article in left]
    assert columns.mask(filters).tolist() == [article is not None and passes(article, filters) for article in left]
    for position, article in enumerate(articles):
        assert columns.position(article.article_id) == (position if left[position] else None)
    for found, expected in ((columns.is_cyrillic, whole.is_cyrillic), (columns.days, whole.days)):
        np.testing.assert_array_equal(found, np.where(columns.is_there, expected, 0))


@settings(deadline=None, max_examples=50)
@given(ARTICLES, st.sets(st.sampled_from(IDS)), st.lists(FILTERS, max_size=5))
def test_it_agrees_with_the_article_store(
    tmp_path_factory: pytest.TempPathFactory, articles: list[Article], deleted: set[str], several: list[Filters]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with closing(ArticleWriter(folder)) as writer:
        for article in articles:
            writer.add(article)
        writer.delete(deleted)
        writer.commit(Sizes())
    with closing(ArticleStore(folder)) as store:
        columns = store.columns()
        assert columns.article_ids == [
            article.article_id if article.article_id not in deleted else "" for article in articles
        ]
        for filters in [Filters(), *several]:
            assert int(columns.mask(filters).sum()) == store.count(filters)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(published_from=date.min),
        Filters(published_to=date.max),
        Filters(published_from=date.min, published_to=date.max),
    ],
)
def test_undated_articles_pass_no_date_filter(filters: Filters) -> None:
    dated = replace(BARE, article_id=IDS[1], published_at=date.min)
    latest = replace(dated, article_id=IDS[2], published_at=date.max)
    columns = columns_of([replace(BARE, article_id=IDS[0]), dated, latest])
    assert columns.mask(filters).tolist() == [False, True, True]
    assert columns.mask(Filters()).all()


def test_both_ends_are_included() -> None:
    days = [SPRING + timedelta(n) for n in range(5)]
    columns = columns_of([replace(BARE, article_id=id_, published_at=day) for id_, day in zip(IDS, days, strict=False)])
    assert columns.mask(Filters(published_from=days[1], published_to=days[3])).tolist() == [0, 1, 1, 1, 0]
    assert columns.mask(Filters(published_from=days[2], published_to=days[2])).tolist() == [0, 0, 1, 0, 0]


def test_article_ids() -> None:
    columns = columns_of([replace(BARE, article_id=id_) for id_ in IDS[:3]])
    assert columns.mask(Filters(article_ids=())).tolist() == [False] * 3
    assert columns.mask(Filters(article_ids=("absent",))).tolist() == [False] * 3
    assert columns.mask(Filters(article_ids=(IDS[2], "absent", IDS[0], IDS[2]))).tolist() == [True, False, True]
    assert [columns.position(id_) for id_ in (*IDS[:3], "absent", "")] == [0, 1, 2, None, None]


def test_no_articles() -> None:
    everything = Filters(SPRING, SPRING, "Вестник", "ru", (IDS[0],))
    for filters in (Filters(), everything, Filters(article_ids=())):
        assert columns_of([]).mask(filters).tolist() == []
