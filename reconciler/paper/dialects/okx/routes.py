"""The routes: the parameters, the cost and the answer of each.

Source of parameters, limits and semantics: API guide, "Order details", "Order list", "Order history
(last 7 days)", "Order history (last 3 months)", "Pagination", "Get instruments", "Get system time"
and "Get account configuration", read 2026-11-28. Ids grow with time there, so that `after` and
`before` compare ids; a page has the largest ids first.

Not documented, so assumed here: "Order details" knows every order, however old.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from urllib.parse import parse_qsl

from reconciler.paper.account_view import AccountView
from reconciler.paper.dialects.dialect import PaperRequest, Route
from reconciler.paper.dialects.okx import answers
from reconciler.paper.dialects.okx.answers import SPOT, OneOrder, OrderList
from reconciler.paper.dialects.okx.spelling import (
    inner_symbol,
    number_of,
    order_id_of,
    symbol_of,
    word_of,
)
from reconciler.paper.market import Market
from reconciler.paper.meters import Limit, Scope
from reconciler.paper.order_store import UnknownSymbol
from reconciler.paper.orders import PaperOrder

LARGEST_PAGE = 100
INSTRUMENT_TYPES = frozenset({SPOT, "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"})
HISTORY_MS = 7 * 24 * 3600 * 1000
ARCHIVE_MS = 90 * 24 * 3600 * 1000
UNFILLED_MS = 2 * 3600 * 1000

_WINDOW_MS = 2000
_MAX_DIGITS = 20

LIMITS = (
    # "Order details" has this limit for each instrument: here all of them share it.
    Limit(name="order", amount=60, window_ms=_WINDOW_MS),
    Limit(name="orders_pending", amount=60, window_ms=_WINDOW_MS),
    Limit(name="orders_history", amount=40, window_ms=_WINDOW_MS),
    Limit(name="orders_history_archive", amount=20, window_ms=_WINDOW_MS),
    Limit(name="account_config", amount=5, window_ms=_WINDOW_MS),
    Limit(name="account_balance", amount=10, window_ms=_WINDOW_MS),
    Limit(name="asset_currencies", amount=12, window_ms=_WINDOW_MS),
    Limit(name="public_time", amount=10, window_ms=_WINDOW_MS, scope=Scope.ADDRESS),
    Limit(name="public_instruments", amount=20, window_ms=_WINDOW_MS, scope=Scope.ADDRESS),
)


class Parameters:
    """The parameters of a request. An empty one counts as not sent."""

    def __init__(self, query: str) -> None:
        self._sent = {name: value for name, value in parse_qsl(query) if value}

    def text(self, name: str) -> str | None:
        """Return a parameter's text."""
        return self._sent.get(name)

    def required(self, name: str) -> str:
        """Return a mandatory parameter.

        Raises:
            Refused: it was not sent.
        """
        value = self._sent.get(name)
        if value is None:
            raise answers.missing_parameter(name)
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number.

        Raises:
            Refused: it is something else.
        """
        value = self._sent.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
            raise answers.bad_parameter(name)
        return int(value)

    def words(self, name: str) -> frozenset[str] | None:
        """Return the words of a list with commas."""
        value = self._sent.get(name)
        return None if value is None else frozenset(value.split(","))


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The page of a list that a request asks for. Ids are as sent."""

    after: int | None
    before: int | None
    begin_ms: int | None
    end_ms: int | None
    limit: int

    @classmethod
    def of(cls, parameters: Parameters) -> "Page":
        """Read the page's parameters.

        Raises:
            Refused: one is wrong.
        """
        limit = parameters.integer("limit")
        if limit is not None and not 1 <= limit <= LARGEST_PAGE:
            raise answers.bad_parameter("limit")
        return cls(
            after=parameters.integer("after"),
            before=parameters.integer("before"),
            begin_ms=parameters.integer("begin"),
            end_ms=parameters.integer("end"),
            limit=limit or LARGEST_PAGE,
        )

    def cut(self, orders: Iterable[PaperOrder]) -> list[PaperOrder]:
        """Return the orders of this page, the largest id first."""
        found = (order for order in orders if self._has(order))
        if self.before is not None and self.after is None:
            return nsmallest(self.limit, found, key=_number)[::-1]
        return nlargest(self.limit, found, key=_number)

    def _has(self, order: PaperOrder) -> bool:
        order_id = int(order_id_of(order.order_id))
        return (
            (self.after is None or order_id < self.after)
            and (self.before is None or order_id > self.before)
            and (self.begin_ms is None or order.created_ms >= self.begin_ms)
            and (self.end_ms is None or order.created_ms <= self.end_ms)
        )


def _number(order: PaperOrder) -> int:
    return order.order_id


def answer_time(_request: PaperRequest, view: AccountView) -> object:
    """Answer with the exchange's clock."""
    return answers.envelope({"ts": str(view.now_ms)})


def answer_instruments(request: PaperRequest, view: AccountView) -> object:
    """Answer with the spot instruments; there are no others."""
    parameters = Parameters(request.query)
    instrument_type = _instrument_type(parameters, is_required=True)
    wanted = parameters.text("instId")
    if instrument_type != SPOT:
        return answers.envelope()
    listed = [market for market in view.markets() if wanted in {None, symbol_of(market)}]
    if wanted is not None and not listed:
        raise answers.unknown_instrument()
    return answers.envelope(*map(answers.wire_instrument, listed))


