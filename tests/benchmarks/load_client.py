"""Clients that ask one after another, in one process: what the load comes from (load.py)."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked.

    Attributes:
        questions: in turn, by whichever client is free; from the beginning again when all were asked.
        n_clients: at once, from 1.
        seconds: nobody asks anything after those.
        mode: of the questions.
        timeout_s: a reply that is not there by then counts as none.
        stop: nobody asks anything once there is such a file.
    """

    questions: Sequence[str]
    n_clients: int
    seconds: float
    mode: str = "extractive"
    timeout_s: float = 60
    stop: Path | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one question.

    Attributes:
        status: of HTTP; 0 where the connection failed or nothing came in time.
        took_ms: from the first byte sent to the last one read.
        body: the JSON object, or what went wrong as {"error": …}.
    """

    status: int
    took_ms: float
    body: dict[str, Any]


@dataclass(slots=True)
class Load:
    """What a phase brought.

    Attributes:
        replies: all, in the order in which they came.
        seconds: until the last one.
        cpu_s: CPU seconds of the clients.
        server_cpu_s: of the server.
    """

    replies: list[Reply]
    seconds: float
    cpu_s: float
    server_cpu_s: float = 0.0

    def percentile_ms(self, percent: float) -> float:
        """Of the times that replies took."""
        return float(np.percentile([reply.took_ms for reply in self.replies], percent))

    @property
    def per_second(self) -> float:
        """Replies a second."""
        return len(self.replies) / self.seconds

    @property
    def n_failed(self) -> int:
        """Replies that are no answers."""
        return sum(reply.status != 200 for reply in self.replies)


def ask_for(address: str, plan: Plan) -> Load:
    """What the server at that address makes of a plan; each client asks again when it has the reply to its question."""
    started, cpu_started = time.monotonic(), time.process_time()
    replies = asyncio.run(_ask_all(address, plan, until=started + plan.seconds))
    return Load(replies, time.monotonic() - started, time.process_time() - cpu_started)


async def _ask_all(address: str, plan: Plan, *, until: float) -> list[Reply]:
    replies: list[Reply] = []
    asked = _in_turn(plan.questions)
    limits = httpx.Limits(max_connections=plan.n_clients, max_keepalive_connections=plan.n_clients)
    async with httpx.AsyncClient(base_url=address, timeout=plan.timeout_s, limits=limits, trust_env=False) as client:

        async def ask() -> None:
            while time.monotonic() < until and not (plan.stop is not None and plan.stop.exists()):
                replies.append(await _reply(client, {"question": next(asked), "mode": plan.mode}))

        await asyncio.gather(*(ask() for _ in range(plan.n_clients)))
    return replies


def _in_turn(questions: Sequence[str]) -> Iterator[str]:
    while True:
        yield from questions


async def _reply(client: httpx.AsyncClient, asked: dict[str, str]) -> Reply:
    started = time.perf_counter()
    try:
        response = await client.post("/answer", json=asked)
        status, body = response.status_code, response.json()
    except (httpx.HTTPError, ValueError) as exc:  # the latter is a body that is no JSON
        status, body = 0, {"error": repr(exc)}
    return Reply(status, 1000 * (time.perf_counter() - started), body)
