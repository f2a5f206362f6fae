import asyncio
import gc
import hashlib
import hmac
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, parse_qsl

import httpx
import pytest
from pydantic import SecretStr

from reconciler.domain.order import Side
from reconciler.domain.report import Absent, Archived, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.api_client import percent_encode
from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.base import Exchange, OrderRef
from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE, Binance
from reconciler.exchanges.binance.api import signature_of
from reconciler.exchanges.binance.constants import ERROR_KINDS, STATUSES, VENUE
from reconciler.exchanges.binance.refs import request_symbol
from reconciler.exchanges.signing import HmacKey
from reconciler.resilience.limits import Cost
from reconciler.resilience.nonces import LocalNonces
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, RecordingBudget

T = TypeVar("T")
Json = dict[str, Any]

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TRUST = ssl.create_default_context()  # made once: it takes longer than a test
SECRET = "made-up-secret"
SIGNED = Credentials(api_key=SecretStr("made-up-key"), api_secret=SecretStr(SECRET))
BEARER = Credentials(bearer_token=SecretStr("made.up.token"))


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """A request as the server received it."""

    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, kw_only=True)
class CannedResponse:
    """A response for the server to send."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def a_response(value: object, status: int = 200, **headers: str) -> CannedResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CannedResponse(body=json.dumps(value).encode(), status=status, headers=named)


def error(code: int, message: str = "made up", status: int = 400, **headers: str) -> CannedResponse:
    return a_response({"code": code, "msg": message}, status, **headers)


def a_row(order_id: int, symbol: str = "BTCUSDT", **fields: object) -> Json:
    """One order as documented for GET /api/v3/order, with `fields` instead of the example's."""
    return {
        "symbol": symbol,
        "orderId": order_id,
        "orderListId": -1,
        "clientOrderId": "myOrder1",
        "price": "0.1",
        "origQty": "1.0",
        "executedQty": "0.0",
        "cummulativeQuoteQty": "0.0",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0.0",
        "icebergQty": "0.0",
        "time": 1499827319559,
        "updateTime": 1499827319559,
        "isWorking": True,
        "workingTime": 1499827319559,
        "origQuoteOrderQty": "0.000000",
        "selfTradePreventionMode": "NONE",
        **fields,
    }


class FakeVenue:
    """A real HTTP server on loopback that answers as Binance's documentation says."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, int], Json] = {}
        self.requests: list[SentRequest] = []
        self.next_answers: dict[str, list[CannedResponse]] = {}
        self.on_request: Callable[[SentRequest], Awaitable[CannedResponse | None]] | None = None
        self.time = NOW
        self.url = ""

    def holds(self, *rows: Json) -> None:
        self.orders |= {(row["symbol"], row["orderId"]): row for row in rows}

    def answers_next(self, path: str, *answers: CannedResponse) -> None:
        self.next_answers.setdefault(path, []).extend(answers)

    def paths(self) -> list[str]:
        return [request.path.removeprefix("/api/v3/") for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                answer = await self.answer_to(request_in(head))
                writer.write(encoded(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer_to(self, request: SentRequest) -> CannedResponse:
        self.requests.append(request)
        if self.on_request is not None and (special := await self.on_request(request)) is not None:
            return special
        if self.next_answers.get(request.path):
            return self.next_answers[request.path].pop(0)
        return self.documented_answer(request)

    def documented_answer(self, request: SentRequest) -> CannedResponse:
        given = request.parameters
        of_symbol = [
            row
            for (symbol, _), row in sorted(self.orders.items())
            if symbol == given.get("symbol", symbol)
        ]
        match request.path:
            case "/api/v3/time":
                return a_response({"serverTime": round(self.time.timestamp() * 1000)})
            case "/api/v3/account":
                return a_response({"canTrade": True, "uid": 354937868, "balances": []})
            case "/api/v3/order":
                return self.one_order(given["symbol"], given["orderId"])
            case "/api/v3/openOrders":
                is_open = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")
                return a_response([row for row in of_symbol if row["status"] in is_open])
            case "/api/v3/allOrders":
                later = [row for row in of_symbol if row["orderId"] >= int(given["orderId"])]
                return a_response(later[: int(given["limit"])])
            case _:
                return CannedResponse(body=b"<html>nothing here</html>", status=404)

    def one_order(self, symbol: str, order_id: str) -> CannedResponse:
        if not order_id.isdecimal():
            return error(-1100, "Illegal characters found in parameter 'orderId'.")
        row = self.orders.get((symbol, int(order_id)))
        return error(-2013, "Order does not exist.") if row is None else a_response(row)


def request_in(head: bytes) -> SentRequest:
    first, *lines = head.decode().strip().split("\r\n")
    path, _, query = first.split(" ")[1].partition("?")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    raw = dict(line.split(": ", 1) for line in lines)
    return SentRequest(
        path=path, query=query, headers=headers | {name.lower(): text for name, text in raw.items()}
    )


def encoded(answer: CannedResponse) -> bytes:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {answer.status} Made Up\r\n{lines}\r\n".encode() + answer.body


@dataclass
class FakeDatabaseClock:
    """A clock that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Harness:
    """An adapter with its fakes and a real server."""

    server: FakeVenue
    sender: DirectSender = field(default_factory=DirectSender)
    budget: RecordingBudget = field(default_factory=RecordingBudget)
    clock: FakeDatabaseClock = field(default_factory=FakeDatabaseClock)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def binance(self, credentials: Credentials = SIGNED) -> Binance:
        client = httpx.AsyncClient(trust_env=False, verify=TRUST)
        self.clients.append(client)
        return Binance(
            venue=replace(VENUE, base_url=self.server.url),
            client=client,
            sender=self.sender,
            budget=self.budget,
            credentials=credentials,
            clock=self.clock,
            requests_at_once=REQUESTS_AT_ONCE,
            nonces=LocalNonces(),
        )


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    venue = FakeVenue()
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    venue.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    made = Harness(server=venue)
    async with server:
        yield made
        for client in made.clients:
            await client.aclose()


