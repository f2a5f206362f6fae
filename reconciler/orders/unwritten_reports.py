"""Answers that the database could not take: kept for as long as they are fresh.

Asking costs weight at the exchange, and an outage of the database is no reason to pay twice. While
it lasts nothing is asked either: see `OrderHandler.prepare`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.store.stale import StaleOrder

FRESH_FOR = timedelta(seconds=60)
"""An older answer is asked for again."""


class UnwrittenReports:
    """What one worker has asked for and could not write."""

    def __init__(self) -> None:
        self._answers: dict[OrderId, Answer] = {}
        self.is_store_away = False
        """Whether the last write failed."""

    def keep(self, answers: Mapping[OrderId, Answer]) -> None:
        """Keep answers that the database could not take."""
        self._answers.update(answers)

    def take(self, orders: Mapping[OrderId, StaleOrder], now: datetime) -> dict[OrderId, Answer]:
        """Return the fresh answers about `orders`, and forget them and all that are not fresh.

        An answer is one about a row only while the row names the same order.
        """
        self._answers = {
            id_: answer
            for id_, answer in self._answers.items()
            if now - answer.fetched_at < FRESH_FOR
        }
        mine = {id_: self._answers.pop(id_) for id_ in orders if id_ in self._answers}
        return {id_: answer for id_, answer in mine.items() if _is_about(answer, orders[id_])}


def _is_about(answer: Answer, order: StaleOrder) -> bool:
    return (answer.symbol, answer.external_order_id) == (order.symbol, order.external_order_id)
