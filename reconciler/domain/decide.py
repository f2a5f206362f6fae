"""Decide what an exchange's answer does to a row. Correctness lives here.

Pure: the same order, answer, time and policy give the same decision. Nothing is read, written or
raised, so that one bad order never costs a batch. The caller writes only to a row that is
locked and still the one that was decided on. A wrong write is worse than none: where facts
contradict each other, a person decides.

    answer                         decision
    ------                         --------
    none, stale, of another order  Leave: write nothing, ask again later
    the same as the row            Confirm: only `last_synced_at` moves
    further along than the row     Change: the row takes the exchange's facts; logged
    archived, and the row is old   Change: the order has ended with nothing executed; logged
    absent, unknown, contradictory Hold: the row stays, the order waits for a time or a person

Invariants. Each has tests with its number in tests/unit/domain/test_decide.py. The state machine in
test_decide_machine.py searches for a sequence of answers that breaks one.

1.  No answer, no change. "Could not ask" is never evidence.
2.  Same facts: only `last_synced_at` moves, and nothing is logged as a change. Numbers are the same
    if the column keeps the same of both, or if only errors of float sums tell them apart.
3.  Status only moves forward: pending < new < partial < terminal. A terminal order never reopens.
4.  `executed_qty` never shrinks. A report that would shrink it, by more than the errors of a float
    sum, is old or wrong: hold.
    A row with a negative amount is a contradiction: writing over it would lose its sign.
5.  Two terminals that disagree: hold, never overwrite.
6.  Canceled, expired or rejected with a partial fill keeps its quantity and its average price.
7.  An open order with anything executed is `partial`, whatever word the exchange used. Partial or
    filled with nothing executed contradicts itself: hold. So does filled with less than
    FILLED_SHARE of the exchange's own quantity executed: the last fills may be missing, and nobody
    would look again. `filled` is never inferred from a quantity.
8.  `avg_price` is cumulative quote / executed in Decimal, rounded to the column's scale. Unknown
    (none, zero, or rounded to zero) keeps the old value. The limit price is never an average. A
    table without the column has none before and none after.
9.  "Not found" depends on the order's age: within the grace period it says nothing yet; beyond the
    retention horizon, which may be nearer for an order with nothing executed, it proves nothing; in
    between it is counted, and after enough confirmations the order waits for a person. It never by
    itself becomes `canceled` or `rejected`. "Archived" proves an end with nothing executed, though
    not which end, only if `created_at` is beyond the horizon of such an end.
10. An unknown status word changes nothing: hold, and carry on with the rest.
11. A report fetched before the row's latest write, or longer ago than LONGEST_ANSWER_AGE, is stale:
    leave the row for next time. An `updated_at` ahead of the database's clock is ignored: the
    other rules protect such a row, as they do in a table without that column.
12. Deciding twice on the same facts changes nothing. Reports of one order's life may come
    shuffled, doubled or dropped: once the latest has been decided on, the row is as if all had come
    once and in order. This requires that reports give the average with the quantity, and that the
    columns' scales tell the order's quantities and averages from each other and from zero.
13. A report that contradicts the row (more executed than `qty`, another side, another client id,
    placed more than a day apart) is about another order: a conflict, never written. A value that
    one of the two does not know contradicts nothing.
    Where the table has what remains of `qty`, a row without a `qty` is not changed either.
14. What is confirmed or changed counts as synced at the answer's `fetched_at`, never later. The
    store sees to that; no decision carries another time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from typing import assert_never

from reconciler.domain.column_scale import (
    EVERY_DIGIT,
    RemainingScale,
    Scale,
    is_same_number,
    rounded,
)
from reconciler.domain.contradiction import (
    ComparedColumn,
    contradictions,
    format_minute,
    is_same_quantity,
    known_quantity,
)
from reconciler.domain.order import Facts, Order
from reconciler.domain.report import (
    Absent,
    Answer,
    Archived,
    OrderFault,
    Report,
)
from reconciler.domain.retention import NEVER_FORGETS, Retention
from reconciler.domain.status import SOMETHING_EXECUTED, Status
from reconciler.domain.value import Value, replace

LONGEST_ANSWER_AGE = timedelta(hours=1)
"""An older answer is refused: the process was stopped, or the machine suspended, in between.

