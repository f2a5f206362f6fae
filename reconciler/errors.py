"""Every error that crosses a module's border, and what the one who catches it does.

    ReconcilerError
    ├── ConfigurationError      settings or schema do not fit: stop, exit 78, list every problem
    │   ├── SchemaMismatch      the database lacks what we need: each part named, with its hint
    │   └── StoreRefused        it refuses us a right or the login: at the start stop, later wait
    ├── StoreUnavailable        the database did not answer: back off, try again
    │   └── StatementFailed     it gave one statement up: try again; if it recurs, find the order
    ├── StoreRejected           the database refused a write: find the guilty order, hold it
    ├── Halted                  the halt is on: leave the rows as they are, and stop
    ├── ExchangeError           an answer could not be had; never evidence about an order
    │   ├── Unavailable         may pass: retry, and count it for the breaker
    │   │   └── Malformed       an answer that cannot be read: as unavailable
    │   │       └── UnreadableRow   one order of an answer: that order's own
    │   ├── ClockSkew           our timestamp is refused: take the exchange's clock anew, ask again
    │   ├── FirewallRefused     HTTP 403: find out whether it is this request or all of ours
    │   ├── RateLimited         we ask too much: wait `retry_after_seconds`; no failure
    │   ├── RequestRejected     this request is turned down for an unknown reason: its orders' own
    │   ├── Suspended           not asked: the exchange answers others, but fails about this
    │   └── Refused             will not pass by itself (bad key, no permission): stop and say so
    ├── BreakerOpen             not asked at all: the breaker is open
    ├── NotSent                 not asked at all: we stop, and would have had to wait for the budget
    ├── WorkersDying            the workers die faster than they may be replaced: end loudly
    ├── OtherRelease            a worker runs another program than its parent: start again
    ├── SocketTaken             another supervisor has the control socket: its pid says which
    └── NoSupervisor            nobody answers at the control socket

"Order not found" is an answer, not an error: see `reconciler.domain.report.Absent`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong and what a person does about it."""

    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}"


class ReconcilerError(Exception):
    """Anything that we raise on purpose. Can be sent to another process, facts and all."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ReconcilerError], args: tuple[object, ...], facts: Mapping[str, object]
) -> ReconcilerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class ConfigurationError(ReconcilerError):
    """Settings that cannot work. Carries every problem at once, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SchemaMismatch(ConfigurationError):
    """The database does not hold what we read and write."""


class StoreRefused(ConfigurationError):
    """The database refuses us: a right that is missing, a password that is not the right one.

    A service that has been running waits until a person has fixed it: it was right before.
    """


class StoreUnavailable(ReconcilerError):
    """The database did not answer, or ended our session.

    Nothing of the call was committed; only where the answer to the commit itself was lost, all of
    it may have been.
    """


class StatementFailed(StoreUnavailable):
    """The database gave one statement up and serves the session on: a time-out, a deadlock.

    Mostly it passes. What recurs while the database otherwise answers is caused by one of the rows.
    """


class StoreRejected(ReconcilerError):
    """The database refused what we wrote: a constraint, a trigger, a column too narrow.

    Nothing of the transaction was committed.
    """


class Halted(ReconcilerError):
    """The halt is on, for all hosts: nothing was written. Its text is the halt's reason."""


class ExchangeError(ReconcilerError):
    """The exchange gave no usable answer."""


class Unavailable(ExchangeError):
    """The exchange cannot answer now: timeout, connection, 5xx, maintenance, unknown state."""


class Malformed(Unavailable):
    """The answer is truncated or not what the exchange documents."""


class UnreadableRow(Malformed):
    """The exchange answered, but what it says of one order, which it names, cannot be read.

    It counts for that order alone.
    """


class ClockSkew(ExchangeError):
    """The exchange refuses the request's timestamp."""


class RateLimited(ExchangeError):
    """The exchange wants silence until `retry_after_seconds` have passed."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class FirewallRefused(ExchangeError):
    """A firewall before the exchange refused the request: for what it says, or for who we are."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class RequestRejected(ExchangeError):
    """The exchange answers, but turns this very request down, for a reason that we do not know.

    It proves that the exchange is alive. It counts for the orders asked for, not for the breaker.
    """


class Suspended(ExchangeError):
    """Not asked for `retry_after_seconds`: the exchange fails about this, and answers others."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Refused(ExchangeError):
    """The exchange refuses us, and will again until a person acts as `hint` says."""

    def __init__(self, message: str, *, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


class BreakerOpen(ReconcilerError):
    """The request was not sent: the breaker lets nothing through for `retry_after_seconds`.

    `cause` is what the exchange did last, for a person.
    """

    def __init__(self, *, retry_after_seconds: float, cause: str | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.cause = cause
        because = "" if cause is None else f", because {cause}"
        super().__init__(
            f"the circuit breaker is open for {retry_after_seconds:.0f} s more{because}"
        )


class NotSent(ReconcilerError):
    """The request was not sent: this worker is to end, and does not wait for the budget."""


class WorkersDying(ReconcilerError):
    """One worker after another dies, and nothing goes forward."""


class OtherRelease(ReconcilerError):
    """A worker has loaded another release of the program than its parent, or from elsewhere."""

    def __init__(self, *, own: str, other: str) -> None:
        self.own = own
        self.other = other
        super().__init__(f"the supervisor runs release {own}, but a worker runs {other}")


class SocketTaken(ReconcilerError):
    """Another supervisor, `pid`, listens at the control socket `path`."""

    def __init__(self, *, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = "another supervisor" if pid is None else f"another supervisor, pid {pid},"
        super().__init__(f"{who} has the control socket {path}")


class NoSupervisor(ReconcilerError):
    """No supervisor answers at the control socket `path`."""

    def __init__(self, *, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"no supervisor answers at {path}: {reason}")
