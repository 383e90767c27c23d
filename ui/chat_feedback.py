"""What a reader says of an answer: a thumb, and on a bad one the reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Any

import gradio as gr

from index.errors import OtvetError
from ui.chat_texts import TOLD
from ui.conversation import Conversation, Exchange, kept_form, read_conversation
from ui.feedback import MAX_COMMENT_CHARS, Feedback, FeedbackPlace, Reason
from ui.languages import language_of

Update = dict[str, Any]


class FeedbackForm:
    """A form that asks for the reason, shown when an answer is disliked.

    Attributes:
        form: what is shown and hidden.
    """

    def __init__(self, store: FeedbackPlace, t: Callable[[str], Any]) -> None:
        self._store = store
        self._disliked = gr.State("")  # which exchange
        with gr.Column(visible=False, elem_id="otvet-reasons") as self.form:
            reasons = [(t(f"reason_{reason}"), reason.value) for reason in Reason if reason]
            self._reason = gr.Radio(reasons, label=t("why"))
            self._comment = gr.Textbox(label=t("comment"), max_length=MAX_COMMENT_CHARS, lines=2)
            with gr.Row():
                self._send = gr.Button(t("send"), size="sm", variant="primary")
                self._cancel = gr.Button(t("cancel"), size="sm")

    def connect(
        self, chat: gr.Chatbot, kept: gr.BrowserState, *, fast: dict[str, Any], telling: dict[str, Any]
    ) -> None:
        """Take the thumbs of a conversation, and keep them in it."""
        outputs = [kept, chat, self.form, self._disliked, self._reason, self._comment]
        # Each click: "once" would lose one while another is on its way, "always_last" (Gradio 6.31) what was clicked.
        chat.like(self._like, [kept], outputs, trigger_mode="multiple", **telling)
        sent = [kept, self._disliked, self._reason, self._comment]
        self._send.click(self._give_reason, sent, [self.form, self._reason, self._comment], **telling)
        emptied = (gr.update(visible=False), None, "")
        self._cancel.click(lambda: emptied, None, [self.form, self._reason, self._comment], **fast)

    def _like(self, kept: object, said: gr.LikeData, request: gr.Request) -> tuple[Any, Update, Update, str, None, str]:
        conversation = read_conversation(kept, user=request.username)
        place = said.index // 2 if isinstance(said.index, int) else -1
        if not 0 <= place < len(conversation.exchanges):
            return gr.skip(), gr.skip(), gr.update(visible=False), "", None, ""
        is_over = conversation.last is not None and not conversation.last.is_open
        if is_over and conversation.exchanges[place].response is not None:
            liked = said.liked if isinstance(said.liked, bool) else None  # "" takes a thumb back
            conversation = conversation.with_change(place, liked=liked)
            self._keep(conversation.exchanges[place], request)
        else:
            gr.Info(TOLD["later"][language_of(request)])
        exchange = conversation.exchanges[place]
        thumbs = gr.update(feedback_value=feedback_value(conversation))
        return (
            kept_form(conversation) if is_over else gr.skip(),  # the answer that is being written keeps it by itself
            thumbs,
            gr.update(visible=is_over and exchange.liked is False),
            exchange.exchange_id,
            None,
            "",
        )

    def _give_reason(
        self, kept: object, exchange_id: str, reason: str | None, comment: str | None, request: gr.Request
    ) -> tuple[Update, None, str]:
        for exchange in read_conversation(kept, user=request.username).exchanges:
            if exchange.exchange_id == exchange_id and exchange.liked is False:
                self._keep(exchange, request, reason=reason or "", comment=comment or "")
        return gr.update(visible=False), None, ""

    def _keep(self, exchange: Exchange, request: gr.Request, *, reason: str = "", comment: str = "") -> None:
        """Write down what is said of an exchange, or that nothing is any more."""
        if exchange.response is None:
            return
        try:
            if exchange.liked is None:
                self._store.forget(exchange.exchange_id, request.username)
                return
            self._store.record(
                Feedback(
                    key=exchange.exchange_id,
                    said_at=datetime.now(UTC),
                    liked=exchange.liked,
                    reason=reason,
                    comment=comment,
                    question=exchange.question,
                    response=exchange.response.model_dump(mode="json"),
                    generation=exchange.generation,
                    user=request.username,
                )
            )
        except OtvetError as exc:
            gr.Warning(escape(str(exc)))
            return
        if exchange.liked or reason or comment:  # else the reader is being asked why
            gr.Info(TOLD["thanks"][language_of(request)])


def feedback_value(conversation: Conversation) -> list[str | None]:
    """The thumbs as Gradio's chat takes them, one for each answer."""
    names = {None: None, True: "Like", False: "Dislike"}
    return [names[exchange.liked] for exchange in conversation.exchanges]
