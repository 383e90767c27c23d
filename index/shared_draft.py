"""A generation of a shared index in the making: rows that came with its number, which nobody sees yet."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from index.articles import ArticleRef
from index.drafts import EmbeddedChunk
from index.postgres import VISIBLE
from index.records import Article
from index.shared_articles import add_articles, end_articles, update_refs
from index.shared_chunks import NewChunks, add_chunks

if TYPE_CHECKING:
    from psycopg import Connection


class SharedDraft:
    """See `DraftChanges`. A context manager. Everything between two commits is one transaction.

    Args:
        connection: holds the writer's lock.
        number: of the generation to come.
        drop: takes what an earlier build may have put into Chroma of articles that came with the draft.
    """

    def __init__(self, connection: "Connection[Any]", number: int, *, drop: Callable[[Sequence[str]], None]) -> None:
        self._connection, self._number, self._drop = connection, number, drop
        self._begin_batch()

    def _begin_batch(self) -> None:
        self._added: dict[str, tuple[Article, Sequence[EmbeddedChunk]]] = {}
        self._gone: list[str] = []
        self._refs: list[ArticleRef] = []

    def __enter__(self) -> "SharedDraft":
        return self

    def __exit__(self, *_: object) -> None:
        self._begin_batch()

    def add(self, article: Article, chunks: Sequence[EmbeddedChunk]) -> None:
        """See `DraftChanges`."""
        self._added.setdefault(article.article_id, (article, chunks))

    def delete(self, article_ids: Collection[str]) -> None:
        """See `DraftChanges`."""
        self._gone += article_ids

    def update(self, refs: Sequence[ArticleRef]) -> None:
        """See `DraftChanges`."""
        self._refs += refs

    def commit(self) -> None:
        """See `DraftChanges`."""
        if self._gone:
            self._drop(self._gone)
        with self._connection.transaction():
            if self._gone:
                end_articles(self._connection, self._number, self._gone)
            if self._refs:
                update_refs(self._connection, self._number, self._refs)
            self._add()
        self._begin_batch()

    def _add(self) -> None:
        there = self._connection.execute(
            f"select article_id from articles where {VISIBLE} and article_id = any(%(article_ids)s)",
            {"generation": self._number, "article_ids": list(self._added)},
        )
        for (article_id,) in there.fetchall():
            del self._added[article_id]
        if not self._added:
            return
        new = list(self._added.values())
        position, row = self._numbers(len(new), sum(len(chunks) for _, chunks in new))
        add_articles(self._connection, self._number, [(position + at, article) for at, (article, _) in enumerate(new)])
        placed = []
        for at, (_, chunks) in enumerate(new):
            placed.append(NewChunks(position + at, row, chunks))
            row += len(chunks)
        add_chunks(self._connection, placed)

    def _numbers(self, n_articles: int, n_chunks: int) -> tuple[int, int]:
        """The first of so many positions and rows that nobody had before."""
        found = self._connection.execute(
            "update state set next_position = next_position + %s, next_row = next_row + %s "
            "returning next_position - %s, next_row - %s",
            [n_articles, n_chunks, n_articles, n_chunks],
        ).fetchone()
        assert found is not None  # the table has one row, see index/postgres.py
        return found[0], found[1]
