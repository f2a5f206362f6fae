"""A workload to supervise: its items say what they do to the worker that handles them.

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
from reconciler.resilience.limits import RateLimit
from reconciler.resilience.nonces import Nonces
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
from tests.fakes import weight_limit

WEIGHT = 10


class Behaviour(StrEnum):
    """An item's effect on the worker that handles it."""

    WORK = "work"
    WAIT = "wait"
    GET_STUCK = "get_stuck"
    LOOP = "loop"
    WAIT_FOR_CALL = "wait_for_call"
    DIE = "die"
    RAISE = "raise"
    EXIT = "exit"
    BE_MISCONFIGURED = "be_misconfigured"
    ASK = "ask"
    BAN = "ban"
    MEET_FAULT = "meet_fault"
    FIND_LOCKED = "find_locked"
    BE_SUSPICIOUS = "be_suspicious"
    WAIT_AND_BE_SUSPICIOUS = "wait_and_be_suspicious"
    BE_OTHER_RELEASE = "be_other_release"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of work: what it does the first time, the second time, and from the last on.

    Attributes:
        is_late: It does it to a worker that commits it, not to one that prepares it.
    """

    id: int
    acts: tuple[Behaviour, ...] = (Behaviour.WORK,)
    is_late: bool = False


@dataclass(frozen=True, kw_only=True)
class Workspace:
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
        return self.folder / "planning_gate"

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

    def wait_at_planning_gate(self) -> None:
        """Wait until the test opens the planning gate."""
        os.close(os.open(self.planning_gate, os.O_RDONLY))


@dataclass(frozen=True, kw_only=True)
class FakeWorkload(Workload):
    """Pages that are planned once each, and workers that do as their items say.

    Attributes:
        opening: What a worker does when it opens: WORK, or end as EXIT, RAISE or BE_MISCONFIGURED,
            or find the database gone as MEET_FAULT.
        exit_code: What EXIT exits with.
        retry_after_seconds: How long a worker with a fault is assigned nothing.
        breaker: Where a worker's breaker stands whenever it has finished a batch.
        deadly_shard: The shard whose worker every item crashes.
        has_planning_gate: Nothing is planned before the test opens the planning gate.
    """

    workspace: Workspace
    pages: tuple[tuple[Chunk, ...], ...]
    weight_per_minute: int = 6000
    opening: Behaviour = Behaviour.WORK
    exit_code: int = 3
    retry_after_seconds: float = 0.0
    breaker: BreakerSnapshot = NO_BREAKER
    deadly_shard: int | None = None
    has_planning_gate: bool = False

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """One limit of weight a minute."""
        return weight_limit(self.weight_per_minute)

    def open_planner(self) -> "FakePlanner":
        """Open the parent's side."""
        return FakePlanner(
            self.workspace, list(self.pages), has_planning_gate=self.has_planning_gate
        )

    async def open_handler(
        self,
        *,
        shard: int,
        budget: Budget,
        nonces: Nonces,  # noqa: ARG002 - the protocol's
        breaker: BreakerSnapshot | None,
    ) -> "FakeHandler":
        """Open a worker's side."""
        if self.opening is Behaviour.MEET_FAULT:
            raise StoreUnavailable("the fake database is gone")
        handler = FakeHandler(self, shard, budget)
        if self.opening is not Behaviour.WORK:
            await handler.act(Item(id=-1, acts=(self.opening,)))
        self.workspace.say("open", shard=shard, breaker=None if breaker is None else breaker.state)
        return handler


