"""One order as OKX sends it, translated to a `Report`."""

from datetime import datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.okx.constants import BASE_QUANTITY_TYPES, FILLED, STATUSES
from reconciler.exchanges.okx.raw_orders import RawOrder
from reconciler.exchanges.raw_values import (
    MAX_NAME_LENGTH,
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    require_executed_within,
    shown,
    time_of_ms,
    word_and_status,
)

_KNOWN_WORDS = known_words(STATUSES)


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, a quantity is invalid, or it is not in base
            currency.
    """
    if raw.inst_type is not None and raw.inst_type not in BASE_QUANTITY_TYPES:
        raise UnreadableRow(
            f"{shown(ref)}: it is of the type {raw.inst_type[:MAX_NAME_LENGTH]!r}, whose quantities"
            " are contracts"
        )
    word, status = word_and_status(_KNOWN_WORDS, raw.state)
    executed_qty = quantity(ref, "accFillSz", raw.acc_fill_sz)
    avg_price = optional_quantity(ref, "avgPx", raw.avg_px, blank_is_none=True)
    is_quote = is_quote_sized(raw)
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=(avg_price or None) if executed_qty else None,
        fetched_at=fetched_at,
        quantity=None if is_quote else _ordered_quantity(ref, raw, executed_qty),
        is_quote_sized=is_quote,
        side=SIDES.get(raw.side) if isinstance(raw.side, str) else None,
        client_order_id=client_order_id(raw.cl_ord_id),
        placed_at=time_of_ms(raw.c_time),
        changed_at=time_of_ms(raw.u_time),
    )


def is_quote_sized(raw: RawOrder) -> bool:
    """Return True if `sz` is, or may be, an amount of quote currency.

    `tgtCcy` says so. Where it says nothing, a market order to buy counts as sized in quote
    currency, which is its default ("Place order", `tgtCcy`; for margin always), and every other
    order has its size in base currency. Nothing is inferred from `sz` itself.
    """
    if raw.tgt_ccy in {"quote_ccy", "base_ccy"}:
        return raw.tgt_ccy == "quote_ccy"
    return raw.ord_type in {"market", None} and raw.side != "sell"


def _ordered_quantity(ref: OrderRef, raw: RawOrder, executed_qty: Decimal) -> Decimal | None:
    """Return the ordered quantity, or None if it is not known.

    OKX may amend the size of a spot market order to what the account has ("Place order",
    `banAmend`, read 2026-11-29), and does not say whether `sz` follows: if such an order is filled
    with less, `sz` is not its quantity.

    One number instead of two if the order is filled: a batch keeps thousands.
    """
    if raw.sz == raw.acc_fill_sz:
        return executed_qty or None
    ordered = optional_quantity(ref, "sz", raw.sz, blank_is_none=True)
    if not ordered:
        return None
    require_executed_within(ref, executed_qty, ordered, names=("accFillSz", "sz"))
    return None if raw.ord_type == "market" and raw.state == FILLED else ordered
