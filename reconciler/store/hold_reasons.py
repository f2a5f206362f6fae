"""Why orders are on hold: how many for each reason, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.domain.decide import HoldReason
from reconciler.scope import Scope
from reconciler.store.holds import is_active
from reconciler.store.tables import holds


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldForReason:
    """The orders that are on hold for one reason."""

    reason: HoldReason
    orders: int
    oldest_since: datetime


def read_hold_reasons(connection: Connection, scope: Scope) -> Sequence[HeldForReason]:
    """Count the active holds by reason, the most frequent first."""
    statement = (
        select(holds.c.reason, func.count(), func.min(holds.c.first_held_at))
        .where(is_active(scope))
        .group_by(holds.c.reason)
        .order_by(func.count().desc(), holds.c.reason)
    )
    return [
        HeldForReason(reason=HoldReason(reason), orders=orders, oldest_since=since)
        for reason, orders, since in connection.execute(statement)
    ]
