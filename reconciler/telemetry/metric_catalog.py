"""Every metric that we send: its name, kind, unit and meaning. The one list of them.

`docs/reference/metrics.md` is generated from it, counters are sent as 0 at the start by it, and the
dashboards, the mapping for Prometheus and their tests name no metric that is not in it.
"""

from collections.abc import Iterator, Mapping

from reconciler.domain.status import Status
from reconciler.settings import MAX_SHARDS
from reconciler.telemetry.health import Slug
from reconciler.telemetry.metric_definition import TRANSITIONS, Kind, Metric, Unit, WhenGone
from reconciler.telemetry.metrics import Counter, CounterName, ErrorClass, Gauge, Metrics, Timer


def _counter(pattern: str, unit: Unit, meaning: str, **values: tuple[str, ...]) -> Metric:
    return Metric(pattern=pattern, kind=Kind.COUNTER, unit=unit, meaning=meaning, values=values)


def _timer(name: Timer, meaning: str) -> Metric:
    return Metric(pattern=name, kind=Kind.TIMER, unit=Unit.MILLISECONDS, meaning=meaning)


def _gauge(
    pattern: str, unit: Unit, when_gone: WhenGone, meaning: str, **values: tuple[str, ...]
) -> Metric:
    return Metric(
        pattern=pattern,
        kind=Kind.GAUGE,
        unit=unit,
        meaning=meaning,
        values=values,
        when_gone=when_gone,
    )


ERROR_CLASSES: Mapping[ErrorClass, str] = {
    ErrorClass.UNAVAILABLE: (
        "a timeout, a lost connection or a 5xx answer: may be temporary. Retried, and counted by"
        " the breaker"
    ),
    ErrorClass.REQUEST_REJECTED: (
        "an answer that rejects this one request with a code that this version does not know. It"
        " counts for its orders, not for the breaker"
    ),
    ErrorClass.SUSPENDED: (
        "a request that was not sent: the exchange fails for this symbol or order, and answers for"
        " others"
    ),
    ErrorClass.MALFORMED: "an answer that could not be read. Treated as `unavailable`",
    ErrorClass.UNREADABLE_ROW: (
        "what an answer says of one order cannot be read, or is impossible. It counts for that"
        " order alone: on hold after three in a row"
    ),
    ErrorClass.CLOCK_SKEW: "the exchange refused the timestamp; its clock is asked for again",
    ErrorClass.FIREWALL_REFUSED: (
        "HTTP 403. If other requests pass,"
        " [what this request names](log-events.md#orders-and-the-exchange) is blocked; else it"
        " counts as `rate_limited` as well"
    ),
    ErrorClass.RATE_LIMITED: "the exchange asked for a rate-limit pause. This is no failure",
    ErrorClass.REFUSED: (
        "a bad key, a missing permission, or a request whose form is not accepted. Opens the"
        " breaker at once"
    ),
    ErrorClass.BREAKER_OPEN: "a request that was not sent, because the breaker is open",
    ErrorClass.OTHER: "an error of a class that this list does not have; the log names it once",
}
"""The classes of `exchange.errors.`, in snake_case, and what happened."""

HEALTH_ROWS = tuple(slug.value for slug in Slug)
"""The slugs of the rows of the health verdict."""

_STATUSES = tuple(status.value for status in Status)
_SHARDS = tuple(str(shard) for shard in range(MAX_SHARDS))

