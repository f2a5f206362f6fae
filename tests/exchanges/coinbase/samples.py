"""Orders as the exchange sends them, and a server that answers with what a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from reconciler.exchanges.base import Exchange, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, RecordingBudget

T = TypeVar("T")
Json = dict[str, Any]

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
API_KEY = (
    "organizations/3b910e93-1c2d-4e5f-8a6b-7c8d9e0f1a2b"
    "/apiKeys/5d6e7f80-9a1b-4c2d-8e3f-4a5b6c7d8e9f"
)
PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())
PEM = PRIVATE_KEY.private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
).decode()
SIGNED = Credentials(api_key=SecretStr(API_KEY), api_secret=SecretStr(PEM))


def order_id(number: int) -> str:
    """Return a made-up id."""
    return str(UUID(int=(number << 80) | 0x4 << 76 | 0b10 << 62 | number))


def a_ref(number: int, symbol: str = "BTC-USD") -> OrderRef:
    return OrderRef(symbol=symbol, external_order_id=order_id(number))


def a_row(number: int, **fields: object) -> Json:
    """One order as in "List Orders", with `fields` instead of the example's."""
    return {
        "order_id": order_id(number),
        "product_id": "BTC-USD",
        "user_id": "2222-000000-000000",
        "order_configuration": {
            "limit_limit_gtc": {"base_size": "2", "limit_price": "45000.00", "post_only": False}
        },
        "side": "BUY",
        "client_order_id": "11111-000000-000001",
        "status": "OPEN",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "created_time": "2026-11-27T10:00:00.123456Z",
        "completion_percentage": "0",
        "filled_size": "0",
        "average_filled_price": "0",
        "fee": "",
        "number_of_fills": "0",
        "filled_value": "0",
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": "0",
        "size_inclusive_of_fees": False,
        "total_value_after_fees": "0",
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": False,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": "450.00",
        "is_liquidation": False,
        "last_fill_time": None,
        "edit_history": [],
        "leverage": "",
        "margin_type": "",
        "retail_portfolio_id": "",
        **fields,
    }


def filled(number: int, **fields: object) -> Json:
    """Return an order that was filled in two parts."""
    shown = {
        "status": "FILLED",
        "filled_size": "2",
        "average_filled_price": "21220.6399999973697697",
        "number_of_fills": "2",
        "last_fill_time": "2026-11-27T10:05:00Z",
        "settled": True,
    }
    return a_row(number, **{**shown, **fields})


def a_page(rows: list[Json], *, cursor: str = "", **fields: object) -> Json:
    """Return a page of "List Orders"; the last one without a cursor."""
    return {
        "orders": rows,
        "sequence": "0",
        "has_next": bool(cursor),
        "cursor": cursor,
        **fields,
    }


NO_SUCH_ORDER = {
    "error": "NOT_FOUND",
    "error_details": "order with this orderID was not found",
    "message": "order with this orderID was not found",
}


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as the server received it."""

    path: str
    parameters: Mapping[str, list[str]]
    authorization: str


@dataclass(frozen=True, kw_only=True)
class Canned:
    """An answer for the server to send."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(value: object, status: int = 200, **headers: str) -> Canned:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Canned(body=json.dumps(value).encode(), status=status, headers=named)


PREFIX = "/api/v3/brokerage/"


class FakeVenue:
    """A real HTTP server on loopback that answers as the exchange's documentation says."""

    def __init__(self) -> None:
        self.rows: dict[str, Json] = {}
        self.received: list[Received] = []
        self.scripted: list[tuple[str, Canned]] = []
        self.page_size = 1000
        self.url = ""

    def holds(self, *rows: Json) -> None:
        self.rows |= {str(row["order_id"]): row for row in rows}

    def answers_next(self, path: str, *answers: Canned) -> None:
        """Answer the next requests to `path` with `answers`."""
        self.scripted += [(PREFIX + path, one) for one in answers]

    def paths(self) -> list[str]:
        """Return the paths of all requests but those for the time."""
        paths = [one.path.removeprefix(PREFIX) for one in self.received]
        return [path for path in paths if path != "time"]

    def answer_to(self, request: Received) -> Canned:
        for at, (path, canned) in enumerate(self.scripted):
            if path == request.path:
                del self.scripted[at]
                return canned
        match request.path.removeprefix(PREFIX):
            case "time":
                return answer({"iso": "", "epochSeconds": "", "epochMillis": _milliseconds()})
            case "key_permissions":
                return answer({"can_view": True, "portfolio_uuid": order_id(77)})
            case "market/products":
                return answer({"products": [{"product_id": "BTC-USD"}], "num_products": "1"})
            case "orders/historical/batch":
                return self._list(request)
            case other:
                row = self.rows.get(other.removeprefix("orders/historical/"))
                return answer(NO_SUCH_ORDER, 404) if row is None else answer({"order": row})

    def _list(self, request: Received) -> Canned:
        ids = request.parameters.get("order_ids")
        statuses = request.parameters.get("order_status")
        rows = [
            row
            for row in self.rows.values()
            if (ids is None or row["order_id"] in ids)
            and (statuses is None or row["status"] in statuses)
        ]
        start = int(request.parameters.get("cursor", ["0"])[0])
        end = start + (self.page_size if ids is None else len(rows))
        return answer(a_page(rows[start:end], cursor=str(end) if end < len(rows) else ""))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = _received(head)
                self.received.append(request)
                writer.write(_encoded(self.answer_to(request)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _received(head: bytes) -> Received:
    first, *lines = head.decode().strip().split("\r\n")
    path, _, query = first.split(" ")[1].partition("?")
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
    return Received(
        path=path, parameters=parse_qs(query), authorization=headers.get("authorization", "")
    )


def _encoded(canned: Canned) -> bytes:
    headers = {"Content-Length": str(len(canned.body)), **canned.headers}
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {canned.status} Made Up\r\n{lines}\r\n".encode() + canned.body


def _milliseconds() -> str:
    return str(int(NOW.timestamp() * 1000))


@asynccontextmanager
async def served(fake: FakeVenue) -> AsyncIterator[FakeVenue]:
    """Serve `fake` on a free port."""
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


@asynccontextmanager
async def opened(
    url: str, *, credentials: Credentials = SIGNED, budget: RecordingBudget | None = None
) -> AsyncIterator[Exchange]:
    """Open the exchange at `url` as a worker does."""
    exchange = open_exchange(
        venue("coinbase", url),
        credentials=credentials,
        sender=DirectSender(),
        budget=budget or RecordingBudget(),
        clock=lambda: NOW,
    )
    try:
        yield exchange
    finally:
        await exchange.close()


def each_way_to_mix_case(text: str) -> Iterator[str]:
    """Yield the text in capitals, and with every second letter in capitals."""
    yield text.upper()
    yield "".join(one.upper() if at % 2 else one for at, one in enumerate(text))


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()
