from dataclasses import replace

import pytest

from reconciler.supervisor.dispatcher import (
    MAX_MISFITS,
    MAX_SYMBOL_ITEMS,
    Dispatcher,
    Eligibility,
)
from reconciler.supervisor.sharding import assign_buckets, bucket_of
from reconciler.workload import Batch, Chunk

from .builders import a_chunk, chunks_of

SHARDS = 4
TABLE = assign_buckets(SHARDS)


def symbol_of(shard: int, nth: int = 0) -> str:
    """Return the nth made-up symbol whose home is that shard."""
    names = (f"COIN{number}" for number in range(10_000))
    at_home = [name for name in names if TABLE[bucket_of(name)] == shard]
    return at_home[nth]


def assigned(dispatcher: Dispatcher, shard: int) -> Batch:
    batch = dispatcher.next_batch(shard)
    assert batch is not None
    return batch


def finish(dispatcher: Dispatcher, shard: int) -> None:
    """Finish the oldest batch that the shard's worker has in flight."""
    dispatcher.done(shard, next(iter(dispatcher.in_flight(shard))).number)


def with_ballast(dispatcher: Dispatcher, *chunks: Chunk) -> None:
    """Queue `chunks` while the last shard has so much in flight that none of them is hot."""
    dispatcher.add([a_chunk(symbol_of(SHARDS - 1, 9), 1000), *chunks], cycle=0)
    assigned(dispatcher, SHARDS - 1)


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(SHARDS, batch_size=10)


def test_a_symbol_goes_to_the_shard_of_its_bucket(dispatcher: Dispatcher) -> None:
    chunks = [a_chunk(symbol_of(shard)) for shard in range(SHARDS)]
    dispatcher.add(chunks, cycle=0)

    batches = [assigned(dispatcher, shard) for shard in range(SHARDS)]

    assert [batch.chunks for batch in batches] == [(chunk,) for chunk in chunks]


def test_a_batch_takes_chunks_up_to_its_size_and_cuts_none(dispatcher: Dispatcher) -> None:
    first, second, third = chunks_of(symbol_of(0), 3, items=4)
    with_ballast(dispatcher, first, second, third)

    assert assigned(dispatcher, 0).chunks == (first, second)
    finish(dispatcher, 0)
    assert assigned(dispatcher, 0).chunks == (third,)


def test_a_long_chunk_goes_whole_with_short_ones(
    dispatcher: Dispatcher,
) -> None:
    long, nine, two, one = (
        a_chunk(symbol_of(0, nth), items) for nth, items in enumerate((25, 9, 2, 1))
    )
    dispatcher.add([long, nine, two, one], cycle=0)

    assert assigned(dispatcher, 0).chunks == (long, nine, one)
    assert assigned(dispatcher, 0).chunks == (two,)


def test_a_batch_of_short_chunks_may_have_one_long_one(dispatcher: Dispatcher) -> None:
    short, long, longer = (
        a_chunk(symbol_of(0, nth), items) for nth, items in enumerate((4, 11, 25))
    )
    dispatcher.add([short, long, longer], cycle=0)

    assert assigned(dispatcher, 0).chunks == (short, long)
    assert assigned(dispatcher, 0).chunks == (longer,)


def test_a_batch_takes_all_chunks_of_one_long_symbol(dispatcher: Dispatcher) -> None:
    long = [*chunks_of(symbol_of(0), 2, items=25), a_chunk(symbol_of(0), 9)]
    other = a_chunk(symbol_of(0, 1), 10)
    with_ballast(dispatcher, *long, other)

    assert assigned(dispatcher, 0).chunks == (*long, other)


