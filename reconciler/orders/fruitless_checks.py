"""Count the looks at an order that led to nothing, so that none circles for ever: pure.

A look ends in a confirm, a change or a hold. What ends otherwise leaves the row as stale as it was,
and its turn comes again, with its weight:

    how it ends                             what ends that
    -----------                             --------------
    the row was written meanwhile           counted: an application may write it all the time
    the answer is about another order       counted: the row's id or symbol changed meanwhile
    somebody else has the row locked        counted, once its second try failed too
    its request or its answer is at fault   counted: the order's own, the exchange answers
    just placed                             time: the grace
    already final, not ours                 itself: such a row is looked at no more
    not asked, no answer, not writable      nothing: says nothing of the order, and costs little

So an open order is looked at MOST_LOOKS times in a row at most before it is on hold. The count is a
worker's own: a replacement begins again.
"""

from reconciler.domain.decide import Rule
from reconciler.domain.order import OrderId

MOST_FRUITLESS_CHECKS = 5

MOST_REMEMBERED = 100_000
"""Orders that are counted at once: 10 MiB. One more is on hold at its first look without result,
since a count that is dropped could let it circle."""

COUNTED = frozenset({Rule.STALE_REPORT, Rule.OTHER_ORDER})
"""The rules by which an order is left that may leave it again the next time, and the next."""

ENDED_BY_TIME = frozenset({Rule.JUST_PLACED})
ENDED_BY_ITSELF = frozenset({Rule.ALREADY_FINAL, Rule.NOT_OURS, Rule.NO_ANSWER})

SAID: dict[Rule, str] = {
    Rule.STALE_REPORT: "the row was written, or the process stopped, while the exchange was asked",
    Rule.OTHER_ORDER: "its symbol or external_order_id changed while the exchange was asked",
}
"""For a person: why a look led to nothing."""

LOCKED = "another session had the row locked"


class FruitlessChecks:
    """How many looks in a row led to nothing, by order, as this worker saw it."""

    def __init__(self, most_remembered: int = MOST_REMEMBERED) -> None:
        self._most_remembered = most_remembered
        self._counts: dict[OrderId, int] = {}

    def count(self, id_: OrderId) -> int:
        """Count one more; return how many in a row, or MOST_LOOKS if there is no room to count."""
        if id_ not in self._counts and len(self._counts) >= self._most_remembered:
            return MOST_FRUITLESS_CHECKS
        self._counts[id_] = self._counts.get(id_, 0) + 1
        return self._counts[id_]

    def forget(self, id_: OrderId) -> None:
        """Begin again: a look led to something."""
        self._counts.pop(id_, None)
