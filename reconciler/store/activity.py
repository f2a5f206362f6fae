"""The audit trail: one entry for every change, written in the transaction of the change.

An entry holds what the row said, what it says now, and the report that made us write it, exact
enough to decide again from it. Decimals are strings: JSON numbers lose digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from reconciler.domain.order import Facts
from reconciler.domain.report import Report
from reconciler.store.tables import activity_log

ACTION = "reconciliation.update"


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One entry of the log."""

    id: int
    order_id: str
    action: str
    details: dict[str, Any]
    created_at: datetime


def details(*, before: Facts, after: Facts, exchange: str, rule: str, report: Report) -> bytes:
    """Return an entry's `details` as JSON."""
    return msgspec.json.encode(
        {
            "from": _facts(before),
            "to": _facts(after),
            "exchange": exchange,
            "rule": rule,
            "fetched_at": report.fetched_at,
            "report": {
                "symbol": report.symbol,
                "external_order_id": report.external_order_id,
                "word": report.word,
                "status": report.status,
                "executed_qty": _text(report.executed_qty),
                "avg_price": _text(report.avg_price),
            },
        }
    )


def read_history(connection: Connection, order_id: str) -> Sequence[Activity]:
    """Read an order's entries, the oldest first."""
    statement = (
        select(
            activity_log.c.id,
            activity_log.c.order_id,
            activity_log.c.action,
            activity_log.c.details,
            activity_log.c.created_at,
        )
        .where(activity_log.c.order_id == order_id)
        .order_by(activity_log.c.created_at, activity_log.c.id)
    )
    return [Activity(**row) for row in connection.execute(statement).mappings()]


def _facts(facts: Facts) -> dict[str, str | None]:
    return {
        "status": facts.status,
        "executed_qty": _text(facts.executed_qty),
        "avg_price": _text(facts.avg_price),
    }


def _text(value: object) -> str | None:
    return None if value is None else f"{value:f}"
