"""Metrics over StatsD: all their names, and the client that sends them.

No id (of an order, a symbol, a request) may be part of a name: each new name is a new series for
ever. So the names are enums, names with a variable part are made by the functions here, and the
types refuse any other string.
"""

from collections.abc import Collection
from enum import StrEnum
from functools import cache
from typing import NewType, Protocol

import structlog

from reconciler.domain.status import Status
from reconciler.statsd_target import StatsdTarget
from reconciler.telemetry.logs import take_lost_lines
from reconciler.telemetry.statsd_client import StatsdMetrics

log = structlog.get_logger(__name__)

CounterName = NewType("CounterName", str)
GaugeName = NewType("GaugeName", str)


class Counter(StrEnum):
    """Counters: how often something happened since the last flush."""

    ORDERS_RECONCILED = "orders.reconciled"
    ORDERS_DISCREPANCIES = "orders.discrepancies"
    ORDERS_ERRORS = "orders.errors"
    ORDERS_HELD = "orders.held"
    ORDERS_SKIPPED_LOCKED = "orders.skipped_locked"
    EXCHANGE_REQUESTS = "exchange.requests"
    EXCHANGE_WEIGHT = "exchange.weight"
    EXCHANGE_RETRIES = "exchange.retries"
    BREAKER_OPENED = "breaker.opened"
    SUPERVISOR_RESTARTS = "supervisor.restarts"
    SUPERVISOR_KILLED_HUNG = "supervisor.killed_hung"
    SHADOW_WOULD_CHANGE = "shadow.would_change"
    SHADOW_WOULD_HOLD = "shadow.would_hold"
    LOG_LINES_LOST = "log.lines_lost"


class ErrorClass(StrEnum):
    """The classes of `exchange.errors.`: our errors of an exchange, in snake_case."""

    UNAVAILABLE = "unavailable"
    REQUEST_REJECTED = "request_rejected"
    SUSPENDED = "suspended"
    MALFORMED = "malformed"
    UNREADABLE_ROW = "unreadable_row"
    CLOCK_SKEW = "clock_skew"
    FIREWALL_REFUSED = "firewall_refused"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    BREAKER_OPEN = "breaker_open"
    OTHER = "other"


class Timer(StrEnum):
    """Timers: how long something took, in milliseconds."""

    CYCLE_DURATION = "cycle.duration"
    PLAN_DURATION = "plan.duration"
    EXCHANGE_LATENCY = "exchange.latency"
    STORE_APPLY = "store.apply"
    STORE_LOCK = "store.lock"
    STORE_COMMIT = "store.commit"
    ORDERS_TIME_TO_CORRECT = "orders.time_to_correct"
    SHADOW_APPLICATION_LATER = "shadow.application_later"


class Gauge(StrEnum):
    """Gauges: the present value of something. Each has one writer."""

    CYCLE_LAST_RUN_TIMESTAMP = "cycle.last_run_timestamp"
    CYCLE_LAST_DURATION_MS = "cycle.last_duration_ms"
    SHARDS_DESIRED = "shards.desired"
    SHARDS_RUNNING = "shards.running"
    SHARDS_PARKED = "shards.parked"
    BREAKERS_OPEN = "breakers.open"
    STALE_BACKLOG = "stale.backlog"
    STALE_OLDEST_AGE_SECONDS = "stale.oldest_age_seconds"
    ORDERS_NOT_FOLLOWED = "orders.not_followed"
    ORDERS_DUPLICATES = "orders.duplicates"
    HOLDS_OPEN = "holds.open"
    HOLDS_OLDEST_AGE_SECONDS = "holds.oldest_age_seconds"
    BUDGET_USED = "budget.used"
    BUDGET_LIMIT = "budget.limit"
    BUDGET_PAUSE_SECONDS = "budget.pause_seconds"
    HALT_ACTIVE = "halt.active"
    ACCOUNTS_PARKED = "accounts.parked"
    HEALTH_VERDICT = "health.verdict"
    SHADOW_ACTIVE = "shadow.active"
    SHADOW_NOT_YET = "shadow.not_yet"


