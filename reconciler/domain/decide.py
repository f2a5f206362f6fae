"""Decide what an exchange's answer does to a row. Correctness lives here.

Pure: the same order, answer, time and policy give the same decision; nothing is read or written,
and nothing raised, so that one odd order never costs a batch. The caller holds the row locked, so
that what was decided on is what is changed. A wrong write is worse than none: where facts
contradict each other, a person decides.

    answer                         decision
    ------                         --------
    none, stale, of another order  Leave: write nothing, ask again later
    what the row already says      Confirm: only `last_synced_at` moves
    further along than the row     Change: the row takes the exchange's facts; logged
    archived, and the row is old   Change: the order has ended with nothing executed; logged
    absent, unknown, contradictory Hold: the row stays, the order waits for time or a person

Invariants. Each has a test of its name in tests/unit/domain/test_decide.py, and a state machine
beside it searches for a sequence of answers that breaks one.

1.  No answer, no change. "Could not ask" is never evidence.
2.  Same facts: only `last_synced_at` moves, and nothing is logged as a change.
3.  Status only moves forward: pending < new < partial < terminal. A terminal order never reopens.
4.  `executed_qty` never shrinks. A report that would shrink it is older or wrong: hold.
5.  Two terminals that disagree: hold, never overwrite.
6.  Canceled, expired or rejected with a partial fill keeps its quantity and its average price.
7.  An open order with a quantity executed is `partial`, whatever word the exchange used. Partial or
    filled with nothing executed contradicts itself: hold.
8.  `avg_price` is cumulative quote / executed in Decimal, rounded to the column's scale. Unknown
    (none, zero, or rounded to zero) keeps the old value. The limit price is never an average.
9.  "Not found" is graded: inside the grace window it says nothing yet; beyond the retention horizon
    it proves nothing; inside the horizon it is counted, and after enough confirmations it waits for
    a person. It never by itself becomes `canceled` or `rejected`. "Archived" proves an end with
    nothing executed, and not which, where `created_at` lies beyond the horizon, and nowhere else.
10. A status word nobody knows changes nothing: hold, and carry on with the rest.
11. A report fetched before the row's latest write, or longer ago than LONGEST_ANSWER_AGE, is stale:
    leave the row for next time. An `updated_at` ahead of the database's clock tells no time: the
    other rules protect such a row, as they do in a table without that column.
12. Deciding twice on the same facts changes nothing. Reports of one order's life may come
    shuffled, doubled or dropped: once the latest has been decided on, the row is as if all had come
    once and in order. This takes reports that give the average with the quantity, and columns whose
    scales tell the life's quantities and averages from each other and from zero.
13. A report that contradicts what the row knows of itself (more executed than `qty`, another side,
    another client id, placed more than a day apart) is of another order: a conflict, never written.
    What one of the two does not know contradicts nothing.
14. What is confirmed or changed counts as synced at the answer's `fetched_at`, never later. That is
    the store's part of it; no decision carries another time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from reconciler.domain.binary_float import BinaryFloat
from reconciler.domain.contradiction import ComparedColumn, contradictions, shown
from reconciler.domain.order import Facts, Order
from reconciler.domain.report import (
    Absent,
    Answer,
    Archived,
    OrderFault,
    Report,
    Scale,
    rounded,
)
from reconciler.domain.status import SOMETHING_EXECUTED, Status
from reconciler.domain.value import Value, replace

LONGEST_ANSWER_AGE = timedelta(hours=1)
"""An older answer is refused: the process was stopped, or the machine suspended, in between.

Far longer than a batch waits for a small share of the rate, and far shorter than anything that an
order could be forgotten for. A row written from an old answer is not taken for a young one: see 14.
"""


class Rule(StrEnum):
    """Which rule made the decision: what the activity log and `explain` show."""

    NO_ANSWER = "no_answer"
    OTHER_ORDER = "other_order"
    NOT_OURS = "not_ours"
    STALE_REPORT = "stale_report"
    JUST_PLACED = "just_placed"
    ALREADY_FINAL = "already_final"
    UNCHANGED = "unchanged"
    ENDED = "ended"
    ARCHIVED = "archived"
    STATUS_ADVANCED = "status_advanced"
    QUANTITY_GREW = "quantity_grew"
    PRICE_CORRECTED = "price_corrected"
    ACCEPTED = "accepted"


class HoldReason(StrEnum):
    """Why an order waits. The values are those of `reconciliation_holds.reason`."""

    ERROR = "error"
    UNKNOWN_STATUS = "unknown_status"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    REGRESSION = "regression"
    CRASHED_WORKER = "crashed_worker"


SUSPICIOUS = frozenset(
    {
        HoldReason.UNKNOWN_STATUS,
        HoldReason.NOT_FOUND,
        HoldReason.CONFLICT,
        HoldReason.REGRESSION,
    }
)
"""One such order is that order's matter; a mass of them says that something else is wrong.

