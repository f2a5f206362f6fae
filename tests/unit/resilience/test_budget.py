import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.resilience.budget import Budget, LocalBudget, WeightWindow
from reconciler.resilience.limits import LimitReading
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def window(clock: FakeClock) -> WeightWindow:
    """A window in which 100 may be spent."""
    return WeightWindow(200, 0.5, clock=clock)


def spend_when_allowed(window: WeightWindow, clock: FakeClock, weight: int) -> None:
    while wait_seconds := window.reserve(weight):
        clock.now += wait_seconds


def test_window_spends_up_to_its_share_at_once(window: WeightWindow) -> None:
    waits = [window.reserve(20) for _ in range(5)]

    assert waits == [0.0] * 5
    assert window.spent == 100


def test_window_returns_the_wait_until_weight_expires(
    window: WeightWindow, clock: FakeClock
) -> None:
    window.reserve(40)
    clock.now += 10
    window.reserve(60)
    clock.now += 5

    assert window.reserve(40) == 45
    assert window.reserve(41) == 55
    assert window.spent == 100


def test_refused_reservation_spends_no_weight(window: WeightWindow, clock: FakeClock) -> None:
    window.reserve(100)
    for _ in range(10):
        window.reserve(1)

    clock.now += 60

    assert window.reserve(100) == 0.0


def test_weight_above_the_whole_share_is_allowed_alone(
    window: WeightWindow, clock: FakeClock
) -> None:
    window.reserve(1)
    clock.now += 20
    assert window.reserve(150) == 40
    clock.now += 40

    assert window.reserve(150) == 0.0
    assert window.reserve(1) == 60


@given(
    share=st.floats(0.01, 1),
    asks=st.lists(st.tuples(st.floats(0, 70), st.integers(1, 300)), max_size=80),
)
def test_no_window_ever_holds_more_than_the_share(
    share: float, asks: list[tuple[float, int]]
) -> None:
    clock = FakeClock()
    window = WeightWindow(200, share, clock=clock)
    spent: list[tuple[float, int]] = []
    for gap, weight in asks:
        clock.now += gap
        spend_when_allowed(window, clock, weight)
        spent.append((clock.now, weight))

    for start, _ in spent:
        weights = [weight for at, weight in spent if start <= at < start + 60]
        assert sum(weights) <= math.floor(200 * share) or len(weights) == 1


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), min_size=1, max_size=40))
def test_waiting_as_long_as_returned_is_enough(
    asks: list[tuple[float, int]],
) -> None:
    clock = FakeClock()
    window = WeightWindow(200, 0.5, clock=clock)
    for gap, weight in asks:
        clock.now += gap
        wait_seconds = window.reserve(weight)
        if wait_seconds > 0:
            # The clock's rounding may leave a rest, which is waited out with the shortest wait.
            clock.now += wait_seconds + 0.001

            assert window.reserve(weight) == 0.0


def test_nothing_is_spent_during_a_pause(window: WeightWindow, clock: FakeClock) -> None:
    window.pause(30)
    clock.now += 10

    assert window.reserve(1) == 20
    assert window.paused_seconds == 20

    clock.now += 20

    assert window.reserve(1) == 0.0
    assert window.paused_seconds == 0.0


def test_longest_of_several_pauses_wins(window: WeightWindow) -> None:
    window.pause(10)
    window.pause(30)
    window.pause(20)

    assert window.paused_seconds == 30


def test_wait_is_never_too_short_for_the_clock(window: WeightWindow, clock: FakeClock) -> None:
    window.pause(1e-12)
    clock.now = math.nextafter(clock.now, 0)

    assert window.reserve(1) >= 0.001


@pytest.mark.parametrize(("used", "paused"), [(0, 0), (179, 0), (180, 60), (200, 60), (900, 60)])
def test_window_pauses_when_the_account_used_nearly_all(
    window: WeightWindow, used: int, paused: float
) -> None:
    window.observe(used)

    assert window.paused_seconds == paused


def test_window_pauses_only_until_the_minute_is_over(
    window: WeightWindow, clock: FakeClock
) -> None:
    window.observe(150)
    window.observe(5)
    clock.now += 25

    window.observe(190)

    assert window.paused_seconds == 35


def test_exchange_minutes_follow_each_other_without_gaps(
    window: WeightWindow, clock: FakeClock
) -> None:
    window.observe(150)
    window.observe(5)
    clock.now += 180 + 25

    window.observe(190)

    assert window.paused_seconds == 35


def test_answers_out_of_order_do_not_begin_a_minute(window: WeightWindow, clock: FakeClock) -> None:
    window.observe(150)
    window.observe(5)
    clock.now += 20
    window.observe(160)
    window.observe(140)

    window.observe(190)

    assert window.paused_seconds == 40


async def test_local_budget_waits_until_the_weight_may_be_spent(
    window: WeightWindow, clock: FakeClock
) -> None:
    budget: Budget = LocalBudget(window, sleep=clock.sleep)
    await budget.take({"weight": 100})

    await budget.take({"weight": 10})

    assert clock.now == 1_060
    assert window.spent == 10


async def test_local_budget_waits_until_a_pause_is_over(
    window: WeightWindow, clock: FakeClock
) -> None:
    budget = LocalBudget(window, sleep=clock.sleep)
    await budget.pause(7)

    await budget.take({"weight": 1})

    assert clock.now == 1_007


async def test_local_budget_records_the_used_weight(window: WeightWindow) -> None:
    await LocalBudget(window).observe(LimitReading(name="weight", used=200))

    assert window.paused_seconds == 60


async def test_local_budget_serves_requests_in_order(
    window: WeightWindow, clock: FakeClock
) -> None:
    budget = LocalBudget(window, sleep=clock.sleep)
    await budget.take({"weight": 50})
    served: list[int] = []

    async def ask(weight: int) -> None:
        await budget.take({"weight": weight})
        served.append(weight)

    async with asyncio.TaskGroup() as group:
        for weight in (90, 1, 2, 3):
            group.create_task(ask(weight))

    assert served == [90, 1, 2, 3]
