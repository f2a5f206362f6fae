"""Handle one batch of orders: ask the exchange, decide, make the rows true.

Looking and writing are two steps; in between, the supervisor judges what all workers have seen.
No transaction and no lock is open while the exchange is asked. What could not be asked is handed
back; what was asked and failed is counted and stays stale; an order whose request is turned down
again and again is put on hold. So is a row that cannot be written: it is found, so that it never
takes others with it, see `writer`.

Where the database does not take what was answered, the answers are kept while they are fresh, and
the exchange is asked nothing more before the database takes writes again.
"""

import asyncio
import time
from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

import structlog

from reconciler.domain.decide import (
    SUSPICIOUS,
    Change,
    Confirm,
    Hold,
    HoldReason,
    Leave,
    Policy,
    decide,
)
from reconciler.domain.order import Facts, Order, OrderId
from reconciler.domain.report import Answer, OrderFault
from reconciler.domain.status import Status
from reconciler.errors import (
    BreakerOpen,
    ExchangeError,
    Halted,
    NotSent,
    Refused,
    RequestRejected,
    StoreRefused,
    StoreUnavailable,
    Suspended,
    UnreadableRow,
)
from reconciler.exchanges.base import Exchange, Failure, LookupResult, OrderRef
from reconciler.exchanges.request_policy import Usage, UsageCounter
from reconciler.orders.account import AccountGuard, fault_of
from reconciler.orders.batch_writer import BisectingWriter
from reconciler.orders.chunking import split_for_transactions
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.fruitless_checks import (
    COUNTED,
    LOCKED,
    MOST_FRUITLESS_CHECKS,
    SAID,
    FruitlessChecks,
)
from reconciler.orders.unwritten_reports import UnwrittenReports
from reconciler.resilience.breaker import Breaker
from reconciler.store.database import Database
from reconciler.store.order_writer import BatchResult, OrderOutcome, OrderWriter, side_of
from reconciler.store.stale import StaleOrder
from reconciler.telemetry import metrics as names
from reconciler.telemetry.metrics import Metrics, count_lost_lines
from reconciler.workload import (
    AnomalyStats,
    Batch,
    Chunk,
    Counts,
    ProposedChange,
    Result,
    WorkerFault,
)

REJECTIONS_TO_HOLD = 3
"""How often in a row an order's request is turned down before the order waits for a person."""

MOST_NAMED = 5
"""Orders named in one line of the log; of more, their number is told."""

log = structlog.get_logger(__name__)


class RejectionCounts:
    """How often in a row the request for each order was turned down, as this worker saw it."""

    def __init__(self) -> None:
        self._counts: dict[OrderId, int] = {}

    def count(self, id_: OrderId) -> int:
        """Count one more; return how many there were in a row."""
        self._counts[id_] = self._counts.get(id_, 0) + 1
        return self._counts[id_]

    def forget(self, id_: OrderId) -> None:
        """Begin again: there was an answer, or the order is on hold."""
        self._counts.pop(id_, None)


