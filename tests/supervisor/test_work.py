import asyncio
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.errors import StoreRejected
from reconciler.supervisor import coordinator
from reconciler.supervisor.sharding import assign_buckets, bucket_of
from reconciler.supervisor.summary import StopReason
from reconciler.worker.messages import BatchDone, BatchReturned, BudgetRequest
from reconciler.workload import Backlog, Chunk, FaultKind, WorkerFault

from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import WEIGHT, Behaviour, FakeWorkload, Item, Stage, ToyPlanner


def runs_of(*acts: tuple[Behaviour, ...], first: int = 0) -> tuple[Chunk, ...]:
    """Make a run for each, of one item and with a symbol of its own."""
    return tuple(
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=each),))
        for number, each in enumerate(acts, first)
    )


PLAIN = (Behaviour.WORK,)


async def test_every_item_of_every_page_is_handled_exactly_once(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    pages = runs_of(*[PLAIN] * 40), runs_of(*[PLAIN] * 20, first=40)

    _, run = begin(FakeWorkload(stage=stage, pages=pages), shards=3, batch_size=4)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert summary.counts.reconciled == 60
    assert sorted(journal.ids("end")) == list(range(60))
    assert sorted(line["scanned"] for line in journal.all("cycle")) == [20, 40]


def late(number: int, *acts: Behaviour) -> tuple[Chunk, ...]:
    """Make a page of one item that acts when it is finished."""
    item = Item(id=number, acts=acts, is_late=True)
    return (Chunk(key=f"COIN{number}", items=(item,)),)


async def test_a_worker_looks_at_the_next_cycle_while_it_finishes_the_last_and_no_further(
    stage: Stage, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    pages = late(0, Behaviour.WAIT), *(late(number, Behaviour.WORK) for number in (1, 2, 3))

    _, run = begin(FakeWorkload(stage=stage, pages=pages), shards=1)
    await journal.wait("begin late", id=0)
    await journal.wait("begin", id=1)
    open_gate()
    await run

    events = [(line["event"], line["id"]) for line in journal.lines if "id" in line]
    assert events.index(("end", 0)) < events.index(("begin", 2))
    assert journal.ids("end") == [0, 1, 2, 3]


async def test_a_single_sweep_of_nothing_ends_at_once(stage: Stage, begin: Begin) -> None:
    _, run = begin(FakeWorkload(stage=stage, pages=()))

    assert (await run).ending is StopReason.COMPLETED


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge a cycle after a moment, whoever is still at it."""
    monkeypatch.setattr(coordinator, "VERDICT_TIMEOUT_SECONDS", 0.3)


@pytest.mark.usefixtures("impatience")
async def test_a_slow_shard_does_not_hold_the_others_up(
    stage: Stage,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    raise_curtain: Callable[[], None],
) -> None:
    slow, *quick = runs_of((Behaviour.WAIT,), *[PLAIN] * 30)

    _, run = begin(FakeWorkload(stage=stage, pages=((slow, *quick),), has_curtain=True))
    await journal.wait("open", 2)
    raise_curtain()
    await journal.wait("begin", act="wait")
    await journal.wait("end", len(quick))

    assert not run.done()
    open_gate()
    assert (await run).counts.reconciled == 31


async def test_trouble_pauses_only_the_worker_that_has_it(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    troubled, *rest = runs_of((Behaviour.MEET_TROUBLE, Behaviour.WORK), *[PLAIN] * 20)
    workload = FakeWorkload(stage=stage, pages=((troubled, *rest),), retry_after_seconds=0.3)

    _, run = begin(workload, stall_timeout=timedelta(hours=2))
    summary = await run

    assert summary.counts.reconciled == 21
    first, again = journal.all("begin", id=0)
    assert again["shard"] == first["shard"]
    assert again["at"] - first["at"] >= 0.3
    assert all(line["at"] < again["at"] for line in journal.all("end") if line["id"] != 0)


async def test_a_shard_whose_breaker_is_open_is_handed_nothing_and_nobody_gets_its_symbols(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    chunks = runs_of(*[PLAIN] * 20)
    table = assign_buckets(2)
    kept = {run.items[0].id for run in chunks if table[bucket_of(run.key)] == 0}

    supervisor, run = begin(FakeWorkload(stage=stage, pages=(chunks,)))
    supervisor.coordinator.health_of(0).record_fault(
        WorkerFault(kind=FaultKind.EXCHANGE, message="gone", retry_after_seconds=3600)
    )
    await supervisor.has_heard(BatchDone, len(chunks) - len(kept))

    assert supervisor.coordinator.dispatcher.ids_under_way() == kept
    assert supervisor.coordinator.dispatcher.queued_items() == len(kept)
    assert {line["shard"] for line in journal.all("begin")} == {1}
    assert not run.done()


async def test_trouble_that_repeats_ends_a_single_sweep_when_patience_is_over(
    stage: Stage, begin: Begin
) -> None:
    workload = FakeWorkload(stage=stage, pages=(runs_of((Behaviour.MEET_TROUBLE,)),))

    _, run = begin(workload, stall_timeout=timedelta(seconds=0.2))
    summary = await run

    assert summary.ending is StopReason.EXCHANGE_GONE
    assert summary.fault == "the toy's exchange is gone"


async def test_trouble_that_passed_is_not_told_as_a_reason(stage: Stage, begin: Begin) -> None:
    workload = FakeWorkload(stage=stage, pages=(runs_of((Behaviour.MEET_TROUBLE, Behaviour.WORK)),))

    _, run = begin(workload)
    summary = await run

    assert (summary.ending, summary.fault) == (StopReason.COMPLETED, None)


async def test_a_ban_ends_a_single_sweep_instead_of_being_waited_out(
    stage: Stage, begin: Begin
) -> None:
    workload = FakeWorkload(
        stage=stage, pages=(runs_of((Behaviour.BAN,), (Behaviour.ASK,), (Behaviour.ASK,)),)
    )

    _, run = begin(workload, shards=1)
    summary = await run

    assert summary.ending is StopReason.EXCHANGE_GONE
    assert summary.fault == "the exchange wants to be asked nothing for 3600 s"
    assert summary.killed_at_stop == 0


async def test_a_stop_gives_back_what_waits_for_the_budget_and_kills_nobody(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    workload = FakeWorkload(
        stage=stage, pages=(runs_of((Behaviour.BAN,), *[(Behaviour.ASK,)] * 4),)
    )

    supervisor, run = begin(workload, shards=1, is_once=False)
    await supervisor.has_heard(BudgetRequest, 1)
    signal.raise_signal(signal.SIGTERM)
    summary = await asyncio.wait_for(run, 5)

    assert summary.ending is StopReason.STOPPED
    assert (summary.killed_at_stop, summary.restarts) == (0, 0)
    assert sum(isinstance(message, BatchReturned) for message in supervisor.heard) == 1
    assert journal.all("granted") == []
    assert len(journal.all("closed")) == 1


async def test_a_drain_that_has_to_kill_is_counted(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    workload = FakeWorkload(stage=stage, pages=(runs_of((Behaviour.WAIT,)),))

    _, run = begin(workload, shards=1, is_once=False, drain=timedelta(seconds=0.2))
    await journal.wait("begin")
    signal.raise_signal(signal.SIGTERM)
    summary = await run

    assert summary.killed_at_stop == 1


async def test_workers_that_the_database_does_not_let_begin_end_a_single_sweep(
    stage: Stage, begin: Begin
) -> None:
    workload = FakeWorkload(stage=stage, pages=(runs_of(PLAIN),), opening=Behaviour.MEET_TROUBLE)

    _, run = begin(workload, stall_timeout=timedelta(seconds=0.5))
    summary = await run

    assert summary.ending is StopReason.STORE_GONE
    assert summary.fault == "the toy's database is gone"


async def test_what_is_locked_is_tried_once_more_at_the_end_and_then_left(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    freed, kept, *rest = runs_of(
        (Behaviour.FIND_LOCKED, Behaviour.WORK), (Behaviour.FIND_LOCKED,), *[PLAIN] * 5
    )

    _, run = begin(FakeWorkload(stage=stage, pages=((freed, kept, *rest),)), shards=1)
    summary = await run

    assert journal.ids("begin") == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert summary.counts.reconciled == 6
    assert summary.cycles == 1


async def test_several_workers_together_spend_no_more_than_the_budget(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    affordable, workers = 5, 3
    pages = (runs_of(*[(Behaviour.ASK,)] * 12),)
    workload = FakeWorkload(stage=stage, pages=pages, weight_per_minute=2 * affordable * WEIGHT)

    supervisor, _ = begin(workload, shards=workers, rate_share=0.5)
    await supervisor.has_heard(BudgetRequest, affordable + workers)
    await journal.wait("granted", affordable)

    assert len(supervisor.coordinator._budget._waiting) == workers
    assert supervisor.coordinator._budget._window.spent == affordable * WEIGHT
    assert len(journal.all("granted")) == affordable


async def test_a_hot_symbol_is_shared_by_all_and_no_item_is_ever_in_two_hands(
    stage: Stage, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    hot = [
        Chunk(
            key="HOT", items=(Item(id=2 * number, acts=(Behaviour.WAIT,)), Item(id=2 * number + 1))
        )
        for number in range(30)
    ]
    cold = runs_of(*[PLAIN] * 20, first=60)

    _, run = begin(FakeWorkload(stage=stage, pages=((*hot, *cold),)), shards=4, batch_size=2)
    await journal.wait("begin", 4, act="wait")
    shards = {line["shard"] for line in journal.all("begin", act="wait")}
    open_gate()
    await run

    assert shards == {0, 1, 2, 3}
    assert sorted(journal.ids("begin")) == list(range(80))


async def test_no_measurement_or_record_that_fails_ends_the_service(
    stage: Stage, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail_to_measure(_: ToyPlanner) -> Backlog:
        loop.call_soon_threadsafe(measured.set)
        raise ArithmeticError("cannot subtract infinite timestamps")

    def fail_to_record(_planner: ToyPlanner, _cycle: object) -> None:
        raise StoreRejected("a check constraint of theirs")

    monkeypatch.setattr(ToyPlanner, "backlog", fail_to_measure)
    monkeypatch.setattr(ToyPlanner, "record", fail_to_record)

    _, run = begin(FakeWorkload(stage=stage, pages=(runs_of(*[PLAIN] * 10),)), is_once=False)
    await asyncio.wait_for(measured.wait(), DEADLINE_SECONDS)
    await journal.wait("end", 10)

    assert not run.done()
