"""What a build did."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from index.articles import ArticleRef
from index.difference import Reading
from index.records import Skipped

Refs = Mapping[str, ArticleRef]
"""Articles by their ids."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What `build_index` did, against the generation that served before.

    Attributes:
        generation: the serving generation afterwards.
        published: False when nothing had changed, so that nothing was written.
        n_articles: that are indexed: those added, changed, unchanged and moved.
        n_chunks: of all of them.
        n_added: articles that were not there before.
        n_changed: articles in whose place another one was before, or that are said to be in another language.
        n_unchanged: articles that are as they were, where they were.
        n_moved: articles that are as they were in another place.
        n_deleted: articles that were there before and have none in their place.
        n_duplicates: articles left out because another has the very same content.
        n_embedded: articles that were embedded; those of an earlier build that was broken off are not among them.
        failed: articles that could not be read, each with its reason.
        seconds: of the whole.
        articles_per_second: articles that were embedded, by all the seconds.
    """

    generation: str
    published: bool
    n_articles: int
    n_chunks: int
    n_added: int
    n_changed: int
    n_unchanged: int
    n_moved: int
    n_deleted: int
    n_duplicates: int
    n_embedded: int
    failed: tuple[Skipped, ...]
    seconds: float
    articles_per_second: float


def make_report(before: Refs, reading: Reading, *, n_chunks: int, started: float) -> RebuildReport:
    """The report of a build that has published nothing so far.

    Args:
        before: the articles that were indexed before.
        reading: what the corpus holds now.
        n_chunks: of all articles now.
        started: when, by the monotonic clock.
    """
    seconds = time.monotonic() - started
    new = Counter(ref.source for article_id, ref in reading.refs.items() if article_id not in before)
    gone = Counter(ref.source for article_id, ref in before.items() if article_id not in reading.refs)
    kept = [(before[article_id], ref) for article_id, ref in reading.refs.items() if article_id in before]
    n_moved = sum(was.source != now.source for was, now in kept)
    n_replaced = (new & gone).total()
    n_said_otherwise = sum(was.source == now.source and was != now for was, now in kept)
    return RebuildReport(
        generation="",
        published=False,
        n_articles=len(reading.refs),
        n_chunks=n_chunks,
        n_added=new.total() - n_replaced,
        n_changed=n_replaced + n_said_otherwise,
        n_unchanged=len(kept) - n_moved - n_said_otherwise,
        n_moved=n_moved,
        n_deleted=gone.total() - n_replaced,
        n_duplicates=reading.n_duplicates,
        n_embedded=reading.n_new,
        failed=tuple(reading.skipped),
        seconds=round(seconds, 2),
        articles_per_second=round(reading.n_new / max(seconds, 1e-3), 1),
    )
