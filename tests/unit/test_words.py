"""Words that are near in meaning: by vectors that are known, and by those of the real model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fakes import DIM, HashedWordsModel
from index import words
from index.embedding import EmbeddingModel, Vectors
from index.encoding import Encoding
from index.errors import IndexDamagedError
from index.late_interaction import pack
from index.sentences import Span
from index.words import (
    MIN_OF_BEST,
    MIN_SIMILARITY,
    NEAREST,
    WordIndex,
    WordWriter,
    content_words,
    mean_states,
)

SENTENCES = [
    "Вечером в порт пришли два судна с зерном.",
    "Зерно выгрузили на склад за одну ночь.",
    "Старый мост через реку закрыли на ремонт.",
    "Ремонт моста продлится до осени, сказал губернатор.",
    "В посёлке открыли новую школу на триста учеников.",
    "Учителя школы получили квартиры.",
    "Врачи советуют больше спать и гулять.",
    "Экспорт нефти вырос, а газа сократился.",
    "Полиция задержала троих подозреваемых в краже.",
    "Grain prices rose in the spring.",
    "The mayor opened a bridge across the river.",
]
FILES = ["terms.npy", "vectors.npy", "means.npy"]


class Bilingual(HashedWordsModel):
    """Gives some English words the vectors of the Russian ones that they mean."""

    MEANINGS = {"grain": "зерно", "wheat": "зерно", "bridge": "мост", "repaired": "ремонт", "the": "школа"}

    def _vector(self, text: str) -> Vectors:
        return super()._vector(" ".join(self.MEANINGS.get(word, word) for word in text.lower().split()))


def save(folder: Path, model: EmbeddingModel, chunks: Sequence[str]) -> WordIndex:
    means = mean_states(model)
    writer = WordWriter(folder, means)
    for chunk, encoding in zip(chunks, model.encode_passages(chunks), strict=True):
        content = content_words(chunk, encoding, means)
        writer.add(content.words, pack(content.states))
    writer.save()
    return WordIndex.read(folder)


def near(index: WordIndex, model: EmbeddingModel, query: str, *known: str) -> dict[str, dict[str, float]]:
    return index.nearest(query, model.encode_query(query), known=set(known))


@pytest.fixture
def bilingual() -> Bilingual:
    return Bilingual()


@pytest.fixture
def index(tmp_path: Path, bilingual: Bilingual) -> WordIndex:
    return save(tmp_path / "words", bilingual, SENTENCES)


class TestNearest:
    def test_an_english_word_finds_the_russian_stem(self, index: WordIndex, bilingual: Bilingual) -> None:
        found = near(index, bilingual, "Is the bridge repaired?")
        assert set(found) == {"bridge", "repaired"}
        assert set(found["bridge"]) == {"мост", "bridg"}
        assert set(found["repaired"]) == {"ремонт"}

    def test_a_word_that_is_in_the_articles_finds_the_other_alphabet_only(
        self, index: WordIndex, bilingual: Bilingual
    ) -> None:
        assert set(near(index, bilingual, "grain", "grain")["grain"]) == {"зерн"}
        assert set(near(index, bilingual, "grain")["grain"]) == {"зерн", "grain"}
        assert set(near(index, bilingual, "Зерно", "зерно")["зерно"]) == {"grain"}
        assert set(near(index, bilingual, "Зерно")["зерно"]) == {"зерн", "grain"}

    def test_a_word_that_no_article_has_finds_what_is_near(self, index: WordIndex, bilingual: Bilingual) -> None:
        assert set(near(index, bilingual, "wheat")["wheat"]) == {"зерн", "grain"}

    def test_a_word_with_nothing_near_has_none(self, index: WordIndex, bilingual: Bilingual) -> None:
        assert near(index, bilingual, "подводник") == {"подводник": {}}

    @pytest.mark.parametrize("query", ["The", "что было", "it is in the", "", "?", "42, 100 %"])
    def test_stop_words_and_what_is_no_word_have_none(self, index: WordIndex, bilingual: Bilingual, query: str) -> None:
        assert near(index, bilingual, query) == {}

    def test_words_are_folded_and_come_once(self, index: WordIndex, bilingual: Bilingual) -> None:
        found = near(index, bilingual, "Ёж, ёж и GRAIN: grain?")
        assert set(found) == {"еж", "grain"}
        assert "зерн" in found["grain"]

    def test_stop_words_of_the_articles_are_not_found(self, tmp_path: Path, bilingual: Bilingual) -> None:
        """«the» stands for «школа» here, and is in two sentences."""
        index = save(tmp_path / "words", bilingual, [*SENTENCES[:4], *SENTENCES[-2:]])
        assert near(index, bilingual, "школа") == {"школа": {}}

    def test_similarities_are_few_and_in_their_range(self, tmp_path: Path, hashed_words: HashedWordsModel) -> None:
        """The fake model knows the first five letters of a word only, so nine stems have one vector."""
        alike = [f"корабл{letter}" for letter in "бвгджзклм"]
        index = save(tmp_path / "words", hashed_words, [*SENTENCES, " ".join(alike)])
        found = near(index, hashed_words, "корабельный")["корабельный"]
        assert len(found) == NEAREST
        assert set(found) <= set(alike)
        assert all(MIN_SIMILARITY <= similarity <= 1 + 1e-6 for similarity in found.values())

    def test_what_is_far_behind_the_best_is_left_out(self, tmp_path: Path) -> None:
        """Beside a stem of the same vector, cosines of 0.8 and 0.5 with the word that is asked for."""
        axes = np.eye(DIM, dtype=np.float32)
        mixed = [0.8 * axes[0] + 0.6 * axes[1], 0.5 * axes[0] + 0.75**0.5 * axes[2]]
        fillers = [f"слово{letter}" for letter in "абвгдежзиклмнопрстуфхцчшщэюя"]  # whose mean is near 0
        vectors = dict(zip(fillers, [*axes[10 : 10 + len(fillers) // 2], *-axes[10:]], strict=False))
        vectors |= {"ближний": axes[0], "средний": mixed[0], "дальний": mixed[1]}
        writer = WordWriter(tmp_path / "words", mean_states(HashedWordsModel()))
        for word, vector in vectors.items():
            writer.add([word], pack(vector[None]))
        writer.save()
        index = WordIndex.read(tmp_path / "words")
        asked = Encoding(axes[0], (Span(0, 5),), axes[:1])
        found = index.nearest("port?", asked, known=set())["port?"]
        assert list(sorted(found, key=found.__getitem__)) == ["средн", "ближн"]
        assert 0.5 / max(found.values()) < MIN_OF_BEST < 0.8 / max(found.values())


class TestWriter:
    @pytest.mark.parametrize("at_once", [1, 7, 1000])
    def test_a_word_is_the_mean_of_all_its_chunks(
        self, tmp_path: Path, bilingual: Bilingual, monkeypatch: pytest.MonkeyPatch, at_once: int
    ) -> None:
        """However many are added up at once."""
        together = save(tmp_path / "together", bilingual, SENTENCES)
        monkeypatch.setattr(words, "WORDS_AT_ONCE", at_once)
        apart = save(tmp_path / "apart", bilingual, SENTENCES)
        for query in ("grain", "мост", "Is the bridge repaired?"):
            assert near(apart, bilingual, query) == near(together, bilingual, query)

    def test_a_mean_is_that_of_the_formula(self, tmp_path: Path) -> None:
        """Of random states, as far as 4 bits tell; all words are of one alphabet and have one mean."""
        states = np.random.default_rng(1).standard_normal((30, 384)).astype(np.float32)
        states /= np.linalg.norm(states, axis=1, keepdims=True)
        asked = ["мост", "порт", "зерно"]
        writer = WordWriter(tmp_path / "words", np.zeros((2, 384), np.float32))
        for at in range(0, 30, 3):
            writer.add(asked, pack(states[at : at + 3]))
        writer.save()
        expected = states.reshape(10, 3, 384).mean(axis=0) - states.mean(axis=0)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        query = Encoding(expected[0], tuple(Span(*at) for at in ((0, 4), (5, 9), (10, 15))), expected)
        found = WordIndex.read(tmp_path / "words").nearest(" ".join(asked), query, known=set())
        for word, stem in zip(asked, ["мост", "порт", "зерн"], strict=True):
            assert found[word] == {stem: pytest.approx(1, abs=0.02)}

    def test_the_most_frequent_words_are_kept(
        self, tmp_path: Path, bilingual: Bilingual, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(words, "MAX_WORDS", 3)
        counted = ["ремонт порт школа", "мост школа", "мост зерно зерно", "мост зерно школа ремонт"]  # 2, 1, 3, 3, 3
        index = save(tmp_path / "words", bilingual, counted)
        found = {word: near(index, bilingual, word)[word] for word in ("ремонт", "порт", "школа", "мост", "зерно")}
        assert {word for word, stems in found.items() if stems} == {"школа", "мост", "зерно"}

    def test_many_words(self, tmp_path: Path, hashed_words: HashedWordsModel) -> None:
        letters = "абвгдежзиклмнопрстуф"
        many = [a + b + c for a in letters for b in letters for c in letters][:3000]
        index = save(tmp_path / "words", hashed_words, [" ".join(many[at : at + 50]) for at in range(0, 3000, 50)])
        for word in (many[0], many[1023], many[1024], many[2999]):
            found = near(index, hashed_words, word)[word]
            assert max(found.values()) > 0.9

    def test_an_endless_word_does_not_lengthen_all_others(self, tmp_path: Path, bilingual: Bilingual) -> None:
        save(tmp_path / "plain", bilingual, SENTENCES)
        save(tmp_path / "with", bilingual, [*SENTENCES, "Ы" * 10_000])
        plain, with_it = ((tmp_path / folder / "terms.npy").stat().st_size for folder in ("plain", "with"))
        assert with_it < 2 * plain

    @pytest.mark.parametrize("sentences", [[], ["…", "42"], ["что было"]])
    def test_no_words_at_all(self, tmp_path: Path, bilingual: Bilingual, sentences: list[str]) -> None:
        assert near(save(tmp_path / "words", bilingual, sentences), bilingual, "grain") == {}

    def test_a_single_word(self, tmp_path: Path, bilingual: Bilingual) -> None:
        """Less its own mean nothing is left of it."""
        assert near(save(tmp_path / "words", bilingual, ["зерно"]), bilingual, "grain") == {"grain": {}}

    def test_a_model_that_cannot_tell_words(self, tmp_path: Path) -> None:
        class Wordless(HashedWordsModel):
            def encode_query(self, text: str) -> Encoding:
                return Encoding(self._vector(text), (), np.empty((0, DIM), np.float32))

        assert near(save(tmp_path / "words", Wordless(), SENTENCES), Wordless(), "grain") == {}


class TestDamaged:
    def assert_told(self, folder: Path) -> None:
        with pytest.raises(IndexDamagedError, match=r"words.*run: otvet index"):
            WordIndex.read(folder)

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("n_left", [None, 0, 1, 100, -1])
    def test_missing_and_truncated_files(self, index: WordIndex, tmp_path: Path, name: str, n_left: int | None) -> None:
        path = tmp_path / "words" / name
        content = path.read_bytes()
        path.unlink() if n_left is None else path.write_bytes(content[:n_left])
        self.assert_told(tmp_path / "words")

    @pytest.mark.parametrize("name", FILES)
    def test_file_of_something_else(self, index: WordIndex, tmp_path: Path, name: str) -> None:
        (tmp_path / "words" / name).write_bytes(b"not what it was")
        self.assert_told(tmp_path / "words")

    @pytest.mark.parametrize("name", ["terms.npy", "vectors.npy"])
    def test_file_of_another_generation(
        self, index: WordIndex, tmp_path: Path, bilingual: Bilingual, name: str
    ) -> None:
        save(tmp_path / "other", bilingual, SENTENCES[:5])
        (tmp_path / "words" / name).write_bytes((tmp_path / "other" / name).read_bytes())
        self.assert_told(tmp_path / "words")

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("other", FILES)
    def test_file_in_the_place_of_another(self, index: WordIndex, tmp_path: Path, name: str, other: str) -> None:
        if name != other:
            (tmp_path / "words" / name).write_bytes((tmp_path / "words" / other).read_bytes())
            self.assert_told(tmp_path / "words")

    def test_missing_folder(self, tmp_path: Path) -> None:
        self.assert_told(tmp_path / "words")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> WordIndex:
    """The words of `SENTENCES` as the bundled model sees them."""
    return save(tmp_path_factory.mktemp("real") / "words", model, SENTENCES)


class TestRealModel:
    @pytest.mark.parametrize(
        ("query", "word", "stem"),
        [
            ("Who arrived at the port with grain?", "grain", "зерн"),
            ("Who arrived at the port with grain?", "port", "порт"),
            ("When will the bridge be repaired?", "repaired", "ремонт"),
            ("What do doctors advise?", "doctors", "врач"),
            ("school", "school", "школ"),
            ("police", "police", "полиц"),
        ],
    )
    def test_an_english_word_finds_the_russian_stem(
        self, real: WordIndex, model: EmbeddingModel, query: str, word: str, stem: str
    ) -> None:
        found = near(real, model, query)[word]
        cyrillic = {other: similarity for other, similarity in found.items() if not other.isascii()}
        assert max(cyrillic, key=cyrillic.__getitem__) == stem

    def test_a_russian_word_finds_the_english_stem(self, real: WordIndex, model: EmbeddingModel) -> None:
        found = set(near(real, model, "Сколько стоит зерно?", "зерно", "стоит", "сколько")["зерно"])
        assert "grain" in found
        assert found <= {"grain", "price"}

    def test_a_word_in_the_articles_finds_its_own_stem_unless_known(
        self, real: WordIndex, model: EmbeddingModel
    ) -> None:
        found = near(real, model, "Когда починят мост?")["мост"]
        assert max(found, key=found.__getitem__) == "мост"
        assert "мост" not in near(real, model, "Когда починят мост?", "мост")["мост"]

    def test_questions_words_find_nothing(self, real: WordIndex, model: EmbeddingModel) -> None:
        assert set(near(real, model, "What is it, and who was there?")) == set()
