"""The index as a LangChain retriever: nothing is lost between a hit, its document and its passage."""

import asyncio
from dataclasses import dataclass, field
from datetime import date

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from index.records import Article, Chunk, Filters, Hit, Legs
from qa.passages import passage_of
from qa.records import Passage, Source
from qa.retriever import OtvetRetriever

TEXT = "Паром ушёл на север. Вернётся в среду."
DATED = Article("a" * 16, "Паром", TEXT, date(2024, 5, 1), "https://a.test/1", "Вестник", ("И. Весло",), "ru", "a.txt")
BARE = Article("b" * 16, "Ferry", "It went north.", None, None, None, (), "en", "b.txt")
AGAIN = Article("c" * 16, "Пароход", TEXT, date(2024, 5, 2), None, "Заря", (), "ru", "c.txt")
LEGS = Legs(0.9, 0.8, 0.7, 0.6, plain=0.5, ahead=0.1)
NESTED = ("repeats", "legs")
HITS = [
    Hit(
        1,
        0.75,
        Chunk(DATED.article_id, 21, 38, TEXT[21:38]),
        DATED,
        LEGS,
        repeats=(Hit(1, 0.7, Chunk(AGAIN.article_id, 0, 20, TEXT[:20]), AGAIN),),
    ),
    Hit(2, 0.5, Chunk(BARE.article_id, 0, 14, BARE.text), BARE),
]


@dataclass
class RecordedSearch:
    """Gives the same hits whatever is asked, and remembers what was."""

    asked: list[tuple[str, int, Filters]] = field(default_factory=list)

    def search(self, query: str, *, k: int, filters: Filters) -> list[Hit]:
        self.asked.append((query, k, filters))
        return HITS[:k]


def test_documents_and_passages_say_the_same() -> None:
    documents = OtvetRetriever(search=RecordedSearch()).invoke("паром")
    repeat = Passage(Source("c" * 16, "Пароход", date(2024, 5, 2), "Заря", None, "ru"), 0, 20, TEXT[:20], 0.7)
    ferry = Source("a" * 16, "Паром", date(2024, 5, 1), "Вестник", "https://a.test/1", "ru")
    assert [passage_of(document) for document in documents] == [
        Passage(ferry, 21, 38, TEXT[21:38], 0.75, (repeat,), LEGS),
        Passage(Source("b" * 16, "Ferry", None, None, None, "en"), 0, 14, "It went north.", 0.5),
    ]


def test_documents_carry_plain_values_that_can_be_stored() -> None:
    first, second = OtvetRetriever(search=RecordedSearch()).invoke("паром")
    assert (first.id, first.page_content) == (f"{'a' * 16}:21-38", "Вернётся в среду.")
    assert first.metadata["published_at"] == "2024-05-01"
    assert second.metadata["published_at"] is None
    [repeat] = first.metadata["repeats"]
    assert (repeat.id, repeat.page_content, repeat.metadata["repeats"]) == (f"{'c' * 16}:0-20", TEXT[:20], [])
    assert second.metadata["repeats"] == []
    assert set(map(type, first.metadata["legs"].values())) == {float}
    assert second.metadata["legs"] is None
    assert set(first.metadata) == set(second.metadata) == set(repeat.metadata)
    for document in (first, repeat):
        values = [value for name, value in document.metadata.items() if name not in NESTED]
        assert {type(value) for value in values} <= {str, int, float, type(None)}
    assert {type(value) for name, value in first.metadata.items() if name not in NESTED} == {str, int, float}


def test_k_and_filters_hold_for_one_call() -> None:
    search, own = RecordedSearch(), Filters(publisher="Вестник")
    retriever = OtvetRetriever(search=search, k=7, filters=own)
    other = Filters(published_from=date(2024, 1, 1))
    retriever.invoke("раз")
    assert len(retriever.invoke("два", k=1, filters=other)) == 1
    retriever.invoke("три", k=None, filters=None)
    assert search.asked == [("раз", 7, own), ("два", 1, other), ("три", 7, own)]


def test_it_is_asked_alone_in_a_batch_and_in_a_loop_alike() -> None:
    retriever = OtvetRetriever(search=RecordedSearch())
    alone = retriever.invoke("паром")
    assert len(alone) == 2
    assert asyncio.run(retriever.ainvoke("паром")) == alone
    assert retriever.batch(["паром", "порт"]) == asyncio.run(retriever.abatch(["паром", "порт"])) == [alone, alone]


def test_it_composes_and_tells_callbacks() -> None:
    class Ears(BaseCallbackHandler):
        heard: list[str] = []

        def on_retriever_start(self, serialized: object, query: str, **kwargs: object) -> None:
            self.heard.append(query)

    def titles(documents: list[Document]) -> list[str]:
        return [document.metadata["title"] for document in documents]

    composed = OtvetRetriever(search=RecordedSearch()) | RunnableLambda(titles)
    assert composed.invoke("паром", {"callbacks": [Ears()]}) == ["Паром", "Ferry"]
    assert Ears.heard == ["паром"]
