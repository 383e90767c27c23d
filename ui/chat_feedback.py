"""What a reader says of an answer: a thumb, and on a bad one the reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from index.errors import OtvetError
from ui.chat_filters import Update, language_of
from ui.chat_texts import TOLD
from ui.conversation import Exchange, kept_form, read_conversation
from ui.feedback import MAX_COMMENT_CHARS, Feedback, FeedbackStore, Reason


class FeedbackForm:
    """A form that asks for the reason, shown when an answer is disliked."""

    def __init__(self, store: FeedbackStore, t: Callable[[str], Any]) -> None:
        self._store = store
        self._disliked = gr.State(-1)  # which exchange
        with gr.Column(visible=False, elem_id="otvet-reasons") as self._form:
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
        chat.like(self._like, [kept], [kept, self._form, self._disliked], **telling)
        sent = [kept, self._disliked, self._reason, self._comment]
        self._send.click(self._give_reason, sent, [self._form, self._reason, self._comment], **telling)
        self._cancel.click(lambda: gr.update(visible=False), None, [self._form], **fast)

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
        if exchange.response is None:
            return
        try:
            self._store.record(
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
            gr.Info(TOLD["thanks"][language_of(request)])
