"""The contract between the supervisor and the work that it runs.

The supervisor knows no exchange and no SQL. It starts workers, assigns work to them, judges
what they found before they write, and replaces workers that die. The work itself is a *workload*:
a `Planner` in the supervisor's process, and a `Handler` in each worker process. A page of work
is cut into cycles, and each cycle passes through them in these steps:

    supervisor   Planner.plan()      reads what is due: a `Page`, cut into chunks
    supervisor   dispatcher          assigns chunks to a worker, as a `Batch`
    worker       Handler.prepare()   finds out what has to change and writes nothing; returns
                                     `AnomalyStats`: how much of the batch looks suspicious
    supervisor   verdict             judges the stats of all batches of the cycle together: if most
                                     of it looks suspicious, nothing may be written
    worker       Handler.commit()    writes, if it may, and returns a `Result` with `Counts`
    supervisor   Planner.record()    records the finished `Cycle`

A *chunk* is a group of items that one worker handles together; for orders, neighbours of one symbol
that one request can answer for. Planning never divides a chunk; what is left of one may
be assigned again as a smaller chunk.

A worker may be killed at any moment. Its batches are then assigned again, so `commit` must be safe
to repeat. What crosses the process border is picklable: the workload, batches with their items,
and results.

To write a workload, subclass `Workload`, `Planner` and `Handler`. Four methods are required:
`plan`, `commit`, `open_planner` and `open_handler`; the others have defaults.
`docs/how-to/add-a-worker.md` builds one step by step; ours is `reconciler.orders.workload`.
"""

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Protocol

from reconciler.domain.value import Value, decode_values, encode_values
from reconciler.errors import Problem
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.budget import Budget
from reconciler.resilience.limits import Cost, RateLimit
from reconciler.resilience.nonces import Nonces
from reconciler.telemetry.health import HostState, LastHour
from reconciler.telemetry.shadow import ShadowFigures

NO_LIMIT = sys.maxsize
"""The weight per minute of a workload that asks no service with a rate limit."""

