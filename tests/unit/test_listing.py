"""Lists of articles in SQLite: letters and damage. What lists tell is in tests/contracts/test_articles_contract.py."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import ARTICLES, ArticleStore, ArticleWriter
from index.errors import IndexDamagedError
from index.listing import word_glob
from index.records import Article
from index.rows import Sizes


@settings(deadline=None, max_examples=300)
@given(st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text), st.sampled_from([str.upper, str.lower]))
def test_any_word_is_found_in_its_other_letters(word: str, change: Callable[[str], str]) -> None:
    text = "".join(changed if len(changed := change(char)) == 1 else char for char in word)
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute("select ? glob ?", (f"до{text}после", word_glob(word))).fetchone() == (1,)


@pytest.mark.parametrize("statement", ["published_at = 'вчера'", "published_at = '2025-99-01'", "authors = '[oops'"])
def test_damage_is_told_of(tmp_path: Path, statement: str) -> None:
    with closing(ArticleWriter(tmp_path)) as writer:
        writer.add(Article(f"{1:016x}", "Заголовок", "Текст.", None, None, None, (), "ru", "a.txt"))
        writer.commit(Sizes())
    with closing(sqlite3.connect(tmp_path / ARTICLES)) as connection:
        connection.execute(f"update articles set {statement}")
        connection.commit()
    with closing(ArticleStore(tmp_path)) as store, pytest.raises(IndexDamagedError, match="run: otvet doctor --repair"):
        store.listing()