Of `error` too a mass does, but there the symbols count as well: see `reconciler.supervisor.halt`.
"""


class Leave(Value):
    """Write nothing; the order stays stale and its turn comes again."""

    rule: Rule


class Confirm(Value):
    """The row is right: move `last_synced_at`, log nothing."""

    rule: Rule = Rule.UNCHANGED


class Change(Value):
    """Write `to` over the row's facts and log the change."""

    to: Facts
    rule: Rule


class Hold(Value):
    """Leave the row as it is and set the order aside. `detail` is written for a person."""

    reason: HoldReason
    detail: str


Decision = Leave | Confirm | Change | Hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the decision depends on besides the facts.

    Attributes:
        quantity_scale: Decimal places of the `executed_qty` column; None keeps every digit.
        price_scale: How the column `avg_price` does.
        ordered_scale: How the column `qty` does.
        compared: What of a row is compared with what the exchange says of the order.
        placement_grace: Asked this soon after `created_at`, "not found" says nothing: exchanges
            publish a new order to their query side late (Binance: up to 10 s).
        retention: The exchange forgets ended orders after this; None: it never does.
        confirmations: So many times in a row "not found" makes a person look.
    """

    quantity_scale: int | None = None
    price_scale: Scale = None
    ordered_scale: Scale = None
    compared: frozenset[ComparedColumn] = frozenset(ComparedColumn)
    placement_grace: timedelta = timedelta(seconds=60)
    retention: timedelta | None = None
    confirmations: int = 3


def decide(order: Order, answer: Answer | None, now: datetime, policy: Policy) -> Decision:
    """Decide what `answer` does to `order`. `now` is the database's clock. Never raises."""
    if answer is None:
        return Leave(rule=Rule.NO_ANSWER)
    order = _without_future_write(order, now)
    irrelevance = _irrelevance(order, answer, now)
    if irrelevance is not None:
        return Leave(rule=irrelevance)
    match answer:
        case Report():
            return _weigh(order, answer, policy)
        case Absent():
            return _grade_absence(order, answer, now, policy)
        case Archived():
            return _grade_archive(order, answer, policy)
        case OrderFault():
            return Hold(reason=HoldReason.ERROR, detail=answer.detail)
        case _:
            assert_never(answer)


def _without_future_write(order: Order, now: datetime) -> Order:
    """Forget an `updated_at` still to come: no write was then, another clock or zone set it.

    Believing it would make every report stale until that time, with the order at the queue's head.
    """
    if order.updated_at is not None and order.updated_at > now:
        return replace(order, updated_at=None)
    return order


def _irrelevance(order: Order, answer: Answer, now: datetime) -> Rule | None:
    """Return why `answer` says nothing about the row as it is now; None: it does."""
    if answer.external_order_id != order.external_order_id or answer.symbol != order.symbol:
        return Rule.OTHER_ORDER
    if order.updated_at is not None and answer.fetched_at < order.updated_at:
        return Rule.STALE_REPORT
    if now - answer.fetched_at > LONGEST_ANSWER_AGE:
        return Rule.STALE_REPORT
    if order.facts.status.is_terminal and not isinstance(answer, Report):
        return Rule.ALREADY_FINAL
    return None


def _grade_absence(order: Order, absence: Absent, now: datetime, policy: Policy) -> Decision:
    if _is_just_placed(order, absence, policy):
        return Leave(rule=Rule.JUST_PLACED)
    if _is_beyond_retention(order, now, policy):
        return _hold_absent(
            "not found, and older than the exchange remembers ended orders: that proves nothing;"
            " look it up in the exchange's own records"
        )
    confirmed = order.absences + 1
    if confirmed < policy.confirmations:
        return _hold_absent(
            f"not found ({confirmed} of {policy.confirmations} times): asked again later"
        )
    return _hold_absent(
        f"not found {confirmed} times in a row: is it the right account and the right order id?"
    )


def _is_just_placed(order: Order, absence: Absent, policy: Policy) -> bool:
    """Whether the order was too young when the exchange was asked; a future `created_at` is not."""
    if order.created_at is None:
        return False
    return abs(absence.fetched_at - order.created_at) < policy.placement_grace


def _is_beyond_retention(order: Order, now: datetime, policy: Policy) -> bool:
    if order.created_at is None or policy.retention is None:
        return False
    return now - order.created_at > policy.retention


def _hold_absent(detail: str) -> Hold:
    return Hold(reason=HoldReason.NOT_FOUND, detail=detail)


def _grade_archive(order: Order, archived: Archived, policy: Policy) -> Decision:
    """Believe it of an order that is old enough for an archive; such an answer names no end."""
    facts = order.facts
    if not _is_comparable(facts):
        return _no_number(facts)
    if facts.executed_qty != 0:
        return _conflict(
            f"the exchange says that it ended long ago with nothing executed, the row has"
            f" {facts.executed_qty} executed: look at the exchange which of them is true"
        )
    if not _is_old_enough_for_archive(order, archived, policy):
        since = "unknown when" if order.created_at is None else shown(order.created_at)
        return Hold(
            reason=HoldReason.NOT_FOUND,
            detail="the exchange says that it is archived, canceled or expired long ago with"
            f" nothing executed, but it was created: {since}. That proves no end: look it up in the"
            " exchange's own records",
        )
    return Change(to=replace(facts, status=Status.CANCELED), rule=Rule.ARCHIVED)


