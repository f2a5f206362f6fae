"""Hostile answers as raw bytes: each ends in the right failure of the right order."""

import asyncio
import gzip
import json
import ssl
import subprocess
import traceback
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.report import OrderFault, Report
from reconciler.errors import ExchangeError, Malformed, RateLimited, Unavailable, UnreadableRow
from reconciler.exchanges.base import LookupResult, OrderRef
from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE, Binance
from reconciler.exchanges.binance.constants import VENUE
from reconciler.exchanges.binance.raw_orders import RawOrder, decode_order
from reconciler.exchanges.binance.reports import to_report
from reconciler.exchanges.http_client import MAX_ANSWER_BYTES
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.resilience.limits import LimitReading
from reconciler.resilience.nonces import LocalNonces
from reconciler.settings import Credentials
from tests.exchanges.fakes import RecordingBudget

T = TypeVar("T")
Json = dict[str, Any]

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PATIENCE_SECONDS = 300.0
IDS = (1, 2, 3, 4, 5)
ALL = frozenset(IDS)


def a_row(order_id: object = 1, **fields: object) -> Json:
    return {
        "symbol": "BTCUSDT",
        "orderId": order_id,
        "origQty": "1.0",
        "executedQty": "0.5",
        "cummulativeQuoteQty": "5.0",
        "origQuoteOrderQty": "0.0",
        "status": "PARTIALLY_FILLED",
        "side": "BUY",
        "clientOrderId": "mine",
        "time": 1499827319559,
        **fields,
    }


