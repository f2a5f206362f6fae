from datetime import UTC, datetime

from reconciler.supervisor.cycle import OpenCycle
from reconciler.worker.workload import Tally


class FakeClock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_cycle_is_done_when_its_last_item_has_come_back() -> None:
    cycle = OpenCycle(3)

    cycle.count(Tally(scanned=2), finished_items=2)
    assert not cycle.is_done
    cycle.count(Tally(scanned=1), finished_items=1)

    assert cycle.is_done


def test_a_cycle_of_nothing_is_done_at_once() -> None:
    assert OpenCycle(0).is_done


def test_the_record_adds_up_all_batches_and_is_timed_by_the_monotonic_clock() -> None:
    clock = FakeClock()
    began = datetime.now(UTC)
    cycle = OpenCycle(5, monotonic=clock)
    cycle.count(Tally(scanned=2, reconciled=2, weight=20), finished_items=2)
    cycle.count(Tally(scanned=3, reconciled=1, errors=2, weight=4), finished_items=3)
    clock.now += 1.25

    record = cycle.finish()

    assert record.tally == Tally(scanned=5, reconciled=3, errors=2, weight=24)
    assert record.duration_ms == 1250
    assert began <= record.started_at <= record.finished_at


def test_what_comes_back_for_another_try_keeps_the_cycle_open() -> None:
    cycle = OpenCycle(2)

    cycle.count(Tally(scanned=2, skipped_locked=1), finished_items=1)

    assert not cycle.is_done
