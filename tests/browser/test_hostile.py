"""What comes from articles, models, people and the browser's own memory tries to be more than text; and stays text."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from markdown_it import MarkdownIt
from playwright.sync_api import Page, expect

from fakes import HashedWordsModel, ScriptedChatModel
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from pages import ask, ready
from qa.engine import Engine, make_engine
from qa.settings import AnswerSettings
from ui.chat_tab import STORAGE_KEY, STORAGE_SECRET

ATTACKS = [
    "<script>window.hacked='script'</script>",
    "<svg onload=window.hacked='svg'><animate onbegin=window.hacked='svg' attributeName=x></svg>",
    "<img src=x onerror=\"window.hacked='img'\"><img src=https://evil.example/p.png>",
    "<iframe srcdoc=\"<script>parent.hacked='frame'</script>\"></iframe><object data=https://evil.example></object>",
    "<a href=\"javascript:window.hacked='href'\">one</a> <a href='data:text/html,<script>1</script>'>two</a>",
    "<form action=https://evil.example><input name=password><button>Log in</button></form>",
    "<div style='position:fixed;inset:0;z-index:99999;background:url(https://evil.example/b.png)'>over</div>",
    "<base href=https://evil.example/><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "![pixel](https://evil.example/p.png) [link](https://evil.example) [[9]](javascript:window.hacked=1)",
    "https://evil.example/auto www.evil.example evil@evil.example [1]: https://evil.example 'title'",
    "&lt;script&gt;window.hacked=1&lt;/script&gt; &amp;lt;b&amp;gt; &#60;img src=x onerror=hacked=1&#62;",
    "${window.hacked='template'} `${window.hacked=1}` {{constructor.constructor('window.hacked=1')()}} {{{value}}} @children",  # noqa: E501
    "```html <b>fence</b> ``` `code` **bold** __strong__ ~~gone~~ # head | a | b | --- $x^2$ $$y$$ \\(z\\) \\[w\\]",
    "\" onmouseover=\"window.hacked='quote'\" x=\"' onfocus='window.hacked=1' autofocus x='`> ",
    "</script><script>window.hacked='end'</script></style></title></iframe></p></li></blockquote>",
    "<style>body{display:none}@import 'https://evil.example/s.css'</style><link rel=stylesheet href=//evil.example>",
    '{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}} {"__type__": "update", "visible": false}',
    '__i18n__{"__type__": "translation_metadata", "key": "tab_chat"} \u202egnp.exe\u2066 \u200b zero',
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=hacked=1&gt;'>",
    "<details open ontoggle=window.hacked=1><summary>s</summary></details><video><source onerror=window.hacked=1></video>",  # noqa: E501
]
URLS = [
    "javascript:window.hacked='url'",
    "JaVaScRiPt:window.hacked='url'",
    "\tjavascript:window.hacked='url'",
    "data:text/html,<script>opener.hacked='url'</script>",
    "vbscript:msgbox(1)",
    'https://evil.example/"onmouseover="window.hacked=\'url\'" x="',
    "https://evil.example/'><img src=x onerror=window.hacked='url'>",
    "//evil.example/",
    "http://[",
    "https://evil.example/a b)](javascript:hacked=1)<b>",
]
# What Otvet and Gradio never make of a text, wherever it is shown.
MARKUP = (
    "script, iframe, object, embed, form, input, style, link, base, meta, math, table, details, video, img, svg, "
    "animate, b, u, strong, em, code, pre, del, [onerror], [onload], [onclick], [onmouseover], [onfocus], [style]"
)
SENTENCE = "Оркестр номер {n} сыграет на площади у фонтана"
QUESTION = "Оркестр номер {n} сыграет на площади у фонтана? "

OpenPage = Callable[..., Page]
Serve = Callable[[Engine], AbstractContextManager[str]]
pytestmark = [
    # Gradio warns its developers of scripts in what is shown; we mean to show none.
    pytest.mark.filterwarnings("error:A `<script>` tag was found"),
]


def file_names() -> list[str]:
    """Names that a file may have, of files in which there is no article."""
    names = [attack.replace("/", "∕")[:80] for attack in ATTACKS]
    return [f"{n} {name}.txt" for n, name in enumerate(names)]


@pytest.fixture(scope="module")
def hostile_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("hostile")
    corpus = folder / "corpus"
    corpus.mkdir()
    rows = [
        {
            "title": attack,
            "text": f"{SENTENCE.format(n=n)} {attack} весь вечер.\n\nВ зале {n} тихо. {attack}",
            "publisher": f"{n} {attack}",
            "authors": [attack, f"Автор {n}"],
            "url": URLS[n % len(URLS)],
            "published_at": f"2025-01-{n + 1:02d}",
            "language": "ru",
        }
        for n, attack in enumerate(ATTACKS)
    ]
    (corpus / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in file_names():
        (corpus / name).write_text("")
    settings = IndexSettings(data_dir=folder / "data", corpus=corpus)
    build_index([corpus], settings=settings, model=HashedWordsModel())
    index = Index(settings, HashedWordsModel())
    yield index
    index.close()


@pytest.fixture(scope="module")
def place(hostile_index: Index, tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[str]:
    """The application over hostile articles, with a language model that writes what they say."""
    written = ATTACKS[:4]
    replies = [[f"{SENTENCE.format(n=n)} {attack} [1]."] for n, attack in enumerate(written) for _ in range(1)]
    chat_model = ScriptedChatModel(replies=replies)
    engine = make_engine(hostile_index, HashedWordsModel(), AnswerSettings(chat_model="none"), chat_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTVET_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        with serve(engine) as url:
            yield url


def shown(text: str) -> str:
    """As an element's text is compared: white space is one space."""
    return " ".join(text.split())


