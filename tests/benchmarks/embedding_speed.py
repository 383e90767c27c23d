"""Measures how fast passages are embedded, beside sentence-transformers on the same model, and what the machine allows.

    python tests/benchmarks/embedding_speed.py PASSAGES.json [--passages 120] [--rounds 5]

PASSAGES is a SQuAD-format file. Its paragraphs, and the sentences that they consist of, are embedded by Otvet
(paragraphs with their words, as when an index is built) and by `SentenceTransformer.encode` in float32 with its default
batch of 32. The two take turns, round by round: whatever else the machine does, it does to both; a ratio is that of the
medians.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sentence_transformers import SentenceTransformer

from index.bundled import BUNDLED_MODEL, bundled_model_path
from index.embedding import load_embedding_model
from index.sentences import split_sentences
from measuring import Figures, load_average, memory_mb, show_and_save, size_mb, timed
from qa.squad import load_collection
from ui.offline import go_offline
from ui.settings import load_settings

BATCH = 32  # sentence-transformers' default
SIDE = 2048  # of the square matrices by which the machine's peak is measured
PEAK_TRIES = 5

Encode = Callable[[list[str]], np.ndarray]


def turns(name: str, texts: list[str], ways: dict[str, Encode], *, flops: float, rounds: int) -> Figures:
    """Speeds of both ways and how near their vectors are."""
    vectors = {way: encode(texts) for way, encode in ways.items()}  # the first round is not timed
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, encode in ways.items():
            times[way].append(timed(lambda e=encode: e(texts))[1] / 1000)
    seconds = {way: statistics.median(own) for way, own in times.items()}
    ours, theirs = vectors.values()
    cosines = np.sum(ours * theirs, axis=1)
    return {
        f"{name}": len(texts),
        **{f"{name} a second, {way}": len(texts) / own for way, own in seconds.items()},
        f"{name}, Otvet's speed to sentence-transformers'": seconds["sentence-transformers"] / seconds["Otvet"],
        f"{name}, mean cosine": float(cosines.mean()),
        f"{name}, least cosine": float(cosines.min()),
        **{f"{name}, GFLOP/s, {way}": flops / own / 1e9 for way, own in seconds.items()},
    }


def count_flops(config: object, lengths: Sequence[int]) -> float:
    """Of all products of texts with so many tokens: a multiplication and an addition each; no padding counted."""
    width, inner, n_layers = (getattr(config, key) for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    a_token = 2 * (4 * width**2 + 2 * width * inner)  # queries, keys, values, their output; feed-forward, in and out
    return float(n_layers * sum(n * a_token + 4 * n**2 * width for n in lengths))


def peaks() -> Figures:
    """GFLOP/s of large products on all cores: torch's in float32, onnxruntime's of bytes; the best of a few tries."""
    square = torch.rand(SIDE, SIDE)
    product = _byte_product()
    numbers = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    runs: dict[str, Callable[[], object]] = {
        "peak of float32, GFLOP/s": lambda: square @ square,
        "peak of bytes, GFLOP/s": lambda: product.run(None, {"left": numbers}),
    }
    return {name: 2 * SIDE**3 / min(timed(run)[1] for _ in range(PEAK_TRIES)) / 1e6 for name, run in runs.items()}


def _byte_product() -> onnxruntime.InferenceSession:
    weights = np.random.default_rng(1).integers(-127, 128, (SIDE, SIDE), np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "right"], ["out"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.UINT8, [SIDE, SIDE])],
        [helper.make_tensor_value_info("out", TensorProto.INT32, [SIDE, SIDE])],
        [numpy_helper.from_array(weights, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(paragraphs: list[str], *, cache_dir: Path, rounds: int) -> Figures:
    folder = bundled_model_path(cache_dir)
    model = load_embedding_model(BUNDLED_MODEL, cache_dir=cache_dir)
    model.encode_query("?")
    before = memory_mb("RssAnon")
    model.encode_passages(paragraphs)
    memory = {"memory for passages (RssAnon), MB": memory_mb("RssAnon") - before}
    plain = SentenceTransformer(str(folder), local_files_only=True)
    config = plain[0].auto_model.config
    sentences = [text[start:end] for text in paragraphs for start, end in split_sentences(text)]

    def theirs(texts: list[str]) -> np.ndarray:
        return np.asarray(plain.encode_document(texts, batch_size=BATCH, show_progress_bar=False))

    def with_words(texts: list[str]) -> np.ndarray:
        return np.array([encoding.vector for encoding in model.encode_passages(texts)])

    parts = {"paragraphs": (paragraphs, with_words), "sentences": (sentences, model.encode_documents)}
    figures: Figures = {"load average before": load_average(), "cores": torch.get_num_threads()} | peaks()
    for name, (texts, ours) in parts.items():
        lengths = [min(n, model.max_tokens) for n in model.count_tokens(texts)]
        ways: dict[str, Encode] = {"Otvet": ours, "sentence-transformers": theirs}
        figures[f"{name}, tokens each"] = statistics.mean(lengths)
        figures |= turns(name, texts, ways, flops=count_flops(config, lengths), rounds=rounds)
        for kind in ("float32", "bytes"):
            reached = figures[f"{name}, GFLOP/s, Otvet"] / figures[f"peak of {kind}, GFLOP/s"]
            figures[f"{name}, Otvet's share of the peak of {kind}"] = reached
    return figures | memory | {"disk, the model, MB": size_mb(folder), "load average after": load_average()}


def main() -> None:
    go_offline()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paragraphs", type=Path, metavar="PASSAGES")
    parser.add_argument("--passages", type=int, default=120, help="how many of the file's paragraphs, the first ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, help="the JSON file; by default among the evaluations of the data directory"
    )
    given = parser.parse_args()
    own = load_settings()
    paragraphs = list(load_collection(given.paragraphs, None).paragraphs)[: given.passages]
    figures = measure(paragraphs, cache_dir=own.cache_dir, rounds=given.rounds)
    out = given.out or own.data_dir / "evaluations" / f"embedding-speed-{date.today().isoformat()}.json"
    show_and_save(figures, out)


if __name__ == "__main__":
    main()
