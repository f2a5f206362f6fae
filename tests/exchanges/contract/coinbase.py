"""The answers of Coinbase Advanced Trade as documented.

Source: docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api, read 2026-11-28: "Get
Order", "List Orders", "Get API Key Permissions", "Get Server Time", "List Public Products". The
row is the example of "List Orders".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
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

_PREFIX = "/api/v3/brokerage"
_ORDER = f"{_PREFIX}/orders/historical/"
_BATCH = f"{_ORDER}batch"
_KINDS = {
    f"{_PREFIX}/time": RequestKind.TIME,
    f"{_PREFIX}/key_permissions": RequestKind.ACCOUNT,
    f"{_PREFIX}/market/products": RequestKind.SYMBOLS,
}
_OPEN_WORDS = ("OPEN",)


def _error(word: str, message: str, status: int, **headers: str) -> Reply:
    said = {"error": word, "error_details": message, "message": message}
    return a_reply(said, status, **headers)


def _private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


class Coinbase(Dialect):
    """Coinbase Advanced Trade."""

    name = "coinbase"
    credentials = Credentials(
        api_key=SecretStr(
            "organizations/3b910e93-1c2d-4e5f-8a6b-7c8d9e0f1a2b"
            "/apiKeys/5d6e7f80-9a1b-4c2d-8e3f-4a5b6c7d8e9f"
        ),
        api_secret=SecretStr(_private_key()),
    )
    symbols = ("BTC-USD", "ETH-USD", "SOL-USDC")
    unlisted_symbol = "GONE-USD"
    asks_by_id_alone = True
    page_size = 1000
    batch_limit = 50
    partial_then_canceled = ("OPEN", "CANCELLED")
    account_identity = str(UUID(int=77))
    # A token that is refused again, with the exchange's own time, is refused for its key.
    always_refused_becomes = Unavailable
    # "Get Order", `status`.
    statuses: ClassVar[Sequence[StatusCase]] = (
        StatusCase(word="OPEN", status=Status.NEW, is_open=True),
        StatusCase(word="PENDING", status=Status.PENDING, is_open=True),
        StatusCase(word="QUEUED", status=Status.PENDING, is_open=True),
        StatusCase(word="CANCEL_QUEUED", status=Status.NEW, is_open=True),
        StatusCase(word="EDIT_QUEUED", status=Status.NEW, is_open=True),
        StatusCase(word="FILLED", status=Status.FILLED, is_open=False, executed="2.00000000"),
        StatusCase(word="CANCELLED", status=Status.CANCELED, is_open=False),
        StatusCase(word="EXPIRED", status=Status.EXPIRED, is_open=False),
        StatusCase(word="FAILED", status=Status.REJECTED, is_open=False),
        StatusCase(word="UNKNOWN_ORDER_STATUS", status=None, is_open=False),
    )
    statuses_that_it_has_not = frozenset({Status.PARTIAL})
    errors: ClassVar[Sequence[ErrorCase]] = (
        ErrorCase(
            name="429 with a time",
            reply=_error("RESOURCE_EXHAUSTED", "too many requests", 429, Retry_After="7"),
            becomes=RateLimited,
            retry_after_seconds=7,
        ),
        ErrorCase(
            name="429 without a time",
            reply=Reply(body=b"<html>Too Many Requests</html>", status=429),
            becomes=RateLimited,
            retry_after_seconds=1,
        ),
        ErrorCase(
            name="403",
            reply=_error("PERMISSION_DENIED", "Missing required scopes", 403),
            becomes=Refused,
        ),
        ErrorCase(name="internal", reply=_error("INTERNAL", "Something", 500), becomes=Unavailable),
        ErrorCase(
            name="maintenance", reply=_error("UNAVAILABLE", "down", 503), becomes=Unavailable
        ),
        ErrorCase(
            name="unknown word", reply=_error("MADE_UP", "in 2027", 400), becomes=RequestRejected
        ),
        ErrorCase(
            name="404 of another thing",
            reply=_error("NOT_FOUND", "portfolio not found", 404),
            becomes=RequestRejected,
        ),
        ErrorCase(name="firewall", reply=Reply(body=b"<html>", status=403), becomes=Unavailable),
    )
    not_found: ClassVar[Mapping[str, Reply]] = {
        "404": _error("NOT_FOUND", "order with this orderID was not found", 404),
        "404 as before 2023": _error("unknown", "order with this orderID was not found", 404),
    }
    clock_refusals: ClassVar[Mapping[str, Reply]] = {"401": Reply(body=b"Unauthorized", status=401)}
    decides_nothing = (
        *("user_id", "order_configuration", "side", "client_order_id", "time_in_force"),
        *("created_time", "completion_percentage", "average_filled_price", "fee", "settled"),
        *("number_of_fills", "filled_value", "pending_cancel", "size_in_quote", "total_fees"),
        *("trigger_status", "order_type", "reject_reason", "product_type", "last_fill_time"),
        *("order_placement_source", "edit_history"),
    )
    decides = ("status", "filled_size", "product_id")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "filled_size": (None, 2, "", "NaN", "-1", "1e3", []),
        "status": (None, 7, {}),
        "average_filled_price": ("NaN", 25, "-25"),
        "order_configuration": (
            {"limit_limit_gtc": {"base_size": "NaN"}},
            {"limit_limit_gtc": {"base_size": "0.00000001"}},
        ),
    }

    @cached_property
    def _first_id(self) -> int:
        return 0x3B910E93_1C2D_4E5F_8A6B_7C8D9E0F0000

    def order_id(self, number: int) -> str:
        """Return a UUID."""
        return str(UUID(int=self._first_id + (number << 96) + number))

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        if request.path == _BATCH:
            return RequestKind.LOOKUP if request.values_of("order_ids") else RequestKind.LIST
        if request.path.startswith(_ORDER):
            return RequestKind.LOOKUP
        return _KINDS.get(request.path)

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the ids of a look-up."""
        if request.path == _BATCH:
            return request.values_of("order_ids")
        return [request.path.removeprefix(_ORDER)]

    def page_of(self, request: Request) -> str | None:
        """Return the cursor of a later page."""
        return request.parameters.get("cursor")

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        match self.kind_of(request):
            case RequestKind.TIME:
                return a_reply({"iso": "", "epochMillis": str(round(now.timestamp() * 1000))})
            case RequestKind.ACCOUNT:
                return a_reply({"can_view": True, "portfolio_uuid": self.account_identity})
            case RequestKind.SYMBOLS:
                return a_reply({"products": [{"product_id": name} for name in self.symbols]})
            case RequestKind.LOOKUP if request.path != _BATCH:
                found = [one for one in orders if [one.order_id] == self.ids_in(request)]
                return a_reply({"order": _row(found[0])}) if found else self.not_found["404"]
            case RequestKind.LOOKUP:
                asked = self.ids_in(request)
                return _page([_row(one) for one in orders if one.order_id in asked])
            case _:
                words = request.values_of("order_status") or _OPEN_WORDS
                listed = [one for one in orders if one.word in words]
                start = int(request.parameters.get("cursor", "0"))
                end = start + int(request.parameters.get("limit", "1000"))
                rows = [_row(one) for one in listed[start:end]]
                return _page(rows, str(end) if listed[end:] else "")


