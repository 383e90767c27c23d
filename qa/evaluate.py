"""Measures the search, and the answers of the whole chain, on a file of passages and questions with known answers.

Every paragraph becomes one article of a throw-away index (qa/throw_away.py), over which questions are asked in the
same or another language (qa/squad.py): of the search alone (qa/retrieval_evaluation.py), and of the chain
(qa/answer_evaluation.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from langchain_core.language_models import BaseChatModel

from index.embedding import EmbeddingModel
from index.errors import SettingsError
from index.records import Progress
from index.reranking import Reranker, load_reranker
from index.search import HybridSearch
from index.serving import Index
from index.settings import IndexSettings
from qa.answer_evaluation import AnswerEvaluation, AskedMode, evaluate_answers
from qa.embedded import EmbeddedChatModel
from qa.engine import make_engine
from qa.evaluation_report import Evaluation, stem
from qa.kept_answers import KeptAnswers, file_identity, fingerprint, settings_that_matter
from qa.retrieval_evaluation import evaluate_retrieval
from qa.settings import AnswerSettings
from qa.squad import Collection, EvaluationMode
from qa.throw_away import ids_of_paragraphs, throw_away_index

FOLDER = "evaluations"


def evaluate(
    collection: Collection,
    *,
    model: EmbeddingModel,
    settings: IndexSettings,
    names: tuple[str, str],
    mode: EvaluationMode,
    answer_settings: AnswerSettings | None = None,
    chat_model: BaseChatModel | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Index the paragraphs in a throw-away directory, ask every question, and measure.

    Answers are kept in the folder `evaluations` of the data directory while they come; a run that was stopped goes on
    with the first question that has none.

    Args:
        collection: paragraphs and questions.
        model: the embedding model.
        settings: how the index is built; the index of the data directory is not touched.
        names: what the report calls the passages and the questions.
        mode: what is measured.
        answer_settings: how questions are answered; None for the defaults.
        chat_model: writes the answers in mode "generative".
        progress: told (stage, done, total); stages "read", "embed", "ask", and for answers "answer".

    Raises:
        SettingsError: mode "generative" without a chat model.
        QuestionError: a paragraph is blank or longer than the settings allow, or a question cannot be asked.
    """
    _check_mode(mode, chat_model)
    reranker = load_reranker(settings.reranker) if settings.reranker else None
    chain = _Chain(model, settings, answer_settings or AnswerSettings(), chat_model, reranker)
    with throw_away_index(collection, model=model, settings=settings, progress=progress) as (index, places):
        article_ids = ids_of_paragraphs(index, places, collection)
        found = evaluate_retrieval(
            collection, HybridSearch(index, model), article_ids=article_ids, reranker=reranker, progress=progress
        )
        answers = None
        if mode != "retrieval":
            answers = chain.evaluate(collection, index, article_ids, names, mode, progress)
    return Evaluation(
        day=date.today().isoformat(),
        passages=names[0],
        questions=names[1],
        embedding_model=model.name,
        n_paragraphs=len(collection.paragraphs),
        n_questions=len(collection.questions),
        measures=found.measures,
        reranker=settings.reranker,
        times_ms=found.times_ms,
        answers=answers,
    )


def _check_mode(mode: EvaluationMode, chat_model: BaseChatModel | None) -> None:
    if mode == "generative" and chat_model is None:
        raise SettingsError(
            "mode 'generative' needs a language model, and there is none; run: otvet models pull, or set"
            " OTVET_CHAT_MODEL and OTVET_CHAT_BASE_URL, or evaluate with --mode extractive"
        )


@dataclass(frozen=True, slots=True)
class _Chain:
    """What the whole chain is made of."""

    model: EmbeddingModel
    settings: IndexSettings
    answer_settings: AnswerSettings
    chat_model: BaseChatModel | None
    reranker: Reranker | None

    def evaluate(
        self,
        collection: Collection,
        index: Index,
        article_ids: Sequence[str],
        names: tuple[str, str],
        mode: AskedMode,
        progress: Progress | None,
    ) -> AnswerEvaluation:
        """Compose the chain over the index, and measure its answers."""
        name = f"{stem(*names, len(collection.questions))}-{mode}-{self._fingerprint(collection, mode)}.partial.jsonl"
        return evaluate_answers(
            collection,
            make_engine(index, self.model, self.answer_settings, self.chat_model, self.reranker).chain,
            article_ids=article_ids,
            mode=mode,
            answers=KeptAnswers(self.settings.data_dir / FOLDER / name),
            chat_model=self._chat_name() if mode == "generative" else None,
            progress=progress,
        )

    def _chat_name(self) -> str:
        """The embedded model's by its file, as the settings need not name that."""
        if isinstance(self.chat_model, EmbeddedChatModel):
            return self.chat_model.gguf.stem
        return self.answer_settings.chat_model

    def _fingerprint(self, collection: Collection, mode: AskedMode) -> str:
        """Of all that an answer depends on: the collection stands for files, sample and seed."""
        return fingerprint(
            collection=collection,
            mode=mode,
            embedding_model=(self.model.name, self.model.checksum),
            chat_model=_identity(self.chat_model) if mode == "generative" else None,
            settings=settings_that_matter(self.settings, self.answer_settings),
        )


def _identity(chat_model: BaseChatModel | None) -> tuple[object, ...]:
    """What tells a chat model from others, beside the settings."""
    weights = file_identity(chat_model.gguf) if isinstance(chat_model, EmbeddedChatModel) else ()
    return type(chat_model).__name__, *weights
