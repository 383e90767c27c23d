"""Puts the parts together: settings in, a chain that answers out."""

from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from index.embedding import EmbeddingModel, load_embedding_model
from index.records import Progress
from index.reranking import RerankedSearch, Reranker, load_reranker
from index.search import HybridSearch, Search
from index.serving import Index
from index.settings import IndexSettings
from qa.chain import AnswerChain
from qa.chat_models import make_chat_model
from qa.corroboration import Corroborator
from qa.extractive import ExtractiveAnswerer
from qa.generative import GenerativeAnswerer
from qa.retriever import OtvetRetriever
from qa.sentences import SentenceRanker
from qa.settings import AnswerSettings


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that a door needs."""

    index: Index
    search: Search
    chain: AnswerChain


def open_engine(
    index_settings: IndexSettings, answer_settings: AnswerSettings, *, progress: Progress | None = None
) -> Engine:
    """Load the embedding model, open the serving index and compose the chain.

    Raises:
        ModelError: the embedding model cannot be loaded.
        IndexStateError: nothing is indexed, or it was indexed with other settings. The message names the command.
    """
    model = load_embedding_model(index_settings.embedding_model, cache_dir=index_settings.cache_dir, progress=progress)
    reranker = load_reranker(index_settings.reranker) if index_settings.reranker else None
    index = Index(index_settings, model)
    return make_engine(index, model, answer_settings, make_chat_model(answer_settings), reranker)


def make_engine(
    index: Index,
    model: EmbeddingModel,
    settings: AnswerSettings,
    chat_model: BaseChatModel | None = None,
    reranker: Reranker | None = None,
) -> Engine:
    """Compose the chain over an open index, with any LangChain chat model or none, and a reranker or none."""
    search: Search = HybridSearch(index, model)
    if reranker is not None:
        search = RerankedSearch(search, reranker)
    ranker = SentenceRanker(model, index)
    corroborator = Corroborator(ranker)
    chain = AnswerChain(
        retriever=OtvetRetriever(search=search, k=settings.k),
        ranker=ranker,
        find_article=index.article,
        extractive=ExtractiveAnswerer(corroborator),
        generative=GenerativeAnswerer(chat_model, ranker, corroborator) if chat_model is not None else None,
    )
    return Engine(index, search, chain)
