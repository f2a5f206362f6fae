"""A real HTTP server on loopback: it answers as Kraken's documentation says, or as a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
from pydantic import SecretStr

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken import ADAPTER
from reconciler.exchanges.kraken.adapter import Kraken
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, GrowingNonces, UnlimitedBudget

from .raw import body_of

T = TypeVar("T")

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEY = "4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX"
"""docs.kraken.com, "Get API Key Info", the example; read 2026-11-28."""
SECRET = "bWFkZSB1cCBmb3IgdGVzdHM="
CREDENTIALS = Credentials(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET))

KEY_INFO: Mapping[str, Any] = {
    "apiKeyName": "my-api-key",
    "apiKey": KEY,
    "nonce": "1772627060997",
    "nonceWindow": 0,
    "permissions": ["query-funds", "query-open-trades", "query-closed-trades"],
    "iban": "AA88 N84G WOAK NMOI",
    "validUntil": "0",
    "queryFrom": "0",
    "queryTo": "0",
    "createdTime": "1772542900",
    "modifiedTime": "1772543095",
    "ipAllowlist": [],
    "lastUsed": "1772627061",
}


def txid(number: int) -> str:
    """Return the id of the order `number`."""
    digits = f"{number:016d}"
    return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def ref_of(number: int, symbol: str = "XBTUSD") -> OrderRef:
    """Return the order `number`."""
    return OrderRef(symbol=symbol, external_order_id=txid(number))


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """A request as the server received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer for the server to send."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def result(value: object) -> Answer:
    return Answer(body=json.dumps({"error": [], "result": value}).encode())


def errors(*texts: str, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body=json.dumps({"error": list(texts)}).encode(), status=status, headers=named)


class KrakenServer:
    """Holds orders by id. `next_answers` come first, by the last part of the path."""

    def __init__(self) -> None:
        self.orders: dict[str, Mapping[str, Any]] = {}
        self.rejected_ids: dict[str, str] = {}
        self.key_info = KEY_INFO
        self.requests: list[SentRequest] = []
        self.next_answers: dict[str, list[Answer]] = {}
        self.url = ""

    def answers_next(self, name: str, *answers: Answer) -> None:
        self.next_answers.setdefault(name, []).extend(answers)

    def names(self) -> list[str]:
        """Return the requests so far, each by the last part of its path."""
        return [request.path.rpartition("/")[2] for request in self.requests]

    def answer_to(self, request: SentRequest) -> Answer:
        name = request.path.rpartition("/")[2]
        waiting = self.next_answers.get(name)
        if waiting:
            return waiting.pop(0)
        answers: Mapping[str, Callable[[SentRequest], Answer]] = {
            "Time": lambda _: result({"unixtime": int(NOW.timestamp()), "rfc1123": ""}),
            "AssetPairs": lambda _: result(
                {"XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD"}}
            ),
            "GetApiKeyInfo": lambda _: result(self.key_info),
            "QueryOrders": lambda request: self._queried(request.form["txid"].split(",")),
            "OpenOrders": lambda _: Answer(
                body=body_of(self._of_status("pending", "open"), "open")
            ),
            "ClosedOrders": lambda request: self._closed(int(request.form["ofs"])),
        }
        return answers[name](request) if name in answers else errors("EGeneral:Unknown method")

    def _closed(self, offset: int) -> Answer:
        ended = self._of_status("closed", "canceled", "expired")
        return Answer(body=body_of(dict([*ended.items()][offset : offset + 50]), "closed"))

    def _queried(self, ids: list[str]) -> Answer:
        for one in ids:
            if one in self.rejected_ids:
                return errors(self.rejected_ids[one])
        return Answer(body=body_of({one: self.orders[one] for one in ids if one in self.orders}))

    def _of_status(self, *words: str) -> dict[str, Mapping[str, Any]]:
        return {one: order for one, order in self.orders.items() if order["status"] in words}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = await _read(head, reader)
                self.requests.append(request)
                answer = self.answer_to(request)
                headers = {"Content-Length": str(len(answer.body)), **answer.headers}
                lines = [f"HTTP/1.1 {answer.status} Made up"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(head: bytes, reader: asyncio.StreamReader) -> SentRequest:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    path, _, query = target.partition("?")
    form = dict(parse_qsl(body.decode() or query, keep_blank_values=True))
    return SentRequest(method=method, path=path, headers=headers, form=form)


@asynccontextmanager
async def served() -> AsyncIterator[KrakenServer]:
    """Start a server for one test."""
    server = KrakenServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield server


@dataclass
class Opened:
    """An adapter that asks a server."""

    exchange: Kraken
    sender: DirectSender


@asynccontextmanager
async def opened(
    server: KrakenServer, credentials: Credentials = CREDENTIALS
) -> AsyncIterator[Opened]:
    """Open an account at `server`."""
    sender = DirectSender()
    exchange = Kraken(
        venue=replace(ADAPTER.venue, base_url=server.url),
        client=httpx.AsyncClient(trust_env=False),
        sender=sender,
        budget=UnlimitedBudget(),
        credentials=credentials,
        clock=lambda: NOW,
        nonces=GrowingNonces(),
        requests_at_once=ADAPTER.requests_at_once,
    )
    try:
        yield Opened(exchange=exchange, sender=sender)
    finally:
        await exchange.close()