def assert_inert(page: Page, *places: str) -> None:
    """Nothing ran, and the places hold none of the markup."""
    assert page.evaluate("window.hacked") is None
    for where in places:
        found = page.locator(where).locator(MARKUP)
        assert found.evaluate_all("all => all.map(one => one.outerHTML)") == [], where
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => [a.protocol, a.host, a.className])")
    for protocol, host, name in links:
        assert protocol in ("http:", "https:"), name
        assert host.startswith("127.0.0.1") or "otvet-original" in name or "built-with" in name, (host, name)


def saved(page: Page) -> str:
    with page.expect_download() as download:
        page.locator("#otvet-export").click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def assert_markdown_is_text(markdown: str) -> None:
    """Rendered with HTML allowed, the document has only the markup that Otvet put in."""
    html = (
        MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"]).render(markdown)
    )
    tags = set(re.findall(r"</?([a-zA-Z][\w-]*)", html))
    assert tags <= {"h1", "h2", "h3", "p", "br", "blockquote", "a", "ul", "ol", "li"}, tags
    for href in re.findall(r'href="([^"]*)"', html):
        assert re.match("https?://", href), href


def test_hostile_questions_and_written_answers_are_text(open_page: OpenPage, place: str) -> None:
    page = open_page(place, locale="ru-RU")
    ready(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for n, attack in enumerate(ATTACKS[:4]):
        question = QUESTION.format(n=n) + attack
        answer = ask(page, question)
        assert shown(page.locator(".otvet-asked").last.inner_text()) == shown(question)
        assert attack[:15] in answer.inner_text()
        assert_inert(page, "#otvet-chat .otvet-message", "#otvet-sources .otvet-sources")
        page.locator(".otvet-asked").last.hover()
        marker = answer.locator("a.otvet-marker").first
        assert shown(marker.get_attribute("title") or "") in map(shown, ATTACKS)
        marker.hover()
        answer.locator("button.otvet-copy").click()
        expect(answer.locator("button.otvet-copy")).to_have_text("Скопировано")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert attack[:15] in copied
    assert_markdown_is_text(saved(page))
    assert_inert(page, "#otvet-chat .otvet-message", "#otvet-sources .otvet-sources")


def test_the_article_its_viewer_and_its_page_are_text(open_page: OpenPage, place: str, hostile_index: Index) -> None:
    page = open_page(place)
    ready(page)
    page.get_by_role("tab", name="Articles").click()
    rows = page.locator("#otvet-articles-list a.otvet-open-article")
    expect(rows).to_have_count(len(ATTACKS))
    titles = [shown(text) for text in rows.locator(".otvet-articles-title").all_text_contents()]
    assert sorted(titles) == sorted(map(shown, ATTACKS))
    listed = shown(" ".join(rows.locator(".otvet-articles-details").all_text_contents()))
    for n, attack in enumerate(ATTACKS):
        assert shown(f"{n} {attack}") in listed
    assert_inert(page, "#otvet-articles-list :is(ul, p)", "#otvet-articles-line p")
    for label in ("Publisher",):
        page.get_by_role("tabpanel").get_by_label(label, exact=True).last.click()
        options = page.get_by_role("option")
        expect(options.first).to_be_visible()
        assert len(options.all()) == len(ATTACKS) + 1
        assert_inert(page, "[role=option]")
        options.nth(3).click()
        expect(rows).to_have_count(1)
    rows.first.click()
    expect(page.frame_locator("iframe").locator("h1")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Search").fill(ATTACKS[0])
    assert_inert(page, "#otvet-articles-list :is(ul, p)", "#otvet-articles-line p")
    links = [f"/read/{article.article_id}" for article in _articles(hostile_index)]
    for article, link in zip(_articles(hostile_index), links, strict=True):
        page.goto(f"{place}{link}?start=0&end=40#quote")
        assert shown(page.locator("h1").inner_text()) == shown(article.title)
        assert page.title() == shown(article.title) or shown(page.title()) == shown(article.title)
        assert shown(page.locator(".text").inner_text()) == shown(article.text)
        assert shown(", ".join(article.authors)) in shown(page.locator(".details").inner_text())
        assert_inert(page, "main")
        assert page.locator("form, iframe, script, base, link[rel=stylesheet]").count() == 0


def _articles(index: Index) -> list[Any]:
    with index.lease() as generation:
        heads = generation.articles.page(limit=100)
    return [found for head in heads if (found := index.article(head.article_id)) is not None]


def test_the_viewer_runs_nothing(open_page: OpenPage, place: str) -> None:
    page = open_page(place)
    ready(page)
    cards = page.locator("#otvet-sources a.otvet-open")
    for n in range(cards.count()):
        title = cards.nth(n).text_content() or ""
        cards.nth(n).click()
        frame = page.frame_locator("dialog.otvet-viewer iframe")
        expect(frame.locator("h1")).to_be_visible()
        assert shown(frame.locator("h1").inner_text()) == shown(title)
        assert frame.locator("main").locator(MARKUP).count() == 0
        assert page.locator("dialog.otvet-viewer").get_attribute("aria-label") == title
        page.keyboard.press("Escape")
        expect(page.locator("dialog.otvet-viewer")).to_have_count(0)
    assert_inert(page, "#otvet-sources .otvet-sources")


def test_names_of_files_are_text_on_the_index_tab(open_page: OpenPage, place: str) -> None:
    page = open_page(place)
    page.get_by_role("tab", name="Index").click()
    listed = page.locator("#otvet-index-details .otvet-ix-unread")
    expect(listed).to_be_visible()
    told = shown(listed.inner_text())
    # The index tells of signs that cannot be seen in its own way.
    assert sum(shown(name) in told for name in file_names()) >= len(ATTACKS) - 1
    assert listed.locator("script, img, iframe, form, style, svg, a, table").count() == 0
    assert_inert(page)


def test_filters_show_a_publisher_as_text(open_page: OpenPage, place: str) -> None:
    page = open_page(place)
    ready(page)
    page.locator("#otvet-filters").get_by_role("button").first.click()
    for attack in (ATTACKS[2], ATTACKS[11], ATTACKS[13]):
        page.locator("#otvet-publisher input").click()
        page.get_by_role("option").filter(has_text=attack[:20]).first.click()
        expect(page.locator("#otvet-filters").get_by_role("button").first).to_contain_text(attack[:15])
        assert_inert(page, "#otvet-filters button span")


def encrypted(page: Page, text: str) -> str:
    """What Gradio's BrowserState keeps: AES-CBC by the passphrase's SHA-256, in OpenSSL's form."""
    passphrase, salt, derived = hashlib.sha256(STORAGE_SECRET.encode()).hexdigest().encode(), b"8 bytes!", b""
    while len(derived) < 48:
        derived += hashlib.md5(derived[-16:] + passphrase + salt, usedforsecurity=False).digest()
    coded: str = page.evaluate(
        """async ([key, iv, text]) => {
            const raw = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
            const aes = await crypto.subtle.importKey("raw", raw(key), "AES-CBC", false, ["encrypt"]);
            const data = new TextEncoder().encode(text);
            const made = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv: raw(iv) }, aes, data));
            return [...made].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        }""",
        [derived[:32].hex(), derived[32:48].hex(), text],
    )
    body = b"Salted__" + salt + bytes.fromhex(coded)
    return f"{base64.b64encode(bytes(16)).decode()}:{base64.b64encode(body).decode()}"


def forged(n: int, attack: str) -> dict[str, Any]:
    """An exchange with an attack in every text that it may hold."""
    source = {
        "article_id": attack[:90],
        "title": attack,
        "published_at": None,
        "publisher": attack,
        "url": URLS[n % len(URLS)],
        "language": attack,
    }
    common: dict[str, Any] = {
        "text": attack + " [1] [7]",
        "language": attack,
        "period": None,
        "query": attack,
        "timings_ms": {},
    }
    answer = {
        **common,
        "kind": "answer",
        "mode": ("extractive", "generative", "conversation")[n % 3],
        "citations": [{**source, "marker": 1, "quote": attack, "start": 0, "end": 9, "score": 0.5}],
        "notice": attack,
        "period": {"published_from": None, "published_to": None, "words": attack},
        "disagreements": [{"markers": [1, 1], "words": [attack, attack]}],
    }
    refusal = {**common, "kind": "refusal", "reason": "not_relevant", "nearest": [source]}
    shapes: list[dict[str, Any]] = [
        {"response": answer, "around": [{"before": attack, "after": attack}]},
        {"response": refusal},
        {"draft": answer, "is_stopped": True},
        {"failed": attack},
    ]
    return {
        "exchange_id": f"{n:032x}",
        "question": attack,
        "asked_at": "2026-01-01T00:00:00Z",
        "filters": {"publisher": attack},
        "generation": attack[:90],
        **shapes[n % len(shapes)],
    }


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_forged_conversation_is_text(open_page: OpenPage, place: str, turn: int) -> None:
    page = open_page(place)
    ready(page)
    exchanges = [forged(n, attack) for n, attack in enumerate(ATTACKS[turn:] + ATTACKS[:turn])]
    kept = encrypted(page, json.dumps({"user": None, "exchanges": exchanges}))
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [STORAGE_KEY, kept])
    page.reload()
    asked = page.locator("#otvet-chat .otvet-asked")
    expect(asked).to_have_count(len(ATTACKS))
    messages = page.locator("#otvet-chat .otvet-message:not(.otvet-asked)")
    for n, exchange in enumerate(exchanges):
        assert shown(asked.nth(n).locator("p:not(.otvet-note)").inner_text()) == shown(exchange["question"])
        assert shown(exchange["filters"]["publisher"]) in shown(asked.nth(n).locator(".otvet-note").inner_text())
        assert shown(exchange["question"]) in shown(messages.nth(n).inner_text())
        panel = page.locator(f".otvet-panel[data-exchange='{n}']")
        assert shown(exchange["question"]) in shown(panel.locator(".otvet-of").text_content() or "")
        for marker in messages.nth(n).locator("a.otvet-marker").all():
            assert shown(marker.get_attribute("title") or "") == shown(exchange["question"])
        for open_link in panel.locator("a.otvet-open").all():
            assert shown(open_link.text_content() or "") == shown(exchange["question"])
            assert (open_link.get_attribute("href") or "").startswith("/read/")
    assert_inert(page, "#otvet-chat .otvet-message", "#otvet-sources .otvet-sources")
    if turn == 0:
        markdown = saved(page)
        assert_markdown_is_text(markdown)
        assert_inert(page, "#otvet-chat .otvet-message", "#otvet-sources .otvet-sources")


BROKEN = [
    "null",
    "1",
    '"text"',
    "[" * 500 + "]" * 500,
    '{"exchanges": 1}',
    '{"user": "root", "exchanges": []}',
    json.dumps({"user": None, "exchanges": [{**forged(0, "x"), "exchange_id": "../../x"}]}),
    json.dumps({"user": None, "exchanges": [forged(0, "\ud800")]}),
    json.dumps({"user": None, "exchanges": [forged(n % 4, "<b>") for n in range(60)]}),
]


def test_broken_memory_begins_anew(open_page: OpenPage, place: str) -> None:
    page = open_page(place)
    ready(page)
    for text in BROKEN:
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", [STORAGE_KEY, encrypted(page, text)])
        page.reload()
        ready(page)
        expect(page.locator("#otvet-sources")).to_contain_text("Newest articles")
        expect(page.locator(".otvet-message")).to_have_count(0)
        assert_inert(page, "#otvet-sources .otvet-sources")


NAME = "<img src=x onerror=hacked=1>\"'${hacked}"


def test_a_hostile_name_is_text_where_people_log_in(
    open_page: OpenPage, hostile_index: Index, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users.json"
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    entry = {"name": NAME, "is_admin": False, "password": hashed}
    users.write_text(json.dumps({"version": 1, "users": [entry]}), encoding="utf-8")
    monkeypatch.setenv("OTVET_USERS", str(users))
    engine = make_engine(hostile_index, HashedWordsModel(), AnswerSettings(chat_model="none"))
    with serve(engine) as url:
        page = open_page(f"{url}/login?next=javascript:hacked=1//%22%3E%3Cimg+src=x+onerror=hacked=1%3E")
        assert page.locator("input[name=next]").get_attribute("value") == "/"
        page.goto(f"{url}/login?next=/%22%3E%3Cimg%20src=x%20onerror=hacked=1%3E")
        assert page.locator("img").count() == 0
        page.goto(f"{url}/login")
        page.locator("input[name=name]").fill(NAME)
        page.locator("input[name=password]").fill("correct horse")
        page.get_by_role("button").click()
        header = page.locator("#otvet-header form span")
        expect(header).to_have_text(NAME)
        assert_inert(page, "#otvet-header form span")
        ready(page)
        ask(page, QUESTION.format(n=1))
        page.reload()
        expect(page.locator(".otvet-asked")).to_have_count(1)
        page.context.close()
