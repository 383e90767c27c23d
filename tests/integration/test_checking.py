"""The invariants of an index: each is found broken, and mended from the index's own files or from the articles."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel
from index.checking import check_generation
from index.errors import IndexDamagedError
from index.generations import current_generation, index_root
from index.local_catalog import LocalCatalog
from index.rebuild import build_index, derive_again
from index.records import Filters
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from index.store import _Shard
from index.vectors import CHUNK

TEXTS = [f"Баржа номер {number} пришла в порт. На борту зерно, {number} тонн. Её разгрузили." for number in range(40)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        (folder / f"{number:02}.txt").write_text(text)
    return folder


@pytest.fixture
def generation(corpus: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel) -> Path:
    build_index([corpus], settings=index_settings, model=hashed_words)
    (corpus / "00.txt").write_text("Баржа без номера ушла.")  # so that there is a deleted article, too
    build_index([corpus], settings=index_settings, model=hashed_words)
    return serving(index_settings)


def serving(settings: IndexSettings) -> Path:
    return index_root(settings.data_dir) / str(current_generation(settings.data_dir))


def problems(settings: IndexSettings, model: HashedWordsModel) -> list[str]:
    name = serving(settings).name
    found = check_generation(LocalCatalog(settings.data_dir), name, settings=settings, model=model)
    return [problem for finding in found for problem in finding.problems]


def test_a_sound_index_has_no_problems(
    generation: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    catalog = LocalCatalog(index_settings.data_dir)
    found = list(check_generation(catalog, generation.name, settings=index_settings, model=hashed_words))
    assert len(found) == 5
    assert problems(index_settings, hashed_words) == []


def change_text(generation: Path) -> None:
    path = generation / "texts.utf8"
    path.write_bytes(path.read_bytes().replace("Баржа номер 7 ".encode(), "Баржа номер 8 ".encode()))


def break_text(generation: Path) -> None:
    path = generation / "texts.utf8"
    path.write_bytes(path.read_bytes().replace("ж".encode(), b"\xff\xff"))


def change_chunks(generation: Path, column: str, value: int) -> None:
    chunks = np.fromfile(generation / "vectors" / "chunks.rows", CHUNK)
    chunks[column][-1] = value
    chunks.tofile(generation / "vectors" / "chunks.rows")


def zero_vector(generation: Path) -> None:
    vectors = np.fromfile(generation / "vectors" / "chunk_vectors.f32", np.float32).reshape(-1, 256)
    vectors[5] = np.nan
    vectors.tofile(generation / "vectors" / "chunk_vectors.f32")


def move_word(generation: Path) -> None:
    starts = np.fromfile(generation / "late" / "word_starts.i32", np.int32)
    starts[-1] = 5000
    starts.tofile(generation / "late" / "word_starts.i32")


def move_sentence(generation: Path) -> None:
    sentences = np.fromfile(generation / "vectors" / "sentences.i32", np.int32)
    sentences[-1] = 5000
    sentences.tofile(generation / "vectors" / "sentences.i32")


def orphan(generation: Path) -> None:
    with closing(sqlite3.connect(generation / "articles.sqlite")) as articles:
        articles.execute("delete from articles where position = 7")
        articles.commit()


def other_id(generation: Path) -> None:
    with closing(sqlite3.connect(generation / "articles.sqlite")) as articles:
        articles.execute("update articles set article_id = 'f' || substr(article_id, 2) where position = 7")
        articles.execute("update articles set title = 'Другой' where position = 8")
        articles.commit()


def swap_in_chroma(generation: Path) -> None:
    with closing(_Shard(generation / "chroma" / "0000")) as shard:
        vectors = shard.vectors(np.array([11]))
        shard.delete(np.array([10]))
        shard.add(np.array([10]), vectors)


def replace_in_chroma(generation: Path) -> None:
    with closing(_Shard(generation / "chroma" / "0000")) as shard:
        shard.delete(np.array([10]))
        shard.add(np.array([4000]), shard.vectors(np.array([11])))


IN_PLAIN_FILES = [
    (change_text, "another content"),
    (break_text, "cannot be read"),
    (lambda path: change_chunks(path, "end", 5000), "is not in article"),
    (lambda path: change_chunks(path, "start", 9), "in no chunk"),
    (lambda path: change_chunks(path, "article", 4000), "chunks of no article"),
    (zero_vector, "has not the length 1"),
    (move_word, "a word of article"),
    (move_sentence, "a sentence of article"),
    (orphan, "its manifest says"),
    (other_id, "another content"),
]
IN_DERIVED_FILES = [
    (swap_in_chroma, "Chroma holds another vector"),
    (replace_in_chroma, "Chroma holds other chunks"),
    (lambda path: (path / "chroma" / "0000" / "chroma.sqlite3").write_bytes(b"no"), "chunk store"),
    (lambda path: (path / "lexical" / "vocabulary.txt").write_bytes(b""), "lacks terms"),
    (lambda path: (path / "words" / "terms.npy").unlink(), "cannot read the words"),
]


@pytest.mark.parametrize(("damage", "told"), IN_DERIVED_FILES)
def test_what_is_made_from_the_plain_files_is_mended_from_them(
    generation: Path,
    corpus: Path,
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    damage: Callable[[Path], object],
    told: str,
) -> None:
    damage(generation)
    assert told in " ".join(problems(index_settings, hashed_words))
    for path in corpus.iterdir():
        path.unlink()
    n_embedded = hashed_words.n_documents
    derive_again(settings=index_settings, model=hashed_words)
    assert problems(index_settings, hashed_words) == []
    assert hashed_words.n_documents == n_embedded
    with closing(Index(index_settings, hashed_words)) as index:
        hits = HybridSearch(index, hashed_words).search("баржа без номера ушла", k=50, filters=Filters())
    assert (len(hits), hits[0].article.source) == (40, "00.txt")


@pytest.mark.parametrize(("damage", "told"), IN_PLAIN_FILES)
def test_damaged_plain_files_are_found_and_built_anew_from_the_articles(
    generation: Path,
    corpus: Path,
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    damage: Callable[[Path], object],
    told: str,
) -> None:
    damage(generation)
    found = problems(index_settings, hashed_words)
    assert told in " ".join(found)
    assert len(found) < 20
    report = build_index([corpus], settings=index_settings, model=hashed_words, anew=True)
    assert (report.n_articles, report.n_embedded) == (40, 40)
    assert problems(index_settings, hashed_words) == []


def test_another_model_is_told(generation: Path, index_settings: IndexSettings) -> None:
    assert "was built with embedding model" in " ".join(problems(index_settings, HashedWordsModel(name="other")))
    with pytest.raises(IndexDamagedError, match="otvet index"):
        derive_again(settings=index_settings, model=HashedWordsModel(name="other"))
