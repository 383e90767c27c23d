"""What the articles tab shows, as HTML: the months, the list, the lines around them. Pure functions, and their words.

Decision: the months are an SVG of ours, not a gr.BarPlot. That works offline and under our policy, but tried with 1, 12
and 240 months (Gradio 6.31) it tells months in English whatever the browser speaks, draws a month as a hairline of one
day, lets the bars of many months run into one block at phone width, labels 12 months by weeks, and names itself "Vega
visualization" to a screen reader.
"""

from collections.abc import Sequence
from datetime import date
from html import escape

from index.listing import ListedArticle, Listing, MonthCount, ValueCount
from index.text import Language
from ui.languages import language_name
from ui.render import article_link

ARTICLES_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "articles_search": "Search",
        "articles_search_hint": "Words of the title, the publisher or the authors",
        "articles_order": "Sort by",
        "articles_newest": "newest first",
        "articles_oldest": "oldest first",
        "articles_title": "title",
        "articles_publisher": "publisher",
        "articles_longest": "longest first",
        "articles_previous": "Previous",
        "articles_next": "Next",
    },
    "ru": {
        "articles_search": "Поиск",
        "articles_search_hint": "Слова из заголовка, издания или имён авторов",
        "articles_order": "Порядок",
        "articles_newest": "сначала новые",
        "articles_oldest": "сначала старые",
        "articles_title": "по заголовку",
        "articles_publisher": "по изданию",
        "articles_longest": "сначала длинные",
        "articles_previous": "Назад",
        "articles_next": "Вперёд",
    },
}
WORDS: dict[str, dict[Language, str]] = {
    "articles": {"ru": "{n} статья|{n} статьи|{n} статей", "en": "{n} article|{n} articles"},
    "chars": {
        "ru": "около {n} знака|около {n} знаков|около {n} знаков",
        "en": "about {n} character|about {n} characters",
    },
    "shown": {"ru": "показаны {first}–{last}", "en": "showing {first}–{last}"},
    "undated": {"ru": "без даты", "en": "no date"},
    "untitled": {"ru": "Без заголовка", "en": "Untitled"},
    "any": {"ru": "любой", "en": "any"},
    "any_publisher": {"ru": "любое", "en": "any"},
    "nothing": {
        "ru": "Таких статей в индексе нет. Уберите часть слов или фильтров.",
        "en": "Nothing that is indexed matches. Take away some words or filters.",
    },
    "by_month": {"ru": "Статьи по месяцам", "en": "Articles by month"},
    "most": {
        "ru": "{months}: от {first} до {last}, больше всего {n}",
        "en": "{months}: {first} to {last}, at most {n}",
    },
    "no_months": {"ru": "Статей с датой нет.", "en": "No article has a date."},
    "n_undated": {"ru": "без даты: {n}", "en": "no date: {n}"},
    "month": {"ru": "Месяц", "en": "Month"},
    "count": {"ru": "Статей", "en": "Articles"},
}
MONTHS: dict[Language, str] = {
    "ru": "янв фев мар апр май июн июл авг сен окт ноя дек",
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
}
MAX_PUBLISHER_CHARS = 60  # of a choice in the list of publishers
N_SLOTS = 12  # room for as many months at least, so that a single one is no wall
TICK_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000)  # months
N_LABELS = 8  # as many fit on a phone
MIN_BAR = 2.0  # of 100: one article is seen beside thousands


def position_line(listing: Listing, *, offset: int, language: Language) -> str:
    """How many articles pass, and which of them are shown."""
    parts = [_counted("articles", listing.n_articles, language)]
    if listing.n_articles > len(listing.articles) > 0:
        first, last = _number(offset + 1, language), _number(offset + len(listing.articles), language)
        parts.append(WORDS["shown"][language].format(first=first, last=last))
    return status_line(" · ".join(parts))


def status_line(text: str) -> str:
    """A line that a screen reader tells."""
    return f'<p class="otvet-articles-line" role="status">{escape(text)}</p>'


def articles_list(articles: Sequence[ListedArticle], language: Language) -> str:
    """The articles as links; a hint where there are none."""
    if not articles:
        return f'<p class="otvet-articles-none">{escape(WORDS["nothing"][language])}</p>'
    return f'<ul class="otvet-articles">{"".join(_row(article, language) for article in articles)}</ul>'


def months_figure(months: Sequence[MonthCount], n_undated: int, language: Language) -> str:
    """A bar for each month from the first to the last, and the same as a table for who does not see."""
    undated = WORDS["n_undated"][language].format(n=_number(n_undated, language)) if n_undated else ""
    caption = f"<figcaption><span>{WORDS['by_month'][language]}</span><span>{undated}</span></figcaption>"
    plot = _plot(months, language) if months else f"<p>{WORDS['no_months'][language]}</p>"
    return f'<figure class="otvet-months">{caption}{plot}</figure>'


