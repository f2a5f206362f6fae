import asyncio
import re
import signal
from collections.abc import Callable, MutableMapping
from datetime import timedelta
from typing import Any, NoReturn

import pytest
import structlog

from reconciler.errors import StoreRejected
from reconciler.supervisor import coordinator
from reconciler.supervisor.sharding import assign_buckets, bucket_of
from reconciler.supervisor.summary import StopReason
from reconciler.worker.messages import BatchDone, BatchReturned, BudgetRequest
from reconciler.workload import Backlog, Chunk, FaultKind, Page, WorkerFault

from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import WEIGHT, Behaviour, FakePlanner, FakeWorkload, Item, Workspace


def chunks_of(*acts: tuple[Behaviour, ...], first: int = 0) -> tuple[Chunk, ...]:
    """Make a chunk of one item for each, with a symbol of its own."""
    return tuple(
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=each),))
        for number, each in enumerate(acts, first)
    )


PLAIN = (Behaviour.WORK,)


async def test_every_item_of_every_page_is_handled_exactly_once(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    pages = chunks_of(*[PLAIN] * 40), chunks_of(*[PLAIN] * 20, first=40)

    _, run = begin(FakeWorkload(workspace=workspace, pages=pages), shards=3, batch_size=4)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert summary.counts.reconciled == 60
    assert sorted(journal.ids("end")) == list(range(60))
    assert sorted(line["scanned"] for line in journal.all("cycle")) == [20, 40]


def late(number: int, *acts: Behaviour) -> tuple[Chunk, ...]:
    """Make a page of one item that acts when it is finished."""
    item = Item(id=number, acts=acts, is_late=True)
    return (Chunk(key=f"COIN{number}", items=(item,)),)


async def test_a_worker_prepares_only_one_cycle_ahead_of_its_commits(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    pages = late(0, Behaviour.WAIT), *(late(number, Behaviour.WORK) for number in (1, 2, 3))

    _, run = begin(FakeWorkload(workspace=workspace, pages=pages), shards=1)
    await journal.wait("begin late", id=0)
    await journal.wait("begin", id=1)
    open_gate()
    await run

    events = [(line["event"], line["id"]) for line in journal.lines if "id" in line]
    assert events.index(("end", 0)) < events.index(("begin", 2))
    assert journal.ids("end") == [0, 1, 2, 3]


async def test_a_single_sweep_of_nothing_ends_at_once(workspace: Workspace, begin: Begin) -> None:
    _, run = begin(FakeWorkload(workspace=workspace, pages=()))

    assert (await run).ending is StopReason.COMPLETED


@pytest.fixture
def short_verdict_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge a cycle after a moment, even if a worker still prepares it."""
    monkeypatch.setattr(coordinator, "VERDICT_TIMEOUT_SECONDS", 0.3)


@pytest.mark.usefixtures("short_verdict_timeout")
async def test_a_slow_shard_does_not_delay_the_others(
    workspace: Workspace,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    open_planning_gate: Callable[[], None],
) -> None:
    slow, *quick = chunks_of((Behaviour.WAIT,), *[PLAIN] * 30)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=((slow, *quick),), has_planning_gate=True)
    )
    await journal.wait("open", 2)
    open_planning_gate()
    await journal.wait("begin", act="wait")
    await journal.wait("end", len(quick))

    assert not run.done()
    open_gate()
    assert (await run).counts.reconciled == 31


async def test_a_fault_pauses_only_the_worker_that_has_it(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    faulty, *rest = chunks_of((Behaviour.MEET_FAULT, Behaviour.WORK), *[PLAIN] * 20)
    workload = FakeWorkload(workspace=workspace, pages=((faulty, *rest),), retry_after_seconds=0.3)

    _, run = begin(workload, stall_timeout=timedelta(hours=2))
    summary = await run

    assert summary.counts.reconciled == 21
    first, again = journal.all("begin", id=0)
    assert again["shard"] == first["shard"]
    assert again["at"] - first["at"] >= 0.3
    assert all(line["at"] < again["at"] for line in journal.all("end") if line["id"] != 0)


async def test_a_shard_with_an_open_breaker_keeps_its_symbols_unassigned(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    chunks = chunks_of(*[PLAIN] * 20)
    table = assign_buckets(2)
    kept = {chunk.items[0].id for chunk in chunks if table[bucket_of(chunk.key)] == 0}

    supervisor, run = begin(FakeWorkload(workspace=workspace, pages=(chunks,)))
    supervisor.coordinator.health_of(0).record_fault(
        WorkerFault(kind=FaultKind.EXCHANGE, message="gone", retry_after_seconds=3600)
    )
    await supervisor.has_received(BatchDone, len(chunks) - len(kept))

    assert supervisor.coordinator.dispatcher.ids_under_way() == kept
    assert supervisor.coordinator.dispatcher.queued_items() == len(kept)
    assert {line["shard"] for line in journal.all("begin")} == {1}
    assert not run.done()


async def test_repeated_faults_end_a_single_sweep_after_the_timeout(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(workspace=workspace, pages=(chunks_of((Behaviour.MEET_FAULT,)),))

    _, run = begin(workload, stall_timeout=timedelta(seconds=0.2))
    summary = await run

    assert summary.ending is StopReason.EXCHANGE_GONE
    assert summary.fault == "the fake exchange is gone"


async def test_a_fault_that_has_passed_is_not_given_as_a_reason(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=(chunks_of((Behaviour.MEET_FAULT, Behaviour.WORK)),)
    )

    _, run = begin(workload)
    summary = await run

    assert (summary.ending, summary.fault) == (StopReason.COMPLETED, None)


async def test_a_ban_ends_a_single_sweep_instead_of_being_waited_out(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(
        workspace=workspace,
        pages=(chunks_of((Behaviour.BAN,), (Behaviour.ASK,), (Behaviour.ASK,)),),
    )

    _, run = begin(workload, shards=1)
    summary = await run

    assert summary.ending is StopReason.EXCHANGE_GONE
    assert summary.fault is not None
    assert re.fullmatch(
        r"the exchange wants no requests until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", summary.fault
    )
    assert summary.killed_at_stop == 0


async def test_a_stop_returns_what_waits_for_the_budget_without_a_kill(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=(chunks_of((Behaviour.BAN,), *[(Behaviour.ASK,)] * 4),)
    )

    supervisor, run = begin(workload, shards=1, is_once=False)
    await supervisor.has_received(BudgetRequest, 1)
    signal.raise_signal(signal.SIGTERM)
    summary = await asyncio.wait_for(run, DEADLINE_SECONDS)

    assert summary.ending is StopReason.STOPPED
    assert (summary.killed_at_stop, summary.restarts) == (0, 0)
    assert sum(isinstance(message, BatchReturned) for message in supervisor.received) == 1
    assert journal.all("granted") == []
    assert len(journal.all("closed")) == 1


async def test_a_drain_that_has_to_kill_is_counted(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    workload = FakeWorkload(workspace=workspace, pages=(chunks_of((Behaviour.WAIT,)),))

    _, run = begin(workload, shards=1, is_once=False, drain=timedelta(seconds=0.2))
    await journal.wait("begin")
    signal.raise_signal(signal.SIGTERM)
    summary = await run

    assert summary.killed_at_stop == 1


async def test_workers_without_a_database_end_a_single_sweep(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=(chunks_of(PLAIN),), opening=Behaviour.MEET_FAULT
    )

    _, run = begin(workload, stall_timeout=timedelta(seconds=0.5))
    summary = await run

    assert summary.ending is StopReason.STORE_GONE
    assert summary.fault == "the fake database is gone"


async def test_a_locked_item_is_tried_once_more_at_the_end_of_the_cycle(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    freed, kept, *rest = chunks_of(
        (Behaviour.FIND_LOCKED, Behaviour.WORK), (Behaviour.FIND_LOCKED,), *[PLAIN] * 5
    )

    _, run = begin(FakeWorkload(workspace=workspace, pages=((freed, kept, *rest),)), shards=1)
    summary = await run

    assert journal.ids("begin") == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert summary.counts.reconciled == 6
    assert summary.cycles == 1


async def test_several_workers_together_spend_no_more_than_the_budget(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    affordable, workers = 5, 3
    pages = (chunks_of(*[(Behaviour.ASK,)] * 12),)
    workload = FakeWorkload(
        workspace=workspace, pages=pages, weight_per_minute=2 * affordable * WEIGHT
    )

    supervisor, _ = begin(workload, shards=workers, rate_share=0.5)
    await supervisor.has_received(BudgetRequest, affordable + workers)
    await journal.wait("granted", affordable)

    assert len(supervisor.coordinator._budget._waiting) == workers
    assert [use.used for use in supervisor.coordinator.rate_limits.uses] == [affordable * WEIGHT]
    assert len(journal.all("granted")) == affordable


async def test_a_hot_symbol_is_shared_and_no_item_is_in_flight_twice(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    hot = [
        Chunk(
            key="HOT", items=(Item(id=2 * number, acts=(Behaviour.WAIT,)), Item(id=2 * number + 1))
        )
        for number in range(30)
    ]
    cold = chunks_of(*[PLAIN] * 20, first=60)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=((*hot, *cold),)), shards=4, batch_size=2
    )
    await journal.wait("begin", 4, act="wait")
    shards = {line["shard"] for line in journal.all("begin", act="wait")}
    open_gate()
    await run

    assert shards == {0, 1, 2, 3}
    assert sorted(journal.ids("begin")) == list(range(80))


async def test_no_measurement_or_record_that_fails_ends_the_service(
    workspace: Workspace, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail_to_measure(_: FakePlanner) -> Backlog:
        loop.call_soon_threadsafe(measured.set)
        raise ArithmeticError("cannot subtract infinite timestamps")

    def fail_to_record(_planner: FakePlanner, _cycle: object) -> None:
        raise StoreRejected("a check constraint of theirs")

    monkeypatch.setattr(FakePlanner, "measure_backlog", fail_to_measure)
    monkeypatch.setattr(FakePlanner, "record", fail_to_record)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=(chunks_of(*[PLAIN] * 10),)), is_once=False
    )
    await asyncio.wait_for(measured.wait(), DEADLINE_SECONDS)
    await journal.wait("end", 10)

    assert not run.done()


async def test_the_next_sweep_waits_for_as_long_as_the_planner_asks(
    workspace: Workspace, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = iter([0.0, 3_600.0])
    waits: list[float] = []
    waiting = asyncio.Event()

    def plan(*_: object) -> Page:
        return Page(chunks=(), pause_seconds=next(pauses))

    def note(_logger: object, _level: str, line: MutableMapping[str, Any]) -> NoReturn:
        if line["event"] == "supervisor.waits_for_planner":
            waits.append(line["seconds"])
            waiting.set()
        raise structlog.DropEvent

    monkeypatch.setattr(FakePlanner, "plan", plan)
    structlog.configure(processors=[note])

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=()), is_once=False, interval=timedelta(0)
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        await waiting.wait()
    structlog.reset_defaults()
    await journal.wait("cycle", 2, scanned=0)

    assert waits == [pytest.approx(3_600, abs=DEADLINE_SECONDS)]
    assert list(pauses) == []
    assert not run.done()
