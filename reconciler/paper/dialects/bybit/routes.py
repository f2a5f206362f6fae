"""The routes of the dialect, and what each answers.

An answer depends on a view of the account and the parameters, and changes nothing.

Source, read 2026-11-28: docs/v5 of github.com/bybit-exchange/docs. What the pages leave open is
decided here, and said where it is:

- With an id, `history` does not look at the times. order/execution.mdx and spread/trade/
  order-history.mdx say so of their lists, order/order-list.mdx says nothing.
- `history` selects and sorts by the time at which orders were created.
- `openOnly=1` lists ended orders only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from types import MappingProxyType

from reconciler.paper.account_view import AccountView
from reconciler.paper.dialects.bybit.answers import (
    CATEGORY,
    OrderPage,
    enveloped,
    error_answer,
    parameter_error,
    wire_key,
    wire_market,
    wire_order,
)
from reconciler.paper.dialects.bybit.order_ids import number_of, order_id_of
from reconciler.paper.dialects.bybit.pages import CursorInvalid, cursor_after, page_of
from reconciler.paper.dialects.bybit.parameters import Parameters
from reconciler.paper.dialects.bybit.statuses import word_of
from reconciler.paper.dialects.dialect import PaperRequest, Refused, Route
from reconciler.paper.meters import Limit, Scope
from reconciler.paper.order_store import UnknownSymbol
from reconciler.paper.orders import PaperOrder

_DAY_MS = 24 * 3600 * 1000
LARGEST_SPAN_MS = 7 * _DAY_MS
"""order/order-list.mdx, `startTime`."""

UNFILLED_FORGOTTEN_MS = _DAY_MS
FILLED_FORGOTTEN_MS = 730 * _DAY_MS
"""order/order-list.mdx: when `history` forgets an order, with nothing executed and with fills."""

RECENTLY_ENDED = 500
"""order/open-order.mdx: the number of ended orders that `realtime` still has."""

REALTIME, HISTORY, ACCOUNT = "realtime", "history", "query-api"

# rate-limit.mdx. A breach of the address's limit is answered with HTTP 403 for ten minutes.
BAN_SECONDS = 600
LIMITS = (
    Limit(name=REALTIME, amount=50, window_ms=1000),
    Limit(name=HISTORY, amount=50, window_ms=1000),
    Limit(name=ACCOUNT, amount=10, window_ms=1000),
    Limit(
        name="address",
        amount=600,
        scope=Scope.ADDRESS,
        window_ms=5000,
        lockout_seconds=BAN_SECONDS,
    ),
)
_PUBLIC: Mapping[str, int] = MappingProxyType({"address": 1})

Answer = Callable[[PaperRequest, AccountView], object]

_FINAL_WORDS = frozenset(
    {"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Triggered", "Deactivated"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BybitRoutes:
    """The routes, and how forgetful the exchange is behind them.

    Attributes:
        forgets: Unfilled orders disappear a day after they ended, as at Bybit. Without it only
            orders of two years ago do, so that a demo of three days' orders finds each.
        recently_ended: The number of ended orders in `realtime`: 0 just after a restart of Bybit's.
    """

    forgets: bool = False
    recently_ended: int = RECENTLY_ENDED

    def routes(self) -> tuple[Route, ...]:
        """Return all routes."""
        return (
            _public("time", "/v5/market/time", answer_time),
            _public("instruments-info", "/v5/market/instruments-info", answer_instruments),
            _private(REALTIME, "/v5/order/realtime", self.answer_realtime),
            _private(HISTORY, "/v5/order/history", self.answer_history),
            _private(ACCOUNT, "/v5/user/query-api", answer_key),
            # What stock clients read besides, when they load their markets.
            Route(name="info", path="/v5/account/info", answer=answer_account, cost=_PUBLIC),
            Route(
                name="coins", path="/v5/asset/coin/query-info", answer=answer_coins, cost=_PUBLIC
            ),
        )

    def answer_realtime(self, request: PaperRequest, view: AccountView) -> object:
        """Answer with open orders, or recently ended ones; or with one order by its id."""
        sent = Parameters(request.query, view.now_ms)
        size, open_only = sent.page_size(), sent.text("openOnly") or "0"
        if not sent.is_spot():
            return _answer([], view)
        if open_only not in ("0", "1"):
            raise parameter_error("openOnly invalid", view.now_ms)
        if _names_order(sent):
            return _answer([one for one in _named(sent, view) if self._is_current(one, view)], view)
        symbol = _symbol(sent, view)
        listed = view.open_orders(symbol)
        if open_only == "1":
            ended = self._recently_ended(view)
            listed = (one for one in ended if symbol in (None, one.symbol))
        return _page(listed, sent, size, view)

    def answer_history(self, request: PaperRequest, view: AccountView) -> object:
        """Answer with a page of ended orders, or with one by its id."""
        sent = Parameters(request.query, view.now_ms)
        size, status = sent.page_size(), sent.text("orderStatus")
        if not sent.is_spot():
            return _answer([], view)
        if status is not None and status not in _FINAL_WORDS:
            text = "OrderStatus must be final status"
            raise Refused(error_answer(181017, text, view.now_ms))
        first_ms, last_ms = _span(sent, view)
        if _names_order(sent):
            named = _named(sent, view)
            return _answer([one for one in named if self._is_past(one, view)], view)
        listed = (
            order
            for order in self._remembered(view, _symbol(sent, view))
            if first_ms <= order.created_ms <= last_ms and status in (None, word_of(order.state))
        )
        return _page(listed, sent, size, view)

    def _recently_ended(self, view: AccountView) -> Sequence[PaperOrder]:
        """Return the orders that ended last, the latest created first."""
        latest = nlargest(
            self.recently_ended, _ended(view, None), key=lambda order: order.updated_ms
        )
        return sorted(latest, key=lambda order: (order.created_ms, order.order_id), reverse=True)

    def _is_current(self, order: PaperOrder, view: AccountView) -> bool:
        """Return True if `realtime` has an order: open, or one of those that ended last."""
        if _is_open(order):
            return True
        return any(one.order_id == order.order_id for one in self._recently_ended(view))

    def _is_past(self, order: PaperOrder, view: AccountView) -> bool:
        return not order.state.is_open and not self._is_forgotten(order, view)

    def _remembered(self, view: AccountView, symbol: str | None = None) -> Iterator[PaperOrder]:
        return (order for order in _ended(view, symbol) if not self._is_forgotten(order, view))

    def _is_forgotten(self, order: PaperOrder, view: AccountView) -> bool:
        age_ms = view.now_ms - order.updated_ms
        if order.state.executed_e8 > 0:
            return age_ms > FILLED_FORGOTTEN_MS
        return age_ms > (UNFILLED_FORGOTTEN_MS if self.forgets else FILLED_FORGOTTEN_MS)


def answer_time(_request: PaperRequest, view: AccountView) -> object:
    """Answer with the exchange's clock, in seconds and in nanoseconds."""
    seconds, left_ms = divmod(view.now_ms, 1000)
    nanoseconds = f"{seconds}{left_ms:03d}000000"
    return enveloped({"timeSecond": str(seconds), "timeNano": nanoseconds}, view.now_ms)


