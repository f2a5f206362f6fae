"""The routes of the Advanced Trade API that clients use to read orders, and how each is answered.

Sources, read 2026-11-28: docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api, "List
Orders" and the pages next to it. Parameters that the venue does not know are ignored in silence, as
by the venue: above all `product_id`, where the list takes `product_ids`.

The routes of version 2 answer what a stock ccxt client asks for when it loads its markets.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from urllib.parse import parse_qs

from reconciler.paper.account_view import AccountView
from reconciler.paper.dialects.coinbase.answers import (
    error,
    invalid_argument,
    iso,
    no_such_order,
    wire_order,
    wire_product,
)
from reconciler.paper.dialects.coinbase.spelling import (
    STATUS_WORDS,
    order_number,
    order_uuid,
    product_id,
    word,
)
from reconciler.paper.dialects.dialect import PaperRequest, Refused, Route
from reconciler.paper.orders import PaperOrder

PRIVATE, PUBLIC = "private", "public"
PREFIX = "/api/v3/brokerage"
LIST_ROUTE, LOOKUP_ROUTE = "orders/historical/batch", "orders/historical/order"
MAX_PAGE = 1000
MAX_TARGET_BYTES = 8192
"""Our choice for a limit that every server has and the venue does not document."""

_OPEN = "OPEN"
_LIMIT = re.compile("[0-9]{1,5}")


def answer_order(request: PaperRequest, view: AccountView) -> object:
    """Answer "Get Order"."""
    number = order_number(request.path_parameters["order_id"])
    order = None if number is None else view.find(number)
    if order is None:
        raise Refused(no_such_order())
    return {"order": wire_order(order, portfolio=portfolio(view))}


def answer_orders(request: PaperRequest, view: AccountView) -> object:
    """Answer "List Orders": the latest placed first, in pages."""
    _refuse_long(request)
    sent = parameters(request)
    limit = _limit(sent.get("limit", []))
    statuses = _statuses(sent.get("order_status", []))
    products = frozenset(sent.get("product_ids", []))
    chosen = (
        order
        for order in _candidates(view, sent.get("order_ids", []))
        if (not statuses or word(order.state) in statuses)
        and (not products or _product(view, order) in products)
        and _is_within(order, sent)
    )
    rest = _after(chosen, sent.get("cursor", []))
    page = list(islice(rest, limit))
    has_next = next(iter(rest), None) is not None
    return {
        "orders": [wire_order(order, portfolio=portfolio(view)) for order in page],
        "sequence": "0",
        "has_next": has_next,
        "cursor": _cursor(page[-1]) if has_next else "",
    }


def answer_permissions(_request: PaperRequest, view: AccountView) -> object:
    """Answer "Get API Key Permissions"."""
    return {
        "can_view": True,
        "can_trade": False,
        "can_transfer": False,
        "portfolio_uuid": portfolio(view),
        "portfolio_type": "DEFAULT",
    }


def answer_time(_request: PaperRequest, view: AccountView) -> object:
    """Answer "Get Server Time"."""
    return {
        "iso": iso(view.now_ms),
        "epochSeconds": str(view.now_ms // 1000),
        "epochMillis": str(view.now_ms),
    }


def answer_v2_time(_request: PaperRequest, view: AccountView) -> object:
    """Answer "Get current time" of the older API, which ccxt 4.5.90 asks (`fetchTime`)."""
    return {"data": {"iso": iso(view.now_ms), "epoch": view.now_ms // 1000}}


def answer_products(request: PaperRequest, view: AccountView) -> object:
    """Answer "List Products", public or private. There are spot products only."""
    kinds = parameters(request).get("product_type", ["SPOT"])
    products = [wire_product(market) for market in view.markets()] if "SPOT" in kinds else []
    return {"products": products, "num_products": str(len(products))}


def answer_fees(_request: PaperRequest, _view: AccountView) -> object:
    """Answer "Get Transaction Summary"."""
    return {
        "total_volume": 0,
        "total_fees": 0,
        "fee_tier": {
            "pricing_tier": "Advanced 1",
            "taker_fee_rate": "0.008",
            "maker_fee_rate": "0.006",
        },
    }


def answer_currencies(_request: PaperRequest, view: AccountView) -> object:
    """Answer with every quote currency, as the list of version 2 does."""
    quotes = sorted({market.quote for market in view.markets()})
    return {"data": [{"id": one, "name": one, "min_size": "0.01"} for one in quotes]}


def answer_crypto(_request: PaperRequest, view: AccountView) -> object:
    """Answer with every base currency, as the list of version 2 does."""
    bases = sorted({market.base for market in view.markets()})
    return {
        "data": [
            {"code": one, "name": one, "exponent": 8, "type": "crypto", "asset_id": one}
            for one in bases
        ]
    }


def answer_rates(_request: PaperRequest, _view: AccountView) -> object:
    """Answer with no exchange rates."""
    return {"data": {"currency": "USD", "rates": {}}}


ROUTES = (
    Route(
        name=LIST_ROUTE,
        path=f"{PREFIX}/orders/historical/batch",
        answer=answer_orders,
        cost={PRIVATE: 1},
    ),
    Route(
        name=LOOKUP_ROUTE,
        path=f"{PREFIX}/orders/historical/{{order_id}}",
        answer=answer_order,
        cost={PRIVATE: 1},
    ),
    Route(
        name="key_permissions",
        path=f"{PREFIX}/key_permissions",
        answer=answer_permissions,
        cost={PRIVATE: 1},
    ),
    Route(
        name="transaction_summary",
        path=f"{PREFIX}/transaction_summary",
        answer=answer_fees,
        cost={PRIVATE: 1},
    ),
    Route(name="products", path=f"{PREFIX}/products", answer=answer_products, cost={PRIVATE: 1}),
    Route(
        name="market/products",
        path=f"{PREFIX}/market/products",
        answer=answer_products,
        cost={PUBLIC: 1},
        is_private=False,
    ),
    Route(
        name="time",
        path=f"{PREFIX}/time",
        answer=answer_time,
        cost={PUBLIC: 1},
        is_private=False,
    ),
    Route(name="v2/time", path="/v2/time", answer=answer_v2_time, is_private=False),
    Route(name="v2/currencies", path="/v2/currencies", answer=answer_currencies, is_private=False),
    Route(
        name="v2/currencies/crypto",
        path="/v2/currencies/crypto",
        answer=answer_crypto,
        is_private=False,
    ),
    Route(
        name="v2/exchange-rates", path="/v2/exchange-rates", answer=answer_rates, is_private=False
    ),
)


def parameters(request: PaperRequest) -> dict[str, list[str]]:
    """Return the parameters of a request's query, each with all its values."""
    return parse_qs(request.query, keep_blank_values=False)


