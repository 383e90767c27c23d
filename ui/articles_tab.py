"""The articles tab: what is indexed, searched, sorted, filtered and counted by month. HTML: ui/articles_panel.py."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from index.errors import OtvetError, QuestionError
from index.listing import MAX_WORDS_CHARS, Listing, Order
from index.records import Filters
from index.serving import Index
from index.text import Language
from ui.articles_panel import (
    articles_list,
    months_figure,
    position_line,
    status_line,
)
from ui.filters import FilterInputs, read_filters
from ui.languages import language_of

log = logging.getLogger(__name__)

N_A_PAGE = 50
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
TO_TOP_JS = """() => {
    const list = document.getElementById('otvet-articles-list');
    if (list.getBoundingClientRect().top < 0) list.scrollIntoView();
}"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the components say to list."""

    words: str
    order: Order
    filters: Filters


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The components: `asked` and `page` say what to list, `shown` show it, and keep in `page` which one that was."""

    asked: Sequence[gr.Textbox | gr.Dropdown]
    filters: FilterInputs
    page: gr.State
    months: gr.HTML
    line: gr.HTML
    articles: gr.HTML
    previous: gr.Button
    next: gr.Button

    @property
    def shown(self) -> list[gr.HTML | gr.Button | gr.State]:
        return [self.months, self.line, self.articles, self.previous, self.next, self.page]


def make_articles_tab(index: Index, tab: gr.Tab, t: Callable[[str], Any]) -> None:
    """Fill a tab, within its `with`. It asks for the articles whenever the tab is chosen.

    Args:
        index: whose articles are listed.
        tab: of the page.
        t: gives the text of a key of `ARTICLES_TEXTS` (ui/articles_panel.py), or what Gradio puts that text in for.
            The style is `ARTICLES_CSS`.
    """
    parts = _make_parts(index, t)

    def listing(step: int | None) -> Callable[..., list[Any]]:
        """Shows the page that is `step` from the one that is shown, or the first one."""

        def show(
            words: str, order: str, first: str, last: str, publisher: str, language: str, page: int, request: gr.Request
        ) -> list[Any]:
            speaks = language_of(request)
            try:
                filters = read_filters(first, last, publisher, language, told_in=speaks).filters()
                asked = _Asked(words or "", Order(order or Order.NEWEST), filters)
                return _show(index, asked, 0 if step is None else page + step, speaks)
            except QuestionError as exc:
                return [gr.skip(), status_line(str(exc)), *[gr.skip()] * 4]
            except OtvetError as exc:
                log.error("the page could not list the articles: %s", exc)
                return ["", status_line(str(exc)), "", gr.update(interactive=False), gr.update(interactive=False), 0]

        return show

    inputs = [*parts.asked, parts.page]
    parts.filters.offer_after(tab.select, QUIET).then(listing(0), inputs, parts.shown, **QUIET)
    # Not `input`: Gradio 6.31 loses that of a text box, and tells of it with the value before.
    changes = [component.change for component in parts.asked]
    gr.on(changes, listing(None), inputs, parts.shown, trigger_mode="always_last", **QUIET)
    for button, step in ((parts.previous, -1), (parts.next, 1)):
        button.click(listing(step), inputs, parts.shown, **QUIET).then(None, js=TO_TOP_JS, **QUIET)


def _make_parts(index: Index, t: Callable[[str], Any]) -> _Parts:
    with gr.Row():
        words = gr.Textbox(
            label=t("articles_search"),
            placeholder=t("articles_search_hint"),
            max_length=MAX_WORDS_CHARS,
            max_lines=1,
            scale=3,
            min_width=240,
            elem_id="otvet-articles-words",
        )
        orders = [(t(f"articles_{order}"), order.value) for order in Order]
        order = gr.Dropdown(
            orders, value=Order.NEWEST.value, label=t("articles_order"), filterable=False, min_width=180
        )
    filters = FilterInputs(index, t, name="otvet-articles")
    months = gr.HTML(elem_id="otvet-articles-months")
    with gr.Row(elem_id="otvet-articles-bar"):
        line = gr.HTML(elem_id="otvet-articles-line")
        buttons = [
            gr.Button(t(f"articles_{name}"), size="sm", interactive=False, elem_id=f"otvet-articles-{name}")
            for name in ("previous", "next")
        ]
    articles = gr.HTML(elem_id="otvet-articles-list")
    return _Parts([words, order, *filters.inputs], filters, gr.State(0), months, line, articles, *buttons)


def _show(index: Index, asked: _Asked, page: int, speaks: Language) -> list[Any]:
    """What the last six components show: that page of what was asked for, or the last page where there are fewer."""
    with index.lease() as generation:
        listing = _read(generation.articles.listing, asked, page)
        last = max(listing.n_articles - 1, 0) // N_A_PAGE
        if not 0 <= page <= last:  # a rebuild took articles away
            page = min(max(page, 0), last)
            listing = _read(generation.articles.listing, asked, page)
    return [
        months_figure(listing.months, listing.n_undated, speaks),
        position_line(listing, offset=page * N_A_PAGE, language=speaks),
        articles_list(listing.articles, speaks),
        gr.update(interactive=page > 0),
        gr.update(interactive=page < last),
        page,
    ]


def _read(read: Callable[..., Listing], asked: _Asked, page: int) -> Listing:
    return read(asked.filters, words=asked.words, order=asked.order, offset=page * N_A_PAGE, limit=N_A_PAGE)