def written(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def an_answer(body: object, status: str = "200 OK", *headers: str, length: object = None) -> bytes:
    plain = written(body)
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length or len(plain)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + plain


def in_chunks(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def a_list(*changed: object) -> list[object]:
    """Return the list of all open orders, with `changed` instead of the first ones."""
    return [*changed, *(a_row(order_id) for order_id in IDS[len(changed) :])]


def raw_list(first: bytes) -> bytes:
    """Return the encoded list with `first` as its first row."""
    return b"[" + first + b"," + b",".join(written(a_row(i)) for i in IDS[1:]) + b"]"


@dataclass
class RawServer:
    """A server on loopback that sends `next_answers` unchanged, then right answers."""

    next_answers: list[bytes] = field(default_factory=list)
    firewall_blocks: Callable[[str], bool] = lambda _: False
    time: bytes = b'{"serverTime": %d}' % (NOW.timestamp() * 1000)
    targets: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ")[1].decode()
                self.targets.append(target)
                self.asked.set()
                await self.may_answer.wait()
                writer.write(self.answer_to(target))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer_to(self, target: str) -> bytes:  # noqa: PLR0911 - one for each path
        if self.firewall_blocks(target):
            return an_answer(b"<html>403 Forbidden</html>", "403 Forbidden")
        address = urlsplit(target)
        given = dict(parse_qsl(address.query))
        match address.path:
            case "/api/v3/time":
                return an_answer(self.time)
            case "/api/v3/account":
                return an_answer({"uid": 1})
            case _ if self.next_answers:
                return self.next_answers.pop(0)
            case "/api/v3/order":
                return an_answer(a_row(int(given["orderId"]), symbol=given["symbol"]))
            case "/api/v3/allOrders":
                first = int(given["orderId"])
                rows = [a_row(i, symbol=given["symbol"]) for i in range(1, 601) if i >= first]
                return an_answer(rows)
            case _:
                symbol = given.get("symbol", "BTCUSDT")
                return an_answer([a_row(i, symbol=symbol) for i in range(1, 601)])

    def paths(self) -> list[str]:
        return [urlsplit(target).path.removeprefix("/api/v3/") for target in self.targets]


class FakeBudget(RecordingBudget):
    async def observe(self, reading: LimitReading) -> None:
        await super().observe(reading)
        await self.while_observing()

    async def while_observing(self) -> None: ...


@dataclass
class Harness:
    venue: RawServer
    binance: Binance
    budget: FakeBudget

    async def fetch(self, *order_ids: int, symbol: str = "BTCUSDT") -> LookupResult:
        return await self.binance.fetch([an_order(i, symbol) for i in order_ids])


@asynccontextmanager
async def opened(
    venue: RawServer, *, server_tls: ssl.SSLContext | None = None, trusts: str | None = None
) -> AsyncIterator[Harness]:
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0, ssl=server_tls)
    scheme = "http" if server_tls is None else "https"
    venue.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client_tls = ssl.create_default_context(cafile=trusts)
    budget = FakeBudget()
    binance = Binance(
        venue=replace(VENUE, base_url=venue.url),
        client=httpx.AsyncClient(trust_env=False, verify=client_tls),
        sender=SingleAttempt(PATIENCE_SECONDS),
        budget=budget,
        credentials=Credentials(),
        clock=lambda: NOW,
        requests_at_once=REQUESTS_AT_ONCE,
        nonces=LocalNonces(),
    )
    async with server:
        try:
            yield Harness(venue=venue, binance=binance, budget=budget)
        finally:
            await binance.close()


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async with opened(RawServer()) as one:
        yield one


def an_order(order_id: object, symbol: str = "BTCUSDT") -> OrderRef:
    return OrderRef(symbol=symbol, external_order_id=str(order_id))


def doubled(name: str, raw: str) -> bytes:
    return written(a_row(1))[:-1] + f', "{name}": {raw}}}'.encode()


BOMB = gzip.compress(b"[" + b" " * (MAX_ANSWER_BYTES + 10), 9)
NESTED = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
ONE_ROW = written(a_row(1))

# Hostile lists, and which of their five orders each makes fail.
LISTS: dict[str, tuple[bytes, frozenset[int], type[ExchangeError]]] = {
    "quantity is null": (an_answer(a_list(a_row(executedQty=None))), frozenset({1}), UnreadableRow),
    "quantity is a number": (
        an_answer(a_list(a_row(executedQty=1))),
        frozenset({1}),
        UnreadableRow,
    ),
    "quantity is missing": (
        an_answer(a_list({"symbol": "BTCUSDT", "orderId": 1, "status": "NEW"})),
        frozenset({1}),
        UnreadableRow,
    ),
    "status is null": (an_answer(a_list(a_row(status=None))), frozenset({1}), UnreadableRow),
    "status is an object": (an_answer(a_list(a_row(status={}))), frozenset({1}), UnreadableRow),
    "quote is true": (
        an_answer(a_list(a_row(cummulativeQuoteQty=True))),
        frozenset({1}),
        UnreadableRow,
    ),
    "id is text": (an_answer(a_list(a_row("1"))), frozenset({1}), UnreadableRow),
    "a bare NaN, which is no JSON": (
        an_answer(raw_list(ONE_ROW.replace(b'"0.5"', b"NaN"))),
        frozenset({1}),
        UnreadableRow,
    ),
    "a bare number beyond every float": (
        an_answer(raw_list(ONE_ROW.replace(b'"0.5"', b"1e999999"))),
        frozenset({1}),
        UnreadableRow,
    ),
    "status twice": (
        an_answer(raw_list(doubled("status", '"CANCELED"'))),
        frozenset({1}),
        UnreadableRow,
    ),
    "quantity twice, once in escapes": (
        an_answer(raw_list(doubled(r"\u0065xecutedQty", '"0.9"'))),
        frozenset({1}),
        UnreadableRow,
    ),
    "quote twice": (
        an_answer(raw_list(doubled("cummulativeQuoteQty", '"9"'))),
        frozenset({1}),
        UnreadableRow,
    ),
    "quote twice in one order, and missing in another": (
        an_answer(
            b"[%s,%s,%s]"
            % (
                doubled("cummulativeQuoteQty", '"9"'),
                written({k: v for k, v in a_row(2).items() if k != "cummulativeQuoteQty"}),
                b",".join(written(a_row(i)) for i in IDS[2:]),
            )
        ),
        frozenset({1}),
        UnreadableRow,
    ),
    "one order twice, in two ways": (
        an_answer([*a_list(), a_row(1, status="CANCELED")]),
        frozenset({1}),
        UnreadableRow,
    ),
    "two orders unreadable in two ways": (
        an_answer(a_list(a_row(1, executedQty=[]), a_row(2, executedQty="1_0"))),
        frozenset({1, 2}),
        UnreadableRow,
    ),
    "a byte behind the answer": (an_answer(a_list()) + b"\n", ALL, Malformed),
    "a second answer": (an_answer(a_list()) + an_answer([]), ALL, Malformed),
    "a second answer behind chunks": (
        in_chunks(written(a_list())) + an_answer([]),
        ALL,
        Malformed,
    ),
    "too short a length": (an_answer(a_list(), length=20), ALL, Malformed),
    "a length of two kinds": (
        in_chunks(written(a_list()), "Content-Length: 9"),
        ALL,
        Malformed,
    ),
    "a page of HTML": (an_answer(b"<html>"), ALL, Malformed),
    "an object": (an_answer(a_row(1)), ALL, Malformed),
    "a text": (an_answer("[]"), ALL, Malformed),
    "cut": (an_answer(written(a_list())[:-5]), ALL, Malformed),
    "nested 50,000 deep": (an_answer(NESTED), ALL, Malformed),
    "an order with a field nested 50,000 deep": (
        an_answer(raw_list(ONE_ROW[:-1] + b', "new": ' + NESTED + b"}")),
        ALL,
        Malformed,
    ),
    "a million empty lists": (an_answer(b"[" + b"[]," * 1_000_000 + b"[]]"), ALL, Malformed),
    "a million zeros": (an_answer(b"[" + b"0," * 1_000_000 + b"0]"), ALL, Malformed),
    "larger than any answer": (an_answer(b" " * (MAX_ANSWER_BYTES + 1)), ALL, Malformed),
    "a gzip bomb": (an_answer(BOMB, "200 OK", "Content-Encoding: gzip"), ALL, Malformed),
    "gzip in gzip": (
        an_answer(gzip.compress(BOMB), "200 OK", "Content-Encoding: gzip, gzip"),
        ALL,
        Malformed,
    ),
    "gzip, cut": (
        an_answer(gzip.compress(written(a_list()))[:-9], "200 OK", "Content-Encoding: gzip"),
        ALL,
        Malformed,
    ),
    "two gzips behind one another": (
        an_answer(gzip.compress(b"[") + gzip.compress(b"]"), "200 OK", "Content-Encoding: gzip"),
        ALL,
        Malformed,
    ),
    "packed in a way that was not asked for": (
        an_answer(written(a_list()), "200 OK", "Content-Encoding: br"),
        ALL,
        Malformed,
    ),
    "orders of another symbol": (
        an_answer([a_row(i, symbol="ETHUSDT") for i in IDS]),
        ALL,
        Malformed,
    ),
    "two lengths that differ": (
        an_answer(a_list(), "200 OK", "Content-Length: 7"),
        ALL,
        Unavailable,
    ),
    "headers of a megabyte": (
        an_answer(a_list(), "200 OK", "X-Long: " + "x" * 1_000_000),
        ALL,
        Unavailable,
    ),
    "ten thousand headers": (
        an_answer(a_list(), "200 OK", *(f"X-{number}: {'x' * 20}" for number in range(10_000))),
        ALL,
        Unavailable,
    ),
    "a status that is none": (an_answer(a_list(), "OK"), ALL, Unavailable),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ALL, Unavailable),
}


