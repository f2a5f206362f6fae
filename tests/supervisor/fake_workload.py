"""A workload to supervise: its items say what becomes of the worker that is handed them.

Everything that happens is written to a journal, a named pipe that the test listens to; nothing is
ever polled or slept for. Imported by the worker processes too.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import reconciler
from reconciler.errors import ConfigurationError, Problem, StoreUnavailable
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.workload import (
    NO_BREAKER,
    AnomalyStats,
    Batch,
    Chunk,
    Counts,
    Cycle,
    FaultKind,
    Handler,
    Page,
    Planner,
    Result,
    WorkerFault,
    Workload,
)

WEIGHT = 10


class Behaviour(StrEnum):
    """What an item does to the worker that handles it."""

    WORK = "work"
    WAIT = "wait"
    GET_STUCK = "get_stuck"
    LOOP = "loop"
    WAIT_FOR_CALL = "wait_for_call"
    DIE = "die"
    RAISE = "raise"
    EXIT = "exit"
    BE_UNFIT = "be_unfit"
    ASK = "ask"
    BAN = "ban"
    MEET_TROUBLE = "meet_trouble"
    FIND_LOCKED = "find_locked"
    BE_ODD = "be_odd"
    WAIT_AND_BE_ODD = "wait_and_be_odd"
    BE_OTHER_RELEASE = "be_other_release"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of work: what it does the first time, the second time, and from the last one on.

    Attributes:
        is_late: It does it to a worker that finishes it, not to one that looks at it.
    """

    id: int
    acts: tuple[Behaviour, ...] = (Behaviour.WORK,)
    is_late: bool = False


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A folder in which a test and its workers meet.

    Items that wait do so until the gate is opened.
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """The pipe that everything is written to, a JSON object a line."""
        return self.folder / "journal"

    @property
    def halt(self) -> Path:
        """The file that says why nothing may be written; there is none when it may."""
        return self.folder / "halt"

    @property
    def gate(self) -> Path:
        """The pipe that opens for reading once the test has opened it for writing."""
        return self.folder / "gate"

    @property
    def planning_gate(self) -> Path:
        """As the gate, for the planner instead of the items."""
        return self.folder / "curtain"

    def say(self, event: str, **facts: object) -> None:
        """Write a line; short ones of several processes never mix (PIPE_BUF)."""
        line = {"event": event, "pid": os.getpid(), "at": time.monotonic(), **facts}
        descriptor = os.open(self.journal, os.O_WRONLY)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)

    def next_act(self, item: Item) -> Behaviour:
        """Return what the item does now; remembered across workers."""
        for number, act in enumerate(item.acts[:-1]):
            try:
                (self.folder / f"{item.id}.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return act
        return item.acts[-1]

    def wait_at_gate(self) -> None:
        """Wait until the test opens the gate."""
        os.close(os.open(self.gate, os.O_RDONLY))

    def wait_for_curtain(self) -> None:
        """Wait until the test raises the curtain."""
        os.close(os.open(self.planning_gate, os.O_RDONLY))


@dataclass(frozen=True, kw_only=True)
class FakeWorkload(Workload):
    """Pages that are planned once each, and workers that do as their items say.

    Attributes:
        opening: What a worker does when it opens: WORK, or end as EXIT, RAISE or BE_UNFIT, or find
            the database gone as MEET_TROUBLE.
        exit_code: What EXIT exits with.
        retry_after_seconds: How long a worker in trouble is left alone.
        breaker: Where a worker's breaker stands whenever it has finished a batch.
        deadly_shard: The shard whose worker dies over everything.
        has_curtain: Nothing is planned before the test raises it.
    """

    stage: Stage
    pages: tuple[tuple[Chunk, ...], ...]
    weight_per_minute: int = 6000
    opening: Behaviour = Behaviour.WORK
    exit_code: int = 3
    retry_after_seconds: float = 0.0
    breaker: BreakerSnapshot = NO_BREAKER
    deadly_shard: int | None = None
    has_curtain: bool = False

    def open_planner(self) -> "ToyPlanner":
        """Open the parent's side."""
        return ToyPlanner(self.stage, list(self.pages), has_curtain=self.has_curtain)

    async def open_handler(
        self, *, shard: int, budget: Budget, breaker: BreakerSnapshot | None
    ) -> "ToyHandler":
        """Open a worker's side."""
        if self.opening is Behaviour.MEET_TROUBLE:
            raise StoreUnavailable("the toy's database is gone")
        handler = ToyHandler(self, shard, budget)
        if self.opening is not Behaviour.WORK:
            await handler.act(Item(id=-1, acts=(self.opening,)))
        self.stage.say("open", shard=shard, breaker=None if breaker is None else breaker.state)
        return handler


class ToyPlanner(Planner):
    """Plans each page once; then there is nothing more to do."""

    def __init__(self, stage: Stage, pages: list[tuple[Chunk, ...]], *, has_curtain: bool) -> None:
        self._stage = stage
        self._pages = pages
        self._has_curtain = has_curtain

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the protocol's
        """Return the next page."""
        if self._has_curtain:
            self._stage.wait_for_curtain()
        chunks = self._pages.pop(0) if self._pages else ()
        return Page(chunks=chunks, next=len(self._pages) or None)

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down."""
        self._stage.say("cycle", scanned=cycle.counts.scanned, errors=cycle.counts.errors)

    def set_aside(self, run: Chunk) -> None:
        """Say so."""
        for item in run.items:
            self._stage.say("set aside", id=item.id)

    def read_halt(self) -> str | None:
        """Read the file."""
        return self._stage.halt.read_text() if self._stage.halt.exists() else None

    def write_halt(self, reason: str | None) -> None:
        """Write the file, or take it away."""
        if reason is None:
            self._stage.halt.unlink()
        else:
            self._stage.halt.write_text(reason)
        self._stage.say("halt", is_on=reason is not None)

    def close(self) -> None:
        """Say so."""
        self._stage.say("planner closed")


_ODD = {Behaviour.BE_ODD, Behaviour.WAIT_AND_BE_ODD}


class ToyHandler(Handler):
    """Looks at one item after another, and finishes one after another."""

    def __init__(self, workload: FakeWorkload, shard: int, budget: Budget) -> None:
        self._workload = workload
        self._stage = workload.stage
        self._shard = shard
        self._budget = budget
        self._acts: dict[int, Behaviour] = {}
        self._waits_since: float | None = None

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Let the items act, but for those that act late."""
        items = [item for run in batch.chunks for item in run.items]
        for item in items:
            self._acts[item.id] = self._stage.next_act(item)
            self._say("begin", item)
            if self._shard == self._workload.deadly_shard:
                await self.act(Item(id=item.id, acts=(Behaviour.DIE,)))
            if not item.is_late:
                await self.act(self._now(item))
        odd = [item for item in items if self._acts[item.id] in _ODD]
        return AnomalyStats(examined=len(items), suspicious=len(odd))

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Finish the batch, or forget it."""
        counts = Counts()
        unfinished, skipped = [], []
        for run in batch.chunks:
            acts = {self._acts[item.id] for item in run.items}
            if may_write:
                await self._finish(run)
            if Behaviour.MEET_TROUBLE in acts:
                unfinished.append(run)
            elif Behaviour.FIND_LOCKED in acts:
                skipped.append(run)
            else:
                counts.scanned += len(run.items)
                counts.reconciled += len(run.items) * may_write
        return Result(
            counts=counts,
            breaker=self._workload.breaker,
            skipped=tuple(skipped),
            unfinished=tuple(unfinished),
            fault=self._trouble() if unfinished else None,
        )

    async def _finish(self, run: Chunk) -> None:
        for item in run.items:
            if item.is_late:
                self._say("begin late", item)
                await self.act(self._now(item))
            self._say("end", item)

    def _now(self, item: Item) -> Item:
        return Item(id=item.id, acts=(self._acts[item.id],))

    def _say(self, event: str, item: Item) -> None:
        self._stage.say(event, id=item.id, shard=self._shard, act=self._acts[item.id])

    async def act(self, item: Item) -> None:  # noqa: C901, PLR0912 - a flat table of acts
        """Do what the item says."""
        match item.acts[0]:
            case Behaviour.WORK | Behaviour.MEET_TROUBLE | Behaviour.FIND_LOCKED | Behaviour.BE_ODD:
                pass
            case Behaviour.WAIT | Behaviour.WAIT_AND_BE_ODD:
                await asyncio.to_thread(self._stage.wait_at_gate)
            case Behaviour.GET_STUCK:
                self._stage.wait_at_gate()
            case Behaviour.LOOP:
                while True:
                    pass
            case Behaviour.WAIT_FOR_CALL:
                self._waits_since = time.monotonic()
                await asyncio.to_thread(self._stage.wait_at_gate)
            case Behaviour.DIE:
                os.kill(os.getpid(), signal.SIGKILL)
            case Behaviour.RAISE:
                raise RuntimeError(f"the toy's item {item.id} raises: the secret is s3cr3t")
            case Behaviour.EXIT:
                os._exit(self._workload.exit_code)
            case Behaviour.BE_UNFIT:
                raise ConfigurationError([Problem(what="the toy is broken", hint="buy another")])
            case Behaviour.ASK:
                await self._budget.take(WEIGHT)
                self._stage.say("granted", id=item.id, shard=self._shard)
            case Behaviour.BAN:
                await self._budget.pause(3600)
            case Behaviour.BE_OTHER_RELEASE:
                reconciler.__version__ = "0.0.9"
            case never:
                assert_never(never)

    def _trouble(self) -> WorkerFault:
        return WorkerFault(
            kind=FaultKind.EXCHANGE,
            message="the toy's exchange is gone",
            retry_after_seconds=self._workload.retry_after_seconds,
        )

    def heartbeat(self) -> float:
        """Say how long the call has hung, if one does."""
        return 0.0 if self._waits_since is None else time.monotonic() - self._waits_since

    async def close(self) -> None:
        """Say so."""
        self._stage.say("closed", shard=self._shard)
