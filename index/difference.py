"""What the corpus holds, and what of it is new: files of known content are not read, known articles not kept.

Decision: whether an object that cannot be fetched was read before is told by the sources of the known articles, which
are the same on every machine, and not by the cache, which is one machine's. Where two places hold a source of the same
name, that ends a build that could have gone on, and never deletes.
"""

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from index.articles import ArticleRef, ref_of
from index.build_engine import BuildEngine
from index.errors import CorpusError, IndexStateError
from index.readers import CorpusFile, corpus_files, readers_fingerprint
from index.records import Article, Progress, Skipped
from index.remote import NotFetched, Place
from index.sources import SourceCache, content_now, content_of

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
    known: Mapping[str, ArticleRef],
    served: Collection[ArticleRef],
    new: Path,
    cache: Path,
    max_article_chars: int,
    left_out: Path,
    tell: Progress,
    engine: BuildEngine,
) -> Reading:
    """Read what is under `paths`, writing the articles that are not `known` into the file `new`.

    Args:
        paths: together they are the whole corpus.
        known: by their ids, the articles that need not be written out.
        served: articles that are in the index now, which a build from nothing does not know.
        new: is made; `new_articles` reads it.
        cache: of index/sources.py.
        max_article_chars: a longer article is skipped.
        left_out: a directory that is passed over, see `corpus_files`.
        tell: told ("read", articles so far, 0).
        engine: reads the files whose content is not known.

    Raises:
        CorpusError: a path does not exist, there is no article at all under `paths`, or an object that known
            articles came from is still there and cannot be fetched.
    """
    files = corpus_files(paths, max_article_chars=max_article_chars, left_out=left_out)
    reading = Reading()
    with closing(SourceCache(cache)) as sources, new.open("w", encoding="utf-8") as written:
        reader = _Reader(sources, known, served, readers_fingerprint(max_article_chars))
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


@dataclass(frozen=True, slots=True)
class _Unread:
    """A file that is to be read, and what its content was told by when it was looked at."""

    file: CorpusFile
    content: str | None


_Planned = list[ArticleRef | Skipped] | _Unread
"""What a file holds, where that is known."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Has files read, or remembers what they hold."""

    sources: SourceCache
    known: Mapping[str, ArticleRef]
    served: Collection[ArticleRef]
    fingerprint: str

    def read(
        self, files: Iterable[CorpusFile | Skipped], engine: BuildEngine
    ) -> Iterator[Iterable[ArticleRef | Article | Skipped]]:
        """What each file holds, in their order; refs where it need not be read.

        Files are looked at as the engine asks for them, so that they wait here no longer than in it.
        """
        waiting: deque[_Planned] = deque()
        for read in engine.read(self._unread(files, waiting)):
            while not isinstance(one := waiting.popleft(), _Unread):
                yield one
            yield self._noted(one, read)
        for one in waiting:
            if isinstance(one, _Unread):
                raise IndexStateError(f"the engine did not read {one.file.source!r}; take the engine 'local'")
            yield one

    def _unread(self, files: Iterable[CorpusFile | Skipped], waiting: deque[_Planned]) -> Iterator[CorpusFile]:
        """The files that are to be read; these and what is known of the others are put into `waiting`."""
        for found in files:
            planned: _Planned = [found] if isinstance(found, Skipped) else self._known_items(found)
            waiting.append(planned)
            if isinstance(planned, _Unread):
                yield planned.file

    def _known_items(self, file: CorpusFile) -> _Planned:
        content = content_of(file.path, fingerprint=self._fingerprint(file))
        items = self.sources.get(file.path, content) if content else None
        if items is None or any(isinstance(one, ArticleRef) and one.article_id not in self.known for one in items):
            return _Unread(file, content)
        return items

    def _noted(self, looked_at: _Unread, items: Iterable[Article | Skipped]) -> Iterator[Article | Skipped]:
        """The items of a file that is read, which are noted unless it changed meanwhile or could not be had."""
        file, content = looked_at.file, looked_at.content
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
            CorpusError: it is not gone, and articles of it that are in the index would be deleted.
        """
        if not item.is_gone and self._came_from(file.source):
            raise CorpusError(
                f"{str(file.path)!r} was read before and {item.reason}; the index stays as it is, index again when it "
                "can be had, or take it out of the corpus"
            )
        return Skipped(item.source, item.line, item.reason)

    def _came_from(self, source: str) -> bool:
        """Whether an article is known by this source, or by a line of it."""
        return any(
            ref.source == source or ref.source.startswith(f"{source}:")
            for ref in chain(self.known.values(), self.served)
        )

    def _fingerprint(self, file: CorpusFile) -> str:
        return f"{self.fingerprint} {file.source}"


def _no_articles(paths: Sequence[Place], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(repr(str(path)) for path in paths)
    reasons = "".join(f"\n  {item}" for item in skipped[:N_REASONS])
    return f"there is no readable article in {places}; the index stays as it is, put articles there{reasons}"
