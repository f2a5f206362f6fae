"""The request weight of a sweep over stale orders that are evenly spread over symbols.

The sweep is cut as the product does it: pages of whole symbols, a long symbol in pages of its own,
and batches of short symbols or of one long one. Pure.
"""

from collections.abc import Iterator
from functools import cache

from reconciler.store.stale import ROOM_FOR_GROWTH
from reconciler.supervisor.dispatcher import MAX_SYMBOL_ITEMS
from reconciler.supervisor.options import PAGE_ITEMS
from scripts.benchmark.exchange_cost.simulated import learned_weight


def page_of(orders: int, symbols: int) -> tuple[int, int]:
    """Return the orders and the symbols of a typical page of a sweep."""
    symbols = min(symbols, orders)
    if orders <= PAGE_ITEMS:
        return orders, symbols
    each = orders // symbols
    together = max(1, (PAGE_ITEMS - PAGE_ITEMS // ROOM_FOR_GROWTH) // each)
    return min(PAGE_ITEMS, each * together), together


def batch_shapes(orders: int, symbols: int, batch_size: int) -> Iterator[tuple[int, int, float]]:
    """Yield how a page of orders, evenly over symbols, is assigned to the workers.

    Yields:
        Orders a symbol in a batch, symbols in a batch, and how many such batches there are.
    """
    symbols = min(symbols, orders)
    full_runs, rest = divmod(orders // symbols, MAX_SYMBOL_ITEMS)
    if full_runs:
        yield MAX_SYMBOL_ITEMS, 1, float(full_runs * symbols)
    if rest:
        together = min(symbols, max(1, batch_size // rest))
        yield rest, together, symbols / together


def weight_per_order(orders: int, symbols: int, ended_share: float, batch_size: int) -> float:
    """Return the request weight of one look at an order, in a sweep over `orders`."""
    batches = list(batch_shapes(*page_of(orders, symbols), batch_size))
    weight = sum(
        _weight_of_batch(each, together, ended_share) * count for each, together, count in batches
    )
    return weight / sum(each * together * count for each, together, count in batches)


@cache
def _weight_of_batch(each: int, symbols: int, ended_share: float) -> int:
    return learned_weight((each,) * symbols, ended_share)
