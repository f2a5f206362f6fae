"""Retry after `Unavailable`, a few times, each time after a longer wait."""

import asyncio
from collections.abc import Awaitable, Callable

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from reconciler.errors import Unavailable
from reconciler.settings import RetryPolicy

JITTER_SHARE = 0.5
"""The jitter's share of the first wait: enough to spread workers that failed at the same time."""


def retrying(
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_retry: Callable[[], None] | None = None,
) -> AsyncRetrying:
    """Return a caller that repeats a coroutine function after `Unavailable`.

    It repeats it up to `policy.retries` times. The waits are `initial`, `initial * multiplier`, and
    so on, each with up to `JITTER_SHARE` of `initial` on top, and none above `cap`. Every other
    error, and the last `Unavailable`, is raised as it is. `on_retry` is called before each wait.

    Make one for each call, because tenacity keeps the state of one call in it.
    """
    initial_seconds = policy.initial.total_seconds()

    def before_sleep(_: RetryCallState) -> None:
        if on_retry is not None:
            on_retry()

    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_attempt(policy.retries + 1),
        wait=wait_exponential_jitter(
            multiplier=initial_seconds,
            exp_base=policy.multiplier,
            max=policy.cap,
            jitter=initial_seconds * JITTER_SHARE,
        ),
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )
