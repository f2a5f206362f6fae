"""Requests to Binance's API: signed, with the exchange's time, sent by a `Sender`.

    get ─▶ offset of the exchange's clock ─▶ Sender ─▶ attempt: sign, send, decode
     └──────── once more if the timestamp is refused ◀────┘

With an API key and secret every request is signed. With a bearer token alone it carries that (the
paper exchange). With neither it is sent as it is.
"""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import httpx
import structlog

from reconciler.errors import ClockSkew, FirewallRefused, RateLimited, Unavailable
from reconciler.exchanges.base import Clock
from reconciler.exchanges.binance.constants import (
    MAX_CLOCK_OFFSET,
    MAX_TIME_MS,
    MAX_USED_WEIGHT,
    RECV_WINDOW_MS,
    TIME_COST,
    USED_WEIGHT_HEADER,
    WEIGHT,
    ErrorKind,
)
from reconciler.exchanges.binance.decoding import (
    Decoder,
    ErrorResponse,
    as_exception,
    decode_response,
    decode_server_time,
    whole_number,
)
from reconciler.exchanges.http_client import MAX_ANSWER_BYTES, HttpClient
from reconciler.exchanges.request_policy import LivenessCheck, Sender
from reconciler.exchanges.signing import SigningKey, load_signing_key
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.limits import Cost, LimitReading
from reconciler.settings import Credentials, KeyType

T = TypeVar("T")

FIREWALL_REFUSALS = 2
"""A firewall is known to block one request after it refused it this often, but passed others."""

log = structlog.get_logger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiResponse(Generic[T]):
    """A decoded response, and when its request was sent."""

    value: T | ErrorResponse
    fetched_at: datetime


