"""The articles tab by itself, in a real Chromium, over real indexes. `.screenshots/` keeps what was seen."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI, Request, Response
from playwright.sync_api import Locator, Page, expect

from apps import listening
from fakes import HashedWordsModel, open_index, publish_articles
from index.articles import ARTICLES
from index.generations import current_generation, index_root
from index.serving import Index
from ui.articles_tab import make_articles_tab
from ui.headers import PAGE_POLICY
from ui.page import I18N, PAGE_CSS, PAGE_HEAD, THEME

OpenPage = Callable[..., Page]
Shoot = Callable[[Page, str], None]

EVIL = [
    "<img src=x onerror=alert('title')> <script>alert(1)</script> ${alert(2)} {{constructor}}",
    "\"quotes\" 'single' «ёлочки» &lt;b&gt; </a></li>",
    "مادورو يطلب من إيران مساعدة عسكرية",
    "🚢🔥 Корабль у берега",
    "Слово " * 83 + "хвост",
    "Безпробеловыйзаголовок" * 22,
]
SUBJECTS = ("Ростех", "Мадуро", "Посол", "Флот", "Завод", "Совет", "Суд")
ACTS = ("открыл новый порт в Ла-Гуайре", "попросил у Ирана радары и деньги", "объяснил, кому достанется нефть")
PUBLISHERS = ("Речной вестник", "ТАСС", "Медуза", "Kyiv Independent", "")


def many() -> list[dict[str, str]]:
    """130 articles of two years; two months have none, some have no day or publisher."""
    chance = random.Random(7)
    rows = []
    for number in range(130):
        month = chance.choice([1, 2, 3, 4, 5, 8, 9, 10, 11, 12])
        row = {
            "title": f"{chance.choice(SUBJECTS)} {chance.choice(ACTS)}, {number}",
            "text": f"Статья номер {number}. " + "Об этом сообщили на пристани. " * chance.randint(10, 300),
            "publisher": PUBLISHERS[number % 5],
            "language": "en" if number % 9 == 0 else "ru",
        }
        if number % 13:
            row["published_at"] = f"{2024 + number % 2}-{month:02d}-{chance.randint(1, 28):02d}"
        rows.append(row)
    evil = [
        {"title": title, "text": f"Зло {n}.", "published_at": "2025-12-31", "publisher": "<u>press</u>"}
        for n, title in enumerate(EVIL)
    ]
    return rows + evil


def tab_over(index: Index) -> AbstractContextManager[str]:
    """A page with an empty tab and the one that is tested, on a free port; gives its address."""
    return listening(lambda: make_tab_app(index))


def make_tab_app(index: Index) -> FastAPI:
    with gr.Blocks(title="Otvet", analytics_enabled=False, fill_width=True) as page:
        with gr.Tab("Empty"):
            gr.Markdown("Nothing here.")
        with gr.Tab("Articles") as tab:
            make_articles_tab(index, tab, I18N)
    app = FastAPI()

    @app.middleware("http")
    async def with_policy(request: Request, call_next: Callable[..., Response]) -> Response:
        response = await call_next(request)  # type: ignore[misc]
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    return gr.mount_gradio_app(
        app, page, path="/", theme=THEME, css=PAGE_CSS, head=PAGE_HEAD, i18n=I18N, footer_links=[], ssr_mode=False
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    index = open_index(tmp_path_factory.mktemp("many"), HashedWordsModel(), many())
    with tab_over(index) as url:
        yield url
    index.close()


def choose_tab(page: Page) -> None:
    page.get_by_role("tab", name="Articles").click()
    expect(line(page)).not_to_be_empty()


def line(page: Page) -> Locator:
    return page.locator("#otvet-articles-line p")


def rows(page: Page) -> Locator:
    return page.locator("#otvet-articles-list a.otvet-open-article")


def choose(page: Page, dropdown: str, option: str) -> None:
    page.get_by_label(dropdown, exact=True).click()
    page.get_by_role("option", name=re.compile(option)).click()


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_shows_what_is_indexed_and_pages_through_it(open_page: OpenPage, url: str, shoot: Shoot) -> None:
    page = open_page(url)
    choose_tab(page)
    expect(line(page)).to_have_text("136 articles · showing 1–50")
    expect(rows(page)).to_have_count(50)
    first = rows(page).first
    assert re.fullmatch(r"/read/[0-9a-f]{16}", first.get_attribute("href") or "")
    previous, following = page.get_by_role("button", name="Previous"), page.get_by_role("button", name="Next")
    expect(previous).to_be_disabled()
    shoot(page, "articles-light")
    following.click()
    expect(line(page)).to_have_text("136 articles · showing 51–100")
    following.click()
    expect(line(page)).to_have_text("136 articles · showing 101–136")
    expect(following).to_be_disabled()
    expect(rows(page).last).to_contain_text("no date")
    previous.click()
    expect(line(page)).to_have_text("136 articles · showing 51–100")
    page.mouse.wheel(0, 5000)
    expect(rows(page).first).not_to_be_in_viewport()
    following.click()  # the bar stays in sight
    expect(line(page)).to_have_text("136 articles · showing 101–136")
    expect(rows(page).first).to_be_in_viewport()
    page.get_by_role("tab", name="Empty").click()
    choose_tab(page)
    page.wait_for_timeout(1000)
    expect(line(page)).to_have_text("136 articles · showing 101–136")


def test_searches_sorts_and_filters_together(open_page: OpenPage, url: str, shoot: Shoot) -> None:
    page = open_page(url, locale="ru-RU")
    choose_tab(page)
    expect(line(page)).to_have_text("136 статей · показаны 1–50")
    page.get_by_label("Поиск").fill("РАДАРЫ мадуро")
    expect(line(page)).to_have_text(re.compile(r"^\d+ стат(ья|ьи|ей)$"))
    n_found = rows(page).count()
    for title in rows(page).locator(".otvet-articles-title").all_inner_texts():
        assert title.startswith("Мадуро попросил у Ирана радары")
    choose(page, "Порядок", "сначала длинные")
    page.wait_for_timeout(500)
    lengths = [
        int(re.sub(r"\D", "", text)) for text in re.findall(r"около ([\d\s]+)", "".join(rows(page).all_inner_texts()))
    ]
    assert len(lengths) == n_found
    assert lengths == sorted(lengths, reverse=True)
    shoot(page, "articles-search-ru")
    choose(page, "Издание", "ТАСС")
    choose(page, "Язык статей", "русский")
    expect(rows(page).filter(has_text="ТАСС")).not_to_have_count(0)
    expect(rows(page).filter(has_not_text="ТАСС")).to_have_count(0)
    page.get_by_label("Поиск").fill("")
    page.get_by_label("Опубликовано с").fill("2025-01-01")
    page.get_by_label("Опубликовано по").fill("2025-03-31")
    expect(rows(page).filter(has_not_text=re.compile("2025-0[123]"))).to_have_count(0)
    expect(rows(page)).not_to_have_count(0)
    shoot(page, "articles-filters-ru")


def test_histogram_tells_the_months_that_pass(open_page: OpenPage, url: str) -> None:
    page = open_page(url)
    choose_tab(page)
    picture = page.get_by_role("img", name="Articles by month")
    expect(picture).to_have_attribute("aria-label", re.compile("^Articles by month: Jan 2024 to Dec 2025, at most"))
    expect(picture.locator("g")).to_have_count(20)
    figure = page.locator(".otvet-months")
    expect(figure).to_contain_text("no date: 10")
    height = figure.bounding_box()
    page.get_by_label("Published from").fill("2025-10-01")
    expect(picture.locator("g")).to_have_count(3)
    page.get_by_label("Search").fill("there is no such word")
    expect(figure).to_contain_text("No article has a date.")
    expect(page.locator("#otvet-articles-list")).to_contain_text("Nothing that is indexed matches.")
    assert figure.bounding_box() == height, "the layout jumps"


def test_wrong_days_are_told_and_the_list_stays(open_page: OpenPage, url: str, shoot: Shoot) -> None:
    page = open_page(url)
    choose_tab(page)
    first = page.get_by_label("Published from")
    expect(first).to_have_attribute("type", "date")
    first.fill("2025-06-01")
    expect(line(page)).to_have_text(re.compile("^28 articles$"))
    n_rows = rows(page).count()
    page.get_by_label("Published until").fill("2025-01-01")
    expect(line(page)).to_have_text("“From” 2025-06-01 is after “until” 2025-01-01; swap them.")
    # As in a browser that has no picker.
    first.evaluate("input => { input.closest('.otvet-day').classList.remove('otvet-day'); input.type = 'text'; }")
    first.fill("<b>31.02.2025")
    expect(line(page)).to_have_text(re.compile("^“<b>31.02.2025” is no day; give it as YYYY-MM-DD"))
    expect(rows(page)).to_have_count(n_rows)
    shoot(page, "articles-wrong-day")


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
@pytest.mark.parametrize("dark", [False, True])
def test_evil_titles_are_text_and_fit_a_phone(
    open_page: OpenPage, url: str, shoot: Shoot, locale: str, dark: bool
) -> None:
    page = open_page(url, locale=locale, dark=dark, width=390, height=844)
    choose_tab(page)
    titles = rows(page).locator(".otvet-articles-title").all_text_contents()
    assert titles[: len(EVIL)] == EVIL
    expect(rows(page).first).to_contain_text("<u>press</u>")
    assert page.locator("#otvet-articles-list :is(img, script, u, b)").count() == 0
    assert_fits(page)
    shade = "dark" if dark else "light"
    shoot(page, f"articles-phone-{shade}-{locale[:2]}")
    rows(page).first.scroll_into_view_if_needed()
    page.mouse.wheel(0, 700)
    page.wait_for_timeout(300)
    shoot(page, f"articles-phone-{shade}-{locale[:2]}-list")


def test_dark_with_focus(open_page: OpenPage, url: str, shoot: Shoot) -> None:
    page = open_page(url, dark=True)
    choose_tab(page)
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Tab")
    expect(rows(page).first).to_be_focused()
    page.keyboard.press("Tab")
    assert rows(page).nth(1).evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.wait_for_timeout(300)
    shoot(page, "articles-dark-focus")


@pytest.mark.parametrize("n_months", [1, 12, 240])
def test_any_span_of_months(
    open_page: OpenPage, tmp_path: Path, hashed_words: HashedWordsModel, shoot: Shoot, n_months: int
) -> None:
    chance = random.Random(n_months)
    months = [f"{2005 + n // 12}-{n % 12 + 1:02d}-05" for n in range(n_months) if n % 7 != 3 or n == n_months - 1]
    articles = [
        {"title": f"Статья {month}-{n}", "text": f"{month} {n}", "published_at": month}
        for month in months
        for n in range(chance.randint(1, 6))
    ]
    index = open_index(tmp_path, hashed_words, articles)
    with tab_over(index) as url:
        for width, dark in ((1280, True), (390, False)):
            page = open_page(url, width=width, dark=dark, height=600, locale="ru-RU")
            choose_tab(page)
            expect(page.locator(".otvet-months g")).to_have_count(len(months))
            assert_fits(page)
            shoot(page, f"articles-months-{n_months}-{width}")
            page.context.close()
    index.close()


def test_choosing_the_tab_again_tells_of_a_rebuild(
    open_page: OpenPage, tmp_path: Path, hashed_words: HashedWordsModel
) -> None:
    bridge = {"title": "Мост", "text": "Мост открыт.", "publisher": "Вестник"}
    index = open_index(tmp_path, hashed_words, [bridge])
    with tab_over(index) as url:
        page = open_page(url)
        choose_tab(page)
        expect(line(page)).to_have_text("1 article")
        choose(page, "Publisher", "Вестник")
        publish_articles(tmp_path, hashed_words, [{"title": f"Паром {n}", "text": f"{n}"} for n in range(2)])
        page.get_by_role("tab", name="Empty").click()
        page.get_by_role("tab", name="Articles").click()
        expect(line(page)).to_have_text("2 articles")
        expect(page.get_by_label("Publisher", exact=True)).to_have_value("any")
        page.context.close()
    index.close()


def test_damaged_index_is_told_of(
    open_page: OpenPage, tmp_path: Path, hashed_words: HashedWordsModel, shoot: Shoot
) -> None:
    settings = publish_articles(tmp_path, hashed_words, [{"title": "Мост", "text": "Мост открыт."}])
    index = Index(settings, hashed_words)
    with tab_over(index) as url:
        path = index_root(settings.data_dir) / str(current_generation(settings.data_dir)) / ARTICLES
        path.write_bytes(b"no database at all" * 1000)
        page = open_page(url)
        choose_tab(page)
        expect(line(page)).to_have_text(re.compile(r"^cannot read the articles .*run: otvet doctor --repair$"))
        expect(rows(page)).to_have_count(0)
        shoot(page, "articles-damaged")
        page.context.close()
    index.close()
