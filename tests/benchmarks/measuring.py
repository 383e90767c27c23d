"""Times, memory and sizes, and how they are shown."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Figures = dict[str, float]
T = TypeVar("T")
# What Otvet promises on two cores over 100,000 passages: each figure at most, but recall at least.
TARGETS = {
    "no filter, p50, ms": 40,
    "no filter, p95, ms": 80,
    "1 % of dates, p50, ms": 80,
    "10 % of dates, p50, ms": 80,
    "50 % of dates, p50, ms": 80,
    "RSS, highest, MB": 1536,
    "recall@10 of Chroma against the exact scan": 0.98,
}


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and how many milliseconds it took."""
    started = time.perf_counter()
    found = call()
    return found, 1000 * (time.perf_counter() - started)


def spread(name: str, times_ms: npt.ArrayLike) -> Figures:
    """Median and 95th percentile."""
    p50, p95 = np.percentile(times_ms, [50, 95])
    return {f"{name}, p50, ms": float(p50), f"{name}, p95, ms": float(p95)}


def memory_mb(field: str) -> float:
    """Of this process, from Linux: VmRSS now, VmHWM the highest so far, RssFile the part that is mapped files."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def size_mb(path: Path) -> float:
    """Of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 2**20


def load_average() -> float:
    """Of the last minute: what else the machine does."""
    return os.getloadavg()[0]


def show_and_save(figures: Figures, out: Path) -> None:
    """Print the table and write the figures as JSON."""
    sys.stdout.write(as_markdown(figures))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, ensure_ascii=False, indent=2), "utf-8")


def as_markdown(figures: Figures) -> str:
    """A table, with the targets beside the figures that have one."""
    rows = [f"| {name} | {_number(value)} | {_judged(name, value)} |\n" for name, value in figures.items()]
    return "| figure | value | target |\n|---|---|---|\n" + "".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}" if value < 1 else f"{value:,.1f}"


def _judged(name: str, value: float) -> str:
    if name not in TARGETS:
        return ""
    is_least = name.startswith("recall")
    met = value >= TARGETS[name] if is_least else value <= TARGETS[name]
    return f"{'at least' if is_least else 'at most'} {TARGETS[name]}: {'met' if met else 'MISSED'}"
