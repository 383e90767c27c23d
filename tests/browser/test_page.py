import asyncio
import json
import re
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from playwright.sync_api import Locator, Page, expect
from pydantic import PrivateAttr

from index.embedding import EmbeddingModel
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from processes import OTVET, environment, serving, wait_for
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.feedback import FILE_NAME, FeedbackStore
from ui.settings import load_settings
from ui.users import Users

OpenPage = Callable[..., Page]
Shoot = Callable[[Page, str], None]
Serve = Callable[..., AbstractContextManager[str]]

IRAN = "Что Мадуро просил у Ирана?"
IRAN_EN = "What did Maduro ask Iran for?"
UNKNOWN = "Сколько стоит билет на Луну?"
ANSWERED_S = 20_000  # ms; machines that run tests are slow and busy


class PacedChatModel(BaseChatModel):
    """Writes the pieces of its reply each when it is let go on; tells how many calls were broken off."""

    pieces: list[str]
    _gate: Any = PrivateAttr(default_factory=lambda: threading.Semaphore(0))
    _begun: Any = PrivateAttr(default_factory=threading.Event)
    _broken_off: Any = PrivateAttr(default_factory=threading.Event)

    @property
    def _llm_type(self) -> str:
        return "paced"

    @property
    def begun(self) -> threading.Event:
        return self._begun  # type: ignore[no-any-return]

    @property
    def broken_off(self) -> threading.Event:
        return self._broken_off  # type: ignore[no-any-return]

    def go_on(self, n_pieces: int = 1) -> None:
        self._gate.release(n_pieces)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("the chain streams")

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._begun.set()
        try:
            for piece in self.pieces:
                while not self._gate.acquire(blocking=False):
                    await asyncio.sleep(0.02)
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        except (asyncio.CancelledError, GeneratorExit):
            self._broken_off.set()
            raise


def article(day: str, text: str, **fields: str) -> dict[str, str]:
    return {"title": text.split(".")[0], "text": text, "published_at": day, "language": "ru", **fields}


def made_engine(
    folder: Path, rows: list[dict[str, str]], model: EmbeddingModel, chat_model: BaseChatModel | None = None
) -> tuple[Engine, Index]:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = IndexSettings(data_dir=folder / "data")
    build_index([folder / "rows.jsonl"], settings=settings, model=model)
    index = Index(settings, model)
    return make_engine(index, model, AnswerSettings(), chat_model), index


REPAIRED = "Какой паром починили у дальнего причала в октябре 2025 года?"
REPAIRS = [
    article("2025-10-08", "У дальнего причала за неделю починили паром «Чайка», сообщили мастера.", publisher="Берег"),
    article(
        "2025-12-03",
        "В октябре 2025 года у дальнего причала починили паром «Буревестник», пишет Заречная газета.",
        publisher="Заречная газета",
    ),
]


