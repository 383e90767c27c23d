"""The circuit breaker before a language model's server: one that does not work is not asked for a while.

    closed      all are let through; after `n_failures` failures in a row it opens
    open        nobody is, for `open_s` seconds
    half-open   one trial is; as it ends, the circuit is closed, or open once more

Decision: ours. pybreaker (1.4.1) reads the clock of the day, so a clock set back by a day keeps a circuit open for a
day; holds its lock while a call lasts, so that calls come one after the other; and knows no asynchronous calls but
Tornado's. Whether a stopped answer was a failure it could not be told.
"""

import logging
import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from threading import RLock
from typing import Literal

from index.errors import AnswerStoppedError, ChatModelError, ModelDownError
from qa.stopping import ModelSlowError

log = logging.getLogger(__name__)

State = Literal["closed", "open", "half-open"]
STATES: tuple[State, ...] = ("closed", "open", "half-open")


class CircuitBreaker:
    """Counts what becomes of streams. Safe between threads.

    Args:
        n_failures: in a row, after which it opens, from 1.
        open_s: seconds for which it then lets nobody through.
        clock: seconds from any beginning, never backwards.
    """

    def __init__(self, n_failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_failures = n_failures
        self._open_s = open_s
        self._clock = clock
        self._n_failed = 0
        self._open_until = -math.inf  # of the clock
        self._is_tried = False
        # The garbage collector may close an answer, which ends its stream, in the midst of a call of the same thread.
        self._lock = RLock()

    @property
    def state(self) -> State:
        """What the next who comes finds."""
        if self._n_failed < self._max_failures:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def check(self) -> None:
        """Raises where nobody would be let through now.

        Raises:
            ModelDownError: the circuit is open, or the one trial is under way.
        """
        with self._lock:
            state = self.state
            if state == "open" or (state == "half-open" and self._is_tried):
                wait_s = max(1, math.ceil(self._open_until - self._clock()))
                raise ModelDownError(
                    f"the language model's server failed {self._n_failed} times in a row, so it is not asked for now; "
                    f"ask again in {wait_s} s, or with mode 'extractive', and look at the server at "
                    "OTVET_CHAT_BASE_URL",
                    retry_after_s=wait_s,
                )

    def guarded(
        self, pieces: Generator[str, None, None], is_failure: Callable[[ChatModelError], bool]
    ) -> Generator[str, None, None]:
        """The pieces of a stream, whose end is counted.

        A stream that is no longer wanted says that the server works if a piece of it has come, else nothing. One whose
        time is over before that says that it does not.

        Args:
            pieces: not begun yet; closed with this one.
            is_failure: whether an error says that the server does not work.

        Raises:
            ModelDownError: nobody is let through; at the first piece.
        """
        is_trial = self._let_in()
        works: bool | None = None  # not known
        try:
            with closing(pieces):
                for piece in pieces:
                    works = True
                    yield piece
            works = True
        except AnswerStoppedError:
            raise
        except ModelSlowError:
            works = bool(works)
            raise
        except ChatModelError as exc:
            works = not is_failure(exc)
            raise
        finally:
            self._count(works, is_trial=is_trial)

    def _let_in(self) -> bool:
        """Whether it is the trial that is let in."""
        with self._lock:
            self.check()
            if self.state == "closed":
                return False
            self._is_tried = True
            return True

    def _count(self, works: bool | None, *, is_trial: bool) -> None:
        with self._lock:
            was, n_failed = self.state, self._n_failed
            if is_trial:
                self._is_tried = False
            if works:
                self._n_failed = 0
            elif works is False and (is_trial or was == "closed"):  # others began before it opened
                self._n_failed += 1
                self._open_until = self._clock() + self._open_s
            if was != (now := self.state):
                n_failed = max(n_failed, self._n_failed)
                log.warning("the circuit to the language model is %s after %d failures", now, n_failed)
