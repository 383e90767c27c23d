"""A real CrossEncoder, tiny and untrained: what matters is that its scores are used, not what they are."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder
from torch.nn import Sigmoid
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from fakes import HashedWordsModel, open_index
from index.errors import ModelError
from index.records import Filters
from index.reranking import DEPTH, CrossEncoderReranker, RerankedSearch, load_reranker
from index.search import HybridSearch
from index.serving import Index

ARTICLES = [{"text": f"Буксир номер {n} встал у причала {n * 7} до рассвета."} for n in range(30)]
QUERY = "Какой буксир встал у причала?"


def save_cross_encoder(folder: Path, *, n_labels: int = 1) -> str:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"0123456789.?", "буксир", "номер", "встал", "у", "причала"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words), "utf-8")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), num_labels=n_labels, initializer_range=1.0, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(vocab_file=str(vocabulary)).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def index(tmp_path: Path, hashed_words: HashedWordsModel) -> Iterator[Index]:
    with closing(open_index(tmp_path, hashed_words, ARTICLES)) as index:
        yield index


def test_hits_come_in_the_order_of_the_cross_encoder(
    tmp_path: Path, index: Index, hashed_words: HashedWordsModel
) -> None:
    name = save_cross_encoder(tmp_path)
    search = HybridSearch(index, hashed_words)
    hits = RerankedSearch(search, load_reranker(name)).search(QUERY, k=5, filters=Filters())
    looked_at = search.search(QUERY, k=DEPTH, filters=Filters())
    pairs = [(QUERY, hit.chunk.text) for hit in looked_at]
    expected = CrossEncoder(name, local_files_only=True).predict(pairs, activation_fn=Sigmoid())
    best = np.argsort(-expected, kind="stable")[:5]
    assert [hit.chunk for hit in hits] == [looked_at[at].chunk for at in best]
    assert [hit.score for hit in hits] == pytest.approx(expected[best].tolist(), abs=1e-6)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_nothing_found_is_nothing_reranked(tmp_path: Path, index: Index, hashed_words: HashedWordsModel) -> None:
    search = RerankedSearch(HybridSearch(index, hashed_words), load_reranker(save_cross_encoder(tmp_path)))
    assert search.search(QUERY, k=5, filters=Filters(publisher="нет такого")) == []


def test_no_texts_have_no_scores(tmp_path: Path) -> None:
    reranker: CrossEncoderReranker = load_reranker(save_cross_encoder(tmp_path))
    assert reranker.scores(QUERY, []).shape == (0,)


def test_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the reranker .*nothing.*OTVET_RERANKER"):
        load_reranker(str(tmp_path / "nothing"))


def test_model_with_several_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives 3 numbers a pair, not one"):
        load_reranker(save_cross_encoder(tmp_path, n_labels=3))
