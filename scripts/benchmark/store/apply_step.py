"""The product's way from a batch's answers to its rows, without the exchange and the event loop.

It decides on the rows as planned, compares and sets, and takes only what differs through a
transaction that locks, reads, decides and writes: what `OrderHandler` does between two awaits.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.exchanges.registry import venue
from reconciler.orders.batch_state import BatchState, LookupCounts
from reconciler.orders.chunking import chunk_orders, split_for_transactions
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale import StaleOrders, SweepPosition
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import DEFAULT_TABLE, UserTable
from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.workload import Batch
from scripts.benchmark.rows import EXCHANGE

POLICY = Policy(quantity_scale=DecimalPlaces(8), price_scale=DecimalPlaces(8))


def read_stale(
    database: Database, stale_after: timedelta, table: UserTable = DEFAULT_TABLE
) -> list[StaleOrder]:
    """Read all stale orders, page by page, as a sweep does."""
    with database.autocommit() as connection:
        stale = StaleOrders(read_orders_table(connection, table), stale_after=stale_after)
    orders: list[StaleOrder] = []
    position: SweepPosition | None = None
    while True:
        with database.transaction() as connection:
            page = stale.read_page(connection, PAGE_ITEMS, position)
        orders += page.orders
        position = page.next
        if position is None:
            return orders


def batches_of(orders: Iterable[StaleOrder], batch_size: int) -> Iterator[Batch]:
    """Yield orders in batches, as the supervisor assigns them to a single worker."""
    dispatcher = Dispatcher(1, batch_size=batch_size)
    dispatcher.add(chunk_orders(orders, venue("paper")), cycle=0)
    while (batch := dispatcher.next_batch(0)) is not None:
        yield batch
        dispatcher.done(0, batch.number)


class ApplyStep:
    """Writes the answers of batches, `rows_per_transaction` rows at a time.

    Attributes:
        left: The number of orders that comparing and setting left to a transaction with locks.
    """

    def __init__(
        self, database: Database, *, rows_per_transaction: int, table: UserTable = DEFAULT_TABLE
    ) -> None:
        with database.autocommit() as connection:
            orders = read_orders_table(connection, table)
        self._database = database
        self._policy = Policy(
            quantity_scale=orders.quantity_scale,
            price_scale=orders.price_scale,
            ordered_scale=orders.ordered_scale,
            unwritable=orders.statuses.unwritable,
        )
        self._writer = OrderWriter(
            orders, exchange=EXCHANGE, decide=partial(decide, policy=self._policy)
        )
        self.left = 0
        self._rows_per_transaction = rows_per_transaction

    def apply(self, batch: Batch, answers: Mapping[Any, Answer]) -> None:
        """Decide on a batch, and write it; `answers` has those of its orders, by id."""
        state = BatchState(batch, LookupCounts(), with_notes=False)
        state.answers.update({id_: answers[id_] for id_ in state.orders})
        state.decide(datetime.now(UTC), self._policy)
        for part in split_for_transactions(state.answers, self._rows_per_transaction):
            if rest := self._compare_and_set(part, state):
                self.left += len(rest)
                with self._database.transaction() as connection:
                    self._writer.apply(connection, rest, state.facts_as_planned(rest))

    def _compare_and_set(
        self, part: Mapping[OrderId, Answer], state: BatchState
    ) -> Mapping[OrderId, Answer]:
        """Write what was decided on the rows as planned; return the answers that are left."""
        planned = state.planned_writes(part)
        if not planned.parts:
            return part
        with self._database.autocommit() as connection:
            result = self._writer.write_planned(connection, planned)
        return planned.left_of(part, result.different | result.skipped)
