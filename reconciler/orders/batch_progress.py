"""The result of a batch in the making: each order is counted, skipped or still left to do."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import structlog

from reconciler.domain.decide import Change, Confirm, Hold, HoldReason, Leave
from reconciler.domain.order import OrderId
from reconciler.domain.status import Status
from reconciler.exchanges.request_policy import Usage
from reconciler.orders.dry_run_notes import DryRunNotes, WouldHold
from reconciler.orders.inconclusive_lookups import (
    COUNTED,
    LOCKED,
    MAX_INCONCLUSIVE_LOOKUPS,
    REASONS,
    InconclusiveLookups,
)
from reconciler.resilience.breaker import Breaker
from reconciler.store.compare_and_set import PlannedResult, PlannedWrites
from reconciler.store.write_result import OrderOutcome, WriteResult
from reconciler.workload import Batch, Chunk, Counts, Result, WorkerFault

log = structlog.get_logger(__name__)


class BatchProgress:
    """Counts the orders of one batch until each has its place in the `Result`.

    Attributes:
        left: The orders that are not counted yet.
        to_hold: The orders that were looked up often enough without result, and why the last time.
        fault: The reason why the orders that are left cannot be worked on.
    """

    def __init__(
        self, batch: Batch, inconclusive: InconclusiveLookups, *, with_notes: bool
    ) -> None:
        self.left: set[OrderId] = {order.id for chunk in batch.chunks for order in chunk.items}
        self.to_hold: dict[OrderId, str] = {}
        self.fault: WorkerFault | None = None
        self._chunks = batch.chunks
        self._second_tries = {
            order.id for chunk in batch.chunks if chunk.is_second_try for order in chunk.items
        }
        self._inconclusive = inconclusive
        self._counts = Counts()
        self._skipped: set[OrderId] = set()
        self._not_asked = 0
        self._unchanged: set[OrderId] = set()
        self._is_cut_short = False
        self._halted: str | None = None
        self._notes = DryRunNotes() if with_notes else None

    def return_remaining(self, fault: WorkerFault) -> None:
        """Return the orders that are left to the supervisor, because of a fault."""
        self.fault = fault

    def cut_short(self) -> None:
        """Return the orders that are left to the supervisor, because this worker stops."""
        self._is_cut_short = True

    def drop(self, answered: Collection[OrderId]) -> None:
        """Leave the rows as they are, since nothing may be written; the answered ones count."""
        self._counts.scanned += len(self.left.intersection(answered))
        self.left.clear()

    def halt(self, reason: str, answered: Collection[OrderId]) -> None:
        """Leave the rows as they are, since the halt is on."""
        self._halted = reason
        self.drop(answered)

    def leave_to_next_sweep(self, ids: Collection[OrderId]) -> None:
        """Leave orders that were not asked about, since the exchange fails about them."""
        self.left.difference_update(ids)
        self._not_asked += len(ids)

    def count_errors(self, ids: Collection[OrderId]) -> None:
        """Count orders that were asked about without result; the next sweep tries them again."""
        self._counts.scanned += len(ids)
        self._counts.errors += len(ids)
        self.left.difference_update(ids)

    def count_applied(self, applied: WriteResult) -> None:
        """Count what was written; a skipped order counts only if this was its second try."""
        self._counts.scanned += len(applied.outcomes)
        for outcome in applied.outcomes:
            self._count_outcome(outcome)
        self.left.difference_update(outcome.order.id for outcome in applied.outcomes)
        self._count_skipped(applied.skipped)

    def count_planned(self, planned: PlannedWrites, result: PlannedResult) -> None:
        """Count what was written to rows that were as planned, and the rows that were locked."""
        unwritten = result.different | result.skipped
        confirmed = [order.id for order, _ in planned.confirmed if order.id not in unwritten]
        changed = [
            (order.id, order.status, change.to.status)
            for order, _, change in planned.changed
            if order.id not in unwritten
        ]
        self._counts.scanned += len(confirmed) + len(changed)
        self._counts.reconciled += len(confirmed)
        self._count_changes([(before, after) for _, before, after in changed])
        self._settle([*confirmed, *(id_ for id_, _, _ in changed)])
        self._count_skipped(result.skipped)

    def count_held(self, ids: Collection[OrderId]) -> None:
        """Count orders that went on hold after too many inconclusive look-ups."""
        self._counts.held += len(ids)
        for id_ in ids:
            self._inconclusive.forget(id_)
            self._unchanged.discard(id_)
            if self._notes is not None:
                self._notes.holds.append(WouldHold(order_id=id_, reason=HoldReason.ERROR))

    def result(self, breaker: Breaker, usage: Usage) -> Result:
        """Return the result of the batch."""
        if self.fault is None and self.left and not self._is_cut_short:
            self._count_unresolved()
        if self.fault is not None:
            self._counts.errors += self.fault.failed_tries
        self._counts.requests = usage.requests
        self._counts.weight = usage.weight
        return Result(
            counts=self._counts,
            breaker=breaker.snapshot(),
            skipped=self._chunks_of(self._skipped),
            unfinished=self._chunks_of(self.left),
            fault=self.fault,
            halted=self._halted,
            notes=self._notes,
            not_asked=self._not_asked,
            unchanged=len(self._unchanged),
        )

    def _chunks_of(self, ids: set[OrderId]) -> tuple[Chunk, ...]:
        """Return the batch's chunks with only the orders in `ids`."""
        filtered = (
            (chunk, tuple(order for order in chunk.items if order.id in ids))
            for chunk in self._chunks
        )
        return tuple(replace(chunk, items=items) for chunk, items in filtered if items)

    def _count_unresolved(self) -> None:
        """Count orders as errors that neither were answered nor failed.

        Returned to the supervisor, they would come back again and again.
        """
        log.error("orders.unresolved", orders=len(self.left))
        self.count_errors(tuple(self.left))

    def _settle(self, ids: Collection[OrderId]) -> None:
        """Forget earlier look-ups of orders that have led to something now."""
        self.left.difference_update(ids)
        self._inconclusive.forget_all(ids)

    def _count_skipped(self, ids: Collection[OrderId]) -> None:
        skipped_twice = self._second_tries.intersection(ids)
        self._counts.scanned += len(skipped_twice)
        self._counts.skipped_locked += len(skipped_twice)
        self._skipped.update(ids)
        for id_ in skipped_twice:
            self._count_inconclusive(id_, LOCKED)
        self.left.difference_update(ids)

    def _count_changes(self, transitions: Collection[tuple[Status, Status]]) -> None:
        self._counts.reconciled += len(transitions)
        self._counts.discrepancies += len(transitions)
        for (before, after), count in Counter(transitions).items():
            self._counts.transitions[f"{before.value}.{after.value}"] += count

    def _count_inconclusive(self, id_: OrderId, reason: str) -> None:
        """Count a look-up that led to nothing; the last one allowed puts the order on hold."""
        if self._inconclusive.count(id_) >= MAX_INCONCLUSIVE_LOOKUPS:
            self.to_hold[id_] = reason

    def _count_outcome(self, outcome: OrderOutcome) -> None:
        if not isinstance(outcome.decision, Leave):
            self._inconclusive.forget(outcome.order.id)
        if self._notes is not None:
            self._notes.add(outcome)
        match outcome.decision:
            case Change() as change:
                self._count_changes([(outcome.order.facts.status, change.to.status)])
            case Confirm():
                self._counts.reconciled += 1
            case Hold():
                self._counts.held += 1
            case Leave(rule=rule):
                self._unchanged.add(outcome.order.id)
                if rule in COUNTED:
                    self._count_inconclusive(outcome.order.id, REASONS[rule])
