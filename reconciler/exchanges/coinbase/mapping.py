"""Responses of the exchange, translated to answers and failures of the requested orders.

An order gets an answer only from a row of its own id, or from its own look-up. Order ids are UUIDs,
so a row of that id is the order, whatever its symbol: if the caller's row has another symbol, that
row is wrong, and its order waits for a person. An order that cannot be read fails alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import Malformed, RequestRejected, Unavailable, UnreadableRow
from reconciler.exchanges.api_client import ApiResponse
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.coinbase.raw_orders import Page, RawOrder, RawOrders, decode_order
from reconciler.exchanges.coinbase.refs import is_same_symbol
from reconciler.exchanges.coinbase.reports import to_report
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_result import (
    QueryResult,
    firewall_reason,
    lookup_result,
    order_fault,
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
        found = _found([ref], [response.value], response.fetched_at)
        return QueryResult(answers=found.answers, failures=found.failures)
    error = response.value
    match error.kind:
        case ErrorKind.ORDER_NOT_FOUND:
            return lookup_result([ref], answers={}, failures={}, fetched_at=response.fetched_at)
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
    found = _found(refs, orders, response.fetched_at)
    return lookup_result(
        refs, answers=found.answers, failures=found.failures, fetched_at=response.fetched_at
    )


def result_of_list(wanted: Iterable[OrderRef], response: ApiResponse[Page]) -> QueryResult:
    """Return the result of a page of a list for the `wanted` orders, without other orders.

    Raises:
        RequestRejected: the exchange, or a firewall before it, does not take the request.
    """
    if isinstance(response.value, ErrorResponse):
        raise RequestRejected(response.value.text)
    page = response.value
    found = _found(wanted, page.orders, response.fetched_at)
    return QueryResult(
        answers=found.answers,
        failures=found.failures,
        listed=len(page.orders),
        next_cursor=page.next_cursor,
    )


@dataclass(kw_only=True, slots=True)
class _Found:
    answers: dict[OrderRef, Answer] = field(default_factory=dict)
    failures: dict[OrderRef, Failure] = field(default_factory=dict)


def _found(wanted: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime) -> _Found:
    by_id: dict[str, list[OrderRef]] = {}
    for ref in wanted:
        by_id.setdefault(ref.external_order_id, []).append(ref)
    found = _Found()
    for raw in orders:
        # An order without an id proves nothing about any order.
        refs = () if raw.order_id is None else by_id.get(raw.order_id.lower(), ())
        for ref in refs:
            try:
                found.answers[ref] = _answer(ref, raw, fetched_at)
            except Malformed as failure:
                found.failures[ref] = UnreadableRow(str(failure))
    # Of contradictory entries for one order neither is an answer.
    for ref in found.failures:
        found.answers.pop(ref, None)
    return found


def _answer(ref: OrderRef, raw: RawOrder | UnreadableOrder[str], fetched_at: datetime) -> Answer:
    if isinstance(raw, UnreadableOrder):
        raise Malformed(f"{shown(ref)} cannot be read: {raw.reason}")
    if not is_same_symbol(ref.symbol, raw.symbol):
        return OrderFault(
            symbol=ref.symbol,
            external_order_id=ref.external_order_id,
            detail=(
                f"the exchange says that {shown(ref)} is of {raw.symbol[:MAX_NAME_LENGTH]!r}:"
                " correct the row's symbol or external_order_id"
            ),
            fetched_at=fetched_at,
        )
    return to_report(ref, raw, fetched_at)
