import asyncio
import pickle
from contextlib import ExitStack
from datetime import timedelta

import pytest
import structlog
from hypothesis import given, settings
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

POLICY = BreakerPolicy(
    failure_threshold=3,
    success_threshold=2,
    window=timedelta(seconds=60),
    open_for=timedelta(seconds=120),
)


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


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
    # A call, where a property's value would be taken for unchanged by the type checker.
    return breaker.state


def test_gauge_grows_as_the_state_gets_worse() -> None:
    gauges = {state.value: state.gauge for state in BreakerState}

    assert gauges == {"closed": 0, "half_open": 1, "open": 2}


def test_opens_at_the_threshold_and_not_before(breaker: Breaker) -> None:
    fail(breaker)
    fail(breaker)
    assert state_of(breaker) is BreakerState.CLOSED

    fail(breaker)

    assert state_of(breaker) is BreakerState.OPEN


def test_successes_in_between_forgive_no_failure(breaker: Breaker) -> None:
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


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_is_closed_exactly_as_long_as_no_window_holds_the_threshold(
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


def test_malformed_answers_are_failures(breaker: Breaker) -> None:
    for _ in range(3):
        fail(breaker, Malformed("no JSON"))

    assert breaker.state is BreakerState.OPEN


def test_one_refusal_opens_at_once(breaker: Breaker) -> None:
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
def test_what_says_nothing_about_the_exchange_changes_nothing(
    clock: FakeClock, error: BaseException, state: BreakerState
) -> None:
    breaker = Breaker(POLICY, clock=clock, inherited=BreakerSnapshot(state=state))

    for _ in range(10):
        fail(breaker, error)

    assert breaker.snapshot() == BreakerSnapshot(state=state)
    assert breaker.retry_after_seconds == 0


def test_open_runs_nothing_and_says_for_how_long(breaker: Breaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.now += 20

    with pytest.raises(BreakerOpen) as caught, breaker.attempt():
        pytest.fail("the block ran")

    assert caught.value.retry_after_seconds == 100
    with pytest.raises(BreakerOpen):
        breaker.raise_if_open()


def test_time_alone_makes_it_half_open(breaker: Breaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.now += 119.9
    assert state_of(breaker) is BreakerState.OPEN

    clock.now += 0.1

    assert state_of(breaker) is BreakerState.HALF_OPEN


def test_closes_after_enough_probes_succeeded(breaker: Breaker, clock: FakeClock) -> None:
    half_open(breaker, clock)

    succeed(breaker)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    succeed(breaker)

    assert state_of(breaker) is BreakerState.CLOSED


def test_closes_with_a_clean_record(clock: FakeClock) -> None:
    short = BreakerPolicy(failure_threshold=3, success_threshold=2, open_for=timedelta(seconds=1))
    breaker = Breaker(short, clock=clock)
    open_up(breaker)
    clock.now += 1
    succeed(breaker)
    succeed(breaker)

    fail(breaker)
    fail(breaker)

    assert breaker.state is BreakerState.CLOSED


def test_one_failed_probe_opens_it_for_the_whole_time_again(
    breaker: Breaker, clock: FakeClock
) -> None:
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


def test_no_more_probes_are_on_their_way_than_successes_are_missing(
    breaker: Breaker, clock: FakeClock
) -> None:
    half_open(breaker, clock)

    with ExitStack() as on_their_way:
        on_their_way.enter_context(breaker.attempt())
        on_their_way.enter_context(breaker.attempt())

        with pytest.raises(BreakerOpen) as caught:
            breaker.raise_if_open()

    assert caught.value.retry_after_seconds > 0
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_succeeded_takes_its_place_for_good(
    breaker: Breaker, clock: FakeClock
) -> None:
    half_open(breaker, clock)
    succeed(breaker)

    with breaker.attempt(), pytest.raises(BreakerOpen), breaker.attempt():
        pytest.fail("one success was missing and one probe on its way")


def test_a_probe_that_said_nothing_gives_its_place_back(breaker: Breaker, clock: FakeClock) -> None:
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
def test_a_late_outcome_of_before_it_opened_is_no_probe(
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


def test_a_failure_in_flight_when_it_opened_does_not_lengthen_the_wait(
    breaker: Breaker, clock: FakeClock
) -> None:
    late = breaker.attempt()
    late.__enter__()
    open_up(breaker)
    clock.now += 100

    error = Unavailable("late")
    late.__exit__(Unavailable, error, None)

    assert breaker.retry_after_seconds == 20


def test_tells_of_every_change_when_it_is_complete(clock: FakeClock) -> None:
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


def test_a_listener_sees_the_state_that_it_is_told_of(clock: FakeClock) -> None:
    seen: list[tuple[BreakerState, BreakerState]] = []

    def look(_: BreakerState, after: BreakerState) -> None:
        seen.append((after, watched.state))

    watched = Breaker(POLICY, clock=clock, on_change=look)

    open_up(watched)

    assert seen == [(BreakerState.OPEN, BreakerState.OPEN)]


def test_a_listener_that_raises_is_logged_and_does_no_harm(clock: FakeClock) -> None:
    def raising(_: BreakerState, __: BreakerState) -> None:
        raise ZeroDivisionError

    breaker = Breaker(POLICY, clock=clock, on_change=raising)

    with structlog.testing.capture_logs() as logged:
        open_up(breaker)

    assert breaker.state is BreakerState.OPEN
    assert [line["event"] for line in logged] == ["breaker.listener_failed"]


def test_snapshot_carries_ages_and_survives_pickling(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker)
    clock.now += 10
    fail(breaker)
    clock.now += 5

    snapshot = pickle.loads(pickle.dumps(breaker.snapshot()))  # noqa: S301 - our own bytes

    assert snapshot == BreakerSnapshot(
        state=BreakerState.CLOSED, failure_ages_seconds=(15.0, 5.0), retry_after_seconds=0.0
    )


def test_a_replacement_inherits_the_failures_of_the_window(clock: FakeClock) -> None:
    inherited = BreakerSnapshot(state=BreakerState.CLOSED, failure_ages_seconds=(70.0, 50.0, 1.0))
    breaker = Breaker(POLICY, clock=clock, inherited=inherited)
    assert state_of(breaker) is BreakerState.CLOSED

    fail(breaker)

    assert state_of(breaker) is BreakerState.OPEN


def test_a_replacement_of_an_open_breaker_stays_open_for_the_rest(clock: FakeClock) -> None:
    inherited = BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=30)
    breaker = Breaker(POLICY, clock=clock, inherited=inherited)
    assert breaker.retry_after_seconds == 30

    clock.now += 30

    assert breaker.state is BreakerState.HALF_OPEN


def test_a_replacement_with_a_shorter_policy_does_not_stay_open_longer_than_that(
    clock: FakeClock,
) -> None:
    inherited = BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=500)

    breaker = Breaker(POLICY, clock=clock, inherited=inherited)

    assert breaker.retry_after_seconds == 120


# What fails by itself.

BTC, ETH, XRP, ADA = ("BTCUSDT",), ("ETHUSDT",), ("XRPUSDT",), ("ADAUSDT",)


def fail_about(breaker: Breaker, subject: Subject, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable), breaker.attempt(subject):
            raise Unavailable("500")


def answer_about(breaker: Breaker, subject: Subject) -> None:
    with breaker.attempt(subject):
        pass


def settle(breaker: Breaker, *, is_alive: bool) -> bool:
    """Settle the breaker's doubt; return whether there was any."""
    with breaker.liveness_check() as liveness:
        if liveness is None:
            return False
        liveness.is_alive = is_alive
    return True


def test_a_symbol_that_fails_while_others_are_answered_is_suspended_by_itself(
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
    clock.now += 120
    breaker.raise_if_open(BTC)


def test_an_order_that_fails_is_suspended_without_the_rest_of_its_symbol(breaker: Breaker) -> None:
    fail_about(breaker, (*BTC, "1"), 2)
    answer_about(breaker, (*BTC, "2"))
    fail_about(breaker, (*BTC, "1"))

    breaker.raise_if_open((*BTC, "2"))
    assert breaker.is_order_suspended((*BTC, "1"))
    with pytest.raises(Suspended, match="1 BTCUSDT"):
        breaker.raise_if_open((*BTC, "1"))


def test_orders_that_all_fail_are_suspended_as_their_symbol(breaker: Breaker) -> None:
    fail_about(breaker, (*BTC, "1"))
    answer_about(breaker, ETH)
    fail_about(breaker, (*BTC, "2"))
    fail_about(breaker, (*BTC, "3"))

    with pytest.raises(Suspended):
        breaker.raise_if_open((*BTC, "4"))
    assert not breaker.is_order_suspended((*BTC, "1"))


def test_where_nobody_else_was_asked_the_exchange_is_in_doubt_and_opens_if_it_is_silent(
    breaker: Breaker,
) -> None:
    fail_about(breaker, BTC, 3)

    breaker.raise_if_open(BTC)
    assert settle(breaker, is_alive=False)
    assert breaker.state is BreakerState.OPEN


def test_where_nobody_else_was_asked_and_the_exchange_answers_the_symbol_is_suspended(
    breaker: Breaker,
) -> None:
    fail_about(breaker, BTC, 3)

    assert settle(breaker, is_alive=True)

    assert breaker.state is BreakerState.CLOSED
    assert not settle(breaker, is_alive=True)
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)
    breaker.raise_if_open(ETH)


def test_three_symbols_that_fail_without_any_answer_are_the_exchange(breaker: Breaker) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)

    assert breaker.state is BreakerState.OPEN


def test_an_exchange_that_fails_now_and_then_for_all_opens_it(breaker: Breaker) -> None:
    answer_about(breaker, ADA)
    for symbol in (BTC, ETH):
        fail_about(breaker, symbol)
        answer_about(breaker, symbol)
    fail_about(breaker, XRP)

    assert breaker.state is BreakerState.OPEN


def test_a_probe_about_what_fails_by_itself_does_not_open_it_again(
    breaker: Breaker, clock: FakeClock
) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)
    clock.now += 120

    fail_about(breaker, BTC)
    assert settle(breaker, is_alive=True)
    answer_about(breaker, ADA)

    assert breaker.state is BreakerState.CLOSED
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)


