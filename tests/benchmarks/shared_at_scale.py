"""Measures a shared index of many chunks: build, difference, opening and search, memory and disk.

    python tests/benchmarks/shared_at_scale.py [--chunks 1000000] [--folder FOLDER] [--out FILE.json]

PostgreSQL and `chroma run` are started on loopback ports, in FOLDER. Articles have four chunks of 24 made-up words;
vectors are not embedded: a word has a random one, chunks and sentences have the sums of those of their words. So all of
a build is measured but the model, and a chunk takes less room than that of news, which has ten times as many words.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from zlib import crc32

import numpy as np
from pydantic import SecretStr

from index.build_engine import LocalEngine
from index.drafts import EmbeddedChunk
from index.embedding import Vectors
from index.encoding import Encoding
from index.postgres import Database
from index.rebuild import build_index
from index.records import Article, Filters
from index.search import HybridSearch
from index.sentences import Span
from index.serving import Index
from index.settings import IndexSettings
from index.text import WORD
from index.words import content_words
from measuring import Figures, load_average, memory_mb, show_and_save, size_mb, spread, timed
from servers import running_chroma, running_postgres
from ui.offline import go_offline

DIM = 384
N_VECTORS = 50_000  # words of one hash share a vector
N_WORDS, N_TOPICS, N_OF_TOPIC = 200_000, 2_000, 200
CHUNKS_OF_ARTICLE, SENTENCES_OF_CHUNK, WORDS_OF_SENTENCE = 4, 2, 12
FIRST_DAY, N_DAYS = date(2024, 1, 1), 1000
FILTERS = {
    "no filter": Filters(),
    "1 % of dates": Filters(published_from=FIRST_DAY, published_to=FIRST_DAY + timedelta(9)),
    "10 % of dates": Filters(published_from=FIRST_DAY, published_to=FIRST_DAY + timedelta(99)),
    "publisher, 5 %": Filters(publisher="publisher-1"),
}
N_QUERIES, K = 200, 5
SYLLABLES = [a + b for a in "бвгдзклмнпрстфхч" for b in "аеиоуыя"]


class SyntheticModel:
    """An `EmbeddingModel` whose vectors are sums of random ones of words."""

    name, checksum, dim, max_tokens = "synthetic", "synthetic-1", DIM, 512

    def __init__(self) -> None:
        table = np.random.default_rng(0).normal(size=(N_VECTORS, DIM)).astype(np.float32)
        self._table = table / np.linalg.norm(table, axis=1, keepdims=True)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.encode_query(text).vector for text in texts], np.float32).reshape(-1, DIM)

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        return [self.encode_query(text) for text in texts]

    def encode_query(self, text: str) -> Encoding:
        words = [Span(*match.span()) for match in WORD.finditer(text)]
        states = self._table[[crc32(text[start:end].lower().encode()) % N_VECTORS for start, end in words]]
        return Encoding(unit(states.sum(axis=0)), words, states)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class SyntheticEngine(LocalEngine):
    """Takes each paragraph for a chunk and each line of it for a sentence."""

    def __init__(self, model: SyntheticModel) -> None:
        super().__init__(model)
        self._synthetic = model

    def embed(
        self, articles: Iterable[Article], *, means: Vectors, max_tokens: int
    ) -> Iterator[tuple[Article, list[EmbeddedChunk]]]:
        for article in articles:
            yield article, list(self._chunks(article, means))

    def _chunks(self, article: Article, means: Vectors) -> Iterator[EmbeddedChunk]:
        start = 0
        for paragraph in article.text.split("\n\n"):
            encoding = self._synthetic.encode_query(paragraph)
            spans, at = [], 0
            for line in paragraph.split("\n"):
                spans.append(Span(at, at + len(line)))
                at += len(line) + 1
            own = [[row for row, word in enumerate(encoding.words) if one <= word.start < end] for one, end in spans]
            vectors = np.array([unit(encoding.word_vectors[rows].sum(axis=0)) for rows in own])
            words = content_words(paragraph, encoding, means)
            sentences = [Span(start + one, start + end) for one, end in spans]
            begins = [start + one for one in words.starts]
            yield EmbeddedChunk(
                start, start + len(paragraph), encoding.vector, sentences, vectors, begins, words.states
            )
            start += len(paragraph) + 2


class MadeWords:
    """Invented words by their ranks: one in three of Zipf's law, the others of the topic."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(0)
        self._words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(N_WORDS)]
        self._rng = np.random.default_rng(seed)

    def article(self, number: int) -> dict[str, str]:
        topic = int(self._rng.integers(N_TOPICS))
        n = CHUNKS_OF_ARTICLE * SENTENCES_OF_CHUNK * WORDS_OF_SENTENCE
        common = np.minimum(self._rng.zipf(1.2, n), N_WORDS) - 1
        of_topic = (topic * 7919 + self._rng.integers(N_OF_TOPIC, size=n)) % N_WORDS
        words = [self._words[at] for at in np.where(self._rng.random(n) < 1 / 3, common, of_topic).tolist()]
        lines = [words[at : at + WORDS_OF_SENTENCE] for at in range(0, n, WORDS_OF_SENTENCE)]
        told = [" ".join(line).capitalize() + "." for line in lines]
        paragraphs = ["\n".join(told[at : at + SENTENCES_OF_CHUNK]) for at in range(0, len(told), SENTENCES_OF_CHUNK)]
        return {
            "title": f"{number}",
            "text": "\n\n".join(paragraphs),
            "published_at": (FIRST_DAY + timedelta(number % N_DAYS)).isoformat(),
            "publisher": f"publisher-{number % 20}",
            "language": "ru",
        }


