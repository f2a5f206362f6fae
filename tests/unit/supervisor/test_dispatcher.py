from dataclasses import replace

import pytest

from reconciler.supervisor.dispatcher import Dispatch
from reconciler.supervisor.sharding import assign_buckets, bucket_of
from reconciler.workload import Batch, Run

from .builders import a_run, runs_of

SHARDS = 4
TABLE = assign_buckets(SHARDS)


def symbol_of(shard: int, nth: int = 0) -> str:
    """Return the nth made-up symbol whose home is that shard."""
    names = (f"COIN{number}" for number in range(10_000))
    at_home = [name for name in names if TABLE[bucket_of(name)] == shard]
    return at_home[nth]


def handed(dispatch: Dispatch, shard: int) -> Batch:
    batch = dispatch.hand_out(shard)
    assert batch is not None
    return batch


def finish(dispatch: Dispatch, shard: int) -> None:
    """Let the shard's worker finish the oldest of what it has in hand."""
    dispatch.done(shard, next(iter(dispatch.in_hand(shard))).number)


def with_ballast(dispatch: Dispatch, *runs: Run) -> None:
    """Queue `runs` beside so much in the last shard's hand that none of them is hot."""
    dispatch.add([a_run(symbol_of(SHARDS - 1, 9), 1000), *runs], cycle=0)
    handed(dispatch, SHARDS - 1)


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch(SHARDS, batch_size=10)


def test_a_symbol_goes_to_the_shard_of_its_bucket(dispatch: Dispatch) -> None:
    runs = [a_run(symbol_of(shard)) for shard in range(SHARDS)]
    dispatch.add(runs, cycle=0)

    batches = [handed(dispatch, shard) for shard in range(SHARDS)]

    assert [batch.runs for batch in batches] == [(run,) for run in runs]


def test_a_batch_takes_runs_up_to_its_size_and_cuts_none(dispatch: Dispatch) -> None:
    first, second, third = runs_of(symbol_of(0), 3, items=4)
    with_ballast(dispatch, first, second, third)

    assert handed(dispatch, 0).runs == (first, second)
    finish(dispatch, 0)
    assert handed(dispatch, 0).runs == (third,)


def test_a_run_longer_than_a_batch_goes_whole_and_takes_short_ones_along(
    dispatch: Dispatch,
) -> None:
    long, nine, two, one = (
        a_run(symbol_of(0, nth), items) for nth, items in enumerate((25, 9, 2, 1))
    )
    dispatch.add([long, nine, two, one], cycle=0)

    assert handed(dispatch, 0).runs == (long, nine, one)
    assert handed(dispatch, 0).runs == (two,)


def test_short_runs_take_one_long_one_along(dispatch: Dispatch) -> None:
    short, long, longer = (a_run(symbol_of(0, nth), items) for nth, items in enumerate((4, 11, 25)))
    dispatch.add([short, long, longer], cycle=0)

    assert handed(dispatch, 0).runs == (short, long)
    assert handed(dispatch, 0).runs == (longer,)


def test_a_batch_fills_up_with_a_later_symbol_that_fits(dispatch: Dispatch) -> None:
    six, five, four = (a_run(symbol_of(0, nth), items) for nth, items in enumerate((6, 5, 4)))
    dispatch.add([six, five, four], cycle=0)

    assert handed(dispatch, 0).runs == (six, four)


def test_a_batch_belongs_to_one_cycle(dispatch: Dispatch) -> None:
    earlier, later = a_run(symbol_of(0)), a_run(symbol_of(0))
    dispatch.add([earlier], cycle=7)
    dispatch.add([later], cycle=8)

    batch = handed(dispatch, 0)

    assert (batch.cycle, batch.runs) == (7, (earlier,))


def test_there_is_nothing_to_hand_out_when_nothing_is_queued(dispatch: Dispatch) -> None:
    assert dispatch.hand_out(0) is None
    assert [*dispatch.in_hand(0)] == []


def test_an_idle_worker_takes_a_whole_symbol_from_the_longest_queue(dispatch: Dispatch) -> None:
    short = runs_of(symbol_of(1), 1, items=3)
    long = [*runs_of(symbol_of(2, 0), 2, items=2), *runs_of(symbol_of(2, 1), 2, items=2)]
    with_ballast(dispatch, *short, *long)

    batch = handed(dispatch, 0)

    assert batch.runs == tuple(long[2:])
    assert handed(dispatch, 2).runs == tuple(long[:2])