Far longer than a batch waits for a small share of the rate limit, and far shorter than any time
after which an exchange forgets an order. A row written late still counts as synced when the
exchange was asked: see 14.
"""

FILLED_SHARE = Decimal("0.999")
"""The least share of its quantity that must be executed of a filled order.

Kraken closes an order with an "insignificant volume remaining": 0.99999998 of 1 LTC
(github.com/ccxt/ccxt/issues/8816, read 2026-11-29), less than one unit of the quote currency's last
place. Binance, Bybit, OKX and Coinbase take only whole lots and fill them whole; what a market
order cannot spend is of orders that were sized in quote currency, which are not compared.
"""


class Rule(StrEnum):
    """The rule that made the decision: the activity log and `explain` show it."""

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
    """The reason for a hold. The values are those of `reconciliation_holds.reason`."""

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
"""One such order is wrong by itself; many at once mean that something else is wrong.

Many with `error` mean the same, but there the symbols count too: see `reconciler.supervisor.halt`.
"""


class Leave(Value):
    """Write nothing; the order stays stale and is tried again in the next sweep."""

    rule: Rule


class Confirm(Value):
    """The row is right: move `last_synced_at`, log nothing."""

    rule: Rule = Rule.UNCHANGED


class Change(Value):
    """Write `to` over the row's facts and log the change."""

    to: Facts
    rule: Rule


class Hold(Value):
    """Put the order on hold, and leave the row as it is. `detail` is written for a person."""

    reason: HoldReason
    detail: str


Decision = Leave | Confirm | Change | Hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The settings that the decision depends on, besides order, answer and time.

    Attributes:
        quantity_scale, price_scale, ordered_scale: How the columns `executed_qty`, `avg_price` and
            `qty` keep a number.
        compared: The columns that are compared with the exchange's order.
        placement_grace: "Not found" says nothing this soon after `created_at`: a new order is not
            visible to queries at once (Binance: up to 10 s).
        retention: How long the exchange remembers an ended order, by how it ended.
        unwritable: The statuses that the table has no word for.
        confirmations: After this many times "not found" in a row a person should look.
    """

    quantity_scale: Scale = EVERY_DIGIT
    price_scale: Scale = EVERY_DIGIT
    ordered_scale: Scale = EVERY_DIGIT
    compared: frozenset[ComparedColumn] = frozenset(ComparedColumn)
    placement_grace: timedelta = timedelta(seconds=60)
    retention: Retention = NEVER_FORGETS
    unwritable: frozenset[Status] = frozenset()
    confirmations: int = 3


def decide(order: Order, answer: Answer | None, now: datetime, policy: Policy) -> Decision:
    """Decide what `answer` does to `order`. `now` is the database's clock. Never raises."""
    if answer is None:
        return Leave(rule=Rule.NO_ANSWER)
    order = _without_future_write(order, now)
    why_irrelevant = _why_irrelevant(order, answer, now)
    if why_irrelevant is not None:
        return Leave(rule=why_irrelevant)
    decision = _decide_on(order, answer, now, policy)
    if isinstance(decision, Change) and decision.to.status in policy.unwritable:
        return _hold_without_word(decision.to.status)
    return decision


def _hold_without_word(status: Status) -> Hold:
    return Hold(
        reason=HoldReason.ERROR,
        detail=f"the exchange says that it is {status}, and the table has no word for that: say"
        " which one to write in [orders.statuses.write] of reconciler.toml, or write the row"
        " yourself",
    )


def _decide_on(order: Order, answer: Answer, now: datetime, policy: Policy) -> Decision:
    match answer:
        case Report():
            return _decide_on_report(order, answer, policy)
        case Absent():
            return _decide_on_absence(order, answer, now, policy)
        case Archived():
            return _decide_on_archived(order, answer, policy)
        case OrderFault():
            return Hold(reason=HoldReason.ERROR, detail=answer.detail)
        case _:
            assert_never(answer)


