"""Follow the rows that wait for a change: a thread with a connection of its own.

It also writes the log and the metrics of a shadow, so that the supervisor waits for neither.
"""

import threading
import time
from collections.abc import Iterable
from typing import Final

import structlog

from reconciler.domain.order import OrderId
from reconciler.errors import ReconcilerError
from reconciler.orders.shadow.catch_up import CatchUp
from reconciler.orders.shadow.ledger import SettledChange, row_status
from reconciler.orders.shadow.state import News, Shadow
from reconciler.store.database import Database
from reconciler.store.followed_rows import FollowedRows
from reconciler.store.orders_table import OrdersTable
from reconciler.telemetry.metrics import Counter, Metrics, Timer
from reconciler.telemetry.shadow import ShadowFigures

LOOK_SECONDS: Final = 1.0
PAUSE_FACTOR: Final = 20
"""The next rows are read no sooner than this many times as long after a reading as that took."""

RETRY_SECONDS: Final = 10.0
REPORT_SECONDS: Final = 60.0
ROWS_AT_ONCE: Final = 5000
READ_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Follower:
    """Reads the rows that are due, logs what is new, and reports every minute, until closed."""

    def __init__(
        self, shadow: Shadow, database: Database, orders: OrdersTable, metrics: Metrics
    ) -> None:
        """Prepare; the follower closes `database` and `metrics` at its end."""
        self._shadow = shadow
        self._database = database
        self._rows = FollowedRows(orders, timeout_seconds=READ_SECONDS)
        self._metrics = metrics
        self._ended = threading.Event()
        self._report_at = time.monotonic() + REPORT_SECONDS
        self._thread = threading.Thread(target=self._run, name="shadow follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; a reading that takes long is not waited for."""
        self._ended.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._ended.wait(pause):
            try:
                pause = self._follow()
            except ReconcilerError as error:
                log.warning("shadow.rows_not_read", reason=str(error))
                pause = RETRY_SECONDS
            except Exception:
                log.exception("shadow.follower_crashed")
                pause = RETRY_SECONDS
        publish(self._shadow.take_news(), self._metrics)
        self._metrics.close()
        self._database.close()

    def _follow(self) -> float:
        """Read the rows that are due; return how long to wait then, in seconds."""
        began = time.monotonic()
        if ids := self._shadow.due(ROWS_AT_ONCE):
            with self._database.transaction() as connection:
                rows = self._rows.read(connection, ids)
            self._shadow.settle(ids, rows)
        publish(self._shadow.take_news(), self._metrics)
        if began >= self._report_at:
            self._report_at = began + REPORT_SECONDS
            log_report(self._shadow.figures())
        seconds = time.monotonic() - began
        return max(LOOK_SECONDS if len(ids) < ROWS_AT_ONCE else 0.0, seconds * PAUSE_FACTOR)


def follow_all(shadow: Shadow, database: Database, orders: OrdersTable) -> None:
    """Read every row that waits for a change, for the last report.

    Raises:
        ReconcilerError: the database did not answer in time; what was read before that counts.
    """
    rows = FollowedRows(orders, timeout_seconds=READ_SECONDS)
    for ids in _in_parts(shadow.followed_orders()):
        with database.transaction() as connection:
            found = rows.read(connection, ids)
        shadow.settle(ids, found)


def publish(news: News, metrics: Metrics) -> None:
    """Log and count what is new."""
    for change in news.changes:
        log.info(
            "shadow.would_change",
            order_id=str(change.order_id),
            symbol=change.symbol,
            before=change.before.status.value,
            after=change.after.status.value,
            executed_qty=f"{change.after.executed_qty:f}",
            rule=change.rule,
        )
    for settled in news.settled:
        _publish_settled(settled, metrics)
    if news.changes:
        metrics.incr(Counter.SHADOW_WOULD_CHANGE, len(news.changes))
    if news.held:
        metrics.incr(Counter.SHADOW_WOULD_HOLD, news.held)
    metrics.flush()


def log_report(figures: ShadowFigures) -> None:
    """Log what was found so far."""
    changes = figures.changes
    log.info(
        "shadow.report",
        looked_at=figures.looked_at,
        would_change=changes.would_change,
        caught_up=changes.caught_up,
        median_seconds=_rounded(changes.median_seconds),
        p95_seconds=_rounded(changes.p95_seconds),
        longest_seconds=_rounded(changes.longest_seconds),
        not_yet=changes.not_yet,
        oldest_not_yet_seconds=_rounded(figures.oldest_not_yet_seconds),
        elsewhere=changes.elsewhere,
        gone=changes.gone,
        would_hold=figures.would_hold,
        not_followed=figures.not_followed,
    )


def _publish_settled(settled: SettledChange, metrics: Metrics) -> None:
    order_id, seconds = str(settled.change.order_id), round(settled.seconds, 1)
    match settled.verdict:
        case CatchUp.CAUGHT_UP:
            log.info("shadow.application_caught_up", order_id=order_id, seconds=seconds)
            metrics.timing(Timer.SHADOW_APPLICATION_LATER, settled.seconds * 1000)
        case CatchUp.ELSEWHERE:
            log.warning(
                "shadow.ended_otherwise",
                order_id=order_id,
                symbol=settled.change.symbol,
                exchange=settled.change.after.status.value,
                row=row_status(settled),
                seconds=seconds,
            )
        case _:
            log.info("shadow.row_gone", order_id=order_id, seconds=seconds)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _in_parts(ids: list[OrderId]) -> Iterable[list[OrderId]]:
    return (ids[start : start + ROWS_AT_ONCE] for start in range(0, len(ids), ROWS_AT_ONCE))
