"""The fault that an error becomes. It is kept and shown later, so it tells no remaining time."""

import re

import pytest

from reconciler.errors import BreakerOpen, RateLimited, StoreUnavailable, Unavailable
from reconciler.orders.faults import fault_of
from reconciler.workload import FaultKind

REMAINING = re.compile(r"\d+ ?(s|seconds|min|minutes)\b|\bmore\b")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (BreakerOpen(retry_after_seconds=119, cause="it answers 503"), "it answers 503"),
        (BreakerOpen(retry_after_seconds=119), "the circuit breaker is open"),
        (RateLimited("too many requests", retry_after_seconds=30), "too many requests"),
        (Unavailable("it answers 503"), "it answers 503"),
        (StoreUnavailable("connection refused"), "connection refused"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_fault_tells_its_cause_and_no_remaining_time(
    error: BreakerOpen | RateLimited | Unavailable | StoreUnavailable, message: str
) -> None:
    fault = fault_of(error)

    assert fault.message == message
    assert not REMAINING.search(str(error))


def test_the_time_until_the_next_try_is_a_number_of_its_own() -> None:
    fault = fault_of(BreakerOpen(retry_after_seconds=119, cause="it answers 503"))

    assert (fault.kind, fault.retry_after_seconds) == (FaultKind.EXCHANGE, 119)
