"""The tab of the index in a real Chromium: over a real index, with real rebuilds and uploads."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI, Request
from playwright.sync_api import Locator, Page, expect

from apps import listening
from index.embedding import EmbeddingModel
from index.generations import index_root, writing
from index.rebuild import build_index
from index.serving import Index
from places import CACHE_DIR
from qa.engine import make_engine
from qa.settings import AnswerSettings
from ui.access import Admin
from ui.api import index_status
from ui.callers import open_callers
from ui.gradio_guard import GradioGuard
from ui.index_tab import INDEX_TEXTS, make_index_tab
from ui.login import add_login
from ui.page import PAGE_CSS, THEME
from ui.rebuilding import Rebuilder
from ui.scopes import ASK_AND_READ, Scope, current_caller
from ui.settings import Settings
from ui.tokens import Tokens
from ui.users import Users

OpenPage = Callable[..., Page]
Shoot = Callable[[Page, str], None]

EVIL = "<img src=x onerror=alert(1)>"
BRIDGE = "date 2025-03-01 The bridge over the river was opened."
I18N = gr.I18n(
    en={**INDEX_TEXTS["en"], "other": "Other", "index": "Index"},
    ru={**INDEX_TEXTS["ru"], "other": "Другое", "index": "Индекс"},
)


@dataclass
class Site:
    """A served tab, and what it stands over."""

    url: str
    settings: Settings
    model: EmbeddingModel
    tokens: Tokens

    def client(self, scopes: frozenset[Scope]) -> httpx.Client:
        """A program with a token of its own."""
        token = self.tokens.add(f"program {len(self.tokens.all())}", scopes)
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def build(self) -> None:
        build_index([self.settings.corpus], settings=self.settings, model=self.model)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.settings.corpus.iterdir())


def make_tab_app(settings: Settings, index: Index, model: EmbeddingModel, rebuilder: Rebuilder) -> FastAPI:
    """The tab and another one, mounted as in ui/app.py."""
    engine = make_engine(index, model, AnswerSettings())
    callers = open_callers(settings)
    admin = Admin(callers, uploads=settings.uploads)
    app = FastAPI()
    app.add_middleware(GradioGuard, may_upload=admin.may_upload)
    with gr.Blocks(analytics_enabled=False, fill_width=True) as page, gr.Tabs():
        with gr.Tab(I18N("other")):
            gr.Markdown("Nothing to see here.")
        with gr.Tab(I18N("index")) as tab:
            make_index_tab(
                page,
                tab=tab,
                index_status=lambda: index_status(engine, rebuilder),
                rebuilder=rebuilder,
                settings=settings,
                is_admin=admin.allows,
                t=I18N,
            )
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=THEME,
        css=f"{PAGE_CSS} .gradio-container {{ width: 100%; }}",
        i18n=I18N,
        footer_links=[],
        ssr_mode=False,
        auth_dependency=caller_name if callers.are_asked else None,
    )
    add_login(app, settings, callers)
    return app


def caller_name(request: Request) -> str | None:
    caller = current_caller(request)
    return caller.name if caller else None


Open = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def site(tmp_path: Path, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Serves the tab over a small index, with settings of choice."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))

    @contextmanager
    def opened(*, with_tokens: bool = False, **chosen: Any) -> Iterator[Site]:
        tokens = Tokens(tmp_path / "tokens.json")
        if with_tokens:
            tokens.add("somebody", ASK_AND_READ)
            chosen["api_tokens"] = tokens.path
        corpus = tmp_path / "corpus"
        corpus.mkdir()
        (corpus / "bridge.txt").write_text(BRIDGE)
        (corpus / f"{EVIL}.txt").write_text("")
        (corpus / "old.md").write_bytes("Новости дня".encode("cp1251"))
        settings = Settings(corpus=corpus, data_dir=tmp_path / "data", cache_dir=CACHE_DIR, **chosen)
        build_index([corpus], settings=settings, model=model)
        index, rebuilder = Index(settings, model), Rebuilder(settings)
        with listening(lambda: make_tab_app(settings, index, model, rebuilder)) as url:
            yield Site(url, settings, model, tokens)
        rebuilder.close()
        index.close()

    return opened


def select(page: Page) -> Locator:
    """Choose the tab; gives what it shows."""
    page.get_by_role("tab", name="Index").or_(page.get_by_role("tab", name="Индекс")).click()
    return page.locator("#otvet-index")


def overflow(page: Page) -> int:
    """How many pixels wider than the window the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def enter(page: Page, served: Site, scopes: frozenset[Scope] = frozenset(Scope)) -> Locator:
    """Log in with a new token; gives the tab."""
    name = f"person {len(served.tokens.all())}"
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(served.tokens.add(name, scopes))
    page.get_by_role("button").click()
    return select(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("locale", ["ru-RU", "en-US"])
def test_what_serves_is_told_and_a_build_is_followed(
    open_page: OpenPage, site: Open, shoot: Shoot, locale: str, dark: bool
) -> None:
    is_russian, shot = locale == "ru-RU", f"index-{locale[:2]}-{'dark' if dark else 'light'}"
    with site() as served:
        page = open_page(served.url, locale=locale, dark=dark)
        shown = select(page)
        state, details = shown.locator("#otvet-index-state"), shown.locator("#otvet-index-details")
        expect(state).to_contain_text("Индекс в порядке" if is_russian else "The index is well")
        expect(shown.get_by_role("img")).to_have_attribute("aria-label", re.compile("^(Добавлено|Added) 1, "))
        expect(details).to_contain_text("g-0001")
        expect(details.locator(".otvet-ix-unread b")).to_have_text([f"{EVIL}.txt", "old.md:1"])
        expect(details.locator("img")).to_have_count(0)
        expect(page.locator("#otvet-index-off")).to_contain_text("OTVET_API_TOKENS")
        expect(page.locator("#otvet-index-rebuild")).to_have_count(0)
        shoot(page, shot)
        with writing(served.settings.data_dir) as (_, tell):
            time.sleep(0.6)  # the progress is written down twice a second
            tell("embed", 5, 20)
            bar = page.get_by_role("progressbar", name="Обработка статей" if is_russian else "Embedding articles")
            expect(bar).to_have_attribute("max", "20")
            expect(details).to_contain_text("5 из 20" if is_russian else "5 of 20")
            expect(state).to_contain_text("обновляется" if is_russian else "being rebuilt")
            shoot(page, f"{shot}-running")
        (served.settings.corpus / "tunnel.txt").write_text("date 2025-03-02 The tunnel under the hill was closed.")
        served.build()
        expect(details).to_contain_text("g-0002")
        expect(page.get_by_role("progressbar")).to_have_count(0)
        page.context.close()


def test_who_is_no_administrator_sees_no_buttons(open_page: OpenPage, site: Open, shoot: Shoot) -> None:
    with site(with_tokens=True, uploads=True) as served:
        page = open_page(served.url)
        enter(page, served, ASK_AND_READ)
        expect(page.locator("#otvet-index-details")).to_contain_text("g-0001")
        expect(page.locator("#otvet-index-rebuild, #otvet-index-drop, #otvet-index-off")).to_have_count(0)
        shoot(page, "index-no-admin")
        page.context.close()


def test_administrators_start_and_cancel_builds(open_page: OpenPage, site: Open, shoot: Shoot) -> None:
    with site(with_tokens=True) as served:
        for number in range(400):
            text = f"Порт номер {number} принял судно {number * 7} с зерном. Судно разгрузили за {number} часов."
            (served.settings.corpus / f"port-{number}.txt").write_text(text)
        page = open_page(served.url, locale="ru-RU")
        shown = enter(page, served)
        expect(page.locator("#otvet-index-rebuild")).to_be_visible()
        expect(page.locator("#otvet-index-drop, #otvet-index-cancel, #otvet-index-off")).to_have_count(0)
        shoot(page, "index-admin")
        page.locator("#otvet-index-rebuild").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("#otvet-index-rebuild")).to_be_disabled()
        expect(shown).to_contain_text("запущено отсюда")
        shoot(page, "index-admin-running")
        page.locator("#otvet-index-cancel").click()
        expect(page.locator("#otvet-index-state")).to_contain_text("отменено")
        expect(page.locator("#otvet-index-rebuild")).to_be_enabled()
        expect(page.locator("#otvet-index-cancel")).to_have_count(0)
        shoot(page, "index-admin-cancelled")
        page.context.close()