def an_order(order_id: int | str, symbol: str = "BTCUSDT") -> OrderRef:
    return OrderRef(symbol=symbol, external_order_id=str(order_id))


# Answers


async def test_one_order_is_looked_up_and_reported(harness: Harness) -> None:
    harness.server.holds(
        a_row(
            7,
            status="PARTIALLY_FILLED",
            executedQty="0.40000000",
            cummulativeQuoteQty="10.00000001",
        )
    )

    found = await harness.binance().fetch([an_order(7)])

    assert found.failures == {}
    assert found.answers[an_order(7)] == Report(
        symbol="BTCUSDT",
        external_order_id="7",
        word="PARTIALLY_FILLED",
        status=Status.PARTIAL,
        executed_qty=Decimal("0.40000000"),
        avg_price=Decimal("10.00000001") / Decimal("0.4"),
        fetched_at=NOW,
        quantity=Decimal("1.0"),
        side=Side.BUY,
        client_order_id="myOrder1",
        placed_at=datetime(2017, 7, 12, 2, 41, 59, 559_000, tzinfo=UTC),
        changed_at=datetime(2017, 7, 12, 2, 41, 59, 559_000, tzinfo=UTC),
    )


@pytest.mark.parametrize("quote", ["-1.00000000", "0.00000000", None])
async def test_average_price_of_an_unknown_quote_is_unknown(
    harness: Harness, quote: str | None
) -> None:
    harness.server.holds(a_row(7, status="FILLED", executedQty="1", cummulativeQuoteQty=quote))

    found = await harness.binance().fetch([an_order(7)])

    answer = found.answers[an_order(7)]
    assert isinstance(answer, Report)
    assert answer.avg_price is None


async def test_order_ids_of_64_bits_keep_every_digit(harness: Harness) -> None:
    ids = [2**63 - 1 - back for back in range(8)]
    harness.server.holds(*(a_row(order_id) for order_id in ids))

    found = await harness.binance().fetch([an_order(order_id) for order_id in ids])

    assert {answer.external_order_id for answer in found.answers.values()} == {str(i) for i in ids}


async def test_new_fields_in_an_answer_are_ignored(harness: Harness) -> None:
    harness.server.holds(a_row(7, pegOffset={"any": ["thing"]}, anotherFieldOf2027=1.5))

    found = await harness.binance().fetch([an_order(7)])

    assert isinstance(found.answers[an_order(7)], Report)


async def test_unknown_status_does_not_affect_other_orders(harness: Harness) -> None:
    harness.server.holds(a_row(1), a_row(2, status="FROZEN_IN_2027"), a_row(3, status="FILLED"))

    found = await harness.binance().fetch([an_order(1), an_order(2), an_order(3)])

    statuses = {
        answer.external_order_id: (answer.word, answer.status)
        for answer in found.answers.values()
        if isinstance(answer, Report)
    }
    assert statuses == {
        "1": ("NEW", Status.NEW),
        "2": ("FROZEN_IN_2027", None),
        "3": ("FILLED", Status.FILLED),
    }


NO_QUANTITIES = [
    *("-1", "NaN", "Infinity", "sNaN", "", "1,5", "1E+999999999", "1e3", "1_000", "+1", ".5", "5."),
    *(" 1.5", "1.5 ", "1.5\n", "\t1", "\u0661\u0662", "\uff11", "\u0be7", "0x1"),
    *("1" * 31, "0." + "1" * 31),
]


@pytest.mark.parametrize(
    "name", ["executedQty", "origQty", "origQuoteOrderQty", "preventedQuantity"]
)
@pytest.mark.parametrize("quantity", NO_QUANTITIES)
async def test_row_with_an_impossible_quantity_fails_alone(
    harness: Harness, name: str, quantity: str
) -> None:
    bad = a_row(2, **{name: quantity})
    harness.server.holds(a_row(1), bad, a_row(3))

    found = await harness.binance().fetch([an_order(1), an_order(2), an_order(3)])

    assert found.answers.keys() == {an_order(1), an_order(3)}
    assert isinstance(found.failures[an_order(2)], Malformed)
    assert "order 2 of BTCUSDT" in str(found.failures[an_order(2)])


@pytest.mark.parametrize("quote", [q for q in NO_QUANTITIES if q != "-1"])
async def test_row_with_an_impossible_quote_fails_alone(harness: Harness, quote: str) -> None:
    harness.server.holds(a_row(1), a_row(2, executedQty="1", cummulativeQuoteQty=quote))

    found = await harness.binance().fetch([an_order(1), an_order(2)])

    assert found.answers.keys() == {an_order(1)}
    assert isinstance(found.failures[an_order(2)], Malformed)


@pytest.mark.parametrize("quantity", ["0", "007", "1.50", "0.000000000000000001", "9" * 30])
async def test_quantity_in_digits_and_a_point_is_read(harness: Harness, quantity: str) -> None:
    harness.server.holds(a_row(7, executedQty=quantity, origQty=quantity))

    found = await harness.binance().fetch([an_order(7)])

    answer = found.answers[an_order(7)]
    assert isinstance(answer, Report)
    assert answer.executed_qty == answer.quantity == Decimal(quantity)