def answer_account(_request: PaperRequest, view: AccountView) -> object:
    """Answer with the account's configuration."""
    return answers.envelope(answers.wire_account(view.uid))


def answer_nothing(_request: PaperRequest, _view: AccountView) -> object:
    """Answer with no rows: the account holds nothing."""
    return answers.envelope()


def answer_order(request: PaperRequest, view: AccountView) -> OneOrder:
    """Answer with one order, found by the exchange's id or, without that, the client's."""
    parameters = Parameters(request.query)
    instrument_id = parameters.required("instId")
    order_id, client_id = parameters.text("ordId"), parameters.text("clOrdId")
    if order_id is None and client_id is None:
        raise answers.refused("50015", "Either parameter ordId or clOrdId is required", 400)
    market = _market(view, instrument_id)
    orders = view.symbol_orders(market.symbol)
    if order_id is None:
        order = orders.find_by_client_id(client_id or "")
    else:
        parameters.integer("ordId")
        number = number_of(order_id)
        order = None if number is None else orders.find(number)
    if order is None:
        raise answers.unknown_order()
    return answers.one_order(order, market)


def answer_pending(request: PaperRequest, view: AccountView) -> OrderList:
    """Answer with a page of the open orders."""
    return _list(request, view, _open_orders, is_type_required=False)


def answer_history(request: PaperRequest, view: AccountView) -> OrderList:
    """Answer with a page of the orders that ended within 7 days.

    Without any fill they are kept for 2 h only.
    """
    return _list(request, view, _recently_ended)


def answer_archive(request: PaperRequest, view: AccountView) -> OrderList:
    """Answer with a page of the orders that ended within 3 months and have a fill."""
    return _list(request, view, _archived)


def _open_orders(view: AccountView, symbol: str | None) -> Iterator[PaperOrder]:
    return view.open_orders(symbol)


def _recently_ended(view: AccountView, symbol: str | None) -> Iterator[PaperOrder]:
    for order in view.newest_first(symbol):
        kept_ms = HISTORY_MS if order.state.executed_e8 > 0 else UNFILLED_MS
        if not order.state.is_open and view.now_ms - order.updated_ms <= kept_ms:
            yield order


def _archived(view: AccountView, symbol: str | None) -> Iterator[PaperOrder]:
    for order in view.newest_first(symbol):
        is_kept = order.state.executed_e8 > 0 and view.now_ms - order.updated_ms <= ARCHIVE_MS
        if not order.state.is_open and is_kept:
            yield order


def _list(
    request: PaperRequest,
    view: AccountView,
    select: Callable[[AccountView, str | None], Iterator[PaperOrder]],
    *,
    is_type_required: bool = True,
) -> OrderList:
    parameters = Parameters(request.query)
    instrument_type = _instrument_type(parameters, is_required=is_type_required)
    instrument_id = parameters.text("instId")
    symbol = None if instrument_id is None else _market(view, instrument_id).symbol
    page = Page.of(parameters)
    if instrument_type not in {None, SPOT}:
        return OrderList(data=())
    markets = {market.symbol: market for market in view.markets()}
    states, types = parameters.words("state"), parameters.words("ordType")
    found = (
        order
        for order in select(view, symbol)
        if (states is None or word_of(order.state) in states)
        and (types is None or answers.order_type(order) in types)
    )
    return answers.order_list(page.cut(found), markets)


def _instrument_type(parameters: Parameters, *, is_required: bool) -> str | None:
    given = parameters.required("instType") if is_required else parameters.text("instType")
    if given is not None and given not in INSTRUMENT_TYPES:
        raise answers.bad_parameter("instType")
    return given


def _market(view: AccountView, instrument_id: str) -> Market:
    """Return the market of an instrument.

    Raises:
        Refused: it is not listed.
    """
    try:
        market = view.symbol_orders(inner_symbol(instrument_id)).market
    except UnknownSymbol:
        raise answers.unknown_instrument() from None
    if symbol_of(market) != instrument_id:
        raise answers.unknown_instrument()
    return market


def _private(name: str, path: str, answer: Callable[[PaperRequest, AccountView], object]) -> Route:
    return Route(name=name, path=path, answer=answer, cost={name: 1})


def _public(name: str, path: str, answer: Callable[[PaperRequest, AccountView], object]) -> Route:
    return Route(name=name, path=path, answer=answer, cost={name: 1}, is_private=False)


ROUTES = (
    _public("public_time", "/api/v5/public/time", answer_time),
    _public("public_instruments", "/api/v5/public/instruments", answer_instruments),
    _private("account_config", "/api/v5/account/config", answer_account),
    _private("order", "/api/v5/trade/order", answer_order),
    _private("orders_pending", "/api/v5/trade/orders-pending", answer_pending),
    _private("orders_history", "/api/v5/trade/orders-history", answer_history),
    _private("orders_history_archive", "/api/v5/trade/orders-history-archive", answer_archive),
    # What stock clients read with a key when they load their markets, or ask for the balance.
    _private("asset_currencies", "/api/v5/asset/currencies", answer_nothing),
    _private("account_balance", "/api/v5/account/balance", answer_nothing),
)