NO_BREAKER = BreakerSnapshot(state=BreakerState.CLOSED)
"""The snapshot that a worker without a circuit breaker reports."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Items that one worker handles together.

    Attributes:
        key: The subject of the chunk (a symbol): chunks of one key go to one shard.
        items: The work itself. The supervisor counts the items and identifies each by its `id`.
            If all are `Value`s of one class, they are sent to a worker ten times as fast.
        cost: The weight of the rate budget that it will probably use.
        crashes: Crashes that are attributed to this chunk; the first crash always is.
        crashed_in: The shards whose workers crashed while processing it.
        is_second_try: True after it was skipped once in this cycle; there is no third try.
    """

    key: str
    items: tuple[Any, ...]
    cost: int = 0
    crashes: int = 0
    crashed_in: frozenset[int] = frozenset()
    is_second_try: bool = False

    @property
    def ids(self) -> Iterator[object]:
        """The ids of the items."""
        return map(_id_of, self.items)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle items that are values of one class in one piece."""
        rest = (self.key, self.cost, self.crashes, self.crashed_in, self.is_second_try)
        kinds = set(map(type, self.items))
        if len(kinds) == 1 and issubclass(kind := kinds.pop(), Value):
            return _chunk_of_values, (kind, encode_values(self.items), *rest)
        return _chunk, (self.items, *rest)


_id_of = attrgetter("id")


def _chunk_of_values(kind: type[Value], encoded: bytes, *rest: Any) -> Chunk:
    return _chunk(decode_values(kind, encoded), *rest)


def _chunk(  # noqa: PLR0917 - pickle passes them by position
    items: tuple[Any, ...],
    key: str,
    cost: int,
    crashes: int,
    crashed_in: frozenset[int],
    is_second_try: bool,  # noqa: FBT001 - as above
) -> Chunk:
    return Chunk(
        key=key,
        items=items,
        cost=cost,
        crashes=crashes,
        crashed_in=crashed_in,
        is_second_try=is_second_try,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The chunks that a worker is assigned at once, under a number, for one cycle."""

    number: int
    cycle: int
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> int:
        """The number of items."""
        return sum(len(chunk.items) for chunk in self.chunks)

    @property
    def is_suspect(self) -> bool:
        """True if a worker crashed while processing it. It is then assigned alone."""
        return any(chunk.crashes for chunk in self.chunks)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnomalyStats:
    """The number of prepared items that look suspicious: the evidence for or against a halt.

    One suspicious item is that item's problem. If most are, the cause is elsewhere: the wrong
    account, a wiped testnet.

    Attributes:
        examined: Items about which something was learnt.
        suspicious: Examined items that vanished, shrank, contradict their row or are unknown.
        errors: The number of other examined items that got an error of their own, by key.
        keys: The keys of the whole cycle. The supervisor fills them in; a handler leaves them out.
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
    """A page of work.

    Attributes:
        next: The cursor of the following page; None on the last.
        pause_seconds: How many seconds from now the next sweep may begin; 0 if at once. It begins
            no sooner than the interval allows.
    """

    chunks: tuple[Chunk, ...]
    next: Hashable | None = None
    pause_seconds: float = 0.0


@dataclass(kw_only=True, slots=True)
class CountFields:
    """The eight counts of what was done, in orders, except `requests` and `weight`."""

    scanned: int = 0
    reconciled: int = 0
    discrepancies: int = 0
    errors: int = 0
    held: int = 0
    skipped_locked: int = 0
    requests: int = 0
    weight: int = 0

    @property
    def by_name(self) -> dict[str, int]:
        """The eight counts by name."""
        return {count.name: getattr(self, count.name) for count in fields(CountFields)}


@dataclass(kw_only=True, slots=True)
class Counts(CountFields):
    """The eight counts, and the number of changes of status by "from.to"."""

    transitions: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Add the other's counts to these."""
        for name, count in other.by_name.items():
            setattr(self, name, getattr(self, name) + count)
        self.transitions.update(other.transitions)


