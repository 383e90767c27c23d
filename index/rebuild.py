"""From article files to a published generation: the difference first, and only that is embedded.

    read         what the corpus holds, and what of it is new (index/difference.py)
    begin        a draft from the generation that serves, or the one that an earlier build left (index/drafts.py; of a
                 shared index index/shared_draft.py)
    embed        the new articles, batch after batch, each committed
    derive       keyword leg, words and Chroma (index/deriving.py or index/shared_deriving.py)
    publish      in one step (index/generations.py or index/shared_writer.py)

A build that fails leaves the serving generation as it is, and its draft to the next one.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from index.build_engine import ARTICLES_AT_ONCE, BuildEngine, LocalEngine
from index.catalog import Catalog, GenerationWriter, open_catalog
from index.difference import Reading, new_articles, read_corpus_difference
from index.drafts import Stamp
from index.embedding import EmbeddingModel, Vectors
from index.errors import IndexDamagedError, IndexStateError, IndexUnreachableError
from index.generation import check_manifest
from index.generations import FORMAT_VERSION, Manifest, new_manifest, now
from index.records import Progress
from index.remote import Place
from index.report import RebuildReport, Refs, make_report
from index.settings import IndexSettings
from index.words import mean_states

log = logging.getLogger(__name__)

NEW, SOURCES = "new.jsonl", "sources.sqlite"


def build_index(
    paths: Sequence[Place],
    *,
    settings: IndexSettings,
    model: EmbeddingModel,
    progress: Progress | None = None,
    anew: bool = False,
    engine: BuildEngine | None = None,
) -> RebuildReport:
    """Index exactly the articles under `paths`; publish a new generation where that changes anything.

    Args:
        paths: files, folders and URLs; together they are the whole corpus.
        settings: where the index is and how it is built.
        model: the embedding model.
        progress: told (stage, done, total): "read" with total 0, as it is not known, "embed" in articles, "words" and
            "store" in chunks. What it raises ends the build, which the next one goes on with.
        anew: embed every article, whatever is there.
        engine: where articles are read and embedded; None for this process.

    Raises:
        CorpusError: a path does not exist, or there is no article at all under `paths`.
        IndexLockedError: another process is building.
        IndexWriteError: the disk is full, or may not be written to.
        IndexUnreachableError: a server of a shared index cannot be reached.
    """
    with closing(open_catalog(settings)) as catalog, catalog.writing() as writer:
        build = _Build(paths, settings, model, catalog, writer, engine or LocalEngine(model), progress)
        base = None if anew else build.serving_that_fits()
        if base is not None:
            try:
                return build.run(base)
            except IndexDamagedError as exc:
                log.warning("building anew, as %s", exc)
        if anew:
            writer.discard()
        return build.run(None)


def derive_again(*, settings: IndexSettings, model: EmbeddingModel, progress: Progress | None = None) -> str:
    """Publish what serves anew, with all made anew that can be made without embedding; needs no corpus.

    Raises:
        IndexStateError: there is no generation whose articles and vectors can be read, or another process is building.
    """
    with closing(open_catalog(settings)) as catalog, catalog.writing() as writer:
        build = _Build([], settings, model, catalog, writer, LocalEngine(model), progress)
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
    """One build, from the corpus to the published generation. Generations are told by their names."""

    def __init__(
        self,
        paths: Sequence[Place],
        settings: IndexSettings,
        model: EmbeddingModel,
        catalog: Catalog,
        writer: GenerationWriter,
        engine: BuildEngine,
        progress: Progress | None,
    ) -> None:
        self._paths, self._settings, self._model = paths, settings, model
        self._catalog, self._writer, self._engine = catalog, writer, engine
        self._tell = _both(writer.note, progress)
        self._started = time.monotonic()

    def serving_that_fits(self) -> str | None:
        """The serving generation, where it was built with the same settings and model."""
        name = self._catalog.current()
        if name is None:
            return None
        try:
            check_manifest(self._catalog.manifest(name), settings=self._settings, model=self._model)
        except IndexUnreachableError:
            raise
        except IndexStateError as exc:
            log.info("building anew, as %s", exc)
            return None
        return name

    def run(self, base: str | None) -> RebuildReport:
        """Build from `base`, or from what an earlier build made of it."""
        left = self._writer.draft_left(self._stamp(base, width=0))
        known = left if left is not None else self._writer.refs(base) if base is not None else {}
        try:
            reading = self._read(known)
            if left is None and base is not None and self._is_same(base, known, reading):
                n_chunks = self._catalog.manifest(base).n_chunks
                report = make_report(known, reading, n_chunks=n_chunks, started=self._started)
                return replace(report, generation=base)
            means = self._means(base)
            if left is None:
                gone = known.keys() - reading.refs.keys()
                self._writer.begin(self._stamp(base, width=means.shape[1]), gone=gone)
            self._fill(known, reading, means)
            return self._publish(reading, means)
        finally:
            (self._writer.scratch / NEW).unlink(missing_ok=True)

    def derive_from(self, base: str) -> str:
        """Publish the same articles with all made anew that is made from them and their vectors."""
        self._writer.discard()
        means = mean_states(self._model)
        self._writer.begin(self._stamp(base, width=means.shape[1]), gone=set())
        self._writer.derive(means=means, tell=self._tell, anew=True)
        return self._writer.publish(replace(self._catalog.manifest(base), created_at=now()))

    def _stamp(self, base: str | None, *, width: int) -> Stamp:
        return Stamp(
            format_version=FORMAT_VERSION,
            base=base,
            embedding_checksum=self._model.checksum,
            chunk_max_tokens=self._settings.chunk_max_tokens,
            dim=self._model.dim,
            width=width,
        )

    def _means(self, base: str | None) -> Vectors:
        """Those of `mean_states`, which are a third of a second's work; an index has them already."""
        kept = self._writer.means(base) if base is not None else None
        return kept if kept is not None else mean_states(self._model)

    def _read(self, known: Refs) -> Reading:
        return read_corpus_difference(
            self._paths,
            known=known,
            served=self._serving_refs().values(),
            new=self._writer.scratch / NEW,
            cache=self._writer.scratch / SOURCES,
            max_article_chars=self._settings.max_article_chars,
            left_out=self._settings.data_dir,
            tell=self._tell,
            engine=self._engine,
        )

    def _is_same(self, base: str, known: Refs, reading: Reading) -> bool:
        if known != reading.refs:
            return False
        try:
            self._catalog.open(base).close()
        except IndexUnreachableError:
            raise
        except IndexStateError:
            return False
        return True

    def _fill(self, known: Refs, reading: Reading, means: Vectors) -> None:
        """Bring the draft to what was read."""
        waiting = self._engine.embed(
            new_articles(self._writer.scratch / NEW), means=means, max_tokens=self._settings.chunk_max_tokens
        )
        n_done = 0
        with self._writer.draft() as draft:
            draft.delete(known.keys() - reading.refs.keys())
            draft.update([ref for article_id, ref in reading.refs.items() if known.get(article_id, ref) != ref])
            draft.commit()
            while batch := list(islice(waiting, ARTICLES_AT_ONCE)):
                for article, chunks in batch:
                    draft.add(article, chunks)
                draft.commit()
                n_done += len(batch)
                self._tell("embed", n_done, reading.n_new)

    def _publish(self, reading: Reading, means: Vectors) -> RebuildReport:
        n_chunks = self._writer.derive(means=means, tell=self._tell)
        report = make_report(self._serving_refs(), reading, n_chunks=n_chunks, started=self._started)
        name = self._writer.publish(self._manifest(replace(report, published=True)))
        return replace(report, generation=name, published=True)

    def _serving_refs(self) -> Refs:
        """The articles of what serves now, as far as they can be read."""
        try:
            name = self._catalog.current()
            return self._writer.refs(name) if name is not None else {}
        except IndexStateError:
            return {}

    def _manifest(self, report: RebuildReport) -> Manifest:
        return new_manifest(
            embedding_model=self._model.name,
            embedding_checksum=self._model.checksum,
            dim=self._model.dim,
            chunk_max_tokens=self._settings.chunk_max_tokens,
            n_articles=report.n_articles,
            n_chunks=report.n_chunks,
            paths=[str(path.absolute()) if isinstance(path, Path) else str(path) for path in self._paths],
            report=asdict(report),
        )
