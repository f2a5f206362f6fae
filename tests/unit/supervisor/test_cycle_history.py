from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from reconciler.errors import StoreUnavailable
from reconciler.supervisor.cycle_history import CYCLES_KEPT, HOUR_SECONDS, CycleHistory
from reconciler.telemetry.health import LastHour
from reconciler.workload import Counts, Cycle, Page, Planner
from tests.fakes import FakeClock


@dataclass
class Record(Planner):
    """A record of cycles that can be away; `hour` is what it says."""

    hour: LastHour | None = None
    is_away: bool = False
    written: list[Cycle] = field(default_factory=list)

    def plan(self, limit: int, after: Hashable | None) -> Page:
        raise NotImplementedError

    def record(self, cycle: Cycle) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.written.append(cycle)

    def last_hour(self) -> LastHour | None:
        return self.hour


BEFORE = LastHour(
    scanned=1000, discrepancies=298, errors=7, last_run_age_seconds=90, last_duration_ms=700
)


def a_cycle(scanned: int = 1, discrepancies: int = 0) -> Cycle:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    counts = Counts(scanned=scanned, discrepancies=discrepancies)
    return Cycle(started_at=at, finished_at=at, duration_ms=5, counts=counts)


def test_before_the_first_cycle_the_last_hour_is_empty() -> None:
    history = CycleHistory(FakeClock())

    assert history.cycles == ()
    assert history.last_hour == LastHour()


def test_the_last_cycles_are_kept_the_newest_first() -> None:
    history = CycleHistory(FakeClock())

    for number in range(CYCLES_KEPT + 3):
        history.add(a_cycle(number))

    scanned = [cycle.counts.scanned for cycle in history.cycles]
    assert scanned == list(range(CYCLES_KEPT + 2, 2, -1))


def test_the_age_is_that_of_the_last_cycle() -> None:
    clock = FakeClock()
    history = CycleHistory(clock)
    history.add(a_cycle())
    clock.now += 10
    history.add(a_cycle())

    clock.now += 7

    assert history.last_hour.last_run_age_seconds == 7


def test_a_restart_knows_the_hour_that_was_recorded_before_it() -> None:
    clock = FakeClock()
    history = CycleHistory(clock)

    history.write(Record(hour=BEFORE))
    clock.now += 5

    hour = history.last_hour
    assert (hour.scanned, hour.discrepancies, hour.errors) == (1000, 298, 7)
    assert (hour.last_run_age_seconds, hour.last_duration_ms) == (95, 700)


def test_an_unrecorded_cycle_is_counted_once() -> None:
    history, record = CycleHistory(FakeClock()), Record(hour=BEFORE)
    history.write(record)

    history.add(a_cycle(10, discrepancies=1))
    before = history.last_hour
    record.hour = LastHour(scanned=1010, discrepancies=299)
    history.write(record)

    assert (before.scanned, before.discrepancies) == (1010, 299)
    assert (history.last_hour.scanned, history.last_hour.discrepancies) == (1010, 299)


def test_a_cycle_that_was_not_recorded_is_recorded_with_the_next() -> None:
    history, record = CycleHistory(FakeClock()), Record(hour=BEFORE, is_away=True)
    history.write(record)
    history.add(a_cycle(10))
    with pytest.raises(StoreUnavailable):
        history.write(record)
    history.add(a_cycle(5))

    assert history.last_hour.scanned == 1015
    record.is_away = False
    history.write(record)
    history.write(record)

    assert [cycle.counts.scanned for cycle in record.written] == [10, 5]


def test_where_nothing_is_recorded_the_hour_is_this_supervisors() -> None:
    clock = FakeClock()
    history, record = CycleHistory(clock), Record()

    for _ in range(100):
        history.add(a_cycle(2))
        history.write(record)
        clock.now += 15
    assert history.last_hour.scanned == 200

    clock.now += HOUR_SECONDS - 750
    assert history.last_hour.scanned == 100
    clock.now += HOUR_SECONDS
    assert history.last_hour.scanned == 0
    history.add(a_cycle(3))
    assert history.last_hour.scanned == 3


def test_a_record_read_more_than_an_hour_ago_counts_no_more() -> None:
    clock = FakeClock()
    history = CycleHistory(clock)
    history.write(Record(hour=BEFORE))

    clock.now += HOUR_SECONDS + 1

    hour = history.last_hour
    assert (hour.scanned, hour.discrepancies, hour.errors) == (0, 0, 0)
    assert hour.last_run_age_seconds == 90 + HOUR_SECONDS + 1


def test_unrecorded_cycles_of_the_first_sync_count_for_it() -> None:
    history = CycleHistory(FakeClock())
    history.write(Record(hour=LastHour(is_first_sync=True)))

    history.add(a_cycle(10, discrepancies=9))

    hour = history.last_hour
    assert (hour.first_sync_scanned, hour.first_sync_discrepancies) == (10, 9)


def test_the_slowest_cycle_counts_and_the_weight_of_all() -> None:
    history = CycleHistory(FakeClock())
    history.write(Record(hour=LastHour(weight=7, slowest_duration_ms=4000)))
    slow = replace(a_cycle(), duration_ms=9000, counts=Counts(scanned=1, weight=5))

    history.add(slow)
    history.add(a_cycle())

    assert history.last_hour.slowest_duration_ms == 9000
    assert (history.last_hour.last_duration_ms, history.last_hour.weight) == (5, 12)


def test_a_cycle_that_another_host_finished_since_is_the_last_run() -> None:
    clock = FakeClock()
    history, record = CycleHistory(clock), Record(hour=BEFORE)
    history.add(a_cycle())
    clock.now += 100

    history.write(record)

    assert history.last_hour.last_run_age_seconds == 90


def test_asking_for_the_hour_changes_nothing() -> None:
    history = CycleHistory(FakeClock())
    history.add(a_cycle(3))

    first, second = history.last_hour, history.last_hour

    assert first == second
    assert first.scanned == 3


def test_a_cycle_with_nothing_to_do_is_due_once_a_second_at_most() -> None:
    clock = FakeClock()
    history = CycleHistory(clock)

    due = [history.is_due]
    history.add(a_cycle(0))
    due.append(history.is_due)
    clock.now += 1
    due.append(history.is_due)

    assert due == [True, False, True]
