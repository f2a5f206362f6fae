"""The answer: one sentence about an order, and the facts behind it. Pure.

The answer is the first of these that is true:

    1.  The row is gone, its status is final or not one that we follow, or it has no external id.
    2.  It is on hold, and its next attempt is not due.
    3.  It is fresh.
    4.  It is in flight at a worker, or a worker is writing it.
    5.  The halt is on, or its shard may not send requests now.
    6.  Another session has locked the row.
    7.  No supervisor answers.
    8.  It waits for its turn.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler import formatting
from reconciler.domain.decide import HoldReason
from reconciler.domain.status import OPEN, TERMINAL
from reconciler.explanation.row_and_report import row_and_report
from reconciler.formatting import duration
from reconciler.scope import Scope
from reconciler.store.activity import Activity
from reconciler.store.explain import LockHolder, OrderRow
from reconciler.store.holds import HeldOrder
from reconciler.supervisor.status import OrderLocation, ShardState

_WORKER = re.compile("reconciler worker [0-9]+ ?(.*)")
"""The `application_name` of a worker's session: its shard, and its scope if it has one."""


@dataclass(frozen=True, kw_only=True)
class OrderSnapshot:
    """The state of an order, from the database and the supervisor.

    Attributes:
        scope: Whose workers are ours.
        row: None if `orders` has no such row.
        hold: The present hold, else the last one; None if the order never had one.
        location: The supervisor's answer; None if no supervisor was asked or none answered.
        unanswered: The reason for no answer.
        halted: The reason for the halt; None if it is off.
        activity: The entries about it in the activity log, the oldest first.
    """

    order_id: str
    scope: Scope
    row: OrderRow | None
    hold: HeldOrder | None
    holders: Sequence[LockHolder]
    location: OrderLocation | None
    unanswered: str | None
    halted: str | None
    activity: Sequence[Activity]

    @property
    def is_known(self) -> bool:
        """True if there is anything to explain."""
        return self.row is not None or bool(self.activity)

    @property
    def active_hold(self) -> HeldOrder | None:
        """The hold that is in force."""
        return None if self.hold is None or self.hold.resolved_at is not None else self.hold


def answer(snapshot: OrderSnapshot) -> str:
    """Return the answer as one sentence."""
    if snapshot.row is None:
        return "It is not reconciled: it is no longer in orders."
    if reason := next(_reasons_not_due(snapshot, snapshot.row), None):
        return f"It is not reconciled: {_without_stop(reason)}."
    if progress := next(_progress_descriptions(snapshot), None):
        return f"It is being reconciled: {progress}."
    if reason := next(_reasons_for_waiting(snapshot), None):
        return f"It is due, but {_without_stop(reason)}."
    return f"It is due: {_next_step(snapshot)}."


def _without_stop(reason: str) -> str:
    """Return a reason that may end with what an exchange said, which may be a sentence."""
    return reason.removesuffix(".")


def is_due(snapshot: OrderSnapshot) -> bool:
    """Return True if the order is eligible, stale, and not waiting on hold."""
    return snapshot.row is not None and next(_reasons_not_due(snapshot, snapshot.row), None) is None


def _reasons_not_due(snapshot: OrderSnapshot, row: OrderRow) -> Iterator[str]:
    if row.status in TERMINAL:
        yield f"it is {row.shown_status}, which is final"
    elif row.status is None:
        yield f"its status {row.word!r} is not one that we follow"
    if row.external_order_id is None:
        yield "it has no external_order_id, so the exchange cannot be asked about it"
    hold = snapshot.active_hold
    if hold is not None and hold.is_waiting(row.stored_symbol, row.external_order_id, row.now):
        yield (
            f"it is on hold until {moment(hold.next_attempt_at)} ({hold.reason.value}:"
            f" {hold.detail})"
        )
    if not row.is_stale:
        yield _fresh(row)


def _fresh(row: OrderRow) -> str:
    assert row.fresh_until is not None  # noqa: S101 - only a stale row has none
    more = duration((row.fresh_until - row.now).total_seconds())
    return f"it is fresh until {moment(row.fresh_until)}, for {more} more"


def _progress_descriptions(snapshot: OrderSnapshot) -> Iterator[str]:
    location = snapshot.location
    if location is not None and location.in_flight_in is not None:
        foreign = next(_other_lock_holders(snapshot), None)
        lock_note = "" if foreign is None else f"; {_has_locked(foreign)}, so it may be skipped"
        yield f"it is in flight {_at_shard(location)}{lock_note}"
    for holder in snapshot.holders:
        if _is_ours(holder, snapshot.scope):
            yield f"{holder.application} (session {holder.pid}) has locked its row to write it"


def _reasons_for_waiting(snapshot: OrderSnapshot) -> Iterator[str]:
    if snapshot.halted is not None:
        yield f"the halt is on, and nothing may be written: {snapshot.halted}"
    location = snapshot.location
    if location is not None:
        yield from _reasons_at_shard(location)
    if foreign := next(_other_lock_holders(snapshot), None):
        yield f"{_has_locked(foreign)}, and locked rows are skipped, not waited for"
    if location is None:
        unanswered = snapshot.unanswered or "no supervisor was asked"
        yield f"{unanswered}, so it is not known whether a worker has it"


