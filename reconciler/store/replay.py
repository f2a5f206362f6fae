"""Replay the activity log: decide past changes again.

Each entry carries the report that it was decided on. If today's `decide` makes the same change to
the same row, the log is complete; if not, it shows what a new version would have done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Uuid,
    func,
    literal,
    select,
    type_coerce,
)

from reconciler.domain.decide import (
    Change,
    Confirm,
    Decision,
    Hold,
    Leave,
    Policy,
    Rule,
    decide,
)
from reconciler.domain.order import Order, describe_facts
from reconciler.domain.report import Answer
from reconciler.scope import UNSCOPED, Scope
from reconciler.store.activity import ACTION, archived_from_json, facts_from_json, report_from_json
from reconciler.store.tables import activity_log

PAGE_SIZE = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedChange:
    """One past change, decided again.

    `difference` says how today's decision differs; None if it is the same. A change that a person
    accepted does not follow from a report, so it is not decided again.
    """

    activity_id: int | UUID
    order_id: str
    is_by_person: bool
    difference: str | None


def replay(
    connection: Connection,
    policy: Policy,
    *,
    scope: Scope,
    order_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[ReplayedChange]:
    """Decide every change logged from `since` to before `until` again, the oldest first.

    Args:
        connection: In autocommit: each page is a transaction of its own, so that a long replay does
            not block vacuum.
        policy: What the decisions depend on besides the entries.
        scope: Leave out the changes of other programs: their policy may differ. Those that name no
            scope may be of the time before it had a name.
        order_id: Only this order's changes.
        since: Only changes logged then or later.
        until: Only changes logged earlier.
    """
    statement = select(activity_log.c.id, activity_log.c.order_id, activity_log.c.details).where(
        activity_log.c.action == ACTION,
        func.coalesce(activity_log.c.details["scope"].astext, UNSCOPED).in_([UNSCOPED, scope]),
    )
    if order_id is not None:
        statement = statement.where(activity_log.c.order_id == order_id)
    if since is not None:
        statement = statement.where(activity_log.c.created_at >= since)
    if until is not None:
        statement = statement.where(activity_log.c.created_at < until)
    page = statement.order_by(activity_log.c.id).limit(PAGE_SIZE)
    rows = connection.execute(page).all()
    while rows:
        for row in rows:
            yield _replay_one(row, policy)
        rows = connection.execute(page.where(_is_later(rows[-1].id))).all()


def _is_later(last: int | UUID) -> ColumnElement[bool]:
    """Return the condition for later entries. An application's own log may have uuids."""
    kind = Uuid() if isinstance(last, UUID) else BigInteger()
    return type_coerce(activity_log.c.id, kind) > literal(last, kind)


def _replay_one(row: Any, policy: Policy) -> ReplayedChange:
    is_by_person = False
    try:
        is_by_person = row.details["rule"] == Rule.ACCEPTED and bool(row.details["by"])
        difference = None if is_by_person else _difference(row.details, policy)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        difference = f"the entry cannot be read: {type(error).__name__} {error}"
    return ReplayedChange(
        activity_id=row.id,
        order_id=row.order_id,
        is_by_person=is_by_person,
        difference=difference,
    )


def _difference(details: dict[str, Any], policy: Policy) -> str | None:
    recorded = Change(to=facts_from_json(details["to"]), rule=Rule(details["rule"]))
    answer = _answer(details, recorded.rule)
    order = Order(
        id=0,
        symbol=answer.symbol,
        external_order_id=answer.external_order_id,
        facts=facts_from_json(details["from"]),
        created_at=_created_at(details),
        qty=_qty(details),
    )
    decision = decide(order, answer, answer.fetched_at, policy)
    if decision == recorded:
        return None
    return f"recorded: {_describe(recorded)}; decided now: {_describe(decision)}"


def _answer(details: dict[str, Any], rule: Rule) -> Answer:
    fetched_at = datetime.fromisoformat(details["fetched_at"])
    read = archived_from_json if rule is Rule.ARCHIVED else report_from_json
    return read(details["report"], fetched_at)


def _created_at(details: dict[str, Any]) -> datetime | None:
    """Return when the row was created; only an entry about an archived order has it."""
    return datetime.fromisoformat(details["created_at"]) if "created_at" in details else None


def _qty(details: dict[str, Any]) -> Decimal | None:
    """Return the row's `qty`; only an entry of a decision that depended on it has it."""
    return Decimal(details["qty"]) if "qty" in details else None


def _describe(decision: Decision) -> str:
    match decision:
        case Change(to=to, rule=rule):
            return f"{describe_facts(to)} ({rule.value})"
        case Confirm(rule=rule) | Leave(rule=rule):
            return f"no change ({rule.value})"
        case Hold(reason=reason, detail=detail):
            return f"hold for {reason.value}: {detail}"
        case _:
            assert_never(decision)
