"""A chat model behind a real HTTP endpoint on loopback that speaks OpenAI's chat completions, streamed."""

import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from fakes import HashedWordsModel, open_index
from index.serving import Index
from model_server import HANG, Endpoint, serving
from qa.chain import AnswerChain
from qa.chat_models import make_chat_model
from qa.engine import make_engine
from qa.language import MODEL_FAILED
from qa.records import Answer, Question, Refusal, RefusalReason, Restarted, Tokens
from qa.settings import AnswerSettings

TEXT = "Оркестр сыграет на площади у фонтана."
QUESTION = "Оркестр сыграет на площади у фонтана?"
CITED = ["У фонт", "ана на площади ", "[", "1] [4]", "."]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    articles = [{"title": "Оркестр", "text": TEXT}, {"title": "Хор", "text": "Хор уехал на море."}]
    with closing(open_index(tmp_path_factory.mktemp("endpoint"), HashedWordsModel(), articles)) as index:
        yield index


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The hosts whose address is looked up, or that are connected to, while a test runs."""
    met: set[str] = set()
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def looking_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        met.add(host if isinstance(host, str) else host.decode())
        return look_up(host, *args, **kwargs)

    def connecting(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            met.add(address[0])
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    monkeypatch.setattr(socket.socket, "connect", connecting)
    return met


def chain_with(index: Index, url: str, **values: Any) -> AnswerChain:
    settings = AnswerSettings(chat_model="tiny", chat_base_url=url, **values)
    return make_engine(index, HashedWordsModel(), settings, make_chat_model(settings, cache_dir=Path("nowhere"))).chain


def assert_quotes_with_notice(response: object) -> None:
    assert isinstance(response, Answer)
    assert (response.mode, response.text) == ("extractive", f"{TEXT} [1]")
    assert response.notice == MODEL_FAILED["ru"]


def test_an_answer_is_streamed_and_cited(index: Index, hosts: set[str]) -> None:
    with serving(Endpoint(CITED)) as endpoint:
        chain = chain_with(index, endpoint.url, chat_max_tokens=77)
        events = list(chain.stream(QUESTION))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.mode, answer.notice) == ("У фонтана на площади. [1]", "generative", None)
    assert [citation.quote for citation in answer.citations] == [TEXT]
    ((path, _, body),) = endpoint.requests
    assert path == "/v1/chat/completions"
    assert (body["model"], body["stream"], body["temperature"], body["max_completion_tokens"]) == ("tiny", True, 0, 77)
    assert [message["role"] for message in body["messages"]] == ["system", *["user", "assistant"] * 3, "user"]
    assert TEXT in body["messages"][-1]["content"]
    assert not {"grammar", "num_ctx", "options"} & set(body)
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize(("key", "sent"), [(None, "Bearer none"), ("тайна-1".encode().hex(), None)])
def test_a_key_is_sent_only_when_it_was_given(
    index: Index, monkeypatch: pytest.MonkeyPatch, key: str | None, sent: str | None
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    with serving(Endpoint(CITED)) as endpoint:
        assert isinstance(chain_with(index, endpoint.url, chat_api_key=key).invoke(QUESTION), Answer)
    assert [headers["authorization"] for _, headers, _ in endpoint.requests] == [sent or f"Bearer {key}"]


def test_the_tokens_of_both_tries_are_told(index: Index) -> None:
    with serving(Endpoint(["The elephant is grey [1]."], usage=(700, 5))) as endpoint:
        chain = chain_with(index, endpoint.url)
        quotes = chain.invoke(QUESTION)
        assert_quotes_with_notice(quotes)
        endpoint.pieces = CITED
        written = chain.invoke(QUESTION)
    assert isinstance(quotes, Answer)
    assert isinstance(written, Answer)
    assert len(endpoint.requests) == 3
    assert quotes.tokens == Tokens(1400, 10)
    assert (written.mode, written.tokens) == ("generative", Tokens(700, 5))


def test_an_endpoint_that_refuses_to_tell_its_tokens_is_asked_without(index: Index) -> None:
    with serving(Endpoint(CITED, usage=(700, 5), refuses_usage=True)) as endpoint:
        chain = chain_with(index, endpoint.url)
        answers = [chain.invoke(QUESTION), chain.invoke(QUESTION)]
    for answer in answers:
        assert isinstance(answer, Answer)
        assert (answer.mode, answer.tokens) == ("generative", None)
    assert ["stream_options" in body for _, _, body in endpoint.requests] == [True, False, False]


def test_an_endpoint_that_refuses_all_is_asked_for_its_tokens_again(index: Index) -> None:
    with serving(Endpoint(CITED, status=400, usage=(700, 5))) as endpoint:
        chain = chain_with(index, endpoint.url)
        assert_quotes_with_notice(chain.invoke(QUESTION))
        endpoint.status = 200
        answer = chain.invoke(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.tokens == Tokens(700, 5)


def test_no_answer_is_a_refusal(index: Index) -> None:
    with serving(Endpoint(["NO_", "ANSWER"])) as endpoint:
        refusal = chain_with(index, endpoint.url).invoke(QUESTION)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.NOT_STATED


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_error_of_the_endpoint_gives_way_to_quotes(
    index: Index, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Endpoint(status=status)) as endpoint, caplog.at_level(logging.WARNING, "qa"):
        assert_quotes_with_notice(chain_with(index, endpoint.url, chat_api_key="geheim").invoke(QUESTION))
    assert len(endpoint.requests) <= 2
    assert str(status) in caplog.text
    assert "geheim" not in caplog.text


def test_an_endpoint_that_is_not_there_gives_way_to_quotes(index: Index, hosts: set[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    assert_quotes_with_notice(chain_with(index, url).invoke(QUESTION))
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize("pieces", [[HANG], ["У фонтана [1]", HANG]], ids=["at once", "midway"])
def test_an_endpoint_that_falls_silent_is_not_waited_for(index: Index, pieces: list[str]) -> None:
    with serving(Endpoint(pieces)) as endpoint:
        events = list(chain_with(index, endpoint.url, chat_timeout_s=0.3).stream(QUESTION))
    assert any(isinstance(event, Restarted) for event in events)
    assert_quotes_with_notice(events[-1])
    assert len(endpoint.requests) <= 2


def test_no_endpoint_is_contacted_before_it_is_asked(index: Index, hosts: set[str]) -> None:
    with serving(Endpoint(CITED)) as endpoint:
        assert isinstance(chain_with(index, endpoint.url).invoke("Сколько стоит слон?"), Refusal)
    assert endpoint.requests == []
    assert hosts == set()


def test_with_quotes_alone_there_is_no_chat_model(tmp_path: Path) -> None:
    assert make_chat_model(AnswerSettings(chat_model="none"), cache_dir=tmp_path) is None


def test_an_embedded_model_that_was_not_fetched_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_chat_model(AnswerSettings(), cache_dir=tmp_path) is None
    [record] = caplog.records
    assert "otvet models pull" in record.getMessage()


def test_ollama_is_told_how_much_context_to_hold() -> None:
    settings = AnswerSettings(chat_model="tiny", chat_base_url="http://127.0.0.1:11434/v1", chat_context_tokens=3000)
    model = make_chat_model(settings, cache_dir=Path("nowhere"))
    assert isinstance(model, ChatOpenAI)
    assert model.extra_body == {"num_ctx": 3000, "options": {"num_ctx": 3000}}


FILLERS = ("Слушали его до ночи. ", "Шёл мелкий дождь. ", "Торговали горячим чаем. ")
SQUARES = [
    {"title": f"Площадь {n}", "text": "Оркестр играл у фонтана на площади. " + filler * 40}
    for n, filler in enumerate(FILLERS)
]


def test_what_does_not_fit_the_context_is_neither_sent_nor_cited(tmp_path: Path) -> None:
    question = Question("Оркестр играл у фонтана на площади?")
    sizes = []
    with closing(open_index(tmp_path, HashedWordsModel(), SQUARES)) as index:
        for context in (2048, 8192):
            with serving(Endpoint(["Оркестр играл у фонтана на площади [1][2][3]."])) as endpoint:
                values = {"chat_context_tokens": context, "chat_evidence_tokens": 4000}
                answer = chain_with(index, endpoint.url, **values).invoke(question)
            assert isinstance(answer, Answer)
            ((_, _, body),) = endpoint.requests
            prompt = body["messages"][-1]["content"]
            n_bytes = sum(len(message["content"].encode()) for message in body["messages"])
            assert n_bytes / 3 + 200 <= context
            assert answer.mode == "generative"
            assert all(citation.source.title in prompt for citation in answer.citations)
            sizes.append(sum(article["title"] in prompt for article in SQUARES))
    assert sizes[0] < sizes[1] == len(SQUARES)


def test_a_question_that_leaves_no_room_for_a_passage_gives_way_to_quotes(index: Index) -> None:
    with serving(Endpoint(CITED)) as endpoint:
        chain = chain_with(index, endpoint.url, chat_context_tokens=2048, chat_max_tokens=800)
        assert_quotes_with_notice(chain.invoke(" ".join([QUESTION] * 50)))
    assert endpoint.requests == []
