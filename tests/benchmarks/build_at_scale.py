"""Measures how the index is built: in full, by the difference, and without embedding at a million chunks.

    python tests/benchmarks/build_at_scale.py PASSAGES.json [--articles 100 1000 10000] [--plain 100 1000]
        [--stubbed 100000 1000000]

PASSAGES is a SQuAD-format file of whose sentences articles of about 2,000 characters are made (made_corpus.py). Every
part has a process of its own, so that memory is that of the part. The plain pipeline is what one would write: it cuts
texts every 1,000 characters and gives them to LangChain's Chroma with HuggingFaceEmbeddings over the same model.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from pathlib import Path

from stub_model import StubModel

from index.embedding import EmbeddingModel, Vectors, load_embedding_model
from index.encoding import Encoding
from index.generations import current_generation, index_root
from index.rebuild import build_index
from index.report import RebuildReport
from index.settings import IndexSettings
from made_corpus import Bank
from measuring import Figures, load_average, memory_mb, show_and_save, size_mb, timed
from plain_pipeline import open_plain
from qa.squad import load_collection
from ui.offline import go_offline
from ui.settings import load_settings

LONG, SHORT = (12, 16), (2, 3)  # sentences of an article: about 2,000 characters, and a chunk of some 30 words
PLAIN_CHUNK_CHARS = 1000


class TimedModel:
    """An `EmbeddingModel` that keeps the time.

    Attributes:
        seconds: spent on vectors so far.
    """

    def __init__(self, model: EmbeddingModel) -> None:
        self.name, self.checksum, self.dim, self.max_tokens = model.name, model.checksum, model.dim, model.max_tokens
        self.count_tokens = model.count_tokens
        self.seconds = 0.0
        self._model = model

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        with self._clock():
            return self._model.encode_documents(texts)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        with self._clock():
            return self._model.encode_passages(texts)

    def encode_query(self, text: str) -> Encoding:
        with self._clock():
            return self._model.encode_query(text)

    @contextmanager
    def _clock(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


def full(settings: IndexSettings, corpus: Path) -> Figures:
    """Build from nothing."""
    model = TimedModel(load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir))
    report, took_ms = timed(lambda: build_index([corpus], settings=settings, model=model))
    tag = f"{report.n_articles} articles, full"
    return {
        f"{tag}, s": took_ms / 1000,
        f"{tag}, articles a second": report.n_articles / took_ms * 1000,
        f"{tag}, chunks": report.n_chunks,
        f"{tag}, share that is not embedding": 1 - 1000 * model.seconds / took_ms,
        f"{tag}, peak memory, MB": memory_mb("VmHWM"),
        f"{tag}, disk, MB": size_mb(index_root(settings.data_dir)),
    }


def difference(settings: IndexSettings, corpus: Path) -> Figures:
    """Build again: with nothing changed, with one article more, with one article less."""
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir)
    extra = corpus / "extra.txt"

    def build() -> RebuildReport:
        return build_index([corpus], settings=settings, model=model)

    build()  # imports, and the files in the system's cache
    unchanged, unchanged_ms = timed(build)
    text = next(corpus.glob("0*.txt")).read_text("utf-8")
    extra.write_text(text[500:] + text[:500], "utf-8")
    more, more_ms = timed(build)
    extra.unlink()
    less, less_ms = timed(build)
    assert (unchanged.published, more.n_added, less.n_deleted) == (False, 1, 1)
    tag = f"{unchanged.n_articles} articles"
    return {
        f"{tag}, unchanged, s": unchanged_ms / 1000,
        f"{tag}, one more, s": more_ms / 1000,
        f"{tag}, one less, s": less_ms / 1000,
        f"{tag}, by the difference, peak memory, MB": memory_mb("VmHWM"),
    }


def plain(settings: IndexSettings, corpus: Path, folder: Path) -> Figures:
    """The same articles through the plain pipeline."""
    store = open_plain(settings, folder)

    def fill() -> int:
        texts = [path.read_text("utf-8") for path in sorted(corpus.iterdir())]
        chunks = [text[at : at + PLAIN_CHUNK_CHARS] for text in texts for at in range(0, len(text), PLAIN_CHUNK_CHARS)]
        for at in range(0, len(chunks), 5000):
            store.add_texts(chunks[at : at + 5000])
        return len(texts)

    n_articles, took_ms = timed(fill)
    tag = f"{n_articles} articles, LangChain"
    return {f"{tag}, s": took_ms / 1000, f"{tag}, peak memory, MB": memory_mb("VmHWM")}


def stubbed(settings: IndexSettings, corpus: Path) -> Figures:
    """All but embedding, stage by stage."""
    marks: dict[str, float] = {}
    started = time.perf_counter()
    report = build_index(
        [corpus],
        settings=settings,
        model=StubModel(),
        progress=lambda stage, *_: marks.update({stage: time.perf_counter()}),
    )
    ended = time.perf_counter()
    tag = f"{report.n_chunks} chunks, stubbed"
    path = index_root(settings.data_dir) / str(current_generation(settings.data_dir))
    return {
        f"{tag}, s": ended - started,
        f"{tag}, of which reading, s": marks["read"] - started,
        f"{tag}, of which chunking and plain files, s": marks["embed"] - marks["read"],
        f"{tag}, of which keywords and words, s": marks["words"] - marks["embed"],
        f"{tag}, of which Chroma, s": marks["store"] - marks["words"],
        f"{tag}, of which publishing, s": ended - marks["store"],
        f"{tag}, peak memory, MB": memory_mb("VmHWM"),
        **{f"{tag}, disk, {one.name}, MB": size_mb(one) for one in sorted(path.iterdir())},
    }


def write_files(bank: Bank, folder: Path, n_articles: int) -> None:
    """Articles of about 2,000 characters, a file each."""
    folder.mkdir()
    table = folder.with_suffix(".jsonl")
    bank.write_articles(table, n_articles, n_sentences=LONG)
    with table.open(encoding="utf-8") as rows:
        for number, row in enumerate(rows):
            (folder / f"{number:06d}.txt").write_text(json.loads(row)["text"], "utf-8")
    table.unlink()


def alone(part: Callable[..., Figures], *arguments: object) -> Figures:
    """The figures of a part that runs in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        figures = pool.submit(part, *arguments).result()
    sys.stderr.write(json.dumps(figures) + "\n")
    return figures


