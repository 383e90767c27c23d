"""A server of its own with an index of made-up news, as a load bench needs it (load.py)."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from load_client import Load, Plan, ask_for
from made_news import Event, write_articles
from processes import OTVET, environment, serving

BUILD_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class LoadedServer:
    """A running server, and a process for its clients."""

    address: str
    pid: int
    clients: ProcessPoolExecutor

    def load(self, plan: Plan, *, meanwhile: Callable[[], None] = lambda: None) -> Load:
        """What comes of a plan; `meanwhile` is called while it is on."""
        cpu_s = self.cpu_s()
        asking = self.clients.submit(ask_for, self.address, plan)
        meanwhile()
        load = asking.result()
        load.server_cpu_s = self.cpu_s() - cpu_s
        return load

    def cpu_s(self) -> float:
        """CPU seconds that the server took so far."""
        times = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Memory that the server has now."""
        lines = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextmanager
def loaded_server(folder: Path, **settings: str) -> Iterator[LoadedServer]:
    """Serve what `build` indexed there."""
    with (
        serving(environment(folder / "data", **settings), folder) as (address, process),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as clients,
    ):
        yield LoadedServer(address, process.pid, clients)


def build(folder: Path, events: Sequence[Event]) -> None:
    """Index exactly the articles of these events, by the command."""
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    write_articles(corpus / "news.jsonl", events)
    command = [str(OTVET), "index", str(corpus)]
    env = environment(folder / "data")
    subprocess.run(command, env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_TIMEOUT_S)
