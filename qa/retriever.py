"""The index as a LangChain retriever, to be composed into anybody's chain."""

from dataclasses import asdict

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SkipValidation

from index.records import Filters, Hit
from index.search import Search


class OtvetRetriever(BaseRetriever):
    """Documents are chunks, best first.

    `invoke(query, k=…, filters=…)` overrides the two fields for one call. Metadata of a document: article_id, title,
    published_at ("YYYY-MM-DD" or None), publisher, url, language, start, end, score (in [0, 1], higher is better),
    legs (what else the search says of it, `index.records.Legs` as a dict, or None),
    repeats (documents that tell the same in nearly the same words, most of them of other articles).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    search: SkipValidation[Search]
    k: int = 5
    filters: Filters = Filters()

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filters: Filters | None = None,
    ) -> list[Document]:
        hits = self.search.search(query, k=k or self.k, filters=filters or self.filters)
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    article, chunk = hit.article, hit.chunk
    metadata = {
        "article_id": article.article_id,
        "title": article.title,
        "published_at": article.published_at.isoformat() if article.published_at else None,
        "publisher": article.publisher,
        "url": article.url,
        "language": article.language,
        "start": chunk.start,
        "end": chunk.end,
        "score": hit.score,
        "legs": asdict(hit.legs) if hit.legs is not None else None,
        "repeats": [_document(repeat) for repeat in hit.repeats],
    }
    return Document(id=chunk.chunk_id, page_content=chunk.text, metadata=metadata)