def _reasons_at_shard(location: OrderLocation) -> Iterator[str]:
    cause = "" if location.fault is None else f": {location.fault}"
    if location.paused_seconds > 0:
        yield f"the rate-limit pause lasts {duration(location.paused_seconds)} more"
    if location.breaker == "open":
        yield (
            f"the breaker of shard {location.shard} is open for"
            f" {duration(location.breaker_retry_seconds)} more{cause}"
        )
    if location.backing_off_seconds > 0:
        yield (
            f"shard {location.shard} is backing off for {duration(location.backing_off_seconds)}"
            f" more{cause}"
        )
    if location.shard_state is not ShardState.READY and not location.is_queued:
        yield f"its shard {location.shard} is {state_words(location.shard_state)}"


def _next_step(snapshot: OrderSnapshot) -> str:
    location = snapshot.location
    if location is None or not location.is_queued:
        return "the next cycle takes it"
    if location.shard_state is not ShardState.READY:
        state = state_words(location.shard_state)
        return f"it is queued; its shard {location.shard} is {state}, and other shards do its work"
    return f"it is queued for shard {location.shard}"


def _other_lock_holders(snapshot: OrderSnapshot) -> Iterator[LockHolder]:
    return (holder for holder in snapshot.holders if not _is_ours(holder, snapshot.scope))


def _is_ours(holder: LockHolder, scope: Scope) -> bool:
    worker = _WORKER.fullmatch(holder.application)
    return worker is not None and worker[1] == scope


def _has_locked(holder: LockHolder) -> str:
    since = "" if holder.since is None else f" (since {moment(holder.since)})"
    return f"{session_name(holder)} has locked its row{since}"


def session_name(holder: LockHolder) -> str:
    """Return the name of a database session."""
    if holder.pid is None:
        return holder.application
    return f"session {holder.pid} ({holder.application or holder.user or 'no name'})"


def state_words(state: ShardState) -> str:
    """Return a shard's state in words."""
    return state.value.replace("_", " ")


def moment(time: datetime) -> str:
    """Return a time in UTC, marked as such."""
    return f"{formatting.moment(time)} UTC"


def details(snapshot: OrderSnapshot) -> Iterator[tuple[str, str]]:
    """Return the facts behind the answer, each with its name."""
    row = snapshot.row
    if row is not None:
        yield "external id", row.external_order_id or "none: not eligible"
        is_open = row.status in OPEN
        yield "status", row.shown_status if is_open else f"{row.shown_status}: not eligible"
        yield "last synced", "never" if row.last_synced_at is None else moment(row.last_synced_at)
        if is_open and row.external_order_id is not None:
            yield "fresh until", _freshness(row)
        yield from _hold_details(snapshot.hold, row)
        yield "row locked by", "\n".join(map(_session_details, snapshot.holders)) or "no session"
    yield from _supervisor_details(snapshot)
    yield "halt", "off" if snapshot.halted is None else f"on: {snapshot.halted}"


def _freshness(row: OrderRow) -> str:
    return "it is stale" if row.fresh_until is None else moment(row.fresh_until)


def _hold_details(hold: HeldOrder | None, row: OrderRow) -> Iterator[tuple[str, str]]:
    if hold is None:
        yield "on hold", "never"
    elif hold.resolved_at is not None:
        yield "on hold", f"no longer, since {moment(hold.resolved_at)}: {hold.resolution}"
    else:
        yield "on hold", _hold_until(hold, row)
        yield "why", f"{hold.reason.value}: {hold.detail}"
        if hold.reason is HoldReason.CONFLICT and hold.row_facts:
            yield from row_and_report(hold)


def _hold_until(hold: HeldOrder, row: OrderRow) -> str:
    until = moment(hold.next_attempt_at)
    if hold.is_waiting(row.stored_symbol, row.external_order_id, row.now):
        return f"until {until}"
    if not hold.is_of(row.stored_symbol, row.external_order_id):
        was_for = f"order {hold.external_order_id} of {hold.symbol}"
        return f"yes; an attempt is due, because the row named {was_for} at that time"
    if hold.next_attempt_at > row.now:
        return f"yes; an attempt is due, because {until} is further ahead than any hold lasts"
    return f"yes; an attempt has been due since {until}"


def _session_details(holder: LockHolder) -> str:
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


def _supervisor_details(snapshot: OrderSnapshot) -> Iterator[tuple[str, str]]:
    location = snapshot.location
    if location is None:
        yield "supervisor", snapshot.unanswered or "was not asked"
        return
    state = state_words(location.shard_state)
    yield "shard", f"{location.shard}, which is {state} (bucket {location.bucket})"
    yield "in flight", _in_flight(location)
    yield "breaker", _breaker(location)
    if location.fault is not None:
        yield "last fault", location.fault
    if location.backing_off_seconds > 0:
        yield "backing off", f"for {duration(location.backing_off_seconds)} more"
    if location.paused_seconds > 0:
        yield "rate-limit pause", f"for {duration(location.paused_seconds)} more"


def _in_flight(location: OrderLocation) -> str:
    if location.in_flight_in is None:
        return "no, but queued" if location.is_queued else "no"
    return _at_shard(location)


def _at_shard(location: OrderLocation) -> str:
    seconds = location.in_flight_seconds
    since = "" if seconds is None else f", for {duration(seconds)} so far"
    return f"at the worker of shard {location.in_flight_in}{since}"


def _breaker(location: OrderLocation) -> str:
    word = (location.breaker or "not known yet").replace("_", "-")
    more = location.breaker_retry_seconds
    return f"{word}, for {duration(more)} more" if location.breaker == "open" and more > 0 else word
