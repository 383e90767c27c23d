"""What limits the search of a question asked on the page: its filters, and the period that it names itself."""

from collections.abc import Callable
from datetime import date
from typing import Any

import gradio as gr

from index.serving import Index
from qa.dates import named_period
from ui.chat_texts import TOLD
from ui.filters import FilterInputs
from ui.languages import language_name, language_of
from ui.render import day_range

Update = dict[str, Any]


class FilterBar:
    """The filters, in a line that opens and tells what is on.

    Attributes:
        inputs: what a question is asked with; see `ui.filters.read_filters`.
    """

    def __init__(self, index: Index, t: Callable[[str], Any]) -> None:
        with gr.Accordion(t("filters"), open=False, elem_id="otvet-filters") as self._line:
            self._filters = FilterInputs(index, t, name="otvet")
            self._clear = gr.Button(t("clear_filters"), size="sm", elem_id="otvet-clear-filters")
        self.inputs = self._filters.inputs

    def connect(self, loaded: Any, quiet: dict[str, Any]) -> None:  # noqa: ANN401 - an event of Gradio
        """Tell what is on; offer what there is once the page is loaded."""
        self._filters.offer_after(loaded.then, quiet)
        for one in self.inputs:
            one.change(self._tell, self.inputs, [self._line], **quiet)
        self._clear.click(lambda: ("", "", "", ""), None, self.inputs, **quiet)

    def _tell(self, first: str, last: str, publisher: str, article_language: str, request: gr.Request) -> Update:
        language = language_of(request)
        told = [
            TOLD["from"][language].format(day=first) if first else "",
            TOLD["to"][language].format(day=last) if last else "",
            publisher,
            language_name(article_language, language) if article_language else "",
        ]
        shown = ", ".join(filter(None, told))
        label = TOLD["filters_on"][language].format(told=shown) if shown else TOLD["filters"][language]
        return gr.update(label=label)


class PeriodChip:
    """The period that the question in the box names, unless days are filtered by; a click on it asks without.

    Attributes:
        chip: the button.
        use_dates: whether the next question is asked with its period.
    """

    def __init__(self) -> None:
        self.chip = gr.Button(visible=False, size="sm", elem_id="otvet-period")
        self.use_dates = gr.State(True)

    def connect(self, box: gr.Textbox, filters: FilterBar, quiet: dict[str, Any]) -> None:
        """Follow what is typed, and the filters for days."""
        days = filters.inputs[:2]
        gr.on(
            [component.change for component in (box, *days)],
            self._see,
            [box, self.use_dates, *days],
            [self.chip, self.use_dates],
            trigger_mode="always_last",
            **quiet,
        )
        self.chip.click(lambda: (gr.update(visible=False), False), None, [self.chip, self.use_dates], **quiet)

    def _see(
        self, text: str | None, use_dates: bool, first: str, last: str, request: gr.Request
    ) -> tuple[Update, bool]:
        if not text:
            return gr.update(visible=False), True  # another question begins
        period = named_period(text, today=date.today()) if use_dates and not first and not last else None
        if period is None:
            return gr.update(visible=False), use_dates
        days = day_range(period.first, period.last)
        return gr.update(value=TOLD["period"][language_of(request)].format(days=days), visible=True), use_dates