def publisher_choices(publishers: Sequence[ValueCount], language: Language) -> list[tuple[str, str]]:
    """What a dropdown offers, labels and values; "" stands for any publisher."""
    named = [(_shortened(value), n, value) for value, n in publishers]
    return [
        (WORDS["any_publisher"][language], ""),
        *((f"{label} ({_number(n, language)})", value) for label, n, value in named),
    ]


def language_choices(languages: Sequence[ValueCount], language: Language) -> list[tuple[str, str]]:
    """What a dropdown offers, labels and values; "" stands for any language."""
    return [
        (WORDS["any"][language], ""),
        *((f"{language_name(code, language)} ({_number(n, language)})", code) for code, n in languages),
    ]


def _row(article: ListedArticle, language: Language) -> str:
    day = article.published_at.isoformat() if article.published_at else WORDS["undated"][language]
    length = _counted("chars", _rounded(article.n_chars), language)
    details = (article.publisher, day, language_name(article.language, language), length)
    shown = " · ".join(f"<bdi>{escape(detail)}</bdi>" for detail in details if detail and detail.strip())
    title = escape(article.title.strip() or WORDS["untitled"][language])
    return (
        f'<li><a class="otvet-open-article" href="{escape(article_link(article.article_id))}">'
        f'<span class="otvet-articles-title" dir="auto" lang="{escape(article.language)}">{title}</span> '
        f'<span class="otvet-articles-details">{shown}</span></a></li>'
    )


def _plot(months: Sequence[MonthCount], language: Language) -> str:
    first, last = _ordinal(months[0].month), _ordinal(months[-1].month)
    most, n_slots = max(count.n_articles for count in months), max(last - first + 1, N_SLOTS)
    bars = "".join(_bar(count, _ordinal(count.month) - first, most, language) for count in months)
    name = WORDS["most"][language].format(
        months=WORDS["by_month"][language],
        first=_month_name(months[0].month, language),
        last=_month_name(months[-1].month, language),
        n=_number(most, language),
    )
    dense = " is-dense" if n_slots > 240 else ""
    return (
        f'<div class="otvet-months-plot"><span aria-hidden="true">{_number(most, language)}</span>'
        f'<svg class="otvet-months-bars{dense}" role="img" aria-label="{escape(name)}" viewBox="0 0 {n_slots} 100"'
        f' preserveAspectRatio="none">{bars}</svg></div>'
        f'<div class="otvet-months-axis" aria-hidden="true">{_ticks(first, last, n_slots, language)}</div>'
        f"{_table(months, language)}"
    )


def _bar(count: MonthCount, slot: int, most: int, language: Language) -> str:
    """The bar, and under the pointer the whole height of its month, which tells the figure."""
    height = max(100 * count.n_articles / most, MIN_BAR)
    told = f"{_month_name(count.month, language)}: {_counted('articles', count.n_articles, language)}"
    return (
        f"<g><title>{escape(told)}</title>"
        f'<rect class="otvet-months-whole" x="{slot}" width="1" height="100"/>'
        f'<rect class="otvet-months-bar" x="{slot + 0.1:g}" width=".8" y="{100 - height:.4g}" height="{height:.4g}"/>'
        "</g>"
    )