def portfolio(view: AccountView) -> str:
    """Return the account's identity as the uuid of its portfolio."""
    return order_uuid(view.uid)


def _candidates(view: AccountView, order_ids: Sequence[str]) -> Iterator[PaperOrder]:
    if not order_ids:
        return iter(view.newest_first())
    numbers = [order_number(order_id) for order_id in order_ids]
    found = [view.find(number) for number in dict.fromkeys(numbers) if number is not None]
    return iter(sorted((order for order in found if order is not None), key=_age, reverse=True))


def _age(order: PaperOrder) -> tuple[int, int]:
    return order.created_ms, order.order_id


def _product(view: AccountView, order: PaperOrder) -> str:
    return product_id(view.orders.of_symbol(order.symbol).market)


def _statuses(sent: Sequence[str]) -> frozenset[str]:
    words = frozenset(part for value in sent for part in value.split(","))
    for unknown in words - STATUS_WORDS:
        raise Refused(invalid_argument(f"invalid order_status: {unknown}"))
    if _OPEN in words and len(words) > 1:
        raise Refused(invalid_argument("OPEN orders cannot be paired with other order types"))
    return words


def _limit(sent: Sequence[str]) -> int:
    if not sent:
        return MAX_PAGE
    if _LIMIT.fullmatch(sent[-1]) is None or not 0 < int(sent[-1]) <= MAX_PAGE:
        raise Refused(invalid_argument(f"limit must be from 1 to {MAX_PAGE}"))
    return int(sent[-1])


def _is_within(order: PaperOrder, sent: dict[str, list[str]]) -> bool:
    """Return True if the order was placed in the window; it does not apply to open orders."""
    if order.state.is_open:
        return True
    begin, end = _time(sent, "start_date"), _time(sent, "end_date")
    return (begin is None or order.created_ms >= begin) and (end is None or order.created_ms < end)


def _time(sent: dict[str, list[str]], name: str) -> float | None:
    if name not in sent:
        return None
    try:
        return datetime.fromisoformat(sent[name][-1]).timestamp() * 1000
    except ValueError:
        raise Refused(invalid_argument(f"{name} is no RFC 3339 time")) from None


def _cursor(order: PaperOrder) -> str:
    return base64.urlsafe_b64encode(f"{order.created_ms}.{order.order_id}".encode()).decode()


def _after(orders: Iterable[PaperOrder], cursor: Sequence[str]) -> Iterator[PaperOrder]:
    """Yield the orders after the one that the cursor names."""
    if not cursor:
        return iter(orders)
    try:
        created, _, number = base64.urlsafe_b64decode(cursor[-1]).decode().partition(".")
        last = int(created), int(number)
    except (ValueError, binascii.Error):
        raise Refused(invalid_argument("invalid cursor")) from None
    return (order for order in orders if _age(order) < last)


def _refuse_long(request: PaperRequest) -> None:
    if len(request.path) + len(request.query) > MAX_TARGET_BYTES:
        raise Refused(error(HTTPStatus.REQUEST_URI_TOO_LONG, "unknown", "URI Too Long"))
