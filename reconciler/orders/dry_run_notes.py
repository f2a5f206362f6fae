"""What a worker would have written in a dry run: it goes with the result of each batch."""

from dataclasses import dataclass, field

from reconciler.domain.decide import Change, Confirm, Hold, HoldReason
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.value import Value
from reconciler.store.write_result import OrderOutcome


class WouldChange(Value):
    """A change that was not written: the row's facts, and what the exchange says.

    `word` is the row's status in the user's word; None if the table has our words.
    """

    order_id: OrderId
    symbol: str
    external_order_id: str
    rule: str
    before: Facts
    after: Facts
    word: str | None = None


class WouldHold(Value):
    """A hold that was not written."""

    order_id: OrderId
    reason: HoldReason


@dataclass(frozen=True, slots=True)
class DryRunNotes:
    """The orders of a batch that were looked at and decided on, by decision."""

    confirmed: list[OrderId] = field(default_factory=list)
    changes: list[WouldChange] = field(default_factory=list)
    holds: list[WouldHold] = field(default_factory=list)

    def add(self, outcome: OrderOutcome) -> None:
        """Add a decision; one that leaves the order as it is leaves nothing to note."""
        order = outcome.order
        match outcome.decision:
            case Confirm():
                self.confirmed.append(order.id)
            case Change(to=after, rule=rule):
                change = WouldChange(
                    order_id=order.id,
                    symbol=order.symbol,
                    external_order_id=order.external_order_id,
                    rule=rule.value,
                    before=order.facts,
                    after=after,
                    word=order.word,
                )
                self.changes.append(change)
            case Hold(reason=reason):
                self.holds.append(WouldHold(order_id=order.id, reason=reason))
