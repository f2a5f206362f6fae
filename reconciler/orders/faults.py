"""Translate an error into the fault of a worker: who can clear it, and when to try again."""

from collections.abc import Sequence

from reconciler.errors import (
    BreakerOpen,
    ExchangeError,
    Problem,
    Refused,
    StoreRefused,
    StoreUnavailable,
)
from reconciler.workload import FaultKind, WorkerFault

RETRY_SECONDS = 5.0


def fault_of(
    error: ExchangeError | BreakerOpen | StoreUnavailable | StoreRefused,
) -> WorkerFault:
    """Return the fault that keeps the worker from working after this error.

    Its message is kept and shown later: it tells no remaining time, and not that a breaker is open.
    """
    failed_tries = int(isinstance(error, ExchangeError))
    message = str(error)
    match error:
        case StoreRefused(problems=problems):
            return fault_for_person(FaultKind.RIGHTS, problems, RETRY_SECONDS)
        case StoreUnavailable():
            kind, seconds = FaultKind.STORE, RETRY_SECONDS
        case Refused(hint=hint):
            refused = Problem(what=str(error), hint=hint)
            return fault_for_person(FaultKind.REFUSED, [refused], RETRY_SECONDS, failed_tries)
        case BreakerOpen(retry_after_seconds=seconds, cause=cause):
            kind, message = FaultKind.EXCHANGE, cause or message
        case _:
            kind, seconds = FaultKind.EXCHANGE, RETRY_SECONDS
    return WorkerFault(
        kind=kind,
        message=message,
        retry_after_seconds=seconds,
        failed_tries=failed_tries,
        is_consequence=isinstance(error, BreakerOpen),
    )


def fault_for_person(
    kind: FaultKind, problems: Sequence[Problem], retry_after_seconds: float, failed_tries: int = 0
) -> WorkerFault:
    """Return a fault that stays until a person has solved the problems."""
    return WorkerFault(
        kind=kind,
        message="\n".join(map(str, problems)),
        retry_after_seconds=retry_after_seconds,
        failed_tries=failed_tries,
        problems=tuple(problems),
    )
