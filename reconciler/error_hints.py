"""What a person can do about each error of ours: a hint for every class."""

from collections.abc import Sequence

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ConfigurationError,
    NoSupervisor,
    OtherRelease,
    Problem,
    RateLimited,
    ReconcilerError,
    Refused,
    SocketTaken,
    StatsdUnavailable,
    StoreUnavailable,
    Unavailable,
    WorkersDying,
)


def problems_of(error: ReconcilerError) -> Sequence[Problem]:
    """Return the problems of an error of ours, each with its hint."""
    match error:
        case ConfigurationError():
            return error.problems
        case Refused():
            return [Problem(what=str(error), hint=error.hint)]
        case _:
            return [Problem(what=str(error), hint=_hint_of(error))]


_HINTS: dict[type[ReconcilerError], str] = {
    StoreUnavailable: (
        "check that PostgreSQL runs and has room, and that host and port in DATABASE_URL, or"
        " wherever you gave this address, are right"
    ),
    Unavailable: (
        "check that the exchange answers at EXCHANGE_BASE_URL (unset it for the exchange's own"
        " address); the paper exchange is started with: reconciler paper"
    ),
    ClockSkew: "synchronize this machine's clock with a time server, and try again",
    NoSupervisor: (
        "start one: reconciler run; or use the supervisor's DATABASE_URL or"
        " RECONCILIATION_CONTROL_SOCKET, and run this as the same user"
    ),
    SocketTaken: (
        "stop that supervisor first, or give this one its own socket with"
        " RECONCILIATION_CONTROL_SOCKET"
    ),
    OtherRelease: (
        "start it again: another release was installed while it ran; if that does not help, find"
        " out where the worker's program comes from, and remove it"
    ),
    StatsdUnavailable: (
        "start StatsD there, correct STATSD_HOST and STATSD_PORT, or unset STATSD_REQUIRED to work"
        " without metrics"
    ),
    WorkersDying: "see in the log above why the workers died: worker.died, worker.hung",
}


def _hint_of(error: ReconcilerError) -> str:
    match error:
        case RateLimited(retry_after_seconds=seconds):
            return (
                f"wait {seconds:.0f} s, check which other programs use this account or address, or"
                " lower RECONCILIATION_RATE_SHARE"
            )
        case BreakerOpen(retry_after_seconds=seconds):
            return f"try again in {seconds:.0f} s"
        case _:
            kinds = (kind for kind in type(error).__mro__ if kind in _HINTS)
            return next((_HINTS[kind] for kind in kinds), "see the log above")
