"""Write a batch, and find the rows that cannot be written by halving it.

A row can be refused (a constraint, a trigger that raises), or its write can fail for a reason that
does not name the row (a trigger that times out, a deadlock, a lock that is not released). Both roll
the whole transaction back. So the batch is halved until the row is alone: it goes on hold and the
other rows are written. A refused batch is halved at once. A failed one is
halved after MAX_TRIES tries; its parts are tried once each.

Halves are tried level by level. If only some rows are to blame, one of the first halves succeeds,
which proves that the database takes writes. If none succeeds, no row is to blame: the batch is
given up and requeued. Rows that were given up MAX_GIVE_UPS times go on hold together, so that no
row is tried for ever.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import StatementFailed, StoreRejected, StoreUnavailable
from reconciler.store.write_result import WriteResult

MAX_TRIES = 3
"""The number of tries to write a whole batch before it is halved."""

MAX_FAILED_PARTS = 8
"""After this number of failed parts and none written, the database is to blame, not a row."""

MAX_GIVE_UPS = 3

AnswersByOrder = Mapping[OrderId, Answer]
FactsByOrder = Mapping[OrderId, Facts]

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class BisectingWriter:
    """Writes batches for one worker; blocks.

    Attributes:
        apply: Decides and writes in one transaction.
        read: Reads the same rows and writes nothing: shows if the database answers at all.
    """

    apply: Callable[[AnswersByOrder, FactsByOrder], WriteResult]
    read: Callable[[AnswersByOrder, FactsByOrder], object]
    _given_up: Counter[OrderId] = field(default_factory=Counter)

    def write(
        self, answers: AnswersByOrder, seen: FactsByOrder, on_applied: Callable[[WriteResult], None]
    ) -> None:
        """Write each row of the batch or put it on hold; report each written part to `on_applied`.

        `seen` is what the rows contained before the exchange was asked.

        Raises:
            StoreUnavailable: the database does not answer, or takes no writes at all. Rows that
                were not reported were not written.
        """
        parts = deque([answers])
        failed_parts = 0
        has_written = False
        while parts:
            part = parts.popleft()
            try:
                applied = self._apply_with_retries(part, seen, MAX_TRIES if part is answers else 1)
            except (StoreRejected, StatementFailed) as error:
                if len(part) > 1:
                    parts.extend(_halves(part))
                    failed_parts += isinstance(error, StatementFailed)
                    if has_written or failed_parts < MAX_FAILED_PARTS:
                        continue
                    part = _joined(parts)
                    parts.clear()
                    self._give_up(part, error)
                applied = self._put_on_hold(part, seen, error)
            has_written = True
            for id_ in part:
                self._given_up.pop(id_, None)
            on_applied(applied)

    def _apply_with_retries(
        self, part: AnswersByOrder, seen: FactsByOrder, tries: int
    ) -> WriteResult:
        while True:
            tries -= 1
            try:
                return self.apply(part, seen)
            except StatementFailed:
                self.read(part, seen)
                if not tries:
                    raise

    def _give_up(self, rest: AnswersByOrder, error: Exception) -> None:
        """Count one give-up for each remaining row, and raise, so that they are requeued.

        Returns once each of them has been given up MAX_GIVE_UPS times.

        Raises:
            StoreUnavailable: the rest is to be tried again later.
        """
        self._given_up.update(rest.keys())
        if min(self._given_up[id_] for id_ in rest) < MAX_GIVE_UPS:
            raise StoreUnavailable(f"the database takes no writes: {error}") from error

    def _put_on_hold(
        self, part: AnswersByOrder, seen: FactsByOrder, error: StoreRejected | StatementFailed
    ) -> WriteResult:
        """Put the orders on hold whose rows cannot be written.

        Raises:
            StoreUnavailable: the hold cannot be written either, so no order is to blame: the
                database takes no writes, like a standby.
        """
        if isinstance(error, StoreRejected):
            detail = "the database refuses the exchange's facts"
            for id_ in part:
                log.warning("order.refused_by_database", order_id=str(id_), reason=str(error))
        else:
            detail = "writing this row keeps failing"
            for id_ in part:
                log.warning("order.write_fails", order_id=str(id_), reason=str(error))
        try:
            return self.apply(
                {id_: _as_fault(answer, f"{detail}: {error}") for id_, answer in part.items()},
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


def _halves(part: AnswersByOrder) -> tuple[AnswersByOrder, AnswersByOrder]:
    entries = list(part.items())
    middle = len(entries) // 2
    return dict(entries[:middle]), dict(entries[middle:])


def _joined(parts: "deque[AnswersByOrder]") -> AnswersByOrder:
    return {id_: answer for part in parts for id_, answer in part.items()}