class FaultKind(StrEnum):
    """The cause of a `WorkerFault`; no order is to blame for it."""

    STORE = "store"
    RIGHTS = "rights"
    EXCHANGE = "exchange"
    REFUSED = "refused"
    ACCOUNT = "account"

    @property
    def is_store_fault(self) -> bool:
        """True if the database is the cause, and not the exchange."""
        return self in {FaultKind.STORE, FaultKind.RIGHTS}

    @property
    def needs_person(self) -> bool:
        """True if it does not pass before a person acts."""
        return self in {FaultKind.RIGHTS, FaultKind.REFUSED, FaultKind.ACCOUNT}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerFault:
    """The reason why a worker cannot work now, and when to try again.

    Attributes:
        retry_after_seconds: How long the supervisor assigns no work to this worker.
        failed_tries: Requests that failed before any item was tried; they count as errors.
        problems: What a person has to fix, if anything; `message` says it too.
        is_consequence: True if it follows from earlier faults: they have opened the breaker.
    """

    kind: FaultKind
    message: str
    retry_after_seconds: float = 5.0
    failed_tries: int = 0
    problems: tuple[Problem, ...] = ()
    is_consequence: bool = False

    @property
    def first_line(self) -> str:
        """The first line of the message; empty if there is none."""
        return next(iter(self.message.splitlines()), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of a batch.

    Attributes:
        counts: What was done, without the items in `skipped` and `unfinished`.
        breaker: The worker's circuit breaker now; a replacement worker inherits it.
        skipped: Chunks of items that another session had locked: tried once more in this cycle.
        unfinished: Chunks that could not be worked on, because of `fault` or a stop: requeued.
        fault: None if the worker can go on.
        halted: The reason of the halt, if the halt was found to be on. Items that were not written
            by then stay as they are.
        notes: What the handler tells the planner about the batch, if anything: see `take_notes`.
        not_asked: The number of items left to the next sweep without a try; not in `counts`.
        unchanged: The number of items that were looked at and left as they are, undecided.
    """

    counts: Counts = field(default_factory=Counts)
    breaker: BreakerSnapshot = NO_BREAKER
    skipped: tuple[Chunk, ...] = ()
    unfinished: tuple[Chunk, ...] = ()
    fault: WorkerFault | None = None
    halted: str | None = None
    notes: object = None
    not_asked: int = 0
    unchanged: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """A finished cycle: a part of a page, judged and recorded as one.

    Attributes:
        ends_sweep: True if it was the last cycle of its sweep.
    """

    started_at: datetime
    finished_at: datetime
    duration_ms: int
    counts: Counts
    ends_sweep: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """The number of items that wait, and the age of the oldest.

    Attributes:
        items: Items that are stale now.
        oldest_age_seconds: The seconds since the longest unsynced stale item was synced.
        unreached_items: Those of `items` that the first sync has not looked at yet, while it is
            going on; None if that is not known.
        stale_after_seconds: The age at which an item becomes stale; None if no age counts as too
            old, as in a dry run.
        open_items: All items that are reconciled from time to time, stale or not; None if unknown.
        held_items: The open items that are on hold; None if this work has no holds.
        oldest_hold_age_seconds: The age of the oldest hold; None if nothing is on hold.
        unfollowed_items: Items that look open, but do not qualify for the work.
        duplicate_items: Items that name the same order as another item.
        measured_seconds_ago: How long ago `items` and `oldest_age_seconds` were measured.
    """

    items: int
    oldest_age_seconds: float
    unreached_items: int | None = None
    stale_after_seconds: float | None = None
    open_items: int | None = None
    held_items: int | None = None
    oldest_hold_age_seconds: float | None = None
    unfollowed_items: int = 0
    duplicate_items: int = 0
    measured_seconds_ago: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RememberedPause:
    """The rest of a rate-limit pause that an earlier process stored.

    Attributes:
        seconds: For this host.
        elsewhere_seconds: For another host, which may have another address.
    """

    seconds: float = 0.0
    elsewhere_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedState:
    """What all supervisors share: their live states, and why nothing may be written, if so."""

    hosts: tuple[HostState, ...] = ()
    halted: str | None = None


class Planner(Protocol):
    """The part in the supervisor's process. Its methods block, so each call runs in a thread."""

    @abstractmethod
    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read up to `limit` items that are due, after the cursor `after`.

        Raises:
            StoreUnavailable: try again later.
        """
        ...

    def measure_backlog(self) -> Backlog:
        """Measure the work that waits, for the gauges; by default none waits.

        Raises:
            StoreUnavailable: try again later.
        """
        return Backlog(items=0, oldest_age_seconds=0)

    def record(self, cycle: Cycle) -> None:  # noqa: ARG002 - for those that override it
        """Store a finished cycle; by default only the metrics show it.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def take_notes(self, notes: object) -> None:  # noqa: ARG002 - for those that override it
        """Take what a handler noted about a batch, on the event loop; by default nothing."""
        return

    def last_hour(self) -> LastHour | None:
        """Sum up the recorded cycles of the last hour; None if cycles are not recorded.

        Raises:
            StoreUnavailable: try again later.
        """
        return None

    def share(self, own: HostState) -> SharedState | None:  # noqa: ARG002 - for those that override it
        """Record this supervisor's live state, and read what all share; by default nothing is.

        Raises:
            StoreUnavailable: try again later.
        """
        return None

    def end_sharing(self, own: HostState) -> None:  # noqa: ARG002 - for those that override it
        """Remove this supervisor's live state, because it stops.

        Raises:
            StoreUnavailable: it stays, and grows old.
        """
        return

    def set_aside(self, chunk: Chunk) -> None:  # noqa: ARG002 - for those that override it
        """Put a chunk on hold because it has crashed one worker after another.

        By default it stays due, and crashes two workers in each sweep.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def read_halt(self) -> str | None:
        """Return the reason of the halt; None if it is off, as by default.

        A workload whose `AnomalyStats` can be suspicious must store the halt. If the supervisor has
        written a halt and finds it off here, a person has released it.

        Raises:
            StoreUnavailable: try again later.
        """
        return None

    def read_pause(self) -> RememberedPause:
        """Return what is left of the rate-limit pause; by default a restart forgets it.

        Raises:
            StoreUnavailable: try again later.
        """
        return RememberedPause()

    def write_pause(self, seconds: float) -> None:  # noqa: ARG002 - for those that override it
        """Store a rate-limit pause of `seconds` from now.

        Raises:
            StoreUnavailable: it is not stored.
        """
        return

    def reserve_nonces(self, least: int, count: int) -> int:  # noqa: ARG002 - as above
        """Reserve `count` nonces; return the first: `least`, or one above all reserved before.

        By default nothing is reserved, and a restart begins with the time.

        Raises:
            StoreUnavailable: try again later.
        """
        return least

    def write_halt(self, reason: str | None) -> None:  # noqa: ARG002 - for those that override it
        """Store the halt with its reason; None: store its release.

        Raises:
            StoreUnavailable: try again later.
        """
        return

    def close(self) -> None:
        """Close the connections."""
        return


class Handler(Protocol):
    """The part in a worker's process, on its event loop: prepares batches, then commits them.

    One batch may be in `prepare` while another is in `commit`, so the state that they share must
    allow that; neither is called again before it has returned. A failure of the outside world goes
    into the `Result`: an exception ends the worker (only `NotSent` in `prepare` returns the batch).
    A call that blocks belongs in a thread.
    """

    async def prepare(self, batch: Batch) -> AnomalyStats:  # noqa: ARG002 - for those that override it
        """Find out what has to change for a batch and keep it for `commit`. Write nothing.

        A stop cancels it. By default there is nothing to prepare, and nothing is suspicious.
        """
        return AnomalyStats()

    @abstractmethod
    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Write what was prepared, or drop it unless `may_write`; return the batch's result.

        A worker may be killed at any moment of it. Another worker then prepares and commits the
        batch again: that must change nothing that is already written.
        """
        ...

    def heartbeat(self) -> float:
        """Send this worker's metrics. The worker calls it every few seconds, busy or not.

        Returns:
            How many seconds it has waited for a call that should be short; 0 if it waits for none.
            A worker that waits too long is hung, and is replaced.
        """
        return 0.0

    async def close(self) -> None:
        """Close the connections."""
        return


class Workload(Protocol):
    """A kind of work: opens its planner and its handlers. Each worker gets a pickled copy."""

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """The service's published limits, from which `Budget.take` takes; by default none."""
        return ()

    @property
    def usual_cost(self) -> Cost:
        """The cost of most requests: the limits that it names decide how much work is affordable.

        By default the smallest limit does.
        """
        return {}

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that each worker uses: they are loaded once, for all. By default none."""
        return ()

    is_dry_run: bool = False
    """True if nothing is written."""

    @property
    def shadow_figures(self) -> ShadowFigures | None:
        """What a shadow has found so far; None of a workload that writes, as by default."""
        return None

    @abstractmethod
    def open_planner(self) -> Planner:
        """Open the part in the supervisor's process.

        Raises:
            ConfigurationError: it cannot work with these settings or this database.
        """
        ...

    @abstractmethod
    async def open_handler(
        self, *, shard: int, budget: Budget, nonces: Nonces, breaker: BreakerSnapshot | None
    ) -> Handler:
        """Open the part in a worker's process, with connections of its own.

        `budget` and `nonces` are the supervisor's, for all workers of this host. `breaker` is the
        snapshot of the predecessor's circuit breaker; None for the first worker.

        Raises:
            ConfigurationError: it cannot work with these settings or this database.
            StoreUnavailable: try again later.
        """
        ...
