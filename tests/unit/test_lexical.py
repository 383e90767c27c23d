"""The keyword leg against BM25 computed from its formula, and through its files."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import IndexDamagedError
from index.lexical import K1, NAME, Alternatives, B, LexicalIndex, LexicalWriter, chunk_terms
from index.names import name_keys
from index.text import terms

TEXTS = [
    "В порт пришли два судна с зерном. Суда разгрузили за ночь.",
    "Мост закрыли на ремонт, движение пустили в объезд.",
    "На ремонт моста и порта выделили 1 000 рублей. Мост, сказал Чавес, — не порт.",
    "Grain prices fell in the port. Chavez said so.",
    "…",
]
FILES = ["vocabulary.txt", "lengths.i32", "0000/starts.npy", "0000/rows.npy", "0000/counts.npy"]


def save(folder: Path, texts: Sequence[str]) -> LexicalIndex:
    writer = LexicalWriter(folder)
    for text in texts:
        writer.add(text)
    writer.save()
    return read(folder, len(texts))


def read(folder: Path, n_chunks: int = len(TEXTS)) -> LexicalIndex:
    return LexicalIndex(folder, alive=np.ones(n_chunks, np.bool_))


@pytest.fixture
def lexical(tmp_path: Path) -> LexicalIndex:
    return save(tmp_path / "lexical", TEXTS)


@pytest.fixture(scope="module")
def shared_lexical(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    """Of words that are in most chunks and words that are in one."""
    return save(tmp_path_factory.mktemp("shared") / "lexical", TEXTS + ["мост и порт"] * 7)


def plain(query: str) -> list[Alternatives]:
    """Each term of a query, once, standing for itself only."""
    return [{term: 1.0} for term in dict.fromkeys(terms(query))]


class Formula:
    """BM25 in Lucene's form without k1 + 1, over `TEXTS`, written out."""

    def __init__(self) -> None:
        self.documents = [Counter(terms(text)) + Counter("~" + key for key in name_keys(text)) for text in TEXTS]
        self.average = sum(document.total() for document in self.documents) / len(TEXTS)

    def n_with(self, term: str) -> int:
        return sum(term in document for document in self.documents)

    def weight(self, term: str) -> float:
        n = self.n_with(term)
        return math.log(1 + (len(TEXTS) - n + 0.5) / (n + 0.5))

    def score(self, term: str, document: Counter[str]) -> float:
        saturation = K1 * (1 - B + B * document.total() / self.average)
        return self.weight(term) * document[term] / (document[term] + saturation) if document[term] else 0.0

    def of_word(self, alternatives: Alternatives) -> float:
        """The most that a word can give: of its own term where that is known, of the rarest alternative where not."""
        known = [term for term in alternatives if self.n_with(term)]
        own = next(iter(alternatives))
        if own in known or not known:
            return self.weight(own)
        return max(map(self.weight, known))

    def shares(self, query: Sequence[Alternatives]) -> list[float]:
        total = sum(map(self.of_word, query))
        return [sum(self.gives(word, document) for word in query) / total for document in self.documents]

    def gives(self, word: Alternatives, document: Counter[str]) -> float:
        """The best alternative counts; one that is rarer than the word weighs as much as the word."""
        known = {term: weight for term, weight in word.items() if self.n_with(term)}
        return max(
            (
                weight * min(1, self.of_word(word) / self.weight(term)) * self.score(term, document)
                for term, weight in known.items()
            ),
            default=0.0,
        )


@pytest.mark.parametrize(
    "query", ["ремонт моста", "суда с зерном в порту", "зерно и самолёт", "grain port зерно", "1000", "порт порта мост"]
)
def test_shares_are_those_of_the_formula(lexical: LexicalIndex, query: str) -> None:
    expected = Formula().shares(plain(query))
    np.testing.assert_allclose(lexical.shares(plain(query)), expected, rtol=1e-5)
    assert max(expected) > 0


@pytest.mark.parametrize(
    "query",
    [
        [{"chavez": 1.0, "~svs": 0.8}],  # a name's key stands in both alphabets
        [{"chaves": 1.0, "~svs": 0.8}],  # the word itself is in no article
        [{"harbour": 1.0, "порт": 0.5, "port": 0.7}],  # the better of two
        [{"мост": 1.0, "ремонт": 0.9}, {"порт": 1.0, "судн": 0.2}],
        [{"мост": 1.0, "неведом": 0.9}, {"штуковин": 1.0}],
        [{"порт": 1.0, "grain": 0.9}],  # the other is rarer
        [{"порт": 1.0, "grain": 0.9, "объезд": 0.1}, {"ремонт": 1.0, "судн": 1.0}],
    ],
)
def test_of_alternatives_the_best_counts(lexical: LexicalIndex, query: list[Alternatives]) -> None:
    expected = Formula().shares(query)
    np.testing.assert_allclose(lexical.shares(query), expected, rtol=1e-5)
    assert max(expected) > 0


def test_a_share_worked_by_hand(tmp_path: Path) -> None:
    """Three chunks of 2, 4 and 0 terms: 2 on average; "мост" is in both of the first, once and twice."""
    lexical = save(tmp_path / "lexical", ["мост стоит", "мост за мостом, ремонт", ""])
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    rarest = math.log(1 + 3.5 / 0.5)
    first, second = idf * 1 / (1 + 0.6 * (0.5 + 0.5 * 2 / 2)), idf * 2 / (2 + 0.6 * (0.5 + 0.5 * 4 / 2))
    expected = [first / (idf + rarest), second / (idf + rarest), 0]
    np.testing.assert_allclose(lexical.shares([{"мост": 1.0}, {"неведом": 1.0}]), expected, rtol=1e-5)