def unit(vector: Vectors) -> Vectors:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def write_articles(path: Path, n_articles: int, *, first: int = 0, seed: int = 1) -> None:
    made = MadeWords(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + n_articles):
            file.write(json.dumps(made.article(number), ensure_ascii=False) + "\n")


def build(corpus: Path, settings: IndexSettings, model: SyntheticModel, name: str) -> Figures:
    """Build and tell the seconds of each stage."""
    marks: dict[str, float] = {}
    told = [time.monotonic()]

    def tell(stage: str, done: int, total: int) -> None:
        marks[stage] = time.perf_counter()
        if time.monotonic() - told[0] > 5:
            told[0] = time.monotonic()
            sys.stderr.write(f"\r{name}: {stage} {done:,} of {total:,}   ")

    started = time.perf_counter()
    report = build_index([corpus], settings=settings, model=model, progress=tell, engine=SyntheticEngine(model))
    ended = time.perf_counter()
    sys.stderr.write("\n")
    stages, before = {}, started
    for stage, at in marks.items():
        stages[f"{name}: {stage}, s"] = at - before
        before = at
    return {
        f"{name}: articles": report.n_articles,
        f"{name}: chunks": report.n_chunks,
        f"{name}: embedded": report.n_embedded,
        **stages,
        f"{name}: publish, s": ended - before,
        f"{name}, s": ended - started,
        f"{name}: peak memory of the builder, MB": memory_mb("VmHWM"),
    }


def search(settings: IndexSettings, model: SyntheticModel, queries: Sequence[tuple[str, str]]) -> Figures:
    """Open and search; each query is made of words of a chunk, which it should find."""
    before_mb = memory_mb("VmRSS")
    index, open_ms = timed(lambda: Index(settings, model))
    figures = {"index opened, s": open_ms / 1000, "index opened, memory, MB": memory_mb("VmRSS") - before_mb}
    searcher = HybridSearch(index, model)
    with closing(index):
        searcher.search(queries[0][0], k=K, filters=Filters())
        for name, filters in FILTERS.items():
            times, n_first, n_found = [], 0, 0
            for query, title in queries:
                hits, took_ms = timed(lambda q=query, f=filters: searcher.search(q, k=K, filters=f))
                times.append(took_ms)
                titles = [hit.article.title for hit in hits]
                n_first, n_found = n_first + (titles[:1] == [title]), n_found + (title in titles)
            figures |= spread(f"search, {name}", times)
            if filters == Filters():
                figures |= {"found first": n_first / len(queries), f"found among {K}": n_found / len(queries)}
    return figures


def make_queries(corpus: Path, n: int) -> list[tuple[str, str]]:
    """Eight words of one sentence, and the title of its article."""
    rng = random.Random(3)
    every = max(1, n_lines(corpus) // n)
    with corpus.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for number, line in enumerate(lines) if number % every == 0]
    return [(" ".join(rng.sample(rng.choice(row["text"].split("\n\n")).split()[:12], 8)), row["title"]) for row in rows]


def n_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def sizes(settings: IndexSettings, folder: Path) -> Figures:
    """On the disk, and of the processes of the servers."""
    assert settings.postgres_url is not None
    with closing(Database(settings.postgres_url.get_secret_value(), schema=settings.postgres_schema)) as database:
        with database.connection() as connection:
            tables = connection.execute(
                "select relname, pg_total_relation_size(oid) from pg_class where relkind = 'r' and relnamespace = "
                "current_schema()::regnamespace order by 2 desc limit 6"
            ).fetchall()
    disk = {f"disk, table {name}, MB": size / 2**20 for name, size in tables}
    return {**disk, "disk, Chroma, MB": size_mb(folder / "chroma"), **memory_of("chroma"), **memory_of("postgres")}


def memory_of(program: str) -> Figures:
    """Of all processes of a program; pages that they share are counted once, by halves and thirds (Pss)."""
    total_kb = 0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            command = (status.parent / "cmdline").read_bytes().split(b"\0")
            if program.encode() in b" ".join(command[:2]):
                total_kb += next(int(line.split()[1]) for line in status.read_text().splitlines() if "Pss:" in line)
        except (OSError, StopIteration):
            continue
    return {f"memory, {program}, MB": total_kb / 1024}


def measure(folder: Path, n_chunks: int) -> Figures:
    """All of it."""
    corpus = folder / "articles.jsonl"
    write_articles(corpus, n_chunks // CHUNKS_OF_ARTICLE)
    model = SyntheticModel()
    with running_postgres(folder / "postgres", "shared_buffers=1GB", "max_wal_size=4GB") as url:
        with running_chroma(folder / "chroma") as chroma_url:
            settings = IndexSettings(
                data_dir=folder / "data", postgres_url=SecretStr(url), chroma_url=chroma_url, corpus=corpus
            )
            figures = {"load average before": load_average()} | build(corpus, settings, model, "build")
            figures |= sizes(settings, folder)
            figures |= search(settings, model, make_queries(corpus, N_QUERIES))
            more = folder / "more.jsonl"
            write_articles(more, 1000, first=n_chunks, seed=2)
            with corpus.open("a", encoding="utf-8") as file:
                file.write(more.read_text("utf-8"))
            figures |= build(corpus, settings, model, "1,000 articles more")
            figures |= {"load average after": load_average()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="needs some 15 kB a chunk; a temporary one by default")
    parser.add_argument("--out", type=Path, default=Path("build/bench/shared.json"))
    asked = parser.parse_args()
    go_offline()
    with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
        Path(scratch).chmod(0o755)
        show_and_save(measure(Path(scratch), asked.chunks), asked.out)


if __name__ == "__main__":
    main()
