"""Requests to an exchange's API: signed, with the exchange's time, sent by a `Sender`.

    send ─▶ offset of the exchange's clock ─▶ Sender ─▶ attempt: sign, send, read limits, decode
     └──────── once more if the timestamp is refused ◀────┘

Everything here is the same at every venue. What differs is one small object, which does no I/O and
keeps no state: a `VenueApi`. This is the whole of one, for a venue that signs a timestamp with HMAC
and reports errors with HTTP 200 in `retCode`:

    class BybitApi:
        signs_with_time = True
        time_request = ApiRequest(path="/v5/market/time", cost=TIME_COST)

        def __init__(self, base_url: str, credentials: Credentials) -> None: ...

        def signed(self, request, server_time, nonce):
            query = percent_encode(request.parameters)
            stamp = str(milliseconds(server_time))
            payload = f"{stamp}{self._api_key}{RECV_WINDOW_MS}{query}"
            headers = {"X-BAPI-SIGN": self._key.sign(payload.encode()).hex(), ...}
            return HttpRequest(url=f"{self._base_url}{request.path}?{query}", headers=headers)

        def unsigned(self, request):
            return HttpRequest(url=f"{self._base_url}{request.path}?{...}", headers=...)

        def decode(self, request, response, decode):     # see reconciler.exchanges.api_errors
            ...

        def decode_time(self, body):
            return int(_decode_time(body).time_nano) // 1_000_000

        def readings(self, request, headers):
            used = header_number(headers, "X-Bapi-Limit-Status", maximum=10_000)
            return () if used is None else (LimitReading(name=..., remaining=used),)

A POST: `signed` returns `HttpRequest(method="POST", url=..., headers=..., body=...)`. The body is
made there, so that the signature is over the very bytes that are sent.

A nonce: where the venue wants one, `signed` gets a new one at each attempt. It is taken before the
attempt's timeout begins, and the next is given when the attempt has ended: a request never
overtakes one of a smaller nonce.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

import httpx
import structlog

from reconciler.errors import ClockSkew, FirewallRefused, RateLimited
from reconciler.exchanges.api_errors import Decoder, ErrorKind, ErrorResponse, as_exception
from reconciler.exchanges.base import Clock, Nonces
from reconciler.exchanges.http_client import (
    MAX_ANSWER_BYTES,
    HttpClient,
    HttpRequest,
    HttpResponse,
)
from reconciler.exchanges.raw_values import whole_number
from reconciler.exchanges.request_policy import LivenessCheck, Sender
from reconciler.exchanges.server_clock import ServerClock, offset_of
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.limits import Cost, LimitReading
from reconciler.resilience.nonces import NonceTurn
from reconciler.settings import Credentials

T = TypeVar("T")

Parameters = Mapping[str, str | tuple[str, ...]]
"""Parameters by name. A tuple is sent as the same name several times."""

FIREWALL_REFUSALS = 2
"""A firewall is known to block one request after it refused it this often, but passed others."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiRequest:
    """A request before it is signed.

    Attributes:
        path: Without the address.
        cost: What it takes from each rate limit.
        parameters: Of the query, or of the body of a POST: the venue decides.
        max_bytes: The most that its answer may have.
    """

    path: str
    cost: Cost
    parameters: Parameters = field(default_factory=dict)
    method: str = "GET"
    max_bytes: int = MAX_ANSWER_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiResponse(Generic[T]):
    """A decoded response, and when its request was sent."""

    value: T | ErrorResponse
    fetched_at: datetime

    def value_or_raise(self) -> T:
        """Return the value of a response that is about no order.

        Raises:
            ExchangeError: it is an error.
        """
        if isinstance(self.value, ErrorResponse):
            raise as_exception(self.value)
        return self.value


