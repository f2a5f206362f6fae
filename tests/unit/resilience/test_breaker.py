import asyncio
import pickle
from contextlib import ExitStack
from datetime import timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Suspended,
    Unavailable,
    UnreadableRow,
)
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.fault_isolation import Subject
from reconciler.settings import BreakerPolicy
from tests.fakes import FakeClock

POLICY = BreakerPolicy(
    failure_threshold=3,
    success_threshold=2,
    window=timedelta(seconds=60),
    open_for=timedelta(seconds=120),
)


class Listener:
    def __init__(self) -> None:
        self.changes: list[tuple[BreakerState, BreakerState]] = []

    def __call__(self, before: BreakerState, after: BreakerState) -> None:
        self.changes.append((before, after))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(POLICY, clock=clock)


def succeed(breaker: Breaker) -> None:
    with breaker.attempt():
        pass


def fail(breaker: Breaker, error: BaseException | None = None) -> None:
    error = error or Unavailable("503")
    with pytest.raises(type(error)), breaker.attempt():
        raise error


def open_up(breaker: Breaker) -> None:
    for _ in range(POLICY.failure_threshold):
        fail(breaker)


def half_open(breaker: Breaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.now += 120


def state_of(breaker: Breaker) -> BreakerState:
    # The type checker would take a property's value as unchanged, but not that of a call.
    return breaker.state


def test_gauge_grows_as_the_state_gets_worse() -> None:
    gauges = {state.value: state.gauge for state in BreakerState}

    assert gauges == {"closed": 0, "half_open": 1, "open": 2}


def test_breaker_opens_at_the_threshold_and_not_before(breaker: Breaker) -> None:
    fail(breaker)
    fail(breaker)
    assert state_of(breaker) is BreakerState.CLOSED

    fail(breaker)

    assert state_of(breaker) is BreakerState.OPEN


def test_successes_in_between_do_not_erase_failures(breaker: Breaker) -> None:
    for _ in range(2):
        fail(breaker)
        succeed(breaker)

    fail(breaker)

    assert breaker.state is BreakerState.OPEN


def test_failures_older_than_the_window_do_not_count(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    clock.now += 59
    fail(breaker)
    clock.now += 1

    fail(breaker)

    assert breaker.state is BreakerState.CLOSED


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_closed_while_no_window_holds_the_threshold(
    outcomes: list[tuple[int, bool]],
) -> None:
    clock = FakeClock()
    breaker = Breaker(POLICY, clock=clock)
    failed_at: list[float] = []
    for gap, is_failure in outcomes:
        clock.now += gap
        if is_failure:
            fail(breaker)
            failed_at.append(clock.now)
        else:
            succeed(breaker)
        recent = [at for at in failed_at if clock.now - at < 60]

        should_be_open = is_failure and len(recent) >= POLICY.failure_threshold
        assert breaker.state is (BreakerState.OPEN if should_be_open else BreakerState.CLOSED)

        if should_be_open:
            return


def test_malformed_answers_count_as_failures(breaker: Breaker) -> None:
    for _ in range(3):
        fail(breaker, Malformed("no JSON"))

    assert breaker.state is BreakerState.OPEN


def test_one_refusal_opens_the_breaker_at_once(breaker: Breaker) -> None:
    fail(breaker, Refused("bad key", hint="set another"))

    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after_seconds == 120


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("429", retry_after_seconds=1),
        ClockSkew("-1021"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(),
        GeneratorExit(),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("state", [BreakerState.CLOSED, BreakerState.HALF_OPEN])
def test_neutral_outcome_does_not_change_the_breaker(
    clock: FakeClock, error: BaseException, state: BreakerState
) -> None:
    breaker = Breaker(POLICY, clock=clock, inherited=BreakerSnapshot(state=state))

    for _ in range(10):
        fail(breaker, error)

    assert breaker.snapshot() == BreakerSnapshot(state=state)
    assert breaker.retry_after_seconds == 0


def test_open_breaker_runs_nothing_and_says_for_how_long(
    breaker: Breaker, clock: FakeClock
) -> None:
    open_up(breaker)
    clock.now += 20

    with pytest.raises(BreakerOpen) as caught, breaker.attempt():
        pytest.fail("the block ran")

    assert caught.value.retry_after_seconds == 100
    with pytest.raises(BreakerOpen):
        breaker.raise_if_open()


def test_open_breaker_is_half_open_after_its_time(breaker: Breaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.now += 119.9
    assert state_of(breaker) is BreakerState.OPEN

    clock.now += 0.1

    assert state_of(breaker) is BreakerState.HALF_OPEN


def test_breaker_closes_after_enough_answered_probes(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)

    succeed(breaker)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    succeed(breaker)

    assert state_of(breaker) is BreakerState.CLOSED


def test_closed_again_it_has_forgotten_old_failures(clock: FakeClock) -> None:
    short = BreakerPolicy(failure_threshold=3, success_threshold=2, open_for=timedelta(seconds=1))
    breaker = Breaker(short, clock=clock)
    open_up(breaker)
    clock.now += 1
    succeed(breaker)
    succeed(breaker)

    fail(breaker)
    fail(breaker)

    assert breaker.state is BreakerState.CLOSED


def test_one_failed_probe_opens_it_for_the_whole_time(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)
    succeed(breaker)

    fail(breaker)

    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after_seconds == 120


def test_successes_of_an_earlier_half_open_do_not_count(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)
    succeed(breaker)
    fail(breaker)
    clock.now += 120

    succeed(breaker)

    assert breaker.state is BreakerState.HALF_OPEN


def test_probes_in_flight_never_exceed_missing_successes(
    breaker: Breaker, clock: FakeClock
) -> None:
    half_open(breaker, clock)

    with ExitStack() as in_flight:
        in_flight.enter_context(breaker.attempt())
        in_flight.enter_context(breaker.attempt())

        with pytest.raises(BreakerOpen) as caught:
            breaker.raise_if_open()

    assert caught.value.retry_after_seconds > 0
    assert breaker.state is BreakerState.CLOSED


def test_answered_probe_does_not_free_its_place(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)
    succeed(breaker)

    with breaker.attempt(), pytest.raises(BreakerOpen), breaker.attempt():
        pytest.fail("one success was missing and one probe in flight")


def test_probe_without_a_verdict_frees_its_place(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)
    for _ in range(5):
        fail(breaker, asyncio.CancelledError())

    succeed(breaker)
    succeed(breaker)

    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "error",
    [None, Unavailable("late"), Refused("late", hint="-"), asyncio.CancelledError()],
    ids=["success", "failure", "refusal", "cancellation"],
)
def test_outcome_of_a_request_sent_before_opening_is_ignored(
    breaker: Breaker, clock: FakeClock, error: BaseException | None
) -> None:
    late = breaker.attempt()
    late.__enter__()
    half_open(breaker, clock)
    succeed(breaker)

    if error is None:
        late.__exit__(None, None, None)
    else:
        late.__exit__(type(error), error, None)

    assert state_of(breaker) is BreakerState.HALF_OPEN
    succeed(breaker)
    assert state_of(breaker) is BreakerState.CLOSED


def test_failure_in_flight_does_not_lengthen_the_open_time(
    breaker: Breaker, clock: FakeClock
) -> None:
    late = breaker.attempt()
    late.__enter__()
    open_up(breaker)
    clock.now += 100

    error = Unavailable("late")
    late.__exit__(Unavailable, error, None)

    assert breaker.retry_after_seconds == 20


def test_every_state_change_is_announced_when_complete(clock: FakeClock) -> None:
    listener = Listener()
    breaker = Breaker(POLICY, clock=clock, on_change=listener)

    half_open(breaker, clock)
    succeed(breaker)
    succeed(breaker)

    assert listener.changes == [
        (BreakerState.CLOSED, BreakerState.OPEN),
        (BreakerState.OPEN, BreakerState.HALF_OPEN),
        (BreakerState.HALF_OPEN, BreakerState.CLOSED),
    ]


def test_listener_sees_the_state_that_is_announced(clock: FakeClock) -> None:
    seen: list[tuple[BreakerState, BreakerState]] = []

    def look(_: BreakerState, after: BreakerState) -> None:
        seen.append((after, watched.state))

    watched = Breaker(POLICY, clock=clock, on_change=look)

    open_up(watched)

    assert seen == [(BreakerState.OPEN, BreakerState.OPEN)]


def test_listener_that_raises_is_logged_and_changes_nothing(clock: FakeClock) -> None:
    def raising(_: BreakerState, __: BreakerState) -> None:
        raise ZeroDivisionError

    breaker = Breaker(POLICY, clock=clock, on_change=raising)

    with structlog.testing.capture_logs() as logged:
        open_up(breaker)

    assert breaker.state is BreakerState.OPEN
    assert [line["event"] for line in logged] == ["breaker.listener_failed"]


def test_snapshot_has_ages_and_can_be_pickled(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    clock.now += 10
    fail(breaker)
    clock.now += 5

    snapshot = pickle.loads(pickle.dumps(breaker.snapshot()))  # noqa: S301 - our own bytes

    assert snapshot == BreakerSnapshot(
        state=BreakerState.CLOSED, failure_ages_seconds=(15.0, 5.0), retry_after_seconds=0.0
    )


def test_replacement_inherits_the_failures_of_the_window(clock: FakeClock) -> None:
    inherited = BreakerSnapshot(state=BreakerState.CLOSED, failure_ages_seconds=(70.0, 50.0, 1.0))
    breaker = Breaker(POLICY, clock=clock, inherited=inherited)
    assert state_of(breaker) is BreakerState.CLOSED

    fail(breaker)

    assert state_of(breaker) is BreakerState.OPEN


def test_replacement_of_an_open_breaker_stays_open(clock: FakeClock) -> None:
    inherited = BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=30)
    breaker = Breaker(POLICY, clock=clock, inherited=inherited)
    assert breaker.retry_after_seconds == 30

    clock.now += 30

    assert breaker.state is BreakerState.HALF_OPEN


def test_replacement_stays_open_no_longer_than_its_policy(
    clock: FakeClock,
) -> None:
    inherited = BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=500)

    breaker = Breaker(POLICY, clock=clock, inherited=inherited)

    assert breaker.retry_after_seconds == 120


# Symbols and orders that fail by themselves.

BTC, ETH, XRP, ADA = ("BTCUSDT",), ("ETHUSDT",), ("XRPUSDT",), ("ADAUSDT",)


def fail_about(breaker: Breaker, subject: Subject, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable), breaker.attempt(subject):
            raise Unavailable("500")


def answer_about(breaker: Breaker, subject: Subject) -> None:
    with breaker.attempt(subject):
        pass


def check_liveness(breaker: Breaker, *, is_alive: bool) -> bool:
    """Give the breaker the result of its liveness check; return whether one was due."""
    with breaker.liveness_check() as liveness:
        if liveness is None:
            return False
        liveness.is_alive = is_alive
    return True


def test_symbol_failing_while_others_answer_is_suspended(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail_about(breaker, BTC, 2)
    answer_about(breaker, ETH)
    fail_about(breaker, BTC)

    assert breaker.state is BreakerState.CLOSED
    breaker.raise_if_open(ETH)
    with pytest.raises(Suspended) as suspended:
        breaker.raise_if_open(BTC)
    assert suspended.value.retry_after_seconds == 120
    assert "120" not in str(suspended.value), "a text that is kept tells no remaining time"
    clock.now += 120
    breaker.raise_if_open(BTC)


def test_failing_order_is_suspended_without_its_symbol(breaker: Breaker) -> None:
    fail_about(breaker, (*BTC, "1"), 2)
    answer_about(breaker, (*BTC, "2"))
    fail_about(breaker, (*BTC, "1"))

    breaker.raise_if_open((*BTC, "2"))
    assert breaker.is_order_suspended((*BTC, "1"))
    with pytest.raises(Suspended, match="1 BTCUSDT"):
        breaker.raise_if_open((*BTC, "1"))


def test_failing_orders_of_a_symbol_suspend_the_symbol(breaker: Breaker) -> None:
    fail_about(breaker, (*BTC, "1"))
    answer_about(breaker, ETH)
    fail_about(breaker, (*BTC, "2"))
    fail_about(breaker, (*BTC, "3"))

    with pytest.raises(Suspended):
        breaker.raise_if_open((*BTC, "4"))
    assert not breaker.is_order_suspended((*BTC, "1"))


def test_failed_liveness_check_opens_the_breaker(
    breaker: Breaker,
) -> None:
    fail_about(breaker, BTC, 3)

    breaker.raise_if_open(BTC)
    assert check_liveness(breaker, is_alive=False)
    assert breaker.state is BreakerState.OPEN


def test_symbol_is_suspended_if_the_exchange_is_alive(
    breaker: Breaker,
) -> None:
    fail_about(breaker, BTC, 3)

    assert check_liveness(breaker, is_alive=True)

    assert breaker.state is BreakerState.CLOSED
    assert not check_liveness(breaker, is_alive=True)
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)
    breaker.raise_if_open(ETH)


def test_three_failing_symbols_without_an_answer_open_it(breaker: Breaker) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)

    assert breaker.state is BreakerState.OPEN


def test_exchange_that_fails_for_all_orders_opens_it(breaker: Breaker) -> None:
    answer_about(breaker, ADA)
    for symbol in (BTC, ETH):
        fail_about(breaker, symbol)
        answer_about(breaker, symbol)
    fail_about(breaker, XRP)

    assert breaker.state is BreakerState.OPEN


def test_probe_of_a_failing_subject_does_not_open_it_again(
    breaker: Breaker, clock: FakeClock
) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)
    clock.now += 120

    fail_about(breaker, BTC)
    assert check_liveness(breaker, is_alive=True)
    answer_about(breaker, ADA)

    assert breaker.state is BreakerState.CLOSED
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)


