"""A throw-away index of a collection's paragraphs, each an article of its own."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from index.embedding import EmbeddingModel
from index.errors import QuestionError
from index.rebuild import build_index
from index.records import Progress
from index.serving import Index
from index.settings import IndexSettings
from qa.squad import Collection


@contextmanager
def throw_away_index(
    collection: Collection, *, model: EmbeddingModel, settings: IndexSettings, progress: Progress | None = None
) -> Iterator[tuple[Index, dict[str, int]]]:
    """An index of one article a paragraph, and the number of each paragraph by the source of its article."""
    with tempfile.TemporaryDirectory(prefix="otvet-evaluate-") as scratch:
        table = Path(scratch) / "paragraphs.jsonl"
        rows = (json.dumps({"text": text}, ensure_ascii=False) for text in collection.paragraphs)
        table.write_text("\n".join(rows), "utf-8")
        own = settings.model_copy(update={"data_dir": Path(scratch), "chroma_url": None, "postgres_url": None})
        build_index([table], settings=own, model=model, progress=progress)
        places = {f"{table.name}:{number}": number - 1 for number in range(1, len(collection.paragraphs) + 1)}
        with closing(Index(own, model)) as index:
            yield index, places


def ids_of_paragraphs(index: Index, places: Mapping[str, int], collection: Collection) -> list[str]:
    """The id of each paragraph's article. Equal paragraphs are one article.

    Args:
        index: open, of the collection's paragraphs.
        places: number of each paragraph by the source of its article.
        collection: the paragraphs.

    Raises:
        QuestionError: a paragraph is not in the index.
    """
    with index.lease() as generation:
        by_text = {collection.paragraphs[places[ref.source]]: ref.article_id for ref in generation.articles.refs()}
    missing = [text for text in collection.paragraphs if text not in by_text]
    if missing:
        raise QuestionError(
            f"{len(missing)} paragraphs cannot be indexed, the first is {missing[0][:80]!r}; they are blank or longer "
            "than OTVET_MAX_ARTICLE_CHARS: take them out of the file"
        )
    return [by_text[text] for text in collection.paragraphs]
