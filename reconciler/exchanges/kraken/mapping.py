"""Answers of Kraken, translated to answers and failures of the requested orders.

An order gets an answer only from what stands under its own txid, which alone names it: a pair has
several names. An order that cannot be read fails alone.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import RequestRejected, Unavailable
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.constants import CLOSED_PAGE
from reconciler.exchanges.kraken.errors import is_of_id
from reconciler.exchanges.kraken.raw_orders import (
    RawOrders,
    decode_errors,
    decode_queried,
)
from reconciler.exchanges.kraken.reports import to_report
from reconciler.exchanges.query_result import (
    QueryResult,
    absent,
    firewall_reason,
    lookup_result,
    result_of_rows,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH


def decode_lookup(txids: Collection[str], body: bytes) -> RawOrders:
    """Decode the answer to a look-up of `txids`.

    Raises:
        ValueError: it is none. It has an order that was not asked for, so it is the answer to
            another request, or a warning in the place of an order that it leaves out.
    """
    orders = decode_queried(body)
    others = orders.keys() - set(txids)
    if others:
        raise ValueError(f"it is about {min(others)[:MAX_NAME_LENGTH]}, which was not asked for")
    warnings = decode_errors(body)
    if warnings and len(orders) < len(txids):
        raise ValueError(f"an order is missing, with a warning: {warnings[0][:MAX_NAME_LENGTH]}")
    return orders


def result_of_query(
    refs: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime
) -> QueryResult:
    """Return the result of a look-up of `refs`: an order that is missing does not exist."""
    asked = list(refs)
    return lookup_result(asked, _result_of_orders(asked, orders, fetched_at), fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime, *, offset: int | None
) -> QueryResult:
    """Return the result of a whole list, or of its page at `offset`, for the `wanted` orders.

    A page that is not full is the last.
    """
    is_last = offset is None or len(orders) < CLOSED_PAGE
    return replace(
        _result_of_orders(wanted, orders, fetched_at),
        listed=len(orders),
        next_cursor=None if is_last else str((offset or 0) + CLOSED_PAGE),
    )


def answer_of_error(ref: OrderRef, error: ErrorResponse, fetched_at: datetime) -> Answer:
    """Return the answer that an error to the look-up of `ref` alone gives about it.

    Raises:
        RequestRejected: the error does not say what is wrong.
        Unavailable: the error says nothing about the order.
    """
    match error.kind:
        case ErrorKind.ORDER_NOT_FOUND:
            return absent(ref, fetched_at)
        case ErrorKind.FIREWALL:
            return order_fault(ref, firewall_reason(error.text), fetched_at)
        case ErrorKind.BAD_PARAMETER if is_of_id(str(error.code)):
            return order_fault(ref, error.text, fetched_at)
        case ErrorKind.BAD_PARAMETER:
            raise RequestRejected(error.text)
        case _:
            raise Unavailable(error.text)


def order_fault(ref: OrderRef, reason: str, fetched_at: datetime) -> OrderFault:
    """Return the answer for an order that cannot be requested from Kraken."""
    return OrderFault(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        detail=(
            f"the exchange cannot be asked for order {ref.external_order_id[:MAX_NAME_LENGTH]!r}"
            f" ({reason}): correct the row's external_order_id"
        ),
        fetched_at=fetched_at,
    )


def _result_of_orders(
    refs: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime
) -> QueryResult:
    rows = ((ref, orders[txid]) for ref in refs if (txid := ref.external_order_id) in orders)
    return result_of_rows(rows, to_report, fetched_at)
