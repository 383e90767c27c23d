"""What the page tells of the index, as HTML in two languages. Pure functions; all from outside is mere text.

Two parts: `index_state` is read out when it changes, so that it tells nothing that changes all the time; this is in
`index_details`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from index.text import Language
from ui.index_schemas import FailedOut, IndexOut, LastRebuildOut, RebuildOut, ReportOut

N_FAILED_SHOWN = 20
PARTS = ("added", "changed", "moved", "unchanged", "deleted")  # of the articles, each in one of these
MINUTE_S, HOUR_S = 60, 3_600

WORDS: dict[str, dict[Language, str]] = {
    "ready": {"ru": "Индекс в порядке, вопросы получают ответы.", "en": "The index is well; questions are answered."},
    "not_ready": {"ru": "Индекс не готов: {reason}", "en": "The index is not ready: {reason}"},
    "damaged": {"ru": "Файлы индекса повреждены: {reason}", "en": "The files of the index are damaged: {reason}"},
    "older": {
        "ru": "Отвечает {serving}, хотя есть более новая сборка {newest}. Если это не пройдёт за минуту, "
        "запустите: otvet doctor.",
        "en": "{serving} answers, though there is a newer build, {newest}. If that stays so for a minute, "
        "run: otvet doctor.",
    },
    "older_damaged": {
        "ru": "Отвечает {serving}: более новую сборку {newest} открыть не удалось: {reason}",
        "en": "{serving} answers, as the newer build {newest} cannot be opened: {reason}",
    },
    "running": {"ru": "Индекс обновляется: {stage}.", "en": "The index is being rebuilt: {stage}."},
    "last": {"ru": "Обновление отсюда, {time}: {state}", "en": "Rebuild from here, {time}: {state}"},
    "progress": {"ru": "Идёт обновление", "en": "Rebuild in progress"},
    "count": {"ru": "{done} из {total}", "en": "{done} of {total}"},
    "left": {"ru": "осталось около {time}", "en": "about {time} left"},
    "own": {"ru": "запущено отсюда, {time}", "en": "started from here, {time}"},
    "other": {"ru": "запущено не отсюда (процесс {pid}), {time}", "en": "started elsewhere (process {pid}), {time}"},
    "serving": {"ru": "Сейчас отвечает", "en": "What answers now"},
    "articles": {"ru": "Статьи", "en": "Articles"},
    "chunks": {"ru": "Отрывки", "en": "Chunks"},
    "generation": {"ru": "Сборка", "en": "Generation"},
    "since": {"ru": "Построена", "en": "Built"},
    "model": {"ru": "Модель", "en": "Embedding model"},
    "report": {"ru": "Последнее обновление", "en": "Last update"},
    "added": {"ru": "Добавлено", "en": "Added"},
    "changed": {"ru": "Изменено", "en": "Changed"},
    "moved": {"ru": "Перемещено", "en": "Moved"},
    "unchanged": {"ru": "Без изменений", "en": "Unchanged"},
    "deleted": {"ru": "Удалено", "en": "Deleted"},
    "duplicates": {"ru": "Повторы", "en": "Duplicates"},
    "not_read": {"ru": "Не прочитано", "en": "Not read"},
    "took": {"ru": "Заняло", "en": "Took"},
    "speed": {"ru": "Статей в секунду", "en": "Articles per second"},
    "failed": {"ru": "Не прочитано: {n}", "en": "Not read: {n}"},
    "more": {"ru": "и ещё {n}", "en": "and {n} more"},
    "seconds": {"ru": "{n} с", "en": "{n} s"},
    "minutes": {"ru": "{n} мин {m} с", "en": "{n} min {m} s"},
    "hours": {"ru": "{n} ч {m} мин", "en": "{n} h {m} min"},
}
STAGES: dict[str, dict[Language, str]] = {
    "": {"ru": "начало", "en": "starting"},
    "model": {"ru": "загрузка модели", "en": "loading the model"},
    "read": {"ru": "чтение статей", "en": "reading articles"},
    "embed": {"ru": "обработка статей", "en": "embedding articles"},
    "words": {"ru": "указатель слов", "en": "indexing words"},
    "store": {"ru": "запись", "en": "storing"},
}
STATES: dict[str, dict[Language, str]] = {
    "published": {"ru": "готово", "en": "done"},
    "unchanged": {"ru": "без изменений", "en": "nothing had changed"},
    "failed": {"ru": "не удалось", "en": "failed"},
    "cancelled": {"ru": "отменено", "en": "cancelled"},
}


@dataclass(frozen=True, slots=True)
class Health:
    """How the files of the index are.

    Attributes:
        newest: the generation that was published last; None where that cannot be told.
        damage: what is wrong with the files of the generation that serves, or of the newest one; empty for nothing.
    """

    newest: str | None
    damage: str = ""


def index_state(index: IndexOut, health: Health, language: Language) -> str:
    """HTML: whether the index is well, which stage a build is in, and how the last one from here ended."""
    lines = [_health_line(index, health, language)]
    if index.rebuild is not None:
        lines.append(_line("busy", WORDS["running"][language].format(stage=_stage(index.rebuild, language))))
    elif index.last_rebuild is not None:
        lines.append(_last_line(index.last_rebuild, language))
    return "".join(lines)


def no_index(reason: str, language: Language) -> str:
    """HTML where the index cannot be told of, instead of `index_state`."""
    return _line("bad", WORDS["not_ready"][language].format(reason=reason))


def message(text: str, *, is_good: bool) -> str:
    """HTML that tells an administrator what came of an act."""
    return _line("good" if is_good else "bad", text)


def index_details(index: IndexOut, language: Language) -> str:
    """HTML: how far a build is, what serves, what its build did, and what could not be read."""
    parts = [_running(index.rebuild, language)] if index.rebuild is not None else []
    parts.append(_serving(index, language))
    if index.report is not None:
        parts.append(_report(index.report, language))
    newest = _newest_report(index)
    if newest is not None and newest.failed:
        parts.append(_failed(newest, language))
    return "".join(parts)


def _health_line(index: IndexOut, health: Health, language: Language) -> str:
    if health.newest is not None and health.newest != index.generation:
        words = WORDS["older_damaged" if health.damage else "older"][language]
        told = words.format(newest=health.newest, serving=index.generation, reason=health.damage)
        return _line("warn", told)
    if health.damage:
        return _line("bad", WORDS["damaged"][language].format(reason=health.damage))
    return _line("good", WORDS["ready"][language])


def _last_line(last: LastRebuildOut, language: Language) -> str:
    told = WORDS["last"][language].format(time=_time(last.ended_at), state=STATES[last.state][language])
    if last.state == "failed":
        return _line("bad", f"{told}: {last.message}")
    return _line("warn" if last.state == "cancelled" else "good", f"{told}.")


def _line(kind: str, text: str) -> str:
    return f'<p class="otvet-ix-line otvet-ix-{kind}"><span>{escape(text)}</span></p>'


def _stage(rebuild: RebuildOut, language: Language) -> str:
    return STAGES[rebuild.stage][language] if rebuild.stage in STAGES else rebuild.stage


def _running(rebuild: RebuildOut, language: Language) -> str:
    whose = "own" if rebuild.started_here else "other"
    counts = [WORDS[whose][language].format(time=_time(rebuild.since), pid=rebuild.pid)]
    value = ""
    if rebuild.total:
        done, total = _number(rebuild.done, language), _number(rebuild.total, language)
        counts.insert(0, WORDS["count"][language].format(done=done, total=total))
        value = f' value="{rebuild.done}" max="{rebuild.total}"'
    if rebuild.seconds_left is not None:
        counts.insert(1, WORDS["left"][language].format(time=_duration(rebuild.seconds_left, language)))
    stage = _stage(rebuild, language)
    return _section(
        WORDS["progress"][language],
        f'<label class="otvet-ix-progress"><span>{escape(stage[:1].upper() + stage[1:])}</span>'
        f"<progress{value}></progress></label><p>{escape(' · '.join(counts))}</p>",
    )


def _serving(index: IndexOut, language: Language) -> str:
    figures = {
        "articles": _number(index.n_articles, language),
        "chunks": _number(index.n_chunks, language),
        "generation": index.generation,
        "since": _time(index.created_at),
        "model": index.embedding_model,
    }
    return _section(WORDS["serving"][language], _figures(figures, language))


def _report(report: ReportOut, language: Language) -> str:
    figures = {
        "duplicates": _number(report.n_duplicates, language),
        "not_read": _number(report.n_failed, language),
        "chunks": _number(report.n_chunks, language),
        "took": _duration(report.seconds, language),
        "speed": _number(report.articles_per_second, language),
    }
    return _section(WORDS["report"][language], _bar(report, language) + _figures(figures, language))


def _bar(report: ReportOut, language: Language) -> str:
    """The articles as one bar, and what its colours mean."""
    counts = {part: int(getattr(report, f"n_{part}")) for part in PARTS}
    told = [f"{WORDS[part][language]} {_number(n, language)}" for part, n in counts.items()]
    stripes = "".join(f'<i class="otvet-ix-{part}" style="flex-grow:{n}"></i>' for part, n in counts.items() if n)
    keys = "".join(
        f'<li><i class="otvet-ix-{part}"></i>{escape(WORDS[part][language])} <b>{_number(n, language)}</b></li>'
        for part, n in counts.items()
    )
    picture = f'<div class="otvet-ix-bar" role="img" aria-label="{escape(", ".join(told))}">{stripes}</div>'
    return f'{picture if stripes else ""}<ul class="otvet-ix-key">{keys}</ul>'


def _figures(figures: dict[str, str], language: Language) -> str:
    items = (
        f"<div><dt>{escape(WORDS[name][language])}</dt><dd>{escape(value)}</dd></div>"
        for name, value in figures.items()
    )
    return f'<dl class="otvet-ix-figures">{"".join(items)}</dl>'


def _section(heading: str, body: str) -> str:
    return f'<section class="otvet-ix-box"><h3>{escape(heading)}</h3>{body}</section>'


def _newest_report(index: IndexOut) -> ReportOut | None:
    """A build that changed nothing knows of files that have become unreadable since."""
    last = index.last_rebuild
    is_newer = last is not None and last.state == "unchanged" and last.ended_at >= index.created_at
    return last.report if last is not None and is_newer else index.report


def _failed(report: ReportOut, language: Language) -> str:
    shown = report.failed[:N_FAILED_SHOWN]
    items = [f"<li><b>{escape(_place(failed))}</b><span>{escape(failed.reason)}</span></li>" for failed in shown]
    more = report.n_failed - len(items)
    rest = f"<p>{escape(WORDS['more'][language].format(n=_number(more, language)))}</p>" if more else ""
    heading = WORDS["failed"][language].format(n=_number(report.n_failed, language))
    return _section(heading, f'<ul class="otvet-ix-unread">{"".join(items)}</ul>{rest}')


def _place(failed: FailedOut) -> str:
    return failed.source if failed.line is None else f"{failed.source}:{failed.line}"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float, language: Language) -> str:
    if seconds < MINUTE_S:
        return WORDS["seconds"][language].format(n=_number(round(seconds, 1 if seconds < 10 else None), language))
    large, small, words = (HOUR_S, MINUTE_S, "hours") if round(seconds) >= HOUR_S else (MINUTE_S, 1, "minutes")
    whole, rest = divmod(round(seconds), large)
    return WORDS[words][language].format(n=whole, m=rest // small)


def _number(value: float, language: Language) -> str:
    """A number as people write it: 1,234.5 in English, 1 234,5 in Russian, whose space does not break."""
    text = f"{value:,}"
    return text.translate({ord(","): "\N{NO-BREAK SPACE}", ord("."): ","}) if language == "ru" else text


# Colours of the bar: each has at least 3 : 1 against the light and the dark background of a block, but for the track.
INDEX_CSS = """
#otvet-index .html-container { padding: 0; }
#otvet-index-off { color: var(--body-text-color-subdued); }
.otvet-ix-box, .otvet-ix-line { --quiet: color-mix(in srgb, var(--body-text-color) 78%, transparent);
  color: var(--body-text-color); }
