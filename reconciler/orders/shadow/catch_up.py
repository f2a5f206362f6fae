"""Whether the application has brought a row to where we would have put it. Pure.

    row                                             verdict
    ---                                             -------
    at least as far: status and executed quantity   CAUGHT_UP
    ended in another status than the exchange's     ELSEWHERE
    ended with less executed                        ELSEWHERE
    has a status that is not ours                   ELSEWHERE
    deleted, or names another order                 GONE
    anything else                                   NOT_YET

A word of theirs that would be written for several of our ends, such as "closed" for canceled and
expired, agrees with each of them. If only the average would have changed, the row must have that
average, or be further.
"""

from decimal import Decimal
from enum import StrEnum

from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.orders.dry_run_notes import WouldChange
from reconciler.store.followed_rows import FollowedRow


class CatchUp(StrEnum):
    """What became of a change that was not written."""

    CAUGHT_UP = "caught_up"
    NOT_YET = "not_yet"
    ELSEWHERE = "elsewhere"
    GONE = "gone"


def judge_catch_up(row: FollowedRow | None, change: WouldChange) -> CatchUp:
    """Compare a row as it is now with the change; None is a row that does not exist."""
    if row is None or row.external_order_id != change.external_order_id:
        return CatchUp.GONE
    if row.facts is None:
        return CatchUp.ELSEWHERE
    if _is_at_least(row.facts, change.after, row.may_mean):
        is_there = not _is_of_average_only(change) or _has_average(row.facts, change.after)
        return CatchUp.CAUGHT_UP if is_there else CatchUp.NOT_YET
    return CatchUp.ELSEWHERE if row.facts.status.is_terminal else CatchUp.NOT_YET


def _is_at_least(row: Facts, after: Facts, may_mean: frozenset[Status]) -> bool:
    """Return True if a row is as far as `after`, or further on the way from there."""
    is_on_the_way = (
        row.status is after.status
        or after.status in may_mean
        or (not after.status.is_terminal and row.status.progress > after.status.progress)
    )
    return is_on_the_way and _is_no_less(row.executed_qty, after.executed_qty)


def _is_of_average_only(change: WouldChange) -> bool:
    before, after = change.before, change.after
    return (before.status, before.executed_qty) == (after.status, after.executed_qty)


def _has_average(row: Facts, after: Facts) -> bool:
    is_further = (row.status, row.executed_qty) != (after.status, after.executed_qty)
    return is_further or row.avg_price == after.avg_price


def _is_no_less(one: Decimal, other: Decimal) -> bool:
    """Compare two quantities; NaN, which a column can hold, is less than any."""
    return not one.is_nan() and (other.is_nan() or one >= other)
