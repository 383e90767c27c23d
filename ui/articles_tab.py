"""The articles tab: what is indexed, searched, sorted, filtered and counted by month. HTML: ui/articles_panel.py."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import gradio as gr

from index.errors import OtvetError
from index.listing import MAX_WORDS_CHARS, Listing, Order
from index.records import Filters
from index.serving import Index
from index.text import Language
from ui.api import preferred_language
from ui.articles_panel import (
    WORDS,
    articles_list,
    language_choices,
    months_figure,
    position_line,
    publisher_choices,
    status_line,
)

log = logging.getLogger(__name__)

N_A_PAGE = 50
MAX_DAY_CHARS = 20
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# A picker of the browser's own, in its language; Gradio's is in English, has no label, and keeps wrong days to itself.
PICKERS_JS = "() => { for (const input of document.querySelectorAll('.otvet-day input')) input.type = 'date'; }"
TO_TOP_JS = """() => {
    const list = document.getElementById('otvet-articles-list');
    if (list.getBoundingClientRect().top < 0) list.scrollIntoView();
}"""

Choices = list[tuple[str, str]]
"""Labels and values of a dropdown."""


class _DayError(Exception):
    """Days that cannot be used; the message is for the person who typed them."""


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
    publisher: gr.Dropdown
    language: gr.Dropdown
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
    parts = _make_parts(t, *filter_choices(index, "en"))

    def listing(step: int | None) -> Callable[..., list[Any]]:
        """Shows the page that is `step` from the one that is shown, or the first one."""

        def show(
            words: str, order: str, publisher: str, language: str, first: str, last: str, page: int, request: gr.Request
        ) -> list[Any]:
            speaks = _language_of(request)
            try:
                asked = _asked(words, order, publisher, language, first, last, speaks)
                return _show(index, asked, 0 if step is None else page + step, speaks)
            except _DayError as exc:
                return [gr.skip(), status_line(str(exc)), *[gr.skip()] * 4]
            except OtvetError as exc:
                log.error("the page could not list the articles: %s", exc)
                return ["", status_line(str(exc)), "", gr.update(interactive=False), gr.update(interactive=False), 0]

        return show

    def offer(publisher: str, language: str, request: gr.Request) -> list[Any]:
        return _offer(index, publisher, language, _language_of(request))

    inputs, choices = [*parts.asked, parts.page], [parts.publisher, parts.language]
    offered = tab.select(offer, choices, choices, **QUIET)
    offered.then(listing(0), inputs, parts.shown, **QUIET).then(None, js=PICKERS_JS, **QUIET)
    # Not `input`: Gradio 6.31 loses that of a text box, and tells of it with the value before.
    changes = [component.change for component in parts.asked]
    gr.on(changes, listing(None), inputs, parts.shown, trigger_mode="always_last", **QUIET)
    for button, step in ((parts.previous, -1), (parts.next, 1)):
        button.click(listing(step), inputs, parts.shown, **QUIET).then(None, js=TO_TOP_JS, **QUIET)


def _make_parts(t: Callable[[str], Any], publishers: Choices, languages: Choices) -> _Parts:
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
    with gr.Row():
        # Offered from the start: after a restart of the server a page asks before its tab is chosen again.
        publisher = gr.Dropdown(publishers, value="", label=t("articles_of_publisher"), min_width=140)
        language = gr.Dropdown(languages, value="", label=t("articles_in_language"), min_width=140)
        days = [
            gr.Textbox(
                label=t(f"articles_{end}"),
                placeholder=t("articles_day_hint"),
                max_length=MAX_DAY_CHARS,
                max_lines=1,
                min_width=140,
                elem_id=f"otvet-articles-{end}",
                elem_classes=["otvet-day"],
            )
            for end in ("from", "to")
        ]
    months = gr.HTML(elem_id="otvet-articles-months")
    with gr.Row(elem_id="otvet-articles-bar"):
        line = gr.HTML(elem_id="otvet-articles-line")
        buttons = [
            gr.Button(t(f"articles_{name}"), size="sm", interactive=False, elem_id=f"otvet-articles-{name}")
            for name in ("previous", "next")
        ]
    articles = gr.HTML(elem_id="otvet-articles-list")
    asked: list[gr.Textbox | gr.Dropdown] = [words, order, publisher, language, *days]
    return _Parts(asked, publisher, language, gr.State(0), months, line, articles, *buttons)


def _asked(words: str, order: str, publisher: str, language: str, first: str, last: str, speaks: Language) -> _Asked:
    published_from, published_to = _day(first, speaks), _day(last, speaks)
    if published_from and published_to and published_from > published_to:
        raise _DayError(WORDS["bad_days"][speaks].format(first=published_from, last=published_to))
    filters = Filters(published_from, published_to, publisher=publisher or None, language=language or None)
    return _Asked(words or "", Order(order or Order.NEWEST), filters)


def _day(typed: str | None, speaks: Language) -> date | None:
    day = (typed or "").strip()  # a program may send null
    try:
        return date.fromisoformat(day) if day else None
    except ValueError as exc:
        raise _DayError(WORDS["bad_day"][speaks].format(day=day)) from exc


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


def _offer(index: Index, publisher: str, language: str, speaks: Language) -> list[Any]:
    """The publishers and languages that there are now; what was chosen stays chosen where there is such a one."""
    try:
        pairs = zip(filter_choices(index, speaks), (publisher, language), strict=True)
    except OtvetError:  # is told of where the list is
        return [gr.skip(), gr.skip()]
    return [gr.update(choices=offered, value=_kept(chosen, offered)) for offered, chosen in pairs]


def filter_choices(index: Index, speaks: Language) -> tuple[Choices, Choices]:
    """What dropdowns of publishers and of languages offer."""
    with index.lease() as generation:
        publishers, languages = generation.articles.publishers(), generation.articles.languages()
    return publisher_choices(publishers, speaks), language_choices(languages, speaks)


def _kept(chosen: str, offered: Choices) -> str:
    return chosen if any(value == chosen for _, value in offered) else ""


def _language_of(request: gr.Request) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))