def _ticks(first: int, last: int, n_slots: int, language: Language) -> str:
    step = _tick_step(last - first + 1)
    ticks: list[str] = []
    for ordinal in range(first + -first % step, last + 1, step):
        month = date(ordinal // 12, ordinal % 12 + 1, 1)
        year = f"{month.year}" if not ticks or month.month == 1 or step >= 12 else ""
        label = year if step >= 12 else f"{_short_month(month, language)}<br>{year}"
        ticks.append(f'<span style="left:{100 * (ordinal - first + 0.5) / n_slots:.4g}%">{label}</span>')
    return "".join(ticks)


def _tick_step(n_months: int) -> int:
    """The least step in months whose labels fit; labels stand at its multiples, so on January for whole years."""
    return next((step for step in TICK_STEPS if n_months <= N_LABELS * step), TICK_STEPS[-1])


def _table(months: Sequence[MonthCount], language: Language) -> str:
    rows = (
        f"<tr><td>{_month_name(count.month, language)}</td><td>{_number(count.n_articles, language)}</td></tr>"
        for count in months
    )
    head = f"<tr><th>{WORDS['month'][language]}</th><th>{WORDS['count'][language]}</th></tr>"
    caption = f"<caption>{WORDS['by_month'][language]}</caption>"
    return f'<div class="otvet-unseen"><table>{caption}{head}{"".join(rows)}</table></div>'


def _ordinal(month: date) -> int:
    return month.year * 12 + month.month - 1


def _short_month(month: date, language: Language) -> str:
    return MONTHS[language].split()[month.month - 1]


def _month_name(month: date, language: Language) -> str:
    return f"{_short_month(month, language)} {month.year}"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_PUBLISHER_CHARS else f"{text[: MAX_PUBLISHER_CHARS - 1].rstrip()}…"


def _rounded(n: int) -> int:
    """To two digits that tell something; it is an estimate."""
    return round(n, 2 - len(str(n))) if n >= 100 else n


def _number(n: int, language: Language) -> str:
    return f"{n:,}".replace(",", "\N{NO-BREAK SPACE}") if language == "ru" else f"{n:,}"


def _counted(what: str, n: int, language: Language) -> str:
    forms = WORDS[what][language].split("|")
    form = _russian_form(n) if language == "ru" else int(n != 1)
    return forms[form].format(n=_number(n, language))


def _russian_form(n: int) -> int:
    """0 for 1, 21, 101…; 1 for 2 to 4, 22…; 2 for all others, 11 to 14 among them."""
    if n % 10 == 1 and n % 100 != 11:
        return 0
    return 1 if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else 2


# Gradio's container hides what overflows, within which nothing is sticky; clipped, it looks the same.
ARTICLES_CSS = """
.gradio-container { overflow: clip !important; }
:is(#otvet-articles-months, #otvet-articles-line, #otvet-articles-list) .html-container { padding: 0 !important; }
.otvet-months { --otvet-bar: var(--primary-600); margin: 0; padding: .75rem 1rem; box-sizing: border-box; height: 11rem;
  border: 1px solid var(--border-color-primary); border-radius: .6rem; background: var(--background-fill-primary);
  color: var(--body-text-color); }
.dark .otvet-months { --otvet-bar: var(--primary-500); }
.otvet-months figcaption { display: flex; justify-content: space-between; gap: 1rem; font-size: .875rem; }
.otvet-months > p { margin: 2.75rem 0 0; text-align: center; opacity: .8; }
.otvet-months-plot { position: relative; height: 5.6rem; margin: .6rem 0 0;
  border-top: 1px dashed var(--border-color-primary); border-bottom: 1px solid var(--body-text-color-subdued); }
.otvet-months-plot > span { position: absolute; right: 0; top: -.6rem; padding-left: .4rem; font-size: .75rem;
  line-height: 1.2rem; background: var(--background-fill-primary); }
.otvet-months-bars { display: block; width: 100%; height: 100%; overflow: hidden; }
.otvet-months-bar { fill: var(--otvet-bar); }
.is-dense .otvet-months-bar { stroke: var(--otvet-bar); stroke-width: 1px; vector-effect: non-scaling-stroke; }
.otvet-months-whole { fill: transparent; }
.otvet-months g:hover .otvet-months-whole { fill: var(--otvet-bar); fill-opacity: .15; }
.otvet-months-axis { position: relative; height: 2rem; font-size: .75rem; line-height: 1.15; }
.otvet-months-axis span { position: absolute; top: .3rem; transform: translateX(-50%); text-align: center;
  white-space: nowrap; opacity: .85; }
.otvet-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#otvet-articles-bar { position: sticky; top: 0; z-index: 5; align-items: center; gap: .4rem .75rem; padding: .6rem 0;
  flex-wrap: wrap; background: var(--body-background-fill); border-bottom: 1px solid var(--border-color-primary); }
#otvet-articles-line { flex: 1 1 16rem; }
#otvet-articles-bar button { min-width: 6.5rem; flex: none; }
@media (max-width: 640px) { #otvet-articles-bar button { flex: 1; } }
.otvet-articles-line { margin: 0; min-height: 1.5em; color: var(--body-text-color); }
ul.otvet-articles { list-style: none; margin: 0; padding: 0; }
.otvet-articles li { margin: 0; border-bottom: 1px solid var(--border-color-primary); }
a.otvet-open-article { display: block; padding: .7rem .5rem; border-radius: .4rem; color: var(--body-text-color);
  text-align: left; text-decoration: none; }
a.otvet-open-article:hover { background: var(--background-fill-primary); }
a.otvet-open-article:hover .otvet-articles-title { text-decoration: underline; text-underline-offset: .2em; }
a.otvet-open-article:focus-visible { outline: 2px solid var(--primary-600); outline-offset: -2px; }
.dark a.otvet-open-article:focus-visible { outline-color: var(--primary-400); }
.otvet-articles-title { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden;
  font-size: 1.05rem; line-height: 1.4; overflow-wrap: anywhere; }
.otvet-articles-details { display: block; margin-top: .15rem; font-size: .85rem; opacity: .8; overflow-wrap: anywhere; }
.otvet-articles-none { margin: 2rem 0; text-align: center; color: var(--body-text-color); opacity: .85; }
#otvet-articles-list { min-height: 60vh; scroll-margin-top: 6rem; }
.otvet-day input { width: 100%; box-sizing: border-box; padding: var(--input-padding); color: var(--body-text-color);
  background: var(--input-background-fill); border: var(--input-border-width) solid var(--input-border-color);
  border-radius: var(--input-radius); font-size: var(--input-text-size); line-height: var(--line-sm); }
.otvet-day input:focus { outline: none; border-color: var(--input-border-color-focus);
  box-shadow: var(--input-shadow-focus); }
.dark .otvet-day input { color-scheme: dark; }
"""