def test_dropped_files_come_into_the_corpus_and_into_the_index(
    open_page: OpenPage, site: Open, shoot: Shoot, tmp_path: Path
) -> None:
    good, empty, markup = tmp_path / "Паром «Чайка».txt", tmp_path / "blank.md", tmp_path / "<b>bold</b>.txt"
    for path, text in ((good, "Паром снова ходит."), (empty, " "), (markup, "The <i>tunnel</i> was closed.")):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    with site(with_tokens=True, uploads=True) as served:
        page = open_page(served.url)
        enter(page, served)
        before = served.names()
        drop, said = page.locator("#otvet-index-drop input[type=file]"), page.locator("#otvet-index-said")
        drop.set_input_files([good, empty])
        expect(said).to_contain_text("blank.md': the file is empty")
        assert served.names() == before
        shoot(page, "index-drop-refused")
        drop.set_input_files([good, markup])
        expect(said).to_contain_text("Now in the corpus: Паром «Чайка».txt, ")
        expect(said.locator("b, i")).to_have_count(0)
        assert len(served.names()) == len(before) + 2
        assert not [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()]
        shoot(page, "index-drop")
        page.locator("#otvet-index-rebuild").click()
        expect(page.locator("#otvet-index-state")).to_contain_text("Rebuild from here")
        expect(page.locator("#otvet-index-state")).to_contain_text("done")
        expect(page.locator("#otvet-index-details")).to_contain_text("g-0002")
        expect(page.locator(".otvet-ix-bar")).to_have_attribute("aria-label", re.compile("^Added 2, .*Unchanged 1"))
        shoot(page, "index-done")
        page.context.close()


