"""The routes of the Binance spot dialect: what each costs, what it reads and what it answers.

Pure: an answer is made from the state and the parameters, and nothing is changed. Whatever cannot
be answered is raised as `Refusal`. Adding a route is adding a row to `ROUTES`.

Source of weights, parameters and answers: Binance Spot API documentation, read 2026-11-24.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from reconciler.paper import wire
from reconciler.paper.book import Shelf, UnknownSymbol
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.orders import Order
from reconciler.paper.parameters import Parameters
from reconciler.paper.refusal import Refusal, invalid_symbol, no_such_order, not_valid

DEFAULT_PAGE = 500
LARGEST_PAGE = 1000
LARGEST_SPAN_MS = 24 * 3600 * 1000
SIGNED = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One documented request.

    Attributes:
        weight: What it costs; some cost more without a symbol.
        parameters: What it reads, besides what every signed request carries.
        is_private: Whether it must be proved who asks.
        answer: Makes the answer, something that msgspec can write.
    """

    weight: int
    answer: Callable[[PaperExchange, Parameters], object]
    parameters: frozenset[str] = frozenset()
    is_private: bool = True
    weight_without_symbol: int | None = None

    def cost(self, *, has_symbol: bool) -> int:
        """Return the weight of one request."""
        if has_symbol or self.weight_without_symbol is None:
            return self.weight
        return self.weight_without_symbol

    @property
    def known_parameters(self) -> frozenset[str]:
        """Everything that may be sent."""
        return self.parameters | SIGNED if self.is_private else self.parameters


def answer_ping(_exchange: PaperExchange, _parameters: Parameters) -> object:
    """Answer that the exchange is there."""
    return {}


def answer_time(exchange: PaperExchange, _parameters: Parameters) -> object:
    """Answer the exchange's clock, in ms."""
    return {"serverTime": exchange.clock_ms()}


def answer_exchange_info(exchange: PaperExchange, parameters: Parameters) -> object:
    """Answer the rate limit and the rules of the symbols asked for, or of all."""
    return wire.write_exchange(
        [_shelf(exchange, symbol).market for symbol in _symbols_asked(exchange, parameters)],
        weight_limit=exchange.meter.limit,
        now_ms=exchange.clock_ms(),
    )


def answer_account(exchange: PaperExchange, _parameters: Parameters) -> object:
    """Answer whose account it is."""
    return wire.write_account(exchange.clock_ms())


def answer_order(exchange: PaperExchange, parameters: Parameters) -> object:
    """Answer one order, found by the exchange's id or the client's."""
    shelf = _shelf(exchange, parameters.required_symbol())
    order_id = parameters.integer("orderId")
    client_order_id = parameters.text("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise Refusal(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    order = _find(shelf, order_id, client_order_id)
    if order is None:
        raise no_such_order()
    return wire.write_order(order)


def answer_open_orders(exchange: PaperExchange, parameters: Parameters) -> object:
    """Answer every open order of a symbol, or of all symbols."""
    symbol = parameters.symbol()
    symbols = exchange.book.symbols() if symbol is None else [symbol]
    return [
        wire.write_order(order)
        for name in symbols
        for order in _shelf(exchange, name).open_orders()
    ]


def answer_all_orders(exchange: PaperExchange, parameters: Parameters) -> object:
    """Answer a page of a symbol's orders, open or ended, ids ascending.

    From `orderId` on where it is sent; else within `startTime` and `endTime`, the earliest first,
    where they are; else the most recent.
    """
    shelf = _shelf(exchange, parameters.required_symbol())
    limit = parameters.bounded("limit", default=DEFAULT_PAGE, maximum=LARGEST_PAGE)
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    order_id = parameters.integer("orderId")
    if order_id is not None:
        return wire.write_orders(shelf.from_id(order_id, limit))
    if start_ms is None and end_ms is None:
        return wire.write_orders(shelf.latest(limit))
    return wire.write_orders(_within(shelf, start_ms, end_ms, limit))


ROUTES = {
    "ping": Route(weight=1, answer=answer_ping, is_private=False),
    "time": Route(weight=1, answer=answer_time, is_private=False),
    "exchangeInfo": Route(
        weight=20,
        answer=answer_exchange_info,
        parameters=frozenset({"symbol", "symbols", "permissions", "showPermissionSets"}),
        is_private=False,
    ),
    "account": Route(weight=20, answer=answer_account, parameters=frozenset({"omitZeroBalances"})),
    "order": Route(
        weight=4,
        answer=answer_order,
        parameters=frozenset({"symbol", "orderId", "origClientOrderId"}),
    ),
    "openOrders": Route(
        weight=6,
        weight_without_symbol=80,
        answer=answer_open_orders,
        parameters=frozenset({"symbol"}),
    ),
    "allOrders": Route(
        weight=20,
        answer=answer_all_orders,
        parameters=frozenset({"symbol", "orderId", "startTime", "endTime", "limit"}),
    ),
}


def _shelf(exchange: PaperExchange, symbol: str) -> Shelf:
    try:
        return exchange.book.shelf(symbol)
    except UnknownSymbol:
        raise invalid_symbol() from None


def _symbols_asked(exchange: PaperExchange, parameters: Parameters) -> Sequence[str]:
    symbol, symbols = parameters.symbol(), parameters.text("symbols")
    if symbol is not None:
        return [symbol]
    if symbols is None:
        return exchange.book.symbols()
    try:
        return msgspec.json.decode(symbols, type=list[str])
    except msgspec.DecodeError:
        raise not_valid("symbols") from None


def _find(shelf: Shelf, order_id: int | None, client_order_id: str | None) -> Order | None:
    if order_id is None:
        return None if client_order_id is None else shelf.find_by_client_id(client_order_id)
    order = shelf.find(order_id)
    if order is None or client_order_id in (None, order.client_order_id):
        return order
    return None


def _within(shelf: Shelf, start_ms: int | None, end_ms: int | None, limit: int) -> Sequence[Order]:
    if start_ms is not None and end_ms is not None and end_ms - start_ms > LARGEST_SPAN_MS:
        raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
    first_ms = 0 if start_ms is None else start_ms
    found = [
        order
        for order in shelf
        if order.created_ms >= first_ms and (end_ms is None or order.created_ms <= end_ms)
    ]
    return found[-limit:] if start_ms is None else found[:limit]
