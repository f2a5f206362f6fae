"""An order as our table has it."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from reconciler.domain.checks import require_aware
from reconciler.domain.status import Status
from reconciler.domain.value import Value

OrderId = int | UUID


class Facts(Value):
    """The three columns that the exchange's word is about."""

    status: Status
    executed_qty: Decimal
    avg_price: Decimal | None


class Order(Value):
    """One row of `orders`, as it is at the moment of the decision.

    `updated_at` and `created_at` carry a time zone; None where the table has no such column or
    value.
    `absences` counts how often in a row the exchange has already said "no such order".
    """

    id: OrderId
    symbol: str
    external_order_id: str
    facts: Facts
    created_at: datetime | None = None
    updated_at: datetime | None = None
    absences: int = 0

    def __post_init__(self) -> None:
        require_aware("created_at", self.created_at)
        require_aware("updated_at", self.updated_at)
