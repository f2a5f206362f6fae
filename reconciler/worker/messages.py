"""What parent and child say to each other over their pipe."""

from dataclasses import dataclass

from reconciler.errors import Problem
from reconciler.worker.release import Release
from reconciler.workload import AnomalyStats, Batch, Result


@dataclass(frozen=True, slots=True)
class AssignBatch:
    """Parent: here is a batch; look at it."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class CommitBatches:
    """Parent: finish these of the batches that you have looked at."""

    batches: tuple[int, ...]
    may_write: bool


@dataclass(frozen=True, slots=True)
class BudgetGrant:
    """Parent: the request numbered so may be sent.

    If it `is_first`, after a pause, say how it ended.
    """

    number: int
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class BudgetDenial:
    """Parent: the request numbered so is not to be sent: you are to end."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Parent: stop looking, finish what you were told to finish, and end."""


FromSupervisor = AssignBatch | CommitBatches | BudgetGrant | BudgetDenial | Stop


@dataclass(frozen=True, slots=True)
class Ready:
    """Child: everything is open; hand me a batch. This is the program that I run."""

    release: Release


@dataclass(frozen=True, slots=True)
class BatchPrepared:
    """Child: I have looked at the batch, and could look at another."""

    batch: int
    stats: AnomalyStats


@dataclass(frozen=True, slots=True)
class BatchReturned:
    """Child: the batch is as it was: I was denied what I needed to look at it."""

    batch: int


@dataclass(frozen=True, slots=True)
class BatchDone:
    """Child: this came of the batch."""

    batch: int
    result: Result


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """Child: may I spend so much weight? Numbered, so that several can be under way."""

    number: int
    weight: int


@dataclass(frozen=True, slots=True)
class ProbeEnded:
    """Child: the request that went first after a pause has ended; was it answered?"""

    is_alive: bool


@dataclass(frozen=True, slots=True)
class RateLimitPause:
    """Child: the exchange wants to hear nothing from this host for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WeightUsed:
    """Child: the exchange says that the account has used so much weight in this minute."""

    weight: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Child: my loop turns; I have waited so long for a call that should be short."""

    waiting_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreUnreachable:
    """Child: the database does not let me begin; I go on trying, and look every `retry_seconds`."""

    reason: str
    retry_seconds: float


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Child: I cannot work, and a restart would not change that."""

    problems: tuple[Problem, ...]


FromWorker = (
    Ready
    | BatchPrepared
    | BatchReturned
    | BatchDone
    | BudgetRequest
    | ProbeEnded
    | RateLimitPause
    | WeightUsed
    | Heartbeat
    | StoreUnreachable
    | Misconfigured
)
