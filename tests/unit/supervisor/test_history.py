from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.supervisor.history import CYCLES_KEPT, HOUR_SECONDS, SLOT_SECONDS, History
from reconciler.worker.workload import Cycle, Tally


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def a_cycle(scanned: int = 1) -> Cycle:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Cycle(started_at=at, finished_at=at, duration_ms=5, tally=Tally(scanned=scanned))


def test_before_the_first_cycle_there_is_nothing_to_tell() -> None:
    history = History(Clock())

    assert history.cycles == ()
    assert history.last_age_seconds is None
    assert history.last_hour == Tally()


def test_the_last_cycles_are_kept_the_newest_first() -> None:
    history = History(Clock())

    for number in range(CYCLES_KEPT + 3):
        history.add(a_cycle(number))

    scanned = [cycle.tally.scanned for cycle in history.cycles]
    assert scanned == list(range(CYCLES_KEPT + 2, 2, -1))


def test_the_age_is_that_of_the_last_cycle() -> None:
    clock = Clock()
    history = History(clock)
    history.add(a_cycle())
    clock.now += 10
    history.add(a_cycle())

    clock.now += 7

    assert history.last_age_seconds == 7


def test_an_hours_sum_has_all_its_cycles_also_those_that_are_not_kept() -> None:
    clock = Clock()
    history = History(clock)

    for _ in range(100):
        history.add(a_cycle(2))
        clock.now += SLOT_SECONDS / 4

    assert history.last_hour == Tally(scanned=200)


def test_what_is_older_than_an_hour_is_forgotten_minute_by_minute() -> None:
    clock = Clock()
    history = History(clock)
    history.add(a_cycle(1))
    clock.now += SLOT_SECONDS / 2
    history.add(a_cycle(10))
    clock.now += SLOT_SECONDS / 2
    history.add(a_cycle(100))

    clock.now += HOUR_SECONDS - SLOT_SECONDS
    assert history.last_hour == Tally(scanned=111)
    clock.now += 1
    assert history.last_hour == Tally(scanned=100)
    clock.now += SLOT_SECONDS
    assert history.last_hour == Tally()


def test_asking_for_the_hour_changes_nothing() -> None:
    history = History(Clock())
    history.add(a_cycle(3))

    first, second = history.last_hour, history.last_hour

    assert first == second == history.cycles[0].tally
