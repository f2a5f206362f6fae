"""OKX's answers as documented.

Source: OKX API guide, https://www.okx.com/docs-v5/en/, read 2026-11-28: "Order details", "Order
list", "Order history", "REST API error codes". The row is the example of "Order details".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import SecretStr

from reconciler.domain.status import Status
from reconciler.errors import RateLimited, Refused, RequestRejected, Unavailable
from reconciler.settings import Credentials
from tests.exchanges.contract.dialect import (
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

_ARCHIVE = "/api/v5/trade/orders-history-archive"
_KINDS = {
    "/api/v5/trade/order": RequestKind.LOOKUP,
    "/api/v5/trade/orders-pending": RequestKind.LIST,
    "/api/v5/trade/orders-history": RequestKind.LIST,
    "/api/v5/public/time": RequestKind.TIME,
    "/api/v5/account/config": RequestKind.ACCOUNT,
    "/api/v5/public/instruments": RequestKind.SYMBOLS,
}


def _answer(*rows: Json) -> Reply:
    return a_reply({"code": "0", "msg": "", "data": list(rows)})


def _error(code: int, message: str = "made up", status: int = 200, **headers: str) -> Reply:
    return a_reply({"code": str(code), "msg": message, "data": []}, status, **headers)


class Okx(Dialect):
    """OKX v5 spot."""

    name = "okx"
    credentials = Credentials(
        api_key=SecretStr("made-up-key"),
        api_secret=SecretStr("made-up-secret"),
        passphrase=SecretStr("made-up-phrase"),
    )
    symbols = ("BTC-USDT", "ETH-USDT", "SOL-USDC")
    unlisted_symbol = "GONE-USDT"
    page_size = 100
    partial_then_canceled = ("partially_filled", "canceled")
    account_identity = "43812"
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="live", status=Status.NEW, is_open=True),
        StatusCase(
            word="partially_filled", status=Status.PARTIAL, is_open=True, executed="0.50000000"
        ),
        StatusCase(word="filled", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="canceled", status=Status.CANCELED, is_open=False),
        StatusCase(word="mmp_canceled", status=Status.CANCELED, is_open=False),
    )
    statuses_that_it_has_not = frozenset({Status.PENDING, Status.REJECTED, Status.EXPIRED})
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="50011 with a time",
            reply=_error(50011, "Rate limit reached.", 429, Retry_After="7"),
            becomes=RateLimited,
            retry_after_seconds=7,
        ),
        ErrorCase(
            name="50011 without a time",
            reply=_error(50011, "Rate limit reached.", 429),
            becomes=RateLimited,
            retry_after_seconds=2,
        ),
        ErrorCase(
            name="50040 with 200",
            reply=_error(50040, "Too frequent operations."),
            becomes=RateLimited,
            retry_after_seconds=2,
        ),
        *(
            ErrorCase(name=f"bad key {code}", reply=_error(code, status=401), becomes=Refused)
            for code in (50101, 50105, 50110, 50111, 50113, 50114, 50119)
        ),
        ErrorCase(
            name="maintenance",
            reply=_error(50001, "Service temporarily unavailable", 503),
            becomes=Unavailable,
        ),
        *(
            ErrorCase(name=f"again {code}", reply=_error(code, status=status), becomes=Unavailable)
            for code, status in ((50004, 400), (50013, 429), (50026, 500))
        ),
        ErrorCase(name="unknown code", reply=_error(59999, status=400), becomes=RequestRejected),
        ErrorCase(name="firewall", reply=Reply(body=b"<html>", status=403), becomes=Unavailable),
    )
    not_found: ClassVar[Mapping[str, Reply]] = {"51603": _error(51603, "Order does not exist")}
    clock_refusals: ClassVar[Mapping[str, Reply]] = {
        "50102": _error(50102, "Timestamp request expired", 401),
        "50112": _error(50112, "Invalid OK-ACCESS-TIMESTAMP", 401),
    }
    decides_nothing = (
        *("avgPx", "cTime", "category", "ccy", "clOrdId", "fee", "fillPx", "fillSz", "instType"),
        *("lever", "ordType", "px", "side", "sz", "tdMode", "tgtCcy", "uTime"),
    )
    decides = ("state", "accFillSz")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "accFillSz": (None, 2, "", "NaN", "-1", "1e3", []),
        "state": (None, 7, {}),
        "avgPx": ("NaN", 25, "-25"),
        "sz": ("NaN", {}, "0.00000001"),
        "instType": ("SWAP",),
    }

    def order_id(self, number: int) -> str:
        """Return an id of 19 digits, which grow with time."""
        return str(1_753_197_687_182_819_328 + number * 977)

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for: the archive is where one order is looked up at last."""
        if request.path == _ARCHIVE:
            return RequestKind.LOOKUP
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the id of a look-up; in the archive it is before `after`."""
        return request.values_of("ordId") or request.values_of("after")

    def page_of(self, request: Request) -> str | None:
        """Return the id before which a later page begins."""
        return request.parameters.get("after")

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        match self.kind_of(request):
            case RequestKind.TIME:
                return _answer({"ts": str(round(now.timestamp() * 1000))})
            case RequestKind.ACCOUNT:
                return _answer({"uid": self.account_identity, "acctLv": "1"})
            case RequestKind.SYMBOLS:
                return _answer(*({"instId": name, "instType": "SPOT"} for name in self.symbols))
            case _:
                return self._orders(request, orders)

    def _orders(self, request: Request, orders: Iterable[HeldOrder]) -> Reply:
        given = request.parameters
        symbol = given.get("instId")
        if symbol not in {None, *self.symbols}:
            return _error(51001, "Instrument ID does not exist")
        newest_first = [
            one
            for one in sorted(orders, key=lambda one: -int(one.order_id))
            if symbol in {None, one.symbol}
        ]
        if request.path == "/api/v5/trade/order":
            found = [one for one in newest_first if one.order_id == given["ordId"]]
            return _answer(_row(found[0])) if found else self.not_found["51603"]
        before = int(given.get("after", 10**20))
        is_open = request.path == "/api/v5/trade/orders-pending"
        listed = [
            one for one in newest_first if one.is_open is is_open and int(one.order_id) < before
        ]
        return _answer(*(_row(one) for one in listed[: int(given.get("limit", "100"))]))


def _row(order: HeldOrder) -> Json:
    row: Json = {
        "accFillSz": order.executed,
        "avgPx": order.average or "",
        "cTime": str(order.placed_ms),
        "category": "normal",
        "ccy": "",
        "clOrdId": f"mine{order.number}",
        "fee": "0",
        "fillPx": order.average or "",
        "fillSz": order.executed,
        "instId": order.symbol,
        "instType": "SPOT",
        "lever": "",
        "ordId": order.order_id,
        "ordType": "limit",
        "px": "25",
        "side": "buy",
        "state": order.word,
        "sz": order.quantity,
        "tdMode": "cash",
        "tgtCcy": "",
        "uTime": str(order.placed_ms),
    }
    if order.is_quote_sized:
        row |= {"ordType": "market", "tgtCcy": "quote_ccy", "sz": "100"}
    return with_changes(row, order)


DIALECT = Okx()
