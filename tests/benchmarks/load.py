"""Puts a real server under load and judges it by what Otvet promises; `make bench-load`, about three minutes.

    PYTHONPATH=tests python tests/benchmarks/load.py [--seconds 60] [--clients 32] [--json FILE] [--generative]

An index of made-up news (made_news.py) is built in a temporary folder and served by `otvet serve` on loopback. Clients
have a process of their own, which shares two cores with the server: what they take, the server lacks. No question is
asked twice but where the table says so. Exit code 1: a target was missed.

What an answer costs is measured with one client, so that what is wasted under load does not count as work.

With n clients that wait for each other, the mean latency is n / throughput, and throughput at most cores / CPU seconds.
So a p95 of 8 times the single client's p50 with 32 clients on 2 cores needs answers that cost half as much CPU under
load as one client waits for one. What the ratio is at least, were no CPU wasted, is told beside it.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from load_client import Load, Plan
from load_server import LoadedServer, build, loaded_server
from made_news import Event, make_events
from measuring import load_average
from qa.model_files import is_pulled
from ui.settings import load_settings

N_ARTICLES, N_CORES, CHANGED = 600, 2, 6  # every so manieth article is changed for the rebuild
SINGLE_S, WARM_UP_S, REPEATED_S = 8, 12, 8
REBUILD_S, AFTER_REBUILD_S = 150, 3
N_SINGLE, N_FIRST, N_REPEATED = 400, 1600, 50  # questions
GENERATIVE_CLIENTS, GENERATIVE_S, DEADLINE_S, GRACE_S = 8, 60, 30, 2
MOST_RATIO, LEAST_THROUGHPUT, MOST_GROWTH = 8, 0.8, 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report; `is_met` is None where nothing is promised."""

    figure: str
    value: float | str
    target: str = ""
    is_met: bool | None = None

    def as_markdown(self) -> str:
        """The line of a table."""
        value = self.value if isinstance(self.value, str) else f"{self.value:,.1f}".removesuffix(".0")
        verdict = {True: ": met", False: ": MISSED", None: ""}[self.is_met]
        return f"| {self.figure} | {value} | {self.target}{verdict} |\n"


def measure(server: LoadedServer, questions: list[str], *, n_clients: int, seconds: float) -> list[Row]:
    """One client, then many, then the same questions again and again."""
    single, warm_up, rest = questions[:N_SINGLE], questions[N_SINGLE:N_FIRST], questions[N_FIRST:]
    server.load(Plan(warm_up, n_clients, WARM_UP_S))
    one = server.load(Plan(single, 1, SINGLE_S))
    warm_mb = server.rss_mb()
    many = server.load(Plan(rest, n_clients, seconds))
    growth = server.rss_mb() / warm_mb - 1
    again = server.load(Plan(questions[:N_REPEATED], n_clients, REPEATED_S))
    return [
        *_costs("one client", one),
        *_costs(f"{n_clients} clients", many),
        Row("questions that were asked twice", max(0, len(many.replies) - len(rest))),
        _failures("failed requests", one, many, again),
        *_judged(one, many, n_clients),
        Row("memory of the server after warm-up, MB", warm_mb),
        Row("memory, growth, %", 100 * growth, "-5 to 5", abs(growth) <= MOST_GROWTH),
        Row(f"the same {N_REPEATED} questions again, answers a second", again.per_second),
    ]


def _costs(name: str, load: Load) -> list[Row]:
    n_replies = len(load.replies)
    return [
        Row(f"{name}: answers", n_replies),
        Row(f"{name}: answers a second", load.per_second),
        Row(f"{name}: p50, ms", load.percentile_ms(50)),
        Row(f"{name}: p95, ms", load.percentile_ms(95)),
        Row(f"{name}: CPU of the server an answer, ms", 1000 * load.server_cpu_s / n_replies),
        Row(f"{name}: CPU of the clients an answer, ms", 1000 * load.cpu_s / n_replies),
    ]


def _failures(name: str, *loads: Load) -> Row:
    kinds = Counter(
        str(reply.status or reply.body["error"]) for load in loads for reply in load.replies if reply.status != 200
    )
    told = ", ".join(f"{n} x {kind}" for kind, n in kinds.most_common(3))
    return Row(name, told or "none", "none", not kinds)


