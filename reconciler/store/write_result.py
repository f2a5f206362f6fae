"""The result of a write: the decision about each order, and the orders that were skipped."""

from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.decide import Decision
from reconciler.domain.order import Order, OrderId
from reconciler.domain.value import Value
from reconciler.store.holds import ActiveHold


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
    """

    outcomes: tuple[OrderOutcome, ...]
    skipped: tuple[OrderId, ...]
    now: datetime | None
