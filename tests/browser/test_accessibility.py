"""Whether everybody can use the page: axe-core in every state, the keyboard, little motion, a phone, languages."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from langchain_core.language_models import BaseChatModel
from playwright.sync_api import Page, expect

from fakes import HashedWordsModel, open_index
from index.serving import Index
from pages import ask, ready
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.scopes import Scope
from ui.settings import Settings
from ui.tokens import Tokens

pytestmark = pytest.mark.long

OpenPage = Callable[..., Page]
Serve = Callable[..., AbstractContextManager[str]]
QUESTION = "Оркестр сыграет на площади у фонтана?"
UNKNOWN = "Сколько стоит слон?"
ARTICLES = [
    {
        "title": "Оркестр у фонтана",
        "text": "Вчера шёл дождь. Оркестр сыграет на площади у фонтана. Потом будет салют.",
        "publisher": "Вестник",
        "published_at": "2025-01-02",
        "url": "https://example.org/1",
    },
    {"title": "The choir", "text": "The choir went to the sea by train.", "language": "en", "publisher": "Herald"},
    *({"title": f"Статья {n}", "text": f"Корабль {n} вышел.", "published_at": f"2025-03-{n:02d}"} for n in range(1, 9)),
]
# Gradio's own markup, which we cannot reach; each is a rule and a part of the element that fails it.
OF_GRADIO = [("nested-interactive", "toast-header")]  # a short-lived message: a button with a button in it


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = open_index(tmp_path_factory.mktemp("accessible"), HashedWordsModel(), ARTICLES)
    yield index
    index.close()


def engine_over(index: Index, chat_model: BaseChatModel | None = None) -> Engine:
    return make_engine(index, HashedWordsModel(), AnswerSettings(chat_model="none"), chat_model)


@pytest.fixture(scope="module")
def place(index: Index, tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTVET_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        with serve(engine_over(index)) as url:
            yield url


@pytest.fixture(scope="module")
def guarded(index: Index, tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[tuple[str, str]]:
    """Where one logs in; gives the token "admin", too."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = Tokens(folder / "tokens.json")
    token = tokens.add("admin", frozenset(Scope))
    with serve(engine_over(index), Settings(data_dir=folder, api_tokens=tokens.path, uploads=True)) as url:
        yield url, token


def log_in(page: Page, token: str) -> None:
    page.locator("input[name=name]").fill("admin")
    page.locator("input[name=password]").fill(token)
    page.get_by_role("button").click()


def faults(page: Page, state: str) -> list[str]:
    """The serious and critical violations of axe-core's rules, each with its element."""
    found = []
    for violation in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]:
        for node in violation["nodes"]:
            if violation["impact"] not in ("serious", "critical"):
                continue
            if any(violation["id"] == rule and part in node["html"] for rule, part in OF_GRADIO):
                continue
            told = " ".join(node["failureSummary"].split())[:200]
            found.append(f"{state}: {violation['id']}: {node['target']} {node['html'][:160]} {told}")
    return found


def misfits(page: Page, state: str) -> list[str]:
    """What is wider than the window, and controls of ours that are too small for a finger."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll(
            ".otvet-message button, .otvet-message a, .otvet-card a, .otvet-actions button, #otvet-period, "
            + ".otvet-header button, .otvet-viewer button, .otvet-viewer a, [id^=otvet-] button, .otvet-articles a")]
            .map((one) => [one, one.getBoundingClientRect()])
            .filter(([one]) => !one.matches("[tabindex='-1'], a.otvet-open"))
            .filter(([one, box]) => one.checkVisibility() && box.width && (box.width < 24 || box.height < 24))
            .map(([one, box]) => `${one.outerHTML.slice(0, 110)} ${Math.round(box.width)}x${Math.round(box.height)}`)"""
    )
    over = page.evaluate(
        "(() => { const talk = document.querySelector('.otvet-talk');"
        "return talk ? talk.scrollHeight - talk.clientHeight : 0; })()"
    )
    return [
        *([f"{state}: {wide} px too wide"] if wide > 0 else []),
        *([f"{state}: the conversation's column runs {over} px into what is below it"] if over > 1 else []),
        *(f"{state}: small: {one}" for one in small),
    ]


