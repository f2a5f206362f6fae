"""Why an order is, or is not, being reconciled: one sentence out of the facts, pure.

The first of these that is so is the answer:

    1.  The row is gone, has ended, has a status that we do not follow, or no exchange's id.
    2.  It is on hold, and its next attempt is not due.
    3.  It is fresh.
    4.  A worker has it in hand, or is writing it.
    5.  Nothing may be written, or its shard may not ask now.
    6.  Somebody else holds the row.
    7.  Nobody is there to do it, as far as can be seen from here.
    8.  It waits for its turn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.cli.ui import formatting
from reconciler.cli.ui.formatting import duration
from reconciler.cli.ui.row_and_report import row_and_report
from reconciler.domain.decide import HoldReason
from reconciler.domain.status import OPEN, TERMINAL
from reconciler.store.activity import Activity
from reconciler.store.explain import LockHolder, OrderRow
from reconciler.store.holds import HeldOrder
from reconciler.supervisor.status import OrderLocation, ShardState

OUR_APPLICATION = "reconciler worker"


@dataclass(frozen=True, kw_only=True)
class OrderSnapshot:
    """Everything that is known of an order.

    Attributes:
        row: None where `orders` has no such row.
        hold: The one it is under, else its last; None if there never was any.
        location: What the supervisor knows; None if none was asked or none answered.
        unanswered: Why it did not answer.
        halted: Why nothing may be written at all.
        activity: Its entries of the activity log, the oldest first.
    """

    order_id: str
    row: OrderRow | None
    hold: HeldOrder | None
    holders: Sequence[LockHolder]
    location: OrderLocation | None
    unanswered: str | None
    halted: str | None
    activity: Sequence[Activity]

    @property
    def is_known(self) -> bool:
        """Whether there is anything to explain."""
        return self.row is not None or bool(self.activity)

    @property
    def active_hold(self) -> HeldOrder | None:
        """The hold that it is under."""
        return None if self.hold is None or self.hold.resolved_at is not None else self.hold


def answer(snapshot: OrderSnapshot) -> str:
    """Return the sentence."""
    if snapshot.row is None:
        return "It is not reconciled: it is no longer in orders."
    if obstacle := next(_not_due(snapshot, snapshot.row), None):
        return f"It is not reconciled: {obstacle}."
    if progress := next(_in_progress(snapshot), None):
        return f"It is being reconciled: {progress}."
    if obstacle := next(_in_the_way(snapshot), None):
        return f"It is due, but {obstacle}."
    return f"It is due: {_next(snapshot)}."


def is_due(snapshot: OrderSnapshot) -> bool:
    """Whether it is eligible, stale, and not waiting on hold."""
    return snapshot.row is not None and next(_not_due(snapshot, snapshot.row), None) is None


def _not_due(snapshot: OrderSnapshot, row: OrderRow) -> Iterator[str]:
    if row.status in TERMINAL:
        yield f"it is {row.status}, which is final"
    elif row.status not in OPEN:
        yield f"its status {row.status!r} is none that we follow"
    if row.external_order_id is None:
        yield "it has no external_order_id, so the exchange cannot be asked about it"
    hold = snapshot.active_hold
    if hold is not None and hold.is_waiting(row.symbol, row.external_order_id, row.now):
        yield (
            f"it is on hold until {moment(hold.next_attempt_at)} ({hold.reason.value}:"
            f" {hold.detail})"
        )
    if not row.is_stale:
        yield _fresh(row)


def _fresh(row: OrderRow) -> str:
    assert row.fresh_until is not None  # noqa: S101 - only what is stale has none
    more = duration((row.fresh_until - row.now).total_seconds())
    return f"it is fresh until {moment(row.fresh_until)}, for {more} more"


def _in_progress(snapshot: OrderSnapshot) -> Iterator[str]:
    where = snapshot.location
    if where is not None and where.in_flight_in is not None:
        since = (
            "" if where.in_flight_seconds is None else f" for {duration(where.in_flight_seconds)}"
        )
        foreign = next(_foreign(snapshot), None)
        but = "" if foreign is None else f"; {_holds_it(foreign)}, so it may be skipped"
        yield f"the worker of shard {where.in_flight_in} has had it in hand{since}{but}"
    for holder in snapshot.holders:
        if _is_ours(holder):
            yield f"{holder.application} (session {holder.pid}) holds its row to write it"


def _in_the_way(snapshot: OrderSnapshot) -> Iterator[str]:
    if snapshot.halted is not None:
        yield f"the halt is on, and nothing may be written: {snapshot.halted}"
    where = snapshot.location
    if where is not None:
        yield from _in_the_shards_way(where)
    if foreign := next(_foreign(snapshot), None):
        yield f"{_holds_it(foreign)}, and rows that are held are skipped, not waited for"
    if where is None:
        yield f"{snapshot.unanswered or 'no supervisor was asked'}: who works on it is not known"


def _in_the_shards_way(where: OrderLocation) -> Iterator[str]:
    because = "" if where.fault is None else f": {where.fault}"
    if where.paused_seconds > 0:
        yield f"the exchange wants silence for {duration(where.paused_seconds)} more"
    if where.breaker == "open":
        yield (
            f"the breaker of shard {where.shard} is open for"
            f" {duration(where.breaker_retry_seconds)} more{because}"
        )
    if where.backing_off_seconds > 0:
        yield (
            f"shard {where.shard} is handed nothing for {duration(where.backing_off_seconds)}"
            f" more{because}"
        )
    if where.shard_state is not ShardState.READY and not where.is_queued:
        yield f"its shard {where.shard} is {state_words(where.shard_state)}"


def _next(snapshot: OrderSnapshot) -> str:
    where = snapshot.location
    if where is None or not where.is_queued:
        return "the next cycle takes it"
    if where.shard_state is not ShardState.READY:
        return (
            f"it is queued; its shard {where.shard} is {state_words(where.shard_state)}, and the"
            " others help out"
        )
    return f"it is queued for shard {where.shard}"


def _foreign(snapshot: OrderSnapshot) -> Iterator[LockHolder]:
    return (holder for holder in snapshot.holders if not _is_ours(holder))


def _is_ours(holder: LockHolder) -> bool:
    return holder.application.startswith(OUR_APPLICATION)


def _holds_it(holder: LockHolder) -> str:
    since = "" if holder.since is None else f" since {moment(holder.since)}"
    return f"{session_name(holder)} holds its row{since}"


def session_name(holder: LockHolder) -> str:
    """Return who a session is."""
    if holder.pid is None:
        return holder.application
    return f"session {holder.pid} ({holder.application or holder.user or 'no name'})"


def state_words(state: ShardState) -> str:
    """Return a shard's state in words."""
    return state.value.replace("_", " ")