def _without_future_write(order: Order, now: datetime) -> Order:
    """Ignore an `updated_at` in the future: another clock or time zone set it.

    Otherwise every report would be stale until then, and the order would stay first in line.
    """
    if order.updated_at is not None and order.updated_at > now:
        return replace(order, updated_at=None)
    return order


def _why_irrelevant(order: Order, answer: Answer, now: datetime) -> Rule | None:
    """Return why `answer` says nothing about the row as it is now; None if it does."""
    if answer.external_order_id != order.external_order_id or answer.symbol != order.symbol:
        return Rule.OTHER_ORDER
    if order.updated_at is not None and answer.fetched_at < order.updated_at:
        return Rule.STALE_REPORT
    if now - answer.fetched_at > LONGEST_ANSWER_AGE:
        return Rule.STALE_REPORT
    if order.facts.status.is_terminal and not isinstance(answer, Report):
        return Rule.ALREADY_FINAL
    return None


def _decide_on_absence(order: Order, absence: Absent, now: datetime, policy: Policy) -> Decision:
    if _is_just_placed(order, absence, policy):
        return Leave(rule=Rule.JUST_PLACED)
    if _is_beyond_retention(order, now, policy):
        return _hold_not_found(
            "not found, and older than the exchange remembers ended orders"
            f"{_how_long_remembered(order, policy)}: that proves nothing;"
            " look it up in the exchange's own records"
        )
    confirmed = order.absences + 1
    if confirmed < policy.confirmations:
        return _hold_not_found(
            f"not found ({confirmed} of {policy.confirmations} times): asked again later"
        )
    return _hold_not_found(
        f"not found {confirmed} times in a row: is it the right account and the right order id?"
    )


def _is_just_placed(order: Order, absence: Absent, policy: Policy) -> bool:
    """Return True if the order was created within the grace period before or after the request."""
    if order.created_at is None:
        return False
    return abs(absence.fetched_at - order.created_at) < policy.placement_grace


def _is_beyond_retention(order: Order, now: datetime, policy: Policy) -> bool:
    horizon = _horizon(order, policy)
    if order.created_at is None or horizon is None:
        return False
    return now - order.created_at > horizon


def _horizon(order: Order, policy: Policy) -> timedelta | None:
    executed = order.facts.executed_qty
    return policy.retention.horizon(
        is_filled=executed.is_finite()
        and not is_same_number(executed, _ZERO, policy.quantity_scale, order.qty)
    )


def _how_long_remembered(order: Order, policy: Policy) -> str:
    horizon = _horizon(order, policy)
    if horizon is None or horizon == policy.retention.filled:
        return ""
    return f" with nothing executed ({_in_hours_or_days(horizon)})"


def _in_hours_or_days(time: timedelta) -> str:
    hours = time // timedelta(hours=1)
    return f"{hours} h" if hours <= _HOURS_TOLD else f"{time.days} days"


def _hold_not_found(detail: str) -> Hold:
    return Hold(reason=HoldReason.NOT_FOUND, detail=detail)


def _decide_on_archived(order: Order, archived: Archived, policy: Policy) -> Decision:
    """Accept the end of an order that is old enough to be archived; canceled stands for any end."""
    facts = order.facts
    if not _has_finite_numbers(facts):
        return _hold_not_a_number(facts)
    if not is_same_number(facts.executed_qty, _ZERO, policy.quantity_scale, order.qty):
        return _hold_for_conflict(
            f"the exchange says that it ended long ago with nothing executed, the row has"
            f" {facts.executed_qty} executed: look at the exchange which of them is true"
        )
    if not _is_old_enough_for_archive(order, archived, policy):
        since = "unknown when" if order.created_at is None else format_minute(order.created_at)
        return Hold(
            reason=HoldReason.NOT_FOUND,
            detail="the exchange says that it is archived, canceled or expired long ago with"
            f" nothing executed, but it was created: {since}. That proves no end: look it up in the"
            " exchange's own records",
        )
    to = replace(facts, status=Status.CANCELED)
    return _hold_without_quantity(order, policy) or Change(to=to, rule=Rule.ARCHIVED)


