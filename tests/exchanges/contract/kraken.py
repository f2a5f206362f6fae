"""Kraken's answers as documented.

Source: docs.kraken.com, "Spot REST", and github.com/krakenfx/api-specs (`spot-rest`), read
2026-11-28. The row is the example of "Get Open Orders".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
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

_KINDS = {
    "/0/private/QueryOrders": RequestKind.LOOKUP,
    "/0/private/OpenOrders": RequestKind.LIST,
    "/0/private/ClosedOrders": RequestKind.LIST,
    "/0/public/Time": RequestKind.TIME,
    "/0/private/GetApiKeyInfo": RequestKind.ACCOUNT,
    "/0/public/AssetPairs": RequestKind.SYMBOLS,
}
_PAIRS = {
    "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD"},
    "XETHZUSD": {"altname": "ETHUSD", "wsname": "ETH/USD"},
    "XBTUSDT": {"altname": "XBTUSDT", "wsname": "XBT/USDT"},
}
_KEY_INFO = {
    "apiKeyName": "my-api-key",
    "permissions": ["query-funds", "query-open-trades", "query-closed-trades"],
    "iban": "AA88 N84G WOAK NMOI",
    "queryFrom": "0",
    "queryTo": "0",
}
_CLOSED_PAGE = 50
_BATCH = 20


def _answer(result: object) -> Reply:
    return a_reply({"error": [], "result": result})


def _error(text: str, **headers: str) -> Reply:
    return a_reply({"error": [text]}, 200, **headers)


_THROTTLED_UNTIL = round(NOW.timestamp()) + 300


class Kraken(Dialect):
    """Kraken spot."""

    name = "kraken"
    credentials = Credentials(
        api_key=SecretStr("4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX"),
        api_secret=SecretStr("bWFkZSB1cCBmb3IgdGVzdHM="),
    )
    symbols = ("XBTUSD", "ETHUSD", "XBTUSDT")
    unlisted_symbol = "GONEUSD"
    asks_by_id_alone = True
    batch_limit = _BATCH  # cheaper than its pages
    paged_word = "closed"
    partial_then_canceled = ("open", "canceled")
    account_identity = "AA88N84GWOAKNMOI"
    # A nonce that is refused again and again is another program's, which a person must stop.
    always_refused_becomes = Refused
    # `status` of the schema `OpenOrder`.
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="open", status=Status.NEW, is_open=True),
        StatusCase(word="pending", status=Status.PENDING, is_open=True),
        StatusCase(word="closed", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="canceled", status=Status.CANCELED, is_open=False),
        StatusCase(word="expired", status=Status.EXPIRED, is_open=False),
    )
    statuses_that_it_has_not = frozenset({Status.PARTIAL, Status.REJECTED})
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="throttled until a time",
            reply=_error(
                f"EService:Throttled: {_THROTTLED_UNTIL}",
                Date=format_datetime(NOW, usegmt=True),
            ),
            becomes=RateLimited,
            retry_after_seconds=300,
        ),
        ErrorCase(
            name="rate limit without a time",
            reply=_error("EAPI:Rate limit exceeded"),
            becomes=RateLimited,
            retry_after_seconds=15,
        ),
        ErrorCase(
            name="lockout",
            reply=_error("EGeneral:Temporary lockout"),
            becomes=RateLimited,
            retry_after_seconds=900,
        ),
        *(
            ErrorCase(name=text, reply=_error(text), becomes=Refused)
            for text in (
                "EAPI:Invalid key",
                "EAPI:Invalid signature",
                "EGeneral:Permission denied",
            )
        ),
        *(
            ErrorCase(name=text, reply=_error(text), becomes=Unavailable)
            for text in (
                "EService:Unavailable",
                "EService:Busy",
                "EService:Made up in 2027",
                "EGeneral:Internal error",
            )
        ),
        ErrorCase(name="firewall", reply=Reply(body=b"<html>", status=403), becomes=Unavailable),
        ErrorCase(
            name="unknown error", reply=_error("EOrder:Made up in 2027"), becomes=RequestRejected
        ),
    )
    not_found: ClassVar[Mapping[str, Reply]] = {
        "missing in the result": _answer({}),
        "unknown order": _error("EOrder:Unknown order"),
    }
    clock_refusals: ClassVar[Mapping[str, Reply]] = {"nonce": _error("EAPI:Invalid nonce")}
    decides_nothing = (
        *("refid", "userref", "cl_ord_id", "opentm", "closetm", "starttm", "expiretm", "vol"),
        *("cost", "fee", "price", "stopprice", "limitprice", "misc", "oflags"),
    )
    decides = ("status", "vol_exec")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "vol_exec": (None, 2, "", "NaN", "-1", "1e3", []),
        "status": (None, 7, {}),
        "price": ("NaN", 25, "-25"),
        "vol": ("NaN", {}, "0.00000001"),
    }

    def order_id(self, number: int) -> str:
        """Return a txid."""
        digits = f"{number * 977:016d}"
        return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the txids of a look-up."""
        return request.parameters["txid"].split(",")

    def page_of(self, request: Request) -> str | None:
        """Return the offset of a later page."""
        offset = request.parameters.get("ofs", "0")
        return None if offset == "0" else offset

    def answer(  # noqa: PLR0911 - one for each route
        self, request: Request, orders: Iterable[HeldOrder], now: datetime
    ) -> Reply:
        """Answer a request as documented."""
        newest_first = sorted(orders, key=lambda one: -one.number)
        match request.path.rpartition("/")[2]:
            case "Time":
                return _answer({"unixtime": int(now.timestamp()), "rfc1123": ""})
            case "AssetPairs":
                return _answer(_PAIRS if self.symbols else {})
            case "GetApiKeyInfo":
                return _answer(_KEY_INFO)
            case "QueryOrders":
                asked = self.ids_in(request)
                if len(asked) > _BATCH:
                    return _error("EGeneral:Invalid arguments:txid")
                return _answer(_rows(one for one in newest_first if one.order_id in asked))
            case "OpenOrders":
                return _answer({"open": _rows(one for one in newest_first if one.is_open)})
            case _:
                closed = [one for one in newest_first if not one.is_open]
                start = int(request.parameters.get("ofs", "0"))
                page = closed[start : start + _CLOSED_PAGE]
                return _answer({"closed": _rows(page), "count": len(closed)})


def _rows(orders: Iterable[HeldOrder]) -> dict[str, Json]:
    return {order.order_id: _row(order) for order in orders}


def _row(order: HeldOrder) -> Json:
    row: Json = {
        "refid": None,
        "userref": None,
        "cl_ord_id": f"mine{order.number}",
        "status": order.word,
        "opentm": order.placed_ms / 1000,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": order.symbol,
            "type": "buy",
            "ordertype": "limit",
            "price": "25.0",
            "price2": "0",
            "leverage": "none",
            "order": f"buy {order.quantity} {order.symbol} @ limit 25.0",
            "close": "",
        },
        "vol": order.quantity,
        "vol_exec": order.executed,
        "cost": order.quote_amount,
        "fee": "0.00000",
        "price": order.average or "0.00000",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq",
    }
    if not order.is_open:
        row["closetm"] = order.placed_ms / 1000 + 5
    if order.is_quote_sized:
        row |= {"oflags": "fciq,viqc", "vol": order.quote_amount}
        row["descr"]["ordertype"] = "market"
    return with_changes(row, order)


DIALECT = Kraken()
