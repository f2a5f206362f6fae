"""One order as Kraken sends it, translated to a `Report`.

    status      vol_exec   oflags    means
    ------      --------   ------    -----
    any         0          any       nothing executed, no average
    any         > 0        no viqc   `vol_exec` is base currency, the average `price`, and price x
                                     vol_exec = cost, or the order cannot be read
    closed      > 0        viqc      the same, and `cost` is what was ordered, or it cannot be read
    other       > 0        viqc      it cannot be read: the currency is not certain

The flag `viqc` means that the order was placed for an amount of quote currency. Kraken's older
documentation had `vol`, `vol_exec`, `cost` and `price` of such an order in the other currency each
("base currency unless viqc set in oflags"); the one of today has `vol_exec` in base currency
(api-specs, `schemas/objects/user/orders/closed.yaml`; both read 2026-11-28). Price x vol_exec is
the cost either way. But a filled order has spent what it was placed for: if its cost is its volume,
the cost is quote currency, and so `vol_exec` is base currency.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Self

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.constants import QUOTE_SIZED_FLAG, QUOTE_SIZED_TYPE, STATUSES
from reconciler.exchanges.kraken.raw_orders import RawOrder
from reconciler.exchanges.raw_values import (
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    shown,
    time_of_seconds,
    word_and_status,
)

_MOST_UNSPENT = Decimal("0.01")
"""The largest share of its amount that a filled order leaves: it is worth less than one lot."""

_EXACT = Context(prec=80)
_KNOWN_WORDS = known_words(STATUSES)


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = word_and_status(_KNOWN_WORDS, raw.status)
    is_quote_sized = _may_be_quote_sized(raw)
    execution = _Execution.read(ref, raw)
    reason = _contradiction(execution, status, is_quote_sized=is_quote_sized)
    if reason is not None:
        raise UnreadableRow(f"{shown(ref)}: {reason}")
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=execution.executed,
        avg_price=(execution.price or None) if execution.executed else None,
        fetched_at=fetched_at,
        quantity=None if is_quote_sized else execution.ordered or None,
        is_quote_sized=is_quote_sized,
        side=SIDES.get(raw.descr.type) if isinstance(raw.descr.type, str) else None,
        client_order_id=client_order_id(raw.cl_ord_id),
        placed_at=time_of_seconds(raw.opentm),
        changed_at=time_of_seconds(raw.closetm),
    )


def _may_be_quote_sized(raw: RawOrder) -> bool:
    """Return True for an order with the flag, and for one that may have it: a list left it out."""
    if raw.oflags is None:
        return raw.descr.ordertype in (None, QUOTE_SIZED_TYPE)
    return QUOTE_SIZED_FLAG in [flag.strip() for flag in raw.oflags.split(",")]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Execution:
    """What an order says of its size and execution. None is what it does not say."""

    executed: Decimal
    ordered: Decimal | None
    cost: Decimal | None
    price: Decimal | None

    @classmethod
    def read(cls, ref: OrderRef, raw: RawOrder) -> Self:
        return cls(
            executed=quantity(ref, "vol_exec", raw.vol_exec),
            ordered=optional_quantity(ref, "vol", raw.vol),
            cost=optional_quantity(ref, "cost", raw.cost),
            price=optional_quantity(ref, "price", raw.price),
        )


def _contradiction(
    execution: _Execution, status: Status | None, *, is_quote_sized: bool
) -> str | None:
    """Return what in an order contradicts something else, or None if it can be believed."""
    executed, ordered, cost, price = (
        execution.executed,
        execution.ordered,
        execution.cost,
        execution.price,
    )
    if not executed:
        return f"vol_exec is 0 at a cost of {cost}" if cost else None
    if not is_quote_sized and ordered and executed > ordered:
        return f"vol_exec {executed} of vol {ordered}, more than was ordered"
    if price and cost and not _is_product(cost, price, executed):
        return f"price {price} x vol_exec {executed} is not the cost {cost}"
    if not is_quote_sized:
        return None
    if status is Status.FILLED and price and cost and ordered and _is_spent(cost, ordered):
        return None
    return (
        "it was placed for an amount of quote currency, and nothing proves that vol_exec"
        f" {executed} is base currency: look it up on Kraken's page"
    )


def _is_product(cost: Decimal, price: Decimal, executed: Decimal) -> bool:
    """Return True if price x executed is the cost, but for the digits that the texts leave out."""
    tolerance = 2 * (_unit(cost) + _unit(price) * executed + _unit(executed) * price)
    return abs(_EXACT.multiply(price, executed) - cost) <= tolerance


def _is_spent(cost: Decimal, ordered: Decimal) -> bool:
    return abs(cost - ordered) <= ordered * _MOST_UNSPENT


def _unit(number: Decimal) -> Decimal:
    """Return one unit of the last place that the text of a number has."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 - it is finite
    return Decimal(1).scaleb(exponent)
