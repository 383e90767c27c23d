"""The real embedded language model over the sample corpus: fetched, started, cited, checked, stopped."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from index.embedding import EmbeddingModel
from index.errors import ChatModelError
from index.serving import Index
from index.settings import IndexSettings
from places import CACHE_DIR
from qa.chat_models import make_chat_model, stream_text
from qa.embedded import EmbeddedChatModel, answer_grammar
from qa.engine import Engine, make_engine
from qa.language import speaks
from qa.records import Answer, PassagesFound, QuotesFound, Refusal
from qa.settings import AnswerSettings

PATIENCE_S = 600  # generous, because machines that run tests are slow and busy


@pytest.fixture(scope="module")
def chat_model(chat_gguf: Path) -> EmbeddedChatModel:
    made = make_chat_model(AnswerSettings(chat_timeout_s=300), cache_dir=CACHE_DIR)
    assert isinstance(made, EmbeddedChatModel)
    return made


@pytest.fixture(scope="module")
def engine(sample_settings: IndexSettings, model: EmbeddingModel, chat_model: EmbeddedChatModel) -> Iterator[Engine]:
    with closing(Index(sample_settings, model)) as index:
        yield make_engine(index, model, AnswerSettings(answer_timeout_s=PATIENCE_S), chat_model)


@pytest.mark.parametrize(
    ("question", "language", "told"),
    [("What did Maduro ask Iran for?", "en", "Maduro"), ("Что Мадуро просил у Ирана?", "ru", "Мадуро")],
)
def test_an_answer_in_the_questions_language_with_checked_quotes(
    engine: Engine, question: str, language: Any, told: str
) -> None:
    events = list(engine.chain.stream(question))
    assert isinstance(events[0], PassagesFound)
    assert isinstance(events[1], QuotesFound)
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.mode, answer.language) == ("generative", language)
    assert speaks(answer.text, language)
    assert told in answer.text
    assert answer.tokens is not None
    assert answer.tokens.prompt > 100 > answer.tokens.completion > 5
    assert answer.citations
    for citation in answer.citations:
        article = engine.index.article(citation.source.article_id)
        assert article is not None
        assert article.text[citation.start : citation.end] == citation.quote
        assert "Мадуро" in citation.quote


def test_a_question_that_the_articles_do_not_answer_costs_no_word(engine: Engine) -> None:
    refusal = engine.chain.invoke("Who won the football world cup in 1998?")
    assert isinstance(refusal, Refusal)
    assert "generative" not in refusal.timings_ms


def test_the_grammar_keeps_letters_and_markers_in_their_place(chat_model: EmbeddedChatModel) -> None:
    options = {"extra_body": {"grammar": answer_grammar("en", 2)}, "max_completion_tokens": 60}
    written = "".join(stream_text(chat_model, [HumanMessage("Напиши по-русски, где Москва.")], {}, **options))
    assert not any("а" <= char <= "я" for char in written.lower())
    assert written.endswith(("[1]", "[2]")) or "[" not in written


def test_closing_the_stream_frees_the_model(chat_model: EmbeddedChatModel) -> None:
    """One prompt is read at a time, so a second answer within the time of a few words means that the first ended."""
    pieces = stream_text(chat_model, [HumanMessage("Count from 1 to 500.")], {}, max_completion_tokens=4_000)
    assert next(pieces)
    pieces.close()
    assert "".join(stream_text(chat_model, [HumanMessage("Say yes.")], {}, max_completion_tokens=4))


def test_what_does_not_fit_the_context_is_an_error(chat_model: EmbeddedChatModel) -> None:
    with pytest.raises(ChatModelError, match="context"):
        list(stream_text(chat_model, [HumanMessage("мост " * 5_000)], {}))


@pytest.mark.parametrize("there", [True, False], ids=["no GGUF", "not there"])
def test_weights_that_cannot_be_loaded_are_named(tmp_path: Path, there: bool) -> None:
    gguf = tmp_path / "broken.gguf"
    if there:
        gguf.write_bytes(b"GGUF but not really")
    settings = AnswerSettings(chat_gguf=gguf)
    made = make_chat_model(settings, cache_dir=tmp_path)
    assert made is not None
    with pytest.raises(ChatModelError, match=r"broken\.gguf.*otvet models pull"):
        made.invoke("Hello")


def embedded(gguf: Path, **values: Any) -> EmbeddedChatModel:
    return EmbeddedChatModel(gguf=gguf, context_tokens=2048, max_tokens=20, timeout_s=300, **values)


def unready(chat_model: EmbeddedChatModel, settings: IndexSettings, model: EmbeddingModel) -> list[str]:
    with closing(Index(settings, model)) as index:
        return make_engine(index, model, AnswerSettings(), chat_model).unready()


def test_weights_that_cannot_be_loaded_are_left_alone_for_a_while(
    tmp_path: Path, sample_settings: IndexSettings, model: EmbeddingModel
) -> None:
    gguf = tmp_path / "late.gguf"
    made = embedded(gguf, load_again_after_s=3600)
    [reason] = unready(made, sample_settings, model)
    assert "late.gguf" in reason
    with pytest.raises(ChatModelError, match="is not there"):
        made.load()
    gguf.write_bytes(b"GGUF but not really")
    with pytest.raises(ChatModelError, match="is not there"):
        made.load()
    [reason] = unready(made, sample_settings, model)
    assert "is not there" in reason
    at_once = embedded(tmp_path / "later.gguf", load_again_after_s=0)
    with pytest.raises(ChatModelError, match="is not there"):
        at_once.load()
    at_once.gguf.write_bytes(b"GGUF but not really")
    with pytest.raises(ChatModelError, match="cannot load"):
        at_once.load()
    assert not at_once.is_loaded


def test_weights_that_were_mended_are_loaded_without_a_restart(
    tmp_path: Path, chat_gguf: Path, sample_settings: IndexSettings, model: EmbeddingModel
) -> None:
    made = embedded(tmp_path / "late.gguf", load_again_after_s=0)
    with pytest.raises(ChatModelError, match="is not there"):
        made.load()
    made.gguf.symlink_to(chat_gguf)
    assert "".join(stream_text(made, [HumanMessage("Say yes.")], {}, max_completion_tokens=4))
    assert made.is_loaded
    assert unready(made, sample_settings, model) == []


def test_the_terminal_answers_by_the_embedded_model(
    chat_gguf: Path, sample_settings: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTVET_CHAT_MODEL", "embedded")
    monkeypatch.setenv("OTVET_ANSWER_TIMEOUT_S", str(PATIENCE_S))
    monkeypatch.setenv("OTVET_DATA_DIR", str(sample_settings.data_dir))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy has no way to the model's port
    command = [
        sys.executable,
        "-c",
        "from ui.cli import main; main()",
        "ask",
        "What did Maduro ask Iran for?",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    answer = json.loads(done.stdout)
    assert (answer["mode"], answer["language"]) == ("generative", "en")
    assert answer["citations"]
