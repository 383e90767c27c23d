"""The network of the bundled model for passages: ONNX Runtime, products of 8 bits, one length of text a run.

Decision: of a passage each product is made of bytes: weights of 8 bits with a scale for each row of a matrix, states of
8 bits with a scale for each token; attention, GELU and LayerNorm are float32. Texts of different length are not run
together, so there is no padding and no mask, and what a text is run with changes nothing. Runs take one core each.

Measured on 2026-11-25 on two cores with VNNI, Russian paragraphs of 217 tokens and sentences of 42, beside
`SentenceTransformer.encode` in float32 with batches of 32 (134 ms and 16 ms each):

    products                              speed, paragraphs  sentences  cosine to float32, mean
    float32                                            2.4        1.5   1.0
    bytes, a scale for each token (kept)               4.7        3.1   0.9993
    the same, feed-forward output in float32           3.5        2.2   0.9994
    bytes, a scale for all states of a text            5.2        3.4   0.9969
    weights of 7 bits, a scale for each token          4.7        2.9   0.9988

The speeds are of a graph with `SkipLayerNormalization`. As it is now (index/passage_graph.py) it is 4.3, 6.0 and 6.4
times as fast for paragraphs and 3.7, 4.0 and 4.8 times for sentences, in three runs of
tests/benchmarks/embedding_speed.py while others used the machine. Recall@1 of Russian questions stays 0.961, that of
English ones goes from 0.913 to 0.912. It takes 22 MB of disk, and 35 to 80 MB of memory once there are passages.

Tried besides: the 4-bit weights themselves (`MatMulNBits`, accuracy level 4), 119 GFLOP/s a core, where float32 has 110
and bytes 380; torch in bfloat16, 205; evening out the columns of states (SmoothQuant), whose cosine is worse by 0.0003,
as it spoils the rows of weights; taking from states their bias, worse by 0.0001, or their mean over texts, better by
0.0001.

Queries are run by the exact network (index/onnx_network.py).
"""

import json
import mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from index.errors import ModelError

FILE = Path("onnx", "passages.onnx")
WORDS = "embeddings.word_embeddings.weight"
Floats = npt.NDArray[np.float32]


class PassageNetwork:
    """Last states of passages. Safe between threads, each of which takes one core."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._words = _mapped_words(folder / "model.safetensors")
            self._session = onnxruntime.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # onnxruntime's own classes have no common parent
            path = str(folder / FILE)
            raise ModelError(f"cannot read {path!r} ({exc}); delete {str(folder)!r} and try again") from exc

    def states(self, ids: npt.NDArray[np.int64]) -> Floats:
        """Of texts of one length, (n_texts, n_tokens): (n_texts, n_tokens, width)."""
        states: Floats = self._session.run(None, {"words": self._words[ids]})[0]
        return states


def bytes_are_exact() -> bool:
    """Whether this processor sums products of bytes without overflow.

    x86 before VNNI adds pairs of them in 16 bits, which may overflow (onnxruntime's guide to quantisation, "U8S8").
    """
    found = torch.cpu.get_capabilities()
    return "x86" not in found.get("architecture", "") or bool(found.get("avx512_vnni") or found.get("avx_vnni"))


def _mapped_words(path: Path) -> Floats:
    """The matrix of word embeddings in a safetensors file, (n_words, width); only the rows that are used are read in.

    The file begins with the length of a header, eight bytes, and the header in JSON.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mapped, "madvise"):  # not on Windows
        mapped.madvise(mmap.MADV_RANDOM)  # else the system reads 64 kB with each row of 1.5 kB
    start = 8 + int.from_bytes(mapped[:8], "little")
    place = json.loads(mapped[8:start])[WORDS]
    shape, offset = place["shape"], start + place["data_offsets"][0]
    return np.frombuffer(mapped, "<f4", int(np.prod(shape)), offset).reshape(shape)