def test_an_idle_worker_leaves_a_symbol_alone_that_another_works_on(dispatch: Dispatch) -> None:
    with_ballast(dispatch, *runs_of(symbol_of(0), 4, items=8))
    handed(dispatch, 0)

    assert dispatch.hand_out(1) is None


def test_an_idle_worker_looks_further_when_the_longest_queue_has_nothing_to_spare(
    dispatch: Dispatch,
) -> None:
    spare = a_run(symbol_of(1))
    with_ballast(dispatch, *runs_of(symbol_of(0), 4, items=8), spare)
    handed(dispatch, 0)

    assert handed(dispatch, 2).runs == (spare,)


def test_a_worker_whose_own_symbols_are_in_other_hands_takes_from_others(
    dispatch: Dispatch,
) -> None:
    lent, other = symbol_of(0), symbol_of(1)
    dispatch.add([a_run(lent)], cycle=0)
    handed(dispatch, 3)
    dispatch.add([a_run(lent), a_run(other)], cycle=0)

    assert [run.key for run in handed(dispatch, 0).runs] == [other]


def test_a_hot_symbol_is_dealt_out_to_all_shards(dispatch: Dispatch) -> None:
    hot = runs_of(symbol_of(0), 8, items=10)
    dispatch.add([*hot, *(a_run(symbol_of(shard, 1)) for shard in range(SHARDS))], cycle=0)

    batches = [handed(dispatch, shard) for shard in range(SHARDS)]

    assert [batch.runs for batch in batches] == [(run,) for run in hot[:4]]


def test_of_a_hot_symbol_an_idle_worker_takes_one_run(dispatch: Dispatch) -> None:
    hot = runs_of(symbol_of(0), 5, items=10)
    dispatch.add(hot, cycle=0)
    handed(dispatch, 1)
    finish(dispatch, 1)

    batch = handed(dispatch, 1)

    assert batch.runs == (hot[0],)


def test_a_large_symbol_of_one_run_cannot_be_shared_and_is_not_hot(dispatch: Dispatch) -> None:
    dispatch.add([a_run(symbol_of(0), items=100)], cycle=0)

    handed(dispatch, 0)

    assert [dispatch.hand_out(shard) for shard in (1, 2, 3)] == [None] * 3


def test_with_one_shard_nothing_is_hot() -> None:
    dispatch = Dispatch(1, batch_size=10)
    runs = runs_of("BTCUSDT", 3, items=2)
    dispatch.add(runs, cycle=0)

    assert handed(dispatch, 0).runs == tuple(runs)


def test_what_a_dead_worker_had_comes_first_and_to_anybody(dispatch: Dispatch) -> None:
    orphan, queued = a_run(symbol_of(0)), a_run(symbol_of(1))
    dispatch.add([orphan, queued], cycle=3)
    dead = handed(dispatch, 0)
    finish(dispatch, 0)

    dispatch.adopt(dead.runs, dead.cycle)

    again = handed(dispatch, 1)
    assert (again.cycle, again.runs) == (dead.cycle, dead.runs)
    finish(dispatch, 1)
    assert handed(dispatch, 1).runs == (queued,)


def test_what_was_in_hand_at_a_death_is_tried_again_one_run_at_a_time(dispatch: Dispatch) -> None:
    suspects = [replace(a_run(symbol_of(0, nth)), crashes=1) for nth in range(3)]
    dispatch.add([a_run(symbol_of(0, 4))], cycle=0)

    dispatch.adopt(suspects, cycle=0)

    assert [handed(dispatch, shard).runs for shard in range(3)] == [(run,) for run in suspects]


@pytest.mark.parametrize("is_orphan", [True, False], ids=["orphan", "queued"])
def test_what_a_worker_died_over_waits_for_one_that_is_at_nothing_else_and_the_rest_waits_too(
    dispatch: Dispatch, *, is_orphan: bool
) -> None:
    suspect = replace(a_run(symbol_of(0)), crashes=1)
    dispatch.add([suspect] if not is_orphan else [], cycle=0)
    dispatch.adopt([suspect] if is_orphan else [], cycle=0)
    dispatch.add([a_run(symbol_of(0, 1))], cycle=0)

    assert dispatch.hand_out(0, takes_suspects=False) is None
    assert dispatch.queued_items() == 2
    assert handed(dispatch, 0).runs == (suspect,)


