"""A batch between `prepare` and `commit`: what is asked, what was answered, what came of it.

`refs`       the orders to look up, emptied once the exchange has been asked
`answers`    the answers, by row
`decisions`  what was decided on the rows as planned: those that are to be confirmed or changed
`progress`   the result in the making
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from reconciler.domain.order import Facts, Order, OrderId, parse_side
from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import (
    BreakerOpen,
    ExchangeError,
    NotSent,
    Refused,
    RequestRejected,
    Suspended,
    UnreadableRow,
)
from reconciler.exchanges.base import Failure, LookupResult, OrderRef
from reconciler.exchanges.request_policy import Usage
from reconciler.orders.batch_progress import BatchProgress
from reconciler.orders.faults import fault_of
from reconciler.orders.inconclusive_lookups import MAX_INCONCLUSIVE_LOOKUPS, InconclusiveLookups
from reconciler.orders.plain_confirm import is_plainly_confirmed
from reconciler.store.compare_and_set import PlannedWrites
from reconciler.store.stale_order import StaleOrder
from reconciler.workload import AnomalyStats, Batch

MAX_REJECTIONS = 3
"""The number of rejections in a row after which an order goes on hold."""

MAX_NAMED = 5
"""The number of orders that one log line names; of more it gives only the number."""

REJECTION_DETAILS: Mapping[type[ExchangeError], str] = {
    RequestRejected: "the exchange turns the request for this order down",
    UnreadableRow: "what the exchange says of this order cannot be true",
}
"""What a hold says first of an order whose requests are rejected, or whose answer is no order."""

log = structlog.get_logger(__name__)


class LookupCounts:
    """The counts by order that a worker keeps from one batch to the next.

    Attributes:
        inconclusive: Look-ups in a row that led to nothing.
        rejections: Those of them that were rejected, since the last answer.
    """

    def __init__(self) -> None:
        self.inconclusive = InconclusiveLookups()
        self.rejections = InconclusiveLookups()


class BatchState:
    """The orders of one batch, the answers about them and their progress.

    Attributes:
        usage: The requests that were sent for the batch.
    """

    def __init__(self, batch: Batch, counts: LookupCounts, *, with_notes: bool) -> None:
        self.orders: dict[OrderId, StaleOrder] = {
            order.id: order for chunk in batch.chunks for order in chunk.items
        }
        self.answers: dict[OrderId, Answer] = {}
        self.decisions: dict[OrderId, Confirm | Change] = {}
        self.progress = BatchProgress(batch, counts.inconclusive, with_notes=with_notes)
        self.usage = Usage()
        self._counts = counts
        # Two rows may name the same order at the exchange: asked once, answered for both.
        self._ids_by_ref: dict[OrderRef, list[OrderId]] = defaultdict(list)
        for order in self.orders.values():
            ref = OrderRef(symbol=order.symbol, external_order_id=order.external_order_id)
            self._ids_by_ref[ref].append(order.id)

    @property
    def refs(self) -> Sequence[OrderRef]:
        """The orders to look up at the exchange."""
        return list(self._ids_by_ref)

    def facts_as_planned(self, ids: Iterable[OrderId]) -> dict[OrderId, Facts]:
        """Return the facts of rows before the exchange was asked."""
        return {id_: self.orders[id_].facts for id_ in ids}

    def planned_writes(self, answers: Mapping[OrderId, Answer]) -> PlannedWrites:
        """Return the writes that were decided on the rows as planned."""
        confirmed, changed = [], []
        for id_, answer in answers.items():
            order = self.orders[id_]
            match self.decisions.get(id_):
                case Confirm() if order.version:
                    confirmed.append((order, answer))
                case Change() as change if order.version:
                    changed.append((order, answer, change))
        return PlannedWrites(confirmed=confirmed, changed=changed)

    @property
    def unwritten(self) -> dict[OrderId, Answer]:
        """The answers about the orders that are left."""
        left = self.progress.left
        return {id_: answer for id_, answer in self.answers.items() if id_ in left}

    @property
    def answer_groups(self) -> Sequence[Mapping[OrderId, Answer]]:
        """The answers about orders that are not on hold, then those about orders that are.

        They are written in separate transactions: a row that could not be written before is tried
        without the others.
        """
        held = {id_ for id_ in self.answers if self.orders[id_].is_on_hold}
        if not held:
            return [self.answers]
        free = {id_: answer for id_, answer in self.answers.items() if id_ not in held}
        return [free, {id_: self.answers[id_] for id_ in self.answers if id_ in held}]

    def reuse(self, kept: Mapping[OrderId, Answer]) -> None:
        """Take answers that could not be written before: these orders need no request."""
        self.answers.update(kept)
        for ref, ids in list(self._ids_by_ref.items()):
            self._ids_by_ref[ref] = [id_ for id_ in ids if id_ not in kept]
            if not self._ids_by_ref[ref]:
                del self._ids_by_ref[ref]

    def record_lookup(self, result: LookupResult, now: datetime) -> None:
        """Record the answers and the failures of a look-up."""
        self._record_failures(result.failures, now)
        for ref, answer in result.answers.items():
            for id_ in self._ids_by_ref[ref]:
                self.answers[id_] = answer
                self._counts.rejections.forget(id_)
        self._ids_by_ref.clear()  # A worker keeps thousands of orders until the cycle is judged.

    def decide(self, now: datetime, policy: Policy) -> AnomalyStats:
        """Decide on the rows as planned; count the suspicious answers.

        Orders that are on hold already are no new evidence, nor are answers that decide nothing.
        """
        holds: list[tuple[str, HoldReason]] = []
        for id_, answer in self.answers.items():
            order = self.orders[id_]
            if order.is_on_hold:
                continue
            if is_plainly_confirmed(order, answer, now):
                self.decisions[id_] = _CONFIRM
                continue
            match decide(_as_order(order), answer, now, policy):
                case Confirm() | Change() as decision:
                    self.decisions[id_] = decision
                case Hold(reason=reason):
                    holds.append((order.symbol, reason))
                case Leave():
                    pass
        return AnomalyStats(
            examined=len(self.decisions) + len(holds),
            suspicious=sum(reason in SUSPICIOUS for _, reason in holds),
            errors=Counter(symbol for symbol, reason in holds if reason is HoldReason.ERROR),
        )

    def _record_failures(self, failures: Mapping[OrderRef, Failure], now: datetime) -> None:
        """Count errors, answer for orders that always fail, and leave what was not asked."""
        failed: dict[str, list[OrderRef]] = defaultdict(list)
        for ref, failure in failures.items():
            ids = self._ids_by_ref[ref]
            match failure:
                case BreakerOpen() | Refused():
                    if self.progress.fault is None or isinstance(failure, Refused):
                        self.progress.return_remaining(fault_of(failure))
                case NotSent():
                    self.progress.cut_short()
                case Suspended():
                    self.progress.leave_to_next_sweep(ids)
                case RequestRejected() | UnreadableRow():
                    self._record_rejection(ref, failure, now)
                case _:
                    failed[f"{type(failure).__name__}: {failure}"].append(ref)
                    self.progress.count_errors(ids)
        for reason, refs in failed.items():
            log.warning("orders.not_answered", orders=len(refs), reason=reason, **_named(refs))

    def _record_rejection(self, ref: OrderRef, failure: ExchangeError, now: datetime) -> None:
        """Count the rejection for its orders; it becomes the answer about them if it recurs."""
        for id_ in self._ids_by_ref[ref]:
            rejections = self._counts.rejections.count(id_)
            lookups = self._counts.inconclusive.count(id_)
            log.warning(
                "order.request_rejected",
                order_id=str(id_),
                symbol=ref.symbol,
                external_order_id=ref.external_order_id,
                times=rejections,
                reason=str(failure),
            )
            recurs = rejections >= MAX_REJECTIONS or lookups >= MAX_INCONCLUSIVE_LOOKUPS
            if not recurs and not self.orders[id_].is_on_hold:
                self.progress.count_errors([id_])
                continue
            self._counts.rejections.forget(id_)
            self.answers[id_] = OrderFault(
                symbol=ref.symbol,
                external_order_id=ref.external_order_id,
                detail=f"{REJECTION_DETAILS[type(failure)]}: {failure}",
                fetched_at=now,
            )


_CONFIRM = Confirm()


def _named(refs: Collection[OrderRef]) -> dict[str, object]:
    """Return log fields that name these orders: their symbols and, if they are few, their ids."""
    symbols = sorted({ref.symbol for ref in refs})
    named: dict[str, object] = {"symbols": symbols[:MAX_NAMED]}
    if len(refs) <= MAX_NAMED:
        named["external_order_ids"] = [ref.external_order_id for ref in refs]
    return named


def _as_order(order: StaleOrder) -> Order:
    return Order(
        id=order.id,
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        facts=order.facts,
        created_at=order.created_at,
        qty=None if order.qty is None else Decimal(order.qty),
        side=parse_side(order.side),
        client_order_id=order.client_order_id,
        stored_symbol=order.stored_symbol,
        word=order.word,
    )
