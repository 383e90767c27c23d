"""What the corpus holds, and what of it is new: files of known content are not read, known articles not kept."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from index.articles import ArticleRef, ref_of
from index.build_engine import BuildEngine
from index.errors import CorpusError
from index.readers import CorpusFile, corpus_files, readers_fingerprint
from index.records import Article, Progress, Skipped
from index.remote import NotFetched, Place
from index.sources import Items, SourceCache, content_now, content_of

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
    paths: Sequence[Place],
    *,
    known: Collection[str],
    new: Path,
    cache: Path,
    max_article_chars: int,
    left_out: Path,
    tell: Progress,
    engine: BuildEngine | None = None,
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
        engine: reads the files whose content is not known.

    Raises:
        CorpusError: a path does not exist, there is no article at all under `paths`, or an object that was read before
            cannot be fetched now.
    """
    files = corpus_files(paths, max_article_chars=max_article_chars, left_out=left_out)
    reading = Reading()
    with closing(SourceCache(cache)) as sources, new.open("w", encoding="utf-8") as written:
        reader = _Reader(sources, known, readers_fingerprint(max_article_chars))
        for items in reader.read(files, engine):
            for item in items:
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


class _Plan(NamedTuple):
    """A file, what it held when it was looked at, and its items, None where it is to be read."""

    file: CorpusFile | None
    content: str | None
    items: Items | None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Has files read, or remembers what they hold."""

    sources: SourceCache
    known: Collection[str]
    fingerprint: str

    def read(
        self, files: Iterable[CorpusFile | Skipped], engine: BuildEngine | None
    ) -> Iterator[Iterable[ArticleRef | Article | Skipped]]:
        """What each file holds, in their order; refs where it need not be read."""
        plans = [self._plan(found) for found in files]
        unread = [plan.file for plan in plans if plan.items is None and plan.file is not None]
        read = engine.read(unread) if engine is not None else (file.read() for file in unread)
        for file, content, items in plans:
            if file is not None and items is None:
                yield self._noted(file, content, next(read))
            else:
                yield items or ()

    def _plan(self, found: CorpusFile | Skipped) -> _Plan:
        if isinstance(found, Skipped):
            return _Plan(None, None, [found])
        content = content_of(found.path, fingerprint=self._fingerprint(found))
        items = self.sources.get(found.path, content) if content else None
        is_known = items is not None and all(isinstance(one, Skipped) or one.article_id in self.known for one in items)
        return _Plan(found, content, items if is_known else None)

    def _noted(
        self, file: CorpusFile, content: str | None, items: Iterable[Article | Skipped]
    ) -> Iterator[Article | Skipped]:
        """The items of a file that is read, which are noted unless it changed meanwhile or could not be had."""
        read: list[ArticleRef | Skipped] = []
        for item in items:
            if isinstance(item, NotFetched):
                yield self._left_out(item, file)
                return
            read.append(item if isinstance(item, Skipped) else ref_of(item))
            yield item
        if content and content == content_now(file.path, fingerprint=self._fingerprint(file)):
            self.sources.put(file.path, content, read)

    def _left_out(self, item: NotFetched, file: CorpusFile) -> Skipped:
        """What cannot be had is skipped.

        Raises:
            CorpusError: the network failed, and articles that may be in the index would be deleted for that.
        """
        if item.may_pass and self.known and self.sources.may_know(file.path):
            raise CorpusError(
                f"{str(file.path)!r} was read before and {item.reason}; the index stays as it is, index again when it "
                "can be reached"
            )
        return Skipped(item.source, item.line, item.reason)

    def _fingerprint(self, file: CorpusFile) -> str:
        return f"{self.fingerprint} {file.source}"


def _no_articles(paths: Sequence[Place], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(repr(str(path)) for path in paths)
    reasons = "".join(f"\n  {item}" for item in skipped[:N_REASONS])
    return f"there is no readable article in {places}; the index stays as it is, put articles there{reasons}"
