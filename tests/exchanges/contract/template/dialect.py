"""The venue's answers as documented: what the contract suite needs to know of it.

Source: name the pages, and the day on which you read them. Each row is an example of theirs.
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

_KINDS = {
    "/v1/time": RequestKind.TIME,
    "/v1/account": RequestKind.ACCOUNT,
    "/v1/symbols": RequestKind.SYMBOLS,
}


def _error(code: str, status: int = 200, **headers: str) -> Reply:
    return a_reply({"error": code}, status, **headers)


def _page(rows: Sequence[Json], cursor: str | None = None) -> Reply:
    return a_reply({"error": "", "orders": list(rows), "next": cursor})


class Template(Dialect):
    """A made-up venue."""

    name = "template"
    credentials = Credentials(
        api_key=SecretStr("made-up-key"), api_secret=SecretStr("made-up-secret")
    )
    symbols = ("BTC-USDT", "ETH-USDT", "SOL-USDC")
    unlisted_symbol = "GONE-USDT"
    asks_by_id_alone = True
    page_size = 50
    batch_limit = 20
    partial_then_canceled = ("partial", "canceled")
    account_identity = "a-77"
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="open", status=Status.NEW, is_open=True),
        StatusCase(word="queued", status=Status.PENDING, is_open=True),
        StatusCase(word="partial", status=Status.PARTIAL, is_open=True, executed="0.50000000"),
        StatusCase(word="filled", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="canceled", status=Status.CANCELED, is_open=False),
        StatusCase(word="rejected", status=Status.REJECTED, is_open=False),
        StatusCase(word="expired", status=Status.EXPIRED, is_open=False),
    )
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="rate limit with a time",
            reply=_error("too_many_requests", 429, Retry_After="7"),
            becomes=RateLimited,
            retry_after_seconds=7,
        ),
        ErrorCase(
            name="rate limit without a time",
            reply=_error("too_many_requests"),
            becomes=RateLimited,
            retry_after_seconds=1,
        ),
        ErrorCase(
            name="rate limit without a code",
            reply=Reply(body=b"slow down", status=429),
            becomes=RateLimited,
            retry_after_seconds=1,
        ),
        ErrorCase(name="bad key", reply=_error("bad_key", 401), becomes=Refused),
        ErrorCase(name="bad signature", reply=_error("bad_signature"), becomes=Refused),
        ErrorCase(name="maintenance", reply=_error("maintenance", 503), becomes=Unavailable),
        ErrorCase(name="internal", reply=_error("internal"), becomes=Unavailable),
        ErrorCase(name="unknown code", reply=_error("made_up", 400), becomes=RequestRejected),
    )
    not_found: ClassVar[Mapping[str, Reply]] = {
        "empty list": _page([]),
        "code": _error("unknown_order", 404),
    }
    clock_refusals: ClassVar[Mapping[str, Reply]] = {"timestamp": _error("bad_timestamp", 401)}
    decides_nothing = ("average", "size", "size_unit", "side", "client_id", "placed_at")
    decides = ("status", "filled")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "filled": (None, 2, "", "NaN", "-1", "1e3", []),
        "status": (None, 7, {}),
        "average": ("NaN", 25, "-25"),
        "size": ("NaN", {}, "0.00000001"),
    }

    def order_id(self, number: int) -> str:
        """Return an id."""
        return f"o-{number:019d}"

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        if request.path == "/v1/orders":
            return RequestKind.LOOKUP if request.values_of("id") else RequestKind.LIST
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the ids of a look-up."""
        return request.values_of("id")

    def page_of(self, request: Request) -> str | None:
        """Return the cursor of a later page."""
        return request.parameters.get("cursor")

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        match self.kind_of(request):
            case RequestKind.TIME:
                return a_reply({"error": "", "time": round(now.timestamp() * 1000)})
            case RequestKind.ACCOUNT:
                return a_reply({"error": "", "id": self.account_identity})
            case RequestKind.SYMBOLS:
                return a_reply({"error": "", "symbols": list(self.symbols)})
            case RequestKind.LOOKUP:
                asked = self.ids_in(request)
                return _page([_row(one) for one in orders if one.order_id in asked])
            case _:
                return self._list(request, orders)

    def _list(self, request: Request, orders: Iterable[HeldOrder]) -> Reply:
        given = request.parameters
        if given["symbol"] not in self.symbols:
            return _error("unknown_symbol", 400)
        listed = [one for one in orders if one.is_open and one.symbol == given["symbol"]]
        start = int(given.get("cursor", "0"))
        end = start + int(given["limit"])
        return _page([_row(one) for one in listed[start:end]], str(end) if listed[end:] else None)


def _row(order: HeldOrder) -> Json:
    row: Json = {
        "symbol": order.symbol,
        "id": order.order_id,
        "status": order.word,
        "filled": order.executed,
        "average": order.average or "",
        "size": order.quantity,
        "size_unit": "base",
        "side": "buy",
        "client_id": f"mine{order.number}",
        "placed_at": order.placed_ms,
    }
    if order.is_quote_sized:
        row |= {"size": "100", "size_unit": "quote"}
    return with_changes(row, order)


DIALECT = Template()