def _is_old_enough_for_archive(order: Order, archived: Archived, policy: Policy) -> bool:
    if order.created_at is None or policy.retention is None:
        return False
    return archived.fetched_at - order.created_at > policy.retention


def _weigh(order: Order, report: Report, policy: Policy) -> Decision:
    found = contradictions(order, report, policy.compared, policy.ordered_scale)
    if found:
        return _conflict(
            f"the exchange's order is another than the row's: {'; '.join(found)}. Are symbol and"
            " external_order_id right, and the account?"
        )
    row, reported = _as_kept(order.facts, policy), report.status
    if reported is None:
        return Hold(
            reason=HoldReason.UNKNOWN_STATUS,
            detail=f"the exchange says {report.word!r}, a status that this version does not know",
        )
    if row.status.is_terminal and reported is not row.status:
        return _disagree(order, report, reported)
    executed_qty = rounded(report.executed_qty, policy.quantity_scale)
    doubt = _doubt(row, report, executed_qty)
    if doubt is not None:
        return doubt
    to = Facts(
        status=_status(row, reported, executed_qty),
        executed_qty=executed_qty,
        avg_price=_average(row, report, policy),
    )
    rule = _rule(row, to)
    return Confirm() if rule is Rule.UNCHANGED else Change(to=to, rule=rule)


def _as_kept(row: Facts, policy: Policy) -> Facts:
    """Return the row's facts with the average in the one spelling that `rounded` has for it."""
    if not isinstance(policy.price_scale, BinaryFloat):
        return row
    if row.avg_price is None or not row.avg_price.is_finite():
        return row
    return replace(row, avg_price=rounded(row.avg_price, policy.price_scale))


def _disagree(order: Order, report: Report, reported: Status) -> Decision:
    """The row has ended otherwise than reported: a person's matter, unless the report may be older.

    A report of an end is never older than that end; one of an open order may be, where no
    `updated_at` proves that it is not.
    """
    if not reported.is_terminal and order.updated_at is None:
        return Leave(rule=Rule.ALREADY_FINAL)
    return _conflict(
        f"the row says {order.facts.status.value}, the exchange {report.word!r}:"
        " look at the exchange which of them is true"
    )


def _doubt(row: Facts, report: Report, executed_qty: Decimal) -> Hold | None:
    """Return why the report must not be written over the row; None: it may."""
    if not _is_comparable(row):
        return _no_number(row)
    if report.status in SOMETHING_EXECUTED and report.executed_qty == 0:
        return _conflict(
            f"the exchange says {report.word!r} and nothing executed: one of the two is wrong"
        )
    if executed_qty < row.executed_qty:
        return Hold(
            reason=HoldReason.REGRESSION,
            detail=f"the row has {row.executed_qty} executed, the exchange only {executed_qty}:"
            " its answer was an older one, or one of the two is wrong",
        )
    if report.executed_qty > 0 and executed_qty == 0:
        return _conflict(
            f"the column executed_qty has too few decimal places for {report.executed_qty}:"
            " give it more"
        )
    return None


def _is_comparable(row: Facts) -> bool:
    """Whether the row holds numbers only: PostgreSQL's `numeric` knows NaN and infinity."""
    return row.executed_qty.is_finite() and (row.avg_price is None or row.avg_price.is_finite())


def _no_number(row: Facts) -> Hold:
    return _conflict(
        f"the row has {row.executed_qty} executed at {row.avg_price}, which is no number:"
        " correct it by hand"
    )


def _conflict(detail: str) -> Hold:
    return Hold(reason=HoldReason.CONFLICT, detail=detail)


def _status(row: Facts, reported: Status, executed_qty: Decimal) -> Status:
    if reported.is_terminal:
        return reported
    if executed_qty > 0:
        return Status.PARTIAL
    return max(row.status, reported, key=lambda status: status.progress)


def _average(row: Facts, report: Report, policy: Policy) -> Decimal | None:
    """Return the reported average as the column holds it; the row's where that says nothing."""
    if report.avg_price is None or report.executed_qty == 0:
        return row.avg_price
    return rounded(report.avg_price, policy.price_scale) or row.avg_price


def _rule(row: Facts, to: Facts) -> Rule:
    if to.status is not row.status:
        return Rule.ENDED if to.status.is_terminal else Rule.STATUS_ADVANCED
    if to.executed_qty != row.executed_qty:
        return Rule.QUANTITY_GREW
    if to.avg_price != row.avg_price:
        return Rule.PRICE_CORRECTED
    return Rule.UNCHANGED
