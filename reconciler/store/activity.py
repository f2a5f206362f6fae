"""The audit trail: one entry for every change, written in the transaction of the change.

An entry holds what the row said, what it says now, and the report that made us write it, exact
enough to decide again from it. Decimals are strings: JSON numbers lose digits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, select

from reconciler.domain.order import Facts, Order, Side
from reconciler.domain.report import Answer, Archived, Report
from reconciler.domain.status import Status
from reconciler.store.tables import activity_log

T = TypeVar("T")

ACTION = "reconciliation.update"
ARCHIVED_WORD = "ARCHIVED"
"""Stands for the status that is not named: canceled or expired."""


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
    report: Answer,
    created_at: datetime | None = None,
    by: str | None = None,
) -> bytes:
    """Return an entry's `details` as JSON.

    `created_at` is the row's where the decision took it into account. `by` is the person who
    decided, if it was one.
    """
    return _encode(
        _Entry(
            from_=_facts(before),
            to=_facts(after),
            exchange=exchange,
            rule=rule,
            fetched_at=report.fetched_at,
            report=_report(report),
            created_at=_known(created_at),
            by=_known(by),
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


def order_json(order: Order) -> bytes:
    """Return as JSON what a row said: its facts, and what else it knows of its order."""
    return _encode(
        _Row(
            order.facts.status,
            f"{order.facts.executed_qty:f}",
            _price(order.facts.avg_price),
            qty=_known(_price(order.qty)),
            side=_known(order.side),
            client_order_id=_known(order.client_order_id),
            created_at=_known(order.created_at),
        )
    )


def report_json(answer: Answer) -> bytes:
    """Return an answer as JSON; null where it says nothing of the order itself."""
    return _encode(_report(answer) if isinstance(answer, Report) else None)


def archived_of(recorded: Mapping[str, Any], fetched_at: datetime) -> Archived:
    """Read an answer back from JSON that said that the order is archived."""
    return Archived(
        symbol=recorded["symbol"],
        external_order_id=recorded["external_order_id"],
        fetched_at=fetched_at,
    )


def report_of(recorded: Mapping[str, Any], fetched_at: datetime) -> Report:
    """Read a report back from JSON; earlier versions wrote less of it."""
    return Report(
        symbol=recorded["symbol"],
        external_order_id=recorded["external_order_id"],
        word=recorded["word"],
        status=None if recorded["status"] is None else Status(recorded["status"]),
        executed_qty=Decimal(recorded["executed_qty"]),
        avg_price=_read(Decimal, recorded["avg_price"]),
        fetched_at=fetched_at,
        quantity=_read(Decimal, recorded.get("quantity")),
        is_quote_sized=recorded.get("is_quote_sized", False),
        side=_read(Side, recorded.get("side")),
        client_order_id=recorded.get("client_order_id"),
        placed_at=_read(datetime.fromisoformat, recorded.get("placed_at")),
    )


def _read(kind: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else kind(text)


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


class _Row(_Facts, gc=False, kw_only=True):
    qty: str | msgspec.UnsetType
    side: str | msgspec.UnsetType
    client_order_id: str | msgspec.UnsetType
    created_at: datetime | msgspec.UnsetType


class _Report(msgspec.Struct, gc=False, omit_defaults=True):
    symbol: str
    external_order_id: str
    word: str
    status: str | None
    executed_qty: str
    avg_price: str | None
    quantity: str | msgspec.UnsetType = msgspec.UNSET
    side: str | msgspec.UnsetType = msgspec.UNSET
    client_order_id: str | msgspec.UnsetType = msgspec.UNSET
    placed_at: datetime | msgspec.UnsetType = msgspec.UNSET
    is_quote_sized: bool = False


class _Entry(msgspec.Struct, gc=False, rename={"from_": "from"}):
    from_: _Facts
    to: _Facts
    exchange: str
    rule: str
    fetched_at: datetime
    report: _Report
    created_at: datetime | msgspec.UnsetType
    by: str | msgspec.UnsetType


def _report(answer: Answer) -> _Report:
    if not isinstance(answer, Report):
        return _Report(answer.symbol, answer.external_order_id, ARCHIVED_WORD, None, "0", None)
    return _Report(
        answer.symbol,
        answer.external_order_id,
        answer.word,
        answer.status,
        f"{answer.executed_qty:f}",
        _price(answer.avg_price),
        _known(_price(answer.quantity)),
        _known(answer.side),
        _known(answer.client_order_id),
        _known(answer.placed_at),
        answer.is_quote_sized,
    )


def _known(value: T | None) -> T | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _facts(facts: Facts) -> _Facts:
    return _Facts(facts.status, f"{facts.executed_qty:f}", _price(facts.avg_price))


def _price(price: Decimal | None) -> str | None:
    return None if price is None else f"{price:f}"
