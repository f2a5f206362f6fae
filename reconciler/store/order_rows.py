"""Read the rows of a batch, each with the hold it is under; with or without locking them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Select, Text, bindparam, cast, func, select, true

from reconciler.config_file.statuses import Statuses
from reconciler.domain.decide import HoldReason
from reconciler.domain.order import Facts, Order, OrderId, parse_side
from reconciler.store.holds import ActiveHold, attempts_in_a_row, is_active, is_named_by
from reconciler.store.order_ids import is_one_of
from reconciler.store.orders_table import OrdersTable
from reconciler.store.tables import holds
from reconciler.store.user_table import subquery_name

IDLE_TRANSACTION_TIMEOUT = timedelta(seconds=10)
"""PostgreSQL ends a transaction with locked rows that has been idle for this long."""


class RowWithHold(NamedTuple):
    """A row of `orders` and its active hold: what `select_rows` selects, in its order.

    Symbol and status are as the table has them.
    """

    id: OrderId
    symbol: str | None
    external_order_id: str | None
    status: str | None
    executed_qty: Decimal | None
    avg_price: Decimal | None
    created_at: datetime | None
    qty: str | None
    side: str | None
    client_order_id: str | None
    updated_at: datetime | None
    hold_reason: str | None
    hold_attempts: int | None
    hold_symbol: str | None
    hold_external_order_id: str | None
    database_now: datetime

    def facts(self, statuses: Statuses) -> Facts | None:
        """Return the row's facts; None if the file does not say what its status means."""
        executed_qty = self.executed_qty or _ZERO
        status = statuses.read(self.status or "", executed_qty)
        if status is None:
            return None
        return Facts(status=status, executed_qty=executed_qty, avg_price=self.avg_price)

    def hold(self) -> ActiveHold | None:
        """Return the hold that the row is under; without attempts if it was for another order."""
        if self.hold_reason is None or self.hold_attempts is None:
            return None
        is_of_row = is_named_by(
            (self.hold_symbol, self.hold_external_order_id),
            (self.symbol or "", self.external_order_id),
        )
        return ActiveHold(
            reason=HoldReason(self.hold_reason),
            attempts=self.hold_attempts if is_of_row else 0,
        )

    def order(
        self, facts: Facts, hold: ActiveHold | None, symbol: str, statuses: Statuses
    ) -> Order:
        """Return the order that `decide` takes; `symbol` is the exchange's name of its symbol."""
        return Order(
            id=self.id,
            symbol=symbol,
            stored_symbol=self.symbol or "",
            word=None if statuses.are_ours else self.status,
            external_order_id=self.external_order_id or "",
            facts=facts,
            created_at=self.created_at,
            updated_at=self.updated_at,
            absences=attempts_in_a_row(hold, HoldReason.NOT_FOUND),
            qty=None if self.qty is None else Decimal(self.qty),
            side=parse_side(self.side),
            client_order_id=self.client_order_id,
        )


_ZERO = Decimal(0)


def as_rows(tuples: Sequence[tuple[Any, ...]]) -> list[RowWithHold]:
    """Return the tuples that the driver fetched as rows."""
    return [RowWithHold._make(values) for values in tuples]


def select_rows(orders: OrdersTable) -> Select[Any]:
    """Select the rows with the parameter `ids`, and their holds."""
    ids = bindparam("ids", type_=ARRAY(orders.id_type))
    # Selected first, by the batch's ids: if the whole table were joined, and had grown since its
    # last ANALYZE, it would be read once for every order.
    held = (
        select(
            holds.c.order_id,
            holds.c.reason,
            holds.c.attempts,
            holds.c.symbol,
            holds.c.external_order_id,
        )
        .where(
            holds.c.order_id == func.any(cast(ids, ARRAY(Text()))),
            is_active(orders.scope),
        )
        .cte(subquery_name("held"))
        .prefix_with("MATERIALIZED")
    )
    return (
        select(
            *orders.row_columns(),
            orders.moment("updated_at"),
            held.c.reason.label("hold_reason"),
            held.c.attempts.label("hold_attempts"),
            held.c.symbol.label("hold_symbol"),
            held.c.external_order_id.label("hold_external_order_id"),
            func.clock_timestamp().label("database_now"),
        )
        .select_from(orders.rows)
        .outerjoin(held, held.c.order_id == cast(orders.id, Text))
        .where(is_one_of(orders.id, ids))
    )


def lock_rows(rows: Select[Any], orders: OrdersTable) -> Select[Any]:
    """Lock the selected rows, until the transaction ends or is idle for too long.

    The statement sets IDLE_TRANSACTION_TIMEOUT itself: that costs no round trip, and the setting
    ends with the transaction.
    """
    milliseconds = str(IDLE_TRANSACTION_TIMEOUT // timedelta(milliseconds=1))
    limit = (
        select(func.set_config("idle_in_transaction_session_timeout", milliseconds, true()))
        .cte(subquery_name("pause_limit"))
        .prefix_with("MATERIALIZED")
    )
    return rows.join(limit, true()).with_for_update(skip_locked=True, of=orders.rows)
