from datetime import timedelta

import pytest

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    Malformed,
    RateLimited,
    Refused,
    Unavailable,
)
from reconciler.resilience.retry import JITTER_SHARE, retrying
from reconciler.settings import RetryPolicy
from tests.fakes import FailingRequest, FakeSleep, outages


async def test_returns_the_answer_of_the_attempt_that_succeeds() -> None:
    send = FailingRequest(*outages(3))

    answer: str = await retrying(RetryPolicy(), sleep=FakeSleep())(send)

    assert answer == "answer"
    assert send.calls == 4


async def test_last_error_itself_is_raised_after_the_retries() -> None:
    send = FailingRequest(*outages(9))

    with pytest.raises(Unavailable, match="outage 4"):
        await retrying(RetryPolicy(), sleep=FakeSleep())(send)

    assert send.calls == 4


async def test_retry_waits_double_and_carry_jitter() -> None:
    sleep = FakeSleep()

    await retrying(RetryPolicy(), sleep=sleep)(FailingRequest(*outages(3)))

    for slept, expected in zip(sleep.slept, (0.3, 0.6, 1.2), strict=True):
        assert expected <= slept <= expected + 0.3 * JITTER_SHARE


async def test_jitter_differs_from_call_to_call() -> None:
    sleep = FakeSleep()

    for _ in range(20):
        await retrying(RetryPolicy(), sleep=sleep)(FailingRequest(*outages(1)))

    assert len(set(sleep.slept)) > 1


async def test_no_retry_wait_is_longer_than_the_cap() -> None:
    sleep = FakeSleep()
    policy = RetryPolicy(retries=12, cap=timedelta(milliseconds=500))

    await retrying(policy, sleep=sleep)(FailingRequest(*outages(12)))

    assert max(sleep.slept) == 0.5


async def test_policy_without_retries_makes_one_attempt() -> None:
    send = FailingRequest(*outages(1))

    with pytest.raises(Unavailable):
        await retrying(RetryPolicy(retries=0), sleep=FakeSleep())(send)

    assert send.calls == 1


async def test_malformed_answers_are_asked_for_again() -> None:
    send = FailingRequest(Malformed("half an answer"))

    assert await retrying(RetryPolicy(), sleep=FakeSleep())(send) == "answer"


@pytest.mark.parametrize(
    "error",
    [
        Refused("bad key", hint="set another"),
        ClockSkew("-1021"),
        RateLimited("429", retry_after_seconds=1),
        BreakerOpen(retry_after_seconds=1),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_only_unavailable_is_retried_and_nothing_else(error: Exception) -> None:
    send = FailingRequest(error)

    with pytest.raises(type(error)):
        await retrying(RetryPolicy(), sleep=FakeSleep())(send)

    assert send.calls == 1


async def test_callback_is_called_before_each_retry_wait() -> None:
    happened: list[str] = []

    async def sleep(_: float) -> None:
        happened.append("sleep")

    await retrying(RetryPolicy(), sleep=sleep, on_retry=lambda: happened.append("retry"))(
        FailingRequest(*outages(2))
    )

    assert happened == ["retry", "sleep", "retry", "sleep"]
