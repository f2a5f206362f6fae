"""The order workload as a trial runs it.

It differs from the real one, so that trials can be compared:

- The orders are those of the sample, not those that are stale now. Each page is still read from the
  database, since that takes time, but its rows are dropped.
- Cycles are as large as the user's rate limit makes them, but no worker waits for the limit.
- After the time limit no more work is assigned.
- The account is not checked, and the halt is neither read nor applied: the exchange is the trial's
  own.

Each worker writes to a folder how long it waited and computed.
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import msgspec

from reconciler.orders.account import AccountVerifier
from reconciler.orders.chunking import chunk_orders
from reconciler.orders.handler import OrderHandler
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.resilience.nonces import Nonces
from reconciler.store.stale import StaleOrders
from reconciler.store.stale_order import StaleOrder
from reconciler.supervisor.cycle import group_by_cost
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.tune.sample import ALWAYS_STALE
from reconciler.tune.trial_result import TimeSpent
from reconciler.workload import (
    AnomalyStats,
    Backlog,
    Batch,
    Chunk,
    Cycle,
    Handler,
    Page,
    Planner,
    Result,
    WorkerFault,
    Workload,
)


class TrialWorkload(Workload):
    """The workload of one trial."""

    def __init__(
        self,
        workload: OrderWorkload,
        orders: Sequence[StaleOrder],
        *,
        cycle_cost: int,
        time_limit: timedelta,
        folder: Path,
    ) -> None:
        """Prepare a trial of `orders` that assigns no more work after `time_limit`."""
        self._workload = workload
        self._orders: Sequence[StaleOrder] = orders
        self._cycle_cost = cycle_cost
        self._time_limit = time_limit
        self._folder = folder

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only the supervisor needs."""
        return {**self.__dict__, "_orders": ()}

    @property
    def modules(self) -> tuple[str, ...]:
        """Those of the workload itself."""
        return self._workload.modules

    def open_planner(self) -> Planner:
        """Open the planner."""
        planner = self._workload.open_planner()
        every = StaleOrders(planner.orders, stale_after=ALWAYS_STALE)
        pages = [
            self._orders[start : start + PAGE_ITEMS]
            for start in range(0, len(self._orders), PAGE_ITEMS)
        ]
        return _FixedPlanner(
            replace(planner, stale=every),
            pages,
            cycle_cost=self._cycle_cost,
            time_limit=self._time_limit,
        )

    async def open_handler(
        self, *, shard: int, budget: Budget, nonces: Nonces, breaker: BreakerSnapshot | None
    ) -> Handler:
        """Open the handler."""
        handler = await self._workload.open_handler(
            shard=shard, budget=budget, nonces=nonces, breaker=breaker
        )
        account = _AnyAccount(
            exchange=handler.exchange,
            database=handler.database,
            scope=handler.account.scope,
            is_dry_run=handler.is_dry_run,
        )
        return _TimedHandler(replace(handler, account=account), self._folder / str(shard))


def read_time_spent(folder: Path) -> TimeSpent:
    """Add up the times that the workers wrote to `folder`."""
    times = (msgspec.json.decode(path.read_bytes(), type=TimeSpent) for path in folder.iterdir())
    return sum(times, start=TimeSpent())


@dataclass(kw_only=True)
class _AnyAccount(AccountVerifier):
    """Accepts every account."""

    async def verify(self) -> WorkerFault | None:
        return None


class _FixedPlanner(Planner):
    """Plans the sample in cycles, and reads a page wherever the real planner would."""

    def __init__(
        self,
        planner: OrderPlanner,
        pages: Sequence[Sequence[StaleOrder]],
        *,
        cycle_cost: int,
        time_limit: timedelta,
    ) -> None:
        self._planner = planner
        self._pages = pages
        self._cycle_cost = cycle_cost
        self._time_limit_seconds = time_limit.total_seconds()
        self._cycles = self._cut_cycles()
        self._deadline = 0.0

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the pages are cut
        """Return the next cycle; an empty page after the last one or the time limit."""
        if after is None:
            self._deadline = time.monotonic() + self._time_limit_seconds
        elif time.monotonic() > self._deadline:
            return Page(chunks=())
        chunks = next(self._cycles, None)
        return Page(chunks=()) if chunks is None else Page(chunks=tuple(chunks), next="more")

    def _cut_cycles(self) -> Iterator[list[Chunk]]:
        after: Hashable | None = None
        for orders in self._pages:
            after = self._planner.plan(len(orders), after).next
            yield from group_by_cost(chunk_orders(orders, self._planner.venue), self._cycle_cost)

    def measure_backlog(self) -> Backlog:
        """Count nothing: a trial does not show it."""
        return Backlog(items=0, oldest_age_seconds=0)

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down, unless it is a dry run."""
        self._planner.record(cycle)

    def set_aside(self, chunk: Chunk) -> None:
        """Do nothing: a worker's death in a trial is not attributed to orders."""

    def close(self) -> None:
        """Close the connection."""
        self._planner.close()


class _TimedHandler(Handler):
    """The handler, with the time that its worker waits and computes."""

    def __init__(self, handler: OrderHandler, path: Path) -> None:
        self._handler = handler
        self._path = path
        self._exchange_seconds = 0.0
        self._database_seconds = 0.0
        self._computed_before = time.process_time()

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Ask the exchange and decide."""
        timer = _WaitTimer()
        stats = await self._handler.prepare(batch)
        self._exchange_seconds += timer.waited_seconds()
        return stats

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Write the rows, or in a dry run report the changes."""
        timer = _WaitTimer()
        result = await self._handler.commit(batch, may_write=may_write)
        self._database_seconds += timer.waited_seconds()
        return result

    def heartbeat(self) -> float:
        """Give up a statement that takes far too long."""
        return self._handler.heartbeat()

    async def close(self) -> None:
        """Write the times to the folder; close the connections."""
        spent = TimeSpent(
            exchange=self._exchange_seconds,
            database=self._database_seconds,
            computing=time.process_time() - self._computed_before,
        )
        self._path.write_bytes(msgspec.json.encode(spent))
        await self._handler.close()


class _WaitTimer:
    """Measures how long the process has waited: the time passed minus its CPU time."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._computed = time.process_time()

    def waited_seconds(self) -> float:
        passed = time.perf_counter() - self._started
        return max(0.0, passed - (time.process_time() - self._computed))