def transition(before: Status, after: Status) -> CounterName:
    """Return the name of the counter of orders that went from one status to another."""
    return CounterName(f"transitions.{before.value}.{after.value}")


def exchange_error(error_class: str) -> CounterName:
    """Return the name of the counter of a class of error, given in snake_case: `unavailable`.

    A class that is not one of `ErrorClass` counts as `other`, and is logged the first time.
    """
    if error_class not in _ERROR_CLASSES:
        _log_once(error_class)
        error_class = ErrorClass.OTHER
    return CounterName(f"exchange.errors.{error_class}")


@cache
def _log_once(error_class: str) -> None:
    log.warning("metrics.unknown_class", error_class=error_class, counted_as=ErrorClass.OTHER.value)


def shard_breaker_state(shard: int) -> GaugeName:
    """Return the name of the gauge of a shard's breaker: 0 closed, 1 half-open, 2 open."""
    return GaugeName(f"shard.{shard:d}.breaker.state")


def shard_queued(shard: int) -> GaugeName:
    """Return the name of the gauge of the orders that wait for a shard."""
    return GaugeName(f"shard.{shard:d}.queued")


def shard_in_flight(shard: int) -> GaugeName:
    """Return the name of the gauge of the orders that a shard's worker has in flight."""
    return GaugeName(f"shard.{shard:d}.in_flight")


def health_row(slug: str) -> GaugeName:
    """Return the name of the gauge of a row of the health verdict, by its slug: `oldest_stale`."""
    return GaugeName(f"health.row.{slug}")


class Metrics(Protocol):
    """A client for metrics. Only `flush`, `retarget` and `close` send; no method raises or waits.

    Any thread may call those that record; one thread calls the others.
    """

    def incr(self, name: Counter | CounterName, count: int = 1) -> None:
        """Add `count` to a counter."""
        ...

    def timing(self, name: Timer, ms: float) -> None:
        """Record a duration, in milliseconds."""
        ...

    def timings(self, name: Timer, durations_ms: Collection[float]) -> None:
        """Record several durations of one name, in milliseconds."""
        ...

    def gauge(self, name: Gauge | GaugeName, value: float) -> None:
        """Set a gauge; only the last value before a flush is sent."""
        ...

    def flush(self) -> None:
        """Send everything since the last flush."""
        ...

    def retarget(self, target: StatsdTarget) -> None:
        """Flush, and send to `target` from now on."""
        ...

    def close(self) -> None:
        """Flush, and close the socket."""
        ...


class NoMetrics:
    """A client that sends nothing."""

    def incr(self, name: Counter | CounterName, count: int = 1) -> None:
        """Do nothing."""

    def timing(self, name: Timer, ms: float) -> None:
        """Do nothing."""

    def timings(self, name: Timer, durations_ms: Collection[float]) -> None:
        """Do nothing."""

    def gauge(self, name: Gauge | GaugeName, value: float) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def retarget(self, target: StatsdTarget) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def count_lost_lines(metrics: Metrics) -> None:
    """Count the lines of this process' log that were lost since the last call."""
    if lines := take_lost_lines():
        metrics.incr(Counter.LOG_LINES_LOST, lines)


def open_metrics(target: StatsdTarget, *, log_failures: bool = True) -> Metrics:
    """Return a client that sends to `target`; one that sends nothing if it has no host.

    Metrics never stop the work: if the host's name does not resolve, or nothing listens there, that
    is logged once, and they are sent as soon as they can be. With `log_failures` False it is not
    logged: another process of the same host does that.
    """
    if target.host is None:
        return NoMetrics()
    return StatsdMetrics(target, log_failures=log_failures)


_ERROR_CLASSES = frozenset(error.value for error in ErrorClass)
