"""The queue before the language model: who is let in, in which order, and that every place is given back."""

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from fakes import Stop
from index.errors import AnswerStoppedError, ChatModelError, ModelBusyError
from qa.model_queue import FIRST_MEAN_S, ModelQueue, place_in
from qa.stopping import ModelSlowError, stopping_config

PATIENCE_S = 20.0


def never() -> bool:
    return False


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)


@contextmanager
def waiting(queue: ModelQueue, n: int, entered: list[int]) -> Iterator[list["Future[None]"]]:
    """That many threads in the queue, one behind the other; each notes its number once it is let in."""

    def enter(number: int) -> None:
        with queue.place({}):
            entered.append(number)

    with ThreadPoolExecutor(n) as threads:
        futures = []
        for number in range(n):
            futures.append(threads.submit(enter, number))
            wait_until(lambda: queue.n_waiting == len(futures))
        yield futures


def test_a_free_place_is_taken_at_once() -> None:
    queue = ModelQueue(2, 0)
    with queue.place({}), queue.place({}):
        assert (queue.n_running, queue.n_waiting) == (2, 0)
    assert (queue.n_running, queue.n_waiting) == (0, 0)


def test_those_who_wait_are_let_in_in_their_order() -> None:
    queue, entered = ModelQueue(1, 10), list[int]()
    with ExitStack() as held:
        held.enter_context(queue.place({}))
        with waiting(queue, 10, entered) as futures:
            assert (queue.n_running, queue.n_waiting, entered) == (1, 10, [])
            held.close()
            for future in futures:
                future.result(PATIENCE_S)
    assert entered == list(range(10))
    assert (queue.n_running, queue.n_waiting) == (0, 0)


@pytest.mark.parametrize("n_waiting", [0, 1, 3])
def test_whoever_finds_it_full_is_told_at_once(n_waiting: int) -> None:
    queue, entered = ModelQueue(1, n_waiting), list[int]()
    with ExitStack() as held:
        held.enter_context(queue.place({}))
        with waiting(queue, n_waiting, entered) if n_waiting else ExitStack():
            for _ in range(3):
                with pytest.raises(ModelBusyError, match=rf"{n_waiting} questions wait.*OTVET_CHAT_QUEUE"):
                    held.enter_context(queue.place({}))
            assert (queue.n_running, queue.n_waiting) == (1, n_waiting)
            held.close()
    with queue.place({}):
        assert queue.n_running == 1


@pytest.mark.parametrize(("n_at_once", "n_waiting"), [(0, 1), (-1, 1), (1, -1)])
def test_a_queue_that_lets_nobody_in_is_refused(n_at_once: int, n_waiting: int) -> None:
    with pytest.raises(ValueError, match="nobody"):
        ModelQueue(n_at_once, n_waiting)


# --- leaving it


def test_a_stop_while_it_waits_gives_up_its_place_in_the_queue() -> None:
    queue = ModelQueue(1, 1)
    with queue.place({}):
        for _ in range(2):
            stop = Stop(0.15)
            with pytest.raises(AnswerStoppedError), queue.place(stopping_config(stop)):
                pass
            assert time.monotonic() >= stop.at
            assert (queue.n_running, queue.n_waiting) == (1, 0)
    with queue.place({}):
        assert queue.n_running == 1


def test_a_deadline_while_it_waits_gives_up_its_place_in_the_queue() -> None:
    queue = ModelQueue(1, 1)
    with queue.place({}):
        until = time.monotonic() + 0.15
        with pytest.raises(ModelSlowError), queue.place(stopping_config(never, model_until=until)):
            pass
        assert time.monotonic() >= until
        assert (queue.n_running, queue.n_waiting) == (1, 0)


def test_one_who_gives_up_lets_those_behind_move_on() -> None:
    queue, entered = ModelQueue(1, 2), list[int]()
    with ExitStack() as held, ThreadPoolExecutor(1) as threads:
        held.enter_context(queue.place({}))
        stop = Stop()

        def give_up() -> None:
            with queue.place(stopping_config(stop)):
                entered.append(-1)

        first = threads.submit(give_up)
        wait_until(lambda: queue.n_waiting == 1)
        second = threading.Thread(target=lambda: enter(queue, entered))
        second.start()
        wait_until(lambda: queue.n_waiting == 2)
        stop.at = 0
        with pytest.raises(AnswerStoppedError):
            first.result(PATIENCE_S)
        assert queue.n_waiting == 1
        held.close()
        second.join(PATIENCE_S)
    assert entered == [0]