@pytest.fixture(scope="module")
def months_engine(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[Engine]:
    """An engine over two articles, of which the better one was published long after the day that it tells of."""
    engine, index = made_engine(tmp_path_factory.mktemp("months"), REPAIRS, model)
    yield engine
    index.close()


WRITTEN = ["Паром «Чайка» починили ", "у дальнего причала за неделю [1]. ", "Об этом сообщили ", "мастера [1]."]


@pytest.fixture
def paced(tmp_path: Path, model: EmbeddingModel) -> Iterator[tuple[Engine, PacedChatModel]]:
    """An engine with a language model that writes when it is let."""
    writer = PacedChatModel(pieces=WRITTEN)
    engine, index = made_engine(tmp_path, REPAIRS[:1], model, writer)
    yield engine, writer
    index.close()


def send(page: Page, question: str) -> None:
    page.locator("#otvet-question textarea").fill(question)
    page.locator("#otvet-question textarea").press("Enter")
    expect(page.get_by_test_id("user").last).to_contain_text(question.strip())


def ask(page: Page, question: str) -> Locator:
    """Ask, and wait until the answer is complete; gives its message."""
    send(page, question)
    expect(page.locator("#otvet-retry")).to_be_visible(timeout=ANSWERED_S)
    return page.get_by_test_id("bot").last


def wait_until(event: threading.Event, page: Page) -> None:
    """Wait for what the server does, while the browser goes on: its requests pass through this thread."""
    for _ in range(300):
        if event.is_set():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come to that")


def cards(page: Page) -> Locator:
    return page.locator(".otvet-panel.is-chosen .otvet-card")


def viewer(page: Page) -> Any:
    return page.frame_locator("dialog.otvet-viewer iframe")


def in_view(page: Page, selector: str) -> bool:
    inside = "box => box.top >= 0 && box.bottom <= innerHeight"
    return bool(page.evaluate(f"({inside})(document.querySelector('{selector}').getBoundingClientRect())"))


def overflow(page: Page) -> int:
    """How many pixels wider than the window the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_an_answer_with_its_cards_and_the_article_behind(
    open_page: OpenPage, sample_url: str, shoot: Shoot, dark: bool
) -> None:
    name = "dark" if dark else "light"
    page = open_page(sample_url, locale="ru-RU", dark=dark)
    expect(page.locator(".otvet-card").first).to_be_visible()
    shoot(page, f"start-{name}")
    answer = ask(page, IRAN)
    expect(answer).to_contain_text("скремблеры GPS")
    markers = answer.locator("a.otvet-marker")
    assert markers.all_inner_texts() == [f"[{number}]" for number in range(1, cards(page).count() + 1)]
    assert cards(page).locator(".otvet-number").all_inner_texts() == [str(n + 1) for n in range(cards(page).count())]
    expect(page.locator(".otvet-panel.is-chosen h2")).to_have_text("Источники")
    shoot(page, f"answer-{name}")
    card = cards(page).first
    expect(card.locator("a.otvet-open")).to_contain_text("Иран")
    expect(card.locator(".otvet-details")).to_have_text("2025-10-31 · близко к вопросу")
    expect(card.locator("blockquote")).to_have_attribute("lang", "ru")
    quote = " ".join(card.locator(".otvet-quote").inner_text().split())
    assert quote in " ".join(answer.inner_text().split())
    card.locator("a.otvet-open").click()
    mark = viewer(page).locator("mark")
    expect(mark).to_be_in_viewport()
    assert " ".join(mark.inner_text().split()) == quote
    shoot(page, f"article-{name}")
    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)
    expect(answer).to_contain_text("скремблеры GPS")
    assert page.url.rstrip("/") == sample_url


def test_a_marker_and_its_card_belong_together(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url)
    answer = ask(page, IRAN_EN)
    marker, card = answer.locator("a.otvet-marker").first, cards(page).first
    marker.hover()
    expect(card).to_have_class("otvet-card is-marked")
    shoot(page, "marker-hovered")
    page.locator("h1").hover()
    expect(card).to_have_class("otvet-card")
    card.hover()
    expect(marker).to_have_class("otvet-marker is-marked")
    marker.click()
    expect(card.locator("a.otvet-open")).to_be_focused()
    assert page.locator("dialog").count() == 0
    page.keyboard.press("Enter")
    expect(viewer(page).locator("mark")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(card.locator("a.otvet-open")).to_be_focused()


def test_a_link_to_an_article_opens_in_a_tab_of_its_own(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    with page.context.expect_page() as opened:
        cards(page).locator("a.otvet-open").first.click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_load_state()
    assert in_view(opened.value, "mark")


def test_a_quote_far_down_is_scrolled_to(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(f"{sample_url}/docs", height=400)
    found = page.request.get(f"{sample_url}/articles").json()["articles"][0]
    end = found["n_chars"]
    page.goto(f"{sample_url}/read/{found['article_id']}?start={end - 50}&end={end}#quote")
    assert page.evaluate("scrollY") > 100
    assert in_view(page, "mark")
    shoot(page, "article-far-down")


def test_an_answer_is_written_before_the_readers_eyes(
    open_page: OpenPage, serve: Serve, paced: tuple[Engine, PacedChatModel], shoot: Shoot
) -> None:
    engine, writer = paced
    with serve(engine) as url:
        page = open_page(url, locale="ru-RU")
        send(page, "Что починили у дальнего причала?")
        answer = page.get_by_test_id("bot").last
        steps = answer.locator(".otvet-step")
        expect(steps).to_have_text(["Найдено отрывков: 1", "Пишу ответ", "Проверка"])
        expect(answer.locator(".is-quoted")).to_contain_text("за неделю починили паром «Чайка», сообщили мастера. [1]")
        expect(cards(page)).to_have_count(1)
        expect(page.locator("#otvet-retry")).to_be_hidden()
        shoot(page, "writing-quotes")
        writer.go_on(3)
        expect(answer.locator(".is-written")).to_have_text("Паром «Чайка» починили у дальнего причала за неделю. [1]")
        shoot(page, "writing-text")
        writer.go_on(1)
        expect(answer.locator(".otvet-foot")).to_contain_text("Цитат сверено со статьями: 1")
        expect(answer.locator(".otvet-step")).to_have_count(0)
        expect(answer.locator(".is-written")).to_contain_text("Об этом сообщили мастера. [1]")
        shoot(page, "written")
        page.context.close()


def test_stop_stops_the_language_model(
    open_page: OpenPage, serve: Serve, paced: tuple[Engine, PacedChatModel], shoot: Shoot
) -> None:
    engine, writer = paced
    with serve(engine) as url:
        page = open_page(url)
        send(page, "Что починили у дальнего причала?")
        answer = page.get_by_test_id("bot").last
        expect(answer.locator(".is-quoted")).to_be_visible()
        wait_until(writer.begun, page)
        page.get_by_test_id("stop-button").click()
        expect(answer).to_contain_text("Остановлено: выше то, что успело появиться.")
        wait_until(writer.broken_off, page)
        expect(answer.locator(".is-quoted")).to_contain_text("«Чайка»")
        shoot(page, "stopped")
        writer.go_on(len(WRITTEN))
        page.locator("#otvet-retry").click()
        expect(answer.locator(".otvet-foot")).to_be_visible(timeout=ANSWERED_S)
        expect(answer.locator(".is-written")).to_contain_text("Об этом сообщили мастера. [1]")
        expect(page.get_by_test_id("user")).to_have_count(1)
        page.context.close()


def test_a_reader_who_leaves_stops_the_language_model(
    open_page: OpenPage, serve: Serve, paced: tuple[Engine, PacedChatModel]
) -> None:
    engine, writer = paced
    with serve(engine) as url:
        page = open_page(url)
        send(page, "Что починили у дальнего причала?")
        expect(page.get_by_test_id("bot").last.locator(".is-quoted")).to_be_visible()
        wait_until(writer.begun, page)
        context = page.context
        page.close()
        wait_until(writer.broken_off, context.new_page())


def test_retrieval_does_not_wait_for_anothers_writing(
    open_page: OpenPage, serve: Serve, paced: tuple[Engine, PacedChatModel]
) -> None:
    engine, writer = paced
    with serve(engine) as url:
        pages = [open_page(url) for _ in range(3)]
        for page in pages:
            send(page, "Что починили у дальнего причала?")
        for page in pages:
            expect(page.locator(".is-quoted")).to_contain_text("«Чайка»", timeout=ANSWERED_S)
        pages[0].get_by_role("tab", name="Articles").click()
        expect(pages[0].locator("a.otvet-open-article")).to_have_count(1)
        writer.go_on(len(WRITTEN) * len(pages))
        for page in pages:
            expect(page.locator(".is-written")).to_contain_text("сообщили мастера", timeout=ANSWERED_S)
            page.context.close()


def test_a_refusal_looks_different_and_shows_the_nearest_articles(
    open_page: OpenPage, sample_url: str, shoot: Shoot
) -> None:
    page = open_page(sample_url, locale="ru-RU")
    answer = ask(page, UNKNOWN)
    expect(answer.locator(".otvet-refusal .otvet-heading")).to_have_text("Ответа нет")
    expect(answer).to_contain_text("В статьях нет ответа на этот вопрос.")
    expect(page.locator(".otvet-panel.is-chosen h2")).to_have_text("Ближайшие статьи")
    expect(cards(page)).to_have_count(3)
    expect(cards(page).locator(".otvet-quote")).to_have_count(0)
    expect(page.locator("#otvet-widen")).to_be_hidden()
    shoot(page, "refusal")
    cards(page).locator("a.otvet-open").first.click()
    expect(viewer(page).locator("h1")).not_to_have_text("")
    expect(viewer(page).locator("mark")).to_have_count(0)


def test_a_follow_up_is_understood_from_what_came_before(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url, locale="ru-RU")
    ask(page, IRAN)
    answer = ask(page, "А у Китая?")
    expect(answer.locator(".otvet-note").first).to_contain_text("Понято как вопрос:")
    expect(answer.locator(".otvet-note").first).to_contain_text("Мадуро")
    shoot(page, "follow-up")


def test_the_sources_of_an_earlier_answer_are_chosen_by_a_click(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    first = ask(page, IRAN_EN)
    expect(first).to_contain_text("GPS")
    ask(page, "Что открыл «Ростех» в Венесуэле?")
    panel = page.locator(".otvet-panel.is-chosen")
    expect(panel.locator("h2")).to_have_text("Источники")
    page.get_by_test_id("bot").first.locator(".otvet-text").click()
    expect(panel.locator("h2")).to_have_text("Sources")
    expect(panel.locator(".otvet-of")).to_have_text(IRAN_EN)
    page.get_by_test_id("bot").last.locator("a.otvet-marker").first.click()
    expect(panel.locator("h2")).to_have_text("Источники")


def test_a_click_on_an_example_asks_it(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    page.get_by_role("button", name=IRAN_EN).click()
    expect(page.get_by_test_id("user").last).to_have_text(IRAN_EN)
    expect(page.get_by_test_id("bot").last).to_contain_text("GPS", timeout=ANSWERED_S)
    expect(page.locator(".otvet-panel.is-chosen h2")).to_have_text("Sources")


def test_only_examples_that_the_articles_answer_are_offered(
    open_page: OpenPage, serve: Serve, months_engine: Engine
) -> None:
    with serve(months_engine) as url:
        page = open_page(url)
        expect(page.locator(".otvet-card")).to_have_count(2)
        expect(page.locator("#otvet-chat button.example")).to_have_count(0)
        page.context.close()


@pytest.mark.parametrize(
    ("locale", "title", "placeholder", "empty", "tabs"),
    [
        ("ru-RU", "Ответ", "Спросите у статей, по-русски", "Здесь появятся источники", ["Вопросы", "Статьи", "Индекс"]),
        ("en-US", "Otvet", "Ask the articles, in Russian", "The sources of an", ["Questions", "Articles", "Index"]),
        ("de-DE", "Otvet", "Ask the articles, in Russian", "The sources of an", ["Questions", "Articles", "Index"]),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    open_page: OpenPage,
    sample_url: str,
    shoot: Shoot,
    locale: str,
    title: str,
    placeholder: str,
    empty: str,
    tabs: list[str],
) -> None:
    page = open_page(sample_url, locale=locale)
    expect(page.locator("h1")).to_have_text(title)
    box = page.locator("#otvet-question textarea")
    assert (box.get_attribute("placeholder") or "").startswith(placeholder)
    expect(page.locator("#otvet-sources")).to_contain_text(empty)
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == tabs
    expect(page).to_have_title("Otvet")
    shoot(page, f"start-{locale}")
    ask(page, IRAN_EN)
    assert (box.get_attribute("placeholder") or "").startswith(placeholder)


def test_a_new_conversation_is_empty(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    page.locator("#otvet-new").click()
    expect(page.get_by_test_id("bot")).to_have_count(0)
    expect(page.locator("#otvet-sources")).to_contain_text("The sources of an answer appear here.")
    page.get_by_role("button", name=IRAN_EN).wait_for()
    page.reload()
    expect(page.locator(".otvet-hint")).to_be_visible()
    expect(page.get_by_test_id("bot")).to_have_count(0)


def test_the_last_question_is_edited_and_asked_anew(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    ask(page, UNKNOWN)
    page.locator("#otvet-edit").click()
    box = page.locator("#otvet-question textarea")
    expect(box).to_have_value(UNKNOWN)
    expect(box).to_be_focused()
    expect(page.get_by_test_id("user")).to_have_count(2)
    ask(page, "Что открыл «Ростех» в Венесуэле?")
    expect(page.get_by_test_id("bot").last).to_contain_text("боеприпас")
    expect(page.get_by_test_id("user")).to_have_count(2)
    page.locator("#otvet-edit").click()
    expect(box).not_to_have_value("")
    box.fill("")
    page.wait_for_timeout(1_000)  # nothing to be seen tells that the page took notice
    ask(page, UNKNOWN)  # a question of its own
    expect(page.get_by_test_id("user")).to_have_count(3)


def test_a_conversation_survives_a_reload(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    shown, n_cards = page.get_by_test_id("bot").last.inner_text(), cards(page).count()
    page.reload()
    expect(page.get_by_test_id("user")).to_have_text([IRAN_EN])
    expect(page.get_by_test_id("bot").last).to_have_text(shown, use_inner_text=True)
    expect(cards(page)).to_have_count(n_cards)
    ask(page, UNKNOWN)
    expect(page.get_by_test_id("user")).to_have_count(2)


def test_two_readers_do_not_see_each_other(open_page: OpenPage, sample_url: str) -> None:
    one, other = open_page(sample_url), open_page(sample_url)
    ask(one, IRAN_EN)
    expect(other.get_by_test_id("user")).to_have_count(0)
    expect(other.locator(".otvet-panel")).to_have_count(0)
    ask(other, UNKNOWN)
    expect(one.get_by_test_id("user")).to_have_count(1)
    expect(one.get_by_test_id("bot").last).to_contain_text("GPS")
    expect(one.locator(".otvet-panel.is-chosen h2")).to_have_text("Sources")
    other.reload()
    expect(other.get_by_test_id("user")).to_have_text([UNKNOWN])


def test_filters_limit_the_search_and_can_be_widened(
    open_page: OpenPage, serve: Serve, months_engine: Engine, shoot: Shoot
) -> None:
    with serve(months_engine) as url:
        page = open_page(url, locale="ru-RU")
        page.locator("#otvet-filters > button").click()
        page.locator("#otvet-publisher input").click()
        page.get_by_role("option", name="Заречная газета").click()
        expect(page.locator("#otvet-filters > button")).to_contain_text("Фильтры: Заречная газета")
        shoot(page, "filters")
        ask(page, "Какой паром починили у дальнего причала?")
        expect(page.get_by_test_id("user").last).to_contain_text("Фильтры: издание Заречная газета")
        expect(cards(page).locator(".otvet-details")).to_contain_text("Заречная газета")
        page.locator("#otvet-to input").first.fill("2025-11-01")
        page.locator("#otvet-to input").first.press("Enter")
        expect(page.locator("#otvet-filters > button")).to_contain_text("по 2025-11-01")
        answer = ask(page, "Какой паром починили у дальнего причала?")
        expect(answer.locator(".otvet-refusal")).to_be_visible()
        shoot(page, "refusal-by-filters")
        page.locator("#otvet-widen").click()
        expect(answer.locator(".otvet-answer")).to_be_visible(timeout=ANSWERED_S)
        expect(cards(page).locator(".otvet-details").first).to_contain_text("2025-")
        page.locator("#otvet-clear-filters").click()
        expect(page.locator("#otvet-filters > button")).to_have_text("Фильтры ▼")
        page.context.close()


def test_days_the_wrong_way_round_are_told_and_nothing_is_asked(
    open_page: OpenPage, serve: Serve, months_engine: Engine
) -> None:
    with serve(months_engine) as url:
        page = open_page(url, locale="ru-RU")
        page.locator("#otvet-filters > button").click()
        for name, day in (("from", "2025-12-01"), ("to", "2025-11-01")):
            page.locator(f"#otvet-{name} input").first.fill(day)
            page.locator(f"#otvet-{name} input").first.press("Enter")
        expect(page.locator("#otvet-filters > button")).to_contain_text("с 2025-12-01, по 2025-11-01")
        page.locator("#otvet-question textarea").fill(REPAIRED)
        page.locator("#otvet-question textarea").press("Enter")
        expect(page.locator(".toast-body")).to_contain_text("поменяйте местами")
        expect(page.get_by_test_id("user")).to_have_count(0)
        expect(page.locator("#otvet-question textarea")).to_have_value(REPAIRED)
        page.context.close()


def test_a_period_in_a_question_is_a_chip_that_can_be_removed(
    open_page: OpenPage, serve: Serve, months_engine: Engine, shoot: Shoot
) -> None:
    with serve(months_engine) as url:
        page = open_page(url, locale="ru-RU")
        box, chip = page.locator("#otvet-question textarea"), page.locator("#otvet-period")
        box.fill(REPAIRED)
        expect(chip).to_have_text("Только статьи за 2025-10-01 – 2025-11-02 ✕")
        shoot(page, "period-chip")
        answer = ask(page, REPAIRED)
        expect(answer).to_contain_text("Только статьи за 2025-10-01 – 2025-11-02 («в октябре 2025 года» в вопросе).")
        expect(cards(page).locator(".otvet-details")).to_contain_text("2025-10-08")
        expect(chip).to_be_hidden()
        box.fill(REPAIRED)
        chip.focus()
        page.keyboard.press("Enter")
        expect(chip).to_be_hidden()
        answer = ask(page, f"{REPAIRED} ")
        expect(page.get_by_test_id("user").last).to_contain_text("даты из вопроса не учтены")
        expect(answer).not_to_contain_text("Только статьи")
        expect(cards(page).locator(".otvet-details").first).to_contain_text("2025-12-03")
        box.fill(REPAIRED)
        expect(chip).to_be_visible()
        page.locator("#otvet-filters > button").click()
        page.locator("#otvet-from input").fill("2025-01-01")
        expect(chip).to_be_hidden()  # the days of the filter go before
        page.context.close()


def test_articles_that_differ_are_both_shown(
    open_page: OpenPage, serve: Serve, tmp_path: Path, model: EmbeddingModel, shoot: Shoot
) -> None:
    rows = [
        article("2025-03-01", "При обвале моста через Лесную реку погибли 12 человек, сообщили спасатели."),
        article("2025-03-02", "При обвале моста через Лесную реку погибли 15 человек, сообщили спасатели."),
    ]
    engine, index = made_engine(tmp_path, rows, model)
    with serve(engine) as url:
        page = open_page(url, locale="ru-RU")
        answer = ask(page, "Сколько человек погибли при обвале моста через Лесную реку?")
        expect(answer.locator(".otvet-note")).to_contain_text("Статьи расходятся:")
        expect(cards(page)).to_have_count(2)
        shoot(page, "disagreement")
        page.context.close()
    index.close()


def test_what_a_reader_says_of_an_answer_is_kept(
    open_page: OpenPage, serve: Serve, months_engine: Engine, shoot: Shoot
) -> None:
    with serve(months_engine, load_settings()) as url:
        _say_what_is_wrong(open_page(url), shoot)


def _say_what_is_wrong(page: Page, shoot: Shoot) -> None:
    ask(page, REPAIRED)
    store = FeedbackStore(load_settings().data_dir / FILE_NAME)
    page.get_by_role("button", name="Dislike").click()
    expect(page.locator("#otvet-reasons").first).to_be_visible()
    shoot(page, "reasons")
    page.get_by_label("Something is missing").check()
    page.get_by_label("In your words (optional)").fill("Where is the date?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#otvet-reasons").first).to_be_hidden()
    (kept,) = wait_for(lambda: [one for one in store.all() if one.reason])
    assert (kept.liked, kept.reason, kept.comment) == (False, "incomplete", "Where is the date?")
    assert (kept.question, kept.generation, kept.response["kind"]) == (REPAIRED, "g-0001", "answer")
    assert kept.response["citations"][0]["quote"]
    page.reload()
    like = page.get_by_role("button", name=re.compile("^Liked?$"))
    like.click()
    (kept,) = wait_for(lambda: [one for one in store.all() if one.liked])
    assert kept.reason == ""
    like.click()  # the first click may still be on its way back
    wait_for(lambda: not list(store.all()))
    page.get_by_role("button", name="Dislike").click()
    expect(page.locator("#otvet-reasons").first).to_be_visible()
    page.locator("#otvet-new").click()
    expect(page.locator("#otvet-reasons").first).to_be_hidden()
    page.context.close()


def test_a_conversation_is_saved_and_an_answer_copied(open_page: OpenPage, sample_url: str, tmp_path: Path) -> None:
    page = open_page(sample_url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = ask(page, IRAN_EN)
    quote = cards(page).first.locator(".otvet-quote").inner_text().split("\n")[0]
    with page.expect_download() as download:
        page.locator("#otvet-export").click()
    assert download.value.suggested_filename.endswith(".md")
    download.value.save_as(tmp_path / "saved.md")
    saved = (tmp_path / "saved.md").read_text(encoding="utf-8")
    assert IRAN_EN in saved
    assert quote in saved
    answer.get_by_role("button", name="Copy").click()
    expect(answer.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert quote in copied
    assert "[1]" in copied
    assert "Sources:" in copied


def test_a_session_that_ends_asks_for_a_login_and_keeps_the_conversation(
    open_page: OpenPage, serve: Serve, months_engine: Engine, tmp_path: Path, shoot: Shoot
) -> None:
    users = Users(tmp_path / "users.json")
    users.add("анна", "correct horse")
    users.add("борис", "battery staple")
    with serve(months_engine, load_settings(users=users.path)) as url:
        page = open_page(url, locale="ru-RU", server_may_go=True)
        log_in(page, "анна", "correct horse")
        ask(page, REPAIRED)
        shoot(page, "logged-in")
        page.context.clear_cookies()
        page.locator("#otvet-question textarea").fill("А в декабре?")  # what is typed is looked at for dates already
        page.wait_for_url("**/login**")
        log_in(page, "анна", "correct horse")
        expect(page.get_by_test_id("user").first).to_have_text(REPAIRED)
        page.get_by_role("button", name="Выйти").click()
        log_in(page, "борис", "battery staple")
        expect(page.locator(".otvet-hint")).to_be_visible()
        expect(page.get_by_test_id("user")).to_have_count(0)
        page.context.close()


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Имя").fill(name)
    page.get_by_label("Пароль").fill(password)
    page.keyboard.press("Enter")
    expect(page.locator("#otvet-question textarea")).to_be_editable(timeout=ANSWERED_S)


def test_a_phone_scrolls_in_one_direction(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url, locale="ru-RU", width=390, height=844)
    expect(page.locator(".otvet-card").first).to_be_attached()
    assert overflow(page) <= 0
    shoot(page, "phone-start")
    answer = ask(page, IRAN)
    assert overflow(page) <= 0
    shoot(page, "phone-answer")
    answer.locator("a.otvet-marker").first.click()
    expect(cards(page).first.locator("a.otvet-open")).to_be_in_viewport()
    shoot(page, "phone-cards")
    page.keyboard.press("Enter")
    expect(viewer(page).locator("mark")).to_be_in_viewport()
    assert overflow(page) <= 0
    assert page.locator("dialog").bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    shoot(page, "phone-article")


def test_the_documentation_asks_no_other_host(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(f"{sample_url}/docs")
    expect(page.locator("#swagger-ui")).to_contain_text("/answer")
    shoot(page, "docs")


def test_a_server_that_goes_away_and_comes_back(open_page: OpenPage, tmp_path: Path, shoot: Shoot) -> None:
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("\n".join(map(json.dumps, REPAIRS)))
    env = environment(tmp_path / "data", OTVET_CORPUS=str(corpus))
    subprocess.run([OTVET, "index"], env=env, check=True, capture_output=True)
    with serving(env, tmp_path) as (url, process):
        page = open_page(url, locale="ru-RU", server_may_go=True)
        ask(page, REPAIRED)
        page.evaluate("window.isOld = true")
        process.send_signal(signal.SIGKILL)
        process.wait()
        page.locator("#otvet-question textarea").fill("А в декабре?")
        page.locator("#otvet-question textarea").press("Enter")
        expect(page.locator(".toast-body").first).to_contain_text("Связь с сервером потеряна")
        shoot(page, "server-gone")
        port = url.rsplit(":", 1)[1]
        again = subprocess.Popen([OTVET, "serve", "--port", port], env=env, cwd=tmp_path)
        try:
            page.wait_for_function("() => !window.isOld", timeout=60_000)
            expect(page.locator(".otvet-actions")).to_be_visible(timeout=ANSWERED_S)
            expect(page.get_by_test_id("user")).to_have_text([REPAIRED])
            shoot(page, "server-back")
            ask(page, "Что починили у дальнего причала?")
            page.context.close()
        finally:
            again.kill()
            again.wait()
