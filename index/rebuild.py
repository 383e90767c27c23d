"""From article files to a published generation: the difference first, and only that is embedded.

    read         what the corpus holds, and what of it is new (index/difference.py)
    begin        a draft from the generation that serves, or the one that an earlier build left (index/drafts.py)
    embed        the new articles, batch after batch, each committed
    derive       keyword leg, words and Chroma (index/deriving.py)
    publish      in one step (index/generations.py)

A build that fails leaves the serving generation as it is, and its draft to the next one.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from index.articles import ArticleStore
from index.deriving import derive
from index.difference import Reading, new_articles, read_corpus_difference
from index.drafts import STAMP, Draft, Stamp, begin_draft, stamp_of
from index.embedder import ArticleEmbedder
from index.embedding import EmbeddingModel, Vectors
from index.errors import IndexDamagedError, IndexStateError
from index.generations import (
    FORMAT_VERSION,
    WORDS_DIR,
    Manifest,
    current_generation,
    index_root,
    new_manifest,
    now,
    publish,
    read_manifest,
    write_manifest,
    writing,
)
from index.records import Progress
from index.report import RebuildReport, Refs, make_report
from index.serving import Generation, check_manifest
from index.settings import IndexSettings
from index.words import kept_means, mean_states

log = logging.getLogger(__name__)

ARTICLES_AT_ONCE = 64  # how many articles are chunked, embedded and committed together; bounds the memory
NEW, SOURCES = "new.jsonl", "sources.sqlite"


def build_index(
    paths: Sequence[Path],
    *,
    settings: IndexSettings,
    model: EmbeddingModel,
    progress: Progress | None = None,
    anew: bool = False,
) -> RebuildReport:
    """Index exactly the articles under `paths`; publish a new generation where that changes anything.

    Args:
        paths: files and folders; together they are the whole corpus.
        settings: where the index is and how it is built.
        model: the embedding model.
        progress: told (stage, done, total): "read" with total 0, as it is not known, "embed" in articles, "words" and
            "store" in chunks. What it raises ends the build, which the next one goes on with.
        anew: embed every article, whatever is there.

    Raises:
        CorpusError: a path does not exist, or there is no article at all under `paths`.
        IndexLockedError: another process is building.
        IndexWriteError: the disk is full, or may not be written to.
    """
    with writing(settings.data_dir) as (draft, note):
        build = _Build(paths, settings, model, draft, _both(note, progress))
        base = None if anew else build.serving_that_fits()
        if base is not None:
            try:
                return build.run(base)
            except IndexDamagedError as exc:
                log.warning("building anew, as %s", exc)
        if anew:
            shutil.rmtree(draft, ignore_errors=True)
        return build.run(None)


def derive_again(*, settings: IndexSettings, model: EmbeddingModel, progress: Progress | None = None) -> str:
    """Publish what serves anew, with all made anew that can be made without embedding; needs no corpus.

    Raises:
        IndexStateError: there is no generation whose plain files can be read, or another process is building.
    """
    with writing(settings.data_dir) as (draft, note):
        build = _Build([], settings, model, draft, _both(note, progress))
        base = build.serving_that_fits()
        if base is None:
            raise IndexDamagedError("no generation fits model and settings; run: otvet index")
        return build.derive_from(base)


def _both(first: Progress, second: Progress | None) -> Progress:
    def tell(stage: str, done: int, total: int) -> None:
        first(stage, done, total)
        if second is not None:
            second(stage, done, total)

    return tell


class _Build:
    """One build, from the corpus to the published generation."""

    def __init__(
        self, paths: Sequence[Path], settings: IndexSettings, model: EmbeddingModel, draft: Path, tell: Progress
    ) -> None:
        self._paths, self._settings, self._model, self._draft, self._tell = paths, settings, model, draft, tell
        self._root = index_root(settings.data_dir)
        self._started = time.monotonic()

    def serving_that_fits(self) -> Path | None:
        """The directory of the serving generation, where it was built with the same settings and model."""
        name = current_generation(self._settings.data_dir)
        if name is None:
            return None
        try:
            manifest = read_manifest(self._root / name)
            check_manifest(manifest, settings=self._settings, model=self._model)
        except IndexStateError as exc:
            log.info("building anew, as %s", exc)
            return None
        return self._root / name

    def run(self, base: Path | None) -> RebuildReport:
        """Build from `base`, or from what an earlier build made of it."""
        left = self._draft_left(base)
        known = _refs(left or base)
        try:
            reading = self._read(known)
            if left is None and base is not None and _is_same(base, known, reading):
                report = make_report(known, reading, n_chunks=read_manifest(base).n_chunks, started=self._started)
                return replace(report, generation=base.name)
            means = self._means(base)
            if left is None:
                self._begin(base, means, gone=known.keys() - reading.refs.keys())
            self._fill(known, reading, means)
            return self._publish(base, reading, means)
        finally:
            (self._root / NEW).unlink(missing_ok=True)

    def derive_from(self, base: Path) -> str:
        """Publish the same articles with all made anew that is made from their plain files."""
        shutil.rmtree(self._draft, ignore_errors=True)
        means = mean_states(self._model)
        self._begin(base, means, gone=set())
        derive(self._draft, base=None, means=means, dim=self._model.dim, tell=self._tell)
        write_manifest(self._draft, replace(read_manifest(base), created_at=now()))
        return self._publish_draft()

    def _stamp(self, base: Path | None, width: int) -> Stamp:
        return Stamp(
            format_version=FORMAT_VERSION,
            base=base.name if base else None,
            embedding_checksum=self._model.checksum,
            chunk_max_tokens=self._settings.chunk_max_tokens,
            dim=self._model.dim,
            width=width,
        )

    def _means(self, base: Path | None) -> Vectors:
        """Those of `mean_states`, which are a third of a second's work; an index has them already."""
        kept = kept_means(base / WORDS_DIR) if base is not None else None
        return kept if kept is not None else mean_states(self._model)

    def _draft_left(self, base: Path | None) -> Path | None:
        """The draft that an earlier build left, where this one can go on with it; what cannot be used is removed."""
        stamp = stamp_of(self._draft)
        if stamp is not None and replace(stamp, is_compacted=False) == self._stamp(base, stamp.width):
            try:
                with Draft(self._draft):
                    return self._draft
            except IndexDamagedError as exc:
                log.warning("beginning again, as %s", exc)
        shutil.rmtree(self._draft, ignore_errors=True)
        return None

    def _read(self, known: Refs) -> Reading:
        return read_corpus_difference(
            self._paths,
            known=known,
            new=self._root / NEW,
            cache=self._root / SOURCES,
            max_article_chars=self._settings.max_article_chars,
            left_out=self._settings.data_dir,
            tell=self._tell,
        )

    def _begin(self, base: Path | None, means: Vectors, *, gone: set[str]) -> None:
        begin_draft(self._draft, self._stamp(base, means.shape[1]), base=base, gone=gone)

    def _fill(self, known: Refs, reading: Reading, means: Vectors) -> None:
        """Bring the draft to what was read."""
        embedder = ArticleEmbedder(self._model, means, max_tokens=self._settings.chunk_max_tokens)
        with Draft(self._draft) as draft:
            draft.delete(known.keys() - reading.refs.keys())
            draft.update([ref for article_id, ref in reading.refs.items() if known.get(article_id, ref) != ref])
            draft.commit()
            waiting, n_done = new_articles(self._root / NEW), 0
            while batch := list(islice(waiting, ARTICLES_AT_ONCE)):
                for article, chunks in zip(batch, embedder.embed(batch), strict=True):
                    draft.add(article, chunks)
                draft.commit()
                n_done += len(batch)
                self._tell("embed", n_done, reading.n_new)

    def _publish(self, base: Path | None, reading: Reading, means: Vectors) -> RebuildReport:
        stamp = stamp_of(self._draft)
        goes_on = base if stamp is not None and not stamp.is_compacted else None
        n_chunks = derive(self._draft, base=goes_on, means=means, dim=self._model.dim, tell=self._tell)
        before = _serving_refs(self._settings.data_dir)
        report = make_report(before, reading, n_chunks=n_chunks, started=self._started)
        write_manifest(self._draft, self._manifest(replace(report, published=True)))
        return replace(report, generation=self._publish_draft(), published=True)

    def _publish_draft(self) -> str:
        name = publish(self._settings.data_dir, self._draft)
        (self._root / name / STAMP).unlink(missing_ok=True)  # not before: a build killed here is to be gone on with
        return name

    def _manifest(self, report: RebuildReport) -> Manifest:
        return new_manifest(
            embedding_model=self._model.name,
            embedding_checksum=self._model.checksum,
            dim=self._model.dim,
            chunk_max_tokens=self._settings.chunk_max_tokens,
            n_articles=report.n_articles,
            n_chunks=report.n_chunks,
            paths=[str(path.absolute()) for path in self._paths],
            report=asdict(report),
        )


def _is_same(base: Path, known: Refs, reading: Reading) -> bool:
    if known != reading.refs:
        return False
    try:
        Generation.open(base).close()
    except IndexStateError:
        return False
    return True


def _refs(folder: Path | None) -> Refs:
    """The articles of a generation or draft, by their ids."""
    if folder is None:
        return {}
    with closing(ArticleStore(folder)) as articles:
        return {ref.article_id: ref for ref in articles.refs()}


def _serving_refs(data_dir: Path) -> Refs:
    """The same of what serves now, as far as it can be read."""
    name = current_generation(data_dir)
    try:
        return _refs(index_root(data_dir) / name) if name else {}
    except IndexStateError:
        return {}
