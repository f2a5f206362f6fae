"""Responses of the exchange, translated to answers and failures of the requested orders.

An order gets an answer only from a listed order of its own symbol and id, or from its own look-up.
An order that cannot be read fails alone.
"""

from dataclasses import replace
from datetime import datetime

from reconciler.domain.report import Answer, Archived, OrderFault
from reconciler.errors import Malformed, Refused, Unavailable, UnreadableRow
from reconciler.exchanges.api_client import ApiResponse
from reconciler.exchanges.api_errors import BAD_REQUEST_HINT, ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import (
    COSTS,
    ILLEGAL_CHARACTERS_CODE,
)
from reconciler.exchanges.binance.raw_orders import (
    RawOrder,
    RawOrders,
    decode_order,
)
from reconciler.exchanges.binance.reports import to_report
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_plan.queries import HistoryPage, ListOpenOrders, ListOrdersFrom
from reconciler.exchanges.query_result import (
    QueryResult,
    absent,
    firewall_reason,
    order_fault,
    result_of_rows,
    unknown_symbol_reason,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH


def decode_lookup(ref: OrderRef, body: bytes) -> RawOrder | UnreadableOrder[int]:
    """Decode the answer to a look-up of `ref`.

    Raises:
        ValueError: the answer is no order.
        UnreadableRow: it is another order, or has no symbol and id. It may be the answer to another
            request; then a retry gets the right one. If it does not, only this order fails.
    """
    raw = decode_order(body)
    if (raw.symbol, str(raw.order_id)) != (ref.symbol, ref.external_order_id):
        reason = f" ({raw.reason})" if isinstance(raw, UnreadableOrder) else ""
        raise UnreadableRow(
            f"asked for order {ref.external_order_id} of {ref.symbol}, the answer is about"
            f" order {raw.order_id} of {str(raw.symbol)[:MAX_NAME_LENGTH]}{reason}"
        )
    return raw


def result_of_lookup(
    ref: OrderRef, response: ApiResponse[RawOrder | UnreadableOrder[int]]
) -> QueryResult:
    """Return the result of a look-up of `ref`.

    Raises:
        ExchangeError: the response says nothing about the order.
    """
    if isinstance(response.value, ErrorResponse):
        return QueryResult(
            answers={ref: _answer_of_error(ref, response.value, response.fetched_at)},
            is_blocked=response.value.kind is ErrorKind.FIREWALL,
        )
    return _result_of_orders(frozenset({ref}), [response.value], response.fetched_at)


def result_of_list(
    query: ListOpenOrders | ListOrdersFrom,
    wanted: frozenset[OrderRef],
    response: ApiResponse[RawOrders],
) -> QueryResult:
    """Return the result of a list for the `wanted` orders, without other orders.

    Raises:
        Refused: the way we ask for lists is wrong.
        Unavailable: the response says nothing about the orders.
    """
    if isinstance(response.value, ErrorResponse):
        return _result_of_list_error(query, wanted, response.value, response.fetched_at)
    result = _result_of_orders(wanted, response.value, response.fetched_at)
    page = _page(query, response.value) if isinstance(query, ListOrdersFrom) else None
    return replace(result, page=page)


def require_symbol(symbol: str | None, orders: RawOrders) -> RawOrders:
    """Return `orders`, a list that was requested for `symbol`, or for all symbols if it is None.

    Raises:
        ValueError: every order is of another symbol, so it is the answer to another request.
    """
    if symbol is not None and orders and all(raw.symbol not in {symbol, None} for raw in orders):
        raise ValueError(
            f"asked for orders of {symbol}, the answer is about"
            f" {str(orders[0].symbol)[:MAX_NAME_LENGTH]}"
        )
    return orders


def firewall_fault(ref: OrderRef, text: str, fetched_at: datetime) -> OrderFault:
    """Return the answer for an order if a firewall blocks every request that names it."""
    return order_fault(ref, firewall_reason(text), fetched_at)


def _result_of_orders(
    wanted: frozenset[OrderRef], orders: RawOrders, fetched_at: datetime
) -> QueryResult:
    wanted_by_name: dict[tuple[str | None, int | None], OrderRef] = {
        (ref.symbol, int(ref.external_order_id)): ref for ref in wanted
    }
    # An order without symbol or id proves nothing about any order. Nor does a list prove that a
    # missing order does not exist: only a look-up ends the search for it.
    rows = (
        (wanted_by_name[name], raw)
        for raw in orders
        if (name := (raw.symbol, raw.order_id)) in wanted_by_name
    )
    return result_of_rows(rows, to_report, fetched_at)


def _page(query: ListOrdersFrom, orders: RawOrders) -> HistoryPage:
    """Return what a page of history shows.

    Raises:
        Malformed: it begins elsewhere: asked again, it would never end.
    """
    ids = {
        raw.order_id
        for raw in orders
        if raw.symbol == query.symbol and raw.order_id is not None and raw.order_id >= query.from_id
    }
    is_last = len(orders) < COSTS.page_size
    if not ids and not is_last:
        raise Malformed(
            f"asked for orders of {query.symbol} from {query.from_id} on, a full page has none"
        )
    return HistoryPage(query=query, ids=tuple(sorted(ids)), is_last=is_last)


def _result_of_list_error(
    query: ListOpenOrders | ListOrdersFrom,
    wanted: frozenset[OrderRef],
    error: ErrorResponse,
    fetched_at: datetime,
) -> QueryResult:
    """Return the result of an error that says that a list's symbol is wrong.

    Raises:
        Refused: the way we ask for lists is wrong.
        Unavailable: the error says nothing about the orders.
    """
    match error.kind:
        case ErrorKind.UNKNOWN_SYMBOL if query.symbol is not None:
            reason = unknown_symbol_reason(error.text)
        case ErrorKind.BAD_PARAMETER if query.symbol is None or not _is_illegal_symbol(error):
            raise Refused(error.text, hint=BAD_REQUEST_HINT)
        case ErrorKind.BAD_PARAMETER:
            reason = error.text
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
        case ErrorKind.ORDER_ARCHIVED:
            # errors.md, -2026. How far to believe it is up to `decide`: Binance has also sent it
            # for fresh orders (CHANGELOG.md, 2023-07-11 and 2023-12-04; read 2026-11-27).
            return Archived(
                symbol=ref.symbol, external_order_id=ref.external_order_id, fetched_at=fetched_at
            )
        case ErrorKind.UNKNOWN_SYMBOL:
            return order_fault(ref, unknown_symbol_reason(error.text), fetched_at)
        case ErrorKind.FIREWALL:
            return firewall_fault(ref, error.text, fetched_at)
        case ErrorKind.BAD_PARAMETER if error.parameter in {None, "symbol", "orderId"}:
            return order_fault(ref, error.text, fetched_at)
        case ErrorKind.BAD_PARAMETER:
            raise Refused(error.text, hint=BAD_REQUEST_HINT)
        case _:
            raise Unavailable(error.text)


def _is_illegal_symbol(error: ErrorResponse) -> bool:
    """Return True if the symbol has illegal letters. No other parameter of a list is from a row."""
    return error.code == ILLEGAL_CHARACTERS_CODE and error.parameter == "symbol"
