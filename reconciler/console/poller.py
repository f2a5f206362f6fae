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
from reconciler.small_memory import trim_heaps
from reconciler.store.recent_work import RecentWork, read_recent_work
from reconciler.supervisor.status import SupervisorStatus

T = TypeVar("T")

INTERVAL_SECONDS = 2.0
MOST_BUSY_SHARE = 0.1
"""The share of the time in which a source may be busy with our question: a slow one gets rest."""

FIRST_ANSWER_SECONDS = 2.0
ROUNDS_BETWEEN_TRIMS = 5

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
        self._health = _Source(lambda: read_health(settings))
        self._work = _Source(self._read_work)
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
        status = _next(last.status, lambda: ask_supervisor(settings, "status", SupervisorStatus))
        health = self._health.next(last.health)
        work = self._work.next(last.work)
        self.snapshot = Snapshot(number=last.number + 1, status=status, health=health, work=work)
        self.history.add(_point(self.snapshot))
        self._has_answer.set()
        self.on_news(self.snapshot.number)

    def _read_work(self) -> RecentWork:
        with self._databases.reading() as connection:
            return read_recent_work(connection, self._settings.scope)


class _Source(Generic[T]):
    """A source that is asked less often the longer it works on an answer."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._due_at = 0.0

    def next(self, last: LastAnswer[T]) -> LastAnswer[T]:
        """Return a newer answer, or the last one while the source rests."""
        started = time.monotonic()
        if started < self._due_at:
            return last
        answer = _next(last, self._ask)
        took = time.monotonic() - started
        # A fault is not work: what is away is asked as often as ever.
        self._due_at = 0.0 if answer.fault else started + took / MOST_BUSY_SHARE
        return answer


def _next(last: LastAnswer[T], ask: Callable[[], T]) -> LastAnswer[T]:
    try:
        return LastAnswer(value=ask(), at=time.monotonic())
    except NoSupervisor as error:
        return replace(last, fault=error.reason)
    except ReconcilerError as error:
        return replace(last, fault=str(error))


def _point(snapshot: Snapshot) -> Point:
    report = snapshot.health.value
    vitals = None if report is None else report.vitals
    return Point(
        at=time.time(),
        backlog=None if vitals is None else vitals.stale_orders,
        oldest_seconds=None if vitals is None else vitals.oldest_stale_age_seconds,
    )
