"""The page as people meet it: in a real Chromium, over the real application. `.screenshots/` keeps what was seen."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from index.embedding import EmbeddingModel
from index.generations import writing
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings

IRAN = "Что Мадуро просил у Ирана?"
IRAN_EN = "What did Maduro ask Iran for?"
UNKNOWN = "Как приготовить борщ?"
EVIL_TITLE = "<script>alert('title')</script> <img src=x onerror=alert('title')> **bold** ${alert(1)} {{constructor}}"
EVIL_TEXT = (
    "The new bridge over the river was opened by the mayor <img src=x onerror=\"alert('text')\"> on Monday. "
    "<script>alert('text')</script> ![pixel](https://evil.example/p.png) **bold** `code` <b>tag</b> "
    "&lt;i&gt; $x^2$ ${alert('text')}"
)

OpenPage = Callable[..., Page]
Serve = Callable[[Engine], AbstractContextManager[str]]
Shoot = Callable[[Page, str], None]

# Gradio's queue sets an option, and gives an argument, that the newest pandas warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

# Generous, because machines that run tests are slow and busy.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def evil_engine(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[Engine]:
    """An engine over one article that tries to be more than text."""
    folder = tmp_path_factory.mktemp("evil")
    row = {"title": EVIL_TITLE, "text": EVIL_TEXT, "publisher": "<u>press</u>", "url": "javascript:alert('url')"}
    (folder / "evil.jsonl").write_text(json.dumps(row))
    settings = IndexSettings(data_dir=folder / "data")
    build_index([folder / "evil.jsonl"], settings=settings, model=model)
    index = Index(settings, model)
    yield make_engine(index, model, AnswerSettings())
    index.close()


REPAIRED = "Какой паром починили у дальнего причала в октябре 2025 года?"
REPAIRS = {
    "2025-10-08": "У дальнего причала за неделю починили паром «Чайка», сообщили мастера.",
    "2025-12-03": "В октябре 2025 года у дальнего причала починили паром «Буревестник», пишет Заречная газета.",
}


@pytest.fixture(scope="module")
def months_engine(tmp_path_factory: pytest.TempPathFactory, model: EmbeddingModel) -> Iterator[Engine]:
    """An engine over two articles, of which the better one was published long after the day that it tells of."""
    folder = tmp_path_factory.mktemp("months")
    rows = [{"title": day, "text": text, "published_at": day, "language": "ru"} for day, text in REPAIRS.items()]
    (folder / "months.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = IndexSettings(data_dir=folder / "data")
    build_index([folder / "months.jsonl"], settings=settings, model=model)
    index = Index(settings, model)
    yield make_engine(index, model, AnswerSettings())
    index.close()


def ask(page: Page, question: str) -> None:
    """Ask, and wait until the answer is complete: then the next question can be typed."""
    box = page.locator("#otvet-question textarea")
    box.fill(question)
    box.press("Enter")
    expect(page.get_by_test_id("user").last).to_have_text(question)
    expect(page.get_by_test_id("bot").last).not_to_have_text("")
    expect(box).to_be_editable()
    expect(box).to_have_value("")


def open_by(page: Page, act: Callable[[], None]) -> Page:
    """The page that an act opens in a new tab."""
    with page.context.expect_page() as opened:
        act()
    opened.value.wait_for_load_state()
    return opened.value


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
    expect(page.locator("#otvet-question textarea")).to_be_editable()
    shoot(page, f"start-{name}")
    ask(page, IRAN)
    answer = page.get_by_test_id("bot").last
    expect(answer).to_contain_text("скремблеры GPS")
    expect(answer.locator("blockquote")).to_have_count(1)
    cards = page.locator("#otvet-sources a.otvet-card")
    markers = answer.locator("a")
    assert markers.all_inner_texts() == [f"[{number}]" for number in range(1, cards.count() + 1)]
    assert cards.locator(".otvet-number").all_inner_texts() == [str(number + 1) for number in range(cards.count())]
    expect(page.locator("#otvet-sources h2")).to_have_text("Источники")
    shoot(page, f"answer-{name}")
    card = cards.first
    expect(card.locator(".otvet-title")).to_contain_text("Иран")
    expect(card.locator(".otvet-details")).to_have_text("2025-10-31")
    quote = card.locator(".otvet-quote").inner_text()
    assert quote in answer.inner_text()
    article = open_by(page, card.click)
    assert article.locator("mark").inner_text() == quote
    assert in_view(article, "mark")
    expect(article.locator("h1")).to_contain_text("Иран")
    shoot(article, f"article-{name}")
    second = open_by(page, markers.last.click)
    assert second.locator("mark").inner_text() == cards.last.locator(".otvet-quote").inner_text()
    assert in_view(second, "mark")


def test_a_quote_far_down_is_scrolled_to(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(f"{sample_url}/docs", height=400)
    article = page.request.get(f"{sample_url}/articles").json()["articles"][0]
    end = article["n_chars"]
    page.goto(f"{sample_url}/read/{article['article_id']}?start={end - 50}&end={end}#quote")
    assert page.evaluate("scrollY") > 100
    assert in_view(page, "mark")
    shoot(page, "article-far-down")


def test_a_refusal_shows_the_nearest_articles(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url, locale="ru-RU")
    ask(page, UNKNOWN)
    expect(page.get_by_test_id("bot").last).to_have_text("В статьях нет ответа на этот вопрос.")
    expect(page.locator("#otvet-sources h2")).to_have_text("Ближайшие статьи")
    cards = page.locator("a.otvet-card")
    expect(cards).to_have_count(3)
    expect(cards.locator(".otvet-quote")).to_have_count(0)
    shoot(page, "refusal")
    article = open_by(page, cards.first.click)
    expect(article.locator("h1")).not_to_have_text("")
    expect(article.locator("mark")).to_have_count(0)


def test_a_click_on_an_example_asks_it(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    page.get_by_role("button", name=IRAN_EN).click()
    expect(page.get_by_test_id("user").last).to_have_text(IRAN_EN)
    expect(page.get_by_test_id("bot").last).to_contain_text("GPS")
    expect(page.locator("#otvet-sources h2")).to_have_text("Sources")


@pytest.mark.parametrize(
    ("locale", "title", "placeholder", "empty"),
    [
        ("ru-RU", "Ответ: по статьям, с цитатами", "Спросите у статей…", "Здесь появятся источники ответа."),
        ("en-US", "Otvet answers from the articles", "Ask the articles…", "The sources of an answer appear here."),
        ("de-DE", "Otvet answers from the articles", "Ask the articles…", "The sources of an answer appear here."),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    open_page: OpenPage, sample_url: str, shoot: Shoot, locale: str, title: str, placeholder: str, empty: str
) -> None:
    page = open_page(sample_url, locale=locale)
    expect(page.locator("h1")).to_have_text(title)
    expect(page.locator("#otvet-question textarea")).to_have_attribute("placeholder", placeholder)
    expect(page.locator("#otvet-sources")).to_have_text(empty)
    expect(page).to_have_title("Otvet")
    shoot(page, f"start-{locale}")


def test_questions_in_two_languages_follow_one_another(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    expect(page.get_by_test_id("bot").last).to_contain_text("GPS")
    ask(page, "Что открыл «Ростех» в Венесуэле?")
    expect(page.get_by_test_id("bot")).to_have_count(2)
    expect(page.get_by_test_id("bot").first).to_contain_text("GPS")
    expect(page.get_by_test_id("bot").last).to_contain_text("боеприпас")
    expect(page.locator("#otvet-sources h2")).to_have_text("Источники")
    shoot(page, "two-questions")


def test_an_emptied_conversation_has_no_sources(open_page: OpenPage, sample_url: str) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    expect(page.locator("a.otvet-card").first).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_test_id("bot")).to_have_count(0)
    expect(page.locator("#otvet-sources")).to_have_text("The sources of an answer appear here.")
    page.get_by_role("button", name=IRAN_EN).wait_for()


def test_what_an_article_says_stays_text(open_page: OpenPage, serve: Serve, evil_engine: Engine, shoot: Shoot) -> None:
    with serve(evil_engine) as url:
        page = open_page(url)
        ask(page, "Who opened the new bridge over the river?")
        answer = page.get_by_test_id("bot").last
        for part in (
            "<img src=x onerror=",
            "<script>alert('text')</script>",
            "![pixel](https://",
            "**bold**",
            "&lt;i&gt;",
        ):
            expect(answer).to_contain_text(part)
        expect(answer.locator("img, script, b, strong, code, i, .katex")).to_have_count(0)
        card = page.locator("a.otvet-card")
        expect(card.locator(".otvet-title")).to_have_text(f"1{EVIL_TITLE}")
        expect(card.locator(".otvet-details")).to_have_text("<u>press</u> · no date")
        expect(card.locator("img, script, b, strong, u, a")).to_have_count(0)
        shoot(page, "evil-answer")
        article = open_by(page, card.click)
        expect(article.locator("h1")).to_have_text(EVIL_TITLE)
        assert article.locator("div.text").inner_text() == EVIL_TEXT
        expect(article.locator("img, script, b, u, a")).to_have_count(0)
        expect(article).to_have_title(EVIL_TITLE)
        shoot(article, "evil-article")
        page.context.close()


def test_what_a_reader_types_reaches_no_other_host(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url, policy_at_work=True)
    typed = '<img src="https://evil.example/a.png"> ![b](https://evil.example/b.png) <script>alert(1)</script>?'
    box = page.locator("#otvet-question textarea")
    box.fill(typed)
    box.press("Enter")
    expect(page.get_by_test_id("bot").last).not_to_have_text("")
    expect(box).to_be_editable()
    page.wait_for_timeout(500)
    shoot(page, "evil-question")


def test_two_readers_do_not_see_each_other(open_page: OpenPage, sample_url: str) -> None:
    one, other = open_page(sample_url), open_page(sample_url)
    ask(one, IRAN_EN)
    expect(other.get_by_test_id("user")).to_have_count(0)
    expect(other.locator("a.otvet-card")).to_have_count(0)
    ask(other, UNKNOWN)
    expect(one.get_by_test_id("user")).to_have_count(1)
    expect(one.get_by_test_id("bot").last).to_contain_text("GPS")
    expect(one.locator("#otvet-sources h2")).to_have_text("Sources")
    expect(other.get_by_test_id("user").last).to_have_text(UNKNOWN)
    expect(other.locator("#otvet-sources h2")).to_have_text("Ближайшие статьи")


def test_a_card_is_reached_and_opened_by_keyboard(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url)
    ask(page, IRAN_EN)
    page.locator("#otvet-question textarea").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.otvet-card')"):
            break
    else:
        pytest.fail("no card got the focus")
    shoot(page, "card-with-focus")
    article = open_by(page, lambda: page.keyboard.press("Enter"))
    assert article.locator("mark").inner_text() == page.locator(".otvet-quote").first.inner_text()


def test_the_box_for_dates_is_switched_by_keyboard_and_changes_what_is_found(
    open_page: OpenPage, serve: Serve, months_engine: Engine, shoot: Shoot
) -> None:
    with serve(months_engine) as url:
        page = open_page(url, locale="ru-RU")
        box = page.get_by_role("checkbox", name="Даты в вопросе ограничивают поиск")
        expect(box).to_be_checked()
        answer, details = page.get_by_test_id("bot").last, page.locator("a.otvet-card .otvet-details")
        ask(page, REPAIRED)
        expect(answer).to_contain_text("Только статьи за 2025-10-01 – 2025-11-02 («в октябре 2025 года» в вопросе).")
        expect(details).to_have_text(["2025-10-08"])
        shoot(page, "period")
        page.locator("#otvet-question textarea").focus()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('#otvet-dates input')"):
                break
        else:
            pytest.fail("the box did not get the focus")
        page.keyboard.press("Space")
        expect(box).not_to_be_checked()
        ask(page, REPAIRED)
        expect(page.get_by_test_id("bot")).to_have_count(2)
        expect(answer).not_to_contain_text("Только статьи")
        expect(details.first).to_have_text("2025-12-03")
        shoot(page, "period-ignored")
        page.context.close()


def test_a_phone_scrolls_in_one_direction(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(sample_url, locale="ru-RU", width=390, height=844)
    expect(page.locator("#otvet-question textarea")).to_be_editable()
    assert overflow(page) <= 0
    shoot(page, "phone-start")
    ask(page, IRAN)
    assert overflow(page) <= 0
    shoot(page, "phone-answer")
    card = page.locator("a.otvet-card").first
    card.scroll_into_view_if_needed()
    shoot(page, "phone-cards")
    article = open_by(page, card.click)
    assert overflow(article) <= 0
    assert in_view(article, "mark")
    shoot(article, "phone-article")


def test_the_documentation_asks_no_other_host(open_page: OpenPage, sample_url: str, shoot: Shoot) -> None:
    page = open_page(f"{sample_url}/docs")
    expect(page.locator("#swagger-ui")).to_contain_text("/answer")
    shoot(page, "docs")


def test_the_line_of_the_index_opens_and_follows_a_build(
    open_page: OpenPage, serve: Serve, tmp_path: Path, model: EmbeddingModel, shoot: Shoot
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "bridge.txt").write_text("date 2025-03-01 The bridge over the river was opened.")
    (corpus / "<b>empty.txt").write_text("")
    settings = IndexSettings(data_dir=tmp_path / "data")
    build_index([corpus], settings=settings, model=model)
    index = Index(settings, model)
    with serve(make_engine(index, model, AnswerSettings())) as url:
        page = open_page(url, locale="ru-RU")
        line = page.locator("#otvet-index")
        expect(line).to_contain_text("Индекс: статей – 1, обновлён 20")
        expect(line.locator(".otvet-index")).to_be_hidden()
        line.get_by_role("button").click()
        expect(line.locator(".otvet-index")).to_contain_text("добавлено 1, изменено 0")
        expect(line.locator("li")).to_contain_text("<b>empty.txt: ")
        with writing(settings.data_dir) as (_, tell):
            time.sleep(0.6)  # the progress is written down twice a second
            tell("embed", 5, 20)
            expect(line.locator(".otvet-index")).to_contain_text("статьи, 5 из 20")
            expect(line.locator("progress")).to_have_attribute("max", "20")
            expect(line.get_by_role("button")).to_contain_text("идёт обновление")
            shoot(page, "index-line")
        (corpus / "tunnel.txt").write_text("date 2025-03-02 The tunnel under the hill was closed.")
        build_index([corpus], settings=settings, model=model)
        expect(line).to_contain_text("Индекс: статей – 2, обновлён 20")
        expect(line.locator(".otvet-index")).to_be_visible()
        page.context.close()
        english = open_page(url)
        expect(english.locator("#otvet-index")).to_contain_text("Index: 2 articles, updated 20")
        english.context.close()
    index.close()
