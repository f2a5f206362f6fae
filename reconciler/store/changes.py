"""The changes of all orders, from the activity log, the newest first and page by page.

A filter other than the time has no index: one would cost every change something, and only a person
looks. So a page looks at a bounded number of entries, and says from where to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Select,
    Uuid,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
)

from reconciler.domain.decide import Rule
from reconciler.domain.status import in_both_words
from reconciler.scope import UNSCOPED, Scope
from reconciler.store.activity import ACTION, Activity
from reconciler.store.tables import activity_log

LOOKED_AT = 20_000
"""The number of entries that a page with a filter looks at."""

ActivityId = int | UUID
"""An application's own log may have uuids."""

# Not a parameter: the index has only the entries of this action.
IS_CHANGE = activity_log.c.action == literal_column(f"'{ACTION}'")


RULES = (
    Rule.STATUS_ADVANCED,
    Rule.QUANTITY_GREW,
    Rule.PRICE_CORRECTED,
    Rule.ENDED,
    Rule.ARCHIVED,
    Rule.ACCEPTED,
)
"""The rules that change a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A value of a row that a change has changed, for a person."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedChange:
    """A change of an order, as the activity log has it."""

    id: ActivityId
    order_id: str
    created_at: datetime
    details: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Activity) -> "LoggedChange":
        """Return an entry of an order's history as a change."""
        return cls(
            id=entry.id,
            order_id=entry.order_id,
            created_at=entry.created_at,
            details=entry.details,
        )

    @property
    def before(self) -> Mapping[str, str | None]:
        """The row's status, executed_qty and avg_price before; numbers are text."""
        return self._facts("from")

    @property
    def after(self) -> Mapping[str, str | None]:
        """What it says since."""
        return self._facts("to")

    @property
    def status_before(self) -> str:
        """The status before, in the user's word and in ours."""
        return in_both_words(self.before.get("status_written"), self.before.get("status"))

    @property
    def status_after(self) -> str:
        """The status since, in the user's word and in ours."""
        return in_both_words(self.after.get("status_written"), self.after.get("status"))

    @property
    def differences(self) -> Sequence[Difference]:
        """The status before and since, and the numbers that differ."""
        numbers = (
            Difference(
                name=word,
                before=_plain(self.before.get(name)),
                after=_plain(self.after.get(name)),
            )
            for name, word in (("executed_qty", "executed"), ("avg_price", "average"))
        )
        status = Difference(name="status", before=self.status_before, after=self.status_after)
        return [status, *(one for one in numbers if one.before != one.after)]

    @property
    def report(self) -> Mapping[str, Any]:
        """What the exchange said; empty in an entry that has no report."""
        report = self.details.get("report")
        return report if isinstance(report, dict) else {}

    @property
    def symbol(self) -> str | None:
        """The exchange's name of the symbol."""
        return _text(self.report.get("symbol"))

    @property
    def rule(self) -> str | None:
        """The rule by which it was decided."""
        return _text(self.details.get("rule"))

    @property
    def exchange(self) -> str | None:
        """The exchange that was asked."""
        return _text(self.details.get("exchange"))

    @property
    def by(self) -> str | None:
        """The person who decided; None if a rule did."""
        return _text(self.details.get("by"))

    @property
    def fetched_at(self) -> datetime | None:
        """When the exchange was asked."""
        text = self.details.get("fetched_at")
        return datetime.fromisoformat(text) if isinstance(text, str) else None

    def for_json(self) -> dict[str, Any]:
        """Return it as programs read it; numbers stay text, so that no digit is lost."""
        return {
            "id": self.id,
            "created_at": self.created_at,
            "order_id": self.order_id,
            "symbol": self.symbol,
            "from": self.before,
            "to": self.after,
            "rule": self.rule,
            "by": self.by,
            "exchange": self.exchange,
            "fetched_at": self.fetched_at,
        }

    def _facts(self, name: str) -> Mapping[str, str | None]:
        facts = self.details.get(name)
        return facts if isinstance(facts, dict) else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeFilter:
    """A filter on changes; without any value it matches all of them.

    Attributes:
        symbol: As the exchange spells it.
        status_before, status: The status before and since, in the user's word or in ours.
        since: Logged then or later.
    """

    symbol: str | None = None
    status_before: str | None = None
    status: str | None = None
    rule: str | None = None
    since: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """True if it matches all changes."""
        return self == ChangeFilter()

    def conditions_on(self, details: ColumnElement[Any]) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on an entry's details."""
        wanted = ((details["report"]["symbol"], self.symbol), (details["rule"], self.rule))
        conditions = [value.astext == text for value, text in wanted if text is not None]
        for name, status in (("from", self.status_before), ("to", self.status)):
            if status is not None:
                words = (details[name]["status"].astext, details[name]["status_written"].astext)
                conditions.append(or_(*(word == status for word in words)))
        return conditions


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangePosition:
    """The place of a change in the order of time."""

    created_at: datetime
    id: ActivityId


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangePage:
    """Some changes, the newest first.

    Attributes:
        next_before: The position from which the next page goes on; None at the end of the log.
        is_full: False if it has fewer changes than asked for: no more match, as far as it looked.
    """

    changes: Sequence[LoggedChange]
    next_before: ChangePosition | None
    is_full: bool


