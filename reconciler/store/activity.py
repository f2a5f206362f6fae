"""The audit trail: one entry for every change, written in the transaction of the change.

An entry has the row's facts before and after, and the report that caused the change, so that the
decision can be replayed. Decimals are strings: JSON numbers lose digits.
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
from reconciler.scope import Scope
from reconciler.store.tables import activity_log

T = TypeVar("T")

ACTION = "reconciliation.update"
ARCHIVED_WORD = "ARCHIVED"
"""The word of an answer that names no status: the order was canceled or has expired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One entry of the activity log."""

    id: int
    order_id: str
    action: str
    details: dict[str, Any]
    created_at: datetime


def details_json(
    *,
    before: Facts,
    after: Facts,
    exchange: str,
    scope: Scope,
    rule: str,
    report: Answer,
    words: tuple[str, str] | None = None,
    created_at: datetime | None = None,
    qty: Decimal | None = None,
    by: str | None = None,
) -> bytes:
    """Return an entry's `details`.

    `words` are the user's for the status before and after, if they are not ours; `created_at` and
    `qty` are the row's, if the decision depended on them; `by` is the person who decided, if any.
    A program without a scope leaves it out.
    """
    former, written = words or (None, None)
    return _encode(
        _DetailsJson(
            from_=_facts_json(before, former),
            to=_facts_json(after, written),
            exchange=exchange,
            rule=rule,
            fetched_at=report.fetched_at,
            report=_report_json(report),
            created_at=_or_unset(created_at),
            qty=_or_unset(_price(qty)),
            by=_or_unset(by),
            scope=_or_unset(scope or None),
        )
    )


def facts_from_json(recorded: Mapping[str, Any]) -> Facts:
    """Read a row's facts back from JSON."""
    average = recorded["avg_price"]
    return Facts(
        status=Status(recorded["status"]),
        executed_qty=Decimal(recorded["executed_qty"]),
        avg_price=None if average is None else Decimal(average),
    )


def order_json(order: Order) -> bytes:
    """Return a row's facts, and what else it knows of its order."""
    return _encode(
        _RowJson(
            order.facts.status,
            _amount(order.facts.executed_qty),
            _price(order.facts.avg_price),
            status_written=_or_unset(order.word),
            qty=_or_unset(_price(order.qty)),
            side=_or_unset(order.side),
            client_order_id=_or_unset(order.client_order_id),
            created_at=_or_unset(order.created_at),
        )
    )


def report_json(answer: Answer) -> bytes:
    """Return a report; null if the answer is not a report."""
    return _encode(_report_json(answer) if isinstance(answer, Report) else None)


def archived_from_json(recorded: Mapping[str, Any], fetched_at: datetime) -> Archived:
    """Read back the answer that an order is archived."""
    return Archived(
        symbol=recorded["symbol"],
        external_order_id=recorded["external_order_id"],
        fetched_at=fetched_at,
    )


def report_from_json(recorded: Mapping[str, Any], fetched_at: datetime) -> Report:
    """Read a report back; earlier versions wrote less of it."""
    return Report(
        symbol=recorded["symbol"],
        external_order_id=recorded["external_order_id"],
        word=recorded["word"],
        status=None if recorded["status"] is None else Status(recorded["status"]),
        executed_qty=Decimal(recorded["executed_qty"]),
        avg_price=_parse_optional(Decimal, recorded["avg_price"]),
        fetched_at=fetched_at,
        quantity=_parse_optional(Decimal, recorded.get("quantity")),
        is_quote_sized=recorded.get("is_quote_sized", False),
        side=_parse_optional(Side, recorded.get("side")),
        client_order_id=recorded.get("client_order_id"),
        placed_at=_parse_optional(datetime.fromisoformat, recorded.get("placed_at")),
    )


def _parse_optional(kind: Callable[[str], T], text: str | None) -> T | None:
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


class _FactsJson(msgspec.Struct, gc=False, omit_defaults=True):
    status: str
    executed_qty: str
    avg_price: str | None
    status_written: str | msgspec.UnsetType = msgspec.UNSET


class _RowJson(_FactsJson, gc=False, kw_only=True):
    qty: str | msgspec.UnsetType
    side: str | msgspec.UnsetType
    client_order_id: str | msgspec.UnsetType
    created_at: datetime | msgspec.UnsetType


class _ReportJson(msgspec.Struct, gc=False, omit_defaults=True):
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


class _DetailsJson(msgspec.Struct, gc=False, rename={"from_": "from"}):
    from_: _FactsJson
    to: _FactsJson
    exchange: str
    rule: str
    fetched_at: datetime
    report: _ReportJson
    created_at: datetime | msgspec.UnsetType
    qty: str | msgspec.UnsetType
    by: str | msgspec.UnsetType
    scope: str | msgspec.UnsetType


def _report_json(answer: Answer) -> _ReportJson:
    if not isinstance(answer, Report):
        return _ReportJson(answer.symbol, answer.external_order_id, ARCHIVED_WORD, None, "0", None)
    return _ReportJson(
        answer.symbol,
        answer.external_order_id,
        answer.word,
        answer.status,
        _amount(answer.executed_qty),
        _price(answer.avg_price),
        _or_unset(_price(answer.quantity)),
        _or_unset(answer.side),
        _or_unset(answer.client_order_id),
        _or_unset(answer.placed_at),
        answer.is_quote_sized,
    )


def _or_unset(value: T | None) -> T | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _facts_json(facts: Facts, word: str | None) -> _FactsJson:
    return _FactsJson(
        facts.status, _amount(facts.executed_qty), _price(facts.avg_price), _or_unset(word)
    )


def _price(price: Decimal | None) -> str | None:
    return None if price is None else _amount(price)


def _amount(amount: Decimal) -> str:
    """Return it without an exponent. `str` writes most amounts so, in a quarter of the time."""
    text = str(amount)
    return f"{amount:f}" if "E" in text else text
