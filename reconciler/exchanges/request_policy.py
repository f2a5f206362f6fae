"""The only way to send a request to an exchange: within the budget, again, guarded, in time.

    call ─▶ retry ─▶ breaker open? ─▶ rate budget ─▶ breaker ─▶ timeout ─▶ send

The budget is asked before each attempt, not once a call, because each attempt spends weight at the
exchange; and after a look at the breaker, so that a request that will not be sent spends none.

Where a symbol or an order fails and nobody else was asked meanwhile, a control question (the
exchange's time) finds out whether it is the exchange that fails.

Whatever httpx raises becomes one of our errors here, and nowhere else.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

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
from reconciler.exchanges.unforeseen import unforeseen
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.budget import MAX_RATE_LIMIT_PAUSE, Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.retry import retrying
from reconciler.settings import RetryPolicy
from reconciler.telemetry.redact import MASK, redact

T = TypeVar("T")

SHORTEST_SILENCE_SECONDS = 1.0
"""An exchange that limits us and then names no time would otherwise be asked again at once."""

HttpxError = httpx.HTTPError | httpx.InvalidURL | httpx.StreamError
_HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What was asked of the exchange since the last report.

    Attributes:
        requests: Requests sent, whatever became of them.
        weight: The weight of those.
        retries: How many of those were sent again after `Unavailable`.
        errors: How often each error was met, by its class in snake_case; `breaker_open` counts
            requests that were not sent.
        latencies_ms: From sending to the answer or the error, one per request that ended by itself.
    """

    requests: int = 0
    weight: int = 0
    retries: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    latencies_ms: tuple[float, ...] = ()


class UsageCounter:
    """Count what is asked of the exchange until somebody takes the report."""

    def __init__(self) -> None:
        self._reset()

    def count_request(self, weight: int) -> None:
        """Count a request that is being sent."""
        self._requests += 1
        self._weight += weight

    def count_retry(self) -> None:
        """Count that a request will be sent again."""
        self._retries += 1

    def count_error(self, error: ExchangeError | BreakerOpen) -> None:
        """Count an error under its class."""
        self._errors[_snake_case(type(error).__name__)] += 1

    def count_latency(self, milliseconds: float) -> None:
        """Note how long a request took."""
        self._latencies_ms.append(milliseconds)

    def take(self) -> Usage:
        """Return what was counted, and begin anew."""
        report = Usage(
            requests=self._requests,
            weight=self._weight,
            retries=self._retries,
            errors=dict(self._errors),
            latencies_ms=tuple(self._latencies_ms),
        )
        self._reset()
        return report

    def _reset(self) -> None:
        self._requests = 0
        self._weight = 0
        self._retries = 0
        self._errors = Counter[str]()
        self._latencies_ms: list[float] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlRequest:
    """A question that the exchange answers whenever it answers anything."""

    weight: int
    send: Callable[[], Awaitable[object]]


