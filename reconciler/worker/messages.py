"""The messages between the supervisor and a worker, over the worker's pipe.

The life of a batch, from left to right; a worker prepares one batch while it commits another:

    supervisor   AssignBatch                  CommitBatches
    worker                    BatchPrepared                 BatchDone
                              BatchReturned

Before each request to the exchange a worker asks for its cost: `BudgetRequest`, answered by
`BudgetGrant` or `BudgetDenial`. Where the exchange wants nonces, a `NonceRequest` follows,
answered by `NonceGrant` or `NonceDenial`, and a `TurnEnded` when the attempt has ended.
"""

from dataclasses import dataclass

from reconciler.errors import Problem
from reconciler.resilience.limits import Cost, LimitReading
from reconciler.worker.release import Release
from reconciler.workload import AnomalyStats, Batch, Result


@dataclass(frozen=True, slots=True)
class AssignBatch:
    """Supervisor: prepare this batch. Sent when the worker has nothing else to prepare."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class CommitBatches:
    """Supervisor: commit these prepared batches. Sent after the verdict on their cycle.

    Attributes:
        batches: The batches' numbers, to be committed in this order.
        may_write: False if the halt is on, or if this is its sample: drop what was prepared.
    """

    batches: tuple[int, ...]
    may_write: bool


@dataclass(frozen=True, slots=True)
class BudgetGrant:
    """Supervisor: send the request. Sent once the budget has room for its cost.

    Attributes:
        number: The number of the `BudgetRequest`.
        is_probe: True for the first request after a rate-limit pause: a `ProbeEnded` must follow.
    """

    number: int
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class BudgetDenial:
    """Supervisor: do not send the request numbered `number`. Sent when the worker is to stop."""

    number: int


@dataclass(frozen=True, slots=True)
class NonceGrant:
    """Supervisor: it is this request's turn. A `TurnEnded` must follow.

    Attributes:
        number: The number of the `NonceRequest`.
    """

    number: int
    nonce: int


@dataclass(frozen=True, slots=True)
class NonceDenial:
    """Supervisor: there is no turn for the request numbered `number`. The worker is to stop."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Supervisor: prepare nothing more, finish the commits and exit. Sent to drain a worker."""


FromSupervisor = (
    AssignBatch | CommitBatches | BudgetGrant | BudgetDenial | NonceGrant | NonceDenial | Stop
)


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker: the handler is open. Sent once, with the release that this process runs."""

    release: Release


@dataclass(frozen=True, slots=True)
class BatchPrepared:
    """Worker: the batch is prepared. Sent when `Handler.prepare` has returned."""

    batch: int
    stats: AnomalyStats


@dataclass(frozen=True, slots=True)
class BatchReturned:
    """Worker: requeue the batch, nothing was done. Sent when a budget denial ended `prepare`."""

    batch: int


@dataclass(frozen=True, slots=True)
class BatchDone:
    """Worker: the batch is finished. Sent when `Handler.commit` has returned."""

    batch: int
    result: Result


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """Worker: may a request of this cost be sent? Sent before each; several may wait at once."""

    number: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class NonceRequest:
    """Worker: may a request be sent with a nonce? Sent before each; several may wait at once."""

    number: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Worker: the attempt with this nonce has ended, or its request is not sent after all.

    Attributes:
        number: The number of the `NonceRequest`.
        is_refused: True if the exchange has refused the nonce.
    """

    number: int
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class ProbeEnded:
    """Worker: the first request after a rate-limit pause ended. Sent once for each `is_probe`."""

    is_alive: bool


@dataclass(frozen=True, slots=True)
class RateLimitPause:
    """Worker: send no requests for `seconds`. Sent when the exchange has asked for a pause."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LimitRead:
    """Worker: what an answer of the exchange says about a limit. Sent when one says anything."""

    reading: LimitReading


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Worker: the event loop runs. Sent every few seconds, busy or idle.

    Attributes:
        waiting_seconds: How long it has waited for a call that should be short.
    """

    waiting_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreUnreachable:
    """Worker: the database cannot be used yet. Sent at each failed try to open the handler.

    Attributes:
        retry_seconds: The time until the next try.
    """

    reason: str
    retry_seconds: float


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Worker: the configuration is wrong. Sent before it exits; a restart would not help."""

    problems: tuple[Problem, ...]


FromWorker = (
    Ready
    | BatchPrepared
    | BatchReturned
    | BatchDone
    | BudgetRequest
    | NonceRequest
    | TurnEnded
    | ProbeEnded
    | RateLimitPause
    | LimitRead
    | Heartbeat
    | StoreUnreachable
    | Misconfigured
)