@pytest.mark.parametrize(
    ("prevented", "quantity"),
    [
        ("2.00000000", None),
        ("1.90000000", Decimal(6)),
        ("0.00000000", Decimal(6)),
        (None, Decimal(6)),
    ],
    ids=str,
)
async def test_quantity_is_unknown_where_self_trade_prevention_took_the_rest(
    harness: Harness, prevented: str | None, quantity: Decimal | None
) -> None:
    """Such an order is filled with less than was ordered: no fill is missing."""
    fields = {} if prevented is None else {"preventedQuantity": prevented}
    row = a_row(23, status="FILLED", origQty="6.00000000", executedQty="4.00000000", **fields)
    harness.server.holds(a_row(22), row)

    answer = (await harness.binance().fetch([an_order(23)])).answers[an_order(23)]

    assert isinstance(answer, Report)
    assert (answer.status, answer.quantity) == (Status.FILLED, quantity)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"executedQty": "99999", "origQty": "1.5"}, id="far more"),
        pytest.param({"executedQty": "1.50000001", "origQty": "1.5"}, id="a little more"),
        pytest.param({"executedQty": "1", "origQty": "0.00000000"}, id="of nothing"),
    ],
)
async def test_more_executed_than_ordered_fails_its_order_alone(
    harness: Harness, fields: Json
) -> None:
    bad = a_row(2, status="FILLED", **fields)
    harness.server.holds(a_row(1), bad, a_row(3))

    found = await harness.binance().fetch([an_order(1), an_order(2), an_order(3)])

    assert found.answers.keys() == {an_order(1), an_order(3)}
    assert "order 2 of BTCUSDT: executedQty" in str(found.failures[an_order(2)])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"origQty": "0.0", "origQuoteOrderQty": "100.0"}, id="size in quote currency"),
        pytest.param({"origQty": "0.0", "origQuoteOrderQty": None}, id="size unknown"),
        pytest.param({"origQty": None}, id="quantity unknown"),
        pytest.param({"side": None, "clientOrderId": None, "time": None}, id="nothing else known"),
        pytest.param({"side": 1, "clientOrderId": 2, "time": "soon"}, id="other types"),
        pytest.param({"clientOrderId": "x" * 101}, id="endless client id"),
        pytest.param({"clientOrderId": "a\0b"}, id="client id that no database takes"),
        pytest.param({"side": "BOTH", "time": 10**18}, id="other values"),
    ],
)
async def test_missing_fields_of_an_answer_contradict_nothing(
    harness: Harness, fields: Json
) -> None:
    harness.server.holds(a_row(7, status="FILLED", executedQty="1.0", **fields))

    found = await harness.binance().fetch([an_order(7)])

    assert found.failures == {}
    answer = found.answers[an_order(7)]
    assert isinstance(answer, Report)
    assert answer.is_quote_sized is (fields.get("origQuoteOrderQty") is not None)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC-USDT", "btcusdt", "btc/usdt"])
async def test_answer_has_the_symbol_as_the_row_spells_it(harness: Harness, symbol: str) -> None:
    harness.server.holds(a_row(7))

    found = await harness.binance().fetch([an_order(7, symbol)])

    assert harness.server.requests[-1].parameters["symbol"] == "BTCUSDT"
    assert found.answers[an_order(7, symbol)].symbol == symbol


async def test_two_spellings_of_an_order_share_one_request(
    harness: Harness,
) -> None:
    harness.server.holds(a_row(7))

    found = await harness.binance().fetch([an_order(7, "BTC/USDT"), an_order(7), an_order(7)])

    assert harness.server.paths() == ["time", "order"]
    assert {order.symbol for order in found.answers} == {"BTC/USDT", "BTCUSDT"}


async def test_symbol_of_other_letters_is_percent_encoded_before_signing(harness: Harness) -> None:
    await harness.binance().fetch([an_order(7, "\u5e01\u5b89USDT")])

    request = harness.server.requests[-1]
    assert request.query.startswith("symbol=%E5%B8%81%E5%AE%89USDT&orderId=7&")
    assert is_signed(request)


@pytest.mark.parametrize("order", [an_order(""), an_order(7, ""), an_order("9" * 70_000)])
async def test_name_too_long_is_answered_without_asking(harness: Harness, order: OrderRef) -> None:
    found = await harness.binance().fetch([order])

    answer = found.answers[order]
    assert isinstance(answer, OrderFault)
    assert "correct the row" in answer.detail
    assert harness.server.requests == []


async def test_report_is_dated_by_when_its_request_was_sent(harness: Harness) -> None:
    harness.server.holds(a_row(7))

    async def take_a_minute(request: SentRequest) -> None:
        if request.path == "/api/v3/order":
            harness.clock.now += timedelta(minutes=1)

    harness.server.on_request = take_a_minute
    found = await harness.binance().fetch([an_order(7)])

    assert found.answers[an_order(7)].fetched_at == NOW
    assert harness.clock.now == NOW + timedelta(minutes=1)


# Rounds of queries


async def test_first_page_is_not_taken_for_the_whole_history(harness: Harness) -> None:
    rows = [
        a_row(i, status="FILLED", executedQty="1", cummulativeQuoteQty="2") for i in range(2500)
    ]
    harness.server.holds(*rows)

    found = await harness.binance().fetch([an_order(i) for i in range(2500)])

    assert len(found.answers) == 2500
    assert found.failures == {}
    assert harness.server.paths() == ["time", "allOrders", "allOrders", "allOrders"]
    assert [request.parameters["orderId"] for request in harness.server.requests[1:]] == [
        "0",
        "1000",
        "2000",
    ]
    assert harness.sender.weights == [1, 20, 20, 20]


async def test_order_missing_from_open_orders_is_looked_up(harness: Harness) -> None:
    harness.server.holds(*(a_row(i) for i in range(1, 6)), a_row(6, status="CANCELED"))

    found = await harness.binance().fetch([an_order(i) for i in range(1, 8)])

    canceled, missing = found.answers[an_order(6)], found.answers[an_order(7)]
    assert isinstance(canceled, Report)
    assert canceled.status is Status.CANCELED
    assert isinstance(missing, Absent)
    assert harness.sender.weights == [1, 6, 4, 4]


