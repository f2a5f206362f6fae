"""What the database has recorded of all supervisors, for a verdict when none of them answers."""

from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta

from reconciler.settings import Settings
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.cycles import read_last_hour
from reconciler.store.database import Database
from reconciler.store.holds import measure_holds
from reconciler.store.live_state import read_live_states
from reconciler.store.orders_table import read_orders_table
from reconciler.store.shared_state import read_halt
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import UserTable
from reconciler.telemetry.health import HostState, Vitals
from reconciler.telemetry.health.merge import merge_hosts

STATEMENT_SECONDS = 30.0
"""A statement that takes longer says nothing in time: a scan, or a wait for a lock on the table."""


def read_vitals(settings: Settings) -> Vitals:
    """Read the vitals from the database: what the supervisors have recorded, and the orders."""
    with (
        closing(Database(settings.required_database_url, role="health")) as database,
        database.transaction() as connection,
    ):
        set_statement_timeout(connection, STATEMENT_SECONDS)
        hosts = read_live_states(connection, settings.scope)
        hour = read_last_hour(connection, settings.scope)
        halted = read_halt(connection, settings.scope)
        orders = read_orders_table(connection, UserTable(settings.orders))
        holds = measure_holds(connection, orders.user, settings.scope)
        stale_after = _stale_after(hosts, settings)
        stale = StaleOrders(orders, stale_after=stale_after).measure_backlog(connection)
    return Vitals(
        last_hour=hour,
        halted=halted,
        stale_orders=stale.orders,
        oldest_stale_age_seconds=stale.oldest_age_seconds,
        unreached_orders=stale.unreached_orders if hour.is_first_sync else 0,
        stale_after_seconds=stale_after.total_seconds(),
        open_orders=holds.open_orders,
        held_orders=holds.held_orders,
        oldest_hold_age_seconds=holds.oldest_age_seconds,
        hosts=hosts,
    )


def _stale_after(hosts: Iterable[HostState], settings: Settings) -> timedelta:
    """Return the stale time of the supervisors that run: who asks may have other settings."""
    known = [
        host.stale_after_seconds
        for host in merge_hosts(hosts).live
        if host.stale_after_seconds is not None
    ]
    return timedelta(seconds=min(known)) if known else settings.stale_after