@pytest.mark.parametrize(("raw", "failed", "kind"), LISTS.values(), ids=LISTS)
async def test_hostile_list_fails_only_the_orders_it_is_about(
    harness: Harness, raw: bytes, failed: frozenset[int], kind: type[ExchangeError]
) -> None:
    harness.venue.next_answers = [raw]

    found = await harness.fetch(*IDS)
    again = await harness.fetch(*IDS)

    assert set(found.failures) == {an_order(i) for i in failed}
    assert {type(failure) for failure in found.failures.values()} == {kind}
    assert found.answers.keys() == {an_order(i) for i in ALL - failed}
    assert all(isinstance(answer, Report) for answer in found.answers.values())
    if kind is UnreadableRow:
        assert all(
            f"order {order.external_order_id} of BTCUSDT" in str(failure)
            for order, failure in found.failures.items()
        )
    assert max(len(str(failure)) for failure in found.failures.values()) < 1000
    assert again.failures == {}, "the next answer was not its own"
    assert len(again.answers) == len(IDS)


@pytest.mark.parametrize(
    "name", ["larger than any answer", "a gzip bomb", "two gzips behind one another", "cut"]
)
async def test_failure_does_not_keep_the_answer(harness: Harness, name: str) -> None:
    harness.venue.next_answers = [LISTS[name][0]]

    found = await harness.fetch(*IDS)

    (failure, *_) = found.failures.values()
    assert failure.__context__ is None
    frames = traceback.walk_tb(failure.__traceback__)
    kept = {name for frame, _ in frames for name in frame.f_locals}
    assert not kept & {"packed", "parts", "plain", "body", "reply", "response"}


