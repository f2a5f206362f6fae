"""Group stale orders into chunks for the workers, and answers into transactions: pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from operator import attrgetter

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.exchanges.base import Venue
from reconciler.resilience.limits import weight_of
from reconciler.store.stale_order import StaleOrder
from reconciler.workload import Chunk


def chunk_orders(orders: Iterable[StaleOrder], venue: Venue) -> tuple[Chunk, ...]:
    """Cut a page into chunks: orders of one symbol, sorted by exchange id.

    A chunk is at most as long as a page of the exchange's history. Neighbours by exchange id are on
    the same page of it, so one request can answer for all. Symbols keep the order of the page: the
    symbol with the longest unsynced order comes first.
    """
    by_symbol: dict[str, list[StaleOrder]] = defaultdict(list)
    for order in orders:
        by_symbol[order.symbol].append(order)
    return tuple(
        Chunk(key=symbol, items=tuple(chunk), cost=_likely_cost(len(chunk), venue))
        for symbol, group in by_symbol.items()
        for chunk in _cut(_in_exchange_order(group), venue.chunk_size)
    )


def split_for_transactions(
    answers: Mapping[OrderId, Answer], limit: int
) -> Iterator[dict[OrderId, Answer]]:
    """Split a batch's answers into transactions of at most `limit` rows, neighbours apart.

    Rows that were inserted one after the other are on the same page of the table. The new versions
    that one transaction puts on a page need room there, or they go to another page and every index
    is written. A later transaction has the room of the versions that this one has replaced.
    """
    ids = sorted(answers, key=str if _are_texts(answers) else int)
    transactions = ceil(len(ids) / limit)
    for number in range(transactions):
        yield {id_: answers[id_] for id_ in ids[number::transactions]}


def _are_texts(ids: Iterable[OrderId]) -> bool:
    """Return True if the ids are texts. All ids of a table are of one kind."""
    return isinstance(next(iter(ids), None), str)


def _likely_cost(orders: int, venue: Venue) -> int:
    return min(orders * weight_of(venue.lookup_cost), weight_of(venue.chunk_cost))


def _in_exchange_order(orders: Iterable[StaleOrder]) -> Sequence[StaleOrder]:
    """Sort numeric ids by value: by length first, then digit by digit.

    The ids of a symbol nearly always have the same length. Two sorts cost less than one by pairs.
    """
    by_digits = sorted(orders, key=_exchange_id)
    if len(set(map(len, map(_exchange_id, by_digits)))) == 1:
        return by_digits
    return sorted(by_digits, key=lambda order: len(order.external_order_id))


_exchange_id = attrgetter("external_order_id")


def _cut(orders: Sequence[StaleOrder], length: int) -> Iterator[Sequence[StaleOrder]]:
    for start in range(0, len(orders), length):
        yield orders[start : start + length]