async def test_open_orders_of_all_symbols_are_asked_for_once(harness: Harness) -> None:
    names = [(i, f"SYM{i % 20}USDT") for i in range(100)]
    harness.server.holds(*(a_row(i, symbol) for i, symbol in names))

    found = await harness.binance().fetch([an_order(i, symbol) for i, symbol in names])

    assert len(found.answers) == 100
    assert harness.sender.weights == [1, 80]
    assert "symbol" not in harness.server.requests[-1].parameters


async def test_adapter_learns_that_most_orders_have_ended(harness: Harness) -> None:
    harness.server.holds(*(a_row(i, status="CANCELED") for i in range(60)))
    binance = harness.binance()
    refs = [an_order(i) for i in range(60)]

    await binance.fetch(refs)
    await binance.fetch(refs)

    assert harness.sender.weights == [1, 6, 20, 20]


async def test_lookups_keep_to_the_limit_of_concurrent_requests(harness: Harness) -> None:
    running, most = 0, 0
    all_busy = asyncio.Event()

    async def note(request: SentRequest) -> None:
        nonlocal running, most
        if request.path != "/api/v3/order":
            return
        running += 1
        most = max(most, running)
        if running == REQUESTS_AT_ONCE:
            all_busy.set()
        await all_busy.wait()
        running -= 1

    harness.server.on_request = note
    await harness.binance().fetch([an_order(1, f"SYM{i}") for i in range(12)])

    assert most == REQUESTS_AT_ONCE == 4
    assert harness.server.paths().count("order") == 12


@pytest.mark.parametrize("spelling", ["07", "007", "0" * 19 + "7"])
async def test_id_with_leading_zeros_is_the_order_of_that_number(
    harness: Harness, spelling: str
) -> None:
    harness.server.holds(a_row(7, status="FILLED", executedQty="1.0"))
    padded = OrderRef(symbol="BTC/USDT", external_order_id=spelling)

    found = await harness.binance().fetch([padded, an_order(7)])

    assert found.failures == {}
    assert {one.external_order_id for one in found.answers.values()} == {"7", spelling}
    assert found.answers[padded].symbol == "BTC/USDT"
    assert harness.server.paths().count("order") == 1


async def test_answer_about_another_order_is_not_used(harness: Harness) -> None:
    harness.server.answers_next(
        "/api/v3/order", a_response(a_row(8, status="FILLED", executedQty="1"))
    )

    found = await harness.binance().fetch([an_order(7)])

    assert found.answers == {}
    assert isinstance(found.failures[an_order(7)], UnreadableRow)


@pytest.mark.parametrize(
    "fields",
    [{"symbol": None}, {"symbol": 1}, {"orderId": None}, {"orderId": "x"}, {"orderId": 7.5}],
)
async def test_order_without_a_name_fails_alone_and_is_no_outage(
    harness: Harness, fields: Json
) -> None:
    harness.server.holds(*(a_row(i) for i in range(1, 9)))
    for _ in range(4):
        harness.server.answers_next(
            "/api/v3/openOrders", a_response([a_row(i) for i in range(1, 7)])
        )
        harness.server.answers_next("/api/v3/order", a_response(a_row(7) | fields))

    found = await harness.binance().fetch([an_order(i) for i in range(1, 8)])

    assert found.answers.keys() == {an_order(i) for i in range(1, 7)}
    assert type(found.failures[an_order(7)]) is UnreadableRow
    assert "asked for order 7" in str(found.failures[an_order(7)])


async def test_listed_order_of_another_symbol_is_not_used(harness: Harness) -> None:
    others = [a_row(i, "ETHUSDT") for i in range(5)]
    harness.server.answers_next("/api/v3/openOrders", a_response([*others, a_row(0)]))

    found = await harness.binance().fetch([an_order(i) for i in range(5)])

    assert isinstance(found.answers.pop(an_order(0)), Report)
    assert all(isinstance(answer, Absent) for answer in found.answers.values())
    assert len(found.answers) == 4


async def test_list_of_only_another_symbol_is_not_used(harness: Harness) -> None:
    harness.server.answers_next(
        "/api/v3/openOrders", a_response([a_row(i, "ETHUSDT") for i in range(5)])
    )

    found = await harness.binance().fetch([an_order(i) for i in range(5)])

    assert found.answers == {}
    assert all(isinstance(failure, Malformed) for failure in found.failures.values())
    assert len(found.failures) == 5


async def test_listed_orders_not_asked_for_are_left_out(harness: Harness) -> None:
    harness.server.holds(*(a_row(i) for i in range(20)))
    refs = [an_order(i) for i in range(0, 20, 2)]

    found = await harness.binance().fetch(refs)

    assert harness.server.paths() == ["time", "openOrders"]
    assert found.answers.keys() == set(refs)


# Failures reach the right orders


async def test_failed_list_fails_its_symbol_alone(harness: Harness) -> None:
    harness.server.holds(*(a_row(i, symbol) for symbol in ("AAA", "BBB") for i in range(5)))

    async def break_aaa(request: SentRequest) -> CannedResponse | None:
        return error(-1001, status=500) if request.parameters.get("symbol") == "AAA" else None

    harness.server.on_request = break_aaa
    found = await harness.binance().fetch(
        [an_order(i, symbol) for symbol in ("AAA", "BBB") for i in range(5)]
    )

    assert {order.symbol for order in found.failures} == {"AAA"}
    assert len(found.failures) == 5
    assert {order.symbol for order in found.answers} == {"BBB"}
    assert len(found.answers) == 5


async def test_failed_lookup_of_round_two_keeps_round_one(harness: Harness) -> None:
    harness.server.holds(*(a_row(i) for i in range(1, 5)), a_row(9, status="FILLED"))
    harness.server.answers_next("/api/v3/order", CannedResponse(body=b"<html>", status=502))

    found = await harness.binance().fetch([an_order(i) for i in (1, 2, 3, 4, 9)])

    assert found.answers.keys() == {an_order(i) for i in range(1, 5)}
    assert found.failures.keys() == {an_order(9)}