WELL = {
    "fields nobody knows": an_answer(a_list(a_row(1, new={"deep": [1, {"status": "NEW"}]}))),
    "a name of ours as a value": an_answer(a_list(a_row(1, clientOrderId="status"))),
    "escapes in a value": an_answer(a_list(a_row(1, clientOrderId='a"b\\c'))),
    "optional fields in one row only": an_answer(
        [a_row(1), *({k: v for k, v in a_row(i).items() if k != "side"} for i in IDS[1:])]
    ),
    "one order twice, in the same way": an_answer([*a_list(), a_row(1)]),
    "gzip": an_answer(gzip.compress(written(a_list())), "200 OK", "Content-Encoding: gzip"),
    "deflate": an_answer(zlib.compress(written(a_list())), "200 OK", "Content-Encoding: DEFLATE"),
    "chunks": in_chunks(written(a_list())),
    "used weight of 5,000 digits": an_answer(
        a_list(), "200 OK", f"X-MBX-USED-WEIGHT-1M: {'9' * 5000}"
    ),
    "used weight of 10^30": an_answer(a_list(), "200 OK", f"X-MBX-USED-WEIGHT-1M: {10**30}"),
    "used weight in other digits": an_answer(a_list(), "200 OK", "X-MBX-USED-WEIGHT-1M: \u0661"),
}


@pytest.mark.parametrize("raw", WELL.values(), ids=WELL)
async def test_unusual_but_valid_list_is_read(harness: Harness, raw: bytes) -> None:
    harness.venue.next_answers = [raw]

    found = await harness.fetch(*IDS)

    assert found.failures == {}
    assert found.answers.keys() == {an_order(i) for i in IDS}
    assert harness.budget.readings == []


@given(milliseconds=st.integers(min_value=1, max_value=4_102_444_799_999))
def test_time_of_an_order_is_exact_to_the_millisecond(milliseconds: int) -> None:
    raw = decode_order(written(a_row(time=milliseconds)))
    assert isinstance(raw, RawOrder)

    report = to_report(an_order(1), raw, NOW)

    assert report.placed_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=milliseconds
    )


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(a_row(None), id="no id"),
        pytest.param(a_row(1.5), id="fraction"),
        pytest.param("order", id="text"),
        pytest.param(None, id="null"),
    ],
)
async def test_row_without_symbol_and_id_proves_nothing(harness: Harness, first: object) -> None:
    harness.venue.next_answers = [an_answer(a_list(first))]

    found = await harness.fetch(*IDS)

    assert found.failures == {}
    assert isinstance(found.answers[an_order(1)], Report)
    assert harness.venue.paths() == ["openOrders", "order"]