def answer_instruments(request: PaperRequest, view: AccountView) -> object:
    """Answer with the rules of every spot symbol, or of one. Spot has no pages."""
    sent = Parameters(request.query, view.now_ms)
    markets = view.markets() if sent.is_spot() else []
    symbol = _symbol(sent, view) if markets else None
    listed = [wire_market(market) for market in markets if symbol in (None, market.symbol)]
    result = {"category": sent.text("category"), "list": listed, "nextPageCursor": ""}
    return enveloped(result, view.now_ms)


def answer_key(request: PaperRequest, view: AccountView) -> object:
    """Answer with the key, and the user whose it is."""
    api_key = request.headers.get("x-bapi-api-key", "")
    return enveloped(wire_key(view.uid, api_key), view.now_ms)


def answer_account(_request: PaperRequest, view: AccountView) -> object:
    """Answer that this is a unified trading account (account/account-info.mdx: 6 is UTA2.0 Pro)."""
    result = {
        "unifiedMarginStatus": 6,
        "marginMode": "REGULAR_MARGIN",
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
        "updatedTime": str(view.now_ms),
    }
    return enveloped(result, view.now_ms)


def answer_coins(_request: PaperRequest, view: AccountView) -> object:
    """Answer that no coin can be deposited or withdrawn."""
    return enveloped({"rows": []}, view.now_ms)


