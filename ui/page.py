"""The page: its tabs, its looks, its words. What is in the tabs stands in ui/chat_tab.py and beside it.

Decision: Gradio has no one owner file. A file draws one part of the page and connects it; what a part shows is made by
pure functions beside it (messages, sources, articles_panel, index_panel), which know no Gradio.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from index.text import Language
from ui.access import Admin
from ui.articles_panel import ARTICLES_CSS, ARTICLES_TEXTS
from ui.articles_tab import make_articles_tab
from ui.asking import Asker
from ui.chat_tab import ChatTab
from ui.chat_texts import CHAT_TEXTS
from ui.feedback import FeedbackPlace
from ui.filters import FILTER_TEXTS
from ui.index_panel import INDEX_CSS
from ui.index_schemas import IndexOut
from ui.index_tab import INDEX_TEXTS, make_index_tab
from ui.languages import language_of
from ui.rebuilding import Rebuilder
from ui.settings import Settings

FOLDER = Path(__file__).parent
PAGE_CSS = f"{(FOLDER / 'page.css').read_text(encoding='utf-8')}{ARTICLES_CSS}{INDEX_CSS}"
# Gradio confines what is in `css` and under a condition to its own container; toasts are outside of it.
TOASTS_CSS = "@media (max-width: 720px) { .toast-wrap { top: auto !important; bottom: 5rem !important; } }"
PAGE_HEAD = f"<style>{TOASTS_CSS}</style><script>{(FOLDER / 'page.js').read_text(encoding='utf-8')}</script>"


def _texts(language: Language) -> dict[str, str]:
    return {**CHAT_TEXTS[language], **FILTER_TEXTS[language], **ARTICLES_TEXTS[language], **INDEX_TEXTS[language]}


I18N = gr.I18n(en=_texts("en"), ru=_texts("ru"))
# IBM Plex Sans comes with Gradio, has Cyrillic, and is served from this machine.
THEME = gr.themes.Base(
    primary_hue="emerald",
    neutral_hue="stone",
    radius_size="md",
    font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
).set(
    body_background_fill="#faf9f7",
    body_background_fill_dark="#161412",
    background_fill_primary_dark="#1f1c1a",
    block_background_fill_dark="#1f1c1a",
    block_border_width="1px",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_text_color="white",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
)
HEADER: dict[str, dict[Language, str]] = {
    "name": {"ru": "Ответ", "en": "Otvet"},
    "motto": {
        "ru": "отвечает по статьям и показывает, где это сказано",
        "en": "answers from the articles and shows where they say so",
    },
    "log_out": {"ru": "Выйти", "en": "Log out"},
}


def make_page(
    asker: Asker,
    settings: Settings,
    *,
    feedback: FeedbackPlace,
    rebuilder: Rebuilder,
    index_status: Callable[[], IndexOut],
    admin: Admin,
) -> gr.Blocks:
    """The page. Mount it with `theme=THEME, css=PAGE_CSS, head=PAGE_HEAD, i18n=I18N`."""
    page = gr.Blocks(title="Otvet", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600))
    with page:
        header = gr.HTML(elem_id="otvet-header")
        with gr.Tabs(elem_id="otvet-tabs"):
            with gr.Tab(I18N("tab_chat"), id="chat"):
                ChatTab(
                    page,
                    asker=asker,
                    feedback=feedback,
                    t=I18N,
                    max_concurrent_questions=settings.max_concurrent_questions,
                )
            with gr.Tab(I18N("tab_articles"), id="articles") as articles:
                make_articles_tab(asker.engine.index, articles, I18N)
            with gr.Tab(I18N("tab_index"), id="index") as index:
                make_index_tab(
                    page,
                    index_status=index_status,
                    rebuilder=rebuilder,
                    settings=settings,
                    is_admin=admin.allows,
                    t=I18N,
                    tab=index,
                )
        page.load(_header, None, [header], queue=False, show_progress="hidden", api_visibility="private")
    return page


def _header(request: gr.Request) -> str:
    return header_html(request.username, language_of(request))


def header_html(user: str | None, language: Language) -> str:
    """The name of the house, and a way out for who is logged in."""
    words: dict[str, Any] = {key: forms[language] for key, forms in HEADER.items()}
    leave = (
        f'<form method="post" action="/logout"><span>{escape(user)}</span>'
        f'<button type="submit">{words["log_out"]}</button></form>'
        if user
        else ""
    )
    return f'<div class="otvet-header"><h1>{words["name"]}</h1><p>{words["motto"]}</p>{leave}</div>'
