"""Measures search over many passages, and a plain LangChain pipeline on the same data, questions and model.

    python tests/benchmarks/search_at_scale.py PASSAGES.json [--questions QUESTIONS.json] [--passages 100000]

PASSAGES is a SQuAD-format file whose paragraphs the articles are made of (made_corpus.py); QUESTIONS asks the same in
another language. Every part has a process of its own, so that memory is that of the part. Where the two pipelines are
compared, they take turns question by question: whatever else the machine does, it does to both.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from index.clock import Clock
from index.embedding import load_embedding_model
from index.generation import Generation
from index.generations import current_generation, index_root
from index.rebuild import build_index
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from made_corpus import FILTERS, Bank, MadeModel
from measuring import Figures, load_average, memory_mb, show_and_save, size_mb, spread, timed
from plain_pipeline import fill_plain, open_plain, plain_filter
from qa.squad import load_collection
from ui.offline import go_offline
from ui.settings import load_settings

K = 10


def build(settings: IndexSettings, paragraphs: Sequence[str], n_passages: int) -> Figures:
    """Make the corpus and index it. Times are without the making of vectors."""
    model, bank = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir), Bank(paragraphs)
    made = MadeModel(model, bank, paragraphs)
    settings.data_dir.mkdir(parents=True)
    corpus = settings.data_dir / "articles.jsonl"
    bank.write_articles(corpus, n_passages)
    marks: dict[str, float] = {}
    started = time.perf_counter()
    report = build_index(
        [corpus], settings=settings, model=made, progress=lambda stage, *_: marks.update({stage: time.perf_counter()})
    )
    ended = time.perf_counter()
    corpus.unlink()
    return {
        "chunks": report.n_chunks,
        "sentences embedded after all": made.n_embedded,
        "index build without embedding, s": ended - started - made.seconds,
        "of which reading, s": marks["read"] - started,
        "of which chunking and plain files, s": marks["embed"] - marks["read"] - made.seconds,
        "of which keywords and words, s": marks["words"] - marks["embed"],
        "of which Chroma and publishing, s": ended - marks["words"],
        "index build, peak memory, MB": memory_mb("VmHWM"),
        **{f"disk, {path.name}, MB": size_mb(path) for path in sorted(generation_path(settings).iterdir())},
        "disk, all, MB": size_mb(generation_path(settings)),
    }


def serve(settings: IndexSettings, questions: Sequence[str]) -> Figures:
    """Open the index and search."""
    model, model_ms = timed(lambda: load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir))
    index, open_ms = timed(lambda: Index(settings, model))
    search = HybridSearch(index, model)
    _, first_ms = timed(lambda: search.search(questions[0], k=K, filters=Filters()))
    figures = {"model loaded, s": model_ms / 1000, "index opened, ms": open_ms, "first search, ms": first_ms}
    for name, filters in FILTERS.items():
        times = [stages(search, question, filters) for question in questions]
        figures |= spread(name, [one["total"] for one in times])
        for stage in times[0]:
            if stage != "total":
                figures[f"{name}: {stage}, p50, ms"] = float(np.median([one[stage] for one in times]))
        if filters == Filters():
            figures[f"RSS after {len(questions)} searches, MB"] = memory_mb("VmRSS")
    figures |= {"RSS at the end, MB": memory_mb("VmRSS"), "of which files, MB": memory_mb("RssFile")}
    figures |= {"RSS, highest, MB": memory_mb("VmHWM")}
    with index.lease() as generation:
        figures |= recall(generation, [model.encode_query(question).vector for question in questions])
    index.close()
    return figures


def stages(search: HybridSearch, question: str, filters: Filters) -> dict[str, float]:
    """Milliseconds of each stage of a search and their total."""
    clock = Clock()
    search.timed_search(question, k=K, filters=filters, clock=clock)
    return clock.timings_ms()


def recall(generation: Generation, vectors: Sequence[np.ndarray]) -> Figures:
    """How much of the exact nearest the approximate search finds."""
    everything = np.ones(len(generation.vectors), np.bool_)
    figures, times_ms = {}, []
    for k in (K, 5 * K):
        shares = []
        for vector in vectors:
            found, took_ms = timed(lambda v=vector, k=k: generation.chunks.nearest(v, k=k))
            exact = generation.vectors.nearest(vector, k=k, mask=everything)
            shares.append(len(np.intersect1d(found, exact)) / len(exact))
            times_ms.append(took_ms)
        figures[f"recall@{k} of Chroma against the exact scan"] = float(np.mean(shares))
    return figures | spread("Chroma alone", times_ms)


def compare(settings: IndexSettings, folder: Path, questions: Sequence[str]) -> Figures:
    """Ask both pipelines, in turns."""
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir)
    index, store = Index(settings, model), open_plain(settings, folder)
    search = HybridSearch(index, model)
    figures: Figures = {}
    for name in ("no filter", "1 % of dates", "10 % of dates", "50 % of dates"):
        filters, where = FILTERS[name], plain_filter(FILTERS[name])
        ours_ms, theirs_ms = [], []
        for question in (questions[0], *questions):
            ours_ms.append(timed(lambda q=question, f=filters: search.search(q, k=K, filters=f))[1])
            theirs_ms.append(timed(lambda q=question, w=where: store.similarity_search(q, k=K, filter=w))[1])
        figures |= spread(f"turns, {name}, Otvet", ours_ms[1:]) | spread(f"turns, {name}, LangChain", theirs_ms[1:])
        figures[f"turns, {name}, LangChain's p50 to ours"] = float(np.median(theirs_ms[1:]) / np.median(ours_ms[1:]))
    index.close()
    return figures


def build_plain(settings: IndexSettings, folder: Path) -> Figures:
    """Fill the store of the plain pipeline."""
    _, took_ms = timed(lambda: fill_plain(settings, folder, generation_path(settings)))
    return {"LangChain, store filled, s": took_ms / 1000, "LangChain, disk, MB": size_mb(folder)}


def generation_path(settings: IndexSettings) -> Path:
    return index_root(settings.data_dir) / str(current_generation(settings.data_dir))


def alone(part: Callable[..., Figures], *arguments: object) -> Figures:
    """The figures of a part that runs in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(part, *arguments).result()


