"""Corpus to generation: what is published, what is refused, and that the old index answers until then."""

import json
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fakes import HashedWordsModel
from index import build_engine, rebuild
from index.embedding import EmbeddingModel
from index.errors import (
    CorpusError,
    IndexDamagedError,
    IndexLockedError,
    IndexMismatchError,
    IndexMissingError,
)
from index.generations import current_generation, generation_names, index_root, read_manifest
from index.rebuild import build_index
from index.records import Filters
from index.report import RebuildReport
from index.search import HybridSearch
from index.sentences import split_sentences
from index.serving import Index
from index.settings import IndexSettings
from processes import writer_elsewhere

ARTICLES = {
    "grain.txt": "date 2024-03-01 В порт пришли два судна с зерном. Их разгрузили за ночь.",
    "bridge.txt": "date 2024-03-05 Старый мост закрыли на ремонт. Движение пустили в объезд.",
    "school.md": "---\ntitle: Школа\npublisher: Вестник\n---\nВ посёлке открыли новую школу.",
}


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    for name, text in ARTICLES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def build(articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel) -> Callable[[], RebuildReport]:
    return lambda: build_index([articles], settings=index_settings, model=hashed_words)


def texts(settings: IndexSettings, model: HashedWordsModel, query: str, filters: Filters | None = None) -> list[str]:
    index = Index(settings, model)
    hits = HybridSearch(index, model).search(query, k=10, filters=filters or Filters())
    index.close()
    return [hit.chunk.text for hit in hits]


def files(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}


def changes(report: RebuildReport) -> dict[str, int]:
    """What happened to articles, as far as anything did."""
    names = ("n_added", "n_changed", "n_unchanged", "n_moved", "n_deleted")
    assert report.n_articles == sum(getattr(report, name) for name in names[:-1])
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_first_build(build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings) -> None:
    report = build()
    assert report.published
    assert changes(report) == {"n_added": 3}
    assert (report.n_articles, report.n_embedded, report.n_duplicates, report.failed) == (3, 3, 0, ())
    assert report.articles_per_second > 0
    manifest = read_manifest(index_root(index_settings.data_dir) / report.generation)
    assert (manifest.n_articles, manifest.n_chunks) == (3, report.n_chunks)
    assert manifest.report["n_added"] == 3
    assert manifest.paths == [str(articles)]


