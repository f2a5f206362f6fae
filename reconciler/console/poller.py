"""Asks the supervisor and the database once per interval, for all viewers.

Each may be away: then its last answer stays, with its age and the reason why there is no newer one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from reconciler.console.database_pool import DatabasePool
from reconciler.console.history import History, Point
from reconciler.console.source import LastAnswer, Source, next_answer
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.health_report import DATABASE_SECONDS, HealthReport, HealthSource, read_health
from reconciler.settings import Settings
from reconciler.small_memory import trim_heaps
from reconciler.store.hold_reasons import HeldForReason, read_hold_reasons
from reconciler.store.recent_work import RecentWork, read_recent_work
from reconciler.supervisor.status import SupervisorStatus
from reconciler.telemetry.health import is_count_old

INTERVAL_SECONDS = 2.0
FIRST_ANSWER_SECONDS = 2.0
ROUNDS_BETWEEN_TRIMS = 5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What is known now. `number` counts the snapshots; 0 is the one before the first answer."""

    number: int = 0
    status: LastAnswer[SupervisorStatus] = field(default_factory=LastAnswer)
    health: LastAnswer[HealthReport] = field(default_factory=LastAnswer)
    work: LastAnswer[RecentWork] = field(default_factory=LastAnswer)
    holds: LastAnswer[Sequence[HeldForReason]] = field(default_factory=LastAnswer)


class Poller:
    """Keeps the newest snapshot, in a thread of its own; `on_news` is called there for each."""

    def __init__(self, settings: Settings, databases: DatabasePool) -> None:
        self._settings = settings
        self._databases = databases
        self._ended = threading.Event()
        self._has_answer = threading.Event()
        self._health = Source(lambda: read_health(settings), _seconds_to_rest)
        self._work = Source(self._read_work)
        self._holds = Source(self._read_holds)
        self.on_news: Callable[[int], None] = lambda _number: None
        self.snapshot = Snapshot()
        self.history = History()

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name="poller", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()

    def wait_for_first_answer(self) -> Snapshot:
        """Return the snapshot; wait a little if there has been no answer at all."""
        self._has_answer.wait(FIRST_ANSWER_SECONDS)
        return self.snapshot

    def _run(self) -> None:
        while not self._ended.is_set():
            started = time.monotonic()
            try:
                self._ask()
            except Exception:  # noqa: BLE001 - the top of a thread: logged, and asked again
                _log.exception("console.poll_failed")
            if self.snapshot.number % ROUNDS_BETWEEN_TRIMS == 1:
                trim_heaps()
            self._ended.wait(max(0.0, started + INTERVAL_SECONDS - time.monotonic()))

    def _ask(self) -> None:
        settings, last = self._settings, self.snapshot
        status = next_answer(
            last.status, lambda: ask_supervisor(settings, "status", SupervisorStatus)
        )
        health = self._health.next(last.health)
        work = self._work.next(last.work)
        is_away = work.fault is not None  # Then it is not asked a second time in this round.
        holds = replace(last.holds, fault=work.fault) if is_away else self._holds.next(last.holds)
        self.snapshot = Snapshot(
            number=last.number + 1,
            status=status,
            health=health,
            work=work,
            holds=holds,
        )
        self.history.add(_point(self.snapshot))
        self._has_answer.set()
        self.on_news(self.snapshot.number)

    def _read_work(self) -> RecentWork:
        with self._databases.reading() as connection:
            return read_recent_work(connection, self._settings.scope)

    def _read_holds(self) -> Sequence[HeldForReason]:
        with self._databases.reading() as connection:
            return read_hold_reasons(connection, self._settings.scope)


def _seconds_to_rest(report: HealthReport) -> float:
    return DATABASE_SECONDS if report.source is HealthSource.DATABASE else 0.0


def _point(snapshot: Snapshot) -> Point:
    report = snapshot.health.value
    vitals = None if report is None else report.vitals
    is_old = snapshot.health.fault is not None
    if report is None or vitals is None or is_old or is_count_old(vitals, report.rows):
        # What was counted before is not drawn as if it had been counted now.
        return Point(at=time.time(), backlog=None, oldest_seconds=None)
    return Point(
        at=time.time(),
        backlog=vitals.stale_orders,
        # The age of no order is not 0: the curve would jump from there to the stale time.
        oldest_seconds=vitals.oldest_stale_age_seconds if vitals.stale_orders else None,
    )
