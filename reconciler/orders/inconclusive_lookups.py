"""Count the look-ups of an order in a row that led to nothing, so that none repeats for ever.

A look-up ends in a confirm, a change or a hold. If it ends otherwise, the row is as stale as before
and is looked up again, at the same cost. What ends that:

    the look-up ends because                what ends the repetition
    ------------------------                ------------------------
    the row was written meanwhile           the count: an application may write it all the time
    the answer is about another order       the count: the row's id or symbol changed meanwhile
    another session has the row locked      the count, after its second try failed too
    the request is rejected, or the         the count: the exchange answers other orders, so the
      answer cannot be read                   problem is this order's
    the order was just placed               time: the grace period passes
    the order is final, or not ours         nothing has to: such a row is not stale any more
    not asked, no answer, not writable      nothing: it says nothing about the order, and costs
                                              little

After MAX_INCONCLUSIVE_LOOKUPS in a row the order goes on hold. Each worker has its own count, and a
replacement begins at zero.
"""

from collections.abc import Iterable

from reconciler.domain.decide import Rule
from reconciler.domain.order import OrderId

MAX_INCONCLUSIVE_LOOKUPS = 5

MAX_REMEMBERED = 100_000
"""The number of orders counted at once: 10 MiB. One more goes on hold at its first inconclusive
look-up: if its count were dropped, it could be looked up for ever."""

COUNTED = frozenset({Rule.STALE_REPORT, Rule.OTHER_ORDER})
"""The rules that leave a row as it is, and may do so again at each look-up."""

ENDED_BY_TIME = frozenset({Rule.JUST_PLACED})
ENDED_BY_ITSELF = frozenset({Rule.ALREADY_FINAL, Rule.NOT_OURS, Rule.NO_ANSWER})

REASONS: dict[Rule, str] = {
    Rule.STALE_REPORT: "the row was written, or the process stopped, while the exchange was asked",
    Rule.OTHER_ORDER: "its symbol or external_order_id changed while the exchange was asked",
}
"""The text for a person that explains why a look-up led to nothing."""

LOCKED = "another session had the row locked"


class InconclusiveLookups:
    """The number of inconclusive look-ups in a row, by order."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max_remembered = max_remembered
        self._counts: dict[OrderId, int] = {}

    def count(self, id_: OrderId) -> int:
        """Count one more and return the number; if no room is left, the number that ends it."""
        if id_ not in self._counts and len(self._counts) >= self._max_remembered:
            return MAX_INCONCLUSIVE_LOOKUPS
        self._counts[id_] = self._counts.get(id_, 0) + 1
        return self._counts[id_]

    def forget(self, id_: OrderId) -> None:
        """Begin at zero again: a look-up led to something."""
        self._counts.pop(id_, None)

    def forget_all(self, ids: Iterable[OrderId]) -> None:
        """Begin at zero again for each of these orders."""
        if self._counts:
            for id_ in ids:
                self.forget(id_)