LATE = {
    "an order of another id": an_answer(a_row(2, status="CANCELED")),
    "no such order": an_answer({"code": -2013, "msg": "Order does not exist."}, "400 Bad Request"),
    "archived": an_answer({"code": -2026, "msg": "Archived."}, "400 Bad Request"),
}


@pytest.mark.parametrize("unrequested", LATE.values(), ids=LATE)
async def test_unrequested_answer_is_not_used_for_the_next_request(
    harness: Harness, unrequested: bytes
) -> None:
    await harness.fetch(1)
    harness.venue.next_answers = [unrequested + an_answer(a_row(1))]

    first = await harness.fetch(1)
    later = [await harness.fetch(order_id) for order_id in (1, 2, 3)]

    assert first.answers == {}
    assert isinstance(first.failures[an_order(1)], Malformed)
    assert all(isinstance(answer, Report) for one in later for answer in one.answers.values())
    assert harness.venue.connections == 2


async def test_unusable_answer_closes_no_connection_that_another_request_has(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.fetch(1)
    others: list[asyncio.Task[LookupResult]] = []

    async def ask_for_another() -> None:
        harness.venue.may_answer.clear()
        harness.venue.asked.clear()
        others.append(asyncio.create_task(harness.fetch(2)))
        await harness.venue.asked.wait()

    monkeypatch.setattr(harness.budget, "while_observing", ask_for_another)
    names_another = an_answer(a_row(9), "200 OK", "X-MBX-USED-WEIGHT-1M: 5")
    harness.venue.next_answers = [names_another]

    first = await harness.fetch(1)
    harness.venue.may_answer.set()
    second = await others[0]

    assert isinstance(first.failures[an_order(1)], Malformed)
    assert isinstance(second.answers.get(an_order(2)), Report), second.failures


async def test_unreadable_lookup_fails_only_its_order(harness: Harness) -> None:
    harness.venue.next_answers = [an_answer(a_row(1, executedQty=None))]

    found = await harness.fetch(1)

    assert isinstance(found.failures[an_order(1)], UnreadableRow)
    assert harness.venue.connections == 1


async def test_unknown_status_word_is_shortened_to_plain_ascii(harness: Harness) -> None:
    harness.venue.next_answers = [an_answer(a_row(1, status="\x1b[2J\x00\ud800" + "X" * 1_000_000))]

    found = await harness.fetch(1)

    answer = found.answers[an_order(1)]
    assert isinstance(answer, Report)
    assert len(answer.word) <= 40
    assert answer.word.isascii()
    assert answer.word.isprintable()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"1" + b"0" * 18, "1000000000000000000 ms"),
        (b"-1" + b"0" * 18, "ms since 1970"),
        (b"0", "1970-01-01"),
        (b"9" * 5000, "unreadable"),
        (b"1e400", "unreadable"),
        (b"1.5", "unreadable"),
    ],
)
async def test_impossible_server_time_is_a_named_failure(
    harness: Harness, raw: bytes, message: str
) -> None:
    harness.venue.time = b'{"serverTime": %s}' % raw

    with pytest.raises(Unavailable, match=message):
        await harness.binance.fetch_clock_offset()


# Invalid symbols and ids


@pytest.mark.parametrize(
    ("order_id", "reason"),
    [
        ("x-9d1a-order", "looks like a client order id"),
        ("1 union select 2", "looks like a client order id"),
        ("3f2b6c1e-0f0e-4b52-8f43-0c3a5f5c7c11", "looks like a client order id"),
        (" 12", "no blank"),
        ("-12", "no sign"),
        ("\uff11\uff12", "no digit of another script"),
        ("1" * 21, "1 to 20 digits"),
    ],
)
async def test_invalid_order_id_is_answered_without_asking(
    harness: Harness, order_id: str, reason: str
) -> None:
    found = await harness.binance.fetch([an_order(order_id), an_order(1)])

    answer = found.answers[an_order(order_id)]
    assert isinstance(answer, OrderFault)
    assert reason in answer.detail
    assert isinstance(found.answers[an_order(1)], Report)
    assert harness.venue.paths() == ["order"]


