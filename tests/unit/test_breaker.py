"""The circuit breaker: what opens it, who is let through, what closes it; worked through by a clock that is moved."""

from collections.abc import Generator
from contextlib import closing, suppress
from threading import Barrier, Thread

import pytest

from index.errors import AnswerStoppedError, ChatModelError, ModelDownError
from qa.breaker import CircuitBreaker
from qa.chat_models import speaks_of_server
from qa.stopping import ModelSlowError

FAILED = ChatModelError("failed")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(3, 30, clock)


def stream(*pieces: str | Exception) -> Generator[str, None, None]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


def run(breaker: CircuitBreaker, *pieces: str | Exception) -> None:
    with suppress(ChatModelError, AnswerStoppedError):
        list(breaker.guarded(stream(*pieces), speaks_of_server))


def opened(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(3):
        run(breaker, FAILED)
    assert breaker.state == "open"
    return breaker


def test_pieces_and_errors_pass_as_they_are(breaker: CircuitBreaker) -> None:
    assert list(breaker.guarded(stream("a", "b"), speaks_of_server)) == ["a", "b"]
    guarded = breaker.guarded(stream("a", FAILED), speaks_of_server)
    assert next(guarded) == "a"
    with pytest.raises(ChatModelError) as raised:
        next(guarded)
    assert raised.value is FAILED


def test_failures_in_a_row_open_it_and_nobody_is_let_through(breaker: CircuitBreaker, clock: Clock) -> None:
    run(breaker, FAILED)
    run(breaker, "a word", FAILED)
    assert breaker.state == "closed"
    run(breaker, FAILED)
    assert breaker.state == "open"
    clock.now += 10.5
    begun: list[str] = []

    def noted() -> Generator[str, None, None]:
        begun.append("asked")
        yield "a"

    with pytest.raises(ModelDownError, match=r"failed 3 times in a row.*ask again in 20 s") as raised:
        list(breaker.guarded(noted(), speaks_of_server))
    assert raised.value.retry_after_s == 20
    assert begun == []


def test_a_success_between_begins_the_count_anew(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        run(breaker, FAILED)
        run(breaker, FAILED)
        run(breaker, "a")
    assert breaker.state == "closed"


def test_one_trial_is_let_through_and_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30
    assert breaker.state == "half-open"
    breaker.check()
    trial = breaker.guarded(stream("a"), speaks_of_server)
    assert next(trial) == "a"
    with pytest.raises(ModelDownError) as raised:
        breaker.check()
    assert raised.value.retry_after_s == 1
    assert list(trial) == []
    assert breaker.state == "closed"
    breaker.check()


def test_a_trial_that_fails_opens_it_once_more(breaker: CircuitBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30
    run(breaker, FAILED)
    assert breaker.state == "open"
    clock.now += 29
    assert breaker.state == "open"
    clock.now += 1
    run(breaker, "a")
    assert breaker.state == "closed"


def test_a_trial_that_is_stopped_leaves_its_place_to_the_next(breaker: CircuitBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30
    run(breaker, AnswerStoppedError("stopped"))
    assert breaker.state == "half-open"
    breaker.check()


def test_what_is_no_longer_wanted_is_no_failure(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        run(breaker, AnswerStoppedError("stopped"))
        with closing(breaker.guarded(stream("a", "b"), speaks_of_server)) as guarded:
            next(guarded)
    assert breaker.state == "closed"


def test_a_stream_is_closed_with_the_guarded_one(breaker: CircuitBreaker) -> None:
    pieces = stream("a", "b")
    with closing(breaker.guarded(pieces, speaks_of_server)) as guarded:
        next(guarded)
    assert list(pieces) == []


def test_silence_to_the_end_of_the_time_is_a_failure_and_slow_words_are_none(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        run(breaker, "a", ModelSlowError("slow"))
    assert breaker.state == "closed"
    for _ in range(3):
        run(breaker, ModelSlowError("slow"))
    assert breaker.state == "open"


@pytest.mark.parametrize(
    ("status", "opens"),
    [(400, False), (401, False), (404, False), (422, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_an_error_of_our_own_making_is_none_of_the_server(breaker: CircuitBreaker, status: int, opens: bool) -> None:
    cause = Exception()
    cause.status_code = status  # type: ignore[attr-defined]
    for _ in range(3):
        error = ChatModelError("refused")
        error.__cause__ = cause
        run(breaker, error)
    assert (breaker.state == "open") == opens


def test_those_that_began_before_it_opened_do_not_keep_it_open(breaker: CircuitBreaker, clock: Clock) -> None:
    begun = [breaker.guarded(stream("a", FAILED), speaks_of_server) for _ in range(5)]
    for one in begun:
        next(one)
    opens_at = []
    for one in begun:
        with pytest.raises(ChatModelError):
            next(one)
        opens_at.append(breaker.state)
        clock.now += 10
    assert opens_at == ["closed", "closed", "open", "open", "open"]
    assert breaker.state == "half-open"


def test_of_many_threads_one_is_the_trial(breaker: CircuitBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30
    let_in: list[str] = []
    refused: list[str] = []
    start, end = Barrier(8), Barrier(8)

    def ask() -> None:
        start.wait(10)
        with closing(breaker.guarded(stream("a"), speaks_of_server)) as guarded:
            try:
                let_in.append(next(guarded))
            except ModelDownError as exc:
                refused.append(str(exc))
            end.wait(10)

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(let_in), len(refused)) == (1, 7)
    assert breaker.state == "closed"