@dataclass(kw_only=True, eq=False)
class OrderHandler:
    """The child's side of the order workload: everything it needs, each its own worker's.

    `rows_per_transaction` bounds how many rows are locked at once, and so for how long. What the
    database has not done within `patience_seconds` is given up.
    """

    shard: int
    exchange: Exchange
    breaker: Breaker
    usage: UsageCounter
    database: Database
    writer: OrderWriter
    policy: Policy
    clock: DatabaseClock
    metrics: Metrics
    rows_per_transaction: int
    patience_seconds: float
    is_dry_run: bool
    account: AccountGuard
    _prepared_batches: "dict[int, _BatchState]" = field(default_factory=dict)
    _rejections: RejectionCounts = field(default_factory=RejectionCounts)
    _fruitless: FruitlessChecks = field(default_factory=FruitlessChecks)
    _unwritten: UnwrittenReports = field(default_factory=UnwrittenReports)
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the one connection is used."""
    _bisecting_writer: BisectingWriter = field(init=False)

    def __post_init__(self) -> None:
        self._bisecting_writer = BisectingWriter(apply=self._apply, read=self._preview)

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Ask the exchange about the batch's orders. Writes nothing but whose account it is."""
        work = _BatchState(batch, self._rejections, self._fruitless, with_proposals=self.is_dry_run)
        self._prepared_batches[batch.number] = work
        fault = await self._store_fault()
        if fault is None:
            work.reuse(self._unwritten.take(work.orders, self.clock()))
            await self._ask(work)
        else:
            work.give_up(fault)
        work.usage = self.usage.take()
        return work.stats(self.clock(), self.policy)

    async def _store_fault(self) -> WorkerFault | None:
        """Return why nothing is to be asked: what is answered could not be written."""
        if not self._unwritten.is_store_away:
            return None
        try:
            async with self._storing:
                await asyncio.to_thread(self.database.require_writable)
        except (StoreUnavailable, StoreRefused) as error:
            return fault_of(error)
        self._unwritten.is_store_away = False
        return None

    async def _ask(self, work: "_BatchState") -> None:
        if not work.wanted:
            return
        try:
            fault = await self.account.verify()
        except NotSent:
            work.cut_short()
            return
        if fault is None:
            work.take(await self.exchange.fetch(work.wanted), self.clock())
        else:
            work.give_up(fault)

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:
        """Make the rows true, or leave them alone; say what came of the batch."""
        work = self._prepared_batches.pop(batch.number)
        if may_write:
            try:
                async with self._storing:
                    await self._write(work)
            except (StoreUnavailable, StoreRefused) as error:
                work.give_up(fault_of(error))
                self._unwritten.is_store_away = True
                self._unwritten.keep(work.unwritten)
            except Halted as error:
                work.halt(str(error))
        else:
            work.drop()
        result = work.result(self.breaker)
        self._emit(result, work.usage)
        return result

    def heartbeat(self) -> float:
        """Send the metrics; give up a statement that takes far too long."""
        count_lost_lines(self.metrics)
        self.metrics.flush()
        busy_seconds = self.database.busy_seconds
        if busy_seconds > self.patience_seconds:
            self.database.cancel()
        return busy_seconds

    async def close(self) -> None:
        """Close the connections."""
        await self.exchange.close()
        self.database.close()
        self.metrics.close()

    async def _write(self, work: "_BatchState") -> None:
        for some in work.answers_by_hold:
            for answered in split_for_transactions(some, self.rows_per_transaction):
                applied: list[BatchResult] = []
                try:
                    await asyncio.to_thread(
                        self._bisecting_writer.write,
                        answered,
                        work.facts_as_planned,
                        applied.append,
                    )
                finally:
                    for part in applied:
                        work.count(part)
        circling = work.circling
        if circling and not self.is_dry_run:
            held = await asyncio.to_thread(self._hold_circling, circling)
            work.count_held(held)

    def _hold_circling(
        self, orders: Mapping[OrderId, tuple[StaleOrder, str]]
    ) -> Collection[OrderId]:
        """Hold orders that look after look led to nothing; return those that are on hold now."""
        for id_, (_, why) in orders.items():
            log.warning("order.circles", order_id=str(id_), looks=MOST_FRUITLESS_CHECKS, reason=why)
        questions = {
            id_: OrderFault(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                detail=f"looked at {MOST_FRUITLESS_CHECKS} times in a row without result;"
                f" the last time {why}",
                fetched_at=self.clock(),
            )
            for id_, (order, why) in orders.items()
        }
        with self.database.transaction() as connection:
            return self.writer.hold(connection, questions)

    def _apply(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> BatchResult:
        started = time.perf_counter()
        if self.is_dry_run:
            applied = self._preview(answers, seen)
        else:
            with self.database.transaction() as connection:
                applied = self.writer.apply(connection, answers, seen)
        self.metrics.timing(names.Timer.STORE_APPLY, (time.perf_counter() - started) * 1000)
        if applied.now is not None:
            self.clock.sync(applied.now)
        return applied

    def _preview(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> BatchResult:
        with self.database.autocommit() as connection:
            return self.writer.preview(connection, answers, seen)

    def _emit(self, result: Result, usage: Usage) -> None:
        counts = result.counts
        increments: dict[names.Counter | names.CounterName, int] = {
            names.Counter.ORDERS_RECONCILED: counts.reconciled,
            names.Counter.ORDERS_DISCREPANCIES: counts.discrepancies,
            names.Counter.ORDERS_ERRORS: counts.errors,
            names.Counter.ORDERS_HELD: counts.held,
            names.Counter.ORDERS_SKIPPED_LOCKED: counts.skipped_locked,
            names.Counter.EXCHANGE_REQUESTS: usage.requests,
            names.Counter.EXCHANGE_WEIGHT: usage.weight,
            names.Counter.EXCHANGE_RETRIES: usage.retries,
        }
        for moved, count in counts.transitions.items():
            increments[names.transition(*map(Status, moved.split(".")))] = count
        for error, count in usage.errors.items():
            increments[names.exchange_error(error)] = count
        for name, count in increments.items():
            if count:
                self.metrics.incr(name, count)
        for latency_ms in usage.latencies_ms:
            self.metrics.timing(names.Timer.EXCHANGE_LATENCY, latency_ms)
        self.heartbeat()


class _BatchState:
    """A batch on its way: what is wanted, what came of it, what is left."""

    def __init__(
        self,
        batch: Batch,
        rejections: RejectionCounts,
        looks: FruitlessChecks,
        *,
        with_proposals: bool,
    ) -> None:
        self.orders: dict[OrderId, StaleOrder] = {
            order.id: order for chunk in batch.chunks for order in chunk.items
        }
        self.usage = Usage()
        self._runs = batch.chunks
        self._rejections = rejections
        self._fruitless = looks
        self._circling: dict[OrderId, str] = {}
        self._not_asked = 0
        self._is_cut_short = False
        self._last_tries = {
            order.id for chunk in batch.chunks if chunk.is_second_try for order in chunk.items
        }
        self._counts = Counts()
        self._answers: dict[OrderId, Answer] = {}
        self._left: set[OrderId] = set(self.orders)
        self._skipped: set[OrderId] = set()
        self._fault: WorkerFault | None = None
        self._halted: str | None = None
        self._with_proposals = with_proposals
        self._proposals: list[ProposedChange] = []
        # Two rows may name the same order at the exchange: asked once, answered to both.
        self._ids_of: dict[OrderRef, list[OrderId]] = defaultdict(list)
        for order in self.orders.values():
            wanted = OrderRef(symbol=order.symbol, external_order_id=order.external_order_id)
            self._ids_of[wanted].append(order.id)

    @property
    def wanted(self) -> Sequence[OrderRef]:
        """What to ask the exchange about."""
        return list(self._ids_of)

    @property
    def facts_as_planned(self) -> dict[OrderId, Facts]:
        """What the rows said before the exchange was asked."""
        return {id_: order.facts for id_, order in self.orders.items()}

    @property
    def unwritten(self) -> dict[OrderId, Answer]:
        """What was answered about the orders that are left."""
        return {id_: answer for id_, answer in self._answers.items() if id_ in self._left}

    def reuse(self, kept: Mapping[OrderId, Answer]) -> None:
        """Take what was answered before and could not be written: it need not be asked again."""
        self._answers.update(kept)
        for wanted, ids in list(self._ids_of.items()):
            self._ids_of[wanted] = [id_ for id_ in ids if id_ not in kept]
            if not self._ids_of[wanted]:
                del self._ids_of[wanted]

    def take(self, answers: LookupResult, now: datetime) -> None:
        """Take note of the answers and of the failures."""
        self._note_failures(answers.failures, now)
        for wanted, answer in answers.answers.items():
            for id_ in self._ids_of[wanted]:
                self._answers[id_] = answer
                self._rejections.forget(id_)
        self._ids_of.clear()  # A worker keeps thousands of orders until the cycle is judged.

    def stats(self, now: datetime, policy: Policy) -> AnomalyStats:
        """Return what the answers look like as a whole.

        Orders that are on hold already say nothing new, and those of which nothing follows nothing.
        """
        decisions = [
            (order.symbol, decide(_as_order(order), answer, now, policy))
            for id_, answer in self._answers.items()
            if not (order := self.orders[id_]).is_on_hold
        ]
        told = [(symbol, one) for symbol, one in decisions if not isinstance(one, Leave)]
        holds = [(symbol, one.reason) for symbol, one in told if isinstance(one, Hold)]
        return AnomalyStats(
            examined=len(told),
            suspicious=sum(reason in SUSPICIOUS for _, reason in holds),
            errors=Multiset(symbol for symbol, reason in holds if reason is HoldReason.ERROR),
        )

    @property
    def answers_by_hold(self) -> Sequence[Mapping[OrderId, Answer]]:
        """What the exchange has said, by row: of orders not on hold, then of those that are.

        They are written apart: what could not be written before is tried without the others.
        """
        held = {id_ for id_ in self._answers if self.orders[id_].is_on_hold}
        if not held:
            return [self._answers]
        free = {id_: answer for id_, answer in self._answers.items() if id_ not in held}
        return [free, {id_: self._answers[id_] for id_ in self._answers if id_ in held}]

    def drop(self) -> None:
        """Leave what was not written as it is: it may not be written."""
        self._counts.scanned += len(self._left.intersection(self._answers))
        self._left.clear()

    def halt(self, reason: str) -> None:
        """Leave what was not written as it is: the halt is on."""
        self._halted = reason
        self.drop()

    def count(self, applied: BatchResult) -> None:
        """Count what was applied; what was skipped counts once it is not tried again."""
        given_up = self._last_tries.intersection(applied.skipped)
        self._counts.scanned += len(applied.outcomes) + len(given_up)
        self._counts.skipped_locked += len(given_up)
        self._skipped.update(applied.skipped)
        for id_ in given_up:
            self._count_look(id_, LOCKED)
        for outcome in applied.outcomes:
            self._count_outcome(outcome)
        self._left.difference_update(applied.skipped)
        self._left.difference_update(outcome.order.id for outcome in applied.outcomes)

    @property
    def circling(self) -> Mapping[OrderId, tuple[StaleOrder, str]]:
        """Orders that were looked at often enough without result, and why the last time."""
        return {id_: (self.orders[id_], why) for id_, why in self._circling.items()}

    def count_held(self, ids: Collection[OrderId]) -> None:
        """Count orders that were put on hold because they circle."""
        self._counts.held += len(ids)
        for id_ in ids:
            self._fruitless.forget(id_)

    def cut_short(self) -> None:
        """Leave what is left to be handed out again: this worker is to end, nothing is wrong."""
        self._is_cut_short = True

    def give_up(self, fault: WorkerFault) -> None:
        """Leave what is left to be handed out again."""
        self._fault = fault

    def result(self, breaker: Breaker) -> Result:
        """Return what came of the batch."""
        if self._fault is None and self._left and not self._is_cut_short:
            self._count_unanswered()
        if self._fault is not None:
            self._counts.errors += self._fault.failed_tries
        self._counts.requests = self.usage.requests
        self._counts.weight = self.usage.weight
        return Result(
            counts=self._counts,
            breaker=breaker.snapshot(),
            skipped=self._runs_of(self._skipped),
            undone=self._runs_of(self._left),
            fault=self._fault,
            halted=self._halted,
            proposals=tuple(self._proposals),
            not_asked=self._not_asked,
        )

    def _runs_of(self, ids: set[OrderId]) -> tuple[Chunk, ...]:
        """Return the batch's runs with only the orders in `ids`."""
        cut = (
            (chunk, tuple(order for order in chunk.items if order.id in ids))
            for chunk in self._runs
        )
        return tuple(replace(chunk, items=items) for chunk, items in cut if items)

    def _note_failures(self, failures: Mapping[OrderRef, Failure], now: datetime) -> None:
        """Count what failed, set aside what always does, and leave what was not asked at all."""
        failed: dict[str, list[OrderRef]] = defaultdict(list)
        for wanted, failure in failures.items():
            match failure:
                case BreakerOpen() | Refused():
                    if self._fault is None or isinstance(failure, Refused):
                        self._fault = fault_of(failure)
                case NotSent():
                    self.cut_short()
                case Suspended():
                    self._left.difference_update(self._ids_of[wanted])
                    self._not_asked += len(self._ids_of[wanted])
                case RequestRejected() | UnreadableRow():
                    self._note_rejection(wanted, failure, now)
                case _:
                    failed[f"{type(failure).__name__}: {failure}"].append(wanted)
                    self._count_errors(self._ids_of[wanted])
        for reason, orders in failed.items():
            log.warning("orders.not_answered", orders=len(orders), reason=reason, **_named(orders))

    def _note_rejection(self, wanted: OrderRef, failure: ExchangeError, now: datetime) -> None:
        """Count it for the orders themselves; set aside those that it has met often enough."""
        for id_ in self._ids_of[wanted]:
            times = self._rejections.count(id_)
            looks = self._fruitless.count(id_)
            log.warning(
                "order.request_rejected",
                order_id=str(id_),
                symbol=wanted.symbol,
                external_order_id=wanted.external_order_id,
                times=times,
                reason=str(failure),
            )
            is_often = times >= REJECTIONS_TO_HOLD or looks >= MOST_FRUITLESS_CHECKS
            if not is_often and not self.orders[id_].is_on_hold:
                self._count_errors([id_])
                continue
            self._rejections.forget(id_)
            self._answers[id_] = OrderFault(
                symbol=wanted.symbol,
                external_order_id=wanted.external_order_id,
                detail=f"{_WHY_REJECTED[type(failure)]}: {failure}",
                fetched_at=now,
            )

    def _count_errors(self, ids: Collection[OrderId]) -> None:
        """Count orders that were asked for without result, and leave them to the next sweep."""
        self._counts.scanned += len(ids)
        self._counts.errors += len(ids)
        self._left.difference_update(ids)

    def _count_unanswered(self) -> None:
        """Count as failed what nobody spoke of: handed back without a reason, it would circle."""
        log.error("orders.unresolved", orders=len(self._left))
        self._count_errors(tuple(self._left))

    def _count_look(self, id_: OrderId, why: str) -> None:
        """Count a look that led to nothing."""
        if self._fruitless.count(id_) >= MOST_FRUITLESS_CHECKS:
            self._circling[id_] = why

    def _count_outcome(self, outcome: OrderOutcome) -> None:
        if not isinstance(outcome.decision, Leave):
            self._fruitless.forget(outcome.order.id)
        match outcome.decision:
            case Change() as change:
                self._counts.reconciled += 1
                self._counts.discrepancies += 1
                self._counts.transitions[
                    f"{outcome.order.facts.status.value}.{change.to.status.value}"
                ] += 1
                if self._with_proposals:
                    self._proposals.append(_proposal(outcome, change))
            case Confirm():
                self._counts.reconciled += 1
            case Hold():
                self._counts.held += 1
            case Leave(rule=rule) if rule in COUNTED:
                self._count_look(outcome.order.id, SAID[rule])
            case Leave():
                pass


_WHY_REJECTED: Mapping[type[ExchangeError], str] = {
    RequestRejected: "the exchange turns the request for this order down",
    UnreadableRow: "what the exchange says of this order cannot be true",
}


def _named(orders: Sequence[OrderRef]) -> dict[str, object]:
    """Return whom a line of the log is about: their symbols, and the orders if they are few."""
    symbols = sorted({one.symbol for one in orders})
    named: dict[str, object] = {"symbols": symbols[:MOST_NAMED]}
    if len(orders) <= MOST_NAMED:
        named["external_order_ids"] = [one.external_order_id for one in orders]
    return named


def _as_order(order: StaleOrder) -> Order:
    return Order(
        id=order.id,
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        facts=order.facts,
        created_at=order.created_at,
        qty=None if order.qty is None else Decimal(order.qty),
        side=side_of(order.side),
        client_order_id=order.client_order_id,
    )


def _proposal(outcome: OrderOutcome, change: Change) -> ProposedChange:
    return ProposedChange(
        order_id=str(outcome.order.id),
        symbol=outcome.order.symbol,
        rule=change.rule,
        before=_shown(outcome.order.facts),
        after=_shown(change.to),
    )


def _shown(facts: Facts) -> dict[str, str | None]:
    return {
        "status": facts.status.value,
        "executed_qty": f"{facts.executed_qty:f}",
        "avg_price": None if facts.avg_price is None else f"{facts.avg_price:f}",
    }