def test_a_batch_takes_a_bounded_part_of_a_longer_symbol() -> None:
    dispatcher = Dispatcher(1, batch_size=10)
    first, second, third = chunks_of("BTCUSDT", 3, items=MAX_SYMBOL_ITEMS // 2)
    dispatcher.add([first, second, third], cycle=0)

    assert assigned(dispatcher, 0).chunks == (first, second)
    assert assigned(dispatcher, 0).chunks == (third,)


def test_a_batch_is_full_when_many_symbols_did_not_fit() -> None:
    dispatcher = Dispatcher(1, batch_size=10)
    misfits = [a_chunk(f"COIN{number}", 2) for number in range(MAX_MISFITS)]
    dispatcher.add([a_chunk("BTCUSDT", 9), *misfits, a_chunk("ETHUSDT", 1)], cycle=0)

    assert keys_of(assigned(dispatcher, 0).chunks) == {"BTCUSDT"}


def test_a_batch_fills_up_with_a_later_symbol_that_fits(dispatcher: Dispatcher) -> None:
    six, five, four = (a_chunk(symbol_of(0, nth), items) for nth, items in enumerate((6, 5, 4)))
    dispatcher.add([six, five, four], cycle=0)

    assert assigned(dispatcher, 0).chunks == (six, four)


def test_a_batch_belongs_to_one_cycle(dispatcher: Dispatcher) -> None:
    earlier, later = a_chunk(symbol_of(0)), a_chunk(symbol_of(0))
    dispatcher.add([earlier], cycle=7)
    dispatcher.add([later], cycle=8)

    batch = assigned(dispatcher, 0)

    assert (batch.cycle, batch.chunks) == (7, (earlier,))


def test_there_is_no_batch_when_nothing_is_queued(dispatcher: Dispatcher) -> None:
    assert dispatcher.next_batch(0) is None
    assert [*dispatcher.in_flight(0)] == []


def test_an_idle_worker_takes_a_whole_symbol_from_the_longest_queue(dispatcher: Dispatcher) -> None:
    short = chunks_of(symbol_of(1), 1, items=3)
    long = [*chunks_of(symbol_of(2, 0), 2, items=2), *chunks_of(symbol_of(2, 1), 2, items=2)]
    with_ballast(dispatcher, *short, *long)

    batch = assigned(dispatcher, 0)

    assert batch.chunks == tuple(long[2:])
    assert assigned(dispatcher, 2).chunks == tuple(long[:2])


def test_an_idle_worker_takes_no_symbol_that_is_in_flight(dispatcher: Dispatcher) -> None:
    with_ballast(dispatcher, *chunks_of(symbol_of(0), 4, items=8))
    assigned(dispatcher, 0)

    assert dispatcher.next_batch(1) is None


def test_an_idle_worker_tries_the_next_queue_if_the_longest_is_busy(
    dispatcher: Dispatcher,
) -> None:
    spare = a_chunk(symbol_of(1))
    with_ballast(dispatcher, *chunks_of(symbol_of(0), 4, items=8), spare)
    assigned(dispatcher, 0)

    assert assigned(dispatcher, 2).chunks == (spare,)


def test_a_worker_whose_symbols_are_in_flight_takes_others(
    dispatcher: Dispatcher,
) -> None:
    lent, other = symbol_of(0), symbol_of(1)
    dispatcher.add([a_chunk(lent)], cycle=0)
    assigned(dispatcher, 3)
    dispatcher.add([a_chunk(lent), a_chunk(other)], cycle=0)

    assert [chunk.key for chunk in assigned(dispatcher, 0).chunks] == [other]


def test_a_hot_symbol_is_spread_over_all_shards(dispatcher: Dispatcher) -> None:
    hot = chunks_of(symbol_of(0), 8, items=10)
    dispatcher.add([*hot, *(a_chunk(symbol_of(shard, 1)) for shard in range(SHARDS))], cycle=0)

    batches = [assigned(dispatcher, shard) for shard in range(SHARDS)]

    assert [batch.chunks for batch in batches] == [(chunk,) for chunk in hot[:4]]


def test_an_idle_worker_takes_one_chunk_of_a_hot_symbol(dispatcher: Dispatcher) -> None:
    hot = chunks_of(symbol_of(0), 5, items=10)
    dispatcher.add(hot, cycle=0)
    assigned(dispatcher, 1)
    finish(dispatcher, 1)

    batch = assigned(dispatcher, 1)

    assert batch.chunks == (hot[0],)


def test_a_large_symbol_of_one_chunk_is_not_hot(dispatcher: Dispatcher) -> None:
    dispatcher.add([a_chunk(symbol_of(0), items=100)], cycle=0)

    assigned(dispatcher, 0)

    assert [dispatcher.next_batch(shard) for shard in (1, 2, 3)] == [None] * 3


def test_with_one_shard_nothing_is_hot() -> None:
    dispatcher = Dispatcher(1, batch_size=10)
    chunks = chunks_of("BTCUSDT", 3, items=2)
    dispatcher.add(chunks, cycle=0)

    assert assigned(dispatcher, 0).chunks == tuple(chunks)


def test_chunks_of_a_dead_worker_come_first_to_any_worker(dispatcher: Dispatcher) -> None:
    recovered, queued = a_chunk(symbol_of(0)), a_chunk(symbol_of(1))
    dispatcher.add([recovered, queued], cycle=3)
    dead = assigned(dispatcher, 0)
    finish(dispatcher, 0)

    dispatcher.requeue_urgent(dead.chunks, dead.cycle)

    again = assigned(dispatcher, 1)
    assert (again.cycle, again.chunks) == (dead.cycle, dead.chunks)
    finish(dispatcher, 1)
    assert assigned(dispatcher, 1).chunks == (queued,)


def test_suspect_chunks_are_tried_again_one_at_a_time(
    dispatcher: Dispatcher,
) -> None:
    suspects = [replace(a_chunk(symbol_of(0, nth)), crashes=1) for nth in range(3)]
    dispatcher.add([a_chunk(symbol_of(0, 4))], cycle=0)

    dispatcher.requeue_urgent(suspects, cycle=0)

    assert [assigned(dispatcher, shard).chunks for shard in range(3)] == [
        (chunk,) for chunk in suspects
    ]


@pytest.mark.parametrize("is_recovered", [True, False], ids=["recovered", "queued"])
def test_a_suspect_chunk_waits_for_a_worker_with_nothing_else(
    dispatcher: Dispatcher, *, is_recovered: bool
) -> None:
    suspect = replace(a_chunk(symbol_of(0)), crashes=1)
    dispatcher.add([suspect] if not is_recovered else [], cycle=0)
    dispatcher.requeue_urgent([suspect] if is_recovered else [], cycle=0)
    dispatcher.add([a_chunk(symbol_of(0, 1))], cycle=0)

    assert dispatcher.next_batch(0, Eligibility(may_take_suspects=False)) is None
    assert dispatcher.queued_items() == 2
    assert assigned(dispatcher, 0).chunks == (suspect,)


def test_a_worker_limited_to_a_cycle_gets_nothing_of_another(
    dispatcher: Dispatcher,
) -> None:
    first, second = a_chunk(symbol_of(0)), a_chunk(symbol_of(0, 1))
    dispatcher.add([first, second], cycle=2)

    assert dispatcher.next_batch(0, Eligibility(cycles={1})) is None
    batch = dispatcher.next_batch(0, Eligibility(cycles={2}))
    assert batch is not None
    assert batch.chunks == (first, second)


def test_chunks_that_a_worker_returned_are_its_next(dispatcher: Dispatcher) -> None:
    unfinished, waiting = chunks_of(symbol_of(0), 2, items=10)
    dispatcher.add([unfinished, waiting], cycle=0)
    batch = assigned(dispatcher, 0)
    finish(dispatcher, 0)

    dispatcher.requeue_front(0, batch.chunks, batch.cycle)

    assert assigned(dispatcher, 0).chunks == (unfinished,)


def test_a_second_try_comes_last_and_is_marked(dispatcher: Dispatcher) -> None:
    locked, waiting = a_chunk(symbol_of(0), 10), a_chunk(symbol_of(0, 1), 10)
    dispatcher.add([locked, waiting], cycle=0)
    assigned(dispatcher, 0)
    finish(dispatcher, 0)

    dispatcher.requeue_back(0, [locked], cycle=0)

    assert assigned(dispatcher, 0).chunks == (waiting,)
    finish(dispatcher, 0)
    assert assigned(dispatcher, 0).chunks == (replace(locked, is_second_try=True),)


def test_queued_and_in_flight_items_are_under_way(dispatcher: Dispatcher) -> None:
    in_flight, queued, recovered = (a_chunk(symbol_of(shard), 2) for shard in range(3))
    dispatcher.add([in_flight, queued], cycle=0)
    assigned(dispatcher, 0)
    dispatcher.requeue_urgent([recovered], cycle=0)

    under_way = dispatcher.ids_under_way()

    assert under_way == {
        item.id for chunk in (in_flight, queued, recovered) for item in chunk.items
    }
    assert dispatcher.queued_items() == 4


def keys_of(chunks: tuple[Chunk, ...]) -> set[str]:
    return {chunk.key for chunk in chunks}


def test_two_symbols_of_one_shard_can_be_in_flight_at_once(dispatcher: Dispatcher) -> None:
    first, second = symbol_of(0, 0), symbol_of(0, 1)
    dispatcher.add([a_chunk(first, 10), a_chunk(second, 10)], cycle=0)

    assert keys_of(assigned(dispatcher, 0).chunks) == {first}
    assert keys_of(assigned(dispatcher, 1).chunks) == {second}


def test_a_worker_may_finish_its_batches_in_any_order(
    dispatcher: Dispatcher,
) -> None:
    with_ballast(dispatcher, *chunks_of(symbol_of(0), 3, items=10))
    first, second, third = (assigned(dispatcher, 0) for _ in range(3))

    assert dispatcher.done(0, second.number) == second

    assert [*dispatcher.in_flight(0)] == [first, third]
    assert dispatcher.cycle_of(0, third.number) == 0


def test_nothing_is_taken_over_from_a_shard_that_is_blocked(dispatcher: Dispatcher) -> None:
    blocked, free = a_chunk(symbol_of(1), 5), a_chunk(symbol_of(2), 2)
    with_ballast(dispatcher, blocked, free)

    assert dispatcher.queued_items(but={1}) == 2
    assert dispatcher.next_batch(0, Eligibility(blocked_shards={1, 2})) is None
    assert assigned(dispatcher, 2).chunks == (free,)
    assert dispatcher.next_batch(0, Eligibility(blocked_shards={1})) is None
    assert assigned(dispatcher, 1).chunks == (blocked,)


def test_queued_chunks_are_dropped_and_batches_in_flight_stay(
    dispatcher: Dispatcher,
) -> None:
    dispatcher.add([a_chunk(symbol_of(0), 10), a_chunk(symbol_of(1), 3)], cycle=1)
    dispatcher.add([a_chunk(symbol_of(2), 4)], cycle=2)
    dispatcher.requeue_urgent([a_chunk(symbol_of(3), 2)], cycle=2)
    in_flight = assigned(dispatcher, 0)

    dropped = dispatcher.drop_queued()

    assert dropped.total() + in_flight.size == 19
    assert dispatcher.queued_items() == 0
    assert [*dispatcher.in_flight(0)] == [in_flight]


def test_a_shard_leaves_what_crashed_its_worker_to_another(dispatcher: Dispatcher) -> None:
    suspect = replace(a_chunk(symbol_of(0)), crashes=1, crashed_in=frozenset({0}))
    dispatcher.requeue_urgent([suspect], cycle=0)
    dispatcher.add([a_chunk(symbol_of(0, 1))], cycle=0)

    assert dispatcher.next_batch(0, Eligibility(skips_own_crashes=True)) is None
    batch = dispatcher.next_batch(1, Eligibility(skips_own_crashes=True))
    assert batch is not None
    assert batch.chunks == (suspect,)


@pytest.mark.parametrize(
    ("eligibility", "crashes", "expected"),
    [
        pytest.param(Eligibility(), 1, True, id="anything"),
        pytest.param(Eligibility(cycles={5}), 0, True, id="of its cycle"),
        pytest.param(Eligibility(cycles={4, 6}), 0, False, id="of another cycle"),
        pytest.param(Eligibility(may_take_suspects=False), 0, True, id="no suspect"),
        pytest.param(Eligibility(may_take_suspects=False), 1, False, id="a suspect"),
    ],
)
def test_a_chunk_is_allowed_by_its_cycle_and_its_crashes(
    eligibility: Eligibility, crashes: int, *, expected: bool
) -> None:
    assert eligibility.allows(cycle=5, chunk=a_chunk(crashes=crashes)) is expected
