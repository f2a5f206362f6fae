"""Binance's answers as documented.

Source: rest-api.md, errors.md and enums.md of github.com/binance/binance-spot-api-docs, read
2026-11-24 and 2026-11-28. The row is the example of "Query order".
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar

from pydantic import SecretStr

from reconciler.domain.report import Archived
from reconciler.domain.status import Status
from reconciler.errors import RateLimited, Refused, RequestRejected, Unavailable
from reconciler.settings import Credentials
from tests.exchanges.contract.dialect import (
    NOW,
    Dialect,
    ErrorCase,
    HeldOrder,
    Json,
    Reply,
    Request,
    RequestKind,
    StatusCase,
    a_reply,
    with_changes,
)

_KINDS = {
    "/api/v3/order": RequestKind.LOOKUP,
    "/api/v3/openOrders": RequestKind.LIST,
    "/api/v3/allOrders": RequestKind.LIST,
    "/api/v3/time": RequestKind.TIME,
    "/api/v3/account": RequestKind.ACCOUNT,
    "/api/v3/exchangeInfo": RequestKind.SYMBOLS,
}


def _error(code: int, message: str, status: int = 400, **headers: str) -> Reply:
    return a_reply({"code": code, "msg": message}, status, **headers)


_UNTIL_MS = round(NOW.timestamp() * 1000) + 300_000
_BANNED = f"Way too much request weight used; IP banned until {_UNTIL_MS}."


class Binance(Dialect):
    """Binance spot."""

    name = "binance"
    credentials = Credentials(
        api_key=SecretStr("made-up-key"), api_secret=SecretStr("made-up-secret")
    )
    symbols = ("BTCUSDT", "ETHUSDT", "LTCBTC")
    unlisted_symbol = "GONEUSDT"
    page_size = 1000
    paged_word = "FILLED"
    partial_then_canceled = ("PARTIALLY_FILLED", "CANCELED")
    account_identity = "354937868"
    # enums.md, "Order status (status)".
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="NEW", status=Status.NEW, is_open=True),
        StatusCase(word="PENDING_NEW", status=Status.PENDING, is_open=True),
        StatusCase(
            word="PARTIALLY_FILLED", status=Status.PARTIAL, is_open=True, executed="0.50000000"
        ),
        StatusCase(word="FILLED", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="CANCELED", status=Status.CANCELED, is_open=False),
        StatusCase(word="PENDING_CANCEL", status=Status.NEW, is_open=True),
        StatusCase(word="REJECTED", status=Status.REJECTED, is_open=False),
        StatusCase(word="EXPIRED", status=Status.EXPIRED, is_open=False),
        StatusCase(word="EXPIRED_IN_MATCH", status=Status.EXPIRED, is_open=False),
    )
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="429 with a time",
            reply=_error(-1003, "Too many requests.", 429, Retry_After="7"),
            becomes=RateLimited,
            retry_after_seconds=7,
        ),
        ErrorCase(
            name="429 without a time",
            reply=_error(-1003, "Too many requests.", 429),
            becomes=RateLimited,
            retry_after_seconds=60,
        ),
        ErrorCase(
            name="ban with a time",
            reply=_error(-1003, _BANNED, 418, Date=format_datetime(NOW, usegmt=True)),
            becomes=RateLimited,
            retry_after_seconds=300,
        ),
        ErrorCase(
            name="ban without a time",
            reply=_error(-1003, "banned", 418),
            becomes=RateLimited,
            retry_after_seconds=120,
        ),
        *(
            ErrorCase(name=f"bad key {code}", reply=_error(code, "x", status), becomes=Refused)
            for code, status in (
                (-1002, 401),
                (-1022, 400),
                (-2008, 400),
                (-2014, 401),
                (-2015, 401),
            )
        ),
        ErrorCase(
            name="bad request", reply=_error(-1104, "Not all sent parameters"), becomes=Refused
        ),
        *(
            ErrorCase(name=f"again {code}", reply=_error(code, "x"), becomes=Unavailable)
            for code in (-1000, -1001, -1006, -1007, -1008, -1016)
        ),
        ErrorCase(
            name="maintenance",
            reply=_error(0, "System maintenance.", 503),
            becomes=Unavailable,
        ),
        ErrorCase(
            name="unknown code", reply=_error(-9999, "made up in 2027"), becomes=RequestRejected
        ),
        ErrorCase(
            name="archived",
            reply=_error(-2026, "Order was archived."),
            becomes=Archived,
        ),
        ErrorCase(name="firewall", reply=Reply(body=b"<html>", status=403), becomes=Unavailable),
    )
    not_found = {"code": _error(-2013, "Order does not exist.")}  # noqa: RUF012 - read only
    clock_refusals = {  # noqa: RUF012 - read only
        "timestamp": _error(-1021, "Timestamp for this request is outside of the recvWindow.")
    }
    decides_nothing = (
        *("orderListId", "price", "timeInForce", "type", "stopPrice", "icebergQty", "isWorking"),
        *("workingTime", "selfTradePreventionMode", "clientOrderId", "side", "time", "updateTime"),
        *("origQty", "origQuoteOrderQty", "cummulativeQuoteQty"),
    )
    decides = ("status", "executedQty")
    bad_values = {  # noqa: RUF012 - read only
        "executedQty": (None, 1, "", "NaN", "-1", "1e3", [], {}),
        "status": (None, 7, {}),
        "cummulativeQuoteQty": ("NaN", 15, "1_0"),
        "origQty": ("NaN", {}, "0.00000001"),
    }

    def order_id(self, number: int) -> str:
        """Return an id of 19 digits: those of 64 bits."""
        return str(9_000_000_000_000_000_000 + number)

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the id of a look-up."""
        return [request.parameters["orderId"]]

    def page_of(self, request: Request) -> str | None:
        """Return the id that a later page begins with; a page from the first id is the first."""
        first = request.parameters.get("orderId")
        return None if first is None or first == self.order_id(1) else first

    def answer(  # noqa: PLR0911 - one for each route
        self, request: Request, orders: Iterable[HeldOrder], now: datetime
    ) -> Reply:
        """Answer a request as documented."""
        given = request.parameters
        symbol = given.get("symbol")
        if symbol is not None and symbol not in self.symbols:
            return _error(-1121, "Invalid symbol.")
        of_symbol = sorted(
            (one for one in orders if symbol in {None, one.symbol}),
            key=lambda one: (one.symbol, int(one.order_id)),
        )
        match request.path:
            case "/api/v3/time":
                return a_reply({"serverTime": round(now.timestamp() * 1000)})
            case "/api/v3/account":
                return a_reply({"canTrade": True, "uid": 354937868, "balances": []})
            case "/api/v3/exchangeInfo":
                return a_reply({"symbols": [{"symbol": name} for name in self.symbols]})
            case "/api/v3/order":
                found = [one for one in of_symbol if one.order_id == given["orderId"]]
                return a_reply(_row(found[0])) if found else self.not_found["code"]
            case "/api/v3/openOrders":
                return a_reply([_row(one) for one in of_symbol if one.is_open])
            case _:
                later = [one for one in of_symbol if int(one.order_id) >= int(given["orderId"])]
                return a_reply([_row(one) for one in later[: int(given["limit"])]])


def _row(order: HeldOrder) -> Json:
    row = {
        "symbol": order.symbol,
        "orderId": int(order.order_id),
        "orderListId": -1,
        "clientOrderId": f"myOrder{order.number}",
        "price": "0.1",
        "origQty": order.quantity,
        "executedQty": order.executed,
        "cummulativeQuoteQty": order.quote_amount,
        "status": order.word,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0.0",
        "icebergQty": "0.0",
        "time": order.placed_ms,
        "updateTime": order.placed_ms,
        "isWorking": True,
        "workingTime": order.placed_ms,
        "origQuoteOrderQty": "0.000000",
        "selfTradePreventionMode": "NONE",
    }
    if order.is_quote_sized:
        row |= {"type": "MARKET", "origQty": "0.00000000", "origQuoteOrderQty": "100.00000000"}
    return with_changes(row, order)


DIALECT = Binance()