def test_failed_probe_of_a_dead_exchange_opens_it_again(breaker: Breaker, clock: FakeClock) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)
    clock.now += 120

    fail_about(breaker, BTC)
    assert check_liveness(breaker, is_alive=False)

    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after_seconds == 120


def test_suspended_again_by_one_failure_freed_by_one_answer(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail_about(breaker, BTC, 3)
    check_liveness(breaker, is_alive=True)
    clock.now += 120

    fail_about(breaker, BTC)
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)
    clock.now += 120
    answer_about(breaker, BTC)
    fail_about(breaker, BTC)

    breaker.raise_if_open(BTC)
    assert breaker.state is BreakerState.CLOSED


def test_rejected_request_proves_that_the_exchange_is_alive(
    breaker: Breaker, clock: FakeClock
) -> None:
    for _ in range(9):
        with pytest.raises(RequestRejected), breaker.attempt((*BTC, "1")):
            raise RequestRejected("code -9999")
    assert breaker.state is BreakerState.CLOSED
    with pytest.raises(Refused), breaker.attempt():
        raise Refused("bad key", hint="-")
    clock.now += 120

    for _ in range(2):
        with pytest.raises(RequestRejected), breaker.attempt((*BTC, "1")):
            raise RequestRejected("code -9999")

    assert breaker.state is BreakerState.CLOSED


