"""Measure the processor time that the order writer takes for one order. See scripts/apply-cost.

A worker writes that every open order is filled, batch after batch; the exchange's reports are in
memory. Processor time measures the cost even on a busy machine, where the time of day does not. It
is compared with the least that PostgreSQL could do: one statement that invents the reports, changes
and logs the same rows, and returns nothing. Linux only.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import text

from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.embedded import embedded_postgres
from reconciler.exchanges.registry import venue
from reconciler.orders.chunking import chunk_orders, split_for_transactions
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.stale import StaleOrder, StaleOrders
from reconciler.store.tables import OrdersTable, read_orders_table
from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.workload import Batch

ENDED_PER_OPEN = 2
SETTINGS = {"autovacuum": "off", "max_wal_size": "4GB", "shared_buffers": "512MB"}

FILL = text(
    "INSERT INTO orders (id, symbol, external_order_id, status, qty, created_at, updated_at,"
    " last_synced_at) SELECT n, 'SYM' || n % 12 || 'USDT', n::text,"
    " CASE WHEN n % :spacing = 0 THEN 'new' ELSE 'filled' END, 1.5, now() - interval '1 day',"
    " now() - interval '1 day', now() - interval '1 hour' - n * 7919 % :total * interval '1 ms'"
    " FROM generate_series(1, cast(:total AS bigint)) AS n"
)
LEAST = text(
    "WITH changed AS (UPDATE orders SET status = 'filled', executed_qty = qty, avg_price = 100.125,"
    " last_synced_at = now(), updated_at = now() WHERE status = 'new' RETURNING *)"
    " INSERT INTO activity_log (order_id, action, details, created_at)"
    " SELECT id::text, 'reconciliation.update', jsonb_build_object("
    "'from', jsonb_build_object('status', 'new', 'executed_qty', '0', 'avg_price', NULL),"
    " 'to', jsonb_build_object('status', status, 'executed_qty', executed_qty::text,"
    " 'avg_price', avg_price::text),"
    " 'exchange', 'none', 'rule', 'ended', 'fetched_at', now()::text,"
    " 'report', jsonb_build_object('symbol', symbol, 'external_order_id', external_order_id,"
    " 'word', 'FILLED', 'status', status, 'executed_qty', executed_qty::text,"
    " 'avg_price', avg_price::text)), now() FROM changed"
)
DONE = text("SELECT count(*) FROM activity_log")

_Batches = Sequence[Sequence[tuple[StaleOrder, Report]]]
"""The orders of each batch, each with its report."""
_Microseconds = tuple[float, float]
"""The cost of one order: in Python, and in PostgreSQL."""


def main() -> None:
    """Measure; print the medians."""
    parser = argparse.ArgumentParser(prog="scripts/apply-cost", description=__doc__)
    parser.add_argument("--orders", type=int, default=12_000, metavar="N")
    parser.add_argument("--batch-size", type=int, default=200, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    with (
        embedded_postgres(settings=SETTINGS) as url,
        closing(Database(url, role="apply cost")) as database,
    ):
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
        with database.connection() as connection:
            migrations.upgrade(connection)
        with database.autocommit() as connection:
            orders = read_orders_table(connection)
        write_all = partial(_write_all, database, orders, batch_size=arguments.batch_size)
        methods = {"order writer": write_all, "least": partial(_write_least, database)}
        costs: dict[str, list[_Microseconds]] = {name: [] for name in methods}
        for _ in range(arguments.rounds):
            for name, method in methods.items():
                cost = _measure(
                    method, database, orders, arguments.orders, batch_size=arguments.batch_size
                )
                costs[name].append(cost)
    for name, rounds in costs.items():
        python, server = (median(part) for part in zip(*rounds, strict=True))
        print(f"{name:12} Python {python:5.1f}  PostgreSQL {server:5.1f}  us an order")


def _measure(
    method: Callable[[_Batches], None],
    database: Database,
    orders: OrdersTable,
    count: int,
    *,
    batch_size: int,
) -> _Microseconds:
    """Write the rows again, reconcile them, and return what one order costs."""
    batches = _prepare_batches(database, orders, count, batch_size=batch_size)
    with database.autocommit() as connection:
        server = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    python_before, server_before = time.process_time(), _processor_seconds(server)
    method(batches)
    python, server_seconds = (
        time.process_time() - python_before,
        _processor_seconds(server) - server_before,
    )
    with database.autocommit() as connection:
        done = connection.execute(DONE).scalar_one()
    assert done == count, f"{done} of {count} orders were filled"  # noqa: S101 - otherwise nothing was measured
    return python / count * 1e6, server_seconds / count * 1e6


def _prepare_batches(
    database: Database, orders: OrdersTable, count: int, *, batch_size: int
) -> _Batches:
    """Write the rows; return the open orders in batches, each with its report."""
    spacing = ENDED_PER_OPEN + 1
    with database.transaction() as connection:
        connection.execute(text("TRUNCATE orders, activity_log"))
        connection.execute(FILL, {"spacing": spacing, "total": count * spacing})
    with database.autocommit() as connection:
        connection.execute(text("VACUUM (ANALYZE) orders"))
        connection.execute(text("CHECKPOINT"))
    with database.transaction() as connection:
        planner = StaleOrders(orders, stale_after=timedelta(minutes=5))
        page = planner.read_page(connection, count)
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    dispatcher = Dispatcher(1, batch_size=batch_size)
    dispatcher.add(chunk_orders(page.orders, venue("paper")), cycle=0)
    return [
        [(order, _filled(order, now)) for chunk in batch.chunks for order in chunk.items]
        for batch in _batches_of(dispatcher)
    ]


def _batches_of(dispatcher: Dispatcher) -> Iterator[Batch]:
    while (batch := dispatcher.next_batch(0)) is not None:
        yield batch
        dispatcher.done(0, batch.number)


def _write_all(
    database: Database, orders: OrdersTable, batches: _Batches, *, batch_size: int
) -> None:
    policy = Policy(quantity_scale=orders.quantity_scale, price_scale=orders.price_scale)
    writer = OrderWriter(orders, exchange="none", decide=partial(decide, policy=policy))
    for batch in batches:
        answers: dict[OrderId, Answer] = {order.id: report for order, report in batch}
        seen = {order.id: order.facts for order, _ in batch}
        for transaction in split_for_transactions(answers, batch_size):
            with database.transaction() as connection:
                writer.apply(connection, transaction, seen)


def _write_least(database: Database, _batches: _Batches) -> None:
    with database.transaction() as connection:
        connection.execute(LEAST)


def _filled(order: StaleOrder, now: datetime) -> Report:
    return Report(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        word="FILLED",
        status=Status.FILLED,
        executed_qty=Decimal("1.5"),
        avg_price=Decimal("100.125"),
        fetched_at=now,
    )


def _processor_seconds(process: int) -> float:
    """Return the processor time of a process."""
    spent = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0]
    return int(spent) / 1e9


if __name__ == "__main__":
    main()
