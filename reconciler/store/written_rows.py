"""Read the rows of a view again once they are written, in the same transaction.

What a trigger INSTEAD OF UPDATE returns need not be what it wrote, and RETURNING believes it. Rows
that stay as they were would be changed, and logged, again in every cycle.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import (
    ARRAY,
    Connection,
    DateTime,
    Interval,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
)

from reconciler.domain.decide import Change, Confirm
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.store.order_ids import ids_literal, is_one_of
from reconciler.store.order_rows import as_rows, select_rows
from reconciler.store.orders_table import OrdersTable
from reconciler.store.prepared_statement import PreparedStatement
from reconciler.store.write_result import NotKept, OrderOutcome
from reconciler.store.write_statement import LARGEST_ROUNDING


class WrittenRows:
    """Says of the rows of one view whether they are as they were written."""

    def __init__(self, orders: OrdersTable) -> None:
        """Prepare the statements."""
        self._statuses = orders.statuses
        self._read = PreparedStatement(select_rows(orders))
        ids = bindparam("ids", type_=ARRAY(orders.id_type))
        asked_at = cast(bindparam("asked_at", type_=Text), DateTime(timezone=True))
        written = func.least(asked_at, func.now())
        is_older = orders.synced_at < written - literal(LARGEST_ROUNDING, Interval)
        self._read_unsynced = PreparedStatement(
            select(orders.id)
            .select_from(orders.rows_with_sync_time)
            .where(is_one_of(orders.id, ids), orders.is_open, is_older)
        )

    def require_kept(
        self,
        connection: Connection,
        outcomes: Iterable[OrderOutcome],
        answers: Mapping[OrderId, Answer],
    ) -> None:
        """Read the rows that were changed or confirmed. One that the view no longer shows is right.

        Raises:
            NotKept: a row still has the facts or the sync time of before. Roll back.
        """
        former = {
            one.order.id: one.order.facts for one in outcomes if isinstance(one.decision, Change)
        }
        if former:
            for row in as_rows(self._read.run(connection, {"ids": ids_literal(tuple(former))})):
                facts = row.facts(self._statuses)
                if facts is not None and facts.is_same(former[row.id]):
                    raise NotKept.of(row.id)
        synced = [one.order.id for one in outcomes if isinstance(one.decision, Change | Confirm)]
        if synced:
            asked_at = min(answers[id_].fetched_at for id_ in synced).isoformat()
            unsynced = {"ids": ids_literal(synced), "asked_at": asked_at}
            for (id_,) in self._read_unsynced.run(connection, unsynced):
                raise NotKept.of(id_)