.otvet-ix-line { display: flex; gap: .6rem; align-items: baseline; margin: 0 0 .45rem; line-height: 1.45;
  overflow-wrap: anywhere; }
.otvet-ix-line > span { min-width: 0; }
.otvet-ix-line::before { content: ""; flex: none; width: .65em; height: .65em; border-radius: 50%;
  background: var(--otvet-ix-mark); }
.otvet-ix-good { --otvet-ix-mark: #059669; }
.otvet-ix-warn { --otvet-ix-mark: #d97706; }
.otvet-ix-warn::before { border-radius: 0; clip-path: polygon(50% 0, 100% 100%, 0 100%); }
.otvet-ix-bad { --otvet-ix-mark: #dc2626; }
.otvet-ix-bad::before { border-radius: 1px; }
.otvet-ix-busy { --otvet-ix-mark: #0284c7; }
.otvet-ix-box { margin: 0 0 1rem; padding: 1rem 1.1rem; border: 1px solid var(--border-color-primary);
  border-radius: var(--block-radius, .75rem); background: var(--background-fill-primary); }
.otvet-ix-box h3 { margin: 0 0 .75rem; font-size: 1rem; font-weight: 700; color: inherit; }
.otvet-ix-box p { margin: .4rem 0 0; color: var(--quiet); }
.otvet-ix-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .8rem 1.2rem;
  margin: 0; }
.otvet-ix-figures dt { font-size: .85rem; color: var(--quiet); }
.otvet-ix-figures dd { margin: .1rem 0 0; font-weight: 700; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.otvet-ix-bar { display: flex; gap: 2px; height: .8rem; margin: 0 0 .7rem; border-radius: .4rem; overflow: hidden; }
.otvet-ix-bar i { flex: 0 1 0; min-width: 4px; }
.otvet-ix-key { display: flex; flex-wrap: wrap; gap: .35rem 1.2rem; margin: 0 0 1rem; padding: 0; list-style: none; }
.otvet-ix-key li { margin: 0; padding: 0; white-space: nowrap; }
.otvet-ix-key i { display: inline-block; width: .7em; height: .7em; margin-right: .45em; border-radius: 2px; }
.otvet-ix-added { background: #059669; }
.otvet-ix-changed { background: #d97706; }
.otvet-ix-moved { background: #0284c7; }
.otvet-ix-unchanged { background: #8b837d; }
.otvet-ix-deleted { background: #dc2626; }
.otvet-ix-unread { margin: 0; padding: 0; list-style: none; }
.otvet-ix-unread li { margin: 0; padding: .5rem 0; overflow-wrap: anywhere;
  border-top: 1px solid var(--border-color-primary); }
.otvet-ix-unread li:first-child { border-top: 0; padding-top: 0; }
.otvet-ix-unread b, .otvet-ix-unread span { display: block; }
.otvet-ix-unread span { color: var(--quiet); }
.otvet-ix-progress > span { display: block; margin: 0 0 .4rem; }
.otvet-ix-progress progress { display: block; width: 100%; height: .6rem; border: 0; border-radius: .3rem;
  overflow: hidden; appearance: none; background: var(--border-color-primary); }
.otvet-ix-progress progress::-webkit-progress-bar { background: var(--border-color-primary); }
.otvet-ix-progress progress::-webkit-progress-value { background: #059669; }
.otvet-ix-progress progress::-moz-progress-bar { background: #059669; }
.otvet-ix-progress progress:not([value])::-webkit-progress-bar { background: repeating-linear-gradient(
  -45deg, #059669 0 .5rem, var(--border-color-primary) .5rem 1rem); }
@media (prefers-reduced-motion: no-preference) {
  .otvet-ix-busy::before { animation: otvet-ix-pulse 1.1s ease-in-out infinite alternate; }
  .otvet-ix-progress progress::-webkit-progress-value { transition: width .4s; }
}
@keyframes otvet-ix-pulse { to { opacity: .25; } }
"""