def test_names_count_into_the_length(tmp_path: Path) -> None:
    """Of two chunks with as many words the one without names is shorter, hence scores higher."""
    lexical = save(tmp_path / "lexical", ["мост видел Чавес", "мост видел человек"])
    with_name, without = lexical.shares([{"мост": 1.0}])
    assert without > with_name > 0
    assert chunk_terms("мост видел Чавес") == ["мост", "видел", "чавес", NAME + "svs"]


def test_the_key_of_a_name_is_no_word(tmp_path: Path) -> None:
    lexical = save(tmp_path / "lexical", ["Чавес", "svs", "~svs"])
    assert lexical.shares([{"~svs": 1.0}])[1:].tolist() == [0, 0]
    assert lexical.shares([{"svs": 1.0}])[0] == 0


def test_shares_of_texts_as_queries_stay_within_0_and_1(lexical: LexicalIndex) -> None:
    for query in (*TEXTS[:4], "ремонт " * 50):
        shares = lexical.shares(plain(query))
        assert (shares.dtype, shares.shape) == (np.float32, (len(TEXTS),))
        assert shares.min() >= 0
        assert 0 < shares.max() < 1


def test_a_rare_alternative_gives_no_more_than_the_whole_word(tmp_path: Path) -> None:
    """A word that most chunks hold weighs little, its rare transcription much: it is still one word of the query."""
    lexical = save(tmp_path / "lexical", ["maduro speaks"] * 8 + ["мадуро говорит"])
    shares = lexical.shares([{"maduro": 1.0, "мадур": 0.8}])
    assert 0 < shares.min()
    assert shares.max() <= 1


WORDS = st.sampled_from(["мост", "порт", "и", "ремонт", "~svs", "port", "судн", "1000", "неведом"])
QUERIES = st.lists(
    st.builds(lambda own, others: {own: 1.0} | others, WORDS, st.dictionaries(WORDS, st.floats(0.01, 1), max_size=3))
)


@settings(deadline=None)
@given(QUERIES)
def test_shares_of_any_query_stay_within_0_and_1(shared_lexical: LexicalIndex, query: list[Alternatives]) -> None:
    shares = shared_lexical.shares(query)
    assert shares.min() >= 0
    assert shares.max() <= 1


@pytest.mark.parametrize("query", ["", "???", "неведомое"])
def test_query_without_known_words_shares_0(lexical: LexicalIndex, query: str) -> None:
    assert lexical.shares(plain(query)).tolist() == [0.0] * len(TEXTS)


def test_unknown_words_lower_the_share(lexical: LexicalIndex) -> None:
    known, more = lexical.shares(plain("ремонт")), lexical.shares(plain("ремонт неведомой штуковины"))
    assert known.max() > more.max() > 0


def test_rows_are_in_the_order_of_adding(lexical: LexicalIndex) -> None:
    assert len(lexical) == len(TEXTS)
    for row, term in enumerate(["судн", "объезд", "рубл", "grain"]):
        assert np.flatnonzero(lexical.shares([{term: 1.0}])).tolist() == [row]


def test_it_knows_its_terms(lexical: LexicalIndex) -> None:
    terms_there = {"мост", NAME + "svs", "chavez"}
    assert lexical.known([*terms_there, "svs", "моста", "", "мост"]) == terms_there
    assert lexical.known([]) == set()


def test_texts_without_a_single_word(tmp_path: Path) -> None:
    lexical = save(tmp_path / "lexical", ["…", "!!!"])
    assert len(lexical) == 2
    assert lexical.shares(plain("мост")).tolist() == [0.0, 0.0]


def test_no_chunks_at_all(tmp_path: Path) -> None:
    lexical = save(tmp_path / "lexical", [])
    assert len(lexical) == 0
    assert lexical.known(["мост"]) == set()
    assert lexical.shares(plain("мост")).shape == (0,)


def test_the_files_are_those_that_the_tests_damage(lexical: LexicalIndex, tmp_path: Path) -> None:
    folder = tmp_path / "lexical"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [None, 0.0, 0.5])
def test_missing_and_truncated_files_are_told(
    lexical: LexicalIndex, tmp_path: Path, name: str, left: float | None
) -> None:
    path = tmp_path / "lexical" / name
    content = path.read_bytes()
    path.unlink() if left is None else path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(IndexDamagedError, match="otvet index"):
        read(tmp_path / "lexical")


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_told(lexical: LexicalIndex, tmp_path: Path, name: str) -> None:
    (tmp_path / "lexical" / name).write_bytes(b"not it")
    with pytest.raises(IndexDamagedError, match="otvet index"):
        read(tmp_path / "lexical")


@pytest.mark.parametrize("n_chunks", [0, 4, 6])
def test_another_number_of_chunks_is_told(lexical: LexicalIndex, tmp_path: Path, n_chunks: int) -> None:
    with pytest.raises(IndexDamagedError, match="otvet index"):
        read(tmp_path / "lexical", n_chunks)


def test_a_vocabulary_that_lacks_a_term_or_has_one_too_many_is_told(lexical: LexicalIndex, tmp_path: Path) -> None:
    path = tmp_path / "lexical" / "vocabulary.txt"
    terms_there = path.read_text().split("\n")
    for damaged in (terms_there[:-1], [*terms_there, "штуковин"]):
        path.write_text("\n".join(damaged))
        with pytest.raises(IndexDamagedError, match="otvet index"):
            read(tmp_path / "lexical")


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(IndexDamagedError, match="otvet index"):
        read(tmp_path / "lexical")
