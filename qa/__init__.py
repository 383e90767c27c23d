"""From a question to an answer or a refusal: what programs import.

Each name is loaded when it is asked for, as most of what stands behind them takes a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.records import Filters
    from index.settings import IndexSettings
    from qa.chain import AnswerChain
    from qa.engine import Engine, open_chain, open_engine
    from qa.records import Answer, Citation, Question, Refusal, Turn
    from qa.retriever import OtvetRetriever
    from qa.settings import AnswerSettings

__all__ = [
    "Answer",
    "AnswerChain",
    "AnswerSettings",
    "Citation",
    "Engine",
    "Filters",
    "IndexSettings",
    "OtvetRetriever",
    "Question",
    "Refusal",
    "Turn",
    "open_chain",
    "open_engine",
]
HOMES = {
    "Filters": "index.records",
    "IndexSettings": "index.settings",
    "AnswerChain": "qa.chain",
    "Engine": "qa.engine",
    "open_chain": "qa.engine",
    "open_engine": "qa.engine",
    "OtvetRetriever": "qa.retriever",
    "AnswerSettings": "qa.settings",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(HOMES.get(name, "qa.records")), name)
