"""Workers that hang, and workers that keep dying: replaced, parked, and said so."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from reconciler.errors import StoreUnavailable, WorkersDying
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.workload import Chunk

from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import Behaviour, FakeWorkload, Item, Workspace
from .processes import stretched

HANG = timedelta(seconds=3)


def a_chunk(number: int, *acts: Behaviour) -> Chunk:
    return Chunk(key=f"COIN{number}", items=(Item(id=number, acts=acts or (Behaviour.WORK,)),))


@pytest.mark.parametrize("act", [Behaviour.GET_STUCK, Behaviour.LOOP, Behaviour.WAIT_FOR_CALL])
async def test_a_worker_that_hangs_is_replaced_with_its_stacks_in_the_log(
    workspace: Workspace, journal: Journal, begin: Begin, act: Behaviour
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=((a_chunk(0, act, Behaviour.WORK), *map(a_chunk, range(1, 6))),)
    )

    with capture_logs() as lines:
        _, run = begin(workload, hang_after=HANG)
        stuck = await journal.wait("begin", id=0)
        again = await journal.wait("begin", 2, id=0)
        summary = await run

    (hung,) = (line for line in lines if line["event"] == "worker.hung")
    assert again["at"] - stuck["at"] < stretched(HANG.total_seconds() + 10)
    assert "fake_workload.py" in hung["stacks"]
    assert summary.killed_hung == summary.restarts == 1
    assert sorted({*journal.ids("end")}) == list(range(6))


async def test_a_stopped_worker_is_replaced_too(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=((a_chunk(0, Behaviour.WAIT, Behaviour.WORK), a_chunk(1)),)
    )

    with capture_logs() as lines:
        _, run = begin(workload, hang_after=HANG)
        busy = await journal.wait("begin", id=0)
        os.kill(busy["pid"], signal.SIGSTOP)
        await journal.wait("begin", 2, id=0)
        summary = await run
    open_gate()

    (hung,) = (line for line in lines if line["event"] == "worker.hung")
    assert "stopped" in hung["stacks"]
    assert summary.killed_hung == 1


async def test_usr2_writes_the_state_and_all_stacks_to_the_log(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    workload = FakeWorkload(
        workspace=workspace, pages=((a_chunk(0, Behaviour.WAIT), a_chunk(1, Behaviour.WAIT)),)
    )
    all_logged = asyncio.Event()
    lines = []

    def keep(_: object, __: str, line: dict[str, object]) -> dict[str, object]:
        lines.append(line)
        if sum(line["event"] == "worker.stacks" for line in lines) == 2:
            all_logged.set()
        raise structlog.DropEvent

    structlog.configure(processors=[keep])  # type: ignore[list-item]
    _, run = begin(workload)
    await journal.wait("begin", 2)
    os.kill(os.getpid(), signal.SIGUSR2)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await all_logged.wait()
    structlog.reset_defaults()
    open_gate()
    await run

    (state,) = (line for line in lines if line["event"] == "supervisor.state")
    assert state["state"]["shards"]["running"] == 2  # type: ignore[index]
    assert "supervisor.py" in str(state["stacks"])
    assert all(
        "fake_workload.py" in str(line["stacks"])
        for line in lines
        if line["event"] == "worker.stacks"
    )


async def test_a_shard_that_always_crashes_is_parked_and_others_take_over(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    items = 60
    workload = FakeWorkload(
        workspace=workspace, pages=(tuple(map(a_chunk, range(items))),), deadly_shard=0
    )

    _, run = begin(workload, shards=3, restarts=RestartPolicy(initial=timedelta(milliseconds=1)))
    summary = await run

    assert summary.restarts <= 6
    assert len(journal.all("open", shard=0)) <= 6
    assert journal.ids("set aside") == []
    assert sorted({*journal.ids("end")}) == list(range(items))


async def test_the_supervisor_ends_when_every_shard_is_parked(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(workspace=workspace, pages=((a_chunk(0),),), opening=Behaviour.DIE)

    started = time.monotonic()
    _, run = begin(
        workload, is_once=False, restarts=RestartPolicy(initial=timedelta(milliseconds=1))
    )
    with pytest.raises(WorkersDying, match="every shard is parked"):
        await run

    assert time.monotonic() - started < DEADLINE_SECONDS


async def test_a_scale_down_to_parked_shards_ends_the_supervisor(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    page = tuple(a_chunk(number, Behaviour.WAIT) for number in range(2))
    workload = FakeWorkload(workspace=workspace, pages=(page,), deadly_shard=0)

    supervisor, run = begin(workload, is_once=False, restarts=RestartPolicy(most=0))
    await journal.wait("begin", shard=0)
    open_gate()
    await journal.wait("end", 2, shard=1)
    assert supervisor.coordinator.pool.parked == [0]
    supervisor.scale(1)

    with pytest.raises(WorkersDying, match="every shard is parked"):
        await asyncio.wait_for(run, DEADLINE_SECONDS)


async def test_a_start_without_any_worker_ready_is_given_up(
    workspace: Workspace, begin: Begin
) -> None:
    workload = FakeWorkload(workspace=workspace, pages=(), opening=Behaviour.MEET_FAULT)

    _, run = begin(workload, is_once=False, start_timeout=timedelta(seconds=3))

    with pytest.raises(StoreUnavailable, match="the fake database is gone"):
        await run


async def test_a_start_whose_workers_die_is_given_up(workspace: Workspace, begin: Begin) -> None:
    workload = FakeWorkload(workspace=workspace, pages=(), opening=Behaviour.DIE)

    _, run = begin(workload, is_once=False, start_timeout=timedelta(milliseconds=1))

    with pytest.raises(StoreUnavailable, match="no worker got ready: see in the log how they died"):
        await run


async def test_workers_that_only_take_longer_are_waited_for(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    page = (a_chunk(0),)
    workload = FakeWorkload(workspace=workspace, pages=(page,), opening=Behaviour.WAIT)

    is_slow = asyncio.Event()

    def notice(_: object, __: str, line: dict[str, object]) -> dict[str, object]:
        if line["event"] == "supervisor.slow_start":
            is_slow.set()
        raise structlog.DropEvent

    structlog.configure(processors=[notice])  # type: ignore[list-item]
    _, run = begin(workload, is_once=False, start_timeout=timedelta(milliseconds=1))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await is_slow.wait()
    structlog.reset_defaults()
    open_gate()
    await journal.wait("end", id=0)

    assert not run.done()
