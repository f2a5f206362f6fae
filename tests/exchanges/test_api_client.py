"""The requests of every adapter: signed again at each attempt, with a nonce where there are any."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from reconciler.errors import ClockSkew, Refused, Unavailable
from reconciler.exchanges.api_client import ApiClient, ApiRequest, bearer_headers, percent_encode
from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    error_text,
    pause_seconds,
    refusal_hint,
)
from reconciler.exchanges.http_client import HttpRequest, HttpResponse, open_client
from reconciler.exchanges.request_policy import RequestPolicy, Sender, SingleAttempt, UsageCounter
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.limits import LimitReading
from reconciler.settings import BreakerPolicy, Credentials, RetryPolicy
from tests.exchanges.fakes import RecordingBudget
from tests.fakes import FakeClock, FakeSleep

T = TypeVar("T")

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SIGNED = Credentials(api_key=SecretStr("made-up-key"), api_secret=SecretStr("made-up-secret"))
KINDS = {7: ErrorKind.CLOCK_SKEW, 8: ErrorKind.REFUSED, 9: ErrorKind.ORDER_NOT_FOUND}


class Envelope(msgspec.Struct):
    code: int
    result: int = 0


class PostingApi:
    """A venue that signs the body of a POST, and reports errors with HTTP 200."""

    signs_with_time = False
    time_request = ApiRequest(path="/time", cost={})

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def signed(self, request: ApiRequest, server_time: datetime, nonce: int | None) -> HttpRequest:
        body = percent_encode({**request.parameters, "nonce": str(nonce)})
        headers = {"X-Signed": f"{body} at {server_time:%H:%M}"}
        return HttpRequest(
            method=request.method,
            url=self._base_url + request.path,
            headers=headers,
            body=body.encode(),
        )

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        return HttpRequest(url=self._base_url + request.path, headers=bearer_headers(SIGNED))

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        envelope = msgspec.json.decode(response.body, type=Envelope)
        if envelope.code == 0:
            return decoded(request.path, response.body, decode)
        return error_result(
            KINDS.get(envelope.code, ErrorKind.TRANSIENT),
            error_text(request.path, response, envelope.code, "made up"),
            hint=refusal_hint(SIGNED),
            pause_seconds=pause_seconds(response, default=60, maximum=600),
            code=envelope.code,
        )

    def decode_time(self, body: bytes) -> int:
        return msgspec.json.decode(body, type=Envelope).result

    def readings(self, request: ApiRequest, headers: httpx.Headers) -> Iterable[LimitReading]:
        return [LimitReading(name=request.path, used=int(headers["X-Used"]))]


class CountingNonces:
    """Nonces of one process, each given when the one before it was returned."""

    def __init__(self) -> None:
        self.taken = 0
        self.in_use = 0
        self.most_in_use = 0
        self.asked, self.waits = asyncio.Event(), asyncio.Event()
        self.waits.set()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        async with self._lock:
            self.asked.set()
            await self.waits.wait()
            self.taken += 1
            self.in_use += 1
            self.most_in_use = max(self.most_in_use, self.in_use)
            try:
                yield self.taken
            finally:
                self.in_use -= 1


@dataclass
class Server:
    """A real HTTP server on loopback that sends `answers` in turn, then zeros."""

    answers: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                lines = [line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2]]
                length = dict(lines).get("content-length", "0")
                self.heads.append(head)
                body = await reader.readexactly(int(length))
                self.bodies.append(body.decode())
                answer = self.answers.pop(0) if self.answers else b'{"code":0}'
                writer.write(
                    b"HTTP/1.1 200 OK\r\nX-Used: 3\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(answer), answer)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def nonces(self) -> list[int]:
        return [int(parse_qs(body)["nonce"][0]) for body in self.bodies if body]


@dataclass
class Harness:
    server: Server
    nonces: CountingNonces
    budget: RecordingBudget
    url: str

    def client(self, sender: Sender | None = None) -> ApiClient:
        return ApiClient(
            PostingApi(self.url),
            client=open_client(self.url, connections=4),
            sender=sender or SingleAttempt(300),
            budget=self.budget,
            credentials=SIGNED,
            clock=lambda: NOW,
            nonces=self.nonces,
        )


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    made = Server()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield Harness(server=made, nonces=CountingNonces(), budget=RecordingBudget(), url=url)


def result_in(body: bytes) -> int:
    return msgspec.json.decode(body, type=Envelope).result


async def test_post_is_sent_with_the_body_that_was_signed(harness: Harness) -> None:
    client = harness.client()

    response = await client.post("/orders", {"txid": ("A", "B")}, {"counter": 1}, result_in)
    await client.close()

    (head,) = harness.server.heads
    assert head.startswith("POST /orders HTTP/1.1")
    assert harness.server.bodies == ["txid=A&txid=B&nonce=1"]
    assert "x-signed: txid=A&txid=B&nonce=1 at 12:00" in head.replace("X-Signed", "x-signed")
    assert response.value == 0
    assert response.fetched_at == NOW
    assert harness.budget.readings == [LimitReading(name="/orders", used=3)]


async def test_each_attempt_has_a_new_nonce_and_only_one_is_out(harness: Harness) -> None:
    harness.server.answers = [b'{"code":7}']
    client = harness.client()

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(client.post("/orders", {}, {}, result_in))
    await client.close()

    assert harness.server.nonces() == [1, 2, 3, 4, 5, 6]
    assert harness.nonces.most_in_use == 1
    assert harness.nonces.in_use == 0


async def test_retry_takes_another_nonce(harness: Harness) -> None:
    harness.server.answers = [b'{"code":500}', b'{"code":500}']
    client = harness.client(a_policy(harness))

    await client.post("/orders", {}, {}, result_in)
    await client.close()

    assert harness.server.nonces() == [1, 2, 3]


async def test_wait_for_a_nonce_takes_nothing_of_the_attempts_time(harness: Harness) -> None:
    harness.nonces.waits.clear()
    usage, clock = UsageCounter(), FakeClock()
    client = harness.client(a_policy(harness, usage=usage, clock=clock))
    posted = asyncio.create_task(client.post("/orders", {}, {}, result_in))
    await harness.nonces.asked.wait()

    clock.now += 1_000
    harness.nonces.waits.set()

    assert (await posted).value == 0
    await client.close()
    (attempt_ms,) = usage.take().latencies_ms
    assert attempt_ms == 0


def a_policy(
    harness: Harness, *, usage: UsageCounter | None = None, clock: FakeClock | None = None
) -> RequestPolicy:
    return RequestPolicy(
        budget=harness.budget,
        breaker=Breaker(BreakerPolicy()),
        retry=RetryPolicy(),
        usage=usage or UsageCounter(),
        attempt_timeout=timedelta(seconds=300),
        sleep=FakeSleep(),
        clock=clock or FakeClock(),
    )


async def test_clock_that_nothing_is_signed_with_is_not_asked_for(harness: Harness) -> None:
    client = harness.client()

    await client.get("/orders", {}, {}, result_in)
    await client.close()

    assert [head.split(" ")[1] for head in harness.server.heads] == ["/orders"]


@pytest.mark.parametrize(
    ("code", "error"), [(7, ClockSkew), (8, Refused), (1, Unavailable)], ids=str
)
async def test_error_with_http_200_is_raised_as_its_kind(
    harness: Harness, code: int, error: type[Exception]
) -> None:
    harness.server.answers = [b'{"code":%d}' % code] * 2
    client = harness.client()

    with pytest.raises(error):
        await client.post("/orders", {}, {}, result_in)
    await client.close()


async def test_error_about_the_order_is_returned(harness: Harness) -> None:
    harness.server.answers = [b'{"code":9}']
    client = harness.client()

    response = await client.post("/orders", {}, {}, result_in)
    await client.close()

    assert isinstance(response.value, ErrorResponse)
    assert response.value.kind is ErrorKind.ORDER_NOT_FOUND
    assert response.value.code == 9


def test_no_repr_of_a_request_shows_what_is_signed() -> None:
    request = HttpRequest(
        url="https://venue/x?signature=f00", headers={"Key": "made-up"}, body=b"nonce=1"
    )

    assert repr(request) == "HttpRequest(method='GET')"
