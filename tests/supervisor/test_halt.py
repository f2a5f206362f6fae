"""A cycle that is odd as a whole stops the writing; a clean sample, or a person, lets it go on."""

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
from .fake_workload import Behaviour, FakeWorkload, Item, Stage, ToyPlanner

POLICY = HaltPolicy(share=0.5, least=6, luck=0.01)


def a_page(*acts: Behaviour) -> tuple[Chunk, ...]:
    """Make a run of one item for each, with a symbol of its own."""
    return tuple(
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=(act,)),))
        for number, act in enumerate(acts)
    )


CLEAN = a_page(*[Behaviour.WORK] * 10)
MIXED = a_page(*[Behaviour.BE_ODD] * 5, *[Behaviour.WORK] * 5)
ODD = a_page(*[Behaviour.BE_ODD] * 6, *[Behaviour.WORK] * 4)


async def test_a_cycle_that_is_odd_as_a_whole_writes_nothing(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    _, run = begin(FakeWorkload(stage=stage, pages=(ODD, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.HALTED
    assert summary.counts.reconciled == 0
    assert summary.fault == stage.halt.read_text()
    assert "not found" in summary.fault
    assert journal.ids("end") == []


@pytest.mark.parametrize("shards", [1, 2])
async def test_what_a_worker_has_died_over_is_still_judged_as_a_whole(
    stage: Stage,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    shards: int,
) -> None:
    deadly = Chunk(key="COIN9", items=(Item(id=9, acts=(Behaviour.DIE, Behaviour.WORK)),))
    odd = a_page(*[Behaviour.WAIT_AND_BE_ODD] * 6, *[Behaviour.WORK] * 3)

    _, run = begin(
        FakeWorkload(stage=stage, pages=((deadly, *odd),)),
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
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    _, run = begin(FakeWorkload(stage=stage, pages=(MIXED,)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert sorted(journal.ids("end")) == list(range(10))
    assert not stage.halt.exists()


async def test_a_clean_sample_releases_the_halt_and_is_not_written_itself(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    stage.halt.write_text("it was a wrong account")

    _, run = begin(FakeWorkload(stage=stage, pages=(CLEAN, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.COMPLETED
    assert sorted(journal.ids("begin")) == sorted([*range(10)] * 2)
    assert sorted(journal.ids("end")) == list(range(10))
    assert not stage.halt.exists()


async def test_an_odd_sample_leaves_the_halt_on_and_nothing_else_is_asked(
    stage: Stage, journal: Journal, begin: Begin
) -> None:
    stage.halt.write_text("it was a wrong account")

    _, run = begin(FakeWorkload(stage=stage, pages=(ODD, CLEAN)), halt=POLICY)
    summary = await run

    assert summary.ending is StopReason.HALTED
    assert len(journal.all("begin")) <= len(ODD)
    assert journal.ids("end") == []
    assert stage.halt.exists()


async def test_a_supervisor_that_keeps_running_goes_on_by_itself_when_it_has_passed(
    stage: Stage, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    workload = FakeWorkload(stage=stage, pages=(ODD, *[CLEAN] * 20))

    begin(workload, halt=POLICY, is_once=False)
    await journal.wait("halt", is_on=True)
    await journal.wait("halt", is_on=False)
    await journal.wait("end", 10)

    assert not stage.halt.exists()


async def test_a_stop_while_the_halt_is_read_does_not_release_it(
    stage: Stage, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.halt.write_text("it was a wrong account")
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()
    answers = [stage.halt.read_text()]

    def hang_the_second_time(_: ToyPlanner) -> str | None:
        if answers:
            return answers.pop()
        loop.call_soon_threadsafe(entered.set)
        stage.wait_at_gate()
        return None

    monkeypatch.setattr(ToyPlanner, "read_halt", hang_the_second_time)

    _, run = begin(FakeWorkload(stage=stage, pages=()), is_once=False)
    await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(run, DEADLINE_SECONDS)

    assert stage.halt.exists()


async def test_a_halt_that_could_not_be_written_down_is_not_taken_for_released(
    stage: Stage, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    write = ToyPlanner.write_halt
    refusals = [StoreUnavailable("the toy's database is gone")]

    def refuse_once(planner: ToyPlanner, reason: str | None) -> None:
        if refusals:
            raise refusals.pop()
        write(planner, reason)

    monkeypatch.setattr(ToyPlanner, "write_halt", refuse_once)

    begin(
        FakeWorkload(stage=stage, pages=(ODD, CLEAN, CLEAN)),
        halt=POLICY,
        is_once=False,
        interval=timedelta(milliseconds=10),
    )
    first = await journal.wait("halt")

    assert first["is_on"]


async def test_a_halt_that_another_host_applies_meanwhile_is_not_lifted_by_a_clean_sample_here(
    stage: Stage, journal: Journal, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HALT_SAMPLE_SECONDS", 0.01)
    looks = 0
    seen_often = asyncio.Event()
    loop = asyncio.get_running_loop()
    read = ToyPlanner.read_halt

    def count_looks(planner: ToyPlanner) -> str | None:
        nonlocal looks
        reason = read(planner)
        looks += reason is not None
        if looks > 10:
            loop.call_soon_threadsafe(seen_often.set)
        return reason

    def plan_without_end(*_: object) -> Page:
        return Page(chunks=CLEAN, next=None)

    monkeypatch.setattr(ToyPlanner, "read_halt", count_looks)
    monkeypatch.setattr(ToyPlanner, "plan", plan_without_end)
    workload = FakeWorkload(stage=stage, pages=())

    begin(workload, halt=POLICY, is_once=False, interval=timedelta(milliseconds=10))
    await journal.wait("end", 10)
    stage.halt.write_text("another host saw orders vanish")
    await asyncio.wait_for(seen_often.wait(), DEADLINE_SECONDS)

    assert stage.halt.exists()
    begun = len(journal.all("begin"))
    stage.halt.unlink()
    await journal.wait("begin", begun + 10)