def enter(queue: ModelQueue, entered: list[int]) -> None:
    with queue.place({}):
        entered.append(0)


@pytest.mark.parametrize("error", [ChatModelError("gone"), AnswerStoppedError(), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_ends_the_answer_frees_its_place(error: BaseException) -> None:
    queue = ModelQueue(1, 0)
    with pytest.raises(type(error)), queue.place({}):
        raise error
    with queue.place({}):
        assert queue.n_running == 1


def leave_one(queue: ModelQueue) -> None:
    """Leave an answer that has a place, so that only the garbage collector finds it."""

    def answer(own: list[object]) -> Iterator[None]:
        with queue.place({}):
            yield

    cycle: list[object] = []
    steps = answer(cycle)
    cycle.append(steps)
    next(steps)


def test_an_answer_that_the_garbage_collector_ends_frees_its_place_at_any_time() -> None:
    """Also in the midst of a call of the same thread, which must not wait for itself then."""
    queue = ModelQueue(1, 0)

    def collect_after(n_objects: int) -> None:
        leave_one(queue)
        gc.set_threshold(gc.get_count()[0] + n_objects)
        gc.enable()
        with suppress(ModelBusyError), queue.place({}):
            pass
        gc.disable()
        gc.collect()

    thresholds = gc.get_threshold()
    gc.disable()
    gc.freeze()  # what other tests left behind would take seconds to look through, each time
    try:
        thread = threading.Thread(target=lambda: [collect_after(n) for n in range(60)], daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        gc.enable()
    assert (queue.n_running, queue.n_waiting) == (0, 0)


# --- when to ask again


def busy_after_s(queue: ModelQueue) -> int:
    with pytest.raises(ModelBusyError) as caught, queue.place({}):
        pass
    assert f"{caught.value.retry_after_s} s" in str(caught.value)
    return caught.value.retry_after_s


def test_before_any_answer_the_guess_is_made_of_a_fixed_mean() -> None:
    for n_at_once, expected_s in ((1, 10), (2, 5), (8, 2), (64, 1)):
        queue = ModelQueue(n_at_once, 0)
        with ExitStack() as held:
            for _ in range(n_at_once):
                held.enter_context(queue.place({}))
            assert busy_after_s(queue) == expected_s
    assert FIRST_MEAN_S == 10


def test_the_guess_grows_with_those_who_wait_up_to_two_minutes() -> None:
    queue, entered = ModelQueue(1, 15), list[int]()
    with ExitStack() as held:
        held.enter_context(queue.place({}))
        with waiting(queue, 15, entered):
            assert busy_after_s(queue) == 120
            assert queue.retry_after_s == 120
            held.close()


def test_the_guess_follows_how_long_answers_keep_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    queue = ModelQueue(1, 0)
    with queue.place({}):
        now[0] += 50
    assert queue.retry_after_s == 15  # 10 + (50 - 10) / 8
    for _ in range(100):
        with queue.place({}):
            now[0] += 0.1
    assert queue.retry_after_s == 1


# --- many at once


def test_fifty_threads_share_three_places() -> None:
    queue, rng = ModelQueue(3, 20), random.Random(0)
    plans = [(rng.random() * 0.004, rng.choice(["ends", "ends", "fails", "stops"])) for _ in range(50 * 20)]
    n_inside, most, outcomes, lock = 0, 0, list[str](), threading.Lock()

    def answer(takes_s: float, how: str) -> str:
        nonlocal n_inside, most
        stopped = Stop(takes_s if how == "stops" else PATIENCE_S)
        try:
            with queue.place(stopping_config(stopped)):
                with lock:
                    n_inside += 1
                    most = max(most, n_inside)
                time.sleep(takes_s)
                with lock:
                    n_inside -= 1
                if how == "fails":
                    raise ChatModelError("gone")
        except ModelBusyError:
            return "busy"
        except AnswerStoppedError:
            return "stopped"
        except ChatModelError:
            return "failed"
        return "ended"

    with ThreadPoolExecutor(50) as threads:
        outcomes = [future.result(60) for future in [threads.submit(answer, *plan) for plan in plans]]
    assert most == 3
    assert set(outcomes) >= {"ended", "failed", "busy"}
    assert (queue.n_running, queue.n_waiting) == (0, 0)


def test_without_a_queue_nobody_waits() -> None:
    with place_in(None, {}), place_in(None, stopping_config(never)):
        pass
