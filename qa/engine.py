"""Puts the parts together: settings in, a chain that answers out."""

from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from index.embedding import EmbeddingModel, load_embedding_model
from index.recent_queries import RecentQueries
from index.records import Progress
from index.reranking import RerankedSearch, Reranker, load_reranker
from index.search import HybridSearch, Search
from index.serving import Index
from index.settings import IndexSettings
from qa.chain import AnswerChain
from qa.chat_models import make_chat_model
from qa.corroboration import Corroborator
from qa.embedded import EmbeddedChatModel
from qa.extractive import ExtractiveAnswerer
from qa.follow_ups import ModelRewriter, Rewriter, RuleRewriter
from qa.gate import gate_for
from qa.generative import GenerativeAnswerer
from qa.model_queue import ModelQueue
from qa.retriever import OtvetRetriever
from qa.sentences import SentenceRanker
from qa.settings import AnswerSettings
from qa.support import SupportCheck

N_AT_ONCE = 8  # answers that an endpoint writes


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that a door needs.

    Attributes:
        model_queue: before the chat model; None where there is none.
    """

    index: Index
    search: Search
    chain: AnswerChain
    chat_model: BaseChatModel | None = None
    model_queue: ModelQueue | None = None

    def unready(self) -> list[str]:
        """Why not everything that answers is loaded; empty where it is. An endpoint is not asked."""
        model = self.chat_model
        if not isinstance(model, EmbeddedChatModel) or model.is_loaded:
            return []
        return [model.last_error or f"the language model {model.gguf.name!r} is not loaded yet"]

    def warm_up(self) -> None:
        """Load the embedded language model, if it is the one that writes.

        Raises:
            ChatModelError: its weights cannot be loaded.
        """
        if isinstance(self.chat_model, EmbeddedChatModel):
            self.chat_model.load()


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
    chat_model = make_chat_model(answer_settings, cache_dir=index_settings.cache_dir)
    return make_engine(index, model, answer_settings, chat_model, reranker)


def open_chain(
    index_settings: IndexSettings | None = None, answer_settings: AnswerSettings | None = None
) -> AnswerChain:
    """The chain over the index that there is; default settings where none are given. Raises like `open_engine`."""
    return open_engine(index_settings or IndexSettings(), answer_settings or AnswerSettings()).chain


def make_engine(
    index: Index,
    model: EmbeddingModel,
    settings: AnswerSettings,
    chat_model: BaseChatModel | None = None,
    reranker: Reranker | None = None,
) -> Engine:
    """Compose the chain over an open index, with any LangChain chat model or none, and a reranker or none."""
    model = RecentQueries(model)
    search: Search = HybridSearch(index, model)
    if reranker is not None:
        search = RerankedSearch(search, reranker)
    ranker = SentenceRanker(model, index)
    corroborator = Corroborator(ranker)
    generative = queue = None
    if chat_model is not None:
        n_at_once = settings.chat_parallel or (1 if isinstance(chat_model, EmbeddedChatModel) else N_AT_ONCE)
        queue = ModelQueue(n_at_once, settings.chat_queue)
        generative = GenerativeAnswerer(chat_model, SupportCheck(ranker, model), corroborator, settings, queue)

    def generation() -> str:
        with index.lease() as leased:
            return leased.name

    chain = AnswerChain(
        retriever=OtvetRetriever(search=search, k=settings.k),
        rewriter=make_rewriter(chat_model, queue),
        ranker=ranker,
        find_article=index.article,
        extractive=ExtractiveAnswerer(corroborator),
        generative=generative,
        gate=gate_for(model.name),
        pinned=index.pinned,
        generation=generation,
        model_timeout_s=settings.model_timeout_s,
    )
    return Engine(index, search, chain, chat_model, queue)


def make_rewriter(chat_model: BaseChatModel | None, queue: ModelQueue | None = None) -> Rewriter:
    """By a configured language model; by rule without one, and with the embedded one, which is the worse at it.

    Of 12 follow-ups (2026-11-25) the embedded model made 6 as good as the rule or tidier and lost the matter in 6, for
    a second reading of a prompt each time; see qa/follow_ups.py.
    """
    rule = RuleRewriter()
    if chat_model is None or isinstance(chat_model, EmbeddedChatModel):
        return rule
    return ModelRewriter(chat_model, rule, queue)
