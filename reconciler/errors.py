"""All errors that a module raises for another, and what the code that catches one does.

    ReconcilerError
    ├── ConfigurationError      settings or schema do not fit: stop, exit 78, list every problem
    │   ├── SchemaMismatch      the database lacks what we need: name each part, with its hint
    │   └── StoreRefused        the database refuses the login or a right: stop at the start,
    │                           wait later
    ├── StoreUnavailable        the database did not answer: back off, retry
    │   └── StatementFailed     the database canceled a statement: retry; if it recurs, find the row
    ├── StoreRejected           the database refused a write: find the row, put its order on hold
    ├── Halted                  the halt is on: leave the rows as they are, stop writing
    ├── ExchangeError           no usable answer; never evidence about an order
    │   ├── Unavailable         may pass: retry, count it for the breaker
    │   │   └── Malformed       the answer cannot be read: as unavailable
    │   │       └── UnreadableRow   one order of the answer cannot be read: that order's problem
    │   ├── ClockSkew           our timestamp is refused: sync with the exchange's clock, retry
    │   ├── FirewallRefused     HTTP 403: find out if it refuses this request or all of ours
    │   ├── RateLimited         we ask too much: pause for `retry_after_seconds`; not a failure
    │   ├── RequestRejected     refused for an unknown reason: a problem of the request's orders
    │   ├── Suspended           not sent: the exchange fails for this symbol, but not for others
    │   └── Refused             a person must act (bad key, no permission): stop asking, report it
    ├── BreakerOpen             not sent: the circuit breaker is open
    ├── NotSent                 not sent: the worker stops and does not wait for the budget
    ├── WorkersDying            workers die faster than they may be replaced: exit, for supervisord
    ├── OtherRelease            a worker runs another release than the supervisor: exit, start again
    ├── SocketTaken             another supervisor has the control socket: name its pid
    ├── NoSupervisor            no supervisor answers at the control socket: say so
    └── StatsdUnavailable       metrics are required and cannot be sent: exit, start again

"Order not found" is an answer, not an error: see `reconciler.domain.report.Absent`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem for a person: what is wrong, and a hint how to fix it."""

    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}"


class ReconcilerError(Exception):
    """The base of all our errors. Can be pickled with all its attributes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ReconcilerError], args: tuple[object, ...], attributes: Mapping[str, object]
) -> ReconcilerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class ConfigurationError(ReconcilerError):
    """The settings cannot work. Carries all problems, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SchemaMismatch(ConfigurationError):
    """The database lacks tables or columns that we read and write."""


class StoreRefused(ConfigurationError):
    """The database refuses us: a right is missing, or the password is wrong.

    A service that was already running waits until a person has fixed it.
    """


class StoreUnavailable(ReconcilerError):
    """The database did not answer, or ended our session.

    Nothing of the call was committed, with one exception: if the answer to the commit itself was
    lost, all of it may be committed.
    """


class StatementFailed(StoreUnavailable):
    """The database canceled one statement and the session goes on: a time-out, a deadlock.

    Mostly it passes. If it recurs while the database answers otherwise, one of the rows causes it.
    """


class StoreRejected(ReconcilerError):
    """The database refused our write: a constraint, a trigger, a column that is too narrow.

    Nothing of the transaction was committed.
    """


class Halted(ReconcilerError):
    """The halt is on, for all hosts: nothing was written. The text is the reason of the halt."""


class ExchangeError(ReconcilerError):
    """The exchange gave no usable answer."""


class Unavailable(ExchangeError):
    """The exchange cannot answer now: timeout, connection, 5xx, maintenance, unknown state."""


class Malformed(Unavailable):
    """The answer is truncated, or not what the exchange documents."""


class UnreadableRow(Malformed):
    """The exchange answered, but its report of one order cannot be read.

    The answer names the order, so the error counts for that order alone.
    """


class ClockSkew(ExchangeError):
    """The exchange refuses the request's timestamp."""


class RateLimited(ExchangeError):
    """The exchange wants no requests for `retry_after_seconds`."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class FirewallRefused(ExchangeError):
    """A firewall of the exchange refused the request: for its content, or for our address."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class RequestRejected(ExchangeError):
    """The exchange answered, but rejects this request for a reason that we do not know.

    The exchange is alive, so the error counts for the orders asked for and not for the breaker.
    `is_answer` is False if it has answered for others only, and each request about this order has
    failed.
    """

    def __init__(self, message: str, *, is_answer: bool = True) -> None:
        self.is_answer = is_answer
        super().__init__(message)


class Suspended(ExchangeError):
    """Not sent for `retry_after_seconds`: the exchange fails for this, not for others."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Refused(ExchangeError):
    """The exchange refuses us until a person does what `hint` says."""

    def __init__(self, message: str, *, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


class BreakerOpen(ReconcilerError):
    """The request was not sent: the breaker sends none for `retry_after_seconds`.

    `cause` is the last failure of the exchange, for a person. The text tells no remaining time: it
    may be stored as a fault and be read much later.
    """

    def __init__(self, *, retry_after_seconds: float, cause: str | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.cause = cause
        because = "" if cause is None else f", because {cause}"
        super().__init__(f"the circuit breaker is open{because}")


class NotSent(ReconcilerError):
    """The request was not sent: this worker stops, and does not wait for the budget."""


class WorkersDying(ReconcilerError):
    """One worker after another dies, without any progress."""


class OtherRelease(ReconcilerError):
    """A worker has loaded another release than the supervisor, or from another folder."""

    def __init__(self, *, own: str, other: str) -> None:
        self.own = own
        self.other = other
        super().__init__(f"the supervisor runs release {own}, but a worker runs {other}")


class SocketTaken(ReconcilerError):
    """Another supervisor, with the pid `pid`, listens at the control socket `path`."""

    def __init__(self, *, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = "another supervisor" if pid is None else f"another supervisor, pid {pid},"
        super().__init__(f"{who} has the control socket {path}")


class NoSupervisor(ReconcilerError):
    """No supervisor answers at the control socket `path`.

    `was_asked` is True if one has taken the command, so that it may have done it all the same.
    """

    def __init__(self, *, path: str, reason: str, was_asked: bool = False) -> None:
        self.path = path
        self.reason = reason
        self.was_asked = was_asked
        super().__init__(f"no supervisor answers at {path}: {reason}")


class StatsdUnavailable(ReconcilerError):
    """Metrics are required, and nothing takes them."""