def _is_old_enough_for_archive(order: Order, archived: Archived, policy: Policy) -> bool:
    if order.created_at is None or policy.retention.unfilled is None:
        return False
    return archived.fetched_at - order.created_at > policy.retention.unfilled


def _decide_on_report(order: Order, report: Report, policy: Policy) -> Decision:
    found = contradictions(order, report, policy.compared, policy.ordered_scale)
    if found:
        return _hold_for_conflict(
            f"the exchange's order is another than the row's: {'; '.join(found)}. Are symbol and"
            " external_order_id right, and the account?"
        )
    row, reported = order.facts, report.status
    if reported is None:
        return Hold(
            reason=HoldReason.UNKNOWN_STATUS,
            detail=f"the exchange says {report.word!r}, a status that this version does not know",
        )
    if row.status.is_terminal and reported is not row.status:
        return _decide_on_ended_row(order, report, reported)
    executed_qty = rounded(report.executed_qty, policy.quantity_scale, order.qty)
    why_not = _why_not_writable(order, report, executed_qty, policy)
    if why_not is not None:
        return why_not
    to = _without_float_errors(
        order,
        Facts(
            status=_status(row, reported, report.executed_qty),
            executed_qty=executed_qty,
            avg_price=_average(row, report, policy),
        ),
        policy,
    )
    rule = _rule(row, to)
    if rule is Rule.UNCHANGED:
        return Confirm()
    return (
        _why_not_filled(report)
        or _why_not_computable(order, report, policy)
        or Change(to=to, rule=rule)
    )


def _without_float_errors(order: Order, to: Facts, policy: Policy) -> Facts:
    """Return `to` with the row's own numbers, where only errors of float sums tell them apart.

    If the status changes, the exchange's numbers are written, since they may be the last; but even
    then the quantity does not shrink.
    """
    scale = policy.quantity_scale
    if scale.is_exact and policy.price_scale.is_exact:
        return to
    row, executed_qty, average = order.facts, to.executed_qty, to.avg_price
    is_moving = to.status is not row.status
    if is_same_number(row.executed_qty, executed_qty, scale, order.qty):
        executed_qty = max(row.executed_qty, executed_qty) if is_moving else row.executed_qty
    if average is not None and row.avg_price is not None and not is_moving:
        is_same_average = is_same_number(row.avg_price, average, policy.price_scale)
        average = row.avg_price if is_same_average else average
    return Facts(status=to.status, executed_qty=executed_qty, avg_price=average)


def _decide_on_ended_row(order: Order, report: Report, reported: Status) -> Decision:
    """Hold a row that has ended in another status than reported, unless the report may be older.

    A report of an end is never older than that end. A report of an open order may be older than
    the row, unless `updated_at` proves that it is not.
    """
    if not reported.is_terminal and order.updated_at is None:
        return Leave(rule=Rule.ALREADY_FINAL)
    return _hold_for_conflict(
        f"the row says {order.facts.status.value}, the exchange {report.word!r}:"
        " look at the exchange which of them is true"
    )


def _why_not_writable(
    order: Order, report: Report, executed_qty: Decimal, policy: Policy
) -> Hold | None:
    """Return why the report must not be written over the row; None if it may.

    `executed_qty` is what the column would keep of the report's.
    """
    row = order.facts
    if not _has_finite_numbers(row):
        return _hold_not_a_number(row)
    if _has_negative_amount(row, order, executed_qty, policy):
        return _hold_for_conflict(
            f"the row has {row.executed_qty} executed of {order.qty}, the exchange {executed_qty},"
            " which has no negative amounts: the row's sign would be lost; leave such rows out by a"
            " filter, or correct them"
        )
    if report.status in SOMETHING_EXECUTED and report.executed_qty == 0:
        return _hold_for_conflict(
            f"the exchange says {report.word!r} and nothing executed: one of the two is wrong"
        )
    if executed_qty < row.executed_qty and not is_same_number(
        row.executed_qty, executed_qty, policy.quantity_scale, order.qty
    ):
        return Hold(
            reason=HoldReason.REGRESSION,
            detail=f"the row has {row.executed_qty} executed, the exchange only {executed_qty}:"
            " its answer was an older one, or one of the two is wrong",
        )
    if report.executed_qty > 0 and executed_qty <= 0:
        return _hold_for_conflict(
            f"the column executed_qty has too few decimal places for {report.executed_qty}:"
            " give it more"
        )
    return None


