"""Handle one batch of orders: ask the exchange, decide, make the rows true.

No transaction and no lock is open while the exchange is asked. What could not be asked is handed
back; what was asked and failed is counted and stays stale; an order that the database itself
refuses is found by halving the batch and set aside, so that it never takes others with it.
"""

import asyncio
import time
from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from reconciler.domain.decide import Change, Confirm, Hold, Leave
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer, Unanswerable
from reconciler.domain.status import Status
from reconciler.errors import BreakerOpen, Refused, StoreRejected, StoreUnavailable
from reconciler.exchanges.base import Answers, Exchange, Failure, Wanted
from reconciler.exchanges.guarded import Usage, UsageReport
from reconciler.resilience.breaker import Breaker
from reconciler.store.apply import Applied, Apply, Outcome
from reconciler.store.database import Database
from reconciler.store.stale import StaleOrder
from reconciler.telemetry import metrics as names
from reconciler.telemetry.metrics import Metrics
from reconciler.worker.clock import DatabaseClock
from reconciler.worker.workload import (
    Batch,
    Proposal,
    Result,
    Run,
    Tally,
    Trouble,
    TroubleKind,
)

STORE_RETRY_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class OrderHandler:
    """The child's side of the order workload: everything it needs, each its own worker's.

    `rows_per_transaction` bounds how many rows are locked at once, and so for how long.
    """

    shard: int
    exchange: Exchange
    breaker: Breaker
    usage: Usage
    database: Database
    step: Apply
    clock: DatabaseClock
    metrics: Metrics
    rows_per_transaction: int
    knows_last_write: bool
    is_dry_run: bool

    async def handle(self, batch: Batch) -> Result:
        """Reconcile the batch's orders. Never raises for the exchange or the database."""
        work = _Work(batch)
        try:
            await self._reconcile(work)
        except StoreUnavailable as error:
            work.give_up(error)
        usage = self.usage.take()
        result = work.result(usage, self.breaker)
        self._emit(result, usage)
        return result

    def beat(self) -> None:
        """Send this shard's breaker state."""
        self.metrics.gauge(names.shard_breaker_state(self.shard), self.breaker.state.gauge)
        self.metrics.flush()

    async def close(self) -> None:
        """Close the connections."""
        await self.exchange.close()
        self.database.close()
        self.metrics.close()

    async def _reconcile(self, work: "_Work") -> None:
        seen = await asyncio.to_thread(self._read_seen, work)
        answers = await self.exchange.ask(work.wanted)
        for answered in work.take(answers, self.rows_per_transaction):
            for applied in await asyncio.to_thread(self._apply, answered, seen):
                work.count(applied)

    def _read_seen(self, work: "_Work") -> Mapping[OrderId, Facts]:
        """Remember the rows as they are now, where nothing else would tell a later write."""
        if self.knows_last_write:
            return {}
        with self.database.autocommit() as connection:
            return self.step.read_facts(connection, list(work.orders))

    def _apply(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> list[Applied]:
        """Apply the answers; halve them for as long as the database refuses one of them."""
        try:
            return [self._apply_once(answers, seen)]
        except StoreRejected as error:
            if len(answers) == 1:
                return [self._set_aside(answers, seen, error)]
        middle = len(answers) // 2
        entries = list(answers.items())
        return [
            applied
            for half in (entries[:middle], entries[middle:])
            for applied in self._apply(dict(half), seen)
        ]

    def _set_aside(
        self,
        answers: Mapping[OrderId, Answer],
        seen: Mapping[OrderId, Facts],
        refusal: StoreRejected,
    ) -> Applied:
        """Hold the order whose row the database refuses.

        Raises:
            StoreUnavailable: it refuses that too, so no order is at fault: it takes no writes at
                all, as a standby does.
        """
        try:
            return self._apply_once(self._as_refused(answers, refusal), seen)
        except StoreRejected as error:
            raise StoreUnavailable(f"the database takes no writes: {error}") from error

    def _apply_once(
        self, answers: Mapping[OrderId, Answer], seen: Mapping[OrderId, Facts]
    ) -> Applied:
        started = time.perf_counter()
        if self.is_dry_run:
            with self.database.autocommit() as connection:
                applied = self.step.preview(connection, answers, seen)
        else:
            with self.database.transaction() as connection:
                applied = self.step.apply(connection, answers, seen)
        self.metrics.timing(names.Timer.STORE_APPLY, (time.perf_counter() - started) * 1000)
        if applied.now is not None:
            self.clock.hear(applied.now)
        return applied

    def _as_refused(
        self, answers: Mapping[OrderId, Answer], error: StoreRejected
    ) -> dict[OrderId, Answer]:
        ((id_, answer),) = answers.items()
        log.warning("order.refused_by_database", order_id=str(id_), reason=str(error))
        return {
            id_: Unanswerable(
                symbol=answer.symbol,
                external_order_id=answer.external_order_id,
                detail=f"the database refuses the exchange's facts: {error}",
                fetched_at=answer.fetched_at,
            )
        }

    def _emit(self, result: Result, usage: UsageReport) -> None:
        tally = result.tally
        counts: dict[names.Counter | names.CounterName, int] = {
            names.Counter.ORDERS_RECONCILED: tally.reconciled,
            names.Counter.ORDERS_DISCREPANCIES: tally.discrepancies,
            names.Counter.ORDERS_ERRORS: tally.errors,
            names.Counter.ORDERS_HELD: tally.held,
            names.Counter.ORDERS_SKIPPED_LOCKED: tally.skipped_locked,
            names.Counter.EXCHANGE_REQUESTS: usage.requests,
            names.Counter.EXCHANGE_WEIGHT: usage.weight,
            names.Counter.EXCHANGE_RETRIES: usage.retries,
        }
        for moved, count in tally.transitions.items():
            counts[names.transition(*map(Status, moved.split(".")))] = count
        for error, count in usage.errors.items():
            counts[names.exchange_error(error)] = count
        for name, count in counts.items():
            if count:
                self.metrics.incr(name, count)
        for latency_ms in usage.latencies_ms:
            self.metrics.timing(names.Timer.EXCHANGE_LATENCY, latency_ms)
        self.beat()


class _Work:
    """A batch on its way: what is wanted, what came of it, what is left."""

    def __init__(self, batch: Batch) -> None:
        self.orders: dict[OrderId, StaleOrder] = {
            order.id: order for run in batch.runs for order in run.items
        }
        self._runs = batch.runs
        self._tally = Tally()
        self._left: dict[OrderId, StaleOrder] = dict(self.orders)
        self._last_tries = {
            order.id for run in batch.runs if run.is_second_try for order in run.items
        }
        self._skipped: set[OrderId] = set()
        self._trouble: Trouble | None = None
        self._proposals: list[Proposal] = []
        # Two rows may name the same order at the exchange: asked once, answered to both.
        self._ids_of: dict[Wanted, list[OrderId]] = defaultdict(list)
        for order in self.orders.values():
            wanted = Wanted(symbol=order.symbol, external_order_id=order.external_order_id)
            self._ids_of[wanted].append(order.id)

    @property
    def wanted(self) -> Sequence[Wanted]:
        """What to ask the exchange about."""
        return list(self._ids_of)

    def take(self, answers: Answers, limit: int) -> Iterator[dict[OrderId, Answer]]:
        """Take note of the failures, and yield the answers by row, up to `limit` at a time."""
        self._note_failures(answers.failures)
        answered = [
            (id_, answer)
            for wanted, answer in answers.answers.items()
            for id_ in self._ids_of[wanted]
        ]
        for start in range(0, len(answered), limit):
            yield dict(answered[start : start + limit])

    def count(self, applied: Applied) -> None:
        """Count what was applied; what was skipped counts once it is not tried again."""
        given_up = self._last_tries.intersection(applied.skipped)
        self._tally.scanned += len(applied.outcomes) + len(given_up)
        self._tally.skipped_locked += len(given_up)
        self._skipped.update(applied.skipped)
        for outcome in applied.outcomes:
            self._count_outcome(outcome)
        for id_ in (*applied.skipped, *(outcome.order.id for outcome in applied.outcomes)):
            self._left.pop(id_, None)

    def give_up(self, error: StoreUnavailable) -> None:
        """Leave what is left to be handed out again: the database does not answer."""
        self._trouble = Trouble(
            kind=TroubleKind.STORE, message=str(error), retry_after_seconds=STORE_RETRY_SECONDS
        )

    def result(self, usage: UsageReport, breaker: Breaker) -> Result:
        """Return what came of the batch."""
        if self._trouble is None and self._left:
            self._count_unanswered()
        self._tally.requests = usage.requests
        self._tally.weight = usage.weight
        return Result(
            tally=self._tally,
            skipped=self._runs_of(self._skipped),
            undone=self._runs_of(self._left),
            trouble=self._trouble,
            breaker=breaker.state,
            proposals=tuple(self._proposals),
        )

    def _runs_of(self, ids: Mapping[OrderId, object] | set[OrderId]) -> tuple[Run, ...]:
        """Return the batch's runs with only the orders in `ids`."""
        cut = ((run, tuple(order for order in run.items if order.id in ids)) for run in self._runs)
        return tuple(
            Run(
                key=run.key,
                items=items,
                crashes=run.crashes,
                is_second_try=run.is_second_try,
            )
            for run, items in cut
            if items
        )

    def _note_failures(self, failures: Mapping[Wanted, Failure]) -> None:
        """Count what was asked in vain; leave what was not asked at all."""
        seen: Multiset[str] = Multiset()
        for wanted, failure in failures.items():
            ids = self._ids_of[wanted]
            if isinstance(failure, BreakerOpen | Refused):
                self._note_trouble(failure)
                continue
            seen[f"{type(failure).__name__}: {failure}"] += len(ids)
            self._tally.scanned += len(ids)
            self._tally.errors += len(ids)
            for id_ in ids:
                self._left.pop(id_, None)
        for reason, count in seen.items():
            log.warning("orders.not_answered", orders=count, reason=reason)

    def _count_unanswered(self) -> None:
        """Count as failed what nobody spoke of: handed back without a reason, it would circle."""
        log.error("orders.neither_answered_nor_failed", orders=len(self._left))
        self._tally.scanned += len(self._left)
        self._tally.errors += len(self._left)
        self._left.clear()

    def _note_trouble(self, failure: BreakerOpen | Refused) -> None:
        if isinstance(failure, Refused):
            self._trouble = Trouble(
                kind=TroubleKind.REFUSED,
                message=f"{failure}\n  mend: {failure.mend}",
                retry_after_seconds=0.0,
            )
        elif self._trouble is None:
            self._trouble = Trouble(
                kind=TroubleKind.EXCHANGE,
                message=str(failure),
                retry_after_seconds=failure.retry_after_seconds,
            )

    def _count_outcome(self, outcome: Outcome) -> None:
        match outcome.decision:
            case Change() as change:
                self._tally.reconciled += 1
                self._tally.discrepancies += 1
                self._tally.transitions[
                    f"{outcome.order.facts.status.value}.{change.to.status.value}"
                ] += 1
                self._proposals.append(_proposal(outcome, change))
            case Confirm():
                self._tally.reconciled += 1
            case Hold():
                self._tally.held += 1
            case Leave():
                pass


def _proposal(outcome: Outcome, change: Change) -> Proposal:
    return Proposal(
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