class FakePlanner(Planner):
    """Plans each page once; then there is nothing more to do."""

    def __init__(
        self, workspace: Workspace, pages: list[tuple[Chunk, ...]], *, has_planning_gate: bool
    ) -> None:
        self._workspace = workspace
        self._pages = pages
        self._has_planning_gate = has_planning_gate

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the protocol's
        """Return the next page."""
        if self._has_planning_gate:
            self._workspace.wait_at_planning_gate()
        chunks = self._pages.pop(0) if self._pages else ()
        return Page(chunks=chunks, next=len(self._pages) or None)

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down."""
        self._workspace.say("cycle", scanned=cycle.counts.scanned, errors=cycle.counts.errors)

    def set_aside(self, chunk: Chunk) -> None:
        """Record the event in the journal."""
        for item in chunk.items:
            self._workspace.say("set aside", id=item.id)

    def read_halt(self) -> str | None:
        """Read the file."""
        return self._workspace.halt.read_text() if self._workspace.halt.exists() else None

    def write_halt(self, reason: str | None) -> None:
        """Write the file, or take it away."""
        if reason is None:
            self._workspace.halt.unlink()
        else:
            self._workspace.halt.write_text(reason)
        self._workspace.say("halt", is_on=reason is not None)

    def close(self) -> None:
        """Record the event in the journal."""
        self._workspace.say("planner closed")


_SUSPICIOUS = {Behaviour.BE_SUSPICIOUS, Behaviour.WAIT_AND_BE_SUSPICIOUS}


class FakeHandler(Handler):
    """Prepares one item after another, and commits one after another."""

    def __init__(self, workload: FakeWorkload, shard: int, budget: Budget) -> None:
        self._workload = workload
        self._workspace = workload.workspace
        self._shard = shard
        self._budget = budget
        self._acts: dict[int, Behaviour] = {}
        self._waits_since: float | None = None

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Do what the items say, except those that act late."""
        items = [item for chunk in batch.chunks for item in chunk.items]
        for item in items:
            self._acts[item.id] = self._workspace.next_act(item)
            self._say("begin", item)
            if self._shard == self._workload.deadly_shard:
                await self.act(Item(id=item.id, acts=(Behaviour.DIE,)))
            if not item.is_late:
                await self.act(self._now(item))
        suspicious = [item for item in items if self._acts[item.id] in _SUSPICIOUS]
        return AnomalyStats(examined=len(items), suspicious=len(suspicious))

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Commit the batch, or forget it."""
        counts = Counts()
        unfinished, skipped = [], []
        for chunk in batch.chunks:
            acts = {self._acts[item.id] for item in chunk.items}
            if may_write:
                await self._finish(chunk)
            if Behaviour.MEET_FAULT in acts:
                unfinished.append(chunk)
            elif Behaviour.FIND_LOCKED in acts:
                skipped.append(chunk)
            else:
                counts.scanned += len(chunk.items)
                counts.reconciled += len(chunk.items) * may_write
        return Result(
            counts=counts,
            breaker=self._workload.breaker,
            skipped=tuple(skipped),
            unfinished=tuple(unfinished),
            fault=self._fault() if unfinished else None,
        )

    async def _finish(self, chunk: Chunk) -> None:
        for item in chunk.items:
            if item.is_late:
                self._say("begin late", item)
                await self.act(self._now(item))
            self._say("end", item)

    def _now(self, item: Item) -> Item:
        return Item(id=item.id, acts=(self._acts[item.id],))

    def _say(self, event: str, item: Item) -> None:
        self._workspace.say(event, id=item.id, shard=self._shard, act=self._acts[item.id])

    async def act(self, item: Item) -> None:  # noqa: C901, PLR0912 - a flat table of acts
        """Behave as the item says."""
        match item.acts[0]:
            case (
                Behaviour.WORK
                | Behaviour.MEET_FAULT
                | Behaviour.FIND_LOCKED
                | Behaviour.BE_SUSPICIOUS
            ):
                pass
            case Behaviour.WAIT | Behaviour.WAIT_AND_BE_SUSPICIOUS:
                await asyncio.to_thread(self._workspace.wait_at_gate)
            case Behaviour.GET_STUCK:
                self._workspace.wait_at_gate()
            case Behaviour.LOOP:
                while True:
                    pass
            case Behaviour.WAIT_FOR_CALL:
                self._waits_since = time.monotonic()
                await asyncio.to_thread(self._workspace.wait_at_gate)
            case Behaviour.DIE:
                os.kill(os.getpid(), signal.SIGKILL)
            case Behaviour.RAISE:
                raise RuntimeError(f"the fake item {item.id} raises: the secret is s3cr3t")
            case Behaviour.EXIT:
                os._exit(self._workload.exit_code)
            case Behaviour.BE_MISCONFIGURED:
                raise ConfigurationError(
                    [Problem(what="the fake workload is broken", hint="buy another")]
                )
            case Behaviour.ASK:
                await self._budget.take({"weight": WEIGHT})
                self._workspace.say("granted", id=item.id, shard=self._shard)
            case Behaviour.BAN:
                await self._budget.pause(3600)
            case Behaviour.BE_OTHER_RELEASE:
                reconciler.__version__ = "0.0.9"
            case never:
                assert_never(never)

    def _fault(self) -> WorkerFault:
        return WorkerFault(
            kind=FaultKind.EXCHANGE,
            message="the fake exchange is gone",
            retry_after_seconds=self._workload.retry_after_seconds,
        )

    def heartbeat(self) -> float:
        """Return how long a call has hung; 0 if none does."""
        return 0.0 if self._waits_since is None else time.monotonic() - self._waits_since

    async def close(self) -> None:
        """Record the event in the journal."""
        self._workspace.say("closed", shard=self._shard)
