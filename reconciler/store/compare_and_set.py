"""Write what was decided on the rows as planned: compare and set, in one statement.

`decide` has run before, on the row as the planner read it and on the exchange's answer. If the row
is still the same when it is locked, the decision still holds: it is made of nothing else. So one
statement, in a transaction of its own and with one round trip,

1.  locks the rows by id with `FOR UPDATE SKIP LOCKED`; it fails while the halt is on;
2.  compares each row with what was planned:
        its version    `xmin`, the transaction that wrote it: if it is the same, every column is.
                       A row without one (of a foreign table) is never planned here
        its facts      if it is to be changed: a standby that is promoted without the last
                       transactions, or a restored copy, gives their numbers again
        `updated_at`   not after the exchange was asked: a clock may be wrong
        the answer     not older than LONGEST_ANSWER_AGE
        the hold       none is active
3.  writes the rows that passed, and the activity log of those that changed;
4.  counts what it wrote, and fails if that is not what should have been written (because of a
    trigger or a row-level policy). Then nothing of it stays.

With the side table a row to confirm is not locked: nothing of it is written, and a lock is written
too. If the application changes it at the same moment, its change comes after our confirm.

The rows that did not pass are returned: `OrderWriter` locks, reads and decides on them again.

A row that another session changes while the statement runs is locked in its newest version, which
does not pass. The updates find their rows by the place of the version that was locked, so they can
touch no other.
"""

import re
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg
from sqlalchemy import Connection

from reconciler.domain.decide import Change, Rule
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.store import activity, shared_state
from reconciler.store.batch_writes import (
    WrittenFacts,
    change_parameters,
    moment_text,
    price_text,
)
from reconciler.store.compare_and_set_statement import MISMATCH, build_compare_and_set
from reconciler.store.order_ids import ids_literal
from reconciler.store.orders_table import OrdersTable
from reconciler.store.prepared_statement import PreparedStatement, array_literal
from reconciler.store.stale_order import StaleOrder
from reconciler.store.write_result import WriteMismatch
from reconciler.store.write_statement import WritePart, counted_parts


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedWrites:
    """What was decided on rows as planned: which are still right, and which change.

    Each has its answer: when the exchange was asked, and for the log what it said.
    """

    confirmed: Sequence[tuple[StaleOrder, Answer]]
    changed: Sequence[tuple[StaleOrder, Answer, Change]]

    def __len__(self) -> int:
        return len(self.confirmed) + len(self.changed)

    @property
    def ids(self) -> set[OrderId]:
        """The ids of all orders."""
        return {order.id for order, _ in self.rows}

    @property
    def rows(self) -> list[tuple[StaleOrder, Answer]]:
        """All orders with their answers, those to change first."""
        return [*((order, answer) for order, answer, _ in self.changed), *self.confirmed]

    @property
    def parts(self) -> frozenset[WritePart]:
        """The parts that the statement must have."""
        parts = {WritePart.CONFIRMED: self.confirmed, WritePart.CHANGED: self.changed}
        return frozenset(part for part, rows in parts.items() if rows)

    def left_of(
        self, answers: Mapping[OrderId, Answer], unwritten: AbstractSet[OrderId]
    ) -> Mapping[OrderId, Answer]:
        """Return the answers that these writes have not dealt with; `unwritten` are of theirs."""
        if len(self) == len(answers) and not unwritten:
            return {}
        settled = self.ids - unwritten
        return {id_: answer for id_, answer in answers.items() if id_ not in settled}

    def parameters(self, exchange: str, orders: OrdersTable) -> dict[str, object]:
        """Return the parameters of the statement for a table; `exchange` is named in the log."""
        rows = self.rows
        ids = ids_literal([order.id for order, _ in rows])
        parameters: dict[str, object] = {
            "ids": ids,
            "ids_as_text": ids,
            "versions": array_literal([order.version for order, _ in rows]),
            "as_of": array_literal([moment_text(answer.fetched_at) for _, answer in rows]),
        }
        if self.changed:
            parameters |= _former_facts([order for order, _, _ in self.changed])
            changes = []
            for order, answer, change in self.changed:
                written = WrittenFacts.of(change.to, orders.statuses, former=order.word)
                entry = activity.details_json(
                    before=order.facts,
                    after=change.to,
                    words=None if order.word is None else (order.word, written.word),
                    exchange=exchange,
                    scope=orders.scope,
                    rule=change.rule,
                    report=answer,
                    created_at=order.created_at if change.rule is Rule.ARCHIVED else None,
                    qty=Decimal(order.qty) if orders.logs_qty and order.qty is not None else None,
                )
                changes.append((written, entry))
            parameters |= change_parameters(changes)
        return parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedResult:
    """The result of one statement: each planned order is written, or in one of the sets.

    Attributes:
        different: Orders whose rows are not what they were. Nothing was written for them.
        skipped: Orders whose rows could not be locked: another session holds them, or they are
            gone.
        now: The database's clock.
        lock_seconds: How long it took to lock the rows, and to compare them.
        commit_seconds: How long the commit took, with the way there and back over the network.
    """

    different: frozenset[OrderId]
    skipped: frozenset[OrderId]
    now: datetime
    lock_seconds: float
    commit_seconds: float


