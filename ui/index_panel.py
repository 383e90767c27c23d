"""What the page tells of the index, as a line and the HTML below it. Pure functions; all from outside is mere text."""

from datetime import UTC, datetime
from html import escape

from index.text import Language
from ui.index_schemas import FailedOut, IndexOut, LastRebuildOut, RebuildOut, ReportOut

N_FAILED_SHOWN = 20

WORDS: dict[str, dict[Language, str]] = {
    "line": {"ru": "Индекс: статей – {n}, обновлён {time}", "en": "Index: {n} articles, updated {time}"},
    "building": {"ru": "{line} · идёт обновление", "en": "{line} · being rebuilt"},
    "no_line": {"ru": "Индекс", "en": "Index"},
    "report": {
        "ru": "Последнее обновление: добавлено {n_added}, изменено {n_changed}, перемещено {n_moved}, "
        "без изменений {n_unchanged}, удалено {n_deleted}, повторов {n_duplicates}, не прочитано {n_failed}. "
        "Отрывков {n_chunks}; {seconds} с, статей в секунду {articles_per_second:g}.",
        "en": "Last update: {n_added} added, {n_changed} changed, {n_moved} moved, {n_unchanged} unchanged, "
        "{n_deleted} deleted, {n_duplicates} duplicates, {n_failed} not read. "
        "{n_chunks} chunks; {seconds} s, {articles_per_second:g} articles per second.",
    },
    "failed": {"ru": "Не прочитано:", "en": "Not read:"},
    "more": {"ru": "и ещё {n}", "en": "and {n} more"},
    "running": {
        "ru": "Обновляется с {time}: {stage}{count}{left}.",
        "en": "Being rebuilt since {time}: {stage}{count}{left}.",
    },
    "count": {"ru": ", {done} из {total}", "en": ", {done} of {total}"},
    "left": {"ru": ", осталось около {n} с", "en": ", about {n} s left"},
    "last": {
        "ru": "Обновление отсюда, {time}: {state}. {message}",
        "en": "Rebuild from here, {time}: {state}. {message}",
    },
}
STAGES: dict[str, dict[Language, str]] = {
    "": {"ru": "начало", "en": "starting"},
    "model": {"ru": "загрузка модели", "en": "loading the model"},
    "read": {"ru": "чтение статей", "en": "reading articles"},
    "embed": {"ru": "статьи", "en": "articles"},
    "words": {"ru": "слова", "en": "words"},
    "store": {"ru": "запись", "en": "storing"},
}
STATES: dict[str, dict[Language, str]] = {
    "published": {"ru": "готово", "en": "done"},
    "unchanged": {"ru": "без изменений", "en": "nothing changed"},
    "failed": {"ru": "не удалось", "en": "failed"},
    "cancelled": {"ru": "отменено", "en": "cancelled"},
}


def index_line(index: IndexOut, language: Language) -> str:
    """One line of plain text: how many articles there are, and since when."""
    line = WORDS["line"][language].format(n=index.n_articles, time=_time(index.created_at))
    return WORDS["building"][language].format(line=line) if index.rebuild is not None else line


def index_details(index: IndexOut, language: Language) -> str:
    """HTML: the build that runs, how the last one ended, the report, and what could not be read."""
    parts = []
    if index.rebuild is not None:
        parts.append(_running(index.rebuild, language))
    if index.last_rebuild is not None:
        parts.append(f"<p>{escape(_last(index.last_rebuild, language))}</p>")
    if index.report is not None:
        parts.append(f"<p>{escape(WORDS['report'][language].format(**dict(index.report)))}</p>")
    newest = _newest_report(index)
    if newest is not None and newest.failed:
        parts.append(_failed(newest, language))
    return f'<div class="otvet-index">{"".join(parts)}</div>'


def no_index(reason: str, language: Language) -> tuple[str, str]:
    """Line and HTML where the index cannot be told of."""
    return WORDS["no_line"][language], f'<div class="otvet-index"><p>{escape(reason)}</p></div>'


def _running(rebuild: RebuildOut, language: Language) -> str:
    stage = STAGES[rebuild.stage][language] if rebuild.stage in STAGES else rebuild.stage
    count = WORDS["count"][language].format(done=rebuild.done, total=rebuild.total) if rebuild.total else ""
    left = WORDS["left"][language].format(n=round(rebuild.seconds_left)) if rebuild.seconds_left is not None else ""
    told = WORDS["running"][language].format(time=_time(rebuild.since), stage=stage, count=count, left=left)
    bar = f'<progress value="{rebuild.done}" max="{rebuild.total}"></progress>' if rebuild.total else ""
    return f"<p>{escape(told)}</p>{bar}"


def _last(last: LastRebuildOut, language: Language) -> str:
    message = last.message if last.state == "failed" else ""
    told = WORDS["last"][language].format(
        time=_time(last.ended_at), state=STATES[last.state][language], message=message
    )
    return told.strip()


def _newest_report(index: IndexOut) -> ReportOut | None:
    """A build that changed nothing knows of files that have become unreadable since."""
    last = index.last_rebuild
    is_newer = last is not None and last.state == "unchanged" and last.ended_at >= index.created_at
    return last.report if last is not None and is_newer else index.report


def _failed(report: ReportOut, language: Language) -> str:
    items = [f"<li>{escape(_place(failed))}: {escape(failed.reason)}</li>" for failed in report.failed[:N_FAILED_SHOWN]]
    if report.n_failed > len(items):
        items.append(f"<li>{escape(WORDS['more'][language].format(n=report.n_failed - len(items)))}</li>")
    return f"<p>{escape(WORDS['failed'][language])}</p><ul>{''.join(items)}</ul>"


def _place(failed: FailedOut) -> str:
    return failed.source if failed.line is None else f"{failed.source}:{failed.line}"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


INDEX_CSS = """
#otvet-index { margin-top: .5rem; }
.otvet-index p { margin: .3rem 0; }
.otvet-index progress { width: 100%; accent-color: var(--color-accent); }
.otvet-index ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
"""
