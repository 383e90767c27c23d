"""The tab where people ask: the conversation, the sources beside it, and what can be done with them.

Every handler reads the conversation that the browser keeps and gives a changed one back; nothing is kept here.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from index.errors import OtvetError, QuestionError
from index.text import Language
from qa.records import MAX_QUESTION_CHARS
from ui.answering import Step, answer_last
from ui.asking import Asker, in_thread
from ui.chat_feedback import FeedbackForm, feedback_value
from ui.chat_filters import FilterBar, PeriodChip
from ui.chat_texts import TOLD
from ui.conversation import Conversation, Exchange, kept_form, read_conversation
from ui.examples import AnsweredExamples
from ui.export import conversation_markdown, export_file_name
from ui.feedback import FeedbackPlace
from ui.filters import read_filters
from ui.languages import language_of
from ui.messages import Stage, messages
from ui.schemas import FiltersIn, article_head
from ui.sources import empty_panel, sources_panel

STORAGE_KEY = "otvet-conversation"
# No secret: the page tells it to every browser. One that changes would lose the conversations when a server restarts.
STORAGE_SECRET = "otvet"
N_NEWEST = 5
# Where there is a mouse; on a phone the focus would bring up the keyboard.
FOCUS = (
    "() => { if (matchMedia('(pointer: fine)').matches) document.querySelector('#otvet-question textarea').focus(); }"
)

Views = dict[Any, Any]


class ChatTab:
    """The components of the tab and what they do. To be made inside of a `gr.Tab`.

    Args:
        page: the page that it is on.
        asker: what answers.
        feedback: where likes and dislikes are kept.
        t: a text of ui/chat_texts.py as Gradio translates it.
        max_concurrent_questions: that are answered at once; the others wait.
    """

    def __init__(
        self,
        page: gr.Blocks,
        *,
        asker: Asker,
        feedback: FeedbackPlace,
        t: Callable[[str], Any],
        max_concurrent_questions: int,
    ) -> None:
        self._asker = asker
        self._engine = asker.engine
        self._examples = AnsweredExamples(asker.engine)
        self._leaving: dict[str, threading.Event] = {}  # of the sessions that are being answered
        self._draw(t, feedback)
        self._connect(page, max_concurrent_questions)

    def _draw(self, t: Callable[[str], Any], feedback: FeedbackPlace) -> None:
        self.kept = gr.BrowserState(kept_form(Conversation()), storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
        self.is_busy = gr.State(False)
        self.asked = gr.State("")  # the exchange that is to be answered next
        self.edited = gr.State("")  # the exchange whose question is in the box to be asked otherwise
        with gr.Row(elem_classes="otvet-columns"):
            with gr.Column(scale=3, min_width=320, elem_classes="otvet-talk"):
                self.chat = gr.Chatbot(
                    label=t("conversation"),
                    show_label=False,
                    height="100%",
                    min_height=280,
                    buttons=[],
                    latex_delimiters=[],
                    placeholder=t("start"),
                    elem_id="otvet-chat",
                )
                self.feedback = FeedbackForm(feedback, t)
                with gr.Row(elem_classes="otvet-actions", visible=False) as self.actions:
                    self.widen = gr.Button(t("widen"), size="sm", variant="primary", elem_id="otvet-widen")
                    self.retry = gr.Button(t("retry"), size="sm", elem_id="otvet-retry")
                    self.edit = gr.Button(t("edit"), size="sm", elem_id="otvet-edit")
                    self.export = gr.Button(t("export"), size="sm", elem_id="otvet-export")
                    self.new = gr.Button(t("new"), size="sm", elem_id="otvet-new")
                self.period = PeriodChip()
                self.box = gr.Textbox(
                    label=t("question"),
                    show_label=False,
                    placeholder=t("placeholder"),
                    max_length=MAX_QUESTION_CHARS,
                    submit_btn=True,
                    max_lines=6,
                    interactive=False,  # until the conversation that the browser keeps is shown
                    elem_id="otvet-question",
                )
                self.filters = FilterBar(self._engine.index, t)
            with gr.Column(scale=2, min_width=300, elem_classes="otvet-aside"):
                self.sources = gr.HTML(elem_id="otvet-sources")
        self.exported = gr.JSON(visible=False)

    def _connect(self, page: gr.Blocks, max_concurrent_questions: int) -> None:
        fast: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        telling = {**fast, "queue": True, "concurrency_limit": None}  # what warns or thanks has to be queued
        views = self._shown_by_views()
        restored = page.load(self._restore, [self.kept], views, **fast)
        restored.then(None, js=FOCUS).then(self._offer_examples, None, [self.chat], **fast)
        answering = self._connect_asking(views, telling, max_concurrent_questions)
        self.box.stop(self._stopped, [self.kept], views, cancels=answering, **fast)
        self.new.click(self._clear_all, None, views, cancels=answering, **fast)
        page.unload(self._leave)
        self._connect_editing(fast)
        self.period.connect(self.box, self.filters, fast)
        self.filters.connect(restored, fast)
        self.feedback.connect(self.chat, self.kept, fast=fast, telling=telling)
        self.export.click(self._export, [self.kept], [self.exported], **fast).then(
            None, [self.exported], js="(file) => window.otvet.save(file)"
        )

    def _shown_by_views(self) -> list[Any]:
        """The components that `_views` tells what to show."""
        page = [self.chat, self.sources, self.box, self.actions, self.widen, self.feedback.form]
        return [self.kept, self.is_busy, *page]

    def _connect_asking(self, views: list[Any], telling: dict[str, Any], max_concurrent_questions: int) -> list[Any]:
        """Each way to ask begins an exchange, which then is answered; gives the events that answer."""
        begun = [*views, self.period.chip, self.period.use_dates, self.asked, self.edited]
        beginnings: tuple[tuple[Any, Callable[..., Views], list[Any]], ...] = (
            (self.box.submit, self._begin, [self.box, self.edited, self.period.use_dates, *self.filters.inputs]),
            (self.chat.example_select, self._begin_example, self.filters.inputs),
            (self.retry.click, self._begin_again, []),
            (self.widen.click, self._begin_widened, []),
        )
        return [
            event(begin, [self.kept, self.is_busy, *more], begun, **telling).success(
                self._answer,
                [self.kept, self.asked],
                views,
                concurrency_limit=max_concurrent_questions,
                concurrency_id="answer",
                show_progress="hidden",
                api_visibility="private",
            )
            for event, begin, more in beginnings
        ]

    def _connect_editing(self, fast: dict[str, Any]) -> None:
        """The last question goes back into the box; an emptied box is for a question of its own."""
        edited = self.edit.click(self._edit, [self.kept, self.is_busy], [self.box, self.edited], **fast)
        edited.then(None, js=FOCUS)
        self.box.change(
            lambda text, edited: edited if text else "",
            [self.box, self.edited],
            [self.edited],
            trigger_mode="always_last",
            **fast,
        )

    # --- drawing a conversation

    def _views(self, conversation: Conversation, request: gr.Request, stage: Stage | None = None) -> Views:
        """What every component shows of a conversation that is not being answered, or is at `stage`."""
        last = conversation.last
        is_busy = stage is not None
        return {
            self.kept: kept_form(conversation),
            self.chat: gr.update(value=messages(conversation, stage), feedback_value=feedback_value(conversation)),
            self.sources: self._nothing_asked(language_of(request)) if last is None else sources_panel(conversation),
            self.box: gr.update(submit_btn=not is_busy, stop_btn=is_busy),
            self.actions: gr.update(visible=last is not None and not is_busy),
            self.widen: gr.update(visible=last is not None and last.is_limited),
            self.feedback.form: gr.update(visible=False),
            self.is_busy: is_busy,
        }

    def _restore(self, kept: object, request: gr.Request) -> Views:
        views = self._views(read_conversation(kept, user=request.username), request)
        views[self.box]["interactive"] = True
        return views

    def _offer_examples(self) -> dict[str, Any]:
        return gr.update(examples=[{"text": example} for example in self._examples.answered()])

    def _nothing_asked(self, language: Language) -> str:
        try:
            with self._engine.index.lease() as generation:
                newest = generation.articles.page(limit=N_NEWEST)
        except OtvetError as exc:
            return empty_panel([], language, trouble=str(exc))
        return empty_panel([article_head(article) for article in newest], language)

    # --- asking

    def _begin(
        self,
        kept: object,
        is_busy: bool,
        text: str | None,
        edited: str,
        use_dates: bool,
        first: str | None,
        last: str | None,
        publisher: str | None,
        language: str | None,
        request: gr.Request,
    ) -> Views:
        if is_busy or not text or not text.strip():
            return self._unchanged()
        try:
            filters = read_filters(first, last, publisher, language, told_in=language_of(request))
            exchange = Exchange(question=text, filters=filters, use_dates=use_dates)
        except (ValidationError, QuestionError) as exc:
            is_ours = isinstance(exc, QuestionError)
            gr.Warning(escape(str(exc)) if is_ours else TOLD["bad_question"][language_of(request)])
            return self._unchanged()
        conversation = read_conversation(kept, user=request.username)
        if conversation.last is not None and conversation.last.exchange_id == edited:
            conversation = conversation.before_last()
        views = self._begun(conversation.followed_by(exchange), request)
        views[self.box] = gr.update(value="", submit_btn=False, stop_btn=True)
        return views

    def _begin_example(
        self,
        kept: object,
        is_busy: bool,
        first: str | None,
        last: str | None,
        publisher: str | None,
        language: str | None,
        chosen: gr.SelectData,
        request: gr.Request,
    ) -> Views:
        return self._begin(kept, is_busy, chosen.value["text"], "", True, first, last, publisher, language, request)

    def _begin_again(self, kept: object, is_busy: bool, request: gr.Request) -> Views:
        return self._begun_anew(kept, is_busy, request)

    def _begin_widened(self, kept: object, is_busy: bool, request: gr.Request) -> Views:
        return self._begun_anew(kept, is_busy, request, filters=FiltersIn(), use_dates=False)

    def _begun_anew(self, kept: object, is_busy: bool, request: gr.Request, **changes: Any) -> Views:  # noqa: ANN401
        conversation = read_conversation(kept, user=request.username)
        if is_busy or conversation.last is None:
            return self._unchanged()
        return self._begun(conversation.before_last().followed_by(conversation.last.anew(**changes)), request)

    def _begun(self, conversation: Conversation, request: gr.Request) -> Views:
        return {
            **self._views(conversation, request, Stage("searching")),
            self.period.chip: gr.update(visible=False),
            self.period.use_dates: True,
            self.asked: conversation.exchanges[-1].exchange_id,
            self.edited: "",
        }

    def _unchanged(self) -> Views:
        return {self.asked: ""}

    async def _answer(self, kept: object, asked: str, request: gr.Request) -> AsyncIterator[Views]:
        conversation = read_conversation(kept, user=request.username)
        last = conversation.last
        if last is None or last.exchange_id != asked or not last.is_open:
            return
        session = request.session_hash or ""
        has_left = self._leaving[session] = threading.Event()

        def steps(is_unwanted: Callable[[], bool]) -> Iterator[Step]:
            return answer_last(self._asker, conversation, lambda: is_unwanted() or has_left.is_set())

        try:
            panel = ""
            async for step in in_thread(steps):
                views = self._views(step.conversation, request, step.stage)
                if views[self.sources] == panel:
                    del views[self.sources]  # the reader may be at the sources of an earlier answer
                else:
                    panel = views[self.sources]
                yield views
        finally:
            if self._leaving.get(session) is has_left:
                del self._leaving[session]

    def _leave(self, request: gr.Request) -> None:
        """Stop the work for a reader who has closed or left the page; Gradio would wait for its next step."""
        has_left = self._leaving.get(request.session_hash or "")
        if has_left is not None:
            has_left.set()

    def _stopped(self, kept: object, request: gr.Request) -> Views:
        conversation = read_conversation(kept, user=request.username)
        if conversation.last is not None and conversation.last.is_open:
            conversation = conversation.with_change(-1, is_stopped=True)
        return self._views(conversation, request)

    def _edit(self, kept: object, is_busy: bool, request: gr.Request) -> tuple[Any, str]:
        last = read_conversation(kept, user=request.username).last
        if is_busy or last is None:
            return gr.skip(), ""
        return last.question, last.exchange_id

    def _clear_all(self, request: gr.Request) -> Views:
        return self._views(Conversation(user=request.username), request)

    def _export(self, kept: object, request: gr.Request) -> dict[str, str]:
        conversation = read_conversation(kept, user=request.username)
        text = conversation_markdown(conversation, language=language_of(request))
        return {"name": export_file_name(conversation), "text": text}
