import asyncio
import os
import signal
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import log2
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from reconciler.errors import ConfigurationError, Problem, ReconcilerError
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.pool import WorkerPool
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.summary import StopReason
from reconciler.supervisor.worker_process import WorkerProcess
from reconciler.telemetry.metrics import open_metrics
from reconciler.worker.messages import FromWorker, Ready
from reconciler.workload import Chunk, Page

from ..e2e.statsd_socket import StatsdServer  # noqa: TID252 - tests are no package
from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import Behaviour, FakePlanner, FakeWorkload, Item, Workspace
from .processes import EndWatch, stretched

AT_ONCE = RestartPolicy(initial=timedelta(milliseconds=1), cap=timedelta(milliseconds=2))


def a_chunk(number: int, *acts: Behaviour) -> Chunk:
    return Chunk(key=f"COIN{number}", items=(Item(id=number, acts=acts or (Behaviour.WORK,)),))


def plain_chunks(first: int, count: int) -> list[Chunk]:
    return [a_chunk(number) for number in range(first, first + count)]


async def test_a_killed_workers_items_are_handled_again_within_a_second(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    deaths = 5
    victims = [a_chunk(number, Behaviour.WAIT, Behaviour.WORK) for number in range(deaths)]
    workload = FakeWorkload(workspace=workspace, pages=((*victims, *plain_chunks(deaths, 10)),))

    _, run = begin(workload, restarts=replace(AT_ONCE, most=deaths))
    delays = []
    for number in range(deaths):
        busy = await journal.wait("begin", number + 1, act="wait")
        killed_at = asyncio.get_running_loop().time()
        os.kill(busy["pid"], signal.SIGKILL)
        again = await journal.wait("begin", id=busy["id"], act="work")
        delays.append(again["at"] - killed_at)
    summary = await run

    assert statistics.median(delays) < stretched(1.0)
    assert summary.restarts == deaths
    assert summary.counts.reconciled == deaths + 10
    assert sorted(journal.ids("end")) == list(range(deaths + 10))


async def test_a_death_begins_nothing_again_that_others_have_in_flight(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    killers = [a_chunk(number, Behaviour.DIE, Behaviour.WORK) for number in range(6)]
    workload = FakeWorkload(workspace=workspace, pages=((*killers, *plain_chunks(6, 30)),))

    _, run = begin(workload, shards=3, restarts=AT_ONCE)
    await run

    dead = {line["pid"] for line in journal.all("begin", act="die")}
    for number in range(36):
        *before, _ = journal.all("begin", id=number)
        assert {line["pid"] for line in before} <= dead
    assert sorted(journal.ids("end")) == list(range(36))
    assert sorted(journal.ids("begin", act="die")) == list(range(6))


async def test_a_worker_that_raises_is_replaced_and_its_work_done(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    workload = FakeWorkload(
        workspace=workspace,
        pages=((a_chunk(0, Behaviour.RAISE, Behaviour.WORK), *plain_chunks(1, 5)),),
    )

    _, run = begin(workload)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert summary.restarts == 1
    assert sorted(journal.ids("end")) == list(range(6))


async def test_an_item_that_crashes_every_worker_is_set_aside_alone(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    page = (*plain_chunks(0, 4), a_chunk(4, Behaviour.DIE), *plain_chunks(5, 4))
    statsd = StatsdServer()
    metrics = open_metrics(statsd.target)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=(page,)),
        batch_size=10,
        restarts=AT_ONCE,
        metrics=metrics,
    )
    summary = await run
    metrics.close()
    statsd.read()
    statsd.close()

    assert journal.ids("begin", act="die") == [4] * 2
    assert journal.ids("set aside") == [4]
    assert (summary.set_aside, summary.counts.held, summary.counts.errors) == (1, 1, 0)
    assert summary.counts.reconciled == 8
    assert statsd.total("orders.held") == 1  # no worker counts it


@pytest.mark.parametrize("is_late", [False, True], ids=["preparing", "committing"])
async def test_only_the_poisoned_item_of_a_chunk_is_set_aside(
    workspace: Workspace, journal: Journal, begin: Begin, *, is_late: bool
) -> None:
    poisoned = 11
    items = [
        Item(
            id=number,
            acts=(Behaviour.DIE if number == poisoned else Behaviour.WORK,),
            is_late=is_late,
        )
        for number in range(16)
    ]
    workload = FakeWorkload(workspace=workspace, pages=((Chunk(key="COIN", items=tuple(items)),),))

    _, run = begin(workload, restarts=AT_ONCE)
    summary = await run

    assert journal.ids("set aside") == [poisoned]
    assert (summary.set_aside, summary.counts.reconciled) == (1, 15)
    assert {*journal.ids("end")} == {*range(16)} - {poisoned}
    # Halved each time, and not one by one: but a busy machine may lose the news of what was done.
    assert summary.restarts <= 2 * log2(len(items)) + 3 < len(items)


@pytest.mark.parametrize("shards", [1, 2])
async def test_a_batch_being_committed_at_a_crash_is_not_set_aside(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None], shards: int
) -> None:
    innocent = [
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=(Behaviour.WAIT,), is_late=True),))
        for number in range(shards)
    ]
    pages = tuple(innocent), (a_chunk(8, Behaviour.DIE),), tuple(plain_chunks(10, 8))

    workload = FakeWorkload(workspace=workspace, pages=pages)
    _, run = begin(workload, shards=shards, restarts=replace(AT_ONCE, most=100))
    await journal.wait("begin late")
    await journal.wait("begin", id=8)
    open_gate()
    summary = await run

    assert journal.ids("set aside") == [8]
    assert (summary.set_aside, summary.counts.reconciled) == (1, shards + 8)


