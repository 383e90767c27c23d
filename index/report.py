"""What a build did."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from index.difference import Reading
from index.records import Skipped


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What `build_index` did, against the generation that served before.

    Attributes:
        generation: the serving generation afterwards.
        published: False when nothing had changed, so that nothing was written.
        n_articles: that are indexed: those added, changed, unchanged and moved.
        n_chunks: of all of them.
        n_added: articles that were not there before.
        n_changed: articles in whose place another one was before.
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


def make_report(before: Mapping[str, str], reading: Reading, *, n_chunks: int, started: float) -> RebuildReport:
    """The report of a build that has published nothing so far.

    Args:
        before: where each article was from that was indexed before, by its id.
        reading: what the corpus holds now.
        n_chunks: of all articles now.
        started: when, by the monotonic clock.
    """
    after, seconds = reading.sources, time.monotonic() - started
    new = {article_id: source for article_id, source in after.items() if article_id not in before}
    gone = {article_id: source for article_id, source in before.items() if article_id not in after}
    n_changed = (Counter(new.values()) & Counter(gone.values())).total()
    n_moved = sum(before.get(article_id, source) != source for article_id, source in after.items())
    return RebuildReport(
        generation="",
        published=False,
        n_articles=len(after),
        n_chunks=n_chunks,
        n_added=len(new) - n_changed,
        n_changed=n_changed,
        n_unchanged=len(after) - len(new) - n_moved,
        n_moved=n_moved,
        n_deleted=len(gone) - n_changed,
        n_duplicates=reading.n_duplicates,
        n_embedded=reading.n_new,
        failed=tuple(reading.skipped),
        seconds=round(seconds, 2),
        articles_per_second=round(reading.n_new / max(seconds, 1e-3), 1),
    )
