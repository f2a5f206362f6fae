"""Asks the supervisor and the database once per interval, for all viewers.

Each may be away: then its last answer stays, with its age and the reason why there is no newer one.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from reconciler.console.database_pool import DatabasePool
from reconciler.console.history import History, Point
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import NoSupervisor, ReconcilerError
from reconciler.health_report import HealthReport, read_health
from reconciler.settings import Settings
from reconciler.store.recent_work import RecentWork, read_recent_work
from reconciler.supervisor.status import SupervisorStatus

T = TypeVar("T")

INTERVAL_SECONDS = 2.0
WORK_INTERVAL_SECONDS = 10.0
MOST_BUSY_SHARE = 0.2
"""The share of the time in which the poller may be asking: a slow database gets more rest."""

FIRST_ANSWER_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LastAnswer(Generic[T]):
    """The last answer of a source: None before the first.

    Attributes:
        at: When it came, by the monotonic clock.
        fault: Why there is no newer one; None if it is the newest.
    """

    value: T | None = None
    at: float = 0.0
    fault: str | None = None

    @property
    def age_seconds(self) -> float:
        """How old the answer is."""
        return time.monotonic() - self.at


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What is known now. `number` counts the snapshots; 0 is the one before the first answer."""

    number: int = 0
    status: LastAnswer[SupervisorStatus] = LastAnswer()
    health: LastAnswer[HealthReport] = LastAnswer()
    work: LastAnswer[RecentWork] = LastAnswer()


class Poller:
    """Keeps the newest snapshot, in a thread of its own; `on_news` is called there for each."""

    def __init__(self, settings: Settings, databases: DatabasePool) -> None:
        self._settings = settings
        self._databases = databases
        self._ended = threading.Event()
        self._has_answer = threading.Event()
        self._work_due_at = 0.0
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

    def ask_again(self) -> None:
        """Let the next snapshot have the database's newest work: something was changed here."""
        self._work_due_at = 0.0

    def _run(self) -> None:
        while not self._ended.is_set():
            started = time.monotonic()
            try:
                self._ask()
            except Exception:  # noqa: BLE001 - the top of a thread: logged, and asked again
                _log.exception("console.poll_failed")
            took = time.monotonic() - started
            self._ended.wait(max(INTERVAL_SECONDS - took, took / MOST_BUSY_SHARE - took))

    def _ask(self) -> None:
        settings, last = self._settings, self.snapshot
        status = _next(last.status, lambda: ask_supervisor(settings, "status", SupervisorStatus))
        health = _next(last.health, lambda: read_health(settings))
        work = last.work
        if time.monotonic() >= self._work_due_at:
            work = _next(work, self._read_work)
            self._work_due_at = time.monotonic() + WORK_INTERVAL_SECONDS
        self.snapshot = Snapshot(number=last.number + 1, status=status, health=health, work=work)
        self.history.add(_point(self.snapshot))
        self._has_answer.set()
        self.on_news(self.snapshot.number)

    def _read_work(self) -> RecentWork:
        with self._databases.reading() as connection:
            return read_recent_work(connection, self._settings.scope)


def _next(last: LastAnswer[T], ask: Callable[[], T]) -> LastAnswer[T]:
    try:
        return LastAnswer(value=ask(), at=time.monotonic())
    except NoSupervisor as error:
        return replace(last, fault=error.reason)
    except ReconcilerError as error:
        return replace(last, fault=str(error))


def _point(snapshot: Snapshot) -> Point:
    status = None if snapshot.status.fault else snapshot.status.value
    backlog = None if status is None else status.backlog
    return Point(
        at=time.time(),
        backlog=None if backlog is None else backlog.items,
        oldest_seconds=(
            None if backlog is None else backlog.oldest_age_seconds + backlog.measured_seconds_ago
        ),
        used=None if status is None else status.budget.used,
    )
