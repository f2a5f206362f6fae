"""Tables as applications have them, and rows and answers with defaults."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import select, text

from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Absent, Answer, OrderFault, Report
from reconciler.domain.retention import Retention
from reconciler.domain.status import BY_VALUE, Status
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.side_table import side_table_ddl
from reconciler.store.stale_order import StaleOrder, TextIdStaleOrder
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.store.write_result import WriteResult
from tests.databases import our_ddl

EXCHANGE = "paper"
SYMBOL = "BTCUSDT"
TIMEOUT_SECONDS = 300.0

Application = psycopg.Connection[dict[str, Any]]
"""The application's connection: each statement is a transaction, unless it opens one."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An `orders` table as an application may have it, with the ids of its rows."""

    ddl: str
    id_of: Callable[[int], OrderId]
    optional: frozenset[str]


def _uuid(number: int) -> UUID:
    return UUID(int=0x2F00 << 112 | number)


SHAPES = {
    "bigint id, text status": Shape(
        ddl="""
            CREATE TABLE orders (
                id bigint PRIMARY KEY, symbol text, external_order_id text, status text,
                qty numeric, client_order_id text, executed_qty numeric(28, 8),
                avg_price numeric(28, 8), created_at timestamptz, updated_at timestamptz,
                last_synced_at timestamptz, note text DEFAULT 'mine'
            )""",
        id_of=int,
        optional=frozenset({"created_at", "updated_at"}),
    ),
    "uuid id, varchar status": Shape(
        ddl="""
            CREATE TABLE orders (
                id uuid PRIMARY KEY, symbol varchar(20), external_order_id varchar(40),
                status varchar(8), executed_qty numeric, avg_price numeric,
                created_at timestamptz, last_synced_at timestamptz
            )""",
        id_of=_uuid,
        optional=frozenset({"created_at"}),
    ),
    "integer id, enum status": Shape(
        ddl="""
            CREATE TYPE "OrderStatus" AS ENUM (
                'draft', 'pending', 'new', 'partial', 'filled', 'canceled', 'rejected', 'expired');
            CREATE TABLE orders (
                id integer PRIMARY KEY, symbol text, external_order_id text,
                status "OrderStatus", executed_qty numeric(20, 3), avg_price numeric(20, 0),
                updated_at timestamptz, last_synced_at timestamptz
            )""",
        id_of=int,
        optional=frozenset({"updated_at"}),
    ),
    "domains": Shape(
        ddl="""
            CREATE DOMAIN order_id AS bigint CHECK (VALUE >= 0);
            CREATE DOMAIN amount AS numeric(28, 8) CHECK (VALUE >= 0);
            CREATE DOMAIN order_status AS text CHECK (VALUE <> '');
            CREATE TABLE orders (
                id order_id PRIMARY KEY, symbol text, external_order_id text,
                status order_status, executed_qty amount, avg_price amount,
                last_synced_at timestamptz
            )""",
        id_of=int,
        optional=frozenset(),
    ),
    "nothing optional": Shape(
        ddl="""
            CREATE TABLE orders (
                id integer PRIMARY KEY, symbol text, external_order_id text, status text,
                executed_qty numeric, avg_price numeric, last_synced_at timestamptz
            )""",
        id_of=int,
        optional=frozenset(),
    ),
}


def connect_application(database_url: str) -> Application:
    return psycopg.connect(database_url, autocommit=True, row_factory=dict_row)


IN_ORDERS = "in orders"
IN_THE_SIDE_TABLE = "in the side table"

in_both = pytest.mark.parametrize("sync_times", [IN_ORDERS, IN_THE_SIDE_TABLE])
"""Runs a test with the times of the last sync in `orders`, and with them in the side table."""

in_the_side_table = pytest.mark.parametrize("sync_times", [IN_THE_SIDE_TABLE])
"""Runs a test with the times of the last sync in the side table."""


def make_ready(application: Application, ddl: str, sync_times: str = IN_ORDERS) -> None:
    """Create the application's table, and ours."""
    application.execute(ddl)
    application.execute(our_ddl())
    if sync_times == IN_THE_SIDE_TABLE:
        use_side_table(application)


def use_side_table(owner: Application) -> None:
    """Move the times of the last sync from `orders` to the side table."""
    owner.execute(side_table_ddl(DEFAULT_TABLE))
    owner.execute("ALTER TABLE orders DROP COLUMN IF EXISTS last_synced_at")


def has_side_table(application: Application) -> bool:
    found = application.execute("SELECT to_regclass('reconciliation_sync') AS it").fetchone()
    return found != {"it": None}


def shape_of(database: Database) -> OrdersTable:
    with database.autocommit() as connection:
        return read_orders_table(connection)


