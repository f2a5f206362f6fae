"""Responses of the exchange, translated to answers and failures of the requested orders.

An order gets an answer only from a row of its own id, or from its own look-up. Order ids are UUIDs,
so a row of that id is the order, whatever its symbol: if the caller's row has another symbol, that
row is wrong, and its order waits for a person. An order that cannot be read fails alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.report import Answer
from reconciler.errors import RequestRejected, Unavailable, UnreadableRow
from reconciler.exchanges.api_client import ApiResponse
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.coinbase.raw_orders import Page, RawOrder, RawOrders, decode_order
from reconciler.exchanges.coinbase.refs import is_same_symbol
from reconciler.exchanges.coinbase.reports import to_report
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_result import (
    QueryResult,
    firewall_reason,
    lookup_result,
    order_fault,
    other_symbol_fault,
    result_of_rows,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown


def decode_lookup(ref: OrderRef, body: bytes) -> RawOrder | UnreadableOrder[str]:
    """Decode the answer to a look-up of `ref`.

    Raises:
        ValueError: the answer is no order.
        UnreadableRow: it is another order, or has no id. It may be the answer to another request;
            then a retry gets the right one. If it does not, only this order fails.
    """
    raw = decode_order(body)
    if raw.order_id is None or raw.order_id.lower() != ref.external_order_id:
        reason = f" ({raw.reason})" if isinstance(raw, UnreadableOrder) else ""
        raise UnreadableRow(
            f"asked for {shown(ref)}, the answer is about order"
            f" {str(raw.order_id)[:MAX_NAME_LENGTH]}{reason}"
        )
    return raw


def result_of_lookup(
    ref: OrderRef, response: ApiResponse[RawOrder | UnreadableOrder[str]]
) -> QueryResult:
    """Return the result of a look-up of `ref`.

    Raises:
        Unavailable: the response says nothing about the order.
    """
    if not isinstance(response.value, ErrorResponse):
        return _result_of_orders([ref], [response.value], response.fetched_at)
    error = response.value
    match error.kind:
        case ErrorKind.ORDER_NOT_FOUND:
            return lookup_result([ref], QueryResult(), response.fetched_at)
        case ErrorKind.FIREWALL:
            fault = order_fault(ref, firewall_reason(error.text), response.fetched_at)
            return QueryResult(answers={ref: fault}, is_blocked=True)
        case _:
            raise Unavailable(error.text)


def result_of_many(refs: Iterable[OrderRef], response: ApiResponse[Page]) -> QueryResult:
    """Return the result of a look-up of several orders. What it leaves out is looked up singly.

    An error about one of the ids, or a firewall's about the request, leaves out all of them.
    """
    refs = tuple(refs)
    orders = () if isinstance(response.value, ErrorResponse) else response.value.orders
    found = _result_of_orders(refs, orders, response.fetched_at)
    return lookup_result(refs, found, response.fetched_at)


def result_of_list(wanted: Iterable[OrderRef], response: ApiResponse[Page]) -> QueryResult:
    """Return the result of a page of a list for the `wanted` orders, without other orders.

    Raises:
        RequestRejected: the exchange, or a firewall before it, does not take the request.
    """
    if isinstance(response.value, ErrorResponse):
        raise RequestRejected(response.value.text)
    page = response.value
    found = _result_of_orders(wanted, page.orders, response.fetched_at)
    return replace(found, listed=len(page.orders), next_cursor=page.next_cursor)


def _result_of_orders(
    wanted: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime
) -> QueryResult:
    by_id: defaultdict[str, list[OrderRef]] = defaultdict(list)
    for ref in wanted:
        by_id[ref.external_order_id].append(ref)
    rows = (
        (ref, raw)
        for raw in orders
        # An order without an id proves nothing about any order.
        if raw.order_id is not None
        for ref in by_id.get(raw.order_id.lower(), ())
    )
    return result_of_rows(rows, _answer, fetched_at)


def _answer(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Answer:
    if not is_same_symbol(ref.symbol, raw.symbol):
        return other_symbol_fault(ref, raw.symbol, fetched_at)
    return to_report(ref, raw, fetched_at)