def test_a_worker_that_is_bound_to_a_cycle_is_handed_nothing_of_another(
    dispatch: Dispatch,
) -> None:
    first, second = a_run(symbol_of(0)), a_run(symbol_of(0, 1))
    dispatch.add([first, second], cycle=2)

    assert dispatch.hand_out(0, only_of={1}) is None
    batch = dispatch.hand_out(0, only_of={2})
    assert batch is not None
    assert batch.runs == (first, second)


def test_what_a_worker_could_not_do_is_what_it_is_handed_next(dispatch: Dispatch) -> None:
    undone, waiting = runs_of(symbol_of(0), 2, items=10)
    dispatch.add([undone, waiting], cycle=0)
    batch = handed(dispatch, 0)
    finish(dispatch, 0)

    dispatch.put_back(0, batch.runs, batch.cycle)

    assert handed(dispatch, 0).runs == (undone,)


def test_a_second_try_comes_behind_everything_else_and_is_marked(dispatch: Dispatch) -> None:
    locked, waiting = a_run(symbol_of(0), 10), a_run(symbol_of(0, 1), 10)
    dispatch.add([locked, waiting], cycle=0)
    handed(dispatch, 0)
    finish(dispatch, 0)

    dispatch.put_last(0, [locked], cycle=0)

    assert handed(dispatch, 0).runs == (waiting,)
    finish(dispatch, 0)
    assert handed(dispatch, 0).runs == (replace(locked, is_second_try=True),)


def test_knows_what_is_under_way_wherever_it_is(dispatch: Dispatch) -> None:
    in_hand, queued, orphan = (a_run(symbol_of(shard), 2) for shard in range(3))
    dispatch.add([in_hand, queued], cycle=0)
    handed(dispatch, 0)
    dispatch.adopt([orphan], cycle=0)

    under_way = dispatch.ids_under_way()

    assert under_way == {item.id for run in (in_hand, queued, orphan) for item in run.items}
    assert dispatch.queued_items() == 4


def keys_of(runs: tuple[Run, ...]) -> set[str]:
    return {run.key for run in runs}


def test_two_symbols_of_one_shard_can_be_worked_on_side_by_side(dispatch: Dispatch) -> None:
    first, second = symbol_of(0, 0), symbol_of(0, 1)
    dispatch.add([a_run(first, 10), a_run(second, 10)], cycle=0)

    assert keys_of(handed(dispatch, 0).runs) == {first}
    assert keys_of(handed(dispatch, 1).runs) == {second}


def test_a_worker_may_have_several_batches_in_hand_and_finishes_any_of_them(
    dispatch: Dispatch,
) -> None:
    with_ballast(dispatch, *runs_of(symbol_of(0), 3, items=10))
    first, second, third = (handed(dispatch, 0) for _ in range(3))

    assert dispatch.done(0, second.number) == second

    assert [*dispatch.in_hand(0)] == [first, third]
    assert dispatch.cycle_of(0, third.number) == 0


def test_nothing_is_taken_over_from_a_shard_that_is_blocked(dispatch: Dispatch) -> None:
    blocked, free = a_run(symbol_of(1), 5), a_run(symbol_of(2), 2)
    with_ballast(dispatch, blocked, free)

    assert dispatch.queued_items(but={1}) == 2
    assert dispatch.hand_out(0, blocked={1, 2}) is None
    assert handed(dispatch, 2).runs == (free,)
    assert dispatch.hand_out(0, blocked={1}) is None
    assert handed(dispatch, 1).runs == (blocked,)


def test_what_is_queued_is_dropped_by_cycle_and_what_is_in_hand_stays(dispatch: Dispatch) -> None:
    dispatch.add([a_run(symbol_of(0), 10), a_run(symbol_of(1), 3)], cycle=1)
    dispatch.add([a_run(symbol_of(2), 4)], cycle=2)
    dispatch.adopt([a_run(symbol_of(3), 2)], cycle=2)
    in_hand = handed(dispatch, 0)

    dropped = dispatch.drop_queued()

    assert dropped.total() + in_hand.size == 19
    assert dispatch.queued_items() == 0
    assert [*dispatch.in_hand(0)] == [in_hand]
