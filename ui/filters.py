"""Days, publisher and language: how the page asks for them, for the search and for the list of articles."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from pydantic import ValidationError

from index.errors import OtvetError, QuestionError
from index.serving import Index
from index.text import Language
from ui.articles_panel import language_choices, publisher_choices
from ui.languages import language_of
from ui.schemas import FiltersIn

FILTER_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "filter_from": "Published from",
        "filter_to": "Published until",
        "filter_publisher": "Publisher",
        "filter_language": "Language of the articles",
    },
    "ru": {
        "filter_from": "Опубликовано с",
        "filter_to": "Опубликовано по",
        "filter_publisher": "Издание",
        "filter_language": "Язык статей",
    },
}
WORDS: dict[str, dict[Language, str]] = {
    "bad_day": {
        "ru": "«{value}» – не день; нужен вид ГГГГ-ММ-ДД, например 2025-10-31.",
        "en": "“{value}” is no day; give it as YYYY-MM-DD, for example 2025-10-31.",
    },
    "bad_filter": {"ru": "Такого фильтра нет: «{value}».", "en": "There is no such filter: “{value}”."},
    "swapped": {
        "ru": "«С» {first} позже, чем «по» {last}; поменяйте местами.",
        "en": "“From” {first} is after “until” {last}; swap them.",
    },
}

Choices = list[tuple[str, str]]
"""Labels and values of a dropdown."""


class FilterInputs:
    """Four components in a row, made where this is made.

    Args:
        index: whose publishers and languages are offered.
        t: a text of FILTER_TEXTS as Gradio translates it.
        name: what their ids begin with.

    Attributes:
        inputs: first day, last day, publisher, language: what `read_filters` takes.
    """

    def __init__(self, index: Index, t: Callable[[str], Any], *, name: str) -> None:
        self._index = index
        # Offered from the start: after a restart of the server a page asks before it is loaded again.
        publishers, languages = _choices(index, "en")
        with gr.Row():
            first, last = (
                # Boxes that ui/page.js gives the browser's own picker, in its language. Gradio's is in English, has no
                # label, and keeps wrong days to itself.
                gr.Textbox(
                    label=t(f"filter_{end}"),
                    max_length=20,
                    max_lines=1,
                    min_width=140,
                    elem_id=f"{name}-{end}",
                    elem_classes=["otvet-day"],
                )
                for end in ("from", "to")
            )
            publisher = gr.Dropdown(
                publishers, value="", label=t("filter_publisher"), min_width=140, elem_id=f"{name}-publisher"
            )
            language = gr.Dropdown(
                languages, value="", label=t("filter_language"), min_width=140, elem_id=f"{name}-language"
            )
        self.inputs: list[gr.Textbox | gr.Dropdown] = [first, last, publisher, language]

    def offer_after(self, event: Any, quiet: dict[str, Any]) -> Any:  # noqa: ANN401 - events of Gradio
        """Offer what there is by now after an event; what was chosen stays chosen where there is such a one."""
        choosing = self.inputs[2:]
        return event(self._offer, choosing, choosing, **quiet)

    def _offer(self, publisher: str | None, language: str | None, request: gr.Request) -> list[dict[str, Any]]:
        try:
            pairs = zip(_choices(self._index, language_of(request)), (publisher, language), strict=True)
        except OtvetError:  # is told of where answers or the list are
            return [gr.skip(), gr.skip()]
        return [gr.update(choices=offered, value=_kept(chosen, offered)) for offered, chosen in pairs]


def read_filters(
    first: str | None, last: str | None, publisher: str | None, language: str | None, *, told_in: Language
) -> FiltersIn:
    """What the components say; empty text is no filter.

    Raises:
        QuestionError: a day is none, or the first is after the last; for people, in `told_in`.
    """
    given = {"published_from": first, "published_to": last, "publisher": publisher, "language": language}
    try:
        filters = FiltersIn.model_validate({name: value or None for name, value in given.items()})
    except ValidationError as exc:
        error = exc.errors()[0]
        word = "bad_day" if str(error["loc"][0]).startswith("published") else "bad_filter"
        raise QuestionError(WORDS[word][told_in].format(value=error["input"])) from exc
    if filters.published_from and filters.published_to and filters.published_from > filters.published_to:
        raise QuestionError(WORDS["swapped"][told_in].format(first=first, last=last))
    return filters


def _choices(index: Index, language: Language) -> tuple[Choices, Choices]:
    with index.lease() as generation:
        publishers, languages = generation.articles.publishers(), generation.articles.languages()
    return publisher_choices(publishers, language), language_choices(languages, language)


def _kept(chosen: str | None, offered: Choices) -> str:
    return chosen if chosen and any(value == chosen for _, value in offered) else ""
