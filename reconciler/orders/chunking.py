"""Arrange stale orders for the workers, and answers for the database: pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.exchanges.base import Venue
from reconciler.store.stale import StaleOrder
from reconciler.workload import Chunk


def chunk_orders(orders: Iterable[StaleOrder], venue: Venue) -> tuple[Chunk, ...]:
    """Cut a page into runs: orders of one symbol, in the exchange's order.

    A run is as long as a page of the exchange's history at most: neighbours by exchange id stand on
    the same page, so that one request answers for them. Symbols keep the page's order: the one with
    the longest unsynced order comes first.
    """
    by_symbol: dict[str, list[StaleOrder]] = defaultdict(list)
    for order in orders:
        by_symbol[order.symbol].append(order)
    return tuple(
        Chunk(key=symbol, items=tuple(chunk), cost=_likely_cost(len(chunk), venue))
        for symbol, group in by_symbol.items()
        for chunk in _cut(sorted(group, key=_exchange_order), venue.history_page)
    )


def split_for_transactions(
    answers: Mapping[OrderId, Answer], limit: int
) -> Iterator[dict[OrderId, Answer]]:
    """Cut a batch's answers into what is written at once: those of `limit` rows at most.

    Rows that were made one after the other lie on the same pages, whatever the order in which the
    exchange has told of them: together they are found and written with less work.
    """
    ids = sorted(answers, key=int)
    for start in range(0, len(ids), limit):
        yield {id_: answers[id_] for id_ in ids[start : start + limit]}


def _likely_cost(orders: int, venue: Venue) -> int:
    return min(orders * venue.single_weight, venue.history_weight)


def _exchange_order(order: StaleOrder) -> tuple[int, str]:
    """Sort ids that are numbers by value: by length first, then digit by digit."""
    return len(order.external_order_id), order.external_order_id


def _cut(orders: Sequence[StaleOrder], length: int) -> Iterator[Sequence[StaleOrder]]:
    for start in range(0, len(orders), length):
        yield orders[start : start + length]
