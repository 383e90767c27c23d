"""The page: a Gradio chat, with the sources of the last answer beside it."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from index.errors import OtvetError
from index.text import question_language
from qa.chain import AnswerChain
from qa.records import (
    MAX_QUESTION_CHARS,
    MAX_TURNS,
    Answer,
    Citation,
    CitationFound,
    PassagesFound,
    Question,
    QuotesFound,
    Refusal,
    Restarted,
    TextDelta,
    Turn,
)
from ui.api import preferred_language
from ui.index_panel import INDEX_CSS, index_details, index_line, no_index
from ui.index_schemas import IndexOut
from ui.render import (
    CARDS_CSS,
    answer_cards,
    answer_markdown,
    plain_markdown,
    plain_text,
    refusal_cards,
    remarks_markdown,
    status,
    writing,
)

log = logging.getLogger(__name__)

I18N = gr.I18n(
    en={
        "title": "# Otvet answers from the articles",
        "subtitle": "Ask in Russian or English. Every answer quotes the articles; a click opens the place.",
        "placeholder": "Ask the articles…",
        "empty": "The sources of an answer appear here.",
        "dates": "Dates in a question limit the search",
        "index": "Index",
    },
    ru={
        "title": "# Ответ: по статьям, с цитатами",
        "subtitle": "Спросите по-русски или по-английски. Ответ – точные цитаты, щелчок открывает место в статье.",
        "placeholder": "Спросите у статей…",
        "empty": "Здесь появятся источники ответа.",
        "dates": "Даты в вопросе ограничивают поиск",
        "index": "Индекс",
    },
)
EXAMPLES = [
    "What did Maduro ask Iran for?",
    "Что Мадуро просил у Ирана?",
    "Что открыл «Ростех» в Венесуэле?",
    "How many people were killed by the strikes?",
]
PAGE_CSS = f"""
.gradio-container {{ width: 100%; max-width: 1280px !important; margin: 0 auto !important; }}
#otvet-title h1 {{ margin: 0; }}
#otvet-chat blockquote {{ margin: .25rem 0 !important; color: inherit; border-left: 3px solid var(--color-accent); }}
#otvet-chat blockquote > p {{ margin: .75rem 0 0; }}
#otvet-chat blockquote > p:first-child {{ margin: 0; }}
#otvet-chat .example {{ border: 1px solid var(--border-color-primary); border-radius: .6rem; }}
#otvet-question textarea {{ background: transparent; }}
@media (max-width: 640px) {{ #otvet-chat {{ height: calc(100vh - 18rem) !important; }} }}
#otvet-sources {{ position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; text-align: left; }}
{CARDS_CSS}
{INDEX_CSS}
"""
REFRESH_S = 3  # while the line of the index is open
# IBM Plex Sans comes with Gradio, has Cyrillic, and is served from this machine.
THEME = gr.themes.Soft(
    primary_hue="emerald",
    neutral_hue="stone",
    font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
)

Shown = tuple[str, str]
"""Markdown of the answer so far, HTML of the panel."""


def make_page(chain: AnswerChain, *, max_concurrent_questions: int, index_status: Callable[[], IndexOut]) -> gr.Blocks:
    """The page over a chain, with a line on the index. Mount it with `theme=THEME, css=PAGE_CSS, i18n=I18N`."""

    def ask(message: str, history: list[dict[str, Any]], use_dates: bool) -> Iterator[Shown]:
        yield from show(chain, message, history, use_dates=use_dates)

    page = gr.Blocks(title="Otvet", analytics_enabled=False, fill_width=True)
    with page:
        gr.Markdown(I18N("title"), elem_id="otvet-title")
        gr.Markdown(I18N("subtitle"))
        with gr.Row():
            left = gr.Column(scale=3, min_width=320)
            with gr.Column(scale=2, min_width=300):
                use_dates = gr.Checkbox(value=True, label=I18N("dates"), elem_id="otvet-dates")
                panel = gr.HTML(I18N("empty"), elem_id="otvet-sources")
            with left:  # last, as it puts those inputs under itself that have no place yet
                chat = gr.ChatInterface(
                    ask,
                    chatbot=gr.Chatbot(
                        height="calc(100vh - 16rem)",
                        min_height=320,
                        buttons=[],
                        latex_delimiters=[],
                        show_label=False,
                        elem_id="otvet-chat",
                    ),
                    textbox=gr.Textbox(
                        placeholder=I18N("placeholder"),
                        show_label=False,
                        max_length=MAX_QUESTION_CHARS,
                        submit_btn=True,
                        stop_btn=True,
                        elem_id="otvet-question",
                    ),
                    additional_inputs=[use_dates],
                    additional_outputs=[panel],
                    examples=[[example] for example in EXAMPLES],
                    cache_examples=False,
                    concurrency_limit=max_concurrent_questions,
                    api_visibility="private",
                )
        chatbot = chat.chatbot
        gr.on([chatbot.clear, chatbot.undo], lambda: I18N("empty"), outputs=[panel], api_visibility="private")
        _add_index_line(page, index_status)
    return page


def _add_index_line(page: gr.Blocks, index_status: Callable[[], IndexOut]) -> None:
    """A collapsed line; what is below it is asked for anew every few seconds while it is open."""

    def tell(request: gr.Request) -> tuple[dict[str, Any], str]:
        language = preferred_language(request.headers.get("accept-language", ""))
        try:
            index = index_status()
        except OtvetError as exc:
            line, details = no_index(str(exc), language)
        else:
            line, details = index_line(index, language), index_details(index, language)
        return gr.update(label=line), details

    with gr.Accordion(I18N("index"), open=False, elem_id="otvet-index") as accordion:
        details = gr.HTML()
    timer = gr.Timer(REFRESH_S, active=False)
    for event in (page.load, timer.tick, accordion.expand):
        event(
            tell,
            outputs=[accordion, details],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    for event, active in ((accordion.expand, True), (accordion.collapse, False)):
        event(lambda active=active: gr.Timer(active=active), outputs=[timer], queue=False, api_visibility="private")


def show(chain: AnswerChain, message: str, history: list[dict[str, Any]], *, use_dates: bool = True) -> Iterator[Shown]:
    """What the page shows, step by step, while a question is answered."""
    language = question_language(message)
    text, citations = "", list[Citation]()
    try:
        for event in chain.stream(Question(message, _turns(history), use_dates=use_dates)):
            match event:
                case PassagesFound(passages):
                    yield status(passages, language), ""
                case QuotesFound(quotes):
                    shown = writing(language) + answer_markdown(quotes.text, quotes.citations, quoted=True)
                    yield shown, answer_cards(quotes.citations, language)
                case CitationFound(citation):
                    citations.append(citation)
                case TextDelta(delta):
                    text += delta
                    yield answer_markdown(text, citations, quoted=False), answer_cards(citations, language)
                case Restarted():
                    text, citations = "", []
                case Answer():
                    markdown = answer_markdown(event.text, event.citations, quoted=event.mode == "extractive")
                    remarks = remarks_markdown(event, language)
                    yield remarks + markdown, answer_cards(event.citations, language)
                case Refusal():
                    yield remarks_markdown(event, language) + plain_markdown(event.text), refusal_cards(event)
    except OtvetError as exc:
        log.error("the page could not answer: %s", exc)
        yield plain_markdown(str(exc)), ""


def _turns(history: list[dict[str, Any]]) -> tuple[Turn, ...]:
    turns = [Turn(message["role"], plain_text(_text(message["content"]))) for message in history]
    return tuple(turns[-MAX_TURNS:])


def _text(content: Any) -> str:  # noqa: ANN401 - Gradio gives text, or a list of parts
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
