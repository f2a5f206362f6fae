"""Bybit's answers as documented.

Source: docs/v5 of github.com/bybit-exchange/docs, read 2026-11-28: order/open-order.mdx,
order/order-list.mdx, enum.mdx, error.mdx, rate-limit.mdx. The row is their example.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import SecretStr

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

_NOW_MS = round(NOW.timestamp() * 1000)
_ORDER_PATHS = ("/v5/order/realtime", "/v5/order/history")
_KINDS = {
    "/v5/market/time": RequestKind.TIME,
    "/v5/user/query-api": RequestKind.ACCOUNT,
    "/v5/market/instruments-info": RequestKind.SYMBOLS,
}


def _answer(result: Json, code: int = 0, message: str = "OK", **headers: str) -> Reply:
    envelope = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}}
    return a_reply({**envelope, "time": _NOW_MS}, 200, **headers)


def _error(code: int, message: str = "made up", **headers: str) -> Reply:
    return _answer({}, code, message, **headers)


def _page(rows: Sequence[Json], cursor: str = "") -> Reply:
    return _answer({"category": "spot", "list": list(rows), "nextPageCursor": cursor})


class Bybit(Dialect):
    """Bybit v5 spot."""

    name = "bybit"
    credentials = Credentials(
        api_key=SecretStr("made-up-key"), api_secret=SecretStr("made-up-secret")
    )
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDC")
    unlisted_symbol = "GONEUSDT"
    asks_by_id_alone = True
    page_size = 50
    partial_then_canceled = ("PartiallyFilled", "PartiallyFilledCanceled")
    account_identity = "24617703"
    # enum.mdx, "orderStatus".
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="New", status=Status.NEW, is_open=True),
        StatusCase(
            word="PartiallyFilled", status=Status.PARTIAL, is_open=True, executed="0.50000000"
        ),
        StatusCase(word="Untriggered", status=Status.PENDING, is_open=True),
        StatusCase(word="Triggered", status=Status.PENDING, is_open=True),
        StatusCase(word="Filled", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="Cancelled", status=Status.CANCELED, is_open=False),
        StatusCase(
            word="PartiallyFilledCanceled",
            status=Status.CANCELED,
            is_open=False,
            executed="0.50000000",
        ),
        StatusCase(word="Deactivated", status=Status.CANCELED, is_open=False),
        StatusCase(word="Rejected", status=Status.REJECTED, is_open=False),
    )
    statuses_that_it_has_not = frozenset({Status.EXPIRED})
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="10006 with a time",
            reply=_error(10006, X_Bapi_Limit_Reset_Timestamp=str(_NOW_MS + 700)),
            becomes=RateLimited,
            retry_after_seconds=0.7,
        ),
        ErrorCase(
            name="10006 without a time",
            reply=_error(10006),
            becomes=RateLimited,
            retry_after_seconds=1,
        ),
        ErrorCase(
            name="403 of the address",
            reply=Reply(body=b"access too frequent", status=403),
            becomes=RateLimited,
            retry_after_seconds=600,
        ),
        *(
            ErrorCase(name=f"bad key {code}", reply=_error(code), becomes=Refused)
            for code in (10003, 10004, 10005, 10007, 10010, 33004)
        ),
        *(
            ErrorCase(name=f"again {code}", reply=_error(code), becomes=Unavailable)
            for code in (10000, 10016)
        ),
        ErrorCase(name="firewall", reply=Reply(body=b"<html>", status=403), becomes=Unavailable),
        ErrorCase(name="unknown code", reply=_error(999999), becomes=RequestRejected),
    )
    not_found: ClassVar[Mapping[str, Reply]] = {
        "empty list": _page([]),
        "110001": _error(110001, "Order does not exist"),
        "170213": _error(170213, "Order does not exist."),
    }
    clock_refusals: ClassVar[Mapping[str, Reply]] = {
        "10002": _error(
            10002, "invalid request, please check your server timestamp or recv_window param"
        )
    }
    decides_nothing = (
        *("orderLinkId", "blockTradeId", "price", "side", "isLeverage", "positionIdx", "qty"),
        *("cancelType", "rejectReason", "avgPrice", "leavesQty", "leavesValue", "cumExecValue"),
        *("cumExecFee", "timeInForce", "orderType", "stopOrderType", "marketUnit", "createdTime"),
        *("triggerPrice", "reduceOnly", "updatedTime"),
    )
    decides = ("orderStatus", "cumExecQty")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "cumExecQty": (None, 2, "", "NaN", "-1", "1e3", []),
        "orderStatus": (None, 7, {}),
        "avgPrice": ("NaN", 25, "-25"),
        "qty": ("NaN", {}, "0.00000001"),
    }

    def order_id(self, number: int) -> str:
        """Return an id of 19 digits."""
        return str(1_321_052_653_536_515_584 + number * 977)

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        if request.path in _ORDER_PATHS:
            return RequestKind.LOOKUP if "orderId" in request.parameters else RequestKind.LIST
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the id of a look-up."""
        return request.values_of("orderId")

    def page_of(self, request: Request) -> str | None:
        """Return the cursor of a later page."""
        return request.parameters.get("cursor")

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        match self.kind_of(request):
            case RequestKind.TIME:
                nanoseconds = round(now.timestamp() * 1000) * 1_000_000
                time = {"timeSecond": str(nanoseconds // 10**9), "timeNano": str(nanoseconds)}
                milliseconds = nanoseconds // 1_000_000
                return a_reply({"retCode": 0, "retMsg": "OK", "result": time, "time": milliseconds})
            case RequestKind.ACCOUNT:
                return _answer({"userID": 24617703, "readOnly": 1})
            case RequestKind.SYMBOLS:
                return _page([{"symbol": name} for name in self.symbols])
            case _:
                return self._orders(request, orders)

    def _orders(self, request: Request, orders: Iterable[HeldOrder]) -> Reply:
        given = request.parameters
        symbol, order_id = given.get("symbol"), given.get("orderId")
        if symbol not in {None, *self.symbols}:
            return _error(170121, "Invalid symbol.")
        listed = [
            one
            for one in sorted(orders, key=lambda one: -one.number)
            if one.is_open is (request.path == "/v5/order/realtime")
            and symbol in {None, one.symbol}
            and order_id in {None, one.order_id}
        ]
        start = int(given.get("cursor", "0"))
        end = start + int(given.get("limit", "20"))
        # A cursor comes with every page that has rows.
        return _page([_row(one) for one in listed[start:end]], str(end) if listed[start:] else "")


def _row(order: HeldOrder) -> Json:
    row: Json = {
        "orderId": order.order_id,
        "orderLinkId": f"mine{order.number}",
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": "25",
        "qty": order.quantity,
        "side": "Buy",
        "isLeverage": "0",
        "positionIdx": 0,
        "orderStatus": order.word,
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": order.average or "",
        "leavesQty": "0.000",
        "leavesValue": "0",
        "cumExecQty": order.executed,
        "cumExecValue": order.quote_amount,
        "cumExecFee": "0",
        "timeInForce": "GTC",
        "orderType": "Limit",
        "stopOrderType": "",
        "marketUnit": "",
        "triggerPrice": "0.00",
        "reduceOnly": False,
        "createdTime": str(order.placed_ms),
        "updatedTime": str(order.placed_ms),
    }
    if order.is_quote_sized:
        row |= {"orderType": "Market", "marketUnit": "quoteCoin", "qty": "100"}
    return with_changes(row, order)


DIALECT = Bybit()
