"""Answers of Kraken, translated to answers and failures of the requested orders.

An order gets an answer only from what stands under its own txid, which alone names it: a pair has
several names. An order that cannot be read fails alone.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from reconciler.domain.report import Absent, Answer, OrderFault
from reconciler.errors import Malformed, RequestRejected, Unavailable, UnreadableRow
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.kraken.constants import CLOSED_PAGE
from reconciler.exchanges.kraken.error_kinds import is_of_id
from reconciler.exchanges.kraken.raw_orders import (
    RawOrder,
    RawOrders,
    decode_errors,
    decode_queried,
)
from reconciler.exchanges.kraken.reports import to_report
from reconciler.exchanges.query_result import QueryResult, firewall_reason, lookup_result
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown


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
    answers, failures = _answers(asked, orders, fetched_at)
    return lookup_result(asked, answers=answers, failures=failures, fetched_at=fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime, *, offset: int | None
) -> QueryResult:
    """Return the result of a whole list, or of its page at `offset`, for the `wanted` orders.

    A page that is not full is the last.
    """
    answers, failures = _answers(wanted, orders, fetched_at)
    is_last = offset is None or len(orders) < CLOSED_PAGE
    return QueryResult(
        answers=answers,
        failures=failures,
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
            return Absent(
                symbol=ref.symbol, external_order_id=ref.external_order_id, fetched_at=fetched_at
            )
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


def _answers(
    refs: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime
) -> tuple[Mapping[OrderRef, Answer], Mapping[OrderRef, Failure]]:
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for ref in refs:
        raw = orders.get(ref.external_order_id)
        if raw is None:
            continue
        try:
            answers[ref] = to_report(ref, _readable(ref, raw), fetched_at)
        except Malformed as failure:
            failures[ref] = UnreadableRow(str(failure))
    return answers, failures


def _readable(ref: OrderRef, raw: RawOrder | UnreadableOrder[str]) -> RawOrder:
    if isinstance(raw, UnreadableOrder):
        raise UnreadableRow(f"{shown(ref)} cannot be read: {raw.reason}")
    return raw
