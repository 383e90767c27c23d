"""Documents of a retriever as passages for readers: neighbouring chunks of an article are one passage."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from langchain_core.documents import Document

from index.records import Article, Legs
from qa.citations import FindArticle
from qa.records import Passage, Source


def passages_of(documents: Iterable[Document], find_article: FindArticle) -> tuple[Passage, ...]:
    """The documents of an `OtvetRetriever` as passages, best first; neighbours merged, no character twice."""
    found = list(map(passage_of, documents))
    by_article: dict[str, list[Passage]] = {}
    for passage in found:
        by_article.setdefault(passage.source.article_id, []).append(passage)
    merged = [one for article_id, group in by_article.items() for one in _merged(group, find_article(article_id))]
    return tuple(sorted(merged, key=lambda passage: -passage.score))


def passage_of(document: Document) -> Passage:
    """The passage that one document of an `OtvetRetriever` stands for."""
    metadata = document.metadata
    repeats = tuple(map(passage_of, metadata.get("repeats", ())))
    legs = Legs(**metadata["legs"]) if metadata.get("legs") else None
    place = metadata["start"], metadata["end"]
    return Passage(_source(metadata), *place, document.page_content, metadata["score"], repeats, legs)


def _source(metadata: dict[str, Any]) -> Source:
    return Source(
        article_id=metadata["article_id"],
        title=metadata["title"],
        published_at=date.fromisoformat(metadata["published_at"]) if metadata["published_at"] else None,
        publisher=metadata["publisher"],
        url=metadata["url"],
        language=metadata["language"],
    )


def _merged(passages: Sequence[Passage], article: Article | None) -> list[Passage]:
    """Passages of one article, those that overlap or have only white space between them in one."""
    if article is None:
        return list(passages)
    merged: list[Passage] = []
    for passage in sorted(passages, key=lambda one: (one.start, one.end)):
        if merged and not article.text[merged[-1].end : passage.start].strip():
            merged[-1] = _join(merged[-1], passage, article)
        else:
            merged.append(passage)
    return merged


def _join(first: Passage, second: Passage, article: Article) -> Passage:
    end = max(first.end, second.end)
    best = max(first, second, key=lambda passage: passage.score)
    text, repeats = article.text[first.start : end], first.repeats + second.repeats
    return replace(first, end=end, text=text, score=best.score, repeats=repeats, legs=best.legs)
