"""Reconcile a batch of rows with the exchange's answers: decide on each under its lock.

What is still right or has moved on was decided on before, and `compare_and_set` writes it where the
row is still the same. These two are the only places that write `orders`. What is left for here are
rows that were written meanwhile, and decisions that need more than the row as planned.

One short transaction for each batch, with four round trips: begin, lock, write, commit.

1.  Lock the rows by id with `FOR UPDATE SKIP LOCKED`. A row that another session has locked is
    skipped, so we never wait for the application or for another worker. A session that has just
    inserted a fill that refers to the order locks the row, too; the order is tried again a moment
    later.
    The same statement checks the halt: if it is on, no row is locked and nothing is written. So no
    transaction that begins after a halt was committed writes anything, on any host.
2.  Decide under the lock, on the row as it is now. So anything that was written to the row since
    the exchange was asked is taken into account.
3.  Write orders, activity log and holds with one statement. If its counts differ from what was
    decided (because of a trigger or a row-level policy), the whole batch is rolled back.

A process that is stopped, or loses its network, between locking and writing would keep the rows
locked. PostgreSQL then ends the transaction itself, after IDLE_TRANSACTION_TIMEOUT.

If the process dies before the commit, nothing was written; after it, everything was. If the answer
to the commit is lost, the batch is asked for again: deciding twice changes nothing twice.
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from reconciler.domain.decide import Decision, Hold, HoldReason, Leave, Rule
from reconciler.domain.order import Facts, Order, OrderId
from reconciler.domain.report import Answer, OrderFault
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.store import shared_state
from reconciler.store.batch_writes import BatchWrites
from reconciler.store.compare_and_set import CompareAndSet, PlannedResult, PlannedWrites
from reconciler.store.order_ids import ids_literal
from reconciler.store.order_rows import RowWithHold, as_rows, lock_rows, select_rows
from reconciler.store.orders_table import OrdersTable
from reconciler.store.prepared_statement import PreparedStatement
from reconciler.store.write_result import OrderOutcome, WriteMismatch, WriteResult
from reconciler.store.write_statement import WritePart, build_write_statement
from reconciler.store.written_rows import WrittenRows

Decide = Callable[[Order, Answer | None, datetime], Decision]


class OrderWriter:
    """Decides on rows of `orders` and writes the decisions, for one exchange."""

    def __init__(
        self, orders: OrdersTable, *, exchange: str, decide: Decide, by: str | None = None
    ) -> None:
        """Prepare the statements.

        Args:
            orders: The application's table.
            exchange: Its name, for the activity log.
            decide: Must be pure: it runs inside the transaction.
            by: The name of the person who decides, logged with every change; None if the rules
                decide. A person may write during a halt.
        """
        self._orders = orders
        self._exchange = exchange
        self._decide = decide
        rows = select_rows(orders)
        self._read_statement = PreparedStatement(rows)
        lock = lock_rows(rows, orders)
        self._lock_statement = PreparedStatement(
            lock if by else lock.where(~shared_state.is_halted(orders.scope))
        )
        self._written_rows = WrittenRows(orders)
        self._by = by
        self._write_statements: dict[frozenset[WritePart], PreparedStatement] = {}
        self._compare_and_set = CompareAndSet(orders, exchange=exchange)

    def write_planned(self, connection: Connection, planned: PlannedWrites) -> PlannedResult:
        """Write what was decided on rows as planned, where they still are: see `compare_and_set`.

        `connection` is in autocommit.

        Raises:
            Halted: the halt is on.
            StoreRejected: the database refused a row, or wrote other rows than it should have.
                Nothing was written.
        """
        return self._compare_and_set.write(connection, planned)

    def apply(
        self,
        connection: Connection,
        answers: Mapping[OrderId, Answer],
        facts_as_planned: Mapping[OrderId, Facts] | None = None,
    ) -> WriteResult:
        """Lock, decide, write. `connection` is in a transaction that the caller commits.

        Args:
            connection: An open transaction.
            answers: The exchange's answer about each order of the batch.
            facts_as_planned: The rows' facts as the planner read them, before the exchange was
                asked. A row whose facts differ now was written since, so it may be newer than the
                answer: the row is left alone. A table without `updated_at` relies on this.

        Raises:
            Halted: the halt is on, and the decisions are not a person's.
            StoreRejected: the database refused a row; WriteMismatch: it wrote other rows than were
                decided on. Roll back: nothing of the batch may stay.
        """
        began = time.perf_counter()
        rows = as_rows(self._lock_statement.run(connection, _ids(answers)))
        lock_seconds = time.perf_counter() - began
        if not rows and self._by is None:
            shared_state.require_no_halt(connection, self._orders.scope)
        result = self._decide_rows(connection, rows, answers, facts_as_planned)
        self._write(connection, result.outcomes, answers)
        return dataclasses.replace(result, lock_seconds=lock_seconds)

    def preview(
        self,
        connection: Connection,
        answers: Mapping[OrderId, Answer],
        facts_as_planned: Mapping[OrderId, Facts] | None = None,
    ) -> WriteResult:
        """Decide as `apply` would on the rows as they are now; lock and write nothing."""
        rows = as_rows(self._read_statement.run(connection, _ids(answers)))
        return self._decide_rows(connection, rows, answers, facts_as_planned)

    def hold(
        self,
        connection: Connection,
        faults: Mapping[OrderId, OrderFault],
        *,
        reason: HoldReason = HoldReason.ERROR,
    ) -> frozenset[OrderId]:
        """Put orders on hold for their faults, even if another session has locked their rows.

        The rows are neither locked nor written, and an order that has ended is not put on hold.
        Returns the ids of the orders that are on hold now.

        Raises:
            Halted: the halt is on.
        """
        shared_state.require_no_halt(connection, self._orders.scope)
        rows = as_rows(self._read_statement.run(connection, _ids(faults)))
        names, statuses = self._names(connection, rows), self._orders.statuses
        outcomes = tuple(
            OrderOutcome(
                order=row.order(facts, hold := row.hold(), names[row.symbol], statuses),
                hold=hold,
                decision=Hold(reason=reason, detail=faults[row.id].detail),
            )
            for row in rows
            if (facts := row.facts(statuses)) is not None and not facts.status.is_terminal
        )
        self._write(connection, outcomes, faults)
        return frozenset(outcome.order.id for outcome in outcomes)

    def _names(
        self, connection: Connection, rows: Iterable[RowWithHold]
    ) -> Mapping[str | None, str]:
        """Return the exchange's names of the rows' symbols, as they are now."""
        return self._orders.names.read(connection, (row.symbol for row in rows))

    def _decide_rows(
        self,
        connection: Connection,
        rows: Sequence[RowWithHold],
        answers: Mapping[OrderId, Answer],
        facts_as_planned: Mapping[OrderId, Facts] | None,
    ) -> WriteResult:
        found = {row.id: row for row in rows}
        names = self._names(connection, rows)
        outcomes = [
            self._decide_row(row, names[row.symbol], answers[row.id], facts_as_planned or {})
            for row in found.values()
        ]
        if len(found) < len(rows):
            counts = Counter(row.id for row in rows)
            outcomes = [_hold_if_ambiguous(one, counts[one.order.id]) for one in outcomes]
        return WriteResult(
            outcomes=tuple(outcomes),
            skipped=tuple(id_ for id_ in answers if id_ not in found),
            now=rows[0].database_now if rows else None,
        )

    def _decide_row(
        self,
        row: RowWithHold,
        symbol: str,
        answer: Answer,
        facts_as_planned: Mapping[OrderId, Facts],
    ) -> OrderOutcome:
        facts = row.facts(self._orders.statuses)
        hold = row.hold()
        order = row.order(facts or _UNKNOWN_FACTS, hold, symbol, self._orders.statuses)
        if facts is None:
            decision: Decision = Leave(rule=Rule.NOT_OURS)
        elif row.id in facts_as_planned and not facts_as_planned[row.id].is_same(facts):
            decision = Leave(rule=Rule.STALE_REPORT)
        else:
            decision = self._decide(order, answer, row.database_now)
        return OrderOutcome(order=order, hold=hold, decision=decision)

    def _write(
        self,
        connection: Connection,
        outcomes: Sequence[OrderOutcome],
        answers: Mapping[OrderId, Answer],
    ) -> None:
        writes = BatchWrites.of(
            outcomes,
            answers,
            exchange=self._exchange,
            scope=self._orders.scope,
            by=self._by,
            with_side_table=self._orders.side_table is not None,
            statuses=self._orders.statuses,
            logs_qty=self._orders.logs_qty,
        )
        expected = writes.counts
        if not expected:
            return
        (counted,) = self._statement_for(writes.parts).run(connection, writes.parameters())
        written = dict(zip(expected, counted, strict=True))
        if written != expected:
            raise WriteMismatch.of(written, expected)
        if self._orders.is_view:
            self._written_rows.require_kept(connection, outcomes, answers)

    def _statement_for(self, parts: frozenset[WritePart]) -> PreparedStatement:
        """Return the cached statement for these parts. It omits the others: they cost time."""
        if parts not in self._write_statements:
            resolution = "reconciled" if self._by is None else f"accepted by {self._by}"
            self._write_statements[parts] = PreparedStatement(
                build_write_statement(self._orders, parts, resolution)
            )
        return self._write_statements[parts]


_UNKNOWN_FACTS = Facts(status=Status.PENDING, executed_qty=Decimal(0), avg_price=None)
"""Placeholder for the facts of a row whose status we do not know. Such a row is left alone."""


def _ids(orders: Iterable[OrderId]) -> Mapping[str, str]:
    return {"ids": ids_literal(tuple(orders))}


def _hold_if_ambiguous(outcome: OrderOutcome, rows: int) -> OrderOutcome:
    """Hold an order if several rows have its id: a write would change them all."""
    if rows == 1:
        return outcome
    detail = f"{rows} rows of orders have this id: none of them can be written without the others"
    return replace(outcome, decision=Hold(reason=HoldReason.CONFLICT, detail=detail))