def test_best_hit_first_with_its_article(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    index = Index(index_settings, hashed_words)
    hits = HybridSearch(index, hashed_words).search("ремонт моста", k=2, filters=Filters())
    index.close()
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits[0].score > hits[1].score >= 0
    assert hits[0].article.source == "bridge.txt"
    assert hits[0].article.text[hits[0].chunk.start : hits[0].chunk.end] == hits[0].chunk.text


def test_unchanged_corpus_changes_nothing(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    first = build()
    n_documents = hashed_words.n_documents
    generation = index_root(index_settings.data_dir) / first.generation
    before = files(generation)
    second = build()
    assert (second.published, second.generation, second.n_chunks) == (False, first.generation, first.n_chunks)
    assert changes(second) == {"n_unchanged": 3}
    assert second.n_embedded == 0
    assert hashed_words.n_documents == n_documents
    assert set(files(generation)) == set(before)
    assert generation_names(index_settings.data_dir) == [first.generation]


def test_deleted_and_edited_articles_are_gone(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    (articles / "grain.txt").unlink()
    (articles / "bridge.txt").write_text("Мост открыли вновь.")
    report = build()
    assert changes(report) == {"n_changed": 1, "n_unchanged": 1, "n_deleted": 1}
    assert report.n_embedded == 1
    found = " ".join(texts(index_settings, hashed_words, "мост зерно судна ремонт"))
    assert "открыли вновь" in found
    assert "зерном" not in found
    assert "ремонт" not in found


def test_an_article_that_is_said_to_be_in_another_language_is_changed_but_not_embedded_again(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    n_embedded = hashed_words.n_documents
    (articles / "school.md").write_text(ARTICLES["school.md"].replace("title:", "language: uk\ntitle:"))
    report = build()
    assert (report.published, report.n_changed, report.n_unchanged, report.n_embedded) == (True, 1, 2, 0)
    assert hashed_words.n_documents == n_embedded
    assert texts(index_settings, hashed_words, "школа", Filters(language="uk")) == ["В посёлке открыли новую школу."]
    assert not build().published


def test_same_content_twice_is_one_article(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    (articles / "again.txt").write_text(ARTICLES["grain.txt"])
    report = build()
    assert (report.n_articles, report.n_duplicates) == (3, 1)
    assert len([text for text in texts(index_settings, hashed_words, "зерно") if "зерном" in text]) == 1


def test_a_moved_article_is_not_embedded_again_and_told_from_where_it_is(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    n_documents = hashed_words.n_documents
    (articles / "sub").mkdir()
    (articles / "grain.txt").rename(articles / "sub" / "wheat.txt")
    report = build()
    assert changes(report) == {"n_moved": 1, "n_unchanged": 2}
    assert (report.published, report.n_embedded, hashed_words.n_documents) == (True, 0, n_documents)
    with closing(Index(index_settings, hashed_words)) as index:
        hits = HybridSearch(index, hashed_words).search("зерно", k=1, filters=Filters())
    assert hits[0].article.source == "sub/wheat.txt"


def test_only_what_is_new_is_embedded(
    build: Callable[[], RebuildReport], articles: Path, hashed_words: HashedWordsModel
) -> None:
    build()
    n_documents = hashed_words.n_documents
    (articles / "snow.txt").write_text("Снег растаял за день. Реки вышли из берегов.")
    report = build()
    assert changes(report) == {"n_added": 1, "n_unchanged": 3}
    assert (report.n_embedded, hashed_words.n_documents - n_documents) == (1, 2)


def test_anew_all_is_embedded_again(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    first = build()
    report = build_index([articles], settings=index_settings, model=hashed_words, anew=True)
    assert changes(report) == {"n_unchanged": 3}
    assert (report.published, report.n_embedded, report.n_chunks) == (True, 3, first.n_chunks)
    assert len(texts(index_settings, hashed_words, "зерно")) == 3


def test_two_files_that_people_know_by_one_name(
    tmp_path: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Of two folders that are given: of what changed in their place and of what came there each counts once."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "a.txt").write_text("Мост закрыли.")
    build_index(folders, settings=index_settings, model=hashed_words)
    (folders[0] / "a.txt").write_text("Мост открыли.")
    (folders[1] / "a.txt").write_text("Мост открыли вновь.")
    report = build_index(folders, settings=index_settings, model=hashed_words)
    assert changes(report) == {"n_changed": 1, "n_added": 1}
    (folders[0] / "a.txt").unlink()
    (folders[1] / "a.txt").write_text("Мост снова закрыли.")
    report = build_index(folders, settings=index_settings, model=hashed_words)
    assert changes(report) == {"n_changed": 1, "n_deleted": 1}


def test_bad_article_is_named_and_the_rest_indexed(build: Callable[[], RebuildReport], articles: Path) -> None:
    (articles / "rows.jsonl").write_text('{"text": "Снег растаял за день."}\n{"text": 5}\n')
    (articles / "empty.txt").touch()
    report = build()
    assert report.n_articles == 4
    assert [(item.source, item.line) for item in report.failed] == [("empty.txt", None), ("rows.jsonl", 2)]
    again = build()
    assert (again.published, again.failed) == (False, report.failed)


@pytest.mark.parametrize("emptied", [True, False])
def test_corpus_without_articles_leaves_the_index(
    build: Callable[[], RebuildReport],
    articles: Path,
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    emptied: bool,
) -> None:
    first = build()
    for path in articles.iterdir():
        path.unlink() if emptied else path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CorpusError, match="stays as it is"):
        build()
    assert current_generation(index_settings.data_dir) == first.generation
    assert len(texts(index_settings, hashed_words, "зерно")) == 3


def test_build_that_fails_leaves_the_index(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    first = build()
    (articles / "new.txt").write_text("Новая статья о погоде.")

    class Failing(HashedWordsModel):
        def encode_passages(self, texts: object) -> object:
            raise MemoryError("no memory left")

    with pytest.raises(MemoryError):
        build_index([articles], settings=index_settings, model=Failing())
    assert current_generation(index_settings.data_dir) == first.generation
    assert sorted(path.name for path in index_root(index_settings.data_dir).iterdir()) == [
        "CURRENT",
        "building",
        first.generation,
        "sources.sqlite",
        "writer.lock",
    ]
    assert len(texts(index_settings, hashed_words, "зерно погода")) == 3
    assert changes(build()) == {"n_added": 1, "n_unchanged": 3}
    assert not (index_root(index_settings.data_dir) / "building").exists()
    assert len(texts(index_settings, hashed_words, "зерно погода")) == 4


def test_other_model_or_chunk_size_is_refused_with_the_command(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    with pytest.raises(IndexMismatchError, match=r"'hashed-words'.*'other'.*otvet index"):
        Index(index_settings, HashedWordsModel(name="other"))
    smaller = index_settings.model_copy(update={"chunk_max_tokens": 64})
    with pytest.raises(IndexMismatchError, match=r"chunk_max_tokens 384, now it is 64.*otvet index"):
        Index(smaller, hashed_words)
    assert build_index([articles], settings=smaller, model=hashed_words).published
    assert len(texts(smaller, hashed_words, "зерно")) == 3


def test_no_index_yet_names_the_command(index_settings: IndexSettings, hashed_words: HashedWordsModel) -> None:
    with pytest.raises(IndexMissingError, match="otvet index"):
        Index(index_settings, hashed_words)


READ = [
    "manifest.json",
    "articles.sqlite",
    "texts.utf8",
    "chroma/0000/chroma.sqlite3",
    "lexical/vocabulary.txt",
    "lexical/lengths.i32",
    *[f"lexical/0000/{name}.npy" for name in ("starts", "rows", "counts")],
    *[f"vectors/{name}" for name in ("chunks.rows", "chunk_vectors.f32", "sentences.i32", "sentence_vectors.f16")],
    *[f"words/{name}.npy" for name in ("terms", "vectors", "means")],
    *[f"late/{name}" for name in ("word_ends.i64", "word_starts.i32", "states.u4")],
]
FOR_THE_NEXT_BUILD = [f"words/{name}" for name in ("all_terms.txt", "counts.npy", "sums.i32")]
DAMAGES: list[Callable[[bytes], bytes | None]] = [
    lambda content: b"",
    lambda content: b"not what it was",
    lambda content: content[: len(content) // 2],
    lambda content: None,
]


def damage(path: Path, content: bytes | None) -> None:
    """The file alone, which other generations may share."""
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


def test_the_files_of_a_generation_are_those_that_the_tests_damage(
    build: Callable[[], RebuildReport], index_settings: IndexSettings
) -> None:
    """But for those of Chroma's graph, which it writes from a thousand chunks on."""
    folder = index_root(index_settings.data_dir) / build().generation
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith(".bin")} == {*READ, *FOR_THE_NEXT_BUILD}


@pytest.mark.parametrize("name", READ)
def test_damaged_generation_is_told_and_mended_by_a_build(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel, name: str
) -> None:
    for mended_of in (2, 4):
        path = index_root(index_settings.data_dir) / build().generation / name
        content = path.read_bytes()
        for how in DAMAGES[:mended_of]:
            damage(path, how(content))
            with pytest.raises(IndexDamagedError, match="otvet index"):
                Index(index_settings, hashed_words)
        assert build().published
        assert len(texts(index_settings, hashed_words, "зерно")) == 3


def words_of(generation: Path) -> dict[str, list[float]]:
    terms, vectors = (np.load(generation / "words" / name) for name in ("terms.npy", "vectors.npy"))
    return dict(zip(terms.tolist(), vectors.tolist(), strict=True))


@pytest.mark.parametrize("name", FOR_THE_NEXT_BUILD)
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_that_only_the_next_build_meets_is_mended_by_it(
    build: Callable[[], RebuildReport],
    articles: Path,
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    name: str,
    how: Callable[[bytes], bytes | None],
) -> None:
    """Nothing is embedded for that."""
    root = index_root(index_settings.data_dir)
    path = root / build().generation / name
    damage(path, how(path.read_bytes()))
    (articles / "snow.txt").write_text("Снег растаял за день.")
    assert build().n_embedded == 1
    mended = words_of(root / build().generation)
    fresh = words_of(root / build_index([articles], settings=index_settings, model=hashed_words, anew=True).generation)
    assert mended.keys() == fresh.keys()
    for term, vector in fresh.items():
        np.testing.assert_allclose(mended[term], vector, atol=1e-5)


def test_damaged_graph_of_a_large_index_is_told_and_mended_by_a_build(
    articles: Path, build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    rows = [json.dumps({"text": f"Выпуск номер {number}.", "language": "ru"}) for number in range(1100)]
    (articles / "many.jsonl").write_text("\n".join(rows))
    (path,) = (index_root(index_settings.data_dir) / build().generation).glob("chroma/0000/*/header.bin")
    path.unlink()
    with pytest.raises(IndexDamagedError, match="otvet index"):
        texts(index_settings, hashed_words, "зерно")
    assert build().published
    assert "зерном" in texts(index_settings, hashed_words, "зерно")[0]


def test_generation_of_an_older_otvet_is_told_and_replaced(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    path = index_root(index_settings.data_dir) / build().generation / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 1}))
    with pytest.raises(IndexDamagedError, match=r"format 1.*otvet index"):
        Index(index_settings, hashed_words)
    assert build().published
    assert len(texts(index_settings, hashed_words, "зерно")) == 3


def test_sentences_are_kept_with_their_vectors(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """Of an article of several chunks, too; a part of it has the sentences of the chunks that lie in it."""
    (articles / "long.txt").write_text(" ".join(f"Выпуск {n} вышел в срок, как и обещал редактор." for n in range(99)))
    build()
    with closing(Index(index_settings, hashed_words)) as index, index.lease() as generation:
        for article in generation.articles.all():
            found, vectors = index.sentences(article.article_id, 0, len(article.text))
            assert found == split_sentences(article.text)
            expected = hashed_words.encode_documents([article.text[start:end] for start, end in found])
            np.testing.assert_allclose(vectors, expected, atol=1e-3)
        (long,) = [article for article in generation.articles.all() if article.source == "long.txt"]
        rows = generation.vectors.rows_in(generation.columns.position(long.article_id) or 0, 0, len(long.text))
        assert len(rows) > 1
        second = generation.vectors.place(rows[1])
        part, vectors = index.sentences(long.article_id, second.start, second.end)
        assert (part[0].start, part[-1].end, len(vectors)) == (second.start, second.end, len(part))
        for absent in (("f" * 16, 0, 9), (long.article_id, 0, 9)):
            none, vectors = index.sentences(*absent)
            assert (none, vectors.shape) == ([], (0, hashed_words.dim))


def test_sentences_are_judged_by_cosine_and_by_their_words(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    """The fake model gives equal words equal states, so a sentence with the query's words has a MaxSim of nearly 1."""
    texts = [f"Выпуск {n} вышел в срок, как и обещал редактор." for n in range(60)]
    texts[41] = "Баржа с углём встала на мель у плотины."
    (articles / "long.txt").write_text(" ".join(texts))
    build()
    query = "баржа на мель у плотины"
    encoding = hashed_words.encode_query(query)
    with closing(Index(index_settings, hashed_words)) as index, index.lease() as generation:
        (long,) = [article for article in generation.articles.all() if article.source == "long.txt"]
        judged = index.judge_sentences(query, encoding, long.article_id, 0, len(long.text))
        spans, vectors = index.sentences(long.article_id, 0, len(long.text))
        assert judged.spans == spans
        np.testing.assert_allclose(judged.cosines, vectors @ encoding.vector, atol=1e-6)
        assert int(judged.max_sims.argmax()) == 41
        assert judged.max_sims[41] > 0.9 > 0.5 > np.delete(judged.max_sims, 41).max()
        none = index.judge_sentences(query, encoding, "f" * 16, 0, 9)
        assert (none.spans, none.cosines.shape, none.max_sims.shape) == ([], (0,), (0,))


def test_manifest_that_lies_about_its_counts_is_told(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    path = index_root(index_settings.data_dir) / build().generation / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "n_chunks": 99}))
    with pytest.raises(IndexDamagedError, match="99"):
        Index(index_settings, hashed_words)


def test_second_writer_is_told_who_holds_the_lock(
    build: Callable[[], RebuildReport], index_settings: IndexSettings
) -> None:
    with writer_elsewhere(index_settings.data_dir) as holder:
        with pytest.raises(IndexLockedError, match=f"process {holder.pid}"):
            build()
        holder.communicate()
    assert build().published


def test_open_index_follows_a_new_generation_and_a_lease_keeps_the_old(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    first = build()
    index = Index(index_settings, hashed_words)
    search = HybridSearch(index, hashed_words)
    with index.lease() as held:
        (articles / "snow.txt").write_text("Снег растаял за один день.")
        second = build()
        assert held.name == first.generation
        with index.lease() as now:
            assert now.name == second.generation
        assert held.articles.n_articles == held.chunks.count() == 3
        assert generation_names(index_settings.data_dir) == [first.generation, second.generation]
    assert generation_names(index_settings.data_dir) == [second.generation]
    assert search.search("снег растаял", k=1, filters=Filters())[0].article.source == "snow.txt"
    index.close()


def test_open_index_goes_on_when_the_new_generation_is_for_another_model(
    build: Callable[[], RebuildReport],
    articles: Path,
    index_settings: IndexSettings,
    hashed_words: HashedWordsModel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = build()
    index = Index(index_settings, hashed_words)
    build_index([articles], settings=index_settings, model=HashedWordsModel(name="other"))
    for _ in range(3):
        with index.lease() as generation:
            assert generation.name == first.generation
    assert caplog.text.count("cannot serve") == 1
    index.close()


def test_questions_while_generations_change(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    build()
    index = Index(index_settings, hashed_words)
    search = HybridSearch(index, hashed_words)
    stop, failures, n_searches = threading.Event(), list[BaseException](), 0

    def ask() -> None:
        nonlocal n_searches
        while not stop.is_set():
            try:
                hits = search.search("зерно", k=5, filters=Filters())
                assert "зерном" in hits[0].chunk.text
                n_searches += 1
            except BaseException as exc:
                failures.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        (articles / "extra.txt").write_text(f"Выпуск номер {number}.")
        build()
    stop.set()
    for thread in threads:
        thread.join()
    index.close()
    assert failures == []
    assert n_searches > 10


def test_filters_are_exact(
    build: Callable[[], RebuildReport], index_settings: IndexSettings, hashed_words: HashedWordsModel
) -> None:
    from datetime import date

    build()
    march_first = Filters(published_from=date(2024, 3, 1), published_to=date(2024, 3, 1))
    assert ["зерном" in text for text in texts(index_settings, hashed_words, "мост", march_first)] == [True]
    assert len(texts(index_settings, hashed_words, "мост", Filters(published_from=date(2024, 3, 2)))) == 1
    assert len(texts(index_settings, hashed_words, "мост", Filters(published_to=date(2024, 3, 5)))) == 2
    assert texts(index_settings, hashed_words, "мост", Filters(publisher="Вестник")) == [
        "В посёлке открыли новую школу."
    ]
    assert texts(index_settings, hashed_words, "мост", Filters(publisher="Никто")) == []


def test_progress_is_told_to_the_end(
    articles: Path, index_settings: IndexSettings, hashed_words: HashedWordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "ARTICLES_AT_ONCE", 2)
    monkeypatch.setattr(build_engine, "ARTICLES_AT_ONCE", 2)
    told: list[tuple[str, int, int]] = []
    build_index([articles], settings=index_settings, model=hashed_words, progress=lambda *values: told.append(values))
    assert list(dict.fromkeys(told)) == [
        ("read", 1, 0),
        ("read", 2, 0),
        ("read", 3, 0),
        ("embed", 2, 3),
        ("embed", 3, 3),
        ("words", 3, 6),
        ("words", 6, 6),
        ("store", 3, 3),
    ]


def test_words_find_what_meaning_ranks_last(
    build: Callable[[], RebuildReport], articles: Path, index_settings: IndexSettings, model: EmbeddingModel
) -> None:
    """An exact name wins among forty look-alikes, of which the dense leg knows no difference."""
    for number in range(40):
        (articles / f"flight{number}.txt").write_text(f"Самолёт Ту-{300 + number} сел в порту по расписанию.")
    build_index([articles], settings=index_settings, model=model)
    index = Index(index_settings, model)
    for number in (0, 17, 39):
        hits = HybridSearch(index, model).search(f"Когда сел Ту-{300 + number}?", k=3, filters=Filters())
        assert f"Ту-{300 + number}" in hits[0].chunk.text
    index.close()