class ApiClient:
    """Sends the requests of one account. Calls may run concurrently."""

    def __init__(
        self,
        *,
        base_url: str,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        """Send through `client`, which `close` closes. `clock` is the database's.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._base_url = base_url.rstrip("/")
        self._http = HttpClient(client)
        self._sender = sender
        self._budget = budget
        self._credentials = credentials
        self._key = load_signing_key(credentials)
        self._clock = clock
        self._offset: timedelta | None = None
        self._offset_lock = asyncio.Lock()

    async def get(
        self,
        path: str,
        parameters: Mapping[str, str],
        cost: Cost,
        decode: Decoder[T],
        *,
        subject: Subject = EXCHANGE,
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
                return await self._get_with_clock(path, parameters, cost, decode, subject)
            except FirewallRefused as refusal:
                # If the firewall refuses everything, this waits until the pause is over.
                refusals += await self._passes_other_requests()
                if refusals >= FIREWALL_REFUSALS:
                    log.warning(
                        "exchange.firewall_refused",
                        path=path,
                        symbol=parameters.get("symbol"),
                        external_order_id=parameters.get("orderId"),
                        reason=str(refusal),
                    )
                    error = ErrorResponse(kind=ErrorKind.FIREWALL, text=str(refusal))
                    return ApiResponse(value=error, fetched_at=sent_at)

    async def _get_with_clock(
        self,
        path: str,
        parameters: Mapping[str, str],
        cost: Cost,
        decode: Decoder[T],
        subject: Subject,
    ) -> ApiResponse[T]:
        async def get_at(offset: timedelta | None) -> ApiResponse[T]:
            return await self._sender.call(
                cost,
                partial(self._attempt, path, parameters, decode, offset),
                subject=subject,
                liveness_check=LivenessCheck(cost=TIME_COST, send=self._attempt_offset),
            )

        offset = await self._signing_offset()
        try:
            return await get_at(offset)
        except ClockSkew:
            self._forget_offset(offset)
        return await get_at(await self._signing_offset())

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

        await self._sender.call(TIME_COST, attempt)
        return is_first

    async def get_unsigned(
        self,
        path: str,
        parameters: Mapping[str, str],
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
        attempt = partial(self._attempt_unsigned, path, parameters, decode, max_bytes)
        return await self._sender.call(cost, attempt)

    async def server_offset(self) -> timedelta:
        """Return how far the exchange's clock is ahead of ours; ask once, then remember it.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        async with self._offset_lock:
            if self._offset is None:
                self._offset = await self.measure_offset()
            return self._offset

    async def measure_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        return await self._sender.call(TIME_COST, self._attempt_offset)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _attempt(
        self,
        path: str,
        parameters: Mapping[str, str],
        decode: Decoder[T],
        offset: timedelta | None,
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> ApiResponse[T]:
        """Send once. The request is signed if there is an `offset`."""
        fetched_at = self._clock()
        query = (
            percent_encode(parameters)
            if offset is None
            else self._signed(parameters, fetched_at + offset)
        )
        url = f"{self._base_url}{path}?{query}"
        async with self._http.get(
            url, _headers(self._credentials), max_bytes=max_bytes
        ) as response:
            await self._observe(response.headers.get(USED_WEIGHT_HEADER))
            value = decode_response(path, response, decode, hint=_hint(self._credentials))
        return ApiResponse(value=value, fetched_at=fetched_at)

    async def _observe(self, header: str | None) -> None:
        """Pass the used weight reported by the exchange to the budget, unless it is absurd."""
        if header is None:
            return
        used = whole_number(header, maximum=MAX_USED_WEIGHT)
        if used is None:
            log.warning("exchange.used_weight_not_believed", told=header[:40])
            return
        await self._budget.observe(LimitReading(name=WEIGHT, used=used))

    def _signed(self, parameters: Mapping[str, str], server_time: datetime) -> str:
        query = percent_encode(
            {
                **parameters,
                "recvWindow": str(RECV_WINDOW_MS),
                "timestamp": str((server_time - _EPOCH) // _MILLISECOND),
            }
        )
        return f"{query}&signature={quote(signature_of(self._key, query), safe='')}"

    async def _signing_offset(self) -> timedelta | None:
        return None if self._credentials.api_key is None else await self.server_offset()

    def _forget_offset(self, refused: timedelta | None) -> None:
        """Forget the refused offset, unless another request has already replaced it."""
        if self._offset is refused:
            self._offset = None

    async def _attempt_offset(self) -> timedelta:
        sent_at = self._clock()
        answer = await self._attempt_unsigned("/api/v3/time", {}, decode_server_time)
        half_way = sent_at + (self._clock() - sent_at) / 2
        return _offset_of(answer.server_time, half_way)

    async def _attempt_unsigned(
        self,
        path: str,
        parameters: Mapping[str, str],
        decode: Decoder[T],
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> T:
        try:
            response = await self._attempt(path, parameters, decode, None, max_bytes=max_bytes)
        except FirewallRefused as refusal:
            # A firewall that refuses this request refuses all of ours.
            raise RateLimited(
                str(refusal), retry_after_seconds=refusal.retry_after_seconds
            ) from None
        if isinstance(response.value, ErrorResponse):
            raise as_exception(response.value)
        return response.value


def _offset_of(server_time_ms: int, now: datetime) -> timedelta:
    """Return how far the exchange's clock is ahead of `now`.

    Raises:
        Unavailable: the difference is larger than any clock error.
    """
    if not 0 <= server_time_ms < MAX_TIME_MS:
        raise Unavailable(f"the exchange says that its time is {server_time_ms} ms since 1970")
    server_time = _EPOCH + server_time_ms * _MILLISECOND
    if abs(server_time - now) > MAX_CLOCK_OFFSET:
        raise Unavailable(
            f"the exchange says that it is {server_time:%Y-%m-%d %H:%M} UTC, and our clock says"
            f" {now:%Y-%m-%d %H:%M}: correct whichever is wrong"
            " (ours is the database server's clock)"
        )
    return server_time - now


def percent_encode(parameters: Mapping[str, str]) -> str:
    """Return the query string that is signed and sent."""
    return urlencode(parameters, quote_via=quote, safe="")


def signature_of(key: SigningKey, query: str) -> str:
    """Return the signature of an encoded query: hex with HMAC, base64 with any other key.

    Source: rest-api.md, "SIGNED request example", of binance-spot-api-docs, read 2026-11-27.
    """
    signed = key.sign(query.encode())
    return signed.hex() if key.type is KeyType.HMAC else b64encode(signed).decode()


def _headers(credentials: Credentials) -> dict[str, str]:
    if credentials.api_key is not None:
        return {"X-MBX-APIKEY": credentials.api_key.get_secret_value()}
    if credentials.bearer_token is not None:
        return {"Authorization": f"Bearer {credentials.bearer_token.get_secret_value()}"}
    return {}


def _hint(credentials: Credentials) -> str:
    if credentials.api_key is None:
        return (
            "set TEST_JWT to a token that this server accepts, or EXCHANGE_API_KEY and"
            " EXCHANGE_API_SECRET for an exchange that wants signed requests"
        )
    return (
        "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist, have read"
        " permission and allow this machine's IP address"
    )
