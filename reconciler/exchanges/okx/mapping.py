"""Responses of the exchange, translated to answers and failures of the requested orders.

An order gets an answer only from a listed order of its own symbol and id, or from its own look-up.
An order that cannot be read fails alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.report import Answer
from reconciler.errors import Malformed, Refused, Unavailable, UnreadableRow
from reconciler.exchanges.api_client import ApiResponse
from reconciler.exchanges.api_errors import BAD_REQUEST_HINT, ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.okx.constants import PAGE_SIZE
from reconciler.exchanges.okx.raw_orders import RawOrder, RawOrders, decode_orders
from reconciler.exchanges.okx.reports import to_report
from reconciler.exchanges.query_result import (
    QueryResult,
    absent,
    firewall_reason,
    lookup_result,
    order_fault,
    result_of_rows,
    unknown_symbol_reason,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown

_FORM = 'a symbol here is written as "BTC-USDT"'
_PARAMETERS_OF_A_ROW = frozenset({None, "instId", "ordId"})


def decode_lookup(ref: OrderRef) -> Callable[[bytes], RawOrders]:
    """Return the decoder of the answer to a look-up of `ref`, which has exactly that order.

    It raises `UnreadableRow` for another order. It may be the answer to another request; then a
    retry gets the right one. An answer without any order says nothing: "not found" has its code.
    """

    def decode(body: bytes) -> RawOrders:
        orders = decode_orders(body)
        if not orders:
            raise ValueError("it has no order")
        for raw in orders:
            if (raw.symbol, raw.order_id) != (ref.symbol, ref.external_order_id):
                raise UnreadableRow(f"asked for {shown(ref)}, the answer is about {_name(raw)}")
        return orders

    return decode


def decode_list(symbol: str | None) -> Callable[[bytes], RawOrders]:
    """Return the decoder of a list for `symbol`, or for all if it is None.

    It raises `ValueError` if every order is of another symbol: the answer to another request.
    """

    def decode(body: bytes) -> RawOrders:
        orders = decode_orders(body)
        if symbol is None or not orders or any(raw.symbol in {symbol, None} for raw in orders):
            return orders
        raise ValueError(f"asked for orders of {symbol}, the answer is about {_name(orders[0])}")

    return decode


def decode_archived(ref: OrderRef) -> Callable[[bytes], RawOrders]:
    """Return the decoder of the archive's answer about `ref`: that order, an older one, or none.

    It raises `ValueError` if an order has no id, or none of the symbol: it may be the order itself,
    which must not pass for one that does not exist.
    """
    decode_page = decode_list(ref.symbol)

    def decode(body: bytes) -> RawOrders:
        orders = decode_page(body)
        if any(raw.symbol is None or raw.order_id is None for raw in orders):
            raise ValueError("an order has no symbol or no id")
        return orders

    return decode


def result_of_lookup(ref: OrderRef, response: ApiResponse[RawOrders]) -> QueryResult:
    """Return the result of a look-up of `ref`, in any place.

    Raises:
        ExchangeError: the response says nothing about the order.
    """
    if isinstance(response.value, ErrorResponse):
        return QueryResult(
            answers={ref: _answer_of_error(ref, response.value, response.fetched_at)},
            is_blocked=response.value.kind is ErrorKind.FIREWALL,
        )
    found = _result_of_orders([ref], response.value, response.fetched_at)
    return lookup_result([ref], found, response.fetched_at)


def result_of_list(
    symbol: str | None, wanted: Iterable[OrderRef], response: ApiResponse[RawOrders]
) -> QueryResult:
    """Return the result of a page for the `wanted` orders, without other orders.

    Raises:
        Refused: the way we ask for lists is wrong.
        Unavailable: the response says nothing about the orders.
    """
    if isinstance(response.value, ErrorResponse):
        return _result_of_list_error(symbol, wanted, response.value, response.fetched_at)
    found = _result_of_orders(wanted, response.value, response.fetched_at)
    return replace(found, listed=len(response.value), next_cursor=_next_cursor(response.value))


def _result_of_orders(
    refs: Iterable[OrderRef], orders: RawOrders, fetched_at: datetime
) -> QueryResult:
    wanted: dict[tuple[str | None, str | None], OrderRef] = {
        (ref.symbol, ref.external_order_id): ref for ref in refs
    }
    # An order without symbol or id proves nothing about any order.
    rows = ((wanted[name], raw) for raw in orders if (name := (raw.symbol, raw.order_id)) in wanted)
    return result_of_rows(rows, to_report, fetched_at)


def _name(raw: RawOrder | UnreadableOrder[str]) -> str:
    reason = f" ({raw.reason})" if isinstance(raw, UnreadableOrder) else ""
    order_id, symbol = str(raw.order_id)[:MAX_NAME_LENGTH], str(raw.symbol)[:MAX_NAME_LENGTH]
    return f"order {order_id} of {symbol}{reason}"


def _next_cursor(orders: RawOrders) -> str | None:
    """Return the id from which the next page goes on; None if this page is not full.

    Raises:
        Malformed: the page is full, and no order has an id.
    """
    if len(orders) < PAGE_SIZE:
        return None
    for raw in reversed(orders):
        if raw.order_id is not None:
            return raw.order_id
    raise Malformed("no order of a full page has an id, so that the next page cannot be asked for")


def _result_of_list_error(
    symbol: str | None, wanted: Iterable[OrderRef], error: ErrorResponse, fetched_at: datetime
) -> QueryResult:
    """Return the result of an error that a list got.

    Raises:
        Refused: the way we ask for lists is wrong.
        Unavailable: the error says nothing about the orders.
    """
    match error.kind:
        case ErrorKind.FIREWALL:
            # Something in the request is taken for an attack: the orders are looked up one by one.
            return QueryResult(lookup_only=frozenset(wanted))
        case ErrorKind.UNKNOWN_SYMBOL if symbol is not None:
            reason = unknown_symbol_reason(f"{_FORM}; {error.text}")
        case ErrorKind.BAD_PARAMETER if symbol is not None and error.parameter == "instId":
            reason = error.text
        case ErrorKind.BAD_PARAMETER:
            raise Refused(error.text, hint=BAD_REQUEST_HINT)
        case _:
            raise Unavailable(error.text)
    return QueryResult(answers={ref: order_fault(ref, reason, fetched_at) for ref in wanted})


def _answer_of_error(ref: OrderRef, error: ErrorResponse, fetched_at: datetime) -> Answer:
    """Return the answer that an error gives about `ref` itself.

    Raises:
        Refused: the way we ask is wrong.
        Unavailable: the error says nothing about the order.
    """
    match error.kind:
        case ErrorKind.ORDER_NOT_FOUND:
            return absent(ref, fetched_at)
        case ErrorKind.UNKNOWN_SYMBOL:
            return order_fault(ref, unknown_symbol_reason(f"{_FORM}; {error.text}"), fetched_at)
        case ErrorKind.FIREWALL:
            return order_fault(ref, firewall_reason(error.text), fetched_at)
        case ErrorKind.BAD_PARAMETER if error.parameter in _PARAMETERS_OF_A_ROW:
            return order_fault(ref, error.text, fetched_at)
        case ErrorKind.BAD_PARAMETER:
            raise Refused(error.text, hint=BAD_REQUEST_HINT)
        case _:
            raise Unavailable(error.text)
