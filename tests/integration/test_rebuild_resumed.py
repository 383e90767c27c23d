"""What a build that was broken off leaves: the next one goes on with it where it fits, and else begins again."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from fakes import HashedWordsModel
from index import build_engine, rebuild
from index.drafts import STAMP, stamp_of
from index.encoding import Encoding
from index.errors import CorpusError
from index.generations import BUILDING, current_generation, generation_names, index_root
from index.rebuild import build_index
from index.records import Filters
from index.report import RebuildReport
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings

FIRST, MORE = range(4), range(4, 10)


def text(number: int) -> str:
    return f"Статья {number} говорит о мосте у деревни {'абвгдежзик'[number] * 7}."


class BreaksOff(HashedWordsModel):
    """Embeds a passage of each of so many articles and no more."""

    def __init__(self, n_articles: int, *, name: str = "hashed-words") -> None:
        super().__init__(name=name)
        self.n_left = n_articles

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        self.n_left -= len(texts)
        if self.n_left < 0:
            raise RuntimeError("broken off")
        return super().encode_passages(texts)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "ARTICLES_AT_ONCE", 2)
    monkeypatch.setattr(build_engine, "ARTICLES_AT_ONCE", 2)


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    return folder


@pytest.fixture
def build(articles: Path, index_settings: IndexSettings) -> Callable[..., RebuildReport]:
    def build(model: HashedWordsModel | None = None, **changed: int) -> RebuildReport:
        settings = index_settings.model_copy(update=changed)
        return build_index([articles], settings=settings, model=model or HashedWordsModel())

    return build


@pytest.fixture
def left(build: Callable[..., RebuildReport], articles: Path, index_settings: IndexSettings) -> Path:
    """A draft of an index of four articles, to which four of six more were added."""
    write(articles, *FIRST)
    build()
    write(articles, *MORE)
    with pytest.raises(RuntimeError, match="broken off"):
        build(BreaksOff(5))
    draft = index_root(index_settings.data_dir) / BUILDING
    assert stamp_of(draft) is not None
    return draft


def write(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / f"{number}.txt").write_text(text(number))


def found(settings: IndexSettings, model: HashedWordsModel | None = None) -> list[str]:
    """Texts of all articles, as a search meets them."""
    model = model or HashedWordsModel()
    with closing(Index(settings, model)) as index:
        hits = HybridSearch(index, model).search("мост у деревни", k=50, filters=Filters())
    return sorted(one.chunk.text for hit in hits for one in (hit, *hit.repeats))


def test_what_serves_is_as_it_was(left: Path, index_settings: IndexSettings) -> None:
    assert found(index_settings) == [text(number) for number in FIRST]


def test_only_what_is_missing_is_embedded(
    left: Path, build: Callable[..., RebuildReport], index_settings: IndexSettings
) -> None:
    model = HashedWordsModel()
    report = build(model)
    assert (report.n_embedded, model.n_documents) == (2, 2)
    assert (report.n_added, report.n_unchanged, report.n_articles) == (6, 4, 10)
    assert found(index_settings) == [text(number) for number in range(10)]
    assert not left.exists()


def test_it_may_be_broken_off_again_and_again(
    build: Callable[..., RebuildReport], articles: Path, index_settings: IndexSettings
) -> None:
    write(articles, *range(10))
    for _ in range(4):
        with pytest.raises(RuntimeError, match="broken off"):
            build(BreaksOff(3))
    report = build(BreaksOff(3))
    assert (report.n_embedded, report.n_added, report.generation) == (2, 10, "g-0001")
    assert found(index_settings) == [text(number) for number in range(10)]


def test_what_changed_meanwhile_is_taken_in(
    left: Path, build: Callable[..., RebuildReport], articles: Path, index_settings: IndexSettings
) -> None:
    """One of those in the draft, one of those that serve, and one that neither has."""
    (articles / "4.txt").unlink()
    (articles / "0.txt").unlink()
    (articles / "5.txt").write_text("Совсем другой мост у деревни.")
    (articles / "6.txt").rename(articles / "z.txt")
    report = build()
    assert (report.n_embedded, report.n_articles) == (3, 8)
    assert (report.n_added, report.n_changed, report.n_deleted, report.n_unchanged) == (5, 0, 1, 3)
    assert found(index_settings) == sorted(
        [*(text(number) for number in (1, 2, 3, 6, 7, 8, 9)), "Совсем другой мост у деревни."]
    )


def test_where_all_is_as_it_was_nothing_of_the_draft_is_left(
    left: Path, build: Callable[..., RebuildReport], articles: Path, index_settings: IndexSettings
) -> None:
    for number in MORE:
        (articles / f"{number}.txt").unlink()
    report = build()
    assert (report.n_embedded, report.n_unchanged, report.n_articles) == (0, 4, 4)
    assert found(index_settings) == [text(number) for number in FIRST]
    assert not left.exists()
    assert generation_names(index_settings.data_dir) == [report.generation]


def test_a_corpus_without_articles_leaves_the_draft(
    left: Path, build: Callable[..., RebuildReport], articles: Path
) -> None:
    for number in range(10):
        (articles / f"{number}.txt").unlink()
    with pytest.raises(CorpusError):
        build()
    write(articles, *range(10))
    assert build().n_embedded == 2


def test_of_another_model_it_is_dropped(
    left: Path, build: Callable[..., RebuildReport], index_settings: IndexSettings
) -> None:
    other = HashedWordsModel(name="other")
    assert build(other).n_embedded == 10
    assert found(index_settings, other) == [text(number) for number in range(10)]


def test_of_another_chunk_size_it_is_dropped(left: Path, build: Callable[..., RebuildReport]) -> None:
    assert build(chunk_max_tokens=64).n_embedded == 10


def test_anew_it_is_dropped(left: Path, articles: Path, index_settings: IndexSettings) -> None:
    report = build_index([articles], settings=index_settings, model=HashedWordsModel(), anew=True)
    assert report.n_embedded == 10
    assert found(index_settings) == [text(number) for number in range(10)]


@pytest.mark.parametrize(
    "changed",
    [{"format_version": 0}, {"base": "g-0000"}, {"base": None}, {"embedding_checksum": ""}, {"dim": 4}, {"more": 1}],
)
def test_of_another_stamp_it_is_dropped(
    left: Path, build: Callable[..., RebuildReport], index_settings: IndexSettings, changed: dict[str, object]
) -> None:
    stamp = left / STAMP
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | changed))
    assert build().n_embedded == 6
    assert found(index_settings) == [text(number) for number in range(10)]


@pytest.mark.parametrize("name", [STAMP, "articles.sqlite", "texts.utf8", "vectors/chunks.rows", "late/states.u4"])
def test_one_that_cannot_be_gone_on_with_is_dropped(
    left: Path, build: Callable[..., RebuildReport], index_settings: IndexSettings, name: str
) -> None:
    (left / name).unlink()
    assert build().n_embedded == 6
    assert found(index_settings) == [text(number) for number in range(10)]


def test_a_draft_of_a_first_build_is_not_taken_for_one_of_a_later_generation(
    build: Callable[..., RebuildReport], articles: Path, index_settings: IndexSettings
) -> None:
    """It was begun from nothing; what serves came from elsewhere, as by a copy of another index."""
    write(articles, *FIRST)
    with pytest.raises(RuntimeError):
        build(BreaksOff(2))
    root = index_root(index_settings.data_dir)
    aside = root.rename(root.with_name("aside"))
    build()
    (aside / BUILDING).rename(root / BUILDING)
    write(articles, *MORE)
    assert build().n_embedded == 6
    assert current_generation(index_settings.data_dir) == "g-0002"
    assert found(index_settings) == [text(number) for number in range(10)]


@pytest.mark.parametrize("stage", ["embed", "store"])
def test_who_watches_the_progress_may_end_the_build(
    articles: Path, build: Callable[..., RebuildReport], index_settings: IndexSettings, stage: str
) -> None:
    write(articles, *range(10))

    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index([articles], settings=index_settings, model=HashedWordsModel(), progress=stop)
    assert build().n_embedded == {"embed": 8, "store": 0}[stage]
    assert found(index_settings) == [text(number) for number in range(10)]
