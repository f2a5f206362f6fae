from dataclasses import dataclass

from reconciler.resilience.breaker import BreakerSnapshot, BreakerState
from reconciler.supervisor.shard_health import RATE_SECONDS, Rate, Standing
from reconciler.workload import Trouble, TroubleKind

GONE = Trouble(kind=TroubleKind.EXCHANGE, message="it is gone", retry_after_seconds=8.0)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_that_of_the_last_ten_seconds_and_the_total_is_of_all_time() -> None:
    clock = Clock()
    rate = Rate(monotonic=clock)
    rate.add(30)
    clock.now += 6
    rate.add(50)

    assert (rate.total, rate.per_second) == (80, 80 / RATE_SECONDS)
    clock.now += 5
    assert (rate.total, rate.per_second) == (80, 50 / RATE_SECONDS)
    clock.now += 6
    assert (rate.total, rate.per_second) == (80, 0.0)


def test_a_new_shard_has_no_breaker_and_nothing_in_its_way() -> None:
    standing = Standing(monotonic=Clock())

    assert standing.breaker is None
    assert (standing.trouble, standing.trouble_age_seconds) == (None, None)
    assert not standing.is_in_trouble
    assert standing.held_back_seconds == 0


def test_a_shard_in_trouble_is_handed_nothing_until_that_is_worth_another_try() -> None:
    clock = Clock()
    standing = Standing(monotonic=clock)
    standing.note_trouble(GONE)

    clock.now += 5

    assert standing.is_in_trouble
    assert (standing.held_back_seconds, standing.trouble_age_seconds) == (3.0, 5.0)
    clock.now += 5
    assert standing.is_in_trouble
    assert standing.held_back_seconds == 0


def test_what_goes_well_ends_the_trouble_but_what_it_was_is_kept() -> None:
    clock = Clock()
    standing = Standing(monotonic=clock)
    standing.note_trouble(GONE)
    clock.now += 9

    standing.note_success()

    assert not standing.is_in_trouble
    assert (standing.trouble, standing.trouble_age_seconds) == (GONE, 9.0)


def test_an_open_breaker_goes_on_towards_its_probe_while_nobody_speaks_of_it() -> None:
    clock = Clock()
    standing = Standing(monotonic=clock)
    standing.note_breaker(BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=60))

    clock.now += 20

    assert standing.breaker == BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=40)