def test_a_failed_probe_of_a_silent_exchange_opens_it_again(
    breaker: Breaker, clock: FakeClock
) -> None:
    for symbol in (BTC, ETH, XRP):
        fail_about(breaker, symbol)
    clock.now += 120

    fail_about(breaker, BTC)
    assert settle(breaker, is_alive=False)

    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after_seconds == 120


def test_what_was_suspended_is_suspended_again_by_one_failure_and_free_after_one_answer(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail_about(breaker, BTC, 3)
    settle(breaker, is_alive=True)
    clock.now += 120

    fail_about(breaker, BTC)
    with pytest.raises(Suspended):
        breaker.raise_if_open(BTC)
    clock.now += 120
    answer_about(breaker, BTC)
    fail_about(breaker, BTC)

    breaker.raise_if_open(BTC)
    assert breaker.state is BreakerState.CLOSED


def test_a_request_that_was_turned_down_proves_that_the_exchange_is_alive(
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


def test_a_row_that_cannot_be_read_says_nothing_of_the_exchange_nor_of_its_symbol(
    breaker: Breaker,
) -> None:
    for number in range(9):
        with pytest.raises(UnreadableRow), breaker.attempt((*BTC, str(number))):
            raise UnreadableRow("about another order")

    breaker.raise_if_open(BTC)
    assert breaker.state is BreakerState.CLOSED


def test_a_replacement_inherits_what_the_failures_were_about(
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
def test_one_that_always_fails_never_keeps_the_others_from_being_asked(
    failing: Subject, others: list[Subject]
) -> None:
    clock = FakeClock()
    breaker = Breaker(POLICY, clock=clock)

    for other in others:
        clock.now += 7
        with pytest.raises((Unavailable, Suspended)), breaker.attempt(failing):
            raise Unavailable("500")
        settle(breaker, is_alive=True)
        answer_about(breaker, other)

    assert breaker.state is BreakerState.CLOSED


def test_a_failed_probe_keeps_its_place_until_its_doubt_is_settled(
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
