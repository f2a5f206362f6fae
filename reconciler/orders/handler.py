"""The handler of the order workload: `prepare` asks the exchange, `commit` writes the rows.

Between the two the supervisor judges what all workers have seen. No transaction and no lock is open
while the exchange is asked. What becomes of an order:

    answered                          decided, then confirmed, changed, put on hold or left as it is
    its row was written meanwhile     decided on again, as the row is now
    asked, but the request failed     counted as an error; the next sweep tries it again
    its request is rejected often     on hold
    its row cannot be written         found by halving the batch (`bisecting_writer`), and on hold
    not asked (breaker, stop, fault)  returned to the supervisor, which assigns it again
    not asked (its symbol fails)      left to the next sweep

If the database does not take the answers, they are kept while they are fresh, and the exchange is
asked nothing more until the database takes writes again.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from reconciler.domain.decide import Change, Policy
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import (
    Halted,
    NotSent,
    StatementFailed,
    StoreRefused,
    StoreRejected,
    StoreUnavailable,
)
from reconciler.exchanges.base import Exchange
from reconciler.exchanges.request_policy import UsageCounter
from reconciler.orders.account import AccountVerifier
from reconciler.orders.batch_state import BatchState, LookupCounts
from reconciler.orders.bisecting_writer import BisectingWriter
from reconciler.orders.chunking import split_for_transactions
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.correction_times import times_to_correct_ms
from reconciler.orders.faults import fault_of
from reconciler.orders.inconclusive_lookups import MAX_INCONCLUSIVE_LOOKUPS
from reconciler.orders.unwritten_answers import UnwrittenAnswers
from reconciler.orders.work_counters import count_orders, count_usage
from reconciler.resilience.breaker import Breaker
from reconciler.store.compare_and_set import PlannedResult, PlannedWrites
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.write_result import WriteResult
from reconciler.telemetry.metrics import Metrics, Timer, count_lost_lines
from reconciler.workload import AnomalyStats, Batch, Handler, Result, WorkerFault

log = structlog.get_logger(__name__)


@dataclass(kw_only=True, eq=False)
class OrderHandler(Handler):
    """Reconciles the batches of one worker.

    Attributes:
        rows_per_transaction: The most rows that one transaction locks. This also bounds how long
            the locks are held.
        query_timeout_seconds: A statement that takes longer is canceled.
    """

    exchange: Exchange
    breaker: Breaker
    usage: UsageCounter
    database: Database
    writer: OrderWriter
    policy: Policy
    clock: DatabaseClock
    metrics: Metrics
    rows_per_transaction: int
    query_timeout_seconds: float
    is_dry_run: bool
    account: AccountVerifier
    _batches: dict[int, BatchState] = field(default_factory=dict)
    _lookup_counts: LookupCounts = field(default_factory=LookupCounts)
    _unwritten: UnwrittenAnswers = field(default_factory=UnwrittenAnswers)
    _connection_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the worker's only connection is in use."""
    _bisecting_writer: BisectingWriter = field(init=False)

    def __post_init__(self) -> None:
        self._bisecting_writer = BisectingWriter(apply=self._apply, read=self._preview)

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Look the batch's orders up at the exchange.

        No order is written; only the account's identity is stored.
        """
        state = BatchState(batch, self._lookup_counts, with_notes=self.is_dry_run)
        self._batches[batch.number] = state
        fault = await self._check_database_writable()
        if fault is None:
            state.reuse(self._unwritten.take(state.orders, self.clock()))
            await self._look_up(state)
        else:
            state.progress.return_remaining(fault)
        state.usage = self.usage.take()
        return state.decide(self.clock(), self.policy)

    async def _check_database_writable(self) -> WorkerFault | None:
        """Return the fault of the database if it would not take the answers now."""
        if not self._unwritten.last_write_failed:
            return None
        try:
            async with self._connection_lock:
                await asyncio.to_thread(self.database.require_writable)
        except (StoreUnavailable, StoreRefused) as error:
            return fault_of(error)
        self._unwritten.last_write_failed = False
        return None

    async def _look_up(self, state: BatchState) -> None:
        if not state.refs:
            return
        try:
            fault = await self.account.verify()
        except NotSent:
            state.progress.cut_short()
            return
        if fault is None:
            state.record_lookup(await self.exchange.fetch(state.refs), self.clock())
        else:
            state.progress.return_remaining(fault)

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Write the answers to the rows, or drop them; return the result of the batch."""
        state = self._batches.pop(batch.number)
        if may_write:
            try:
                async with self._connection_lock:
                    await self._write(state)
            except (StoreUnavailable, StoreRefused) as error:
                state.progress.return_remaining(fault_of(error))
                self._unwritten.last_write_failed = True
                self._unwritten.add(state.unwritten)
            except Halted as error:
                state.progress.halt(str(error), state.answers)
        else:
            state.progress.drop(state.answers)
        result = state.progress.result(self.breaker, state.usage)
        count_orders(self.metrics, result.counts, is_dry_run=self.is_dry_run)
        count_usage(self.metrics, state.usage)
        self.heartbeat()
        return result

    def heartbeat(self) -> float:
        """Send the metrics; cancel a statement that takes longer than the time limit."""
        count_lost_lines(self.metrics)
        self.metrics.flush()
        busy_seconds = self.database.busy_seconds
        if busy_seconds > self.query_timeout_seconds:
            self.database.cancel()
        return busy_seconds

    async def close(self) -> None:
        """Close the connections; send the metrics of requests whose batch was returned, too."""
        try:
            await self.exchange.close()
            self.database.close()
        finally:
            count_usage(self.metrics, self.usage.take())
            count_lost_lines(self.metrics)
            self.metrics.close()

    async def _write(self, state: BatchState) -> None:
        for answers in state.answer_groups:
            for part in split_for_transactions(answers, self.rows_per_transaction):
                rest = part if self.is_dry_run else await self._compare_and_set(part, state)
                if rest:
                    await self._decide_again(rest, state)
        if state.progress.to_hold:
            held = (
                tuple(state.progress.to_hold)
                if self.is_dry_run
                else await asyncio.to_thread(self._hold_inconclusive, state)
            )
            state.progress.count_held(held)

    async def _compare_and_set(
        self, answers: Mapping[OrderId, Answer], state: BatchState
    ) -> Mapping[OrderId, Answer]:
        """Write what was decided on the rows as planned; return the answers that are left.

        Those are left that need a look at the row as it is now, and all if the database refuses
        one of the writes.
        """
        planned = state.planned_writes(answers)
        if not planned.parts:
            return answers
        try:
            result = await asyncio.to_thread(self._write_planned, planned)
        except (StoreRejected, StatementFailed):
            return answers
        state.progress.count_planned(planned, result)
        return planned.left_of(answers, result.different)

    def _write_planned(self, planned: PlannedWrites) -> PlannedResult:
        started = time.perf_counter()
        with self.database.autocommit() as connection:
            result = self.writer.write_planned(connection, planned)
        self._time(Timer.STORE_APPLY, time.perf_counter() - started)
        self._time(Timer.STORE_LOCK, result.lock_seconds)
        self._time(Timer.STORE_COMMIT, result.commit_seconds)
        self.clock.sync(result.now)
        unwritten = result.different | result.skipped
        self._time_corrections(
            answer for order, answer, _ in planned.changed if order.id not in unwritten
        )
        return result

    async def _decide_again(self, answers: Mapping[OrderId, Answer], state: BatchState) -> None:
        """Write the answers by decisions on the rows as they are now."""
        written: list[WriteResult] = []
        try:
            await asyncio.to_thread(
                self._bisecting_writer.write,
                answers,
                state.facts_as_planned(answers),
                written.append,
            )
        finally:
            for result in written:
                state.progress.count_applied(result)

    def _hold_inconclusive(self, state: BatchState) -> Collection[OrderId]:
        """Put orders on hold after too many inconclusive look-ups; return the ids now on hold."""
        faults: dict[OrderId, OrderFault] = {}
        for id_, reason in state.progress.to_hold.items():
            log.warning(
                "order.inconclusive",
                order_id=str(id_),
                lookups=MAX_INCONCLUSIVE_LOOKUPS,
                reason=reason,
            )
            order = state.orders[id_]
            faults[id_] = OrderFault(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                detail=f"{MAX_INCONCLUSIVE_LOOKUPS} look-ups in a row gave no result;"
                f" the last time {reason}",
                fetched_at=self.clock(),
            )
        with self.database.transaction() as connection:
            return self.writer.hold(connection, faults)

    def _apply(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> WriteResult:
        started = time.perf_counter()
        if self.is_dry_run:
            applied = self._preview(answers, seen)
            self._time(Timer.STORE_APPLY, time.perf_counter() - started)
        else:
            applied = self._apply_in_transaction(answers, seen)
            self._time(Timer.STORE_APPLY, time.perf_counter() - started)
            self._time(Timer.STORE_LOCK, applied.lock_seconds)
        if applied.now is not None:
            self.clock.sync(applied.now)
        if not self.is_dry_run:
            changes = (one for one in applied.outcomes if isinstance(one.decision, Change))
            self._time_corrections(answers[one.order.id] for one in changes)
        return applied

    def _apply_in_transaction(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> WriteResult:
        with self.database.transaction() as connection:
            applied = self.writer.apply(connection, answers, seen)
            written = time.perf_counter()
        self._time(Timer.STORE_COMMIT, time.perf_counter() - written)
        return applied

    def _time_corrections(self, answers: Iterable[Answer]) -> None:
        """Record how long the rows were wrong that have just been changed."""
        times_ms = times_to_correct_ms(answers, self.clock())
        self.metrics.timings(Timer.ORDERS_TIME_TO_CORRECT, times_ms)

    def _time(self, timer: Timer, seconds: float) -> None:
        self.metrics.timing(timer, seconds * 1000)

    def _preview(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> WriteResult:
        with self.database.autocommit() as connection:
            return self.writer.preview(connection, answers, seen)