def measure(given: argparse.Namespace, own: IndexSettings, scratch: Path) -> Figures:
    """All parts, one after the other."""
    bank = Bank(load_collection(given.paragraphs).paragraphs)
    figures: Figures = {}
    for n_articles in given.articles:
        corpus = scratch / f"articles-{n_articles}"
        write_files(bank, corpus, n_articles)
        settings = own.model_copy(update={"data_dir": scratch / f"index-{n_articles}"})
        figures |= alone(full, settings, corpus) | alone(difference, settings, corpus)
        tag = f"{n_articles} articles"
        figures[f"{tag}, one more to full"] = figures[f"{tag}, one more, s"] / figures[f"{tag}, full, s"]
        if n_articles in given.plain:
            figures |= alone(plain, settings, corpus, scratch / f"langchain-{n_articles}")
            figures[f"{tag}, LangChain's time to ours"] = figures[f"{tag}, LangChain, s"] / figures[f"{tag}, full, s"]
    for n_chunks in given.stubbed:
        table = scratch / f"articles-{n_chunks}.jsonl"
        bank.write_articles(table, n_chunks, n_sentences=SHORT)
        figures |= alone(stubbed, own.model_copy(update={"data_dir": scratch / f"index-{n_chunks}"}), table)
    return figures


def main() -> None:
    go_offline()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paragraphs", type=Path, metavar="PASSAGES")
    parser.add_argument("--articles", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--plain", type=int, nargs="*", default=[100, 1000], help="of these also by the plain pipeline")
    parser.add_argument("--stubbed", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument(
        "--out", type=Path, help="the JSON file; by default among the evaluations of the data directory"
    )
    given = parser.parse_args()
    own = load_settings()
    figures: Figures = {"load average before": load_average()}
    with tempfile.TemporaryDirectory(prefix="otvet-bench-") as scratch:
        settings = IndexSettings(cache_dir=own.cache_dir, embedding_model=own.embedding_model)
        figures |= measure(given, settings, Path(scratch))
    figures |= {"load average after": load_average()}
    out = given.out or own.data_dir / "evaluations" / f"build-at-scale-{date.today().isoformat()}.json"
    show_and_save(figures, out)


if __name__ == "__main__":
    main()