def states(page: Page) -> Iterator[str]:
    """Brings the page into one state after another, and names them."""
    ready(page)
    yield "start"
    ask(page, QUESTION)
    yield "answer"
    page.get_by_title("Не нравится", exact=True).last.click()
    expect(page.locator("#otvet-reasons").first).to_be_visible()
    yield "reasons"
    page.locator("#otvet-reasons button").last.click()
    expect(page.locator("#otvet-reasons")).to_have_count(0)
    page.locator("#otvet-filters button").first.click()
    expect(page.locator("#otvet-publisher input")).to_be_visible()
    yield "filters"
    ask(page, UNKNOWN)
    yield "refusal"
    page.locator("#otvet-sources .is-chosen a.otvet-open").or_(page.locator("a.otvet-open:visible")).first.click()
    expect(page.frame_locator("dialog.otvet-viewer iframe").locator("h1")).to_be_visible()
    yield "viewer"
    page.keyboard.press("Escape")
    expect(page.locator("dialog.otvet-viewer")).to_have_count(0)
    for toast in page.locator(".toast-close").all():  # on a phone it lies over the tabs
        toast.click()
    page.get_by_role("tab", name="Статьи").click()
    expect(page.locator("#otvet-articles-list li").first).to_be_visible()
    yield "articles"
    page.get_by_role("tab", name="Индекс").click()
    expect(page.locator("#otvet-index-details dl").first).to_be_visible()
    expect(page.locator("#otvet-index-rebuild")).to_be_visible()
    yield "index"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_fault_in_any_state(open_page: OpenPage, guarded: tuple[str, str], dark: bool, width: int) -> None:
    url, token = guarded
    page = open_page(url, locale="ru-RU", dark=dark, width=width, height=844)
    log_in(page, token)
    found = []
    for state in states(page):
        page.wait_for_timeout(250)
        found += faults(page, state)
        if width == 390:
            found += misfits(page, state)
    if found:
        pytest.fail("\n".join(dict.fromkeys(found)), pytrace=False)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_login_has_no_serious_fault(
    open_page: OpenPage,
    index: Index,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dark: bool,
    width: int,
) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"version": 1, "tokens": []}), encoding="utf-8")
    monkeypatch.setenv("OTVET_API_TOKENS", str(tokens))
    with serve(engine_over(index)) as url:
        page = open_page(f"{url}/login", dark=dark, width=width, policy_at_work=True)
        expect(page.locator("input[name=name]")).to_be_focused()
        found = faults(page, "login") + misfits(page, "login")
        assert page.locator("html").get_attribute("lang") == "en"
        page.context.close()
    assert "\n".join(found) == ""


def focused(page: Page) -> dict[str, Any]:
    told: dict[str, Any] = page.evaluate(
        """() => {
            const one = document.activeElement;
            const around = [one];
            while (around.length < 7 && around.at(-1).parentElement) around.push(around.at(-1).parentElement);
            const seen = around.flatMap((part) => [getComputedStyle(part), getComputedStyle(part, "::after")]);
            const visible = seen.some((css) => (css.outlineStyle !== "none" && parseFloat(css.outlineWidth) > 0)
                || (css.boxShadow !== "none"));
            return { html: one.outerHTML.slice(0, 130), name: `${one.id} ${one.className} ${one.tagName}`,
                near: one.closest("[id^=otvet-]")?.id || "", visible };
        }"""
    )
    return told


