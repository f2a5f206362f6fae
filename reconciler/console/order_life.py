"""One order's life: what happened to it, in the order of time. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.store.activity import ACTION, Activity
from reconciler.store.changes import Difference, LoggedChange
from reconciler.store.holds import HeldOrder

_REPORTED = (
    ("word", "status"),
    ("executed_qty", "executed"),
    ("avg_price", "average"),
    ("quantity", "quantity"),
    ("side", "side"),
    ("symbol", "symbol"),
    ("external_order_id", "the exchange's id"),
    ("client_order_id", "client id"),
    ("placed_at", "placed"),
)


class EventKind(StrEnum):
    """What happened: a change of the row, a hold's begin or end, or an entry of the application."""

    CHANGE = "change"
    HELD = "held"
    ENDED = "ended"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class LifeEvent:
    """Something that happened to an order.

    Attributes:
        what: It in a few words.
        who: Who wrote it.
        differences: The values of the row before and since.
        facts: What it was decided on, each with its name.
    """

    at: datetime
    kind: EventKind
    what: str
    who: str
    differences: Sequence[Difference] = ()
    facts: Sequence[tuple[str, str]] = field(default=())


def life_of(entries: Sequence[Activity], holds: Sequence[HeldOrder]) -> Sequence[LifeEvent]:
    """Return the events of an order, the oldest first."""
    events = [*(_entry_event(entry) for entry in entries)]
    events += (event for hold in holds for event in _hold_events(hold))
    return sorted(events, key=lambda event: event.at)


def executed_over_time(entries: Sequence[Activity]) -> Sequence[tuple[datetime, float]]:
    """Return the executed quantity whenever it was written, for a chart; the first is before."""
    changes = [LoggedChange.of(entry) for entry in entries if entry.action == ACTION]
    points = [
        (change.created_at, amount)
        for change in changes
        if (amount := _amount(change.after.get("executed_qty"))) is not None
    ]
    before = _amount(changes[0].before.get("executed_qty")) if changes else None
    placed_at = next((at for change in changes if (at := _placed_at(change)) is not None), None)
    if before is not None and placed_at is not None and points and placed_at < points[0][0]:
        return [(placed_at, before), *points]
    return points


def _entry_event(entry: Activity) -> LifeEvent:
    if entry.action != ACTION:
        return LifeEvent(
            at=entry.created_at, kind=EventKind.OTHER, what=entry.action, who="the application"
        )
    change = LoggedChange.of(entry)
    return LifeEvent(
        at=entry.created_at,
        kind=EventKind.CHANGE,
        what=change.rule or "changed",
        who=change.by or _program(change),
        differences=change.differences,
        facts=list(_report_facts(change)),
    )


def _program(change: LoggedChange) -> str:
    scope = change.details.get("scope")
    return f"the reconciler ({scope})" if scope else "the reconciler"


def _report_facts(change: LoggedChange) -> Iterator[tuple[str, str]]:
    if change.exchange is not None:
        yield "asked", change.exchange
    if change.fetched_at is not None:
        yield "fetched at", change.fetched_at.isoformat(sep=" ", timespec="milliseconds")
    for name, words in _REPORTED:
        if (value := change.report.get(name)) is not None:
            yield words, str(value)


def _hold_events(hold: HeldOrder) -> Iterator[LifeEvent]:
    yield LifeEvent(
        at=hold.first_held_at,
        kind=EventKind.HELD,
        what=f"set aside for {hold.reason.value}: {hold.detail}",
        who="the reconciler",
        facts=[("attempts", str(hold.attempts))],
    )
    if hold.resolved_at is not None:
        resolution = hold.resolution or "ended"
        decided, is_by, name = resolution.partition(" by ")
        yield LifeEvent(
            at=hold.resolved_at,
            kind=EventKind.ENDED,
            what=f"the hold ended: {decided if is_by else resolution}",
            who=name if is_by else "the reconciler",
        )


def _placed_at(change: LoggedChange) -> datetime | None:
    text = change.report.get("placed_at")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _amount(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