def read_changes(
    connection: Connection,
    scope: Scope,
    change_filter: ChangeFilter,
    *,
    before: ChangePosition | None = None,
    limit: int,
    looked_at: int = LOOKED_AT,
) -> ChangePage:
    """Read up to `limit` changes before a position, the newest first.

    With a filter, it looks at `looked_at` entries at most: then a page may have fewer changes than
    there are, and its `next_before` says where it stopped.
    """
    entries = _newest_first(change_filter.since, before)
    of = entries.limit(looked_at).subquery("entries").c
    statement = (
        select(of.id, of.order_id, of.details, of.created_at)
        .where(is_of_scope(scope, of.details), *change_filter.conditions_on(of.details))
        .order_by(of.created_at.desc(), of.id.desc())
        .limit(limit + 1)
    )
    found = [LoggedChange(**row) for row in connection.execute(statement).mappings()]
    changes = found[:limit]
    if len(found) > limit:
        last = changes[-1]
        position = ChangePosition(created_at=last.created_at, id=last.id)
        return ChangePage(changes=changes, next_before=position, is_full=True)
    stopped_at = connection.execute(entries.offset(looked_at - 1).limit(1)).first()
    return ChangePage(
        changes=changes,
        next_before=None
        if stopped_at is None
        else ChangePosition(created_at=stopped_at.created_at, id=stopped_at.id),
        is_full=len(changes) == limit,
    )


def is_of_scope(scope: Scope, details: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that an entry is ours.

    Those that name no scope may be of the time before ours had a name.
    """
    return func.coalesce(details["scope"].astext, UNSCOPED).in_([UNSCOPED, scope])


def _place(at: ColumnElement[Any], id_: ColumnElement[Any], like: ActivityId) -> Any:
    return tuple_(at, type_coerce(id_, _kind(like)))


def _given(position: tuple[Any, ActivityId]) -> Any:
    kind = _kind(position[1])
    first = DateTime(timezone=True) if isinstance(position[0], datetime) else kind
    return tuple_(literal(position[0], first), literal(position[1], kind))


def _kind(id_: ActivityId) -> Uuid[UUID] | BigInteger:
    return Uuid() if isinstance(id_, UUID) else BigInteger()


def _newest_first(since: datetime | None, before: ChangePosition | None) -> Select[Any]:
    log = activity_log.c
    statement = (
        select(log.id, log.order_id, log.details, log.created_at)
        .where(IS_CHANGE)
        .order_by(log.created_at.desc(), log.id.desc())
    )
    if since is not None:
        statement = statement.where(log.created_at >= since)
    if before is not None:
        place = _place(log.created_at, log.id, before.id)
        statement = statement.where(place < _given((before.created_at, before.id)))
    return statement


def _plain(number: str | None) -> str:
    """Return a decimal without the trailing zeros of its column's scale."""
    if number is None:
        return "-"
    return number.rstrip("0").rstrip(".") if "." in number else number


def _text(value: object) -> str | None:
    return None if value is None else str(value)