def _public(name: str, path: str, answer: Answer) -> Route:
    return Route(name=name, path=path, answer=answer, cost=_PUBLIC, is_private=False)


def _private(name: str, path: str, answer: Answer) -> Route:
    return Route(name=name, path=path, answer=answer, cost={name: 1, "address": 1})


def _ended(view: AccountView, symbol: str | None) -> Iterator[PaperOrder]:
    """Yield the ended orders, the latest created first."""
    open_numbers = {order.order_id for order in view.open_orders(symbol)}
    return (order for order in view.newest_first(symbol) if order.order_id not in open_numbers)


def _names_order(sent: Parameters) -> bool:
    return sent.text("orderId") is not None or sent.text("orderLinkId") is not None


def _named(sent: Parameters, view: AccountView) -> Sequence[PaperOrder]:
    """Return the orders that a request asks for. The id counts more than the client's id."""
    order_id = sent.text("orderId")
    if order_id is None:
        client_id = sent.text("orderLinkId")
        return [one for one in view.newest_first() if one.client_order_id == client_id]
    number = number_of(order_id)
    order = None if number is None else view.find(number)
    return [] if order is None else [order]


def _is_open(order: PaperOrder) -> bool:
    """Return True for an open order, and for one with a status that nobody knows."""
    return order.state.is_open or order.state.status is None


def _symbol(sent: Parameters, view: AccountView) -> str | None:
    """Return the symbol that a request is limited to.

    Raises:
        Refused: there is no such symbol, or it is not in capitals.
    """
    symbol = sent.text("symbol")
    if symbol is None:
        return None
    try:
        view.symbol_orders(symbol)
    except UnknownSymbol:
        raise parameter_error("symbol invalid", view.now_ms) from None
    return symbol


def _span(sent: Parameters, view: AccountView) -> tuple[int, int]:
    """Return the first and the last time of a page of history.

    Raises:
        Refused: the times are none, or too far apart.
    """
    first_ms, last_ms = sent.integer("startTime"), sent.integer("endTime")
    if first_ms is None and last_ms is None:
        return view.now_ms - LARGEST_SPAN_MS, view.now_ms
    if first_ms is None:
        assert last_ms is not None  # noqa: S101  # one of the two was sent
        return last_ms - LARGEST_SPAN_MS, last_ms
    if last_ms is None:
        return first_ms, first_ms + LARGEST_SPAN_MS
    if not 0 <= last_ms - first_ms <= LARGEST_SPAN_MS:
        raise parameter_error(
            "the time range between startTime and endTime is over 7 days", view.now_ms
        )
    return first_ms, last_ms


def _page(listed: Iterable[PaperOrder], sent: Parameters, size: int, view: AccountView) -> object:
    try:
        page = page_of(listed, sent.text("cursor"), size)
    except CursorInvalid:
        raise parameter_error("cursor invalid", view.now_ms) from None
    return _answer(page, view)


def _answer(page: Sequence[PaperOrder], view: AccountView) -> object:
    orders = [wire_order(order, order_id_of(order.order_id)) for order in page]
    return enveloped(
        OrderPage(category=CATEGORY, list=orders, next_page_cursor=cursor_after(page)), view.now_ms
    )