def test_a_user_may_be_an_administrator(open_page: OpenPage, site: Open, tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    users.add("Анна", "correct horse", is_admin=True)
    with site(users=users.path) as served:
        page = open_page(served.url)
        page.locator("input[name=name]").fill("Анна")
        page.locator("input[name=password]").fill("correct horse")
        page.get_by_role("button").click()
        select(page)
        expect(page.locator("#otvet-index-rebuild")).to_be_visible()
        expect(page.locator("#otvet-index-off")).to_have_count(0)
        page.context.close()


def test_an_index_that_is_not_well_says_so(open_page: OpenPage, site: Open, shoot: Shoot) -> None:
    with site() as served:
        page = open_page(served.url)
        state = select(page).locator("#otvet-index-state")
        expect(state.get_by_role("status")).to_have_text("The index is well; questions are answered.")
        root = index_root(served.settings.data_dir)
        (root / "CURRENT").write_text("g-0009")
        expect(state).to_contain_text("g-0001 answers, as the newer build g-0009 cannot be opened: cannot read")
        expect(state).to_contain_text("manifest.json")
        shoot(page, "index-older")
        (root / "CURRENT").write_text("g-0001")
        expect(state).to_have_text("The index is well; questions are answered.")
        (root / "g-0001" / "manifest.json").write_text("{")
        expect(state).to_contain_text("The files of the index are damaged: cannot read")
        shoot(page, "index-damaged")
        page.context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_scrolls_in_one_direction_and_nothing_bars_anybody(
    open_page: OpenPage, site: Open, shoot: Shoot, dark: bool
) -> None:
    with site(with_tokens=True, uploads=True) as served:
        page = open_page(served.url, locale="ru-RU", dark=dark, width=390, height=2200)
        assert overflow(page) <= 0
        enter(page, served)
        expect(page.locator("#otvet-index-details")).to_contain_text("g-0001")
        expect(page.locator("#otvet-index-rebuild")).to_be_visible()
        assert overflow(page) <= 0
        assert not faults(page)
        shoot(page, f"index-phone-{'dark' if dark else 'light'}")
        page.context.close()


def faults(page: Page) -> list[str]:
    """What axe-core finds in the tab; Gradio's own page around it is looked at elsewhere."""
    found = Axe().run(page, context="#otvet-index").response["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


def test_it_is_asked_only_while_the_tab_is_selected(open_page: OpenPage, site: Open) -> None:
    with site() as served:
        page = open_page(served.url)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
        select(page)
        expect(page.locator("#otvet-index-details")).to_contain_text("g-0001")
        page.wait_for_timeout(5_000)
        assert len(asked) >= 3
        page.get_by_role("tab", name="Other").click()
        page.wait_for_timeout(2_500)
        asked.clear()
        page.wait_for_timeout(5_000)
        assert not asked
        page.context.close()


def call(client: httpx.Client, elem_id: str, event: str, data: list[Any]) -> Any:
    """What the page does when something is clicked or dropped, done by a program; gives the values that come back."""
    config = client.get("/config").json()
    ids = {component["props"].get("elem_id"): component["id"] for component in config["components"]}
    [n] = [d["id"] for d in config["dependencies"] if [ids[elem_id], event] in d["targets"] and d["backend_fn"]]
    request = {"fn_index": n, "data": data, "session_hash": "s"}
    return client.post("/gradio_api/run/predict", json=request).raise_for_status().json()["data"]


def test_programs_that_are_no_administrators_do_nothing_either(site: Open) -> None:
    with site(with_tokens=True, uploads=True) as served:
        files = [("files", ("a.txt", b"text"))]
        with served.client(ASK_AND_READ) as client:
            for button in ("otvet-index-rebuild", "otvet-index-cancel"):
                assert "Only an administrator" in call(client, button, "click", [])[0]
            assert "Only an administrator" in call(client, "otvet-index-drop", "upload", [None])[1]
            assert client.post("/gradio_api/upload", files=files).status_code == 403
        with served.client(frozenset(Scope)) as client:
            with writing(served.settings.data_dir):
                [said] = call(client, "otvet-index-rebuild", "click", [])
                assert "The index is being rebuilt already: another build is running (process" in said
            [said] = call(client, "otvet-index-cancel", "click", [])
            assert "Nothing to cancel" in said
            assert client.post("/gradio_api/upload", files=files).status_code == 200
