"""A copy of the sample in a scratch database, where the trials really write.

The table is that of `reconciler db upgrade --with-orders`, with our own tables, and the side table
if the user's database has one. It does not have the user's own indexes and triggers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import text

from reconciler.store import migrations, sample_orders
from reconciler.store.side_table import create_side_table
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.trial.orders_snapshot import restore
from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from reconciler.tune.sample import Sample

HINT = (
    "give --scratch an empty database of its own, for instance: createdb reconciler_tune and"
    " --scratch postgresql:///reconciler_tune; without --scratch the trials write nothing"
)
_COPY = (
    "COPY orders (symbol, external_order_id, status, executed_qty, avg_price, created_at,"
    " updated_at, last_synced_at) FROM STDIN"
)
# By id, so that the order of the sample remains.
_DATE = text(
    "UPDATE orders SET updated_at = created_at,"
    " last_synced_at = now() - interval '1 hour' + id * interval '1 ms'"
)
_KEEP = text("CREATE UNLOGGED TABLE orders_snapshot AS TABLE orders")
_NOW = text("SELECT now()")


@dataclass(frozen=True, kw_only=True)
class ScratchCopy:
    """A copy of the sample in a scratch database."""

    scratch: ScratchDatabase

    @property
    def url(self) -> str:
        """The scratch database's URL."""
        return self.scratch.url

    def restore(self) -> None:
        """Restore the rows as they were copied."""
        restore(self.scratch.database)


@contextmanager
def open_scratch_copy(url: str, sample: Sample) -> Iterator[ScratchCopy]:
    """Copy the sample; remove the copy at the end.

    Raises:
        ConfigurationError: the database seems to be in use, or it lacks rights or room.
        StoreUnavailable: it does not answer.
    """
    needed_megabytes = 200 + len(sample.orders) * 8 // 1024
    with open_scratch_database(url, needed_megabytes=needed_megabytes, hint=HINT) as scratch:
        with scratch.database.transaction() as connection:
            sample_orders.create_orders_table(connection)
        with scratch.database.connection() as connection:
            migrations.upgrade(connection, DEFAULT_TABLE)
        _fill(scratch, sample)
        yield ScratchCopy(scratch=scratch)


def _fill(scratch: ScratchDatabase, sample: Sample) -> None:
    with scratch.database.transaction() as connection:
        now = connection.execute(_NOW).scalar_one()
        with connection.connection.cursor().copy(_COPY) as copy:
            for order in sample.orders:
                copy.write_row(_row(order, now))
        connection.execute(_DATE)
        connection.execute(_KEEP)
        if sample.has_side_table:
            create_side_table(connection, DEFAULT_TABLE)


def _row(order: StaleOrder, now: object) -> tuple[object, ...]:
    return (
        order.symbol,
        order.external_order_id,
        order.status.value,
        order.executed_qty,
        order.avg_price,
        order.created_at or now,
        now,
        None,
    )