def _judged(one: Load, many: Load, n_clients: int) -> list[Row]:
    cpu_s, p50_ms = one.server_cpu_s / len(one.replies), one.percentile_ms(50)
    least = LEAST_THROUGHPUT * N_CORES / cpu_s
    ratio = many.percentile_ms(95) / p50_ms
    floor = 1000 * n_clients * cpu_s / N_CORES / p50_ms
    return [
        Row("answers a second of many clients", many.per_second, f"at least {least:.1f}", many.per_second >= least),
        Row("p95 of many clients to p50 of one", ratio, f"at most {MOST_RATIO}", ratio <= MOST_RATIO),
        Row("the least that this can be: clients x CPU seconds / cores / p50 of one", floor),
    ]


def measure_rebuild(server: LoadedServer, folder: Path, before: list[Event], *, n_clients: int) -> list[Row]:
    """A rebuild in the midst of the load: no failed request, no mixed generation.

    Args:
        server: serves what was built in `folder`.
        folder: is built in again.
        before: the events of the index.
        n_clients: at once.
    """
    after = [event if event.number % CHANGED else event.changed() for event in before]
    stop = folder / "stop"

    def rebuild() -> None:
        build(folder, after)
        time.sleep(AFTER_REBUILD_S)
        stop.touch()

    questions = [question for event in before[::CHANGED] for question in event.questions]
    load = server.load(Plan(questions, n_clients, REBUILD_S, stop=stop), meanwhile=rebuild)
    answered = [reply.body for reply in load.replies if reply.status == 200]
    names = sorted({str(body.get("generation")) for body in answered})
    texts = {
        name: "\n".join(event.text for event in events) for name, events in zip(names, (before, after), strict=False)
    }
    cited = [(str(body.get("generation")), one["quote"]) for body in answered for one in body.get("citations", ())]
    n_strange = sum(quote not in texts.get(name, "") for name, quote in cited)
    return [
        _failures("rebuild: failed requests", load),
        Row("rebuild: generations that answered", ", ".join(names), "two", len(names) == 2),
        Row(f"rebuild: of {len(cited)} quotes, not of their response's generation", n_strange, "0", n_strange == 0),
        Row("rebuild: answers a second", load.per_second),
        Row("rebuild: p95, ms", load.percentile_ms(95)),
    ]


def measure_generative(questions: list[str], folder: Path) -> list[Row]:
    """The embedded language model: whoever asks gets an answer, quotes or 503 by the deadline."""
    if not is_pulled(load_settings().cache_dir):
        return [Row("embedded model", "skipped, it is not there; run: otvet models pull")]
    settings = {"OTVET_CHAT_MODEL": "embedded", "OTVET_ANSWER_TIMEOUT_S": str(DEADLINE_S)}
    with loaded_server(folder, **settings) as server:
        plan = Plan(questions, GENERATIVE_CLIENTS, GENERATIVE_S, mode="generative", timeout_s=2 * DEADLINE_S)
        load = server.load(plan)
    kinds = Counter(str(reply.body.get("mode") or reply.body.get("kind") or reply.status) for reply in load.replies)
    n_wrong = sum(reply.status not in (200, 503) for reply in load.replies)
    longest_s, most_s = load.percentile_ms(100) / 1000, DEADLINE_S + GRACE_S
    return [
        Row("embedded model: replies", ", ".join(f"{n} x {kind}" for kind, n in kinds.most_common())),
        Row("embedded model: neither answers, quotes nor 503", n_wrong, "0", n_wrong == 0),
        Row("embedded model: longest, s", longest_s, f"at most {most_s}", longest_s <= most_s),
    ]


def run(folder: Path, *, n_clients: int, seconds: float, generative: bool) -> list[Row]:
    """All phases."""
    events = make_events(N_ARTICLES)
    questions = list(dict.fromkeys(question for event in events for question in event.questions))
    random.Random(0).shuffle(questions)
    build(folder, events)
    rows = [Row("load average before", load_average())]
    with loaded_server(folder) as server:
        rows += measure(server, questions, n_clients=n_clients, seconds=seconds)
        rows += measure_rebuild(server, folder, events, n_clients=n_clients)
    if generative:
        rows += measure_generative(questions, folder)
    return [*rows, Row("load average after", load_average())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60, help="how long they ask")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--generative", action="store_true", help="the embedded language model, too")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:N_CORES])  # of all processes that are started here
    with tempfile.TemporaryDirectory(prefix="otvet-load-") as folder:
        rows = run(Path(folder), n_clients=given.clients, seconds=given.seconds, generative=given.generative)
    sys.stdout.write("| figure | value | target |\n|---|---|---|\n" + "".join(row.as_markdown() for row in rows))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=2), "utf-8")
    sys.exit(any(row.is_met is False for row in rows))


if __name__ == "__main__":
    main()