async def test_workers_that_die_over_every_item_set_nothing_aside(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    items = tuple(Item(id=number, acts=(Behaviour.DIE,)) for number in range(2**12))
    workload = FakeWorkload(workspace=workspace, pages=((Chunk(key="COIN", items=items),),))

    timeout = timedelta(seconds=1.5)
    supervisor, run = begin(workload, shards=1, stall_timeout=timeout, restarts=AT_ONCE)
    with pytest.raises(ReconcilerError, match="the workers keep dying"):
        await run

    assert journal.ids("set aside") == []
    assert supervisor.summary.set_aside == 0


async def test_a_new_worker_inherits_its_predecessors_breaker(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    first, deadly = a_chunk(0), a_chunk(1, Behaviour.DIE, Behaviour.WORK)
    workload = FakeWorkload(
        workspace=workspace,
        pages=((first,), (deadly,)),
        breaker=BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=100),
    )

    supervisor, run = begin(workload, shards=1, restarts=AT_ONCE)
    await run

    assert [line["breaker"] for line in journal.all("open")] == [None, BreakerState.OPEN]
    inherited = supervisor.coordinator.breaker_of(0)
    assert inherited is not None
    assert inherited.retry_after_seconds < 100


@pytest.mark.parametrize("act", [Behaviour.EXIT, Behaviour.BE_MISCONFIGURED])
@pytest.mark.parametrize("moment", ["opening", "working"])
async def test_a_misconfigured_worker_ends_the_supervisor(
    workspace: Workspace, journal: Journal, begin: Begin, act: Behaviour, moment: str
) -> None:
    page = (a_chunk(0, act if moment == "working" else Behaviour.WORK),)
    opening = act if moment == "opening" else Behaviour.WORK
    workload = FakeWorkload(workspace=workspace, pages=(page,), opening=opening, exit_code=78)

    _, run = begin(workload, shards=1, is_once=False)
    with pytest.raises(ConfigurationError) as caught:
        await run

    (problem,) = caught.value.problems
    if act is Behaviour.BE_MISCONFIGURED:
        assert problem == Problem(what="the fake workload is broken", hint="buy another")
    else:
        assert problem.what.startswith("a worker ended with code 78")
    await journal.wait("planner closed")


async def test_workers_that_die_before_they_begin_end_a_single_sweep(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(workspace=workspace, pages=((a_chunk(0),),), opening=Behaviour.EXIT)

    _, run = begin(workload, stall_timeout=timedelta(seconds=0.3), restarts=AT_ONCE)

    with pytest.raises(ReconcilerError, match="the workers keep dying"):
        await run


async def test_the_death_of_the_fork_server_costs_workers_but_no_work(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    waiting = [a_chunk(number, Behaviour.WAIT, Behaviour.WORK) for number in range(2)]
    workload = FakeWorkload(workspace=workspace, pages=((*waiting, *plain_chunks(2, 10)),))

    _, run = begin(workload)
    await journal.wait("begin", 2, act="wait")
    workers = EndWatch({line["pid"] for line in journal.all("open")})
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined] # not in typeshed
    summary = await run

    assert summary.counts.reconciled == 12
    assert sorted(journal.ids("end")) == list(range(12))
    assert not workers.left_after(DEADLINE_SECONDS)


async def test_a_worker_that_gets_a_signal_finishes_what_is_in_flight(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    stubborn = Chunk(key="COIN0", items=(Item(id=0, acts=(Behaviour.WAIT,), is_late=True),))
    _, run = begin(FakeWorkload(workspace=workspace, pages=((stubborn, *plain_chunks(1, 5)),)))
    busy = await journal.wait("begin late", act="wait")

    os.kill(busy["pid"], signal.SIGTERM)
    gate = os.open(workspace.gate, os.O_RDWR)
    summary = await run
    os.close(gate)

    assert summary.restarts <= 1
    assert sorted(journal.ids("end")) == list(range(6))
    assert journal.all("closed", pid=busy["pid"])


def test_a_message_that_its_sender_was_killed_in_is_no_message(tmp_path: Path) -> None:
    whole = tmp_path / "message"
    whole.write_bytes((1_000_000).to_bytes(4, "big", signed=True) + b"only the beginning")
    worker = WorkerProcess.__new__(WorkerProcess)
    with whole.open("rb") as file:
        worker._connection = Connection(os.dup(file.fileno()), writable=False)

        assert worker.receive() is None
        worker._connection.close()


async def test_a_bug_in_a_callback_ends_the_supervisor(
    workspace: Workspace, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_a_bug(_self: Coordinator, _shard: int, message: FromWorker) -> None:
        if isinstance(message, Ready):
            raise KeyError("a bug")

    monkeypatch.setattr(Coordinator, "on_message", raise_a_bug)

    _, run = begin(FakeWorkload(workspace=workspace, pages=((a_chunk(0),),)))

    with pytest.raises(KeyError, match="a bug"):
        await asyncio.wait_for(run, DEADLINE_SECONDS)


async def test_a_bug_in_a_background_task_ends_the_supervisor(
    workspace: Workspace, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raise_a_bug(_self: WorkerPool) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(WorkerPool, "watch", raise_a_bug)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=((a_chunk(0, Behaviour.WAIT),),)),
        drain=timedelta(seconds=0.2),
    )

    with pytest.raises(KeyError, match="a bug"):
        await asyncio.wait_for(run, DEADLINE_SECONDS)


@pytest.mark.parametrize("blocked", ["open_planner", "plan"])
async def test_a_database_that_hangs_does_not_prevent_a_stop(
    workspace: Workspace, begin: Begin, monkeypatch: pytest.MonkeyPatch, blocked: str
) -> None:
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(*_: object) -> Page:
        loop.call_soon_threadsafe(entered.set)
        workspace.wait_at_gate()
        return Page(chunks=(), next=None)

    monkeypatch.setattr(FakePlanner if blocked == "plan" else FakeWorkload, blocked, hang)

    _, run = begin(FakeWorkload(workspace=workspace, pages=()), is_once=False)
    await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
    signal.raise_signal(signal.SIGTERM)
    summary = await asyncio.wait_for(run, DEADLINE_SECONDS)

    assert summary.ending is StopReason.STOPPED


async def test_cancelling_the_supervisor_kills_even_a_stuck_worker(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    supervisor, run = begin(
        FakeWorkload(workspace=workspace, pages=((a_chunk(0, Behaviour.GET_STUCK),),))
    )
    await journal.wait("begin")
    workers = EndWatch(pid for pid in supervisor.pids.values() if pid is not None)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert not workers.left_after(0)
