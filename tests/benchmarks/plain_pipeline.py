"""The pipeline that a user would write: LangChain's Chroma and HuggingFaceEmbeddings over the same chunks and model."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from index.articles import ArticleStore
from index.bundled import BUNDLED_MODEL, bundled_model_path
from index.local_catalog import open_generation
from index.records import Filters
from index.settings import IndexSettings

BATCH = 5000  # Chroma takes 5461 at most


def open_plain(settings: IndexSettings, folder: Path) -> Any:
    """The store, to be asked with `similarity_search`."""
    from langchain_chroma import Chroma
    from langchain_huggingface import HuggingFaceEmbeddings

    bundled = settings.embedding_model == BUNDLED_MODEL
    embeddings = HuggingFaceEmbeddings(
        model_name=str(bundled_model_path(settings.cache_dir)) if bundled else settings.embedding_model,
        encode_kwargs={"prompt_name": "document"},
        query_encode_kwargs={"prompt_name": "query"},
    )
    return Chroma("passages", embeddings, str(folder), collection_configuration={"hnsw": {"space": "cosine"}})


def fill_plain(settings: IndexSettings, folder: Path, generation: Path) -> None:
    """Give it the chunks of a generation with their vectors: embedding them again would take hours."""
    store, rows = open_plain(settings, folder), _rows(generation)
    while batch := list(islice(rows, BATCH)):
        ids, vectors, texts, metadatas = zip(*batch, strict=True)
        store._collection.add(ids=[*ids], embeddings=[*vectors], documents=[*texts], metadatas=[*metadatas])


def plain_filter(filters: Filters) -> dict[str, Any] | None:
    """A date filter as Chroma takes it, which compares numbers only."""
    if filters.published_from is None or filters.published_to is None:
        return None
    first, last = filters.published_from.toordinal(), filters.published_to.toordinal()
    return {"$and": [{"day": {"$gte": first}}, {"day": {"$lte": last}}]}


def _rows(path: Path) -> Iterator[tuple[str, np.ndarray, str, dict[str, Any]]]:
    """Id, vector, text and metadata of every chunk."""
    with closing(open_generation(path)) as generation, closing(ArticleStore(path)) as articles:
        row = 0
        for position, article in enumerate(articles.all()):
            day = article.published_at.toordinal() if article.published_at else 0
            metadata = {"day": day, "publisher": article.publisher or "", "language": article.language}
            while row < len(generation.vectors) and generation.vectors.place(row).article == position:
                _, start, end = generation.vectors.place(row)
                yield str(row), generation.vectors.vectors(np.array([row]))[0], article.text[start:end], metadata
                row += 1
