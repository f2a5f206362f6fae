from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.resilience.limiters import LeakingCounter, Limiter, SlidingWindow

ASKS = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 40)), max_size=80)
NEARLY = 1e-6
"""Times are added up in floating point."""


def spend_in_time(limiter: Limiter, asks: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Spend each as soon as it may be, after its gap; return when, and the units."""
    now, spent = 1_000.0, []
    for gap, units in asks:
        now += gap
        while (free_at := limiter.free_at(units, now)) > now:
            now = free_at
        limiter.spend(units, now)
        spent.append((now, units))
    return spent


@given(amount=st.integers(0, 60), seconds=st.floats(0.5, 90), asks=ASKS)
def test_no_window_holds_more_than_the_amount(
    amount: int, seconds: float, asks: list[tuple[float, int]]
) -> None:
    spent = [one for one in spend_in_time(SlidingWindow(amount, seconds), asks) if one[1]]

    for start, _ in spent:
        within = [units for at, units in spent if start <= at < start + seconds - NEARLY]
        assert sum(within) <= amount or len(within) == 1


@given(cap=st.integers(1, 30), leak=st.floats(0.05, 5), asks=ASKS)
def test_level_of_a_leaking_counter_is_never_above_its_cap(
    cap: int, leak: float, asks: list[tuple[float, int]]
) -> None:
    spent = spend_in_time(LeakingCounter(cap, leak), asks)

    level, before = 0.0, 1_000.0
    for at, units in spent:
        level = max(0.0, level - (at - before) * leak) + units
        before = at
        assert level <= max(cap, units) + NEARLY


@pytest.mark.parametrize(
    "open_limiter",
    [lambda: SlidingWindow(20, 30), lambda: LeakingCounter(20, 0.7)],
    ids=["window", "counter"],
)
@given(asks=ASKS)
def test_what_is_waited_for_fits_and_not_much_sooner(
    open_limiter: Callable[[], Limiter], asks: list[tuple[float, int]]
) -> None:
    limiter, now = open_limiter(), 1_000.0
    for gap, units in asks:
        now += gap
        free_at = limiter.free_at(units, now)
        if free_at > now:
            sooner = now + (free_at - now) * 0.99
            assert limiter.free_at(units, sooner) > sooner
            assert limiter.free_at(units, free_at + NEARLY) <= free_at + NEARLY
            now = free_at + NEARLY
        limiter.spend(units, now)


@given(asks=ASKS, resized=st.lists(st.tuples(st.integers(0, 40), st.floats(1, 60)), max_size=5))
def test_resized_window_remembers_what_was_spent(
    asks: list[tuple[float, int]], resized: list[tuple[int, float]]
) -> None:
    window = SlidingWindow(20, 30)
    spent = spend_in_time(window, asks)
    now = max((at for at, _ in spent), default=1_000.0)
    for amount, seconds in resized:
        kept = window.used(now)
        window.resize(amount, seconds)
        assert window.used(now) <= kept
        assert window.free_at(1, now) <= now + seconds


def test_counter_leaks_in_a_straight_line() -> None:
    counter = LeakingCounter(20, 0.5)
    counter.spend(20, 0)

    levels = [counter.used(now) for now in range(0, 50, 10)]

    assert levels == [20, 15, 10, 5, 0]
    assert all(later < earlier for earlier, later in pairwise(levels))
