"""The tab where people ask: the conversation, the sources beside it, filters, feedback, export.

Every handler reads the conversation that the browser keeps and gives a changed one back; nothing is kept here.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import gradio as gr
from pydantic import ValidationError

from index.errors import OtvetError, QuestionError
from index.text import Language
from qa.dates import named_period
from qa.engine import Engine
from qa.records import MAX_QUESTION_CHARS, Answer, Question
from ui.answering import Step, answer_last, in_thread
from ui.api import preferred_language
from ui.articles_tab import filter_choices
from ui.chat_texts import TOLD
from ui.conversation import Conversation, Exchange, kept_form, read_conversation
from ui.export import conversation_markdown, export_file_name
from ui.feedback import Feedback, FeedbackStore, Reason
from ui.messages import Stage, messages
from ui.render import day_range
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
EXAMPLES = (
    "What did Maduro ask Iran for?",
    "Что Мадуро просил у Ирана?",
    "Что открыл «Ростех» в Венесуэле?",
    "How many people were killed by the strikes?",
)

Update = dict[str, Any]
Views = dict[Any, Any]


class ChatTab:
    """The components of the tab and what they do. To be made inside of a `gr.Tab`.

    Args:
        page: the page that it is on.
        engine: what answers.
        feedback: where likes and dislikes are kept.
        t: a text of ui/chat_texts.py as Gradio translates it.
        max_concurrent_questions: that are answered at once; the others wait.
    """

    def __init__(
        self,
        page: gr.Blocks,
        *,
        engine: Engine,
        feedback: FeedbackStore,
        t: Callable[[str], Any],
        max_concurrent_questions: int,
    ) -> None:
        self._engine = engine
        self._feedback = feedback
        self._examples = _AnsweredExamples(engine)
        self._leaving: dict[str, threading.Event] = {}  # of the sessions that are being answered
        self._draw(t)
        self._connect(page, max_concurrent_questions)

    def _draw(self, t: Callable[[str], Any]) -> None:
        self.kept = gr.BrowserState(kept_form(Conversation()), storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
        self.is_busy = gr.State(False)
        self.asked = gr.State("")  # the exchange that is to be answered next
        self.use_dates = gr.State(True)
        self.disliked = gr.State(-1)
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
                self._draw_reasons(t)
                with gr.Row(elem_classes="otvet-actions", visible=False) as self.actions:
                    self.widen = gr.Button(t("widen"), size="sm", variant="primary", elem_id="otvet-widen")
                    self.retry = gr.Button(t("retry"), size="sm", elem_id="otvet-retry")
                    self.edit = gr.Button(t("edit"), size="sm", elem_id="otvet-edit")
                    self.export = gr.Button(t("export"), size="sm", elem_id="otvet-export")
                    self.new = gr.Button(t("new"), size="sm", elem_id="otvet-new")
                self.period = gr.Button(visible=False, size="sm", elem_id="otvet-period")
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
                self._draw_filters(t)
            with gr.Column(scale=2, min_width=300, elem_classes="otvet-aside"):
                self.sources = gr.HTML(elem_id="otvet-sources")
        self.exported = gr.JSON(visible=False)

    def _draw_filters(self, t: Callable[[str], Any]) -> None:
        with gr.Accordion(t("filters"), open=False, elem_id="otvet-filters") as self.filters:
            with gr.Row():
                self.first = _day_box(t("published_from"), "otvet-from")
                self.last = _day_box(t("published_to"), "otvet-to")
            with gr.Row():
                # Offered from the start: after a restart of the server a page asks before it is loaded again.
                publishers, languages = filter_choices(self._engine.index, "en")
                self.publisher = gr.Dropdown(publishers, value="", label=t("publisher"), elem_id="otvet-publisher")
                self.language = gr.Dropdown(languages, value="", label=t("article_language"), elem_id="otvet-language")
            self.clear = gr.Button(t("clear_filters"), size="sm", elem_id="otvet-clear-filters")

    def _draw_reasons(self, t: Callable[[str], Any]) -> None:
        with gr.Column(visible=False, elem_id="otvet-reasons") as self.reasons:
            reasons = [(t(f"reason_{reason}"), reason.value) for reason in Reason if reason]
            self.reason = gr.Radio(reasons, label=t("why"))
            self.comment = gr.Textbox(label=t("comment"), max_length=2_000, lines=2)
            with gr.Row():
                self.send = gr.Button(t("send"), size="sm", variant="primary")
                self.cancel = gr.Button(t("cancel"), size="sm")

    def _connect(self, page: gr.Blocks, max_concurrent_questions: int) -> None:
        fast: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        telling = {**fast, "queue": True, "concurrency_limit": None}  # what warns or thanks has to be queued
        filters = [self.first, self.last, self.publisher, self.language]
        views = [self.kept, self.chat, self.sources, self.box, self.actions, self.widen, self.is_busy]
        begun = [*views, self.period, self.use_dates, self.asked]
        restored = page.load(self._restore, [self.kept], views, **fast)
        restored.then(None, js=FOCUS).then(self._welcome, None, [self.chat, self.publisher, self.language], **fast)
        beginnings: tuple[tuple[Any, Callable[..., Views], list[Any]], ...] = (
            (self.box.submit, self._begin, [self.box, self.use_dates, *filters]),
            (self.chat.example_select, self._begin_example, filters),
            (self.retry.click, self._begin_again, []),
            (self.widen.click, self._begin_widened, []),
        )
        answering = [
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
        self.box.stop(self._stopped, [self.kept], views, cancels=answering, **fast)
        self.edit.click(self._edit, [self.kept, self.is_busy], views, **fast)
        self.new.click(self._clear_all, None, views, cancels=answering, **fast)
        page.unload(self._leave)
        self._connect_period(fast)
        self._connect_filters(filters, fast)
        self._connect_feedback(fast, telling)
        self.export.click(self._export, [self.kept], [self.exported], **fast).then(
            None, [self.exported], js="(file) => window.otvet.save(file)"
        )

    # --- drawing a conversation

    def _views(self, conversation: Conversation, stage: Stage | None = None) -> Views:
        """What every component shows of a conversation that is not being answered, or is at `stage`."""
        last = conversation.last
        is_busy = stage is not None
        return {
            self.kept: kept_form(conversation),
            self.chat: gr.update(
                value=messages(conversation, stage), feedback_value=[_liked(one) for one in conversation.exchanges]
            ),
            self.sources: sources_panel(conversation),
            self.box: gr.update(submit_btn=not is_busy, stop_btn=is_busy),
            self.actions: gr.update(visible=last is not None and not is_busy),
            self.widen: gr.update(visible=last is not None and last.is_limited),
            self.is_busy: is_busy,
        }

    def _restore(self, kept: object, request: gr.Request) -> Views:
        conversation = read_conversation(kept, user=request.username)
        views = self._views(conversation)
        if conversation.last is None:
            views[self.sources] = self._nothing_asked(_language(request))
        views[self.box]["interactive"] = True
        return views

    def _welcome(self, request: gr.Request) -> Views:
        publishers, languages = filter_choices(self._engine.index, _language(request))
        return {
            self.chat: gr.update(examples=[{"text": example} for example in self._examples.answered()]),
            self.publisher: gr.update(choices=publishers),
            self.language: gr.update(choices=languages),
        }

    def _nothing_asked(self, language: Language) -> str:
        with self._engine.index.lease() as generation:
            newest = generation.articles.page(limit=N_NEWEST)
        return empty_panel([article_head(article) for article in newest], language)

    # --- asking

    def _begin(
        self,
        kept: object,
        is_busy: bool,
        text: str,
        use_dates: bool,
        first: str | None,
        last: str | None,
        publisher: str | None,
        language: str | None,
        request: gr.Request,
    ) -> Views:
        if is_busy or not (text or "").strip():
            return self._unchanged()
        try:
            filters = _filters(first, last, publisher, language, told_in=_language(request))
            exchange = Exchange(question=text, filters=filters, use_dates=use_dates)
        except ValidationError:
            gr.Warning(TOLD["bad_question"][_language(request)])
            return self._unchanged()
        except QuestionError as exc:
            gr.Warning(str(exc))
            return self._unchanged()
        views = self._begun(read_conversation(kept, user=request.username).followed_by(exchange))
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
        return self._begin(kept, is_busy, chosen.value["text"], True, first, last, publisher, language, request)

    def _begin_again(self, kept: object, is_busy: bool, request: gr.Request) -> Views:
        return self._begun_anew(kept, is_busy, request)

    def _begin_widened(self, kept: object, is_busy: bool, request: gr.Request) -> Views:
        return self._begun_anew(kept, is_busy, request, filters=FiltersIn(), use_dates=False)

    def _begun_anew(self, kept: object, is_busy: bool, request: gr.Request, **changes: Any) -> Views:  # noqa: ANN401
        conversation = read_conversation(kept, user=request.username)
        if is_busy or conversation.last is None:
            return self._unchanged()
        return self._begun(conversation.before_last().followed_by(conversation.last.anew(**changes)))

    def _begun(self, conversation: Conversation) -> Views:
        views = self._views(conversation, Stage("searching"))
        asked = conversation.last.exchange_id if conversation.last is not None else ""
        return {**views, self.period: gr.update(visible=False), self.use_dates: True, self.asked: asked}

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
            return answer_last(self._engine, conversation, lambda: is_unwanted() or has_left.is_set())

        try:
            async for step in in_thread(steps):
                yield self._views(step.conversation, step.stage)
        finally:
            self._leaving.pop(session, None)

    def _leave(self, request: gr.Request) -> None:
        """Stop the work for a reader who has closed or left the page; Gradio would wait for its next step."""
        has_left = self._leaving.get(request.session_hash or "")
        if has_left is not None:
            has_left.set()

    def _stopped(self, kept: object, request: gr.Request) -> Views:
        conversation = read_conversation(kept, user=request.username)
        if conversation.last is not None and conversation.last.is_open:
            conversation = conversation.with_change(-1, is_stopped=True)
        return self._views(conversation)

    def _edit(self, kept: object, is_busy: bool, request: gr.Request) -> Views:
        conversation = read_conversation(kept, user=request.username)
        if is_busy or conversation.last is None:
            return {self.is_busy: is_busy}
        views = self._views(conversation.before_last())
        views[self.box] = gr.update(value=conversation.last.question)
        return views

    def _clear_all(self, request: gr.Request) -> Views:
        return {
            **self._views(Conversation(user=request.username)),
            self.sources: self._nothing_asked(_language(request)),
        }

    # --- the period that a question names

    def _connect_period(self, fast: dict[str, Any]) -> None:
        self.box.change(self._see_period, [self.box, self.use_dates], [self.period], trigger_mode="always_last", **fast)
        self.period.click(lambda: (gr.update(visible=False), False), None, [self.period, self.use_dates], **fast)

    def _see_period(self, text: str, use_dates: bool, request: gr.Request) -> Update:
        period = named_period(text or "", today=date.today()) if use_dates else None
        if period is None:
            return gr.update(visible=False)
        days = day_range(period.first, period.last)
        return gr.update(value=TOLD["period"][_language(request)].format(days=days), visible=True)

    # --- filters

    def _connect_filters(self, filters: list[Any], fast: dict[str, Any]) -> None:
        for one in filters:
            one.change(self._tell_filters, filters, [self.filters], **fast)
        self.clear.click(lambda: ("", "", "", ""), None, filters, **fast)

    def _tell_filters(
        self,
        first: str | None,
        last: str | None,
        publisher: str | None,
        article_language: str | None,
        request: gr.Request,
    ) -> Update:
        language = _language(request)
        told = [
            TOLD["from"][language].format(day=first) if first else "",
            TOLD["to"][language].format(day=last) if last else "",
            publisher or "",
            article_language or "",
        ]
        shown = ", ".join(filter(None, told))
        label = TOLD["filters_on"][language].format(told=shown) if shown else TOLD["filters"][language]
        return gr.update(label=label)

    # --- feedback and export

    def _connect_feedback(self, fast: dict[str, Any], telling: dict[str, Any]) -> None:
        self.chat.like(self._like, [self.kept], [self.kept, self.reasons, self.disliked], **telling)
        sent = [self.kept, self.disliked, self.reason, self.comment]
        self.send.click(self._give_reason, sent, [self.reasons, self.reason, self.comment], **telling)
        self.cancel.click(lambda: gr.update(visible=False), None, [self.reasons], **fast)

    def _like(self, kept: object, said: gr.LikeData, request: gr.Request) -> tuple[Any, Update, int]:
        conversation = read_conversation(kept, user=request.username)
        place = said.index // 2 if isinstance(said.index, int) else -1
        if not 0 <= place < len(conversation.exchanges) or conversation.exchanges[place].response is None:
            return gr.skip(), gr.update(visible=False), -1
        liked = said.liked is True
        conversation = conversation.with_change(place, liked=liked)
        self._record(conversation.exchanges[place], request)
        return kept_form(conversation), gr.update(visible=not liked), place

    def _give_reason(
        self, kept: object, place: int, reason: str | None, comment: str, request: gr.Request
    ) -> tuple[Update, None, str]:
        exchanges = read_conversation(kept, user=request.username).exchanges
        if 0 <= place < len(exchanges):
            self._record(exchanges[place], request, reason=reason or "", comment=comment or "")
        return gr.update(visible=False), None, ""

    def _record(self, exchange: Exchange, request: gr.Request, *, reason: str = "", comment: str = "") -> None:
        assert exchange.response is not None
        try:
            self._feedback.record(
                Feedback(
                    key=exchange.exchange_id,
                    said_at=datetime.now(UTC),
                    liked=exchange.liked is True,
                    reason=reason,
                    comment=comment,
                    question=exchange.question,
                    response=exchange.response.model_dump(mode="json"),
                    generation=exchange.generation,
                    user=request.username,
                )
            )
        except OtvetError as exc:
            gr.Warning(str(exc))
            return
        if exchange.liked or reason or comment:  # else the reader is being asked why
            gr.Info(TOLD["thanks"][_language(request)])

    def _export(self, kept: object, request: gr.Request) -> dict[str, str]:
        conversation = read_conversation(kept, user=request.username)
        text = conversation_markdown(conversation, language=_language(request))
        return {"name": export_file_name(conversation), "text": text}


def _day_box(label: Any, elem_id: str) -> gr.Textbox:  # noqa: ANN401 - a text that Gradio translates
    """A day, typed or picked: ui/page.js gives it the browser's own picker."""
    return gr.Textbox(label=label, max_length=20, max_lines=1, elem_id=elem_id, elem_classes=["otvet-day"])


