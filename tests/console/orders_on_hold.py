"""Orders on hold and changes, as tests of the pages need them."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[dict[str, Any]]

ROW = {"status": "new", "executed_qty": "0", "avg_price": None}
REPORT = {
    "symbol": "BTCUSDT",
    "external_order_id": "9",
    "word": "FILLED",
    "status": "filled",
    "executed_qty": "1.50",
    "avg_price": "100",
}
HOSTILE = "<script>alert(1)</script>\"'&\n\u202e\u0645\u0631/../%2e?#é"


def hold(
    connection: Connection,
    order_id: int,
    *,
    reason: str = "conflict",
    report: Mapping[str, Any] | None = REPORT,
    symbol: str = "BTCUSDT",
    detail: str = "suspicious",
    age: str = "1 hour",
) -> None:
    """Put a new order on hold, with its row as it was then."""
    connection.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status) VALUES (%s, %s, %s, 'new')",
        (order_id, symbol, f"x{order_id}"),
    )
    connection.execute(
        "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
        " next_attempt_at, row_facts, report, held_symbol, held_external_order_id)"
        " VALUES (%s, %s, %s, 2, now() - %s::interval, now() + interval '1 hour', %s, %s, %s, %s)",
        (
            str(order_id),
            reason,
            detail,
            age,
            Jsonb(ROW),
            None if report is None else Jsonb(report),
            symbol,
            f"x{order_id}",
        ),
    )


def change(
    connection: Connection, order_id: str, *, executed: str = "1.50", **details: object
) -> None:
    """Log a change."""
    details = {
        "from": {"status": "new", "executed_qty": "0", "avg_price": None},
        "to": {
            "status": "partial",
            "status_written": "PARTIALLY_FILLED",
            "executed_qty": executed,
            "avg_price": "100.10",
        },
        "exchange": "paper",
        "rule": "quantity_grew",
        "fetched_at": "2026-11-24T12:00:00Z",
        "report": {**REPORT, "placed_at": "2026-11-24T11:00:00Z"},
        **details,
    }
    connection.execute(
        "INSERT INTO activity_log (order_id, action, details)"
        " VALUES (%s, 'reconciliation.update', %s)",
        (order_id, Jsonb(details)),
    )


def in_force(connection: Connection) -> list[str]:
    """Return the orders that are on hold."""
    rows = connection.execute(
        "SELECT order_id FROM reconciliation_holds WHERE resolved_at IS NULL ORDER BY 1"
    )
    return [row["order_id"] for row in rows]


def written_by(connection: Connection) -> list[tuple[str, str]]:
    """Return the orders that a person has changed, with the name."""
    rows = connection.execute(
        "SELECT order_id, details->>'by' AS by FROM activity_log"
        " WHERE details->>'rule' = 'accepted' ORDER BY order_id"
    )
    return [(row["order_id"], row["by"]) for row in rows]