def _why_not_filled(report: Report) -> Hold | None:
    """Return why a report of a filled order cannot be believed; None if it can."""
    ordered = report.quantity
    if report.status is not Status.FILLED or report.is_quote_sized or ordered is None:
        return None
    if report.executed_qty >= _EXACT.multiply(ordered, FILLED_SHARE):
        return None
    return _hold_for_conflict(
        f"the exchange says {report.word!r}, and only {report.executed_qty} of {ordered} executed:"
        " fills are missing, or it was not filled; look at the exchange"
    )


def _why_not_computable(order: Order, report: Report, policy: Policy) -> Hold | None:
    """Return why what remains of the order cannot be written; None if it can, or need not be."""
    if not isinstance(policy.quantity_scale, RemainingScale):
        return None
    qty = known_quantity(order.qty)
    if report.is_quote_sized and not (
        qty is not None and is_same_quantity(qty, report, policy.ordered_scale)
    ):
        return _hold_for_conflict(
            "the order was placed for an amount of quote currency, so what remains of the row's qty"
            f" is unknown; the exchange has {report.executed_qty} executed: write it by hand"
        )
    return _hold_without_quantity(order, policy)


def _hold_without_quantity(order: Order, policy: Policy) -> Hold | None:
    """Return a hold if the table has what remains of `qty`, but the row has no `qty`."""
    if not isinstance(policy.quantity_scale, RemainingScale) or known_quantity(order.qty):
        return None
    return _hold_for_conflict(
        "the table has what remains of qty, and this row has no qty: give it the quantity ordered"
    )


def _has_finite_numbers(row: Facts) -> bool:
    """Return False if the row has NaN or infinity, which PostgreSQL's `numeric` can hold."""
    return row.executed_qty.is_finite() and (row.avg_price is None or row.avg_price.is_finite())


def _has_negative_amount(row: Facts, order: Order, executed_qty: Decimal, policy: Policy) -> bool:
    """Return True if the row has a sign that writing `executed_qty` would lose."""
    if row.executed_qty < 0 and not is_same_number(
        row.executed_qty, _ZERO, policy.quantity_scale, order.qty
    ):
        return True
    if isinstance(policy.quantity_scale, RemainingScale) or order.qty is None:
        return False  # What remains of a negative quantity is held for another reason.
    return executed_qty > 0 and order.qty.is_finite() and order.qty < 0


def _hold_not_a_number(row: Facts) -> Hold:
    return _hold_for_conflict(
        f"the row has {row.executed_qty} executed at {row.avg_price}, which is no number:"
        " correct it by hand"
    )


def _hold_for_conflict(detail: str) -> Hold:
    return Hold(reason=HoldReason.CONFLICT, detail=detail)


def _status(row: Facts, reported: Status, executed_qty: Decimal) -> Status:
    """Return the row's next status; `executed_qty` is the exchange's, without float errors."""
    if reported.is_terminal:
        return reported
    if executed_qty > 0:
        return Status.PARTIAL
    if reported is row.status or reported.progress <= row.status.progress:
        return row.status
    return reported


def _average(row: Facts, report: Report, policy: Policy) -> Decimal | None:
    """Return the reported average as the column keeps it; the row's if none was reported."""
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


_ZERO = Decimal(0)
_EXACT = Context(prec=100)
_HOURS_TOLD = 48
"""A longer time is told in days."""