class _AnsweredExamples:
    """Which of the example questions the articles can answer, looked up once for each generation of the index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: tuple[str, list[str]] = ("", [])

    def answered(self) -> list[str]:
        """Those that are answered by quotes; none where the index cannot be read."""
        try:
            with self._engine.index.lease() as generation:
                name = generation.name
            if self._known[0] != name:
                self._known = (name, [example for example in EXAMPLES if self._is_answered(example)])
        except OtvetError:
            return []
        return self._known[1]

    def _is_answered(self, question: str) -> bool:
        return isinstance(self._engine.chain.invoke(Question(question, mode="extractive")), Answer)


def _filters(
    first: str | None, last: str | None, publisher: str | None, language: str | None, *, told_in: Language
) -> FiltersIn:
    given = {"published_from": first, "published_to": last, "publisher": publisher, "language": language}
    try:
        filters = FiltersIn.model_validate({name: value or None for name, value in given.items()})
    except ValidationError as exc:
        raise QuestionError(TOLD["bad_day"][told_in]) from exc
    if filters.published_from and filters.published_to and filters.published_from > filters.published_to:
        raise QuestionError(TOLD["swapped"][told_in].format(first=first, last=last))
    return filters


def _liked(exchange: Exchange) -> str | None:
    return None if exchange.liked is None else "Like" if exchange.liked else "Dislike"


def _language(request: gr.Request) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))
