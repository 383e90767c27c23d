"""What limits the search of a question asked on the page: its filters, and the period that it names itself."""

from collections.abc import Callable
from datetime import date
from typing import Any

import gradio as gr
from pydantic import ValidationError

from index.errors import QuestionError
from index.serving import Index
from index.text import Language
from qa.dates import named_period
from ui.api import preferred_language
from ui.articles_tab import filter_choices
from ui.chat_texts import TOLD
from ui.render import day_range
from ui.schemas import FiltersIn

Update = dict[str, Any]


class FilterBar:
    """Days, publisher and language, in a line that opens.

    Attributes:
        inputs: what a question is asked with; see `read_filters`.
    """

    def __init__(self, index: Index, t: Callable[[str], Any]) -> None:
        self._index = index
        with gr.Accordion(t("filters"), open=False, elem_id="otvet-filters") as self._line:
            with gr.Row():
                first = _day_box(t("published_from"), "otvet-from")
                last = _day_box(t("published_to"), "otvet-to")
            with gr.Row():
                # Offered from the start: after a restart of the server a page asks before it is loaded again.
                publishers, languages = filter_choices(index, "en")
                publisher = gr.Dropdown(publishers, value="", label=t("publisher"), elem_id="otvet-publisher")
                language = gr.Dropdown(languages, value="", label=t("article_language"), elem_id="otvet-language")
            self._clear = gr.Button(t("clear_filters"), size="sm", elem_id="otvet-clear-filters")
        self.inputs: list[gr.Textbox | gr.Dropdown] = [first, last, publisher, language]

    def connect(self, loaded: Any, fast: dict[str, Any]) -> None:  # noqa: ANN401 - an event of Gradio
        """The line tells what is on; the choices are those of the articles once the page is loaded."""
        loaded.then(self._offer, None, self.inputs[2:], **fast)
        for one in self.inputs:
            one.change(self._tell, self.inputs, [self._line], **fast)
        self._clear.click(lambda: ("", "", "", ""), None, self.inputs, **fast)

    def _offer(self, request: gr.Request) -> list[Update]:
        choices = filter_choices(self._index, language_of(request))
        return [gr.update(choices=offered) for offered in choices]

    def _tell(
        self,
        first: str | None,
        last: str | None,
        publisher: str | None,
        article_language: str | None,
        request: gr.Request,
    ) -> Update:
        language = language_of(request)
        told = [
            TOLD["from"][language].format(day=first) if first else "",
            TOLD["to"][language].format(day=last) if last else "",
            publisher or "",
            article_language or "",
        ]
        shown = ", ".join(filter(None, told))
        label = TOLD["filters_on"][language].format(told=shown) if shown else TOLD["filters"][language]
        return gr.update(label=label)


class PeriodChip:
    """The period that the question in the box names; a click on it asks without.

    Attributes:
        chip: the button.
        use_dates: whether the next question is asked with its period.
    """

    def __init__(self) -> None:
        self.chip = gr.Button(visible=False, size="sm", elem_id="otvet-period")
        self.use_dates = gr.State(True)

    def connect(self, box: gr.Textbox, fast: dict[str, Any]) -> None:
        """Follow what is typed."""
        box.change(self._see, [box, self.use_dates], [self.chip], trigger_mode="always_last", **fast)
        self.chip.click(lambda: (gr.update(visible=False), False), None, [self.chip, self.use_dates], **fast)

    def _see(self, text: str | None, use_dates: bool, request: gr.Request) -> Update:
        period = named_period(text or "", today=date.today()) if use_dates else None
        if period is None:
            return gr.update(visible=False)
        days = day_range(period.first, period.last)
        return gr.update(value=TOLD["period"][language_of(request)].format(days=days), visible=True)


def read_filters(
    first: str | None, last: str | None, publisher: str | None, language: str | None, *, told_in: Language
) -> FiltersIn:
    """What the components say.

    Raises:
        QuestionError: a day is none, or the first is after the last; for people, in `told_in`.
    """
    given = {"published_from": first, "published_to": last, "publisher": publisher, "language": language}
    try:
        filters = FiltersIn.model_validate({name: value or None for name, value in given.items()})
    except ValidationError as exc:
        raise QuestionError(TOLD["bad_day"][told_in]) from exc
    if filters.published_from and filters.published_to and filters.published_from > filters.published_to:
        raise QuestionError(TOLD["swapped"][told_in].format(first=first, last=last))
    return filters


def language_of(request: gr.Request) -> Language:
    """What to speak with who sent this."""
    return preferred_language(request.headers.get("accept-language", ""))


def _day_box(label: Any, elem_id: str) -> gr.Textbox:  # noqa: ANN401 - a text that Gradio translates
    """A day, typed or picked: ui/page.js gives it the browser's own picker."""
    return gr.Textbox(label=label, max_length=20, max_lines=1, elem_id=elem_id, elem_classes=["otvet-day"])
