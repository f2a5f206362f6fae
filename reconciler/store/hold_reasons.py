"""Why orders are on hold: how many for each reason, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.domain.decide import HoldReason
from reconciler.scope import Scope
from reconciler.store.holds import is_active
from reconciler.store.tables import holds

MOST_WORDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldForReason:
    """The orders that are on hold for one reason.

    `words` are those of the exchange that are not known, each with its orders, the most frequent
    first, `MOST_WORDS` at most; of other reasons than `unknown_status` there are none.
    """

    reason: HoldReason
    orders: int
    oldest_since: datetime
    words: Sequence[tuple[str, int]] = ()


def read_hold_reasons(connection: Connection, scope: Scope) -> Sequence[HeldForReason]:
    """Count the active holds by reason, the most frequent first."""
    statement = (
        select(holds.c.reason, func.count(), func.min(holds.c.first_held_at))
        .where(is_active(scope))
        .group_by(holds.c.reason)
        .order_by(func.count().desc(), holds.c.reason)
    )
    return [
        HeldForReason(
            reason=HoldReason(reason),
            orders=orders,
            oldest_since=since,
            words=_read_words(connection, scope) if reason == HoldReason.UNKNOWN_STATUS else (),
        )
        for reason, orders, since in connection.execute(statement).all()
    ]


def _read_words(connection: Connection, scope: Scope) -> Sequence[tuple[str, int]]:
    word = holds.c.report["word"].astext
    statement = (
        select(word, func.count())
        .where(is_active(scope), holds.c.reason == HoldReason.UNKNOWN_STATUS, word.is_not(None))
        .group_by(word)
        .order_by(func.count().desc(), word)
        .limit(MOST_WORDS)
    )
    return [(found, orders) for found, orders in connection.execute(statement)]