CATALOG: tuple[Metric, ...] = (
    _counter(
        Counter.ORDERS_RECONCILED,
        Unit.ORDERS,
        "rows that now say what the exchange says, changed or not",
    ),
    _counter(
        Counter.ORDERS_DISCREPANCIES, Unit.ORDERS, "those of them that said something else before"
    ),
    _counter(
        Counter.ORDERS_ERRORS,
        Unit.ORDERS,
        "orders that were asked for without result; they stay stale. An order counts once, no"
        " matter how many times the request was retried. An order that was not asked for, because"
        " a breaker is open or its symbol is suspended, does not count. An attempt that failed"
        " before any order could be asked for (the account is not known, the key is refused)"
        " counts as one",
    ),
    _counter(
        Counter.ORDERS_HELD,
        Unit.ORDERS,
        "orders [put on hold](decision-rules.md#why-an-order-is-on-hold), counted each time",
    ),
    _counter(
        Counter.ORDERS_SKIPPED_LOCKED,
        Unit.ORDERS,
        "rows that another session had locked, also at the second try",
    ),
    _counter(
        TRANSITIONS,
        Unit.ORDERS,
        "changes by status, for example `transitions.new.filled`; with the same status twice,"
        " changes of the quantity or the price",
        **{"from": _STATUSES, "to": _STATUSES},
    ),
    _counter(Counter.EXCHANGE_REQUESTS, Unit.REQUESTS, "requests sent, answered or not"),
    _counter(Counter.EXCHANGE_WEIGHT, Unit.WEIGHT, "the request weight of these"),
    _counter(Counter.EXCHANGE_RETRIES, Unit.REQUESTS, "requests that were sent again"),
    _counter(
        "exchange.errors.<class>",
        Unit.ERRORS,
        "errors by class; the table below has the classes",
        **{"class": tuple(ErrorClass)},
    ),
    _counter(Counter.BREAKER_OPENED, Unit.TIMES, "how often a breaker opened"),
    _counter(Counter.SUPERVISOR_RESTARTS, Unit.WORKERS, "workers that died and were replaced"),
    _counter(
        Counter.SUPERVISOR_KILLED_HUNG,
        Unit.WORKERS,
        "workers killed because they hung; they are among the restarts",
    ),
    _counter(
        Counter.SHADOW_WOULD_CHANGE,
        Unit.ORDERS,
        "by a [shadow](../how-to/try-it-next-to-your-application.md): changes that it would have"
        " made",
    ),
    _counter(
        Counter.SHADOW_WOULD_HOLD,
        Unit.ORDERS,
        "by a shadow: orders that it would have put on hold",
    ),
    _counter(
        Counter.LOG_LINES_LOST,
        Unit.LINES,
        "lines of the log that could not be written, for example because the disk is full",
    ),
    _timer(Timer.CYCLE_DURATION, "one cycle, from its planning to its last answer"),
    _timer(Timer.PLAN_DURATION, "reading one page of stale orders from the database"),
    _timer(Timer.EXCHANGE_LATENCY, "one request, from sending to the answer or the error"),
    _timer(
        Timer.STORE_APPLY,
        "one transaction that locks rows, compares them or decides on them, and writes",
    ),
    _timer(
        Timer.STORE_LOCK,
        "of these: locking the rows, and comparing or reading them under the lock",
    ),
    _timer(
        Timer.STORE_COMMIT,
        "of these: the commit, with the way to the database and back",
    ),
    _timer(
        Timer.ORDERS_TIME_TO_CORRECT,
        "for each row that was changed: from the exchange's own time of the order's last event to"
        " the commit of the change. Below 0, because clocks differ, counts as 0; above a year is"
        " no time of an event and is left out",
    ),
    _timer(
        Timer.SHADOW_APPLICATION_LATER,
        "how much later than a shadow would have changed a row the application did so by itself",
    ),
    _gauge(
        Gauge.STALE_BACKLOG,
        Unit.ORDERS,
        WhenGone.NOT_SENT,
        "orders that are stale and not on hold, as the last"
        " [scan](../explanation/architecture.md#in-which-order) found them",
    ),
    _gauge(
        Gauge.STALE_OLDEST_AGE_SECONDS,
        Unit.SECONDS,
        WhenGone.NOT_SENT,
        "how long the oldest of them has not been synced",
    ),
    _gauge(
        Gauge.ORDERS_NOT_FOLLOWED,
        Unit.ORDERS,
        WhenGone.NOT_SENT,
        "rows that look open and are not followed: their status is a word that is not one of ours,"
        " or they have no `external_order_id`. Counted at the start and every 10 minutes; of a"
        " large table it is an estimate",
    ),
    _gauge(
        Gauge.ORDERS_DUPLICATES,
        Unit.ORDERS,
        WhenGone.NOT_SENT,
        "open rows that name the same order at the exchange as another open row; each takes that"
        " order's fills. Counted at the start and every 10 minutes, among 200,000 open rows at"
        " most",
    ),
    _gauge(Gauge.HOLDS_OPEN, Unit.ORDERS, WhenGone.NOT_SENT, "open orders that are on hold"),
    _gauge(
        Gauge.HOLDS_OLDEST_AGE_SECONDS,
        Unit.SECONDS,
        WhenGone.NOT_SENT,
        "how long ago the oldest hold began; 0 without one",
    ),
    _gauge(
        Gauge.CYCLE_LAST_RUN_TIMESTAMP,
        Unit.UNIX_SECONDS,
        WhenGone.NOT_SENT,
        "when the last cycle ended",
    ),
    _gauge(
        Gauge.CYCLE_LAST_DURATION_MS,
        Unit.MILLISECONDS,
        WhenGone.NOT_SENT,
        "how long the last cycle took",
    ),
    _gauge(
        Gauge.BUDGET_USED,
        Unit.WEIGHT,
        WhenGone.ZERO,
        "what this host used of its rate budget within the window of the limit: in the last 60 s"
        " at Binance. Of several limits, the one of which the largest part is used",
    ),
    _gauge(
        Gauge.BUDGET_LIMIT,
        Unit.WEIGHT,
        WhenGone.NOT_SENT,
        "what this host may use of that limit: the exchange's limit times"
        " `RECONCILIATION_RATE_SHARE`",
    ),
    _gauge(
        Gauge.BUDGET_PAUSE_SECONDS,
        Unit.SECONDS,
        WhenGone.NOT_SENT,
        "how much longer the rate-limit pause lasts; 0 without one",
    ),
    _gauge(
        Gauge.HALT_ACTIVE,
        Unit.STATE,
        WhenGone.NOT_SENT,
        "1 while the [halt](../explanation/safety.md) is on and nothing is written, else 0",
    ),
    _gauge(
        Gauge.ACCOUNTS_PARKED,
        Unit.ACCOUNTS,
        WhenGone.NOT_SENT,
        "accounts that get no request until a person acts: the exchange refuses the key, or it is"
        " the key of another account. 0 or 1 for one account",
    ),
    _gauge(Gauge.SHARDS_DESIRED, Unit.SHARDS, WhenGone.ZERO, "shards that should have a worker"),
    _gauge(Gauge.SHARDS_RUNNING, Unit.SHARDS, WhenGone.ZERO, "shards that have one"),
    _gauge(
        Gauge.SHARDS_PARKED,
        Unit.SHARDS,
        WhenGone.ZERO,
        "shards out of service because their workers kept dying",
    ),
    _gauge(
        Gauge.BREAKERS_OPEN,
        Unit.SHARDS,
        WhenGone.ZERO,
        "shards whose breaker was open when their worker last reported it",
    ),
    _gauge(
        "shard.<n>.breaker.state",
        Unit.STATE,
        WhenGone.ZERO,
        "0 closed, 1 half-open, 2 open, as its worker last reported",
        n=_SHARDS,
    ),
    _gauge(
        "shard.<n>.queued",
        Unit.ORDERS,
        WhenGone.ZERO,
        "orders that wait for the shard's worker",
        n=_SHARDS,
    ),
    _gauge(
        "shard.<n>.in_flight",
        Unit.ORDERS,
        WhenGone.ZERO,
        "orders that the shard's worker is working at",
        n=_SHARDS,
    ),
    _gauge(
        Gauge.HEALTH_VERDICT,
        Unit.STATE,
        WhenGone.UNKNOWN,
        "what `reconciler health` says: 0 healthy, 1 warning, 2 critical, 3 unknown",
    ),
    _gauge(
        "health.row.<row>",
        Unit.STATE,
        WhenGone.NOT_SENT,
        "the grade of each of its rows: 0 healthy, 1 warning, 2 critical, 3 unknown. 0 as well for"
        " a row that it does not have, because nothing is wrong",
        row=HEALTH_ROWS,
    ),
    _gauge(
        Gauge.SHADOW_ACTIVE,
        Unit.STATE,
        WhenGone.ZERO,
        "1 while a shadow runs, else 0: it writes nothing",
    ),
    _gauge(
        Gauge.SHADOW_NOT_YET,
        Unit.ORDERS,
        WhenGone.ZERO,
        "changes that a shadow would have made, and that rows still wait for",
    ),
)
"""All metrics: the counters, then the timers, then the gauges."""


def of_kind(kind: Kind) -> Iterator[Metric]:
    """Return the metrics of a kind."""
    return (metric for metric in CATALOG if metric.kind is kind)


_COUNTERS = tuple(CounterName(name) for metric in of_kind(Kind.COUNTER) for name in metric.names)


def begin_counters(metrics: Metrics) -> None:
    """Send each counter as 0, so that an alarm on it has data before anything is counted."""
    for name in _COUNTERS:
        metrics.incr(name, 0)
