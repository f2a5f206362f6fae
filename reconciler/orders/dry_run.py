"""A dry run: the order workload with a planner that writes nothing and passes the notes on."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from reconciler.orders.dry_run_notes import DryRunNotes
from reconciler.orders.handler import OrderHandler
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.resilience.limits import Cost, RateLimit
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Settings
from reconciler.telemetry.health import LastHour
from reconciler.workload import Backlog, Page, Planner, RememberedPause, Workload


class DryRunPlanner(Planner):
    """Reads with another planner. It has no method that writes: those of `Planner` do nothing."""

    def __init__(self, planner: OrderPlanner, take: Callable[[DryRunNotes], None]) -> None:
        """Prepare; `take` gets the notes of each batch, on the event loop."""
        self._planner = planner
        self._take = take

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read a page of stale orders."""
        return self._planner.plan(limit, after)

    def measure_backlog(self) -> Backlog:
        """Count the stale orders, and the orders on hold."""
        return self._planner.measure_backlog()

    def take_notes(self, notes: object) -> None:
        """Pass on what the workers would have written."""
        assert isinstance(notes, DryRunNotes)  # noqa: S101 - the handlers are in a dry run, too
        self._take(notes)

    def last_hour(self) -> LastHour | None:
        """Read what the recorded cycles of the last hour did."""
        return self._planner.last_hour()

    def read_halt(self) -> str | None:
        """Return the reason of the halt; None if it is off."""
        return self._planner.read_halt()

    def read_pause(self) -> RememberedPause:
        """Return how much longer the rate-limit pause lasts."""
        return self._planner.read_pause()

    def close(self) -> None:
        """Close the connections."""
        self._planner.close()


@dataclass(frozen=True, kw_only=True)
class DryRunWorkload(Workload):
    """The order workload in a dry run; `take` gets the notes of each batch."""

    settings: Settings
    take: Callable[[DryRunNotes], None]

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only the supervisor's process needs."""
        return {**self.__dict__, "take": None}

    @property
    def orders(self) -> OrderWorkload:
        """The workload that is run dry."""
        return OrderWorkload(settings=self.settings, is_dry_run=True)

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """The limits that the exchange publishes."""
        return self.orders.limits

    @property
    def usual_cost(self) -> Cost:
        """The cost of a request for a chunk."""
        return self.orders.usual_cost

    @property
    def modules(self) -> tuple[str, ...]:
        """The exchange's adapter."""
        return self.orders.modules

    def open_planner(self) -> DryRunPlanner:
        """Open the planner, which raises as that of `OrderWorkload`."""
        return DryRunPlanner(self.orders.open_planner(), self.take)

    async def open_handler(
        self, *, shard: int, budget: Budget, nonces: Nonces, breaker: BreakerSnapshot | None
    ) -> OrderHandler:
        """Open a handler, which raises as that of `OrderWorkload`."""
        return await self.orders.open_handler(
            shard=shard, budget=budget, nonces=nonces, breaker=breaker
        )
