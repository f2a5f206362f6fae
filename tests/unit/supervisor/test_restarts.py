import random
from datetime import timedelta

import pytest

from reconciler.supervisor.restarts import RestartPolicy, restart_delay

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
