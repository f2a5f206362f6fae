"""Decide on many holds at once: filter them, count them, and then go page by page.

Only the holds that were counted are decided on, not those that begin later. Each page is a
transaction of its own, so that nothing is locked for long, and what was done stays done.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from reconciler.domain.decide import HoldReason
from reconciler.store.holds import HeldOrder, as_order_id, held_order, is_active, select_holds
from reconciler.store.orders_table import OrdersTable
from reconciler.store.tables import holds


@dataclass(frozen=True, kw_only=True)
class HoldFilter:
    """A filter on active holds; without any value it matches all of them.

    Attributes:
        symbol: The row's when it was held. A hold of an earlier version does not know it: then the
            row's symbol counts.
        held_before: Held for longer than since this time.
        search: The exchange's id of the order, or the beginning of ours.
    """

    reason: HoldReason | None = None
    symbol: str | None = None
    held_before: datetime | None = None
    search: str | None = None

    def condition(self, orders: OrdersTable) -> ColumnElement[bool]:
        """Return the condition on `reconciliation_holds`."""
        conditions: list[ColumnElement[bool]] = [is_active(orders.scope)]
        if self.reason is not None:
            conditions.append(holds.c.reason == self.reason.value)
        if self.symbol is not None:
            of_row = (
                select(orders.id)
                .select_from(orders.rows)
                .where(orders.id == as_order_id(orders), cast(orders.symbol, Text) == self.symbol)
                .exists()
            )
            conditions.append(
                or_(holds.c.symbol == self.symbol, and_(holds.c.symbol.is_(None), of_row))
            )
        if self.held_before is not None:
            conditions.append(holds.c.first_held_at < self.held_before)
        if self.search is not None:
            conditions.append(
                or_(
                    holds.c.order_id.startswith(self.search, autoescape=True),
                    holds.c.external_order_id == self.search,
                )
            )
        return and_(*conditions)


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldPlace:
    """The place of a hold in the order of age."""

    first_held_at: datetime
    id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldsByAge:
    """Some holds, the longest held first; `next_after` is None if there are no more.

    `last_id` is the newest of them; 0 if there are none.
    """

    holds: Sequence[HeldOrder]
    last_id: int
    next_after: HoldPlace | None

    def count(self) -> "HoldCount":
        """Count them."""
        by_reason = Counter(hold.reason.value for hold in self.holds)
        ordered = sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
        return HoldCount(by_reason=dict(ordered), last_id=self.last_id)


@dataclass(frozen=True, kw_only=True)
class HoldCount:
    """The number of holds by reason. `last_id` is the newest of them; 0 if there are none."""

    by_reason: Mapping[str, int]
    last_id: int

    @property
    def total(self) -> int:
        """The number of all of them."""
        return sum(self.by_reason.values())


@dataclass(frozen=True, kw_only=True)
class HoldPage:
    """Some holds, and the id after which the next page begins; None if there are no more."""

    holds: Sequence[HeldOrder]
    next_after: int | None


def count_holds(
    connection: Connection,
    orders: OrdersTable,
    hold_filter: HoldFilter,
    *,
    last_id: int | None = None,
) -> HoldCount:
    """Count the holds that match; with `last_id` only those up to it."""
    statement = (
        select(holds.c.reason, func.count(), func.max(holds.c.id))
        .where(hold_filter.condition(orders))
        .group_by(holds.c.reason)
        .order_by(func.count().desc(), holds.c.reason)
    )
    if last_id is not None:
        statement = statement.where(holds.c.id <= last_id)
    found = connection.execute(statement).all()
    return HoldCount(
        by_reason={reason: count for reason, count, _ in found},
        last_id=max((last for _, _, last in found), default=0),
    )


def read_holds_by_age(
    connection: Connection,
    orders: OrdersTable,
    hold_filter: HoldFilter,
    *,
    after: HoldPlace | None,
    limit: int,
) -> HoldsByAge:
    """Read up to `limit` holds after a place, the longest held first."""
    statement = (
        select_holds(orders.scope)
        .add_columns(holds.c.id)
        .where(hold_filter.condition(orders))
        .order_by(holds.c.first_held_at, holds.c.id)
        .limit(limit + 1)
    )
    if after is not None:
        place = tuple_(holds.c.first_held_at, holds.c.id)
        given = tuple_(
            literal(after.first_held_at, DateTime(timezone=True)), literal(after.id, BigInteger())
        )
        statement = statement.where(place > given)
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    ids = [row.pop("id") for row in rows]
    found = [held_order(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return HoldsByAge(
        holds=found,
        last_id=max(ids[:limit], default=0),
        next_after=HoldPlace(first_held_at=found[-1].first_held_at, id=ids[limit - 1])
        if has_more
        else None,
    )


def read_hold_page(
    connection: Connection,
    orders: OrdersTable,
    hold_filter: HoldFilter,
    *,
    after: int,
    last_id: int,
    limit: int,
) -> HoldPage:
    """Read up to `limit` holds after the id `after`, up to `last_id`."""
    holds_with_ids = select_holds(orders.scope).add_columns(holds.c.id)
    statement = _page_of(
        holds_with_ids, hold_filter.condition(orders), after=after, last_id=last_id, limit=limit
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    ids = [row.pop("id") for row in rows]
    return HoldPage(
        holds=[held_order(row) for row in rows],
        next_after=ids[-1] if len(rows) == limit else None,
    )


def dismiss_hold_page(
    connection: Connection,
    orders: OrdersTable,
    hold_filter: HoldFilter,
    *,
    after: int,
    last_id: int,
    limit: int,
    by: str,
) -> tuple[int, int | None]:
    """End up to `limit` holds after the id `after`; return their number, and the next `after`."""
    ids_of_page = _page_of(
        select(holds.c.id),
        hold_filter.condition(orders),
        after=after,
        last_id=last_id,
        limit=limit,
    )
    chosen = ids_of_page.with_for_update(of=holds).cte("chosen").prefix_with("MATERIALIZED")
    statement = (
        update(holds)
        .where(holds.c.id == chosen.c.id)
        .values(resolved_at=func.now(), resolution=f"dismissed by {by}")
        .returning(holds.c.id)
    )
    ids = connection.execute(statement).scalars().all()
    return len(ids), max(ids) if len(ids) == limit else None


def _page_of(
    statement: Select[Any],
    condition: ColumnElement[bool],
    *,
    after: int,
    last_id: int,
    limit: int,
) -> Select[Any]:
    """Return the statement for one page of the holds that meet `condition`, by id."""
    return (
        statement.where(condition, holds.c.id > after, holds.c.id <= last_id)
        .order_by(holds.c.id)
        .limit(limit)
    )
