"""Recognize the plain confirm: the report says of an open order what its row says. Pure.

In a healthy platform 99 of 100 reports are one. It is recognized in a third of the time of
`decide`, without an object for the row. Of any other report `decide` says what it is: that may
still be a confirm.
"""

from datetime import datetime

from reconciler.domain.contradiction import MAX_TIME_DIFFERENCE
from reconciler.domain.decide import LONGEST_ANSWER_AGE
from reconciler.domain.order import parse_side
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.store.stale_order import StaleOrder


def is_plainly_confirmed(row: StaleOrder, answer: Answer, now: datetime) -> bool:
    """Return True only if `decide` would confirm the row, under any policy.

    Plainly means: both say that the order is open and has nothing executed, and what both know of
    it is the same. `now` is the database's clock.
    """
    return (
        type(answer) is Report
        and answer.status is row.status
        and (row.status is Status.NEW or row.status is Status.PENDING)
        and not answer.executed_qty
        and not row.executed_qty
        and (row.avg_price is None or row.avg_price.is_finite())
        and (answer.side is None or row.side is None or parse_side(row.side) is answer.side)
        and (
            not row.client_order_id
            or not answer.client_order_id
            or row.client_order_id == answer.client_order_id
        )
        and answer.external_order_id == row.external_order_id
        and answer.symbol == row.symbol
        and now - answer.fetched_at <= LONGEST_ANSWER_AGE
        and _are_within_a_day(row.created_at, answer.placed_at)
    )


def _are_within_a_day(created_at: datetime | None, placed_at: datetime | None) -> bool:
    """Return True unless both times are known and differ by more than MAX_TIME_DIFFERENCE."""
    if created_at is None or placed_at is None:
        return True
    return abs(placed_at - created_at) <= MAX_TIME_DIFFERENCE