def _page(rows: Sequence[Json], cursor: str = "") -> Reply:
    page = {"orders": list(rows), "sequence": "0", "has_next": bool(cursor), "cursor": cursor}
    return a_reply(page)


def _row(order: HeldOrder) -> Json:
    placed = datetime.fromtimestamp(order.placed_ms / 1000, UTC)
    row: Json = {
        "order_id": order.order_id,
        "product_id": order.symbol,
        "user_id": "2222-000000-000000",
        "order_configuration": {
            "limit_limit_gtc": {
                "base_size": order.quantity,
                "limit_price": "25.00",
                "post_only": False,
            }
        },
        "side": "BUY",
        "client_order_id": f"mine{order.number}",
        "status": order.word,
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "created_time": f"{placed:%Y-%m-%dT%H:%M:%S}Z",
        "completion_percentage": "0",
        "filled_size": order.executed,
        "average_filled_price": order.average or "0",
        "fee": "",
        "number_of_fills": "0",
        "filled_value": order.quote_amount,
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": "0",
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": False,
        "product_type": "SPOT",
        "order_placement_source": "RETAIL_ADVANCED",
        "last_fill_time": None,
        "edit_history": [],
    }
    if order.is_quote_sized:
        configuration = {"market_market_ioc": {"quote_size": "100"}}
        row |= {"order_configuration": configuration, "size_in_quote": True, "order_type": "MARKET"}
    return with_changes(row, order)


DIALECT = Coinbase()