async def test_breaker_that_opens_mid_batch_loses_no_answer(harness: Harness) -> None:
    class BreakingGuard(DirectSender):
        async def call(self, cost: Cost, send: Callable[[], Awaitable[T]], **_: object) -> T:
            if len(self.weights) == 2:
                raise BreakerOpen(retry_after_seconds=120)
            return await super().call(cost, send)

    harness.sender = BreakingGuard()
    harness.server.holds(*(a_row(i) for i in range(5)))

    found = await harness.binance().fetch([an_order(i) for i in range(7)])

    assert found.answers.keys() == {an_order(i) for i in range(5)}
    assert found.failures.keys() == {an_order(5), an_order(6)}
    assert all(isinstance(failure, BreakerOpen) for failure in found.failures.values())


async def test_bad_key_is_not_tried_again_for_the_rest_of_the_batch(harness: Harness) -> None:
    async def refuse(request: SentRequest) -> CannedResponse | None:
        return None if request.path == "/api/v3/time" else error(-2015, status=401)

    harness.server.on_request = refuse
    refs = [an_order(1, f"SYM{i}") for i in range(18)]

    found = await harness.binance().fetch(refs)

    assert found.failures.keys() == set(refs)
    assert all(isinstance(failure, Refused) for failure in found.failures.values())
    assert 1 <= harness.server.paths().count("order") <= REQUESTS_AT_ONCE


async def test_wrong_symbol_is_unanswerable_for_its_orders_alone(harness: Harness) -> None:
    harness.server.holds(*(a_row(i) for i in range(5)))

    async def know_only_btc(request: SentRequest) -> CannedResponse | None:
        is_known = request.parameters.get("symbol", "BTCUSDT") == "BTCUSDT"
        return None if is_known else error(-1121, "Invalid symbol.")

    harness.server.on_request = know_only_btc
    refs = [an_order(i, symbol) for symbol in ("BTCUSDT", "NOPE") for i in range(5)]
    found = await harness.binance().fetch(refs)

    assert found.failures == {}
    assert all(isinstance(found.answers[order], Report) for order in refs[:5])
    for order in refs[5:]:
        answer = found.answers[order]
        assert isinstance(answer, OrderFault)
        assert "Invalid symbol." in answer.detail
        assert "'NOPE'" in answer.detail


@pytest.mark.parametrize("orders", [100, 3], ids=["of all symbols", "of one symbol"])
@pytest.mark.parametrize("code", [-1101, -1102, -1104, -1105, -1130, -1128, -1111])
async def test_list_refused_for_its_form_blames_no_order(
    harness: Harness, code: int, orders: int
) -> None:
    async def refuse_lists(request: SentRequest) -> CannedResponse | None:
        is_list = request.path not in {"/api/v3/order", "/api/v3/time"}
        return error(code, "Mandatory parameter 'symbol' was not sent.") if is_list else None

    harness.server.on_request = refuse_lists
    refs = [an_order(i, f"SYM{i * 20 // orders}USDT") for i in range(orders)]
    if orders == 3:
        refs = [an_order(i) for i in range(20)]

    found = await harness.binance().fetch(refs)

    assert found.answers == {}
    assert all(isinstance(failure, Refused) for failure in found.failures.values())
    assert all(
        isinstance(failure, Refused) and "update the reconciler" in failure.hint
        for failure in found.failures.values()
    )


@pytest.mark.parametrize("code", [-9123, -2011])
@pytest.mark.parametrize("status", ["NEW", "FILLED"])
async def test_rejected_list_blames_no_order_that_is_answered(
    harness: Harness, code: int, status: str
) -> None:
    harness.server.holds(*(a_row(i, status=status) for i in range(30)))

    async def reject_lists(request: SentRequest) -> CannedResponse | None:
        is_list = request.path in {"/api/v3/openOrders", "/api/v3/allOrders"}
        return error(code, "A new rule.") if is_list else None

    harness.server.on_request = reject_lists
    refs = [an_order(i) for i in range(30)]

    found = await harness.binance().fetch(refs)

    assert found.failures == {}
    assert found.answers.keys() == set(refs)
    assert harness.server.paths().count("order") == 30


async def test_rejected_symbol_costs_three_requests(
    harness: Harness,
) -> None:
    harness.server.holds(*(a_row(i) for i in range(30)))

    async def reject(request: SentRequest) -> CannedResponse | None:
        is_time = request.path == "/api/v3/time"
        return None if is_time else error(-9123, "A new rule.")

    harness.server.on_request = reject
    refs = [an_order(i) for i in range(30)]

    found = await harness.binance().fetch(refs)

    assert found.answers == {}
    assert all(isinstance(failure, RequestRejected) for failure in found.failures.values())
    assert found.failures.keys() == set(refs)
    assert len(harness.server.paths()) <= 4


async def test_illegal_symbol_of_a_list_is_a_fault_of_the_rows(harness: Harness) -> None:
    illegal = error(-1100, "Illegal characters found in parameter 'symbol'; legal range is 'A'.")
    harness.server.answers_next("/api/v3/openOrders", illegal)
    refs = [an_order(i, "B_D") for i in range(20)]

    found = await harness.binance().fetch(refs)

    assert found.failures == {}
    assert all(isinstance(answer, OrderFault) for answer in found.answers.values())


