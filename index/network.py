"""The network of the bundled model in ONNX Runtime: exact for questions, with products of 8 bits for passages.

Decision: the network is not given the numbers of words but their embeddings, which are read row by row from the file of
weights (index/tensors.py). So the table of words, 384 MB, is in no process's memory; of a mapped one 300 passages and
100 questions left 270 MB there. Reading takes 0.4 ms of a passage's 50, and 0.1 of a sentence's 9.5. Texts of different
length are not run together, so there is no padding and no mask, and what a text is run with changes nothing.

Decision: of a passage each product is made of bytes: weights of 8 bits with a scale for each row of a matrix, states of
8 bits with a scale for each token; attention, GELU and LayerNorm are float32. Runs take one core each.

Measured on 2026-11-25 on two cores with VNNI, Russian paragraphs of 217 tokens and sentences of 42, beside
`SentenceTransformer.encode` in float32 with batches of 32 (134 ms and 16 ms each):

    products                              speed, paragraphs  sentences  cosine to float32, mean
    float32                                            2.4        1.5   1.0
    bytes, a scale for each token (kept)               4.7        3.1   0.9993
    the same, feed-forward output in float32           3.5        2.2   0.9994
    bytes, a scale for all states of a text            5.2        3.4   0.9969
    weights of 7 bits, a scale for each token          4.7        2.9   0.9988

The speeds are of a graph with `SkipLayerNormalization`. As it is now (index/network_graph.py) it is 4.3, 6.0 and 6.4
times as fast for paragraphs and 3.7, 4.0 and 4.8 times for sentences, in three runs of
tests/benchmarks/embedding_speed.py while others used the machine. Recall@1 of Russian questions stays 0.961, that of
English ones goes from 0.913 to 0.912. It takes 22 MB of disk, 36 MB of memory once there are passages, and some 50 MB
more for their states.

Tried besides: the 4-bit weights themselves (`MatMulNBits`, accuracy level 4), 119 GFLOP/s a core, where float32 has 110
and bytes 380; torch in bfloat16, 205; evening out the columns of states (SmoothQuant), whose cosine is worse by 0.0003,
as it spoils the rows of weights; taking from states their bias, worse by 0.0001, or their mean over texts, better by
0.0001.

Decision: questions are run exactly. Tried: weights of 8 bits (torch's dynamic quantisation), 12 ms for 22 tokens, but
recall@1 of English questions falls from 0.907 to 0.897; those of 16 bits, 19 ms; torch in float32, 22 ms, as it packs
the weights anew for each product, with states that differ by 1e-6.

Decision: a question, too, takes one core, since two that are asked at once have two. Measured on 2026-11-26 on two
cores with questions of 21 tokens, milliseconds of a processor and until the next is done:

    threads of a run            processor  one asks  two at once
    one (kept)                       11.7      11.7          6.1
    two                              14.6       9.1          7.3
    two that spin (the default)      15.9       6.7          8.2

A run on two threads waits for the slower one after each product; threads that spin in between took half of what an
answer cost. Questions of one length run together take 9.0 ms each at best, too little to wait for one another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnxruntime import InferenceSession, SessionOptions

from index.errors import ModelError
from index.tensors import Floats, TensorRows

WEIGHTS = "model.safetensors"
EXACT, BYTES = "exact.onnx", "bytes.onnx"
WORDS = "embeddings.word_embeddings.weight"


class Network:
    """Last states of texts, each run in the thread that asks. Safe between threads.

    Args:
        folder: of the model.
        file: `EXACT` or `BYTES`.

    Raises:
        ModelError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, file: str) -> None:
        options = SessionOptions()
        options.intra_op_num_threads = 1
        with reading(folder / WEIGHTS):
            self._words = TensorRows(folder / WEIGHTS, WORDS)
        with reading(folder / file):
            self._session = InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])
        self.width = self._words.width

    def states(self, ids: npt.NDArray[np.int64]) -> Floats:
        """Of texts of one length, (n_texts, n_tokens): (n_texts, n_tokens, width)."""
        states: Floats = self._session.run(None, {"words": self._words.read(ids)})[0]
        return states


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Has whatever goes wrong told of a file of the model, which is written out again once its folder is gone.

    Raises:
        ModelError: something did.
    """
    try:
        yield
    except Exception as exc:  # onnxruntime's and tokenizers' own classes have no common parent
        raise ModelError(f"cannot read {str(path)!r} ({exc}); delete {str(path.parent)!r} and try again") from exc
