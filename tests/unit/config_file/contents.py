"""A valid file with everything in it, and what it says."""

from decimal import Decimal
from typing import Any

from reconciler.config_file.document import Findings, parse_document
from reconciler.config_file.orders import (
    Columns,
    Constant,
    FollowingColumn,
    NamedColumn,
    OrdersConfig,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    SideTable,
    TimeColumn,
    TimeUnit,
)
from reconciler.config_file.orders_section import read_orders
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Statuses
from reconciler.config_file.symbols import Symbols
from reconciler.domain.status import Status
from reconciler.errors import Problem

QUERY = "SELECT name FROM pairs WHERE id = :value"

DOCUMENT: dict[str, Any] = {
    "orders": {
        "table": 'Trading."Trade Orders"',
        "where": "deleted_at IS NULL",
        "scope": "binance-7",
        "columns": {
            "symbol": {"query": QUERY, "column": "pair_id"},
            "external_order_id": "exchange_order_id",
            "status": "state",
            "executed_qty": {"remaining": "left", "of": "quantity", "scale": "0.000001"},
            "avg_price": {"column": "average_e2", "scale": "1e-2"},
            "qty": "quantity",
            "created_at": {"column": "created_ms", "unit": "epoch-ms"},
            "updated_at": {"column": "changed", "unit": "naive:Europe/Berlin"},
            "last_synced_at": "side-table",
            "exchange": {"constant": "binance"},
            "account": "user_id",
        },
        "statuses": {
            "100": "open",
            "in progress": "pending",
            "COMPLETED": "filled",
            "DONE": "filled",
            "ABORTED": "canceled",
            "write": {"filled": "DONE", "expired": "ABORTED", "new": 100},
        },
        "also_write": {"is_open": {"open": True, "ended": False}, "Closed By": {"ended": "us"}},
        "symbols": {
            "ignore": "/-_: ",
            "strip_suffix": [".BINANCE", ".P"],
            "rename": {"XBT/USD": "BTCUSD"},
        },
    }
}

CONFIG = OrdersConfig(
    table=TableName(schema="trading", name="Trade Orders"),
    where="deleted_at IS NULL",
    scope="binance-7",
    columns=Columns(
        symbol=QueriedColumn(name="pair_id", query=QUERY),
        external_order_id=NamedColumn(name="exchange_order_id"),
        status=NamedColumn(name="state"),
        executed_qty=RemainingColumn(name="left", of="quantity", scale=Decimal("1e-6")),
        avg_price=QuantityColumn(name="average_e2", scale=Decimal("0.01")),
        qty=QuantityColumn(name="quantity", scale=Decimal("1e-6")),
        created_at=TimeColumn(name="created_ms", unit=TimeUnit.EPOCH_MS),
        updated_at=TimeColumn(name="changed", unit=TimeUnit.NAIVE, zone="Europe/Berlin"),
        last_synced_at=SideTable(),
        exchange=Constant(value="binance"),
        account=NamedColumn(name="user_id"),
        named=frozenset(DOCUMENT["orders"]["columns"]),
    ),
    statuses=Statuses(
        meanings={
            "100": "open",
            "in progress": Status.PENDING,
            "COMPLETED": Status.FILLED,
            "DONE": Status.FILLED,
            "ABORTED": Status.CANCELED,
        },
        chosen={Status.FILLED: "DONE", Status.EXPIRED: "ABORTED", Status.NEW: "100"},
    ),
    also_write=(
        FollowingColumn(name="is_open", open=True, ended=False),
        FollowingColumn(name="Closed By", open=None, ended="us"),
    ),
    symbols=Symbols(ignore="/-_: ", strip_suffix=(".BINANCE", ".P"), rename={"XBT/USD": "BTCUSD"}),
)


def read(text: str) -> tuple[OrdersConfig | None, list[Problem]]:
    """Read `[orders]` in a text; return it, and all problems."""
    findings = Findings(parse_document(text, name="reconciler.toml"))
    config = read_orders(findings)
    return config, list(findings.problems)
