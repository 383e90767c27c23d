"""The tab "Index": what serves, how far a build is, and for administrators its buttons and a drop of new articles."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from index.catalog import Catalog
from index.errors import IndexLockedError, IndexStateError, OtvetError
from index.text import Language
from ui.index_panel import Health, index_details, index_state, message, no_index
from ui.index_schemas import IndexOut
from ui.languages import language_of
from ui.rebuilding import Rebuilder
from ui.settings import Settings
from ui.uploads import known_suffixes, put_into_corpus

log = logging.getLogger(__name__)

REFRESH_S = 2  # while the tab is selected

INDEX_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "index_admin": "For administrators",
        "index_off": "The index can be rebuilt from here once an administrator is known: set OTVET_USERS or "
        "OTVET_API_TOKENS, and restart the server.",
        "index_rebuild": "Rebuild the index",
        "index_cancel": "Cancel the rebuild",
        "index_drop": "New articles for the corpus",
    },
    "ru": {
        "index_admin": "Для администратора",
        "index_off": "Отсюда можно обновлять индекс, если известно, кто администратор: задайте OTVET_USERS или "
        "OTVET_API_TOKENS и перезапустите сервер.",
        "index_rebuild": "Обновить индекс",
        "index_cancel": "Отменить обновление",
        "index_drop": "Новые статьи в корпус",
    },
}
WORDS: dict[str, dict[Language, str]] = {
    "denied": {
        "ru": "Это может только администратор. Войдите заново.",
        "en": "Only an administrator may do this. Log in again.",
    },
    "locked": {"ru": "Индекс уже обновляется: {reason}", "en": "The index is being rebuilt already: {reason}"},
    "failed": {"ru": "Не получилось: {reason}", "en": "That failed: {reason}"},
    "idle": {
        "ru": "Отменять нечего: отсюда ничего не запущено.",
        "en": "Nothing to cancel: no rebuild runs from here.",
    },
    "put": {
        "ru": "Теперь в корпусе: {names}. Чтобы по ним отвечать, нажмите «Обновить индекс».",
        "en": "Now in the corpus: {names}. To have them answered from, press “Rebuild the index”.",
    },
}
IsAdmin = Callable[[gr.Request], bool]

# How all handlers are called: at once, beside the answers, and by the page only.
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class _Desk(NamedTuple):
    """What an administrator sees."""

    column: gr.Column
    rebuild: gr.Button
    cancel: gr.Button
    drop: gr.File
    said: gr.HTML


def make_index_tab(
    page: gr.Blocks,
    *,
    tab: gr.Tab,
    index_status: Callable[[], IndexOut],
    rebuilder: Rebuilder,
    settings: Settings,
    is_admin: IsAdmin,
    t: Callable[[str], Any],
) -> None:
    """Fill the tab, from within it. The page needs INDEX_CSS, and INDEX_TEXTS in what `t` looks up.

    Args:
        page: the page that the tab is on.
        tab: what is shown is asked for anew while it is selected.
        index_status: what is told of the index.
        rebuilder: what the buttons start and cancel.
        settings: say who may be an administrator, and whether files may be dropped.
        is_admin: whether a request comes from an administrator. Is asked at each act.
        t: the text of a key in the language of the browser.
    """
    has_admin = settings.users is not None or settings.api_tokens is not None
    with gr.Row(elem_id="otvet-index"):
        with gr.Column(scale=3, min_width=300):
            # Its element stays when its value changes, so that what is new is read out.
            state = gr.HTML(elem_id="otvet-index-state", js_on_load="element.setAttribute('role', 'status')")
            details = gr.HTML(elem_id="otvet-index-details")
            gr.HTML(t("index_off"), visible=not has_admin, elem_id="otvet-index-off")
        desk = _make_desk(settings, t)

    look = _looking(index_status, rebuilder.catalog)
    look_again: dict[str, Any] = {
        "fn": look,
        "inputs": [state, details],
        "outputs": [state, details, desk.rebuild, desk.cancel],
        **QUICK,
    }
    timer = gr.Timer(REFRESH_S, active=False)
    for event in (page.load, tab.select, timer.tick):
        event(**look_again)
    _run_while_selected(timer, tab)
    if has_admin:

        def meet(request: gr.Request) -> dict[str, Any]:
            return gr.update(visible=is_admin(request))

        page.load(meet, outputs=[desk.column], **QUICK)
        _add_acts(desk, rebuilder, is_admin, look_again)
        if settings.uploads:
            _add_drop(desk, settings, is_admin)


def _looking(index_status: Callable[[], IndexOut], catalog: Catalog) -> Callable[..., list[Any]]:
    """What tells the state and the details anew; what is the same as before is left alone."""

    def look(shown_state: str | None, shown_details: str | None, request: gr.Request) -> list[Any]:
        told, more, start, cancel = _look(index_status, catalog, language_of(request))
        shown = ((told, shown_state), (more, shown_details))
        values = [gr.skip() if now == before else now for now, before in shown]
        return [*values, gr.update(interactive=start), gr.update(visible=cancel)]

    return look


def _make_desk(settings: Settings, t: Callable[[str], Any]) -> _Desk:
    """The components; those that nobody may use are there, but not shown."""
    with gr.Column(scale=2, min_width=300, visible=False, elem_id="otvet-index-admin") as column:
        gr.HTML(t("index_admin"), elem_classes="otvet-heading")
        rebuild = gr.Button(t("index_rebuild"), variant="primary", elem_id="otvet-index-rebuild")
        cancel = gr.Button(t("index_cancel"), variant="stop", visible=False, elem_id="otvet-index-cancel")
        drop = gr.File(
            label=t("index_drop"),
            file_count="multiple",
            file_types=known_suffixes(),
            height=160,
            visible=settings.uploads,
            elem_id="otvet-index-drop",
        )
        said = gr.HTML(elem_id="otvet-index-said", js_on_load="element.setAttribute('role', 'status')")
    return _Desk(column, rebuild, cancel, drop, said)


def _look(index_status: Callable[[], IndexOut], catalog: Catalog, language: Language) -> tuple[str, str, bool, bool]:
    """HTML of the state and of the details, whether a build may be started, and whether one may be cancelled."""
    try:
        index = index_status()
    except OtvetError as exc:
        return no_index(str(exc), language), "", True, False
    state = index_state(index, _health(catalog, index.generation), language)
    running = index.rebuild
    return state, index_details(index, language), running is None, running is not None and running.started_here


def _health(catalog: Catalog, serving: str) -> Health:
    """Looks at what is small only; `otvet doctor` looks at all."""
    try:
        newest = catalog.current()
    except IndexStateError as exc:
        return Health(None, str(exc))
    try:
        catalog.manifest(newest or serving)
    except IndexStateError as exc:
        return Health(newest, str(exc))
    return Health(newest)


def _run_while_selected(timer: gr.Timer, tab: gr.Tab) -> None:
    tabs = tab.parent
    assert isinstance(tabs, gr.Tabs)

    def select(chosen: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=tabs.children[chosen.index] is tab)

    tabs.select(select, outputs=[timer], **QUICK)


def _add_acts(desk: _Desk, rebuilder: Rebuilder, is_admin: IsAdmin, look_again: dict[str, Any]) -> None:
    """The buttons."""

    def start(request: gr.Request) -> str:
        if not is_admin(request):
            return _told("denied", request)
        try:
            rebuilder.start()
        except IndexLockedError as exc:
            return _told("locked", request, reason=str(exc))
        except OtvetError as exc:
            return _told("failed", request, reason=str(exc))
        return ""

    def cancel(request: gr.Request) -> str:
        if not is_admin(request):
            return _told("denied", request)
        return "" if rebuilder.cancel() else _told("idle", request)

    for button, act in ((desk.rebuild, start), (desk.cancel, cancel)):
        button.click(act, outputs=[desk.said], **QUICK).then(**look_again)


def _add_drop(desk: _Desk, settings: Settings, is_admin: IsAdmin) -> None:
    """The field for files. Without preprocessing, which leaves an empty file behind for each (Gradio 6.31)."""

    def put(files: list[dict[str, Any]] | None, request: gr.Request) -> tuple[None, str]:
        if not is_admin(request):
            return None, _told("denied", request)
        uploaded = [Path(file["path"]) for file in files or []]
        try:
            names = [path.name for path in put_into_corpus(uploaded, settings=settings)]
        except OtvetError as exc:
            return None, _told("failed", request, reason=str(exc))
        finally:
            for path in uploaded:
                path.unlink(missing_ok=True)
        log.info("%d files were put into the corpus", len(names))
        return None, message(WORDS["put"][language_of(request)].format(names=", ".join(names)), is_good=True)

    desk.drop.upload(put, inputs=[desk.drop], outputs=[desk.drop, desk.said], preprocess=False, **QUICK)


def _told(what: str, request: gr.Request, **values: str) -> str:
    return message(WORDS[what][language_of(request)].format(**values), is_good=False)
