from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from reconciler.supervisor.cycle import OpenCycle, group_by_cost
from reconciler.supervisor.halt import sample_of
from reconciler.workload import AnomalyStats, Batch, Chunk, Counts
from tests.fakes import FakeClock

from .builders import Item, a_chunk


def test_a_cycle_is_done_when_its_last_item_is_finished() -> None:
    cycle = OpenCycle(0, 3)

    cycle.count(Counts(scanned=2), finished_items=2)
    assert not cycle.is_done
    cycle.count(Counts(scanned=1), finished_items=1)

    assert cycle.is_done


def test_a_cycle_of_nothing_is_done_at_once() -> None:
    assert OpenCycle(0, 0).is_done


def test_the_record_of_a_cycle_has_the_counts_of_all_batches() -> None:
    clock = FakeClock()
    began = datetime.now(UTC)
    cycle = OpenCycle(0, 5, monotonic=clock)
    cycle.count(Counts(scanned=2, reconciled=2, weight=20), finished_items=2)
    cycle.count(Counts(scanned=3, reconciled=1, errors=2, weight=4), finished_items=3)
    clock.now += 1.25

    record = cycle.finish()

    assert record.counts == Counts(scanned=5, reconciled=3, errors=2, weight=24)
    assert record.duration_ms == 1250
    assert began <= record.started_at <= record.finished_at


def test_failures_of_an_unfinished_cycle_are_recorded_once() -> None:
    clock = FakeClock()
    cycle = OpenCycle(0, 5, monotonic=clock)
    cycle.count(Counts(scanned=3, reconciled=1, errors=2), finished_items=3)
    assert cycle.finish_part() is None
    clock.now += 10

    part = cycle.finish_part()
    again = cycle.finish_part()
    clock.now += 120
    nothing_failed = cycle.finish_part()
    cycle.count(Counts(scanned=2, reconciled=2), finished_items=2)
    rest = cycle.finish()

    assert part is not None
    assert (part.counts.errors, part.duration_ms) == (2, 10_000)
    assert (again, nothing_failed) == (None, None)
    assert rest.counts == Counts(scanned=2, reconciled=2)
    assert rest.duration_ms == 120_000
    assert cycle.age_seconds == 130


def test_items_that_are_queued_again_keep_the_cycle_open() -> None:
    cycle = OpenCycle(0, 2)

    cycle.count(Counts(scanned=2, skipped_locked=1), finished_items=1)

    assert not cycle.is_done


def a_batch(number: int) -> Batch:
    return Batch(number=number, cycle=0, chunks=(a_chunk(),))


def test_a_prepared_batch_is_taken_once_for_the_verdict() -> None:
    cycle = OpenCycle(0, 2)
    cycle.begin_batch(a_batch(4))
    began = cycle.is_preparing
    cycle.end_preparation(4, 1, AnomalyStats(examined=1))

    assert (began, cycle.is_preparing) == (True, False)

    assert cycle.take_prepared() == {1: [4]}
    assert cycle.take_prepared() == {}


def test_the_stats_of_all_batches_are_added() -> None:
    cycle = OpenCycle(0, 9)
    for number, suspicious in enumerate((0, 2, 1)):
        cycle.begin_batch(a_batch(number))
        cycle.end_preparation(number, 0, AnomalyStats(examined=3, suspicious=suspicious))

    assert cycle.stats == AnomalyStats(examined=9, suspicious=3)


def test_the_batches_of_a_dead_worker_wait_for_no_verdict() -> None:
    cycle = OpenCycle(0, 3)
    for number in (0, 1, 2):
        cycle.begin_batch(a_batch(number))
    cycle.end_preparation(0, 0, AnomalyStats())
    cycle.end_preparation(1, 1, AnomalyStats())

    cycle.forget_batch(0)
    cycle.forget_batch(2)

    assert not cycle.is_preparing
    assert cycle.take_prepared() == {1: [1]}


CHUNKS = st.lists(
    st.builds(
        lambda key, items, cost: Chunk(
            key=key, items=tuple(Item(number) for number in range(items)), cost=cost
        ),
        st.sampled_from(["BTC", "ETH"]),
        st.integers(1, 30),
        st.integers(0, 20),
    ),
    max_size=20,
)


@given(chunks=CHUNKS, most=st.integers(1, 40))
def test_a_page_is_cut_into_cycles_within_their_cost(chunks: list[Chunk], most: int) -> None:
    groups = list(group_by_cost(chunks, most))

    assert [chunk for group in groups for chunk in group] == chunks
    assert all(len(group) == 1 or sum(chunk.cost for chunk in group) <= most for group in groups)


def test_a_symbol_is_not_divided_between_two_cycles_if_one_can_take_it() -> None:
    first, *neighbours = (
        Chunk(key=key, items=(Item(0),), cost=cost)
        for key, cost in (("BTC", 20), ("ETH", 20), ("ETH", 20), ("XRP", 20))
    )

    assert list(group_by_cost([first, *neighbours], 50)) == [
        [first],
        neighbours[:2],
        neighbours[2:],
    ]


@given(chunks=CHUNKS, size=st.integers(1, 40))
def test_a_sample_has_at_most_the_items_asked_for(chunks: list[Chunk], size: int) -> None:
    sample = sample_of(chunks, size)

    assert sum(len(chunk.items) for chunk in sample) <= size
    assert bool(sample) == bool(chunks)
    for chunk, whole in zip(sample, chunks, strict=False):
        assert {*chunk.items} <= {*whole.items}
        assert chunk.items


def test_a_sample_is_spread_over_the_whole_chunk() -> None:
    (sample,) = sample_of([a_chunk(items=1000)], 10)

    numbers = [item.id - sample.items[0].id for item in sample.items]
    assert numbers == list(range(0, 1000, 100))


def test_only_the_last_finished_cycle_of_a_sweep_ends_it() -> None:
    whole, cut_short = OpenCycle(0, 1, ends_sweep=True), OpenCycle(1, 2, ends_sweep=True)
    sample, amid = OpenCycle(2, 1, ends_sweep=True, is_sample=True), OpenCycle(3, 1)

    for cycle in (whole, cut_short, sample, amid):
        cycle.count(Counts(scanned=1), finished_items=1)

    ending = [cycle.finish().ends_sweep for cycle in (whole, cut_short, sample, amid)]
    assert ending == [True, False, False, False]
