"""Send each request to an exchange under retry, breaker, rate budget and timeout.

    call ─▶ retry ─▶ breaker open? ─▶ turn ─▶ rate budget ─▶ breaker ─▶ timeout ─▶ send

The budget is asked before each attempt, not once a call, because each attempt spends weight at the
exchange. The breaker is asked first, and a turn waited for, so that a request that is not sent, or
not yet, spends none: what was spent long ago no longer counts here, and counts at the exchange.

If a symbol or an order fails and no other was asked since, a liveness check (the exchange's time)
shows whether the exchange itself fails.

Every error of httpx becomes one of ours here, and nowhere else.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

import httpx
import structlog

from reconciler.errors import (
    BreakerOpen,
    ExchangeError,
    Malformed,
    NotSent,
    RateLimited,
    ReconcilerError,
    Refused,
    RequestRejected,
    Suspended,
    Unavailable,
)
from reconciler.exchanges.unexpected_errors import unexpected_as_malformed
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.budget import MAX_RATE_LIMIT_PAUSE, Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.limits import Cost, weight_of
from reconciler.resilience.retry import retrying
from reconciler.settings import RetryPolicy
from reconciler.telemetry.redact import MASK, redact

T = TypeVar("T")

MIN_PAUSE_SECONDS = 1.0
"""The pause if an exchange limits our rate and tells us to wait 0 s."""

HttpxError = httpx.HTTPError | httpx.InvalidURL | httpx.StreamError
_HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)

log = structlog.get_logger(__name__)


Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Entered before each attempt, and before the budget is asked; left when the attempt has ended.

The wait for it takes nothing of the attempt's time nor of the budget, and is no failure of the
exchange.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LivenessCheck:
    """A request that the exchange answers whenever it answers anything."""

    cost: Cost
    send: Callable[[], Awaitable[object]]


class Sender(Protocol):
    """Sends requests. Implemented by `RequestPolicy` and `SingleAttempt`."""

    async def call(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,
        liveness_check: LivenessCheck | None = None,
        turn: Turn | None = None,
    ) -> T:
        """Call `send`, perhaps several times, and return what it returns.

        `subject` is what the request is about. Each attempt is made within a `turn` of its own.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The requests that were sent, and their outcomes.

    Attributes:
        requests: The number of requests sent.
        weight: Their weight: of each the most that it takes from one limit.
        retries: How many of them were sent again after `Unavailable`.
        errors: The number of errors by class in snake_case; `breaker_open` counts requests that
            were not sent.
        latencies_ms: From sending to the answer or the error, one per request that ended by itself.
    """

    requests: int = 0
    weight: int = 0
    retries: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    latencies_ms: tuple[float, ...] = ()


class UsageCounter:
    """Counts the requests until `take` is called."""

    def __init__(self) -> None:
        self._reset()

    def count_request(self, cost: Cost) -> None:
        """Count a request that is being sent."""
        self._requests += 1
        self._weight += weight_of(cost)

    def count_retry(self) -> None:
        """Count that a request will be sent again."""
        self._retries += 1

    def count_error(self, error: ExchangeError | BreakerOpen) -> None:
        """Count an error under its class."""
        self._errors[_snake_case(type(error).__name__)] += 1

    def record_latency(self, milliseconds: float) -> None:
        """Record how long a request took."""
        self._latencies_ms.append(milliseconds)

    def take(self) -> Usage:
        """Return what was counted, and start again from zero."""
        usage = Usage(
            requests=self._requests,
            weight=self._weight,
            retries=self._retries,
            errors=dict(self._errors),
            latencies_ms=tuple(self._latencies_ms),
        )
        self._reset()
        return usage

    def _reset(self) -> None:
        self._requests = 0
        self._weight = 0
        self._retries = 0
        self._errors = Counter[str]()
        self._latencies_ms: list[float] = []


class RequestPolicy:
    """Sends the requests of one exchange account. Calls may run concurrently."""

    def __init__(
        self,
        *,
        budget: Budget,
        breaker: Breaker,
        retry: RetryPolicy,
        usage: UsageCounter,
        attempt_timeout: timedelta = timedelta(seconds=10),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._breaker = breaker
        self._retry = retry
        self._usage = usage
        self._attempt_timeout = attempt_timeout
        self._sleep = sleep
        self._clock = clock

    async def call(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,
        liveness_check: LivenessCheck | None = None,
        turn: Turn | None = None,
    ) -> T:
        """Return the result of `send`, called as often as needed and as the retry policy allows.

        `send` makes a new request each time it is called: a signed request soon expires. Each
        attempt takes `cost` from the budget. While the exchange limits our rate the call waits,
        for as long as that takes: cancel it to give up.

        `subject` is what the request is about. `liveness_check` is sent if it is unknown whether
        the subject or the exchange fails. Without one the failures count as the exchange's. Each
        attempt is made within a `turn` of its own.

        Raises:
            Unavailable: the request was sent and failed, each time or until the breaker opened.
            RequestRejected: the exchange rejected it, or fails for this order but not for others.
            Refused, ClockSkew: raised at once, because a retry would not help.
            BreakerOpen, Suspended, NotSent: nothing was sent.
        """
        failed: Unavailable | None = None

        async def attempt() -> T:
            nonlocal failed
            try:
                return await self._attempt_within_rate(cost, send, subject, liveness_check, turn)
            except Unavailable as error:
                failed = error
                raise

        retry = retrying(self._retry, sleep=self._sleep, on_retry=self._usage.count_retry)
        try:
            result: T = await retry(attempt)
        except (BreakerOpen, NotSent, Suspended, Unavailable):
            if failed is None:
                raise
            raise self._attributed(failed, subject) from None
        return result

    def _attributed(self, failed: Unavailable, subject: Subject) -> ExchangeError:
        """Return the failure, as the order's own if only this order fails."""
        if not self._breaker.is_order_suspended(subject):
            return failed
        return RequestRejected(f"{failed}; the exchange answers for others", is_answer=False)

    async def _attempt_within_rate(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        subject: Subject,
        liveness_check: LivenessCheck | None,
        turn: Turn | None,
    ) -> T:
        while True:
            try:
                return await self._attempt(cost, send, subject, turn or nullcontext)
            except RateLimited:
                continue
            except Unavailable:
                await self._check_liveness(liveness_check)
                raise

    async def _attempt(
        self, cost: Cost, send: Callable[[], Awaitable[T]], subject: Subject, turn: Turn
    ) -> T:
        try:
            self._breaker.raise_if_open(subject)
            async with turn(), self._within_budget(cost):
                with self._breaker.attempt(subject):
                    self._usage.count_request(cost)
                    return await self._timed(send)
        except (ExchangeError, BreakerOpen) as error:
            self._usage.count_error(error)
            raise

    @asynccontextmanager
    async def _within_budget(self, cost: Cost) -> AsyncIterator[None]:
        """Wait for the budget; pause it if the exchange limits our rate; report the outcome."""
        await self._budget.take(cost)
        is_alive = False
        try:
            yield
            is_alive = True
        except RateLimited as error:
            seconds = max(error.retry_after_seconds, MIN_PAUSE_SECONDS)
            seconds = min(seconds, MAX_RATE_LIMIT_PAUSE.total_seconds())
            log.warning("exchange.rate_limited", pause_seconds=seconds, reason=str(error))
            await self._budget.pause(seconds)
            raise
        except ExchangeError as error:
            is_alive = not isinstance(error, Unavailable)
            raise
        finally:
            await self._budget.record_outcome(is_alive=is_alive)

    async def _check_liveness(self, check: LivenessCheck | None) -> None:
        """Find out whether the exchange answers at all, if the breaker needs to know."""
        with self._breaker.liveness_check() as liveness:
            if liveness is None:
                return
            liveness.is_alive = False if check is None else await self._is_answered(check)

    async def _is_answered(self, check: LivenessCheck) -> bool:
        try:
            async with self._within_budget(check.cost):
                self._usage.count_request(check.cost)
                await self._timed(check.send)
        except ExchangeError as error:
            self._usage.count_error(error)
            return not isinstance(error, Unavailable)
        return True

    async def _timed(self, send: Callable[[], Awaitable[T]]) -> T:
        started = self._clock()
        try:
            result = await _send_within(send, self._attempt_timeout.total_seconds())
        except ExchangeError:
            self._usage.record_latency((self._clock() - started) * 1000)
            raise
        self._usage.record_latency((self._clock() - started) * 1000)
        return result


