"""One question to the exchange: signed, by the exchange's clock, under the guard.

    get ─▶ offset of the exchange's clock ─▶ guard ─▶ attempt: sign, send, read
     └──────────── once anew where the timestamp is refused ◀─┘

With an API key and secret every question is signed; with a bearer token alone it carries that (the
paper exchange); with neither it is sent as it is.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

import httpx
import structlog

from reconciler.errors import ClockSkew, FirewallRefused, Malformed, RateLimited, Unavailable
from reconciler.exchanges.base import Clock
from reconciler.exchanges.binance.constants import (
    LARGEST_CLOCK_OFFSET,
    LARGEST_USED_WEIGHT,
    LATEST_TIME_MS,
    RECV_WINDOW_MS,
    TIME_WEIGHT,
    USED_WEIGHT_HEADER,
    Meaning,
)
from reconciler.exchanges.binance.decoding import (
    SERVER_TIME,
    Fault,
    Read,
    as_error,
    read,
    whole_number,
)
from reconciler.exchanges.connection import Connections
from reconciler.exchanges.request_policy import ControlRequest
from reconciler.exchanges.signing import HmacKey, SigningKey, load_signing_key
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.settings import Credentials, KeyType

T = TypeVar("T")

FIREWALL_REFUSALS = 2
"""How often a firewall has to refuse one request, while another passes, until that is certain."""

log = structlog.get_logger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Sender(Protocol):
    """Sends requests within the rate budget and under retry, breaker and timeout."""

    async def call(
        self,
        weight: int,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,
        control: ControlRequest | None = None,
    ) -> T:
        """Send, perhaps several times, and return what came of it.

        `subject` is what the request is about; `control` a question that is always answered.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched(Generic[T]):
    """What an attempt brought, and when it was sent."""

    value: T | Fault
    fetched_at: datetime


