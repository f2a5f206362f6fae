"""The orders of a simulated account. The same seed generates the same orders.

Pure: no clock and no I/O. Order ids are unique in the account. Within a symbol they grow with time
and with gaps, as an exchange's do; every fourth symbol's ids lie above 2^53, where a float loses
digits.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated

import msgspec

from reconciler.paper.lifecycle import (
    MIN_QUANTITY_STEPS,
    Lifecycle,
    OrderState,
    OrderTerms,
    draw_lifecycles,
    draw_states,
)
from reconciler.paper.market import Market, list_markets

_OLDEST_MS = 3 * 24 * 3600 * 1000
_YOUNGEST_MS = 15 * 60 * 1000
_IDS_BEYOND_FLOATS = 2**53
_LARGEST_GAP = 40
_SHARE_AT_LAST_STATE = 0.85
_MINUTE_MS = 60_000


class SeedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of orders to generate, and their distribution over symbols.

    Attributes:
        symbols: The number of symbols, each with the same number of orders.
        hot_share: The share of all orders that the first symbol gets. None means an even share.
    """

    orders: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 2000
    symbols: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 12
    seed: int = 1
    hot_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class PaperOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order, with every state that it passes through.

    Attributes:
        states: From the first to the last.
        state_index: Index of the state that the exchange has.
        seen_index: Index of the state that the platform's row last saw; at most `state_index`, and
            always an open state, so that the reconciler must ask about the row.
        pace_ms: Time from one state to the next, as the order was generated.
        moved_ms: The times at which `advance` moved the order on, one for each state.
    """

    symbol: str
    order_id: int
    client_order_id: str
    is_buy: bool
    time_in_force: str
    price_e8: int
    qty_e8: int
    created_ms: int
    pace_ms: int
    states: tuple[OrderState, ...]
    state_index: int
    seen_index: int
    moved_ms: tuple[int, ...] = ()

    @property
    def state(self) -> OrderState:
        """The state that the exchange has."""
        return self.states[self.state_index]

    @property
    def seen_state(self) -> OrderState:
        """The state that the platform's row has."""
        return self.states[self.seen_index]

    @property
    def updated_ms(self) -> int:
        """The time at which the order reached its state."""
        if self.moved_ms:
            return self.moved_ms[-1]
        return self.created_ms + self.state_index * self.pace_ms


def advance(order: PaperOrder, steps: int, now_ms: int) -> PaperOrder:
    """Move an order on by `steps` states, at most to its last."""
    moved = min(steps, len(order.states) - 1 - order.state_index)
    if moved == 0:
        return order
    return msgspec.structs.replace(
        order, state_index=order.state_index + moved, moved_ms=order.moved_ms + (now_ms,) * moved
    )


def as_of(order: PaperOrder, at_ms: int) -> PaperOrder | None:
    """Return the order as it was at that time, or None if it had not been placed."""
    if at_ms < order.created_ms:
        return None
    while order.updated_ms > at_ms:
        order = msgspec.structs.replace(
            order, state_index=order.state_index - 1, moved_ms=order.moved_ms[:-1]
        )
    return order


def generate_orders(seed_options: SeedOptions, now_ms: int) -> Iterator[PaperOrder]:
    """Generate the orders of every symbol, ids ascending, the youngest a while before `now_ms`."""
    rng = Random(seed_options.seed)  # noqa: S311  # a simulation: reproducible on purpose
    markets = list_markets(seed_options.symbols)
    taken: list[range] = []
    for number, (market, count) in enumerate(zip(markets, _spread(seed_options), strict=True)):
        first_id = _free_first_id(number, count, taken, rng)
        taken.append(_ids_from(first_id, count))
        yield from _generate_symbol(market, first_id, count, now_ms, rng)


def _spread(seed_options: SeedOptions) -> Sequence[int]:
    if seed_options.hot_share is None or seed_options.symbols == 1:
        return _evenly(seed_options.orders, seed_options.symbols)
    hot = int(seed_options.orders * seed_options.hot_share)
    return [hot, *_evenly(seed_options.orders - hot, seed_options.symbols - 1)]


def _evenly(orders: int, symbols: int) -> Sequence[int]:
    each, left_over = divmod(orders, symbols)
    return [each + (number < left_over) for number in range(symbols)]


def _free_first_id(number: int, count: int, taken: Sequence[range], rng: Random) -> int:
    """Draw an id from which on `count` orders share no id with those of other symbols."""
    while True:
        first_id = _first_id(number, rng)
        ids = _ids_from(first_id, count)
        if not any(ids.start < other.stop and other.start < ids.stop for other in taken):
            return first_id


def _ids_from(first_id: int, count: int) -> range:
    """Return every id that `count` orders from `first_id` on may get."""
    return range(first_id, first_id + 1 + count * (_LARGEST_GAP + 1))


def _first_id(number: int, rng: Random) -> int:
    start = rng.randrange(10**9, 10**10)
    return start + _IDS_BEYOND_FLOATS if number % 4 == 1 else start


def _generate_symbol(
    market: Market, first_id: int, count: int, now_ms: int, rng: Random
) -> Iterator[PaperOrder]:
    order_id = first_id
    span_ms = (_OLDEST_MS - _YOUNGEST_MS) // max(1, count)
    for number, lifecycle in enumerate(draw_lifecycles(count, rng)):
        order_id += 1 + int(rng.random() * _LARGEST_GAP)
        created_ms = now_ms - _OLDEST_MS + number * span_ms + int(rng.random() * span_ms)
        yield _generate_order(market, lifecycle, order_id, created_ms, rng)


def _generate_order(
    market: Market, lifecycle: Lifecycle, order_id: int, created_ms: int, rng: Random
) -> PaperOrder:
    terms = _draw_terms(market, rng)
    states = draw_states(lifecycle, terms, rng)
    state_index, seen_index = _draw_indices(states, rng)
    return PaperOrder(
        symbol=market.symbol,
        order_id=order_id,
        client_order_id=f"web_{rng.getrandbits(72):018x}",
        is_buy=terms.is_buy,
        time_in_force=lifecycle.time_in_force,
        price_e8=terms.price_ticks * market.tick_e8,
        qty_e8=terms.quantity_steps * market.step_e8,
        created_ms=created_ms,
        pace_ms=1 + int(rng.random() * _MINUTE_MS),
        states=states,
        state_index=state_index,
        seen_index=seen_index,
    )


def _draw_terms(market: Market, rng: Random) -> OrderTerms:
    mid_ticks = market.mid_e8 // market.tick_e8
    return OrderTerms(
        market=market,
        is_buy=rng.random() < 0.5,  # noqa: PLR2004  # even odds
        price_ticks=int(mid_ticks * (0.97 + 0.06 * rng.random())),
        quantity_steps=MIN_QUANTITY_STEPS + int(rng.random() ** 3 * 1_000_000),
    )


def _draw_indices(states: Sequence[OrderState], rng: Random) -> tuple[int, int]:
    """Draw the index of the state that the exchange has, and of the one that the row last saw."""
    last = len(states) - 1
    current = last if rng.random() < _SHARE_AT_LAST_STATE else int(rng.random() * len(states))
    last_open = last if states[last].is_open else last - 1
    return current, int(rng.random() * (min(current, last_open) + 1))
