"""The paper exchange as a process, rows that have fallen behind it, and what they are to say."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import text

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store import migrations, sample_orders
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.trial.orders_snapshot import restore
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import BenchFailed

SYMBOLS = 12
NO_LIMIT = 10**9
"""So high that the exchange's rate limit delays no contender: the work is compared."""

_KEEP = (
    "CREATE UNLOGGED TABLE orders_snapshot AS TABLE orders; CREATE UNLOGGED TABLE truth"
    " (symbol text, external_order_id text, status text, executed_qty numeric, avg_price numeric)"
)
_DONE = text(
    "SELECT count(*) FILTER (WHERE o.last_synced_at IS DISTINCT FROM s.last_synced_at) AS touched,"
    " count(*) FILTER (WHERE o.last_synced_at > s.updated_at AND o.status = t.status"
    " AND o.executed_qty = t.executed_qty AND o.avg_price IS NOT DISTINCT FROM t.avg_price)"
    " AS done, count(*) FILTER (WHERE o.status <> s.status OR o.executed_qty <> s.executed_qty"
    " OR o.avg_price IS DISTINCT FROM s.avg_price) AS changed"
    " FROM orders AS o JOIN orders_snapshot AS s USING (id)"
    " JOIN truth AS t ON t.symbol = o.symbol AND t.external_order_id = o.external_order_id"
)
_ENTRIES = text("SELECT count(DISTINCT order_id) FROM activity_log")


@dataclass(frozen=True, kw_only=True)
class PaperFixture:
    """The exchange's address and its number of orders."""

    exchange_url: str
    api_key: SecretStr
    api_secret: SecretStr
    orders: int

    def put_back(self, scratch: ScratchDatabase) -> None:
        """Make the rows stale and outdated again."""
        restore(scratch.database)

    def require_done(
        self, scratch: ScratchDatabase, who: str, orders: int, *, is_logged: bool
    ) -> None:
        """Require that exactly `orders` rows now equal the exchange's orders.

        Raises:
            BenchFailed: they do not; or `is_logged` and a change has no entry in the log.
        """
        with scratch.database.autocommit() as connection:
            touched, done, changed = connection.execute(_DONE).one()
            entries = connection.execute(_ENTRIES).scalar_one()
        if (touched, done) != (orders, orders) or (is_logged and entries != changed):
            raise BenchFailed(
                f"{who} was to reconcile {orders:,} orders: {touched:,} were touched, {done:,} are"
                f" right, {changed:,} have changed, {entries:,} have a log entry"
            )


@contextmanager
def open_fixture(scratch: ScratchDatabase, orders: int) -> Iterator[PaperFixture]:
    """Start the exchange and write the rows; end it with the block."""
    api_key, api_secret = secrets.token_hex(16), secrets.token_hex(32)
    with scratch.database.transaction() as connection:
        sample_orders.create_orders_table(connection)
    with scratch.database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)
    options = ("--weight-limit", str(NO_LIMIT))
    with PaperProcess(api_key=api_key, api_secret=api_secret, options=options) as exchange:
        fixture = PaperFixture(
            exchange_url=exchange.url,
            api_key=SecretStr(api_key),
            api_secret=SecretStr(api_secret),
            orders=orders,
        )
        demo = Demo(
            database=scratch.database,
            database_url=scratch.url,
            exchange=exchange,
            api_key=fixture.api_key,
            api_secret=fixture.api_secret,
        )
        demo.fill(orders=orders, symbols=SYMBOLS, seed=1)
        _remember(scratch, exchange)
        yield fixture


def _remember(scratch: ScratchDatabase, exchange: PaperProcess) -> None:
    """Keep the rows as they are, and what they are to become."""
    with scratch.database.transaction() as connection:
        connection.execute(text(_KEEP))
        with connection.connection.cursor().copy("COPY truth FROM STDIN") as copy:
            for order in exchange.orders():
                truth = order.truth
                copy.write_row(
                    (
                        order.symbol,
                        str(order.order_id),
                        truth.status,
                        truth.executed_qty,
                        truth.avg_price,
                    )
                )