def now_of(database: Database) -> datetime:
    with database.autocommit() as connection:
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def insert_order(application: Application, id_: OrderId, **columns: object) -> None:
    """Insert an open order with default values; `columns` replace them."""
    row: dict[str, object] = {
        "id": id_,
        "symbol": SYMBOL,
        "external_order_id": str(id_),
        "status": "new",
        "executed_qty": Decimal(0),
        **columns,
    }
    if "last_synced_at" in row and has_side_table(application):
        synced_at = row.pop("last_synced_at")
        if synced_at is not None:
            application.execute(
                "INSERT INTO reconciliation_sync VALUES (%s, %s) ON CONFLICT (order_id)"
                " DO UPDATE SET last_synced_at = excluded.last_synced_at",
                [id_, synced_at],
            )
    application.execute(
        sql.SQL("INSERT INTO orders ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


def read_row(application: Application, id_: OrderId) -> dict[str, Any]:
    """Read a row, with the time of its last sync, wherever that is."""
    row = application.execute("SELECT * FROM orders WHERE id = %s", [id_]).fetchone()
    assert row is not None
    if "last_synced_at" not in row:
        row["last_synced_at"] = read_sync_time(application, id_)
    return row


def read_planned(database: Database) -> dict[OrderId, StaleOrder]:
    """Read all orders as a page of the planner has them."""
    orders = shape_of(database)
    with database.autocommit() as connection:
        rows = connection.execute(
            select(*orders.row_columns(), orders.row_version())
            .select_from(orders.rows)
            .order_by(orders.id)
        ).all()
    return {
        row.id: (TextIdStaleOrder if isinstance(row.id, str) else StaleOrder)(
            id=row.id,
            symbol=row.symbol,
            external_order_id=row.external_order_id,
            status=BY_VALUE[row.status],
            executed_qty=row.executed_qty or Decimal(0),
            avg_price=row.avg_price,
            created_at=row.created_at,
            is_on_hold=False,
            qty=row.qty,
            side=row.side,
            client_order_id=row.client_order_id,
            version=row.version,
        )
        for row in rows
    }


def read_sync_time(application: Application, id_: OrderId) -> datetime | None:
    """Read a row of the side table."""
    found = application.execute(
        "SELECT last_synced_at FROM reconciliation_sync WHERE order_id = %s", [id_]
    ).fetchone()
    return None if found is None else found["last_synced_at"]


def facts_of(row: Mapping[str, Any]) -> tuple[str, Decimal, Decimal | None]:
    return row["status"], row["executed_qty"], row["avg_price"]


def read_log(application: Application, id_: OrderId) -> list[dict[str, Any]]:
    return application.execute(
        "SELECT * FROM activity_log WHERE order_id = %s ORDER BY id", [str(id_)]
    ).fetchall()


def read_hold(application: Application, id_: OrderId) -> dict[str, Any] | None:
    """Read the order's active hold, with `wait`, the time until its next attempt."""
    return application.execute(
        "SELECT *, next_attempt_at - now() AS wait FROM reconciliation_holds"
        " WHERE order_id = %s AND resolved_at IS NULL",
        [str(id_)],
    ).fetchone()


def a_report(
    id_: OrderId,
    status: Status | None = Status.FILLED,
    executed: str = "1.5",
    average: str | None = "60000.25",
    *,
    fetched_at: datetime,
    word: str | None = None,
) -> Report:
    return Report(
        symbol=SYMBOL,
        external_order_id=str(id_),
        word=word or (status.value.upper() if status else "HALTED"),
        status=status,
        executed_qty=Decimal(executed),
        avg_price=None if average is None else Decimal(average),
        fetched_at=fetched_at,
    )


def an_absence(id_: OrderId, *, fetched_at: datetime) -> Absent:
    return Absent(symbol=SYMBOL, external_order_id=str(id_), fetched_at=fetched_at)


def a_fault(id_: OrderId, *, fetched_at: datetime, detail: str = "no such symbol") -> OrderFault:
    return OrderFault(
        symbol=SYMBOL, external_order_id=str(id_), detail=detail, fetched_at=fetched_at
    )


def a_policy(orders: OrdersTable) -> Policy:
    return Policy(
        quantity_scale=orders.quantity_scale,
        price_scale=orders.price_scale,
        retention=Retention(unfilled=timedelta(days=90)),
    )


def a_writer(database: Database) -> OrderWriter:
    """Return a writer like a worker's."""
    orders = shape_of(database)
    return OrderWriter(orders, exchange=EXCHANGE, decide=partial(decide, policy=a_policy(orders)))


def applied(database: Database, *answers: tuple[OrderId, Answer]) -> WriteResult:
    """Apply the answers in one transaction and commit, as a worker does."""
    writer = a_writer(database)
    with database.transaction() as connection:
        return writer.apply(connection, dict(answers))


def until(application: Application, condition: str, *parameters: object) -> None:
    """Poll the database until a condition is true that another session is about to reach."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while application.execute(condition, parameters).fetchone() != {"answer": True}:
        assert time.monotonic() < deadline, f"never came true: {condition}"


IS_WAITING_FOR_A_LOCK: str = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity AS waiting, unnest(pg_blocking_pids(waiting.pid)) AS blocker
        WHERE waiting.datname = current_database() AND waiting.application_name = %s
            AND (blocker <> pg_backend_pid() OR waiting.wait_event <> 'virtualxid')
    ) AS answer"""
"""An application waits for a lock.

A wait for the end of the transaction that asks does not count: a concurrent index build waits for
each snapshot, also for the one with which this statement looks.
"""

STOP_AFTER_THE_SNAPSHOT = """
    ALTER TABLE reconciliation_state RENAME TO kept_state;
    CREATE FUNCTION wait_for_the_application() RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN 'nothing'; END $$;
    CREATE VIEW reconciliation_state AS
        SELECT '' AS scope, wait_for_the_application() AS key, NULL::jsonb AS value,
            '' AS changed_by"""
"""A statement that checks the halt waits, after its snapshot and before it locks a row.

It waits until the application's `pg_advisory_lock(1)` is released.
"""
