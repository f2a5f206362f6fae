import random
from datetime import timedelta

import pytest

from reconciler.supervisor.restarts import (
    RestartBackoff,
    RestartBackoffs,
    RestartDecision,
    RestartPolicy,
    restart_delay,
)
from tests.fakes import FakeClock

POLICY = RestartPolicy(initial=timedelta(milliseconds=100), cap=timedelta(seconds=5))


class Longest(random.Random):
    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - Random's signature
        return b


def test_the_first_death_is_an_accident_and_waits_for_nothing() -> None:
    assert restart_delay(1, POLICY, Longest()) == timedelta(0)


@pytest.mark.parametrize(
    ("deaths", "milliseconds"),
    [(2, 100), (3, 200), (4, 400), (7, 3200), (8, 5000), (9, 5000), (10_000, 5000)],
)
def test_the_wait_doubles_up_to_the_cap(deaths: int, milliseconds: int) -> None:
    delay = restart_delay(deaths, POLICY, Longest())

    assert delay == timedelta(milliseconds=milliseconds)


def test_workers_that_died_together_are_not_started_together() -> None:
    rng = random.Random(1)  # noqa: S311 - jitter, no secret

    delays = {restart_delay(5, POLICY, rng) for _ in range(20)}

    assert len(delays) == 20
    assert min(delays) >= timedelta(milliseconds=400)
    assert max(delays) <= timedelta(milliseconds=800)


def a_backoff() -> tuple[RestartBackoff, FakeClock]:
    clock = FakeClock()
    return RestartBackoff(RestartPolicy(), Longest(), clock), clock


def test_a_shard_is_parked_after_its_restarts_are_used_up() -> None:
    backoff, _ = a_backoff()

    follows = [backoff.record_death() for _ in range(6)]

    assert [one.is_parked for one in follows] == [False] * 5 + [True]
    assert follows[-1].delay == timedelta(seconds=60)


def test_deaths_older_than_the_window_are_forgotten() -> None:
    backoff, clock = a_backoff()

    for _ in range(20):
        clock.now += 13
        assert not backoff.record_death().is_parked
    assert backoff.recent == 5


def test_a_death_on_trial_parks_again_for_twice_as_long_up_to_the_cap() -> None:
    backoff, clock = a_backoff()
    follows = [backoff.record_death() for _ in range(6)][-1]
    parks = []

    for _ in range(6):
        clock.now += follows.delay.total_seconds() + 1
        follows = backoff.record_death()
        assert follows.is_parked
        parks.append(follows.delay.total_seconds())

    assert parks == [120, 240, 480, 900, 900, 900]


def test_a_shard_that_lived_through_its_trial_is_trusted_again() -> None:
    backoff, clock = a_backoff()
    follows = [backoff.record_death() for _ in range(6)][-1]

    clock.now += follows.delay.total_seconds() + 61

    assert backoff.record_death() == RestartDecision(delay=timedelta(0))


def test_a_new_policy_holds_from_the_next_death_on() -> None:
    backoff, _ = a_backoff()
    backoff.record_death()

    backoff.policy = RestartPolicy(most=1, park=timedelta(seconds=5))

    assert backoff.record_death() == RestartDecision(delay=timedelta(seconds=5), is_parked=True)


def test_each_shard_has_a_backoff_of_its_own() -> None:
    backoffs = RestartBackoffs(RestartPolicy(most=1))
    backoffs.of(0).record_death()

    assert backoffs.of(0).record_death().is_parked
    assert not backoffs.of(1).record_death().is_parked


def test_a_new_policy_holds_for_old_and_new_shards() -> None:
    backoffs = RestartBackoffs(RestartPolicy())
    backoffs.of(0)

    backoffs.set_policy(RestartPolicy(most=0))

    assert [backoffs.of(shard).record_death().is_parked for shard in (0, 1)] == [True, True]


def test_a_shard_that_was_gone_begins_without_deaths() -> None:
    backoffs = RestartBackoffs(RestartPolicy())
    for shard in (0, 1):
        backoffs.of(shard).record_death()

    backoffs.keep_only([0])

    assert [backoffs.of(shard).recent for shard in (0, 1)] == [1, 0]
