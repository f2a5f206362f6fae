"""A held row next to what the exchange said, value by value. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from reconciler.domain.status import in_both_words
from reconciler.store.holds import HeldOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A value as the row has it and as the exchange said it; None where it is not known."""

    name: str
    row: str | None
    exchange: str | None
    differs: bool


def compare(hold: HeldOrder) -> Sequence[Compared]:
    """Return the values of an order on hold that the row or the exchange knows."""
    return [one for one in _compared(hold.row_facts, hold.report or {}) if one.row or one.exchange]


def _compared(row: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Compared]:
    status, reported = row.get("status"), report.get("status")
    yield Compared(
        name="status",
        row=in_both_words(row.get("status_written"), status),
        exchange=in_both_words(report.get("word"), reported) if report else None,
        differs=bool(report) and status != reported,
    )
    yield _number("executed", row.get("executed_qty"), report.get("executed_qty"))
    yield _number("average", row.get("avg_price"), report.get("avg_price"))
    yield _number("quantity", row.get("qty"), report.get("quantity"))
    yield _text("side", row.get("side"), report.get("side"))
    yield _text("client id", row.get("client_order_id"), report.get("client_order_id"))
    # The row is written some time before or after the exchange places the order.
    created, placed = _shown(row.get("created_at")), _shown(report.get("placed_at"))
    yield Compared(name="created, placed", row=created, exchange=placed, differs=False)


def _text(name: str, row: object, exchange: object) -> Compared:
    are_known = row is not None and exchange is not None
    return Compared(
        name=name, row=_shown(row), exchange=_shown(exchange), differs=are_known and row != exchange
    )


def _number(name: str, row: object, exchange: object) -> Compared:
    are_known = row is not None and exchange is not None
    return Compared(
        name=name,
        row=_shown(row),
        exchange=_shown(exchange),
        differs=are_known and _decimal(row) != _decimal(exchange),
    )


def _decimal(number: object) -> object:
    """Return a number's value: 1.50 equals 1.5. What is no number equals only itself."""
    try:
        return Decimal(str(number))
    except InvalidOperation:
        return number


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
