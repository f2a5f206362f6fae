"""The state of a shadow: its planner, its follower, `status` and the report share it.

It outlives planners, since a reload makes a new one. Its methods may be called from any thread.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.domain.decide import HoldReason
from reconciler.domain.order import OrderId
from reconciler.domain.value import replace
from reconciler.orders.dry_run_notes import DryRunNotes, WouldChange
from reconciler.orders.shadow.ledger import FollowedChange, Ledger, SettledChange, Transition
from reconciler.store.followed_rows import FollowedRow
from reconciler.store.stale_order import StaleOrder
from reconciler.telemetry.shadow import CatchUpFigures, ShadowFigures

MAX_NEWS = 100_000
"""The news kept until they are logged; nothing is logged while standard error takes nothing."""


@dataclass(slots=True)
class News:
    """What is new since it was last asked for: for the log and the metrics."""

    changes: list[WouldChange] = field(default_factory=list)
    settled: list[SettledChange] = field(default_factory=list)
    held: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingChange:
    """A change that its row still waits for, and for how many seconds."""

    change: WouldChange
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowReport:
    """All that a shadow has found, for its end.

    Attributes:
        transitions: What became of the changes, by their status before and after.
        would_hold: The number of orders that would be on hold, by reason.
        waiting: The oldest changes that their rows still wait for.
        elsewhere: The last changes whose rows ended otherwise.
    """

    figures: ShadowFigures
    transitions: Mapping[Transition, CatchUpFigures]
    would_hold: Mapping[HoldReason, int]
    waiting: tuple[WaitingChange, ...]
    elsewhere: tuple[SettledChange, ...]


class Shadow:
    """What a shadow has looked at, would have written, and has seen become of it."""

    def __init__(
        self, ledger: Ledger | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = Ledger() if ledger is None else ledger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._news = News()
        self._halt: str | None = None
        self._halts = 0
        self.has_begun = False
        """True once the database has been read: there is something to report."""

    # The planner.

    def take(self, notes: DryRunNotes) -> None:
        """Record what a batch would have written."""
        with self._lock:
            held = self._ledger.would_hold.total()
            new = self._ledger.record(notes, self._monotonic())
            room = MAX_NEWS - len(self._news.changes)
            self._news.changes += new[: max(0, room)]
            self._news.held += self._ledger.would_hold.total() - held

    def begin_sweep(self, stale_after: float) -> None:
        """Forget what is too old to count; `stale_after` in seconds."""
        with self._lock:
            self.has_begun = True
            self._ledger.forget_old(self._monotonic(), stale_after)

    def without_resting(self, orders: Iterable[StaleOrder], stale_after: float) -> list[StaleOrder]:
        """Return the orders that a run that writes would ask about; `stale_after` in seconds.

        Those that would be on hold are marked so: then they are no new evidence for a halt.
        """
        with self._lock:
            now = self._monotonic()
            return [
                replace(order, is_on_hold=True) if self._ledger.is_held(order.id) else order
                for order in orders
                if not self._ledger.is_resting(order, now, stale_after)
            ]

    def resting_orders(self) -> int:
        """Return about how many stale orders a run that writes would not ask about now."""
        with self._lock:
            return self._ledger.resting_orders()

    @property
    def halt(self) -> str | None:
        """The reason of the halt that would be on; None if it would be off."""
        return self._halt

    @halt.setter
    def halt(self, reason: str | None) -> None:
        with self._lock:
            self._halts += reason is not None and self._halt is None
            self._halt = reason

    # The follower.

    def due(self, limit: int) -> list[OrderId]:
        """Return up to `limit` orders whose rows are to be read now."""
        with self._lock:
            return self._ledger.due(self._monotonic(), limit)

    def followed_orders(self) -> list[OrderId]:
        """Return all orders whose rows wait for a change."""
        with self._lock:
            return self._ledger.followed_orders()

    def settle(self, ids: Iterable[OrderId], rows: Mapping[OrderId, FollowedRow]) -> None:
        """Compare the rows of these orders with what would have been written to them."""
        with self._lock:
            settled = self._ledger.settle(ids, rows, self._monotonic())
            room = MAX_NEWS - len(self._news.settled)
            self._news.settled += settled[: max(0, room)]

    def take_news(self) -> News:
        """Return what is new since the last call."""
        with self._lock:
            news, self._news = self._news, News()
            return news

    # The figures.

    def figures(self) -> ShadowFigures:
        """Return the figures since the start."""
        with self._lock:
            return self._figures(self._monotonic())

    def report(self) -> ShadowReport:
        """Return all that was found."""
        with self._lock:
            now = self._monotonic()
            ledger = self._ledger
            return ShadowReport(
                figures=self._figures(now),
                transitions={
                    name: tally.figures() for name, tally in sorted(ledger.by_transition.items())
                },
                would_hold=dict(ledger.would_hold),
                waiting=tuple(
                    WaitingChange(change=followed.change, seconds=now - followed.since)
                    for followed in ledger.waiting_changes()
                ),
                elsewhere=tuple(ledger.elsewhere),
            )

    def _figures(self, now: float) -> ShadowFigures:
        ledger = self._ledger
        oldest: FollowedChange | None = next(iter(ledger.waiting_changes(1)), None)
        return ShadowFigures(
            looked_at=ledger.looked_at,
            confirmed=ledger.confirmed,
            would_hold=ledger.would_hold.total(),
            changes=ledger.total.figures(),
            oldest_not_yet_seconds=None if oldest is None else now - oldest.since,
            not_followed=ledger.not_followed + ledger.looks.overflowed,
            halts=self._halts,
        )
