"""The result of a write: the decision about each order, and the orders that were skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.decide import Decision
from reconciler.domain.order import Order, OrderId
from reconciler.domain.value import Value
from reconciler.errors import StoreRejected
from reconciler.store.holds import ActiveHold
from reconciler.store.write_statement import WritePart


class OrderOutcome(Value):
    """The decision about one order. `hold` is the hold that it was under before."""

    order: Order
    hold: ActiveHold | None
    decision: Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteResult:
    """The result of one transaction: every order is in `outcomes` or in `skipped`.

    Attributes:
        skipped: Orders whose rows could not be locked: another session holds them, or they are
            gone.
        now: The database's clock during the transaction; None if no row was read.
        lock_seconds: How long it took to lock the rows, and to read them under the lock.
    """

    outcomes: tuple[OrderOutcome, ...]
    skipped: tuple[OrderId, ...]
    now: datetime | None
    lock_seconds: float = 0.0


class WriteMismatch(StoreRejected):
    """The database wrote other rows than were decided on. Nothing was committed."""

    @classmethod
    def of(
        cls, written: Mapping[WritePart, int], expected: Mapping[WritePart, int]
    ) -> "WriteMismatch":
        """Return the error for these numbers of rows."""
        return cls(
            f"the database wrote {_describe(written)} rows instead of {_describe(expected)}, so"
            " nothing was committed: look for a trigger or a row-level policy on orders or"
            " activity_log"
        )


def _describe(counts: Mapping[WritePart, int]) -> str:
    return ", ".join(f"{count} {part}" for part, count in counts.items())


class NotKept(StoreRejected):
    """A view took a write, and its row is as before. Nothing was committed."""

    @classmethod
    def of(cls, order_id: OrderId) -> "NotKept":
        """Return the error for an order."""
        return cls(
            f"a view took the write of order {order_id}, and its row is as before, so nothing was"
            " committed: let the view's trigger write what it is given"
        )
