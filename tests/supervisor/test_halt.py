"""A suspicious cycle applies the halt; a clean sample or a person releases it."""

import asyncio
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.errors import StoreUnavailable
from reconciler.supervisor import supervisor
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.summary import StopReason
from reconciler.workload import Chunk, Page

from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import Behaviour, FakePlanner, FakeWorkload, Item, Workspace

POLICY = HaltPolicy(share=0.5, least=6, luck=0.01)


def a_page(*acts: Behaviour) -> tuple[Chunk, ...]:
    """Make a chunk of one item for each behaviour, with a symbol of its own."""
    return tuple(
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=(act,)),))
        for number, act in enumerate(acts)
    )


CLEAN = a_page(*[Behaviour.WORK] * 10)
MIXED = a_page(*[Behaviour.BE_SUSPICIOUS] * 5, *[Behaviour.WORK] * 5)
SUSPICIOUS = a_page(*[Behaviour.BE_SUSPICIOUS] * 6, *[Behaviour.WORK] * 4)


async def test_a_cycle_that_is_suspicious_as_a_whole_writes_nothing(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    _, run = begin(FakeWorkload(workspace=workspace, pages=(SUSPICIOUS, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.HALTED
    assert summary.counts.reconciled == 0
    assert summary.fault == workspace.halt.read_text()
    assert "not found" in summary.fault
    assert journal.ids("end") == []


@pytest.mark.parametrize("shards", [1, 2])
async def test_a_cycle_is_judged_as_a_whole_despite_a_crash(
    workspace: Workspace,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    shards: int,
) -> None:
    deadly = Chunk(key="COIN9", items=(Item(id=9, acts=(Behaviour.DIE, Behaviour.WORK)),))
    suspicious = a_page(*[Behaviour.WAIT_AND_BE_SUSPICIOUS] * 6, *[Behaviour.WORK] * 3)

    _, run = begin(
        FakeWorkload(workspace=workspace, pages=((deadly, *suspicious),)),
        shards=shards,
        batch_size=10,
        halt=POLICY,
    )
    await journal.wait("open", count=shards + 1)
    open_gate()
    summary = await run

    assert summary.restarts == 1
    assert summary.ending is StopReason.HALTED
    assert journal.ids("end") == []


async def test_a_mixed_cycle_below_the_share_is_written(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    _, run = begin(FakeWorkload(workspace=workspace, pages=(MIXED,)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert sorted(journal.ids("end")) == list(range(10))
    assert not workspace.halt.exists()


async def test_a_clean_sample_releases_the_halt_and_is_not_written(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    workspace.halt.write_text("it was a wrong account")

    _, run = begin(FakeWorkload(workspace=workspace, pages=(CLEAN, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert sorted(journal.ids("begin")) == sorted([*range(10)] * 2)
    assert sorted(journal.ids("end")) == list(range(10))
    assert not workspace.halt.exists()


async def test_a_suspicious_sample_leaves_the_halt_on(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    workspace.halt.write_text("it was a wrong account")

    _, run = begin(FakeWorkload(workspace=workspace, pages=(SUSPICIOUS, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.HALTED
    assert len(journal.all("begin")) <= len(SUSPICIOUS)
    assert journal.ids("end") == []
    assert workspace.halt.exists()


async def test_work_goes_on_by_itself_when_the_anomaly_has_passed(
    workspace: Workspace, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    workload = FakeWorkload(workspace=workspace, pages=(SUSPICIOUS, *[CLEAN] * 20))

    begin(workload, halt=POLICY, is_once=False)
    await journal.wait("halt", is_on=True)
    await journal.wait("halt", is_on=False)
    await journal.wait("end", 10)

    assert not workspace.halt.exists()


async def test_a_stop_while_the_halt_is_read_does_not_release_it(
    workspace: Workspace, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.halt.write_text("it was a wrong account")
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()
    answers = [workspace.halt.read_text()]

    def hang_the_second_time(_: FakePlanner) -> str | None:
        if answers:
            return answers.pop()
        loop.call_soon_threadsafe(entered.set)
        workspace.wait_at_gate()
        return None

    monkeypatch.setattr(FakePlanner, "read_halt", hang_the_second_time)

    _, run = begin(FakeWorkload(workspace=workspace, pages=()), is_once=False)
    await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(run, DEADLINE_SECONDS)

    assert workspace.halt.exists()


async def test_a_halt_that_is_not_recorded_yet_counts_as_on(
    workspace: Workspace, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    write = FakePlanner.write_halt
    refusals = [StoreUnavailable("the fake database is gone")]

    def refuse_once(planner: FakePlanner, reason: str | None) -> None:
        if refusals:
            raise refusals.pop()
        write(planner, reason)

    monkeypatch.setattr(FakePlanner, "write_halt", refuse_once)

    begin(
        FakeWorkload(workspace=workspace, pages=(SUSPICIOUS, CLEAN, CLEAN)),
        halt=POLICY,
        is_once=False,
        interval=timedelta(milliseconds=10),
    )
    first = await journal.wait("halt")

    assert first["is_on"]


async def test_a_clean_sample_does_not_release_another_hosts_halt(
    workspace: Workspace, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    looks = 0
    seen_often = asyncio.Event()
    loop = asyncio.get_running_loop()
    read = FakePlanner.read_halt

    def count_looks(planner: FakePlanner) -> str | None:
        nonlocal looks
        reason = read(planner)
        looks += reason is not None
        if looks > 10:
            loop.call_soon_threadsafe(seen_often.set)
        return reason

    def plan_without_end(*_: object) -> Page:
        return Page(chunks=CLEAN, next=None)

    monkeypatch.setattr(FakePlanner, "read_halt", count_looks)
    monkeypatch.setattr(FakePlanner, "plan", plan_without_end)
    workload = FakeWorkload(workspace=workspace, pages=())

    begin(workload, halt=POLICY, is_once=False, interval=timedelta(milliseconds=10))
    await journal.wait("end", 10)
    workspace.halt.write_text("another host saw orders vanish")
    await asyncio.wait_for(seen_often.wait(), DEADLINE_SECONDS)

    assert workspace.halt.exists()
    begun = len(journal.all("begin"))
    workspace.halt.unlink()
    await journal.wait("begin", begun + 10)