class Session:
    """Asks on behalf of one account. Questions may run side by side."""

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
        """Ask through `client`, which `close` closes. `clock` is the database's.

        Raises:
            ConfigurationError: the secret is no key.
        """
        self._base_url = base_url.rstrip("/")
        self._connections = Connections(client)
        self._sender = sender
        self._budget = budget
        self._credentials = credentials
        self._key = load_signing_key(credentials)
        self._clock = clock
        self._offset: timedelta | None = None
        self._synchronising = asyncio.Lock()

    async def get(
        self,
        path: str,
        parameters: Mapping[str, str],
        weight: int,
        decode: Read[T],
        *,
        subject: Subject = EXCHANGE,
    ) -> Fetched[T]:
        """Ask one question, signed if we have a key; with the exchange's clock taken again once.

        A firewall that refuses this question, and no other, is a fault found in the question.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        refusals = 0
        while True:
            sent_at = self._clock()
            try:
                return await self._ask(path, parameters, weight, decode, subject)
            except FirewallRefused as refusal:
                # A pause that the refusal of everything brings about is waited out in here.
                refusals += await self._is_refused_alone()
                if refusals >= FIREWALL_REFUSALS:
                    log.warning(
                        "exchange.firewall_refused",
                        path=path,
                        symbol=parameters.get("symbol"),
                        external_order_id=parameters.get("orderId"),
                        reason=str(refusal),
                    )
                    fault = Fault(meaning=Meaning.FIREWALL, told=str(refusal))
                    return Fetched(value=fault, fetched_at=sent_at)

    async def _ask(
        self,
        path: str,
        parameters: Mapping[str, str],
        weight: int,
        decode: Read[T],
        subject: Subject,
    ) -> Fetched[T]:
        async def ask_at(offset: timedelta | None) -> Fetched[T]:
            return await self._sender.call(
                weight,
                partial(self._attempt, path, parameters, decode, offset),
                subject=subject,
                control=ControlRequest(weight=TIME_WEIGHT, send=self._attempt_offset),
            )

        offset = await self._signing_offset()
        try:
            return await ask_at(offset)
        except ClockSkew:
            self._forget_offset(offset)
        return await ask_at(await self._signing_offset())

    async def _is_refused_alone(self) -> bool:
        """Ask what no firewall takes for an attack: whether that passes at once.

        Raises:
            ExchangeError: it does not.
        """
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            try:
                await self._attempt_offset()
            except RateLimited:
                is_first = False
                raise

        await self._sender.call(TIME_WEIGHT, attempt)
        return is_first

    async def server_offset(self) -> timedelta:
        """Return how far the exchange's clock is ahead of ours; ask where that is not known.

        Raises:
            ExchangeError: it cannot be had.
            BreakerOpen: nothing was sent.
        """
        async with self._synchronising:
            if self._offset is None:
                self._offset = await self.measure_offset()
            return self._offset

    async def measure_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: it cannot be had.
            BreakerOpen: nothing was sent.
        """
        return await self._sender.call(TIME_WEIGHT, self._attempt_offset)

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _attempt(
        self,
        path: str,
        parameters: Mapping[str, str],
        decode: Read[T],
        offset: timedelta | None,
    ) -> Fetched[T]:
        """Send once; an `offset` means that the request is signed."""
        fetched_at = self._clock()
        query = (
            percent_encoded(parameters)
            if offset is None
            else self._signed(parameters, fetched_at + offset)
        )
        reply = await self._connections.get(
            f"{self._base_url}{path}?{query}", _headers(self._credentials)
        )
        await self._observe(reply.headers.get(USED_WEIGHT_HEADER))
        try:
            value = read(path, reply, decode, hint=_hint(self._credentials))
        except Malformed:
            await reply.close_connection()
            raise
        return Fetched(value=value, fetched_at=fetched_at)

    async def _observe(self, told: str | None) -> None:
        """Tell the budget what the exchange says that we have used; believe no wild number."""
        if told is None:
            return
        used = whole_number(told, most=LARGEST_USED_WEIGHT)
        if used is None:
            log.warning("exchange.used_weight_not_believed", told=told[:40])
            return
        await self._budget.observe(used)

    def _signed(self, parameters: Mapping[str, str], server_time: datetime) -> str:
        query = percent_encoded(
            {
                **parameters,
                "recvWindow": str(RECV_WINDOW_MS),
                "timestamp": str((server_time - _EPOCH) // _MILLISECOND),
            }
        )
        return f"{query}&signature={quote(signed_by(self._key, query), safe='')}"

    async def _signing_offset(self) -> timedelta | None:
        return None if self._credentials.api_key is None else await self.server_offset()

    def _forget_offset(self, refused: timedelta | None) -> None:
        """Forget the offset that was refused, unless another request has already renewed it."""
        if self._offset is refused:
            self._offset = None

    async def _attempt_offset(self) -> timedelta:
        sent_at = self._clock()
        try:
            fetched = await self._attempt("/api/v3/time", {}, SERVER_TIME, None)
        except FirewallRefused as refusal:
            # What refuses this question refuses us.
            raise RateLimited(
                str(refusal), retry_after_seconds=refusal.retry_after_seconds
            ) from None
        half_way = sent_at + (self._clock() - sent_at) / 2
        if isinstance(fetched.value, Fault):
            raise as_error(fetched.value)
        return _offset_of(fetched.value.server_time, half_way)


def _offset_of(server_time_ms: int, now: datetime) -> timedelta:
    """Return how far the exchange's clock is ahead of `now`.

    Raises:
        Unavailable: so far that it is no clock.
    """
    if not 0 <= server_time_ms < LATEST_TIME_MS:
        raise Unavailable(f"the exchange says that its time is {server_time_ms} ms since 1970")
    server_time = _EPOCH + server_time_ms * _MILLISECOND
    if abs(server_time - now) > LARGEST_CLOCK_OFFSET:
        raise Unavailable(
            f"the exchange says that it is {server_time:%Y-%m-%d %H:%M} UTC, and our clock says"
            f" {now:%Y-%m-%d %H:%M}: set the wrong one right, ours being the database's"
        )
    return server_time - now


def percent_encoded(parameters: Mapping[str, str]) -> str:
    """Write the query as it is signed and sent."""
    return urlencode(parameters, quote_via=quote, safe="")


def signature_of(query: str, secret: str) -> str:
    """Sign an encoded query: HMAC-SHA256 in hex."""
    return signed_by(HmacKey(secret=secret.encode()), query)


def signed_by(key: SigningKey, query: str) -> str:
    """Sign an encoded query: hex with HMAC, base64 with any other key.

    Source: rest-api.md, "SIGNED request example", of binance-spot-api-docs, read 2026-11-27.
    """
    signature = key.sign(query.encode())
    return signature.hex() if key.type is KeyType.HMAC else b64encode(signature).decode()


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
        "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist, may read, and"
        " allow this machine's address"
    )
