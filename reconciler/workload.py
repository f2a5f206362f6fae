"""What the supervisor runs: a workload, known to it only as pages, runs, batches and tallies.

    parent   Planner.plan()      -> Page of Runs          what is to be done now
    parent   (dispatch)          -> Batch of Runs         what one worker is handed
    child    Handler.examine()   -> Evidence              what it looks like; nothing is written
    parent   (halt)             -> may it be written?    judged for a whole cycle at once
    child    Handler.conclude()  -> Result with a Tally   what came of it

A *run* is work that belongs together and is never cut: for orders, those of one symbol that one
page of the exchange's history answers for. Everything that crosses a process border is picklable.

A workload subclasses the protocols, and writes what it needs: what may be left out has a default
here. `docs/how-to/add-a-worker.md` builds one.
"""

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from reconciler.errors import Problem
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.budget import Budget
from reconciler.telemetry.health import LastHour

NO_LIMIT = sys.maxsize
"""The weight a minute of a workload that asks nobody whose patience is limited."""

NO_BREAKER = BreakerSnapshot(state=BreakerState.CLOSED)
"""What a worker without a circuit breaker says of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Items that one worker handles together.

    Attributes:
        key: What the run is about (a symbol): runs of one key go to one worker.
        items: The work itself; the supervisor counts them, and tells them apart by their `id`.
        cost: What it will probably cost of the budget.
        crashes: How often a worker's death was laid to this run; the first always is.
        crashed_in: The shards whose workers have died over it.
        is_second_try: It was skipped once in this cycle, and is not tried a third time.
    """

    key: str
    items: tuple[Any, ...]
    cost: int = 0
    crashes: int = 0
    crashed_in: frozenset[int] = frozenset()
    is_second_try: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one hand-out carries; numbered, and the number of the cycle that it belongs to."""

    number: int
    cycle: int
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> int:
        """How many items it has."""
        return sum(len(chunk.items) for chunk in self.chunks)

    @property
    def is_suspect(self) -> bool:
        """Whether a worker has died over it: then its next one is to be at nothing else."""
        return any(chunk.crashes for chunk in self.chunks)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnomalyStats:
    """What a look at some items says about the whole: are so many of them odd that it is not them?

    Attributes:
        looked_at: Items of which something was learnt.
        suspicious: Those of them that are not as they can be one by one: vanished, shrunken,
            contradicting, unknown.
        errors: How many more of them were answered with an error of their own, by key (a symbol).
        keys: The keys of all that is looked at; the supervisor knows them, no handler need.
    """

    examined: int = 0
    suspicious: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()

    def __add__(self, other: "AnomalyStats") -> "AnomalyStats":
        return AnomalyStats(
            examined=self.examined + other.examined,
            suspicious=self.suspicious + other.suspicious,
            errors=Counter(self.errors) + Counter(other.errors),
            keys=self.keys | other.keys,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of work. `next` is where the following page begins; None when there is none."""

    chunks: tuple[Chunk, ...]
    next: Hashable | None = None


@dataclass(kw_only=True, slots=True)
class Counts:
    """Counts of what was done: orders, except `requests` and `weight`."""

    scanned: int = 0
    reconciled: int = 0
    discrepancies: int = 0
    errors: int = 0
    held: int = 0
    skipped_locked: int = 0
    requests: int = 0
    weight: int = 0
    transitions: Counter[str] = field(default_factory=Counter)

    @property
    def by_name(self) -> dict[str, int]:
        """The counts by their names, without the transitions."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.type is int}

    def add(self, other: "Counts") -> None:
        """Add the other's counts to these."""
        self.scanned += other.scanned
        self.reconciled += other.reconciled
        self.discrepancies += other.discrepancies
        self.errors += other.errors
        self.held += other.held
        self.skipped_locked += other.skipped_locked
        self.requests += other.requests
        self.weight += other.weight
        self.transitions.update(other.transitions)