@pytest.mark.parametrize("symbol", ["BTC USDT", "'; drop table", "A\x00B", "<script>"])
async def test_invalid_symbol_is_answered_without_asking(harness: Harness, symbol: str) -> None:
    found = await harness.fetch(1, symbol=symbol)

    assert isinstance(found.answers[an_order(1, symbol)], OrderFault)
    assert harness.venue.targets == []


# The firewall


async def test_order_blocked_by_a_firewall_fails_alone(
    harness: Harness,
) -> None:
    harness.venue.firewall_blocks = lambda target: "orderId=666&" in f"{target}&"

    found = await harness.binance.fetch([an_order(i) for i in (*range(1, 601), 666)])

    refused = found.answers.pop(an_order(666))
    assert isinstance(refused, OrderFault)
    assert "a firewall refuses requests that name it" in refused.detail
    assert len(found.answers) == 600
    assert all(isinstance(answer, Report) for answer in found.answers.values())
    assert found.failures == {}
    assert len(harness.venue.targets) < 10


async def test_symbol_blocked_by_a_firewall_is_found_quickly(harness: Harness) -> None:
    harness.venue.firewall_blocks = lambda target: "SELECTUSDT" in target
    refs = [an_order(i, symbol) for symbol in ("BTCUSDT", "SELECTUSDT") for i in range(1, 41)]

    found = await harness.binance.fetch(refs)

    assert found.failures == {}
    kinds = {type(found.answers[order]) for order in refs[:40]}
    assert kinds == {Report}
    assert {type(found.answers[order]) for order in refs[40:]} == {OrderFault}
    assert len([target for target in harness.venue.targets if "SELECTUSDT" in target]) <= 6


async def test_order_id_blocked_by_a_firewall_fails_its_order_alone(harness: Harness) -> None:
    harness.venue.firewall_blocks = lambda target: (
        "allOrders" in target or "orderId=1&" in (f"{target}&")
    )
    harness.venue.next_answers = [an_answer([])]

    found = await harness.fetch(*range(1, 41))

    assert isinstance(found.answers.pop(an_order(1)), OrderFault)
    assert {type(answer) for answer in found.answers.values()} == {Report}
    assert len(found.answers) == 39
    assert found.failures == {}


async def test_firewall_that_blocks_everything_causes_a_pause(harness: Harness) -> None:
    harness.venue.firewall_blocks = lambda _: True

    found = await harness.fetch(*IDS)

    assert found.answers == {}
    assert found.failures.keys() == {an_order(i) for i in IDS}
    for failure in found.failures.values():
        assert isinstance(failure, RateLimited)
        assert failure.retry_after_seconds == 300


async def test_unlisted_symbol_gets_an_explanation(harness: Harness) -> None:
    error = an_answer({"code": -1121, "msg": "Invalid symbol."}, "400 Bad Request")
    harness.venue.next_answers = [error]

    found = await harness.fetch(1)

    answer = found.answers[an_order(1)]
    assert isinstance(answer, OrderFault)
    assert "delisted, renamed, or is misspelt" in answer.detail


# Over TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, and its key."""
    public, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(public)]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)  # noqa: S603 - ours
    return public, key


async def test_bytes_after_an_answer_are_detected_within_tls(
    certificate: tuple[Path, Path],
) -> None:
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(*certificate)
    venue = RawServer()
    async with opened(venue, server_tls=server_tls, trusts=str(certificate[0])) as harness:
        good = [await harness.fetch(1), await harness.fetch(2)]
        kept = venue.connections
        venue.next_answers = [an_answer(a_row(1)) + an_answer(a_row(2, status="CANCELED"))]
        first, second = await harness.fetch(1), await harness.fetch(2)

    assert all(one.failures == {} for one in good)
    assert kept == 1, "a connection is not kept"
    assert isinstance(first.failures[an_order(1)], Malformed)
    answer = second.answers[an_order(2)]
    assert isinstance(answer, Report)
    assert answer.word == "PARTIALLY_FILLED"