async def test_lookup_refused_for_its_form_blames_no_order(harness: Harness) -> None:
    refused = error(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null.")
    harness.server.answers_next("/api/v3/order", refused)

    found = await harness.binance().fetch([an_order(7)])

    assert found.answers == {}
    assert isinstance(found.failures[an_order(7)], Refused)


# Kinds of errors

DOCUMENTED_MEANINGS = {
    **dict.fromkeys([-1000, -1001, -1006, -1007, -1008, -1016], Unavailable),
    **dict.fromkeys([-1002, -1022, -2008, -2014, -2015], Refused),
    **dict.fromkeys(
        (code for code in ERROR_KINDS if ERROR_KINDS[code] is ErrorKind.BAD_REQUEST), Refused
    ),
    -1003: RateLimited,
    -1021: ClockSkew,
    -9999: RequestRejected,
}
DOCUMENTED_ANSWERS = {
    **dict.fromkeys([-1100, -1102, -1105, -1108, -1130], OrderFault),
    -1121: OrderFault,
    -2013: Absent,
    -2026: Archived,
}


def test_every_code_of_the_table_is_tested() -> None:
    tested = DOCUMENTED_MEANINGS.keys() | DOCUMENTED_ANSWERS.keys()

    assert {code for code in ERROR_KINDS if code < 0} == tested - {-9999}
    assert set(ERROR_KINDS.values()) == set(ErrorKind) - {ErrorKind.REJECTED}  # any other code


@pytest.mark.parametrize(("code", "meant"), DOCUMENTED_MEANINGS.items())
async def test_error_code_about_no_order_is_a_failure(
    harness: Harness, code: int, meant: type[ExchangeError]
) -> None:
    harness.server.answers_next("/api/v3/order", error(code), error(code))

    found = await harness.binance().fetch([an_order(7)])

    assert found.answers == {}
    assert type(found.failures[an_order(7)]) is meant
    assert str(code) in str(found.failures[an_order(7)])


@pytest.mark.parametrize(("code", "meant"), DOCUMENTED_ANSWERS.items())
async def test_error_code_about_the_order_is_an_answer(
    harness: Harness, code: int, meant: type
) -> None:
    harness.server.answers_next("/api/v3/order", error(code))

    found = await harness.binance().fetch([an_order(7)])

    assert found.failures == {}
    assert type(found.answers[an_order(7)]) is meant


async def test_archived_order_is_not_reported_as_ended(harness: Harness) -> None:
    harness.server.answers_next("/api/v3/order", error(-2026))

    found = await harness.binance().fetch([an_order(7)])

    assert found.answers == {
        an_order(7): Archived(symbol="BTCUSDT", external_order_id="7", fetched_at=NOW)
    }


ANSWERED_AT = datetime(2019, 11, 13, 13, 0, tzinfo=UTC)


def banned_until(
    seconds: float, *, status: int = 418, unit: int = 1000, **headers: str
) -> CannedResponse:
    """Return a ban whose end is only in the text, as Binance sends it."""
    until = round((ANSWERED_AT.timestamp() + seconds) * unit)
    text = f"Way too much request weight used; IP banned until {until}. Please use WebSocket."
    date = format_datetime(ANSWERED_AT, usegmt=True)
    return error(-1003, text, status=status, Date=date, **headers)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(error(-1003, status=429, Retry_After="7"), 7, id="429 says how long"),
        pytest.param(error(-1003, status=429), 60, id="429 does not say"),
        pytest.param(error(-1003, status=418, Retry_After="259200"), 259_200, id="3 days' ban"),
        pytest.param(error(-1003, status=418), 120, id="ban of unsaid length"),
        pytest.param(error(-1003, status=400), 60, id="code alone"),
        pytest.param(error(-1003, status=400, Retry_After="9"), 9, id="code that says how long"),
        pytest.param(error(-1003, status=429, Retry_After="soon"), 60, id="no number"),
        pytest.param(error(-1003, status=429, Retry_After="9" * 400), 259_200, id="400 digits"),
        pytest.param(banned_until(+300), 300, id="end in the text alone"),
        pytest.param(banned_until(+300, Retry_After="7"), 300, id="text later than the header"),
        pytest.param(banned_until(+300, Retry_After="900"), 900, id="header later than the text"),
        pytest.param(banned_until(-5, status=429), 60, id="end in the text is over"),
        pytest.param(banned_until(+9e7), 259_200, id="end in the text beyond any ban"),
        pytest.param(banned_until(+300, unit=1), 300, id="end in the text in seconds"),
    ],
)
async def test_pause_lasts_as_long_as_the_exchange_asks(
    harness: Harness, answer: CannedResponse, seconds: int
) -> None:
    harness.server.answers_next("/api/v3/order", answer)

    found = await harness.binance().fetch([an_order(7)])

    failure = found.failures[an_order(7)]
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error(-2013, status=500), id="5xx with the code of an absent order"),
        pytest.param(error(-1000, status=503), id="503"),
        pytest.param(CannedResponse(body=b"<html>down</html>", status=504), id="504 without JSON"),
        pytest.param(
            CannedResponse(body=b"", status=301, headers={"Location": "/elsewhere"}), id="redirect"
        ),
        pytest.param(
            CannedResponse(body=b"<html>nothing</html>", status=404), id="404 without JSON"
        ),
        pytest.param(CannedResponse(body=b"\xff\xfe", status=400), id="400 without text"),
    ],
)
async def test_answer_that_says_nothing_about_the_order_is_unavailable(
    harness: Harness, answer: CannedResponse
) -> None:
    harness.server.answers_next("/api/v3/order", answer)

    found = await harness.binance().fetch([an_order(7)])

    assert found.answers == {}
    assert type(found.failures[an_order(7)]) is Unavailable
    assert harness.server.paths() == ["time", "order"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"symbol":"BTCUSDT","orderId":7', id="truncated"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list for an order"),
        pytest.param(b'{"symbol":"BTCUSDT","orderId":7.5,"status":"NEW"}', id="no order"),
        pytest.param(b'{"symbol":"\xff","orderId":7}', id="no text"),
    ],
)
async def test_answer_that_cannot_be_read_is_malformed(harness: Harness, body: bytes) -> None:
    harness.server.answers_next("/api/v3/order", CannedResponse(body=body))

    found = await harness.binance().fetch([an_order(7)])

    assert type(found.failures[an_order(7)]) is Malformed


