"""The planner of the order workload: pages of stale orders, the halt and finished cycles.

The supervisor calls its methods in threads; each opens a transaction of its own.
"""

import socket
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from reconciler.domain.decide import HoldReason, Policy, decide
from reconciler.domain.report import OrderFault
from reconciler.errors import Halted
from reconciler.exchanges.base import Venue
from reconciler.orders.backlog_scan import BacklogScan
from reconciler.orders.chunking import chunk_orders
from reconciler.orders.duplicates_gauge import DuplicatesGauge
from reconciler.orders.sync_times_cleanup import SyncTimesCleanup
from reconciler.orders.unfollowed_gauge import UnfollowedGauge
from reconciler.scope import Scope
from reconciler.store import first_sync, shared_state
from reconciler.store.cycles import CycleRecord, clock_ahead, read_last_hour, record_cycle
from reconciler.store.database import Database
from reconciler.store.holds import measure_holds, resolve_ended
from reconciler.store.live_state import delete_live_state, read_live_states, record_live_state
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable
from reconciler.store.side_table import require_unchanged
from reconciler.store.stale import StaleOrders, StaleScan, SweepPosition
from reconciler.store.stale_order import StaleOrder
from reconciler.telemetry.health import HostState, LastHour
from reconciler.workload import (
    Backlog,
    Chunk,
    Cycle,
    Page,
    Planner,
    RememberedPause,
    SharedState,
)