class SingleAttempt:
    """Sends each request once, because a person waits. Every error is raised at once.

    `weight_spent` is the weight of all requests so far.
    """

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self.weight_spent = 0

    async def call(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,  # noqa: ARG002 - the protocol's
        liveness_check: LivenessCheck | None = None,  # noqa: ARG002 - the protocol's
        turn: Turn | None = None,
    ) -> T:
        """Send once.

        Raises:
            ExchangeError: there is no usable answer.
        """
        self.weight_spent += weight_of(cost)
        async with (turn or nullcontext)():
            return await _send_within(send, self._answer_seconds)


async def _send_within(send: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Return the result of `send`, if it ends within `seconds`.

    Raises:
        ExchangeError: there is no usable answer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await send()
    except TimeoutError:
        raise Unavailable(f"the exchange gave no answer within {seconds:g} s") from None
    except _HTTPX_ERRORS as error:
        # Not "from error": its text may carry the address with its signature.
        raise translate_httpx_error(error) from None
    except ReconcilerError as error:
        # Its traceback and its context keep frames alive, and with them the answer, which may be
        # large. A failure is kept as long as its batch.
        error.__context__ = None
        raise error.with_traceback(None) from None
    except Exception as error:  # noqa: BLE001 - an answer never ends the process
        raise unexpected_as_malformed(error) from None


def translate_httpx_error(error: HttpxError) -> ExchangeError:
    """Return our error for one of httpx. Its message never carries the query of an address."""
    match error:
        case httpx.InvalidURL():
            return Refused(
                f"the exchange's address is not valid ({_redacted_text(error)})",
                hint="set EXCHANGE_BASE_URL to an address such as https://host:port, or unset it",
            )
        case httpx.DecodingError():
            return Malformed(f"the exchange's answer cannot be unpacked ({_redacted_text(error)})")
        case httpx.HTTPStatusError():
            return Unavailable(f"the exchange answered HTTP {error.response.status_code}")
        case _:
            return Unavailable(f"the exchange cannot be reached ({_redacted_text(error)})")


def _redacted_text(error: HttpxError) -> str:
    name, text = type(error).__name__, redact(_QUERY.sub(f"?{MASK}", str(error)))
    return f"{name}: {text}" if text else name


def _snake_case(name: str) -> str:
    return _WORD_START.sub("_", name).lower()


_QUERY = re.compile(r"\?\S+")
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