def moment(time: datetime) -> str:
    """Return a time, and that it is in UTC."""
    return f"{formatting.moment(time)} UTC"


def details(snapshot: OrderSnapshot) -> Iterator[tuple[str, str]]:
    """Return what was looked at, a name and a finding each."""
    row = snapshot.row
    if row is not None:
        yield "external id", row.external_order_id or "none: not eligible"
        yield "status", row.status if row.status in OPEN else f"{row.status}: not eligible"
        yield "last synced", "never" if row.last_synced_at is None else moment(row.last_synced_at)
        yield "fresh until", _freshness(row)
        yield from _hold(snapshot.hold, row)
        yield "row held by", "\n".join(map(_session, snapshot.holders)) or "nobody"
    yield from _supervisor(snapshot)
    yield "halt", "off" if snapshot.halted is None else f"on: {snapshot.halted}"


def _freshness(row: OrderRow) -> str:
    return "it is stale" if row.fresh_until is None else moment(row.fresh_until)


def _hold(hold: HeldOrder | None, row: OrderRow) -> Iterator[tuple[str, str]]:
    if hold is None:
        yield "on hold", "never"
    elif hold.resolved_at is not None:
        yield "on hold", f"no longer, since {moment(hold.resolved_at)}: {hold.resolution}"
    else:
        yield "on hold", _until(hold, row)
        yield "why", f"{hold.reason.value}: {hold.detail}"
        if hold.reason is HoldReason.CONFLICT and hold.row_facts:
            yield from row_and_report(hold)


def _until(hold: HeldOrder, row: OrderRow) -> str:
    until = moment(hold.next_attempt_at)
    if hold.is_waiting(row.symbol, row.external_order_id, row.now):
        return f"until {until}"
    if not hold.is_of(row.symbol, row.external_order_id):
        was_for = f"order {hold.external_order_id} of {hold.symbol}"
        return f"yes; an attempt is due, because the row named {was_for} then"
    if hold.next_attempt_at > row.now:
        return f"yes; an attempt is due, because {until} is further ahead than any hold lasts"
    return f"yes; an attempt is due since {until}"


def _session(holder: LockHolder) -> str:
    parts = (
        ("", holder.state),
        ("since ", None if holder.since is None else moment(holder.since)),
        ("its statement began ", _optional(holder.query_since, moment)),
        ("", None if holder.query is None else " ".join(holder.query.split())[:80]),
    )
    return ", ".join(
        [session_name(holder), *(f"{words}{value}" for words, value in parts if value is not None)]
    )


def _optional(value: datetime | None, shown: Callable[[datetime], str]) -> str | None:
    return None if value is None else shown(value)


def _supervisor(snapshot: OrderSnapshot) -> Iterator[tuple[str, str]]:
    where = snapshot.location
    if where is None:
        yield "supervisor", snapshot.unanswered or "was not asked"
        return
    yield (
        "shard",
        f"{where.shard}, which is {state_words(where.shard_state)} (bucket {where.bucket})",
    )
    yield "in hand", _in_flight(where)
    yield "breaker", _breaker(where)
    if where.fault is not None:
        yield "last trouble", where.fault
    if where.backing_off_seconds > 0:
        yield "held back", f"for {duration(where.backing_off_seconds)} more"
    if where.paused_seconds > 0:
        yield "silence", f"for {duration(where.paused_seconds)} more, as the exchange wants"


def _in_flight(where: OrderLocation) -> str:
    if where.in_flight_in is None:
        return "no, but queued" if where.is_queued else "no"
    since = "" if where.in_flight_seconds is None else f", for {duration(where.in_flight_seconds)}"
    return f"of shard {where.in_flight_in}{since}"


def _breaker(where: OrderLocation) -> str:
    word = (where.breaker or "not known yet").replace("_", "-")
    more = where.breaker_retry_seconds
    return f"{word}, for {duration(more)} more" if where.breaker == "open" and more > 0 else word