@dataclass(frozen=True, kw_only=True)
class OrderPlanner(Planner):
    """Reads pages of stale orders, measures the backlog and records cycles.

    `nonce_database` has a connection of its own, used only if the exchange wants nonces: no
    request of theirs waits for a scan or a record that takes long.
    """

    database: Database
    nonce_database: Database
    stale: StaleOrders
    orders: OrdersTable
    venue: Venue
    is_dry_run: bool
    unfollowed: UnfollowedGauge
    duplicates: DuplicatesGauge
    scans: BacklogScan = field(default_factory=BacklogScan)
    cleanup: SyncTimesCleanup
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def scope(self) -> Scope:
        """Whose holds, halt, pauses and cycles these are."""
        return self.orders.scope

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read a page of stale orders and cut it into chunks.

        Before the first page of a sweep, forget orders that have ended meanwhile: their holds and
        their sync times, except in a dry run and while the halt is on; and scan the open orders.

        Raises:
            SchemaMismatch: the side table was made or dropped since we began.
        """
        position = self._begin_sweep() if after is None else after
        assert isinstance(position, SweepPosition)  # noqa: S101 - it is this planner's own
        with self.database.transaction() as connection:
            page = self.stale.read_page(connection, limit, position)
        chunks = chunk_orders(page.orders, self.venue)
        self.duplicates.record(chunks)
        return Page(chunks=chunks, next=page.next, pause_seconds=self.scans.pause_seconds)

    def _begin_sweep(self) -> SweepPosition:
        has_side_table = self.orders.side_table is not None
        with self.database.transaction() as connection:
            require_unchanged(connection, has_side_table=has_side_table)
            if not self.is_dry_run and shared_state.read_halt(connection, self.scope) is None:
                resolve_ended(connection, self.orders)
                if has_side_table:
                    self.cleanup.run_if_due(connection)
        return SweepPosition(scan=self.scans.begin_sweep(self._scan))

    def _scan(self) -> StaleScan:
        with self.database.transaction() as connection:
            return self.stale.scan(connection)

    def measure_backlog(self) -> Backlog:
        """Count the stale orders, as the last scan found them, and the orders on hold."""
        backlog, age_seconds = self.scans.measure(self._scan)
        with self.database.transaction() as connection:
            holds = measure_holds(connection, self.orders.user, self.scope)
        return Backlog(
            items=backlog.orders,
            oldest_age_seconds=backlog.oldest_age_seconds,
            unreached_items=backlog.unreached_orders,
            stale_after_seconds=None if self.is_dry_run else self.stale.stale_after.total_seconds(),
            open_items=holds.open_orders,
            held_items=holds.held_orders,
            oldest_hold_age_seconds=holds.oldest_age_seconds,
            unfollowed_items=self.unfollowed.read(),
            duplicate_items=self.duplicates.read(),
            measured_seconds_ago=age_seconds,
        )

    def record(self, cycle: Cycle) -> None:
        """Record the cycle in the database, by its clock; a dry run writes nothing."""
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                ahead = clock_ahead(connection, self.now())
                cycle = replace(
                    cycle,
                    started_at=cycle.started_at - ahead,
                    finished_at=cycle.finished_at - ahead,
                )
                first_sync.record_first_sync(
                    connection,
                    self.scope,
                    started_at=cycle.started_at,
                    scanned=cycle.counts.scanned,
                    ends_sweep=cycle.ends_sweep,
                )
                record_cycle(connection, self.scope, _as_record(cycle))

    def last_hour(self) -> LastHour:
        """Read what the recorded cycles of this scope did in the last hour, on all hosts."""
        with self.database.autocommit() as connection:
            return read_last_hour(connection, self.scope)

    def share(self, own: HostState) -> SharedState:
        """Record this supervisor's live state; read those of all, and the halt.

        A dry run records nothing, and is none of the supervisors of these orders.
        """
        with self.database.transaction() as connection:
            if not self.is_dry_run:
                record_live_state(connection, self.scope, own)
            return SharedState(
                hosts=() if self.is_dry_run else read_live_states(connection, self.scope),
                halted=shared_state.read_halt(connection, self.scope),
            )

    def end_sharing(self, own: HostState) -> None:
        """Remove this supervisor's live state."""
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                delete_live_state(connection, self.scope, own)

    def set_aside(self, chunk: Chunk) -> None:
        """Put orders on hold that crash each worker that processes them.

        Nothing is written in a dry run or while the halt is on.
        """
        if self.is_dry_run:
            return
        writer = OrderWriter(
            self.orders, exchange=self.venue.name, decide=partial(decide, policy=Policy())
        )
        with suppress(Halted), self.database.transaction() as connection:
            writer.hold(
                connection,
                {order.id: _crash_report(order) for order in chunk.items},
                reason=HoldReason.CRASHED_WORKER,
            )

    def read_halt(self) -> str | None:
        """Return the reason of the halt; None if it is off."""
        with self.database.autocommit() as connection:
            return shared_state.read_halt(connection, self.scope)

    def write_halt(self, reason: str | None) -> None:
        """Apply or release the halt for all hosts; a dry run writes nothing."""
        if self.is_dry_run:
            return
        with self.database.transaction() as connection:
            if reason is None:
                shared_state.release_halt(connection, self.scope)
            else:
                shared_state.apply_halt(connection, self.scope, reason)

    def read_pause(self) -> RememberedPause:
        """Return how much longer the rate-limit pause lasts, by the database's clock."""
        with self.database.autocommit() as connection:
            seconds_by_host = shared_state.read_pauses(connection, self.scope, self.venue.name)
        own = seconds_by_host.pop(socket.gethostname(), 0.0)
        elsewhere = max(seconds_by_host.values(), default=0.0)
        return RememberedPause(seconds=own, elsewhere_seconds=elsewhere)

    def write_pause(self, seconds: float) -> None:
        """Remember the rate-limit pause for the next start on this host.

        A dry run writes nothing.
        """
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                shared_state.write_pause(
                    connection, self.scope, self.venue.name, socket.gethostname(), seconds
                )

    def reserve_nonces(self, least: int, count: int) -> int:
        """Reserve nonces of the exchange's key, for every program over this table.

        A dry run writes nothing: it begins above what is reserved, and another program may use the
        same ones.
        """
        if self.is_dry_run:
            with self.nonce_database.autocommit() as connection:
                reserved = shared_state.read_reserved_nonces(
                    connection, self.scope, self.venue.name
                )
            return max(least, reserved)
        with self.nonce_database.transaction() as connection:
            return shared_state.reserve_nonces(
                connection, self.scope, self.venue.name, least=least, count=count
            )

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
        self.nonce_database.close()


def _as_record(cycle: Cycle) -> CycleRecord:
    return CycleRecord(
        host=socket.gethostname(),
        started_at=cycle.started_at,
        finished_at=cycle.finished_at,
        duration_ms=cycle.duration_ms,
        transitions=dict(cycle.counts.transitions),
        **cycle.counts.by_name,
    )


def _crash_report(order: StaleOrder) -> OrderFault:
    return OrderFault(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        detail="one worker after another crashed while processing this order; their logs say how",
        fetched_at=datetime.now(UTC),
    )
