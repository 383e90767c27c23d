"""How many requests a minute one caller may send.

Counted by each replica for itself: N of them let through N times that.

Decision: one number a caller, the time at which all of its allowance is there again (the generic cell rate algorithm,
ITU-T I.371, a leaky bucket). A whole minute of requests may come at once after quiet; from then on, one comes
free at a time, and Retry-After is exact.
Decision: ours, 15 lines. The library `limits` (5.8) keeps its windows by the clock of the day, so that its moving
window shuts a caller out for a day when that is set back by a day; keeps as many addresses as there are; and
a thread looks through all of them every 10 ms: 0.3 of a core by its sliding window, 0.8 by the moving one, at 100
requests a second after 50,000 addresses.
"""

import time
from math import ceil

from starlette.types import ASGIApp, Receive, Scope, Send

from ui.addresses import client_network, is_on_this_machine
from ui.error_handlers import told
from ui.problems import Kind, Problem
from ui.scopes import current_caller
from ui.throttle import MAX_REMEMBERED, Seconds

WINDOW_S = 60.0
ROUNDING_S = 1e-6  # seconds are added up, with what is lost in that
# What makes the server work, each with all below it. Free are the page's files, what the page asks by itself to stay
# up to date, the documentation, and what watches the server.
COUNTED = (
    "/answer",
    "/articles",
    "/index",
    "/mcp",
    "/read",
    "/search",
    "/v1",
    "/gradio_api/call",
    "/gradio_api/queue/join",
)


class Allowances:
    """Who may send one more. Remembers those who sent last, MAX_REMEMBERED at most.

    Args:
        per_minute: requests, 1 or more.
        clock: seconds from any beginning, never backwards.
    """

    def __init__(self, per_minute: int, clock: Seconds = time.monotonic) -> None:
        self._each_s = WINDOW_S / per_minute
        self._clock = clock
        self._whole_at: dict[str, float] = {}  # when all of the allowance is there again; who sent last comes last

    def take(self, key: str) -> int:
        """Count a request and return 0; or count none and return the seconds until one is allowed, 1 or more."""
        now = self._clock()
        whole_at = max(now, self._whole_at.pop(key, now)) + self._each_s
        wait_s = whole_at - now - WINDOW_S
        is_allowed = wait_s < ROUNDING_S
        self._whole_at[key] = whole_at if is_allowed else whole_at - self._each_s
        if len(self._whole_at) > MAX_REMEMBERED:
            del self._whole_at[next(iter(self._whole_at))]
        return 0 if is_allowed else max(1, ceil(wait_s - ROUNDING_S))


class RateLimit:
    """Middleware that answers 429 to who sends too much: a user, a token, or else an address.

    Stands behind the login, which tells the caller. Who is on this machine and has no name has no limit.

    Args:
        app: what is guarded.
        per_minute: requests, 1 or more.
        clock: seconds, see Allowances.
    """

    def __init__(self, app: ASGIApp, per_minute: int, clock: Seconds = time.monotonic) -> None:
        self._app = app
        self._per_minute = per_minute
        self._allowances = Allowances(per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        key = _key(scope) if scope["type"] == "http" and is_counted(scope["path"]) else None
        wait_s = 0 if key is None else self._allowances.take(key)
        await (told(scope["path"], self._refusal(wait_s)) if wait_s else self._app)(scope, receive, send)

    def _refusal(self, wait_s: int) -> Problem:
        detail = f"more than {self._per_minute} requests a minute; try again in {wait_s} s"
        return Problem(Kind.RATE, detail, {"Retry-After": str(wait_s)})


def is_counted(path: str) -> bool:
    """Whether a request for this path counts."""
    return any(path == start or path.startswith(f"{start}/") for start in COUNTED)


def _key(scope: Scope) -> str | None:
    caller = current_caller(scope)
    if caller is not None:
        return f"caller {caller.name}"
    return None if is_on_this_machine(scope) else f"address {client_network(scope)}"