class CompareAndSet:
    """Writes decisions on rows as planned, for one exchange."""

    def __init__(self, orders: OrdersTable, *, exchange: str) -> None:
        self._orders = orders
        self._exchange = exchange
        self._statements: dict[frozenset[WritePart], PreparedStatement] = {}

    def write(self, connection: Connection, planned: PlannedWrites) -> PlannedResult:
        """Write the rows that are as planned. `connection` is in autocommit.

        Raises:
            Halted: the halt is on.
            StoreRejected: the database refused a row; WriteMismatch: it wrote other rows than were
                decided on. Nothing was written.
        """
        statement = self._statement_for(planned.parts)
        parameters = planned.parameters(self._exchange, self._orders)
        began = time.perf_counter()
        try:
            ((different, not_locked, now, _, locked_after, written_after),) = statement.run(
                connection, parameters
            )
        except psycopg.errors.InvalidTextRepresentation as error:
            shared_state.require_no_halt(connection, self._orders.scope)
            raise self._mismatch(error, planned.parts) or error from error
        ids = {}
        if different or not_locked:
            ids = {str(order.id): order.id for order, _ in planned.rows}
        return PlannedResult(
            different=_ids_of(different or (), ids),
            skipped=_ids_of(not_locked or (), ids),
            now=now,
            lock_seconds=locked_after,
            commit_seconds=max(0.0, time.perf_counter() - began - written_after),
        )

    def _statement_for(self, parts: frozenset[WritePart]) -> PreparedStatement:
        if parts not in self._statements:
            self._statements[parts] = PreparedStatement(build_compare_and_set(self._orders, parts))
        return self._statements[parts]

    def _mismatch(
        self, error: psycopg.Error, parts: AbstractSet[WritePart]
    ) -> WriteMismatch | None:
        """Return what the statement failed for by itself; None if another value was refused."""
        _, is_ours, numbers = str(error).partition(MISMATCH)
        if not is_ours:
            return None
        counts = [int(number) for number in re.findall(r"\d+", numbers.splitlines()[0])]
        names = counted_parts(parts, with_side_table=self._orders.side_table is not None)
        return WriteMismatch.of(
            dict(zip(names, counts[::2], strict=True)), dict(zip(names, counts[1::2], strict=True))
        )


def _ids_of(texts: Sequence[str], ids: Mapping[str, OrderId]) -> frozenset[OrderId]:
    return frozenset(ids[text] for text in texts)


def _former_facts(orders: Sequence[StaleOrder]) -> dict[str, object]:
    return {
        "former_statuses": [order.word or order.status.value for order in orders],
        "former_quantities": array_literal([str(order.executed_qty) for order in orders]),
        "former_prices": array_literal([price_text(order.avg_price) for order in orders]),
    }
