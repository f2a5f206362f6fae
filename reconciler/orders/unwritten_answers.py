"""Keep answers of the exchange that the database did not take, while they are fresh.

A request costs weight, and an outage of the database is no reason to pay for it twice. During the
outage the exchange is not asked either: see `OrderHandler.prepare`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.store.stale_order import StaleOrder

FRESH_FOR = timedelta(seconds=60)
"""The age at which an answer is dropped and the order looked up again."""


class UnwrittenAnswers:
    """The answers that this worker got and could not write."""

    def __init__(self) -> None:
        self._answers: dict[OrderId, Answer] = {}
        self.last_write_failed = False
        """True if the last write failed."""

    def add(self, answers: Mapping[OrderId, Answer]) -> None:
        """Keep answers that the database did not take."""
        self._answers.update(answers)

    def take(self, orders: Mapping[OrderId, StaleOrder], now: datetime) -> dict[OrderId, Answer]:
        """Remove and return the fresh answers about `orders`; drop all that are not fresh.

        An answer fits a row only if the row still names the same order.
        """
        self._answers = {
            id_: answer
            for id_, answer in self._answers.items()
            if now - answer.fetched_at < FRESH_FOR
        }
        taken = {id_: self._answers.pop(id_) for id_ in orders if id_ in self._answers}
        return {id_: answer for id_, answer in taken.items() if _is_same_order(answer, orders[id_])}


def _is_same_order(answer: Answer, order: StaleOrder) -> bool:
    return (answer.symbol, answer.external_order_id) == (order.symbol, order.external_order_id)