class VenueApi(Protocol):
    """How one venue writes requests and reads answers. Pure: no I/O, no clock, no state."""

    @property
    def signs_with_time(self) -> bool:
        """True if `signed` uses the exchange's time: without it, nothing asks for that."""
        ...

    @property
    def time_request(self) -> ApiRequest:
        """The cheapest request that is always answered: for the time, and to see if it is alive."""
        ...

    def signed(self, request: ApiRequest, server_time: datetime, nonce: int | None) -> HttpRequest:
        """Write `request` with its signature. `nonce` is None where no source was given."""
        ...

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write `request` without a signature: with a bearer token, or as it is."""
        ...

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the status or the code.
        """
        ...

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970.

        Raises:
            ValueError: the body has none.
        """
        ...

    def readings(self, request: ApiRequest, headers: httpx.Headers) -> Iterable[LimitReading]:
        """Return what the headers of an answer to `request` say about the rate limits."""
        ...


class ApiClient:
    """Sends the requests of one account. Calls may run concurrently."""

    def __init__(
        self,
        api: VenueApi,
        *,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
        nonces: Nonces | None = None,
    ) -> None:
        """Send through `client`, which `close` closes. `clock` is the database's.

        With an API key every request of `send` is signed, and with none it is not.
        """
        self._api = api
        self._http = HttpClient(client)
        self._sender = sender
        self._budget = budget
        self._is_signing = credentials.api_key is not None
        self._clock = clock
        self._nonces = nonces
        self._server_clock = ServerClock(self.measure_offset)

    async def get(
        self,
        path: str,
        parameters: Parameters,
        cost: Cost,
        decode: Decoder[T],
        *,
        subject: Subject = EXCHANGE,
    ) -> ApiResponse[T]:
        """Send a GET: see `send`."""
        request = ApiRequest(path=path, parameters=parameters, cost=cost)
        return await self.send(request, decode, subject=subject)

    async def post(
        self,
        path: str,
        parameters: Parameters,
        cost: Cost,
        decode: Decoder[T],
        *,
        subject: Subject = EXCHANGE,
    ) -> ApiResponse[T]:
        """Send a POST that changes nothing at the exchange: see `send`."""
        request = ApiRequest(path=path, parameters=parameters, cost=cost, method="POST")
        return await self.send(request, decode, subject=subject)

    async def send(
        self, request: ApiRequest, decode: Decoder[T], *, subject: Subject = EXCHANGE
    ) -> ApiResponse[T]:
        """Send one request, signed if we have a key, and return the decoded response.

        If the timestamp is refused, the exchange's clock is read again and the request sent once
        more. If a firewall blocks this request but not others, an `ErrorResponse` is returned.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        refusals = 0
        while True:
            sent_at = self._clock()
            try:
                return await self._send_with_clock(request, decode, subject)
            except FirewallRefused as refusal:
                # If the firewall refuses everything, this waits until the pause is over.
                refusals += await self._passes_other_requests()
                if refusals >= FIREWALL_REFUSALS:
                    symbol, external_order_id, *_ = (*subject, None, None)
                    log.warning(
                        "exchange.firewall_refused",
                        path=request.path,
                        symbol=symbol or None,
                        external_order_id=external_order_id,
                        reason=str(refusal),
                    )
                    error = ErrorResponse(kind=ErrorKind.FIREWALL, text=str(refusal))
                    return ApiResponse(value=error, fetched_at=sent_at)

    async def get_unsigned(
        self,
        path: str,
        parameters: Parameters,
        cost: Cost,
        decode: Decoder[T],
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> T:
        """Send one request about no order, unsigned: a public route refuses a signature.

        `max_bytes` is the most that the answer may have.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        request = ApiRequest(path=path, parameters=parameters, cost=cost, max_bytes=max_bytes)
        return await self._sender.call(cost, partial(self._attempt_unsigned, request, decode))

    async def server_offset(self) -> timedelta:
        """Return how far the exchange's clock is ahead of ours; ask once, then remember it.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        return await self._server_clock.offset()

    async def measure_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        return await self._sender.call(self._api.time_request.cost, self._attempt_offset)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _send_with_clock(
        self, request: ApiRequest, decode: Decoder[T], subject: Subject
    ) -> ApiResponse[T]:
        async def send_at(offset: timedelta | None) -> ApiResponse[T]:
            turn = None if offset is None or self._nonces is None else NonceTurn(self._nonces)
            return await self._sender.call(
                request.cost,
                partial(self._attempt, request, decode, offset, turn),
                subject=subject,
                liveness_check=LivenessCheck(
                    cost=self._api.time_request.cost, send=self._attempt_offset
                ),
                turn=turn,
            )

        offset = await self._signing_offset()
        try:
            return await send_at(offset)
        except ClockSkew:
            self._server_clock.forget(offset)
        return await send_at(await self._signing_offset())

    async def _signing_offset(self) -> timedelta | None:
        """Return the offset to sign with; None if nothing is signed."""
        if not self._is_signing:
            return None
        return await self._server_clock.offset() if self._api.signs_with_time else timedelta(0)

    async def _passes_other_requests(self) -> bool:
        """Return True if a harmless request gets through on the first try.

        Raises:
            ExchangeError: the request failed.
        """
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            try:
                await self._attempt_offset()
            except RateLimited:
                is_first = False
                raise

        await self._sender.call(self._api.time_request.cost, attempt)
        return is_first

    async def _attempt(
        self,
        request: ApiRequest,
        decode: Decoder[T],
        offset: timedelta | None,
        turn: NonceTurn | None = None,
    ) -> ApiResponse[T]:
        """Send once. The request is signed if there is an `offset`."""
        fetched_at = self._clock()
        if offset is None:
            sent = self._api.unsigned(request)
        else:
            nonce = None if turn is None else turn.nonce
            sent = self._api.signed(request, fetched_at + offset, nonce)
        async with self._http.request(sent, max_bytes=request.max_bytes) as response:
            for reading in self._api.readings(request, response.headers):
                await self._budget.observe(reading)
            value = self._api.decode(request, response, decode)
        return ApiResponse(value=value, fetched_at=fetched_at)

    async def _attempt_offset(self) -> timedelta:
        sent_at = self._clock()
        time_ms = await self._attempt_unsigned(self._api.time_request, self._api.decode_time)
        half_way = sent_at + (self._clock() - sent_at) / 2
        return offset_of(time_ms, half_way)

    async def _attempt_unsigned(self, request: ApiRequest, decode: Decoder[T]) -> T:
        try:
            response = await self._attempt(request, decode, None)
        except FirewallRefused as refusal:
            # A firewall that refuses this request refuses all of ours.
            raise RateLimited(
                str(refusal), retry_after_seconds=refusal.retry_after_seconds
            ) from None
        return response.value_or_raise()


def percent_encode(parameters: Parameters) -> str:
    """Return the query string that is signed and sent."""
    return urlencode(parameters, doseq=True, quote_via=quote, safe="")


def header_number(headers: Mapping[str, Any], name: str, *, maximum: int) -> int | None:
    """Return the whole number in a header; None if it is missing, or absurd, which is logged."""
    text = headers.get(name)
    if text is None:
        return None
    number = whole_number(text, maximum=maximum)
    if number is None:
        log.warning("exchange.limit_header_not_believed", told=text[:40])
    return number


def bearer_headers(credentials: Credentials) -> dict[str, str]:
    """Return the headers of a request that carries the bearer token, if there is one."""
    if credentials.bearer_token is None:
        return {}
    return {"Authorization": f"Bearer {credentials.bearer_token.get_secret_value()}"}
