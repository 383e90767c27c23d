"""How failed logins slow down those that follow. Counted by each replica for itself."""

from collections.abc import Callable
from math import ceil

Seconds = Callable[[], float]
"""Tells the time, in seconds."""

N_FREE_FAILURES = 3
LONGEST_WAIT_S = 300
FORGET_FAILURES_S = 3600
MAX_REMEMBERED = 10_000


class Throttle:
    """Counts failures by name and by address. The third and each later one doubles the wait until the next attempt."""

    def __init__(self, clock: Seconds) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}  # how many, and when the last one was; oldest first

    def wait_s(self, *keys: str) -> int:
        """Seconds until an attempt with these keys is allowed, rounded up; 0 if it is now."""
        return ceil(max(0.0, *(self._wait_s(*self._known(key)) for key in keys)))

    def failed(self, *keys: str) -> None:
        """Count a failure."""
        for key in keys:
            n, _ = self._known(key)
            self.forget(key)
            self._failures[key] = (n + 1, self._clock())
        while len(self._failures) > MAX_REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def forget(self, key: str) -> None:
        """Begin anew with this key."""
        self._failures.pop(key, None)

    def _known(self, key: str) -> tuple[int, float]:
        n, at = self._failures.get(key, (0, 0.0))
        is_recent = 0 <= self._clock() - at < FORGET_FAILURES_S  # a clock that was set back locks nobody out
        return (n, at) if is_recent else (0, 0.0)

    def _wait_s(self, n: int, at: float) -> float:
        if n < N_FREE_FAILURES:
            return 0.0
        doubled = 2.0 ** min(n - N_FREE_FAILURES, 30)
        return at + min(doubled, LONGEST_WAIT_S) - self._clock()
