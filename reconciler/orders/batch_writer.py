"""Write a batch so that a row that cannot be written does not keep the others waiting.

A row can be refused (a constraint, a trigger that raises), or its write can fail without an answer
about the row: a trigger that runs into a time-out, a deadlock, a lock that is not released. Both
undo the whole transaction, so the batch is halved until the row is found; it goes on hold and the
rest is written. A refusal halves at once, a failure only when it recurs.

Halves are tried level by level: where only some rows are at fault, one of the first halves succeeds
and shows that the database takes writes. Where none does, it is not the rows: the batch is given up
and comes back. Rows that came back GIVE_UPS times go on hold together, so that none circles for
ever.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import StatementFailed, StoreRejected, StoreUnavailable
from reconciler.store.order_writer import BatchResult

TRIES = 3
"""How often in a row a batch's write has to fail before it is halved."""

FAILED_PARTS = 8
"""After this many parts of a batch have failed and none succeeded, it is not the rows."""

GIVE_UPS = 3

ReportsByOrder = Mapping[OrderId, Answer]
Seen = Mapping[OrderId, Facts]

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class BisectingWriter:
    """Writes batches for one worker; blocks.

    Attributes:
        apply: Decides and writes in one transaction.
        read: Reads the same rows and writes nothing: whether the database otherwise answers.
    """

    apply: Callable[[ReportsByOrder, Seen], BatchResult]
    read: Callable[[ReportsByOrder, Seen], object]
    _given_up: Counter[OrderId] = field(default_factory=Counter)

    def write(
        self, answers: ReportsByOrder, seen: Seen, on_applied: Callable[[BatchResult], None]
    ) -> None:
        """Write every row of the batch or put it on hold; tell of each part when it is done.

        `seen` is what the rows said before the exchange was asked.

        Raises:
            StoreUnavailable: the database does not answer, or takes no writes at all. What was not
                told of was not written.
        """
        parts = deque([answers])
        failed_parts = 0
        has_written = False
        while parts:
            part = parts.popleft()
            try:
                applied = self._try(part, seen, TRIES if part is answers else 1)
            except (StoreRejected, StatementFailed) as error:
                if len(part) > 1:
                    parts.extend(_halves(part))
                    failed_parts += isinstance(error, StatementFailed)
                    if has_written or failed_parts < FAILED_PARTS:
                        continue
                    part = _joined(parts)
                    parts.clear()
                    self._give_up(part, error)
                applied = self._set_aside(part, seen, error)
            has_written = True
            for id_ in part:
                self._given_up.pop(id_, None)
            on_applied(applied)

    def _try(self, part: ReportsByOrder, seen: Seen, tries: int) -> BatchResult:
        while True:
            tries -= 1
            try:
                return self.apply(part, seen)
            except StatementFailed:
                self.read(part, seen)
                if not tries:
                    raise

    def _give_up(self, rest: ReportsByOrder, error: Exception) -> None:
        """Leave the rest for another time; return once it has come back often enough."""
        self._given_up.update(rest.keys())
        if min(self._given_up[id_] for id_ in rest) < GIVE_UPS:
            raise StoreUnavailable(f"the database takes no writes: {error}") from error

    def _set_aside(
        self, part: ReportsByOrder, seen: Seen, error: StoreRejected | StatementFailed
    ) -> BatchResult:
        """Hold the orders whose rows cannot be written.

        Raises:
            StoreUnavailable: nor can the hold, so no order is at fault: the database takes no
                writes at all, as a standby does.
        """
        if isinstance(error, StoreRejected):
            says = "the database refuses the exchange's facts"
            for id_ in part:
                log.warning("order.refused_by_database", order_id=str(id_), reason=str(error))
        else:
            says = "the write of this row fails again and again"
            for id_ in part:
                log.warning("order.write_fails", order_id=str(id_), reason=str(error))
        try:
            return self.apply(
                {id_: _as_fault(answer, f"{says}: {error}") for id_, answer in part.items()},
                seen,
            )
        except (StoreRejected, StatementFailed) as again:
            raise StoreUnavailable(f"the database takes no writes: {again}") from again


def _as_fault(answer: Answer, detail: str) -> Answer:
    return OrderFault(
        symbol=answer.symbol,
        external_order_id=answer.external_order_id,
        detail=detail,
        fetched_at=answer.fetched_at,
    )


def _halves(part: ReportsByOrder) -> tuple[ReportsByOrder, ReportsByOrder]:
    entries = list(part.items())
    middle = len(entries) // 2
    return dict(entries[:middle]), dict(entries[middle:])


def _joined(parts: "deque[ReportsByOrder]") -> ReportsByOrder:
    return {id_: answer for part in parts for id_, answer in part.items()}