class RequestPolicy:
    """Send requests of one exchange account. Calls may run side by side."""

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
        weight: int,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,
        control: ControlRequest | None = None,
    ) -> T:
        """Return what `send` returns, sent as often as it takes and as the retry policy allows.

        `send` makes one request from scratch each time it is called: a signed request is only good
        for one moment. Each attempt takes `weight` from the budget. While the exchange limits our
        rate the call waits, for as long as that takes: cancel it to give up.

        `subject` is what the request is about; `control` is asked where failures leave open whether
        they are the subject's or the exchange's.

        Raises:
            Unavailable: it was sent and failed, each time or until the breaker opened.
            RequestRejected: at once; or it failed although the exchange answers about others.
            Refused, ClockSkew: at once; neither passes by asking again.
            BreakerOpen, Suspended, NotSent: nothing was sent.
        """
        failed: Unavailable | None = None

        async def attempt() -> T:
            nonlocal failed
            try:
                return await self._attempt_within_rate(weight, send, subject, control)
            except Unavailable as error:
                failed = error
                raise

        retry = retrying(self._retry, sleep=self._sleep, on_retry=self._usage.count_retry)
        try:
            result: T = await retry(attempt)
        except (BreakerOpen, NotSent, Suspended, Unavailable):
            if failed is None:
                raise
            raise self._as_own_failure(failed, subject) from None
        return result

    def _as_own_failure(self, failed: Unavailable, subject: Subject) -> ExchangeError:
        """Return a failure as that of the order, if it is the only one to fail in this way."""
        if not self._breaker.is_suspended_alone(subject):
            return failed
        return RequestRejected(f"{failed}; the exchange answers about others")

    async def _attempt_within_rate(
        self,
        weight: int,
        send: Callable[[], Awaitable[T]],
        subject: Subject,
        control: ControlRequest | None,
    ) -> T:
        while True:
            try:
                return await self._attempt(weight, send, subject)
            except RateLimited:
                continue
            except Unavailable:
                await self._settle_doubt(control)
                raise

    async def _attempt(self, weight: int, send: Callable[[], Awaitable[T]], subject: Subject) -> T:
        try:
            self._breaker.raise_if_open(subject)
            async with self._leave(weight):
                with self._breaker.attempt(subject):
                    self._usage.count_request(weight)
                    return await self._timed(send)
        except (ExchangeError, BreakerOpen) as error:
            self._usage.count_error(error)
            raise

    @asynccontextmanager
    async def _leave(self, weight: int) -> AsyncIterator[None]:
        """Wait for leave to send; keep silent if it was too much; tell that the request ended."""
        await self._budget.take(weight)
        is_alive = False
        try:
            yield
            is_alive = True
        except RateLimited as error:
            seconds = max(error.retry_after_seconds, SHORTEST_SILENCE_SECONDS)
            seconds = min(seconds, MAX_RATE_LIMIT_PAUSE.total_seconds())
            log.warning("exchange.rate_limited", pause_seconds=seconds, reason=str(error))
            await self._budget.pause(seconds)
            raise
        except ExchangeError as error:
            is_alive = not isinstance(error, Unavailable)
            raise
        finally:
            await self._budget.record_outcome(is_alive=is_alive)

    async def _settle_doubt(self, control: ControlRequest | None) -> None:
        """Find out whether the exchange answers at all, where the breaker cannot tell."""
        with self._breaker.settling_doubt() as doubt:
            if doubt is None:
                return
            doubt.is_alive = False if control is None else await self._answers(control)

    async def _answers(self, control: ControlRequest) -> bool:
        try:
            async with self._leave(control.weight):
                self._usage.count_request(control.weight)
                await self._timed(control.send)
        except ExchangeError as error:
            self._usage.count_error(error)
            return not isinstance(error, Unavailable)
        return True

    async def _timed(self, send: Callable[[], Awaitable[T]]) -> T:
        started = self._clock()
        try:
            result = await _in_time(send, self._attempt_timeout.total_seconds())
        except ExchangeError:
            self._usage.count_latency((self._clock() - started) * 1000)
            raise
        self._usage.count_latency((self._clock() - started) * 1000)
        return result


class SingleAttempt:
    """A guard for a question that a person waits for: asked once, and every error shown at once.

    `weight_spent` is the weight of what was sent so far.
    """

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self.weight_spent = 0

    async def call(
        self,
        weight: int,
        send: Callable[[], Awaitable[T]],
        *,
        subject: Subject = EXCHANGE,  # noqa: ARG002 - the protocol's
        control: ControlRequest | None = None,  # noqa: ARG002 - the protocol's
    ) -> T:
        """Send once.

        Raises:
            ExchangeError: there is no usable answer.
        """
        self.weight_spent += weight
        return await _in_time(send, self._answer_seconds)


async def _in_time(send: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Return what `send` returns, if it does so in time.

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
        raise translated(error) from None
    except ReconcilerError as error:
        # Its traceback and what it came from hold the frames where the answer lies, which may be
        # large; a failure is kept for as long as its batch.
        error.__context__ = None
        raise error.with_traceback(None) from None
    except Exception as error:  # noqa: BLE001 - an answer never ends the process
        raise unforeseen(error) from None


def translated(error: HttpxError) -> ExchangeError:
    """Return what `error` means to us. Its message never carries the query of an address."""
    match error:
        case httpx.InvalidURL():
            return Refused(
                f"the exchange's address is not valid ({_in_short(error)})",
                hint="set EXCHANGE_BASE_URL to an address such as https://host:port, or unset it",
            )
        case httpx.DecodingError():
            return Malformed(f"the exchange's answer cannot be unpacked ({_in_short(error)})")
        case httpx.HTTPStatusError():
            return Unavailable(f"the exchange answered HTTP {error.response.status_code}")
        case _:
            return Unavailable(f"the exchange cannot be reached ({_in_short(error)})")


def _in_short(error: HttpxError) -> str:
    name, text = type(error).__name__, redact(_QUERY.sub(f"?{MASK}", str(error)))
    return f"{name}: {text}" if text else name


def _snake_case(name: str) -> str:
    return _WORD_START.sub("_", name).lower()


_QUERY = re.compile(r"\?\S+")
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
