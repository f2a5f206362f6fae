import asyncio
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler.errors import ConfigurationError, Problem
from reconciler.supervisor.reload import RunConfig
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import NoMetrics
from reconciler.worker.messages import BatchReturned, BudgetRequest
from reconciler.workload import Chunk

from .conftest import Begin, Journal, Watched, options
from .fake_workload import WEIGHT, Behaviour, FakeWorkload, Item, Workspace
from .run_fake_workload import set_up_worker


def a_chunk(number: int, *acts: Behaviour) -> Chunk:
    return Chunk(key=f"COIN{number}", items=(Item(id=number, acts=acts or (Behaviour.WORK,)),))


def spans(journal: Journal) -> dict[int, list[tuple[float, float]]]:
    """Return for each item when it was begun and ended."""
    begun = {line["id"]: [] for line in journal.all("begin")}  # type: ignore[var-annotated]
    for line in journal.all("begin"):
        end = next(
            other["at"]
            for other in journal.all("end", id=line["id"])
            if other["pid"] == line["pid"] and other["at"] >= line["at"]
        )
        begun[line["id"]].append((line["at"], end))
    return begun


async def test_shards_come_and_go_under_load_and_nothing_is_handled_twice(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    items = 400
    workload = FakeWorkload(
        workspace=workspace, pages=(tuple(a_chunk(number) for number in range(items)),)
    )

    supervisor, run = begin(workload, shards=2)
    for done, shards in ((20, 8), (100, 3), (180, 1), (260, 4)):
        await journal.wait("end", done)
        supervisor.scale(shards)
    summary = await run

    assert summary.restarts == 0
    assert sorted(journal.ids("end")) == list(range(items))
    assert all(len(times) == 1 for times in spans(journal).values())
    assert {line["shard"] for line in journal.all("open")} == set(range(8))
    assert summary.counts.reconciled == items


async def test_a_surplus_worker_returns_what_waits_for_the_budget(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    pages = (tuple(a_chunk(number, Behaviour.ASK) for number in range(12)),)
    workload = FakeWorkload(workspace=workspace, pages=pages, weight_per_minute=WEIGHT)

    supervisor, _ = begin(workload, shards=2, drain=timedelta(seconds=60))
    await supervisor.has_received(
        BudgetRequest, 3
    )  # one is granted, and each worker waits for another
    supervisor.scale(1)

    assert (await journal.wait("closed"))["shard"] == 1
    assert sum(isinstance(message, BatchReturned) for message in supervisor.received) == 1
    assert supervisor.summary.restarts == 0


async def test_a_symbol_moves_only_when_its_worker_has_finished_it(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    held = Chunk(key="HELD", items=(Item(id=0, acts=(Behaviour.WAIT,)),))
    behind = Chunk(key="HELD", items=(Item(id=1),))
    others = tuple(a_chunk(number) for number in range(2, 30))
    workload = FakeWorkload(workspace=workspace, pages=((held, behind, *others),))

    supervisor, run = begin(workload, shards=1)
    await journal.wait("begin", id=0)
    supervisor.scale(6)
    await journal.wait("open", 6)
    assert journal.ids("begin", id=1) == []
    open_gate()
    await run

    (first,), (second,) = journal.all("end", id=0), journal.all("begin", id=1)
    assert second["pid"] == first["pid"] or second["at"] >= first["at"]
    assert sorted({*journal.ids("end")}) == list(range(30))


async def test_a_surplus_worker_finishes_what_it_has_in_flight(
    workspace: Workspace, journal: Journal, begin: Begin, open_gate: Callable[[], None]
) -> None:
    page = tuple(a_chunk(number, Behaviour.WAIT) for number in range(3))

    supervisor, run = begin(FakeWorkload(workspace=workspace, pages=(page,)), shards=3)
    await journal.wait("begin", 3)
    supervisor.scale(1)
    open_gate()
    summary = await run

    assert journal.ids("begin") == journal.ids("begin", act="wait")
    assert sorted(journal.ids("end")) == [0, 1, 2]
    assert summary.restarts == 0


async def test_a_worker_that_drains_too_slowly_is_killed_and_replaced(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    page = tuple(a_chunk(number, Behaviour.GET_STUCK, Behaviour.WORK) for number in range(2))

    supervisor, run = begin(
        FakeWorkload(workspace=workspace, pages=(page,)), shards=2, drain=timedelta(seconds=0.2)
    )
    await journal.wait("begin", 2)
    supervisor.scale(1)
    stuck = next(line for line in journal.all("begin") if line["shard"] == 0)
    await journal.wait("open", 2)
    os.kill(stuck["pid"], signal.SIGKILL)
    summary = await run

    assert sorted({*journal.ids("end")}) == [0, 1]
    assert summary.restarts == 1


@pytest.mark.parametrize(
    ("number", "shards"), [(signal.SIGTTIN, 3), (signal.SIGTTOU, 1)], ids=["TTIN", "TTOU"]
)
async def test_ttin_adds_a_shard_and_ttou_removes_one(  # noqa: PLR0917 - fixtures
    workspace: Workspace,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    number: signal.Signals,
    shards: int,
) -> None:
    page = tuple(a_chunk(number, Behaviour.WAIT) for number in range(2))

    supervisor, run = begin(FakeWorkload(workspace=workspace, pages=(page,)), shards=2)
    await journal.wait("begin", 2)
    os.kill(os.getpid(), number)
    if shards == 3:
        await journal.wait("open", 3)
    open_gate()
    await run

    assert supervisor.coordinator.options.shards == shards


def a_setup(workspace: Workspace, **changes: Any) -> RunConfig:
    """Return new settings, under which there is nothing to do."""
    return RunConfig(
        workload=FakeWorkload(workspace=workspace, pages=()),
        options=options(is_once=False, **changes),
        set_up_worker=set_up_worker,
    )


@pytest.fixture
async def reloadable(
    workspace: Workspace, journal: Journal
) -> tuple[Supervisor, "asyncio.Task[object]", list[RunConfig | ConfigurationError]]:
    """A supervisor without end, and the settings that it will read on HUP."""
    workload = FakeWorkload(
        workspace=workspace, pages=(tuple(a_chunk(number) for number in range(8)),)
    )
    fresh: list[RunConfig | ConfigurationError] = []

    def read() -> RunConfig:
        found = fresh.pop(0)
        workspace.say("settings read")
        if isinstance(found, ConfigurationError):
            raise found
        return found

    supervisor = Watched(
        workload,
        options(is_once=False),
        metrics=NoMetrics(),
        set_up_worker=set_up_worker,
        reload=read,
    )
    task: asyncio.Task[object] = asyncio.create_task(supervisor.run())
    await journal.wait("open", 2)
    await journal.wait("cycle")
    return supervisor, task, fresh


async def test_hup_replaces_the_workers_one_by_one_with_new_settings(
    workspace: Workspace,
    journal: Journal,
    reloadable: tuple[Supervisor, "asyncio.Task[object]", list[RunConfig | ConfigurationError]],
) -> None:
    supervisor, task, fresh = reloadable
    before = {*supervisor.pids.values()}
    fresh.append(a_setup(workspace))

    os.kill(os.getpid(), signal.SIGHUP)
    await journal.wait("open", 4)

    *_, first, second = journal.all("open")
    closed = journal.all("closed")
    assert {first["pid"], second["pid"]}.isdisjoint(before)
    assert closed[1]["at"] >= first["at"]
    os.kill(os.getpid(), signal.SIGTERM)
    await task


async def test_hup_with_wrong_settings_changes_nothing(
    journal: Journal,
    reloadable: tuple[Supervisor, "asyncio.Task[object]", list[RunConfig | ConfigurationError]],
) -> None:
    supervisor, task, fresh = reloadable
    before = supervisor.pids
    fresh.append(ConfigurationError([Problem(what="no such exchange", hint="choose another")]))

    with capture_logs() as lines:
        os.kill(os.getpid(), signal.SIGHUP)
        await journal.wait("settings read")
        os.kill(os.getpid(), signal.SIGTERM)
        await task

    assert "no such exchange" in next(
        line["problem"] for line in lines if line["event"] == "supervisor.reload_refused"
    )
    assert {line["pid"] for line in journal.all("closed")} == {*before.values()}
    assert len(journal.all("open")) == 2


async def test_hup_keeps_the_scaled_shards_unless_their_setting_changed(
    workspace: Workspace,
    journal: Journal,
    reloadable: tuple[Supervisor, "asyncio.Task[object]", list[RunConfig | ConfigurationError]],
) -> None:
    supervisor, task, fresh = reloadable
    fresh.append(a_setup(workspace))
    supervisor.scale(3)
    await journal.wait("open", 3)

    os.kill(os.getpid(), signal.SIGHUP)
    await journal.wait("open", 6)
    assert len(supervisor.pids) == 3
    fresh.append(a_setup(workspace, shards=1))
    os.kill(os.getpid(), signal.SIGHUP)
    await journal.wait("open", 7)
    await journal.wait("closed", 6)
    os.kill(os.getpid(), signal.SIGTERM)
    await task

    assert len(journal.all("open")) == 7


async def test_hup_gives_existing_shards_the_new_restart_limit(
    workspace: Workspace,
    journal: Journal,
    reloadable: tuple[Supervisor, "asyncio.Task[object]", list[RunConfig | ConfigurationError]],
) -> None:
    supervisor, task, fresh = reloadable
    fresh.append(a_setup(workspace, restarts=RestartPolicy(most=0, park=timedelta(milliseconds=1))))
    os.kill(os.getpid(), signal.SIGHUP)
    await journal.wait("open", 4)

    with capture_logs() as lines:
        os.kill(supervisor.pids[0] or 0, signal.SIGKILL)
        await journal.wait("open", 5)
        os.kill(os.getpid(), signal.SIGTERM)
        await task

    assert "shard.parked" in [line["event"] for line in lines]