class FaultKind(StrEnum):
    """Why a worker could not do its work; nobody's order is at fault."""

    STORE = "store"
    RIGHTS = "rights"
    EXCHANGE = "exchange"
    REFUSED = "refused"
    ACCOUNT = "account"

    @property
    def is_of_store(self) -> bool:
        """Whether the database is in the way, and not the exchange."""
        return self in {FaultKind.STORE, FaultKind.RIGHTS}

    @property
    def needs_person(self) -> bool:
        """Whether it does not pass by itself."""
        return self in {FaultKind.RIGHTS, FaultKind.REFUSED, FaultKind.ACCOUNT}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerFault:
    """What stands in the worker's way, and when it is worth trying again.

    Attributes:
        problems: What a person has to fix, where one has to; `message` says it too.
        failed_tries: What was tried and failed before any item could be; it counts as errors.
    """

    kind: FaultKind
    message: str
    retry_after_seconds: float = 5.0
    failed_tries: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedChange:
    """A change that a dry run would have made; texts for a person."""

    order_id: str
    symbol: str
    rule: str
    before: dict[str, str | None]
    after: dict[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a batch.

    Attributes:
        tally: What was done, without what is `undone` or worth a second try.
        skipped: Runs of what somebody else had locked: worth a second try in this cycle.
        undone: Runs that could not be worked on because of `fault`: to be handed out again.
        trouble: None when nothing stood in the way.
        halted: Why nothing may be written, where the halt was found to be on; what was not written
            by then is left as it is.
        breaker: The worker's circuit breaker now: a replacement goes on where it stands. Closed for
            a worker that has none.
        proposals: What a dry run would have changed.
        not_asked: Items that were left to the next sweep without a try; the tally has them not.
    """

    counts: Counts = field(default_factory=Counts)
    breaker: BreakerSnapshot = NO_BREAKER
    skipped: tuple[Chunk, ...] = ()
    undone: tuple[Chunk, ...] = ()
    fault: WorkerFault | None = None
    halted: str | None = None
    proposals: tuple[ProposedChange, ...] = ()
    not_asked: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """A finished cycle: all that one page led to.

    Attributes:
        ends_sweep: It was the last of all that was stale at the time.
    """

    started_at: datetime
    finished_at: datetime
    duration_ms: int
    counts: Counts
    ends_sweep: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """How much work waits, and for how long the oldest of it has.

    Attributes:
        stale_after_seconds: How long an item may be left alone before it is part of this. None: it
            is no fault if it is left alone for longer, as in a dry run.
        open_items: All that is to be looked at again and again, also what is not stale now;
        held_items: those of them that are set aside. None: there is no such thing.
        oldest_hold_age_seconds: How long ago the oldest of what is set aside was; None: nothing is.
        unfollowed_items: What seems to need work, and is left alone as it is.
        duplicate_items: What is the same work as another item's.
    """

    items: int
    oldest_age_seconds: float
    stale_after_seconds: float | None = None
    open_items: int | None = None
    held_items: int | None = None
    oldest_hold_age_seconds: float | None = None
    unfollowed_items: int = 0
    duplicate_items: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RememberedPause:
    """For how much longer the exchange wants silence, as it was written down.

    Attributes:
        seconds: From this host.
        elsewhere_seconds: From another host, which may have another address.
    """

    seconds: float = 0.0
    elsewhere_seconds: float = 0.0


class Planner(Protocol):
    """The parent's side. Its methods block; the supervisor calls them from a thread."""

    @abstractmethod
    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read up to `limit` items of work, beginning behind `after`.

        Raises:
            StoreUnavailable: try again later.
        """
        ...

    def backlog(self) -> Backlog:
        """Measure the work that waits, for the gauges; by default they stay at 0.

        Raises:
            StoreUnavailable: try again later.
        """
        return Backlog(items=0, oldest_age_seconds=0)

    def record(self, cycle: Cycle) -> None:  # noqa: ARG002 - for those that override it
        """Write a finished cycle down; by default only the metrics tell of it.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def last_hour(self) -> LastHour | None:
        """Return what the recorded cycles of the last hour did; None where none are recorded.

        Raises:
            StoreUnavailable: try again later.
        """
        return None

    def set_aside(self, chunk: Chunk) -> None:  # noqa: ARG002 - for those that override it
        """Put a run on hold that has killed one worker after another.

        By default nothing keeps it from being planned again: every sweep costs two workers then.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def read_halt(self) -> str | None:
        """Return why nothing may be written; None when it may.

        A workload whose `AnomalyStats` can be suspicious must remember the halt. Here it is never
        on. To find it off where it was written as on is a person's release.

        Raises:
            StoreUnavailable: try again later.
        """
        return None

    def read_pause(self) -> RememberedPause:
        """Return for how much longer nothing may be asked; by default a restart forgets it.

        Raises:
            StoreUnavailable: try again later.
        """
        return RememberedPause()

    def write_pause(self, seconds: float) -> None:  # noqa: ARG002 - for those that override it
        """Remember that nothing may be asked for `seconds` from now.

        Raises:
            StoreUnavailable: it is not remembered.
        """
        return

    def write_halt(self, reason: str | None) -> None:  # noqa: ARG002 - for those that override it
        """Remember that nothing may be written, and why; None: that it may again.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def close(self) -> None:
        """Close the connections."""
        return


class Handler(Protocol):
    """The child's side: looks at batches, then finishes them, on its worker's event loop.

    One batch is looked at while another is finished, so what the two methods share must bear that;
    neither is called again before it has returned. Neither raises for what the outside world does:
    that is in the `Result`. What they raise ends the worker. A call that blocks belongs into a
    thread.
    """

    async def prepare(self, batch: Batch) -> AnomalyStats:  # noqa: ARG002 - for those that override it
        """Find out what is to be done about a batch, and keep it in mind. Writes nothing.

        A stop cancels it. By default there is nothing to find out, and nothing is suspicious.
        """
        return AnomalyStats()

    @abstractmethod
    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Do it, or where it may not be written, forget it; return what came of the batch.

        A worker may be killed at any instant of it, and the batch is then examined and concluded
        again, by another: what was done already must stay as it is.
        """
        ...

    def heartbeat(self) -> float:
        """Called every few seconds, busy or not: send the gauges that are this worker's.

        Returns:
            For how many seconds it has been waiting for a call that should be short; 0 if for
            none. A worker that waits too long is taken for hung, and replaced.
        """
        return 0.0

    async def close(self) -> None:
        """Close the connections."""
        return


class Workload(Protocol):
    """One kind of work. Picklable: it is sent to every worker."""

    @property
    def weight_per_minute(self) -> int:
        """The published limit of what `Budget.take` counts; by default there is none."""
        return NO_LIMIT

    @abstractmethod
    def open_planner(self) -> Planner:
        """Open the parent's side.

        Raises:
            ConfigurationError: it cannot work with these settings or this database.
        """
        ...

    @abstractmethod
    async def open_handler(
        self, *, shard: int, budget: Budget, breaker: BreakerSnapshot | None
    ) -> Handler:
        """Open the child's side, with connections of its own.

        `breaker` is where the predecessor's circuit breaker stood; None for the first worker.

        Raises:
            ConfigurationError: it cannot work with these settings or this database.
            StoreUnavailable: try again later.
        """
        ...