def test_everything_is_reached_by_the_keyboard(open_page: OpenPage, place: str) -> None:
    page = open_page(place, locale="ru-RU")
    ready(page)
    ask(page, QUESTION)
    page.locator("#otvet-question textarea").focus()
    met: list[dict[str, Any]] = []
    for key in ("Tab", "Shift+Tab"):
        page.locator("#otvet-question textarea").focus()
        for _ in range(28):
            page.keyboard.press(key)
            met.append(focused(page))
    reached = " ".join(f"{one['name']} {one['near']}" for one in met)
    for part in ("otvet-marker", "otvet-copy", "otvet-open", "otvet-filters", "otvet-retry", "otvet-export", "tab"):
        assert part in reached, part
    unseen = [
        one["html"] for one in met if not one["visible"] and "BODY" not in one["name"] and "HTML" not in one["name"]
    ]
    assert "\n".join(dict.fromkeys(unseen)) == ""


def test_the_viewer_takes_the_focus_and_gives_it_back(open_page: OpenPage, place: str) -> None:
    page = open_page(place)
    ready(page)
    ask(page, QUESTION)
    marker = page.locator("a.otvet-marker").first
    marker.focus()
    page.keyboard.press("Enter")
    card = page.locator(".otvet-panel.is-chosen a.otvet-open").first
    expect(card).to_be_focused()
    for leave in ("Escape", "back", "inside"):
        page.keyboard.press("Enter")
        viewer = page.locator("dialog.otvet-viewer")
        expect(viewer).to_be_visible()
        assert page.evaluate("document.querySelector('dialog.otvet-viewer').contains(document.activeElement)")
        expect(page.frame_locator("dialog.otvet-viewer iframe").locator("mark")).to_be_visible()
        if leave == "inside":
            page.frame_locator("dialog.otvet-viewer iframe").locator("mark").focus()
        if leave == "back":
            page.go_back()
        else:
            page.keyboard.press("Escape")
        expect(viewer).to_have_count(0)
        expect(card).to_be_focused()


class SlowModel(HashedWordsModel):
    """Takes its time over a query, so that an answer is pending."""

    def encode_query(self, text: str) -> Any:
        if text == QUESTION:
            time.sleep(1.5)
        return super().encode_query(text)


def test_nothing_moves_where_little_motion_is_asked_for_and_stop_is_reached(
    open_page: OpenPage, index: Index, serve: Serve
) -> None:
    model = SlowModel()
    with serve(make_engine(index, model, AnswerSettings(chat_model="none"))) as url:
        page = open_page(url)
        ready(page)
        box = page.locator("#otvet-question textarea")
        box.fill(QUESTION)
        box.press("Enter")
        expect(page.locator(".otvet-stages")).to_be_visible()
        moving = page.evaluate(
            """document.getAnimations().filter((one) => one.playState === "running")
                .map((one) => `${one.animationName || ""} ${one.effect.target.outerHTML.slice(0, 90)}`)"""
        )
        box.focus()
        reached = []
        for _ in range(3):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
        expect(page.locator("#otvet-retry")).to_be_visible()
        page.context.close()
    assert any("stop" in one for one in reached), reached
    assert "\n".join(dict.fromkeys(moving)) == ""


def test_languages_are_told(open_page: OpenPage, place: str) -> None:
    for locale in ("ru-RU", "en-US"):
        page = open_page(place, locale=locale)
        ready(page)
        assert (page.locator("html").get_attribute("lang") or "")[:2] == locale[:2]
        ask(page, QUESTION)
        assert page.locator(".otvet-card blockquote").first.get_attribute("lang") == "ru"
        assert page.locator(".otvet-text").first.get_attribute("lang") == "ru"
        page.locator("a.otvet-open:visible").first.click()
        assert page.frame_locator("iframe").locator("html").get_attribute("lang") == "ru"
        page.context.close()


def test_first_paint_is_measured(open_page: OpenPage, place: str) -> None:
    """Prints figures; a timing is no assertion."""
    for _ in range(3):
        page = open_page(place)
        ready(page)
        figures = page.evaluate(
            """() => new Promise((tell) => new PerformanceObserver((list) => tell({
                paint: performance.getEntriesByType("paint").map((one) => [one.name, Math.round(one.startTime)]),
                lcp: Math.round(list.getEntries().at(-1).startTime),
            })).observe({ type: "largest-contentful-paint", buffered: true }))"""
        )
        print(figures)  # noqa: T201
        assert figures["paint"]
        page.context.close()
