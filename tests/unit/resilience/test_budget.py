import asyncio

import pytest

from reconciler.resilience.budget import Budget, LocalBudget
from reconciler.resilience.limits import LimitReading
from reconciler.resilience.rate_limits import RateLimits
from tests.fakes import FakeClock, weight_limit


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> RateLimits:
    """Limits of which 100 a minute may be spent."""
    return RateLimits(weight_limit(200), 0.5, clock=clock)


async def test_local_budget_waits_until_the_weight_may_be_spent(
    limits: RateLimits, clock: FakeClock
) -> None:
    budget: Budget = LocalBudget(limits, sleep=clock.sleep)
    await budget.take({"weight": 100})

    await budget.take({"weight": 10})

    assert clock.now == 1_060
    assert [use.used for use in limits.uses] == [10]


async def test_local_budget_waits_until_a_pause_is_over(
    limits: RateLimits, clock: FakeClock
) -> None:
    budget = LocalBudget(limits, sleep=clock.sleep)
    await budget.pause(7)

    await budget.take({"weight": 1})

    assert clock.now == 1_007


async def test_local_budget_records_the_used_weight(limits: RateLimits) -> None:
    await LocalBudget(limits).observe(LimitReading(name="weight", used=200))

    assert limits.paused_seconds == 60


async def test_local_budget_serves_requests_in_order(limits: RateLimits, clock: FakeClock) -> None:
    budget = LocalBudget(limits, sleep=clock.sleep)
    await budget.take({"weight": 50})
    served: list[int] = []

    async def ask(weight: int) -> None:
        await budget.take({"weight": weight})
        served.append(weight)

    async with asyncio.TaskGroup() as group:
        for weight in (90, 1, 2, 3):
            group.create_task(ask(weight))

    assert served == [90, 1, 2, 3]
