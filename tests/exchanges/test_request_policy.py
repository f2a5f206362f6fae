import asyncio
import pickle
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta

import httpx
import pytest
import structlog.testing

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    Malformed,
    NotSent,
    RateLimited,
    Refused,
    RequestRejected,
    Suspended,
    Unavailable,
)
from reconciler.exchanges.request_policy import (
    HttpxError,
    LivenessCheck,
    RequestPolicy,
    Usage,
    UsageCounter,
    translate_httpx_error,
)
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.breaker_state import BreakerState
from reconciler.resilience.limits import Cost, LimitReading, weight_of
from reconciler.settings import BreakerPolicy, RetryPolicy
from tests.fakes import FailingRequest, FakeClock, FakeSleep, outages

LIGHT: Cost = {"weight": 1}
LOOKUP: Cost = {"weight": 4}
QUERY = "symbol=BTCUSDT&signature=5ec2e7"


class FakeBudget:
    """Grants everything at once, and records each call."""

    def __init__(self) -> None:
        self.events: list[tuple[str, float]] = []
        self.outcomes: list[bool] = []
        self.on_take: Callable[[], None] = lambda: None
        self.on_outcome: Callable[[], None] = lambda: None

    async def take(self, cost: Cost) -> None:
        self.events.append(("take", weight_of(cost)))
        self.on_take()

    async def record_outcome(self, *, is_alive: bool) -> None:
        self.outcomes.append(is_alive)
        self.on_outcome()

    async def pause(self, seconds: float) -> None:
        self.events.append(("pause", seconds))

    async def observe(self, reading: LimitReading) -> None:
        raise NotImplementedError


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def budget() -> FakeBudget:
    return FakeBudget()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(BreakerPolicy(failure_threshold=5), clock=clock)


@pytest.fixture
def sleep() -> FakeSleep:
    return FakeSleep()


@pytest.fixture
def usage() -> UsageCounter:
    return UsageCounter()


@pytest.fixture
def policy(
    budget: FakeBudget, breaker: Breaker, sleep: FakeSleep, usage: UsageCounter, clock: FakeClock
) -> RequestPolicy:
    return RequestPolicy(
        budget=budget,
        breaker=breaker,
        retry=RetryPolicy(retries=3),
        usage=usage,
        attempt_timeout=timedelta(milliseconds=500),
        sleep=sleep,
        clock=clock,
    )


