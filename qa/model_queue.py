"""The queue before the language model: how many answers it writes at once, how many wait for that, and in which order.

Decision: whoever finds the queue full is told at once, with a guess of when to ask again, and gets quotes or an error;
a queue without an end would keep everybody waiting for an answer that comes too late. The guess is

    retry_after_s = mean_s * (n_waiting + 1) / n_at_once, rounded up, from 1 to 120

where `mean_s` is how long an answer keeps the model: a moving mean to which each answer adds an eighth of its own time.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock, RLock

from langchain_core.runnables import RunnableConfig

from index.errors import ModelBusyError
from qa.stopping import LOOK_EVERY_S, check_wanted

FIRST_MEAN_S = 10.0  # before any answer was written
NEWEST = 1 / 8  # what the last answer counts in the mean
MAX_RETRY_AFTER_S = 120


class ModelQueue:
    """Lets the first `n_at_once` in, in the order in which they came. Safe between threads.

    Args:
        n_at_once: answers that the model writes at once, from 1.
        n_waiting: how many more may wait, from 0.
    """

    def __init__(self, n_at_once: int, n_waiting: int) -> None:
        if n_at_once < 1 or n_waiting < 0:
            raise ValueError(f"a queue for {n_at_once} at once and {n_waiting} who wait lets nobody in")
        self._n_at_once = n_at_once
        self._max_waiting = n_waiting
        self._mean_s = FIRST_MEAN_S
        self._n_running = 0
        self._waiting: deque[Lock] = deque()  # each is held until it is its owner's turn
        # The garbage collector may close an answer, which leaves its place, in the midst of a call of the same thread.
        self._lock = RLock()

    @property
    def n_running(self) -> int:
        """Answers that the model is writing."""
        return self._n_running

    @property
    def n_waiting(self) -> int:
        """Answers that wait for the model."""
        return len(self._waiting)

    @property
    def retry_after_s(self) -> int:
        """When somebody who finds the queue full may ask again, in seconds from now, 1 to 120."""
        guess = self._mean_s * (self.n_waiting + 1) / self._n_at_once
        return min(max(math.ceil(guess), 1), MAX_RETRY_AFTER_S)

    @contextmanager
    def place(self, config: RunnableConfig) -> Iterator[None]:
        """Keeps a place at the model while the `with` lasts, however it ends; waits for it first.

        Args:
            config: of LangChain; says who stops the answer, and when the model is given up (qa/stopping.py).

        Raises:
            ModelBusyError: as many as may wait do already; at once.
            AnswerStoppedError: the answer is not wanted any more; looked at ten times a second while it waits.
            ModelSlowError: the time of the language model is over; looked at as often.
        """
        turn = self._line_up()
        try:
            while not turn.acquire(timeout=LOOK_EVERY_S):
                check_wanted(config)
            began = time.monotonic()
            try:
                yield
            finally:
                self._mean_s += NEWEST * (time.monotonic() - began - self._mean_s)
        finally:
            self._leave(turn)

    def _line_up(self) -> Lock:
        turn = Lock()
        turn.acquire()
        with self._lock:
            self._waiting.append(turn)
            self._let_in()
            if len(self._waiting) > self._max_waiting:
                self._waiting.remove(turn)
                raise ModelBusyError(
                    f"{self._max_waiting} questions wait for the language model already; ask again in "
                    f"{self.retry_after_s} s, or with mode 'extractive', or raise OTVET_CHAT_QUEUE",
                    retry_after_s=self.retry_after_s,
                )
        return turn

    def _leave(self, turn: Lock) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._n_running -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._n_running < self._n_at_once:
            self._n_running += 1
            self._waiting.popleft().release()


def place_in(queue: ModelQueue | None, config: RunnableConfig) -> AbstractContextManager[None]:
    """A place in a queue, or at once where there is none."""
    return nullcontext() if queue is None else queue.place(config)
