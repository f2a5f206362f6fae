"""What a shadow would have written, and what became of it. Pure: times are given, in seconds.

    record      a batch's notes: what is new is counted and followed
    is_resting  an order that a run that writes would not ask about now
    due         the orders whose rows are to be read now
    settle      what their rows say: caught up, elsewhere or gone; else they are read again

A change is compared with the last one of its order that the row still waits for: if it is the same,
it is no new one. A row that waits is read when a twentieth of the time since has passed again, at
most every second: so a delay is known to within a twentieth, and a row that the application never
touches is read about 130 times in the first hour, and 65 times in the next day.
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice

from reconciler.domain.decide import HoldReason
from reconciler.domain.order import OrderId
from reconciler.domain.status import in_both_words
from reconciler.domain.value import replace
from reconciler.orders.dry_run_notes import DryRunNotes, WouldChange, WouldHold
from reconciler.orders.shadow.catch_up import CatchUp, judge_catch_up
from reconciler.orders.shadow.delays import Delays
from reconciler.orders.shadow.recent_looks import RecentLooks
from reconciler.store.followed_rows import FollowedRow
from reconciler.store.holds import wait_before_attempt
from reconciler.store.stale_order import StaleOrder
from reconciler.telemetry.shadow import CatchUpFigures

MAX_CHANGES = 200_000
"""The number of changes that are followed at once (up to 240 MB), and of holds remembered."""

MAX_NAMED = 1000
"""The number of orders that a report names for each verdict."""

LEAST_WAIT_SECONDS = 1.0
WAIT_SHARE = 1 / 20

ABANDONED_SECONDS = 24 * 3600.0
"""A hold is forgotten this long after its order was to be asked about: the order has ended."""

Transition = tuple[str, str]


@dataclass(slots=True, eq=False)
class FollowedChange:
    """A change that was not written. `since` is when it would have been."""

    change: WouldChange
    since: float

    def next_read(self, now: float) -> float:
        """Return when its row is to be read again."""
        return now + max(LEAST_WAIT_SECONDS, (now - self.since) * WAIT_SHARE)


@dataclass(frozen=True, slots=True)
class SettledChange:
    """A change that is not followed any more; `row` is its row then, None if that is gone."""

    change: WouldChange
    verdict: CatchUp
    seconds: float
    row: FollowedRow | None


def row_status(settled: SettledChange) -> str:
    """Return the status of its row then, in the user's word and in ours."""
    row = settled.row
    if row is None:
        return "gone"
    return in_both_words(row.word, None if row.facts is None else row.facts.status)


@dataclass(slots=True)
class _Held:
    """A hold that was not written. Its order is to be asked about again at `due`."""

    reason: HoldReason
    attempts: int
    due: float


class Tally:
    """The changes of one transition: their number, and what became of them."""

    def __init__(self) -> None:
        self.would_change = 0
        self.elsewhere = 0
        self.gone = 0
        self.delays = Delays()

    def settle(self, settled: SettledChange) -> None:
        """Count what became of a change."""
        match settled.verdict:
            case CatchUp.CAUGHT_UP:
                self.delays.add(settled.seconds)
            case CatchUp.ELSEWHERE:
                self.elsewhere += 1
            case CatchUp.GONE:
                self.gone += 1

    def figures(self) -> CatchUpFigures:
        """Return the numbers."""
        settled = self.delays.count + self.elsewhere + self.gone
        return CatchUpFigures(
            would_change=self.would_change,
            caught_up=self.delays.count,
            not_yet=self.would_change - settled,
            elsewhere=self.elsewhere,
            gone=self.gone,
            median_seconds=self.delays.quantile(0.5),
            p95_seconds=self.delays.quantile(0.95),
            longest_seconds=self.delays.longest_seconds,
        )