async def test_call_returns_what_the_request_returned(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    answer = await policy.call(LOOKUP, FailingRequest(clock=clock))

    assert answer == "answer"
    assert budget.events == [("take", 4)]


async def test_each_attempt_takes_weight_from_the_budget(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    await policy.call(LOOKUP, FailingRequest(*outages(2), clock=clock))

    assert budget.events == [("take", 4)] * 3


async def test_an_outage_is_retried_and_then_raised(
    policy: RequestPolicy, sleep: FakeSleep, clock: FakeClock
) -> None:
    send = FailingRequest(*outages(9), clock=clock)

    with pytest.raises(Unavailable, match="outage 4"):
        await policy.call(LIGHT, send)

    assert send.calls == 4
    assert len(sleep.slept) == 3


async def test_each_failed_attempt_counts_for_the_breaker(
    policy: RequestPolicy, breaker: Breaker, clock: FakeClock
) -> None:
    with pytest.raises(Unavailable):
        await policy.call(LIGHT, FailingRequest(*outages(4), clock=clock))

    assert len(breaker.snapshot().failure_ages_seconds) == 4


async def test_open_breaker_spends_nothing_and_is_not_retried(
    policy: RequestPolicy, breaker: Breaker, budget: FakeBudget, sleep: FakeSleep, clock: FakeClock
) -> None:
    with pytest.raises(Refused):
        await policy.call(LIGHT, FailingRequest(Refused("bad key", hint="-"), clock=clock))
    budget.events.clear()
    send = FailingRequest(clock=clock)

    with pytest.raises(BreakerOpen):
        await policy.call(LIGHT, send)

    assert breaker.state is BreakerState.OPEN
    assert send.calls == 0
    assert budget.events == []
    assert sleep.slept == []


async def test_breaker_that_opens_between_retries_ends_them(
    policy: RequestPolicy, clock: FakeClock
) -> None:
    with pytest.raises(Unavailable):
        await policy.call(LIGHT, FailingRequest(*outages(4), clock=clock))
    send = FailingRequest(*outages(4), clock=clock)

    with pytest.raises(Unavailable, match="outage 1"):  # it was sent, so its own failure is raised
        await policy.call(LIGHT, send)

    assert send.calls == 1


async def test_breaker_opening_during_the_budget_wait_sends_nothing(
    policy: RequestPolicy, breaker: Breaker, budget: FakeBudget, clock: FakeClock
) -> None:
    def another_request_is_refused() -> None:
        with pytest.raises(Refused), breaker.attempt():
            raise Refused("bad key", hint="-")

    budget.on_take = another_request_is_refused
    send = FailingRequest(clock=clock)

    with pytest.raises(BreakerOpen):
        await policy.call(LIGHT, send)

    assert send.calls == 0


async def test_rate_limit_is_waited_out_as_often_as_needed(
    policy: RequestPolicy, budget: FakeBudget, breaker: Breaker, sleep: FakeSleep, clock: FakeClock
) -> None:
    limits = [RateLimited("429", retry_after_seconds=30)] * 20

    answer = await policy.call({"weight": 2}, FailingRequest(*limits, clock=clock))

    assert answer == "answer"
    assert budget.events == [("take", 2), ("pause", 30)] * 20 + [("take", 2)]
    assert breaker.snapshot().failure_ages_seconds == ()
    assert sleep.slept == []


async def test_rate_limit_does_not_use_up_a_retry(policy: RequestPolicy, clock: FakeClock) -> None:
    limited = RateLimited("429", retry_after_seconds=1)
    mixed = [limited, *outages(2), limited, Unavailable("outage 3"), limited]

    assert await policy.call(LIGHT, FailingRequest(*mixed, clock=clock)) == "answer"


async def test_rate_limit_without_a_time_still_causes_a_pause(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    await policy.call(LIGHT, FailingRequest(RateLimited("429", retry_after_seconds=0), clock=clock))

    assert ("pause", 1) in budget.events


@pytest.mark.parametrize(
    "error",
    [Refused("bad key", hint="-"), ClockSkew("-1021")],
    ids=lambda error: type(error).__name__,
)
async def test_lasting_failure_is_raised_without_a_retry(
    policy: RequestPolicy, clock: FakeClock, error: Exception
) -> None:
    send = FailingRequest(error, clock=clock)

    with pytest.raises(type(error)) as caught:
        await policy.call(LIGHT, send)

    assert caught.value is error
    assert send.calls == 1


async def test_unexpected_error_fails_its_request_and_is_logged_once(
    policy: RequestPolicy, clock: FakeClock
) -> None:
    def bug() -> Exception:
        return ValueError("Exceeds the limit (4300 digits) for integer string conversion")

    send = FailingRequest(bug(), bug(), bug(), bug(), clock=clock)
    with structlog.testing.capture_logs() as logged, pytest.raises(Malformed, match="ValueError"):
        await policy.call(LIGHT, send)

    (line,) = [line for line in logged if line["event"] == "exchange.answer_not_handled"]
    assert "fakes.py" in line["trace"]


async def test_cancelled_call_counts_neither_as_failure_nor_success(
    policy: RequestPolicy, breaker: Breaker, usage: UsageCounter
) -> None:
    is_sent = asyncio.Event()

    async def never_answered() -> None:
        is_sent.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(policy.call(LIGHT, never_answered))
    await is_sent.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert breaker.snapshot().failure_ages_seconds == ()
    assert usage.take() == Usage(requests=1, weight=1)


async def test_usage_counts_each_event_once_and_starts_again(
    policy: RequestPolicy, usage: UsageCounter, clock: FakeClock
) -> None:
    errors = [Unavailable("503"), Malformed("{"), RateLimited("429", retry_after_seconds=1)]
    await policy.call(LOOKUP, FailingRequest(*errors, clock=clock))
    with pytest.raises(Refused):
        await policy.call({"weight": 20}, FailingRequest(Refused("bad key", hint="-"), clock=clock))
    with pytest.raises(BreakerOpen):
        await policy.call(LOOKUP, FailingRequest(clock=clock))

    taken = usage.take()

    assert taken.requests == 5
    assert taken.weight == 4 * 4 + 20
    assert taken.retries == 2
    assert taken.errors == {
        "unavailable": 1,
        "malformed": 1,
        "rate_limited": 1,
        "refused": 1,
        "breaker_open": 1,
    }
    assert taken.latencies_ms == pytest.approx([25] * 5)
    assert usage.take() == Usage()


def test_usage_counts_clock_skew_by_its_class() -> None:
    usage = UsageCounter()

    usage.count_error(ClockSkew("-1021"))

    assert usage.take().errors == {"clock_skew": 1}


def test_usage_can_be_pickled_to_another_process() -> None:
    usage = UsageCounter()
    usage.count_request(LOOKUP)
    usage.count_error(Unavailable("503"))
    taken = usage.take()

    assert pickle.loads(pickle.dumps(taken)) == taken  # noqa: S301 - our own bytes


def all_httpx_errors() -> Iterator[type[HttpxError]]:
    found: list[type[HttpxError]] = [httpx.HTTPError, httpx.InvalidURL, httpx.StreamError]
    while found:
        error_type = found.pop()
        found += error_type.__subclasses__()
        yield error_type


def an_httpx_error(error_type: type[HttpxError]) -> HttpxError:
    text = f"no answer from https://host/api/v3/order?{QUERY} in time"
    request = httpx.Request("GET", f"https://host/api/v3/order?{QUERY}")
    if issubclass(error_type, httpx.HTTPStatusError):
        return error_type(text, request=request, response=httpx.Response(503, request=request))
    if error_type in {
        httpx.StreamConsumed,
        httpx.StreamClosed,
        httpx.ResponseNotRead,
        httpx.RequestNotRead,
    }:
        return error_type()
    return error_type(text)


@pytest.mark.parametrize("error_type", [*all_httpx_errors()], ids=lambda found: found.__name__)
async def test_every_httpx_error_is_translated_to_one_of_ours(
    policy: RequestPolicy, clock: FakeClock, error_type: type[HttpxError]
) -> None:
    with pytest.raises(ExchangeError) as caught:
        await policy.call(LIGHT, FailingRequest(*[an_httpx_error(error_type)] * 4, clock=clock))

    assert QUERY not in str(caught.value)
    assert "signature" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "error_type",
    [found for found in all_httpx_errors() if issubclass(found, httpx.TransportError)],
    ids=lambda found: found.__name__,
)
def test_every_transport_error_of_httpx_is_unavailable(error_type: type[HttpxError]) -> None:
    assert type(translate_httpx_error(an_httpx_error(error_type))) is Unavailable


def test_invalid_address_is_refused_with_a_hint() -> None:
    error = translate_httpx_error(httpx.InvalidURL("Invalid port: 'x'"))

    assert isinstance(error, Refused)
    assert "EXCHANGE_BASE_URL" in error.hint


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """Serve real HTTP on loopback and yield the address of an order on it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/api/v3/order?{QUERY}"


def answering(head: str, body: bytes = b"") -> Handler:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return answer


async def hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def get(policy: RequestPolicy, url: str) -> str:
    async with httpx.AsyncClient() as client:

        async def send() -> str:
            response = await client.get(url)
            response.raise_for_status()
            return response.text

        return await policy.call(LIGHT, send)


async def test_an_answer_over_http_is_returned(policy: RequestPolicy) -> None:
    async with server(answering("200 OK", b"filled")) as url:
        assert await get(policy, url) == "filled"


@pytest.mark.parametrize(
    ("handler", "expected", "text"),
    [
        pytest.param(hang_up, Unavailable, "cannot be reached", id="hang-up"),
        pytest.param(say_nothing, Unavailable, "no answer within 0.5 s", id="silence"),
        pytest.param(answering("503 Busy"), Unavailable, "HTTP 503", id="status"),
        pytest.param(
            answering("200 OK\r\nContent-Encoding: gzip", b"no gzip"),
            Malformed,
            "cannot be unpacked",
            id="garbage",
        ),
    ],
)
async def test_failure_over_http_is_shown_without_the_signature(
    policy: RequestPolicy,
    usage: UsageCounter,
    handler: Handler,
    expected: type[Unavailable],
    text: str,
) -> None:
    async with server(handler) as url:
        with pytest.raises(expected, match=text) as caught:
            await get(policy, url)

    assert "signature" not in str(caught.value)
    assert usage.take().requests == 4


async def test_refused_connection_is_unavailable(policy: RequestPolicy) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/?{QUERY}"

        with pytest.raises(Unavailable, match="cannot be reached"):
            await get(policy, url)


# Failures of one symbol or order.

ABOUT = ("BTCUSDT", "17")


async def test_one_failing_order_triggers_a_liveness_check(
    policy: RequestPolicy, breaker: Breaker, budget: FakeBudget, clock: FakeClock
) -> None:
    check = LivenessCheck(cost=LIGHT, send=FailingRequest(clock=clock))

    with pytest.raises(Unavailable):
        await policy.call(
            LOOKUP, FailingRequest(*outages(9), clock=clock), subject=ABOUT, liveness_check=check
        )
    with pytest.raises(RequestRejected, match="outage 1; the exchange answers for others"):
        await policy.call(
            LOOKUP, FailingRequest(*outages(9), clock=clock), subject=ABOUT, liveness_check=check
        )

    assert breaker.state is BreakerState.CLOSED
    assert budget.events.count(("take", 1)) == 1
    assert (
        await policy.call(LOOKUP, FailingRequest(clock=clock), subject=("BTCUSDT", "18"))
        == "answer"
    )
    with pytest.raises(Suspended):
        await policy.call(LOOKUP, FailingRequest(clock=clock), subject=ABOUT)


@pytest.mark.parametrize("has_check", [True, False])
async def test_failed_or_missing_liveness_check_opens_the_breaker(
    policy: RequestPolicy, breaker: Breaker, clock: FakeClock, *, has_check: bool
) -> None:
    check = (
        LivenessCheck(cost=LIGHT, send=FailingRequest(*outages(9), clock=clock))
        if has_check
        else None
    )

    for _ in range(2):
        with pytest.raises(Unavailable):
            await policy.call(
                LOOKUP,
                FailingRequest(*outages(9), clock=clock),
                subject=ABOUT,
                liveness_check=check,
            )

    assert breaker.state is BreakerState.OPEN


async def test_rate_limited_liveness_check_proves_life_and_pauses(
    policy: RequestPolicy, breaker: Breaker, budget: FakeBudget, clock: FakeClock
) -> None:
    limited = FailingRequest(RateLimited("429", retry_after_seconds=30), clock=clock)
    check = LivenessCheck(cost=LIGHT, send=limited)

    for _ in range(2):
        with pytest.raises((Unavailable, RequestRejected)):
            await policy.call(
                LOOKUP,
                FailingRequest(*outages(9), clock=clock),
                subject=ABOUT,
                liveness_check=check,
            )

    assert breaker.state is BreakerState.CLOSED
    assert ("pause", 30) in budget.events


async def test_rejected_request_is_not_sent_again(
    policy: RequestPolicy, breaker: Breaker, clock: FakeClock
) -> None:
    send = FailingRequest(*[RequestRejected("code -9999")] * 9, clock=clock)

    for _ in range(6):
        with pytest.raises(RequestRejected):
            await policy.call(LOOKUP, send, subject=ABOUT)

    assert send.calls == 6
    assert breaker.state is BreakerState.CLOSED


# The end of a request.


@pytest.mark.parametrize(
    ("errors", "outcomes"),
    [
        ([], [True]),
        ([Unavailable("503")], [False, True]),
        ([Refused("bad key", hint="-")], [True]),
        ([RequestRejected("code -9999")], [True]),
        ([RateLimited("429", retry_after_seconds=9)], [False, True]),
    ],
    ids=["answered", "failed", "refused", "rejected", "limited"],
)
async def test_budget_gets_the_outcome_of_each_request(
    policy: RequestPolicy,
    budget: FakeBudget,
    clock: FakeClock,
    errors: list[Exception],
    outcomes: list[bool],
) -> None:
    with suppress(Refused, RequestRejected):
        await policy.call(LIGHT, FailingRequest(*errors, clock=clock))

    assert budget.outcomes == outcomes


async def test_budget_is_paused_before_the_outcome_is_recorded(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    events_before: list[int] = []
    budget.on_outcome = lambda: events_before.append(len(budget.events))

    await policy.call(LIGHT, FailingRequest(RateLimited("429", retry_after_seconds=9), clock=clock))

    assert budget.events == [("take", 1), ("pause", 9), ("take", 1)]
    assert events_before == [2, 3]


async def test_no_answer_pauses_us_for_longer_than_any_ban(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    await policy.call(
        LIGHT, FailingRequest(RateLimited("429", retry_after_seconds=1e308), clock=clock)
    )

    assert ("pause", 259_200) in budget.events


class DeniedTurn(AbstractAsyncContextManager[None]):
    async def __aenter__(self) -> None:
        raise NotSent("this worker is shutting down")

    async def __aexit__(self, *_: object) -> None: ...


async def test_waiting_for_a_turn_takes_nothing_of_the_attempt_and_is_no_failure(
    breaker: Breaker, usage: UsageCounter, sleep: FakeSleep
) -> None:
    timeout = timedelta(milliseconds=20)
    policy = RequestPolicy(
        budget=FakeBudget(),
        breaker=breaker,
        retry=RetryPolicy(retries=0),
        usage=usage,
        attempt_timeout=timeout,
        sleep=sleep,
    )
    ends_of_turns: list[str] = []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        await asyncio.sleep(5 * timeout.total_seconds())
        yield
        ends_of_turns.append("end")

    answer = await policy.call(LIGHT, FailingRequest(), turn=turn)

    assert (answer, ends_of_turns) == ("answer", ["end"])
    assert usage.take().errors == {}
    assert breaker.snapshot().failure_ages_seconds == ()


async def test_denied_turn_sends_nothing_spends_nothing_and_is_no_failure(
    policy: RequestPolicy, budget: FakeBudget, breaker: Breaker, usage: UsageCounter
) -> None:
    send = FailingRequest()

    with pytest.raises(NotSent):
        await policy.call(LIGHT, send, turn=DeniedTurn)

    assert send.calls == 0
    assert budget.events == []
    assert usage.take() == Usage()
    assert breaker.snapshot().failure_ages_seconds == ()


async def test_each_attempt_has_a_turn_of_its_own_and_takes_from_the_budget_within_it(
    policy: RequestPolicy, budget: FakeBudget, clock: FakeClock
) -> None:
    turns: list[str] = []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        turns.append("begin")
        try:
            yield
        finally:
            turns.append("end")

    budget.on_take = lambda: turns.append("take")

    await policy.call(LIGHT, FailingRequest(*outages(2), clock=clock), turn=turn)

    assert turns == ["begin", "take", "end"] * 3