def main() -> None:
    go_offline()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paragraphs", type=Path, metavar="PASSAGES")
    parser.add_argument("--questions", type=Path, help="the same questions in another language; half of them are asked")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=200, help="how many questions are asked")
    parser.add_argument(
        "--out", type=Path, help="the JSON file; by default among the evaluations of the data directory"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the two indexes; those that it holds are used again")
    given = parser.parse_args()
    own = load_settings()
    files = [None, given.questions] if given.questions else [None]
    asked = [load_collection(given.paragraphs, file, sample=given.sample // len(files)) for file in files]
    questions = [question.text for collection in asked for question in collection.questions]
    random.Random(0).shuffle(questions)
    figures: Figures = {"passages": given.passages, "questions": len(questions), "load average before": load_average()}
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory(prefix="otvet-bench-") as scratch:
        plain, data_dir, built = Path(scratch, "langchain"), Path(scratch, "otvet"), Path(scratch, "built.json")
        settings = IndexSettings(data_dir=data_dir, cache_dir=own.cache_dir, embedding_model=own.embedding_model)
        if not built.exists():
            figures_built = alone(build, settings, asked[0].paragraphs, given.passages)
            built.write_text(json.dumps(figures_built | alone(build_plain, settings, plain)), "utf-8")
        figures |= json.loads(built.read_text("utf-8"))
        figures |= alone(serve, settings, questions)
        figures |= alone(compare, settings, plain, questions)
    figures |= {"load average after": load_average()}
    name = f"search-at-scale-{given.passages}-{date.today().isoformat()}.json"
    out = given.out or own.data_dir / "evaluations" / name
    show_and_save(figures, out)


if __name__ == "__main__":
    main()
