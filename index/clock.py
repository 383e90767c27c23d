"""Milliseconds by stage."""

import time


class Clock:
    """Measures stages that follow one another."""

    def __init__(self) -> None:
        self._laps_ms: dict[str, float] = {}
        self._started = self._lap_started = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage; the next one starts now. A stage that comes again adds up."""
        now = time.perf_counter()
        self._laps_ms[stage] = round(self._laps_ms.get(stage, 0.0) + 1000 * (now - self._lap_started), 1)
        self._lap_started = now

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds of each stage so far and their "total", to a tenth."""
        return {**self._laps_ms, "total": round(1000 * (time.perf_counter() - self._started), 1)}