async def test_malformed_answer_is_quoted_without_signature(harness: Harness) -> None:
    echo = b'no such page: /api/v3/order?signature=0123456789abcdef&x=1 "signature": "fedc98"'
    harness.server.answers_next("/api/v3/order", CannedResponse(body=echo))

    found = await harness.binance().fetch([an_order(7)])

    text = str(found.failures[an_order(7)])
    assert "no such page" in text
    assert "0123456789abcdef" not in text
    assert "fedc98" not in text


# Credentials


def test_signature_equals_that_of_the_published_example() -> None:
    query = percent_encode(
        {
            "symbol": "LTCBTC",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "1",
            "price": "0.1",
            "recvWindow": "5000",
            "timestamp": "1499827319559",
        }
    )

    # rest-api.md, "SIGNED Endpoint Examples", read 2026-11-24. Published, so no secret.
    key = HmacKey(secret=b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")

    signature = signature_of(key, query)

    assert signature == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def is_signed(request: SentRequest) -> bool:
    signed, _, signature = request.query.rpartition("&signature=")
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return signature == expected


async def test_request_is_signed_as_it_arrives(harness: Harness) -> None:
    harness.server.answers_next("/api/v3/order", error(-1121))

    found = await harness.binance().fetch([an_order(7, "X\u00fc")])

    request = harness.server.requests[-1]
    assert is_signed(request)
    assert request.headers["x-mbx-apikey"] == "made-up-key"
    assert parse_qs(request.query)["symbol"] == ["X\u00fc"]
    assert [type(answer) for answer in found.answers.values()] == [OrderFault]
    assert request.parameters["recvWindow"] == "5000"
    assert "authorization" not in request.headers


async def test_bearer_token_goes_without_signature(harness: Harness) -> None:
    harness.server.holds(a_row(7))

    await harness.binance(BEARER).fetch([an_order(7)])

    (request,) = harness.server.requests
    assert request.headers["authorization"] == "Bearer made.up.token"
    assert request.parameters == {"symbol": "BTCUSDT", "orderId": "7"}


async def test_request_without_credentials_is_sent_unsigned(harness: Harness) -> None:
    harness.server.holds(a_row(7))

    found = await harness.binance(Credentials()).fetch([an_order(7)])

    (request,) = harness.server.requests
    assert len(found.answers) == 1
    assert request.parameters == {"symbol": "BTCUSDT", "orderId": "7"}
    assert not {"authorization", "x-mbx-apikey"} & request.headers.keys()


@pytest.mark.parametrize(
    ("credentials", "named"),
    [(SIGNED, ["EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"]), (BEARER, ["TEST_JWT"])],
)
async def test_refusal_hints_at_the_setting_to_fix(
    harness: Harness, credentials: Credentials, named: list[str]
) -> None:
    harness.server.answers_next("/api/v3/order", error(-2015, "token has expired", status=401))

    found = await harness.binance(credentials).fetch([an_order(7)])

    failure = found.failures[an_order(7)]
    assert isinstance(failure, Refused)
    assert "token has expired" in str(failure)
    assert all(name in failure.hint for name in named)


async def test_block_of_this_location_blames_no_key(harness: Harness) -> None:
    harness.server.answers_next(
        "/api/v3/order", error(0, "Service unavailable from a restricted location", status=451)
    )

    found = await harness.binance().fetch([an_order(7)])

    failure = found.failures[an_order(7)]
    assert isinstance(failure, Refused)
    assert "restricted location" in str(failure)
    assert "from a place that the exchange serves" in failure.hint
    assert "EXCHANGE_API" not in failure.hint


async def test_no_repr_log_or_error_shows_a_secret(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="reconciler")
    harness.server.answers_next("/api/v3/order", error(-2015, status=401))

    found = await harness.binance().fetch([an_order(7)])

    signature = harness.server.requests[-1].parameters["signature"]
    failure = found.failures[an_order(7)]
    assert isinstance(failure, Refused)
    shown = f"{failure!r} {failure.hint} {caplog.messages}"
    assert signature not in shown
    assert SECRET not in shown
    assert "made-up-key" not in shown


# Clocks


async def test_timestamp_is_by_the_exchanges_clock(harness: Harness) -> None:
    harness.server.time = NOW + timedelta(seconds=3)

    await harness.binance().fetch([an_order(7)])

    assert harness.server.paths() == ["time", "order"]
    assert harness.server.requests[-1].parameters["timestamp"] == str(
        round((NOW.timestamp() + 3) * 1000)
    )


async def test_refused_timestamp_is_replaced_and_sent_again_once(harness: Harness) -> None:
    harness.server.holds(a_row(7))
    binance = harness.binance()
    await binance.fetch([an_order(7)])
    harness.server.time = NOW - timedelta(seconds=2)
    harness.server.answers_next("/api/v3/order", error(-1021))

    found = await binance.fetch([an_order(7)])

    assert isinstance(found.answers[an_order(7)], Report)
    assert harness.server.paths() == ["time", "order", "order", "time", "order"]
    assert harness.server.requests[-1].parameters["timestamp"] == str(
        round((NOW.timestamp() - 2) * 1000)
    )


async def test_timestamp_refused_twice_is_clock_skew(harness: Harness) -> None:
    harness.server.answers_next("/api/v3/order", error(-1021), error(-1021))

    found = await harness.binance().fetch([an_order(7)])

    assert isinstance(found.failures[an_order(7)], ClockSkew)
    assert harness.server.paths() == ["time", "order", "time", "order"]


async def test_late_refusal_does_not_discard_the_new_offset(harness: Harness) -> None:
    refused = 0
    both_sent, renewed = asyncio.Event(), asyncio.Event()

    async def refuse_two_and_the_second_late(request: SentRequest) -> CannedResponse | None:
        nonlocal refused
        if request.path != "/api/v3/order":
            return None
        if harness.server.paths().count("time") > 1:
            renewed.set()
            return None
        refused += 1
        if refused == 1:
            await both_sent.wait()
        else:
            both_sent.set()
            await renewed.wait()
        return error(-1021)

    harness.server.on_request = refuse_two_and_the_second_late
    found = await harness.binance().fetch([an_order(1, "AAA"), an_order(1, "BBB")])

    assert found.failures == {}
    assert refused == 2
    assert harness.server.paths().count("time") == 2


# Account, clock offset, close


async def test_binance_adapter_implements_the_exchange_protocol(harness: Harness) -> None:
    exchange: Exchange = harness.binance()

    assert exchange.venue.base_url == harness.server.url


async def test_account_has_our_identity_and_the_clock_offset(harness: Harness) -> None:
    harness.server.time = NOW + timedelta(milliseconds=250)

    account = await harness.binance(BEARER).fetch_account()

    assert account.identity == "354937868"
    assert account.clock_offset == timedelta(milliseconds=250)
    assert harness.sender.weights == [20, 1]


async def test_clock_offset_is_read_each_time_at_the_least_weight(
    harness: Harness,
) -> None:
    binance = harness.binance()
    harness.server.time = NOW + timedelta(milliseconds=250)
    first = await binance.fetch_clock_offset()
    harness.server.time = NOW - timedelta(milliseconds=250)

    second = await binance.fetch_clock_offset()

    assert (first, second) == (timedelta(milliseconds=250), timedelta(milliseconds=-250))
    assert harness.sender.weights == [1, 1]


async def test_symbols_are_asked_for_unsigned_and_everything_else_is_skipped(
    harness: Harness,
) -> None:
    listed = [{"symbol": name, "filters": [{"tickSize": "0.1"}]} for name in ("BTCUSDT", "币USDT")]
    harness.server.answers_next("/api/v3/exchangeInfo", a_response({"symbols": listed}))
    binance = harness.binance()

    symbols = await binance.fetch_symbols()

    assert symbols == {"BTCUSDT", "币USDT"}
    assert binance.request_symbol("btc-usdt") in symbols
    assert [request.query for request in harness.server.requests] == ["showPermissionSets=false"]
    assert harness.sender.weights == [20]


@pytest.mark.parametrize(
    "answer",
    [
        a_response({"symbols": [{"symbol": str(number)} for number in range(100_001)]}),
        a_response({"symbols": [{"symbol": "A" * 101}]}),
        a_response({"symbols": [{"symbol": ""}]}),
        a_response({"code": 0}),
        a_response([]),
    ],
    ids=["too many", "too long a name", "an empty name", "no list", "no object"],
)
async def test_what_is_no_list_of_symbols_is_not_believed(
    harness: Harness, answer: CannedResponse
) -> None:
    harness.server.answers_next("/api/v3/exchangeInfo", answer)

    with pytest.raises(Malformed):
        await harness.binance().fetch_symbols()


async def test_a_list_of_symbols_may_be_longer_than_an_answer_about_orders(
    harness: Harness,
) -> None:
    listed = [{"symbol": "BTCUSDT", "rules": "x" * 9 * 2**20}]
    harness.server.answers_next("/api/v3/exchangeInfo", a_response({"symbols": listed}))

    assert await harness.binance().fetch_symbols() == {"BTCUSDT"}


async def test_used_weight_of_every_answer_reaches_the_budget(harness: Harness) -> None:
    harness.server.answers_next(
        "/api/v3/order",
        error(-2013, X_MBX_USED_WEIGHT_1M="123"),
        error(-1000, X_MBX_USED_WEIGHT_1M="127"),
    )

    await harness.binance().fetch([an_order(7)])
    await harness.binance().fetch([an_order(7)])

    assert [reading.used for reading in harness.budget.readings] == [123, 127]


async def test_closing_the_exchange_closes_its_connections(harness: Harness) -> None:
    binance = harness.binance()
    await binance.fetch([an_order(7)])

    await binance.close()

    assert harness.clients[0].is_closed


def test_every_documented_status_is_mapped() -> None:
    # enums.md, "Order status (status)", read 2026-11-24.
    documented = {
        "NEW",
        "PENDING_NEW",
        "PARTIALLY_FILLED",
        "FILLED",
        "CANCELED",
        "PENDING_CANCEL",
        "REJECTED",
        "EXPIRED",
        "EXPIRED_IN_MATCH",
    }

    assert set(STATUSES) == documented
    assert set(STATUSES.values()) == set(Status)
    assert not STATUSES["PENDING_CANCEL"].is_terminal


def test_symbol_is_sent_as_the_exchange_writes_it() -> None:
    assert {request_symbol(s) for s in ("BTC/USDT", "btc-usdt", "BtcUsdt")} == {"BTCUSDT"}


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("币安人生/usdt", "币安人生USDT"), ("straße-usdt", "STRAßEUSDT"), ("éusdt", "éUSDT")],
)
def test_symbol_letters_of_other_scripts_are_unchanged(symbol: str, expected: str) -> None:
    assert request_symbol(symbol) == expected


async def test_answer_is_freed_without_garbage_collection(
    harness: Harness,
) -> None:
    harness.server.holds(a_row(7))
    binance = harness.binance()
    gc.collect()
    gc.disable()
    try:
        before = responses()

        await binance.fetch([an_order(7)])

        assert responses() == before
    finally:
        gc.enable()


def responses() -> int:
    return sum(isinstance(thing, httpx.Response) for thing in gc.get_objects())