class Ledger:
    """The looks, the changes and the holds of a shadow.

    Attributes:
        total: All changes, and what became of them; `by_transition`: the same by status.
        would_hold: Orders that would be on hold, by reason.
        elsewhere: The last changes whose rows ended otherwise.
        not_followed: Changes and holds that were not counted, because there was no room.
    """

    def __init__(self, *, max_changes: int = MAX_CHANGES, looks: RecentLooks | None = None) -> None:
        self.looks = RecentLooks() if looks is None else looks
        self.looked_at = self.confirmed = self.not_followed = 0
        self.total = Tally()
        self.by_transition: defaultdict[Transition, Tally] = defaultdict(Tally)
        self.would_hold = Counter[HoldReason]()
        self.elsewhere: deque[SettledChange] = deque(maxlen=MAX_NAMED)
        self._max_changes = max_changes
        self._numbers = count()
        self._open: dict[int, FollowedChange] = {}
        """The changes that are followed, the oldest first."""
        self._of_order: dict[OrderId, list[int]] = {}
        self._queue: list[tuple[float, int]] = []
        """The numbers of these changes, by the time at which their rows are to be read."""
        self._holds: dict[OrderId, _Held] = {}

    def record(self, notes: DryRunNotes, now: float) -> list[WouldChange]:
        """Record what a batch would have written; return the changes that are new."""
        changed = [change.order_id for change in notes.changes]
        self.looked_at += len(notes.confirmed) + len(changed) + len(notes.holds)
        self.confirmed += len(notes.confirmed)
        self.looks.add([*notes.confirmed, *changed], now)
        for id_ in [*notes.confirmed, *changed]:
            self._holds.pop(id_, None)
        for hold in notes.holds:
            self._record_hold(hold, now)
        return [new for change in notes.changes if (new := self._record_change(change, now))]

    def is_resting(self, order: StaleOrder, now: float, stale_after: float) -> bool:
        """Return True if a run that writes would not ask about this order now.

        It has looked at it lately, has put it on hold, or has written that it ended.
        """
        held = self._holds.get(order.id)
        if held is not None:
            return held.due > now
        if self.looks.has(order.id, now - stale_after):
            return True
        waiting = self._waiting(order.id)
        return (
            waiting is not None
            and waiting.after.status.is_terminal
            and waiting.external_order_id == order.external_order_id
        )

    def is_held(self, id_: OrderId) -> bool:
        """Return True if the order would be on hold."""
        return id_ in self._holds

    def resting_orders(self) -> int:
        """Return about how many orders `is_resting` is true of."""
        return len(self.looks) + len(self._holds)

    def forget_old(self, now: float, stale_after: float) -> None:
        """Forget looks that are too old to count, and holds of orders that have ended."""
        self.looks.forget_before(now - stale_after)
        abandoned = [id_ for id_, held in self._holds.items() if held.due < now - ABANDONED_SECONDS]
        for id_ in abandoned:
            del self._holds[id_]

    # Following the changes.

    def due(self, now: float, limit: int) -> list[OrderId]:
        """Return up to `limit` orders whose rows are to be read now; they are due again later."""
        ids: dict[OrderId, None] = {}
        while self._queue and self._queue[0][0] <= now and len(ids) < limit:
            _, number = heapq.heappop(self._queue)
            if (followed := self._open.get(number)) is not None:
                ids[followed.change.order_id] = None
                heapq.heappush(self._queue, (followed.next_read(now), number))
        return list(ids)

    def followed_orders(self) -> list[OrderId]:
        """Return all orders whose rows wait for a change."""
        return list(self._of_order)

    def settle(
        self, ids: Iterable[OrderId], rows: Mapping[OrderId, FollowedRow], now: float
    ) -> list[SettledChange]:
        """Compare the rows of these orders with their changes; return those that are settled."""
        settled: list[SettledChange] = []
        for id_ in ids:
            row = rows.get(id_)
            for number in self._of_order.get(id_, ()):
                followed = self._open[number]
                verdict = judge_catch_up(row, followed.change)
                if verdict is not CatchUp.NOT_YET:
                    seconds = now - followed.since
                    settled.append(SettledChange(followed.change, verdict, seconds, row))
                    del self._open[number]
            self._forget_settled(id_)
        for one in settled:
            self._count(one)
        return settled

    def waiting_changes(self, limit: int = MAX_NAMED) -> Iterator[FollowedChange]:
        """Return the changes that rows still wait for, the oldest first."""
        return islice(self._open.values(), limit)

    def _record_change(self, change: WouldChange, now: float) -> WouldChange | None:
        """Count and follow a change, unless its row already waits for the same one."""
        waiting = self._waiting(change.order_id)
        if waiting is not None and waiting.external_order_id == change.external_order_id:
            if waiting.after.is_same(change.after):
                return None
            change = replace(change, before=waiting.after)
        if len(self._open) >= self._max_changes:
            self.not_followed += 1
            return None
        number, followed = next(self._numbers), FollowedChange(change, now)
        self._open[number] = followed
        self._of_order.setdefault(change.order_id, []).append(number)
        heapq.heappush(self._queue, (followed.next_read(now), number))
        self.total.would_change += 1
        self.by_transition[_transition(change)].would_change += 1
        return change

    def _record_hold(self, hold: WouldHold, now: float) -> None:
        held = self._holds.get(hold.order_id)
        is_same = held is not None and held.reason is hold.reason
        if held is None and len(self._holds) >= self._max_changes:
            self.not_followed += 1
            return
        attempts = held.attempts + 1 if held is not None and is_same else 1
        due = now + wait_before_attempt(attempts).total_seconds()
        self._holds[hold.order_id] = _Held(hold.reason, attempts, due)
        self.would_hold[hold.reason] += not is_same

    def _waiting(self, id_: OrderId) -> WouldChange | None:
        """Return the last change that the row of an order waits for."""
        numbers = self._of_order.get(id_)
        return self._open[numbers[-1]].change if numbers else None

    def _forget_settled(self, id_: OrderId) -> None:
        left = [number for number in self._of_order.pop(id_, ()) if number in self._open]
        if left:
            self._of_order[id_] = left

    def _count(self, settled: SettledChange) -> None:
        self.total.settle(settled)
        self.by_transition[_transition(settled.change)].settle(settled)
        if settled.verdict is CatchUp.ELSEWHERE:
            self.elsewhere.append(settled)


def _transition(change: WouldChange) -> Transition:
    return change.before.status.value, change.after.status.value
