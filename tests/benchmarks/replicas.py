"""Measures what a second replica brings over a shared index, and what sharing costs one.

    PYTHONPATH=tests python tests/benchmarks/replicas.py [--seconds 20] [--clients 8] [--articles 400]

Everything is on this machine: PostgreSQL, `chroma run`, the replicas and the clients share its cores, so two replicas
show how much of them one leaves idle, not what a second machine brings. Answers are by quotes, questions differ.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from load_client import Load, Plan, ask_for
from load_server import BUILD_TIMEOUT_S
from made_news import make_events, write_articles
from measuring import Figures, as_markdown, load_average
from processes import OTVET, environment, serving
from servers import running_chroma, running_postgres

WARM_UP_S = 5


def measure(folder: Path, *, n_articles: int, n_clients: int, seconds: float) -> Figures:
    """The same load on one replica of an index here, one of a shared index, and two of it."""
    events = make_events(n_articles, seed=7)
    questions = [question for event in events for question in event.questions]
    random.Random(7).shuffle(questions)
    (folder / "corpus").mkdir()
    write_articles(folder / "corpus" / "news.jsonl", events)
    figures: Figures = {"load average before": load_average()}
    with running_postgres(folder / "postgres") as url, running_chroma(folder / "chroma") as chroma_url:
        shared = {"OTVET_POSTGRES_URL": url, "OTVET_CHROMA_URL": chroma_url}
        for name, n_replicas, settings in (
            ("an index here, one", 1, {}),
            ("shared, one", 1, shared),
            ("shared, two", 2, shared),
        ):
            environments = [environment(folder / f"{name}-{at}", **settings) for at in range(n_replicas)]
            command = [OTVET, "index", folder / "corpus"]
            subprocess.run(
                command, env=environments[0], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_TIMEOUT_S
            )
            with ExitStack() as running:
                addresses = [running.enter_context(serving(one, folder))[0] for one in environments]
                load_all(addresses, questions, n_clients=n_clients, seconds=WARM_UP_S)
                one = load_all(addresses[:1], questions[:400], n_clients=1, seconds=WARM_UP_S)
                many = load_all(addresses, questions, n_clients=n_clients, seconds=seconds)
            figures |= told(f"{name}, one client", one) | told(f"{name}, {n_clients} clients", many)
    return figures


def load_all(addresses: list[str], questions: list[str], *, n_clients: int, seconds: float) -> list[Load]:
    """The clients shared out among the replicas, each with questions of its own."""
    n = len(addresses)
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as clients:
        plans = [Plan(questions[at::n], max(1, n_clients // n), seconds) for at in range(n)]
        return list(clients.map(ask_for, addresses, plans))


def told(name: str, loads: list[Load]) -> Figures:
    """Of all clients together."""
    replies = [reply for load in loads for reply in load.replies]
    together = Load(replies, max(load.seconds for load in loads), 0.0)
    return {
        f"{name}: answers a second": together.per_second,
        f"{name}: p50, ms": together.percentile_ms(50),
        f"{name}: p95, ms": together.percentile_ms(95),
        f"{name}: failed": together.n_failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--articles", type=int, default=400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        figures = measure(Path(scratch), n_articles=asked.articles, n_clients=asked.clients, seconds=asked.seconds)
    sys.stdout.write(as_markdown(figures))


if __name__ == "__main__":
    main()