def test_unreadable_row_counts_neither_way(
    breaker: Breaker,
) -> None:
    for number in range(9):
        with pytest.raises(UnreadableRow), breaker.attempt((*BTC, str(number))):
            raise UnreadableRow("about another order")

    breaker.raise_if_open(BTC)
    assert breaker.state is BreakerState.CLOSED


def test_replacement_inherits_the_subjects_of_the_failures(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail_about(breaker, BTC, 2)
    snapshot = pickle.loads(pickle.dumps(breaker.snapshot()))  # noqa: S301 - our own bytes
    replacement = Breaker(POLICY, clock=clock, inherited=snapshot)

    answer_about(replacement, ETH)
    fail_about(replacement, BTC)

    assert replacement.state is BreakerState.CLOSED


@given(
    failing=st.sampled_from([BTC, (*BTC, "1")]),
    others=st.lists(st.sampled_from([ETH, XRP, (*ETH, "5"), (*ADA, "6")]), min_size=30),
)
def test_failing_subject_never_blocks_the_other_subjects(
    failing: Subject, others: list[Subject]
) -> None:
    clock = FakeClock()
    breaker = Breaker(POLICY, clock=clock)

    for other in others:
        clock.now += 7
        with pytest.raises((Unavailable, Suspended)), breaker.attempt(failing):
            raise Unavailable("500")
        check_liveness(breaker, is_alive=True)
        answer_about(breaker, other)

    assert breaker.state is BreakerState.CLOSED


def test_failed_probe_keeps_its_place_during_a_liveness_check(
    breaker: Breaker, clock: FakeClock
) -> None:
    half_open(breaker, clock)
    fail_about(breaker, BTC)

    with breaker.liveness_check() as liveness:
        assert liveness is not None
        with breaker.attempt(ETH), pytest.raises(BreakerOpen):
            breaker.raise_if_open(XRP)
        liveness.is_alive = False

    assert state_of(breaker) is BreakerState.OPEN
