"""What the corpus holds, and what of it is new: files of known content are not read, known articles not kept."""

import json
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from index.articles import ArticleRef, ref_of
from index.errors import CorpusError
from index.readers import CorpusFile, corpus_files, readers_fingerprint
from index.records import Article, Progress, Skipped
from index.sources import SourceCache, content_of

N_REASONS = 5


@dataclass(slots=True)
class Reading:
    """What the corpus holds.

    Attributes:
        refs: of each article by its id, in the order of reading, as it was met first.
        n_duplicates: articles that were met again.
        skipped: what could not be read, each with its reason.
        n_new: articles that were not known; they are in the file that `read_corpus_difference` wrote.
    """

    refs: dict[str, ArticleRef] = field(default_factory=dict)
    n_duplicates: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    n_new: int = 0

    def note(self, item: ArticleRef | Skipped) -> None:
        """Take in what a file holds."""
        if isinstance(item, Skipped):
            self.skipped.append(item)
        elif item.article_id in self.refs:
            self.n_duplicates += 1
        else:
            self.refs[item.article_id] = item


def read_corpus_difference(
    paths: Sequence[Path],
    *,
    known: Container[str],
    new: Path,
    cache: Path,
    max_article_chars: int,
    left_out: Path,
    tell: Progress,
) -> Reading:
    """Read what is under `paths`, writing the articles that are not `known`, by their ids, into the file `new`.

    Args:
        paths: together they are the whole corpus.
        known: ids of articles that need not be written out.
        new: is made; `new_articles` reads it.
        cache: of index/sources.py.
        max_article_chars: a longer article is skipped.
        left_out: a directory that is passed over, see `corpus_files`.
        tell: told ("read", articles so far, 0).

    Raises:
        CorpusError: a path does not exist, or there is no article at all under `paths`.
    """
    files = corpus_files(paths, max_article_chars=max_article_chars, left_out=left_out)
    reading = Reading()
    with closing(SourceCache(cache)) as sources, new.open("w", encoding="utf-8") as written:
        reader = _Reader(sources, known, readers_fingerprint(max_article_chars))
        for found in files:
            for item in [found] if isinstance(found, Skipped) else reader.items(found):
                if isinstance(item, Article):
                    if item.article_id not in reading.refs and item.article_id not in known:
                        written.write(json.dumps(asdict(item), ensure_ascii=False, default=date.isoformat) + "\n")
                        reading.n_new += 1
                    item = ref_of(item)
                reading.note(item)
                tell("read", len(reading.refs), 0)
        sources.keep_seen()
    if not reading.refs:
        raise CorpusError(_no_articles(paths, reading.skipped))
    return reading


def new_articles(path: Path) -> Iterator[Article]:
    """The articles that `read_corpus_difference` wrote, read one by one."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield _article(json.loads(line))


def _article(fields: dict[str, Any]) -> Article:
    day = fields["published_at"]
    return Article(
        **fields | {"published_at": date.fromisoformat(day) if day else None, "authors": (*fields["authors"],)}
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads files, or remembers what they hold."""

    sources: SourceCache
    known: Container[str]
    fingerprint: str

    def items(self, file: CorpusFile) -> Iterator[ArticleRef | Article | Skipped]:
        """What a file holds; refs where it need not be read."""
        fingerprint = f"{self.fingerprint} {file.source}"
        content = content_of(file.path, fingerprint=fingerprint)
        items = self.sources.get(file.path, content) if content else None
        if items is not None and all(isinstance(item, Skipped) or item.article_id in self.known for item in items):
            yield from items
            return
        read: list[ArticleRef | Skipped] = []
        for item in file.read():
            read.append(item if isinstance(item, Skipped) else ref_of(item))
            yield item
        if content and content == content_of(file.path, fingerprint=fingerprint):  # else it changed meanwhile
            self.sources.put(file.path, content, read)


def _no_articles(paths: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(repr(str(path)) for path in paths)
    reasons = "".join(f"\n  {item}" for item in skipped[:N_REASONS])
    return f"there is no readable article in {places}; the index stays as it is, put articles there{reasons}"
