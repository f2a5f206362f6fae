"""The audit trail: one entry for every change, written in the transaction of the change.

An entry holds what the row said, what it says now, and the report that made us write it, exact
enough to decide again from it. Decimals are strings: JSON numbers lose digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from reconciler.domain.order import Facts
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
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


def details(
    *,
    before: Facts,
    after: Facts,
    exchange: str,
    rule: str,
    report: Report,
    by: str | None = None,
) -> bytes:
    """Return an entry's `details` as JSON. `by` is the person who decided, if it was one."""
    return _encode(
        _Entry(
            from_=_facts(before),
            to=_facts(after),
            exchange=exchange,
            rule=rule,
            fetched_at=report.fetched_at,
            report=_report(report),
            by=msgspec.UNSET if by is None else by,
        )
    )


def facts_of(recorded: Mapping[str, Any]) -> Facts:
    """Read a row's facts back from JSON."""
    average = recorded["avg_price"]
    return Facts(
        status=Status(recorded["status"]),
        executed_qty=Decimal(recorded["executed_qty"]),
        avg_price=None if average is None else Decimal(average),
    )


def facts_json(facts: Facts) -> bytes:
    """Return a row's facts as JSON."""
    return _encode(_facts(facts))


def report_json(answer: Answer) -> bytes:
    """Return an answer as JSON; null where it says nothing of the order itself."""
    return _encode(_report(answer) if isinstance(answer, Report) else None)


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


_encode = msgspec.json.Encoder().encode


class _Facts(msgspec.Struct, gc=False):
    status: str
    executed_qty: str
    avg_price: str | None


class _Report(msgspec.Struct, gc=False):
    symbol: str
    external_order_id: str
    word: str
    status: str | None
    executed_qty: str
    avg_price: str | None


class _Entry(msgspec.Struct, gc=False, rename={"from_": "from"}):
    from_: _Facts
    to: _Facts
    exchange: str
    rule: str
    fetched_at: datetime
    report: _Report
    by: str | msgspec.UnsetType


def _report(report: Report) -> _Report:
    return _Report(
        report.symbol,
        report.external_order_id,
        report.word,
        report.status,
        f"{report.executed_qty:f}",
        _price(report.avg_price),
    )


def _facts(facts: Facts) -> _Facts:
    return _Facts(facts.status, f"{facts.executed_qty:f}", _price(facts.avg_price))


def _price(price: Decimal | None) -> str | None:
    return None if price is None else f"{price:f}"
