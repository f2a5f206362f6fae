"""Lifecycles of orders: the states that an order passes through, and the frequency of each.

Pure: randomness is a parameter, and the same randomness gives the same states. In a lifecycle

- the executed quantity and its quote never shrink,
- a terminal state is the last,
- the quote is the sum of price times quantity over the fills, exactly,
- a fill is never worse than the limit price and never at it, so that an average differs from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from random import Random

import msgspec

from reconciler.domain.column_scale import DecimalPlaces, rounded
from reconciler.domain.report import average_price
from reconciler.domain.status import Status
from reconciler.paper import fixed_point
from reconciler.paper.market import Market


class BinanceStatus(StrEnum):
    """Order status on Binance spot.

    Source: Binance Spot API documentation, "ENUM Definitions", order status; read 2026-11-24.
    """

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    PENDING_CANCEL = "PENDING_CANCEL"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


STATUS_OF: Mapping[str, Status] = {
    BinanceStatus.NEW: Status.NEW,
    BinanceStatus.PENDING_NEW: Status.PENDING,
    BinanceStatus.PARTIALLY_FILLED: Status.PARTIAL,
    BinanceStatus.FILLED: Status.FILLED,
    BinanceStatus.CANCELED: Status.CANCELED,
    BinanceStatus.PENDING_CANCEL: Status.NEW,
    BinanceStatus.REJECTED: Status.REJECTED,
    BinanceStatus.EXPIRED: Status.EXPIRED,
    BinanceStatus.EXPIRED_IN_MATCH: Status.EXPIRED,
}


class OrderState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order's status and execution at one moment.

    A `quote_e8` below zero means that the exchange does not know it.
    """

    binance_status: str
    executed_e8: int
    quote_e8: int

    @property
    def status(self) -> Status | None:
        """Our status, or None for an unknown `binance_status`.

        An open order that is partly filled is `partial`, whatever Binance calls it.
        """
        status = STATUS_OF.get(self.binance_status)
        if status is None or status.is_terminal or self.executed_e8 <= 0:
            return status
        return Status.PARTIAL

    @property
    def is_open(self) -> bool:
        """True while the order may still change. An unknown status counts as ended."""
        return self.status is not None and not self.status.is_terminal

    @property
    def executed_qty(self) -> Decimal:
        """Filled so far, in base currency."""
        return fixed_point.to_decimal(self.executed_e8)

    @property
    def avg_price(self) -> Decimal | None:
        """The average fill price to eight places, or None if there is none or it is unknown."""
        average = average_price(fixed_point.to_decimal(self.quote_e8), self.executed_qty)
        return None if average is None else rounded(average, _SCALE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifecycle:
    """The statuses that an order passes through, and the relative frequency of that sequence."""

    frequency: int
    statuses: tuple[BinanceStatus, ...]
    time_in_force: str = "GTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderTerms:
    """Side, price and quantity of an order, in whole ticks and steps of its market."""

    market: Market
    is_buy: bool
    price_ticks: int
    quantity_steps: int


_NEW, _PARTIAL = BinanceStatus.NEW, BinanceStatus.PARTIALLY_FILLED

LIFECYCLES = (
    Lifecycle(frequency=34, statuses=(_NEW, BinanceStatus.FILLED)),
    Lifecycle(frequency=12, statuses=(_NEW, _PARTIAL, BinanceStatus.FILLED)),
    Lifecycle(frequency=7, statuses=(_NEW, _PARTIAL, _PARTIAL, BinanceStatus.FILLED)),
    Lifecycle(
        frequency=3, statuses=(_NEW, _PARTIAL, _PARTIAL, _PARTIAL, _PARTIAL, BinanceStatus.FILLED)
    ),
    Lifecycle(frequency=12, statuses=(_NEW, BinanceStatus.CANCELED)),
    Lifecycle(frequency=7, statuses=(_NEW, _PARTIAL, BinanceStatus.CANCELED)),
    Lifecycle(frequency=4, statuses=(_NEW, BinanceStatus.EXPIRED), time_in_force="FOK"),
    Lifecycle(frequency=3, statuses=(_NEW, _PARTIAL, BinanceStatus.EXPIRED), time_in_force="IOC"),
    Lifecycle(frequency=2, statuses=(_NEW, BinanceStatus.REJECTED)),
    Lifecycle(frequency=1, statuses=(_NEW, BinanceStatus.EXPIRED_IN_MATCH)),
    Lifecycle(frequency=1, statuses=(_NEW, _PARTIAL, BinanceStatus.EXPIRED_IN_MATCH)),
    Lifecycle(frequency=6, statuses=(_NEW,)),
    Lifecycle(frequency=4, statuses=(_NEW, _PARTIAL)),
    Lifecycle(frequency=2, statuses=(BinanceStatus.PENDING_NEW, _NEW)),
    Lifecycle(frequency=2, statuses=(BinanceStatus.PENDING_NEW, _NEW, BinanceStatus.FILLED)),
)

MIN_QUANTITY_STEPS = 1000
"""The smallest quantity that can be split into the fills of the longest lifecycle."""

_SCALE = DecimalPlaces(fixed_point.PLACES)
_UNTOUCHED = {
    binance_status: OrderState(binance_status=binance_status, executed_e8=0, quote_e8=0)
    for binance_status in BinanceStatus
}
_LARGEST_IMPROVEMENT = 0.001


def draw_lifecycles(count: int, rng: Random) -> Sequence[Lifecycle]:
    """Draw `count` lifecycles by their frequencies."""
    return rng.choices(LIFECYCLES, [lifecycle.frequency for lifecycle in LIFECYCLES], k=count)


def draw_states(lifecycle: Lifecycle, terms: OrderTerms, rng: Random) -> tuple[OrderState, ...]:
    """Draw the states of one order with that lifecycle, from the first to the last."""
    fills = _split_into_fills(lifecycle, terms.quantity_steps, rng)
    states = []
    executed_steps = quote_e8 = 0
    for binance_status in lifecycle.statuses:
        if binance_status is _PARTIAL or binance_status is BinanceStatus.FILLED:
            filled_steps = next(fills)
            executed_steps += filled_steps
            quote_e8 += _fill_quote_e8(terms, filled_steps, rng)
        states.append(_state(binance_status, executed_steps * terms.market.step_e8, quote_e8))
    return tuple(states)


def _state(binance_status: BinanceStatus, executed_e8: int, quote_e8: int) -> OrderState:
    if executed_e8 == 0:
        return _UNTOUCHED[binance_status]
    return OrderState(binance_status=binance_status, executed_e8=executed_e8, quote_e8=quote_e8)


def _split_into_fills(lifecycle: Lifecycle, quantity_steps: int, rng: Random) -> Iterator[int]:
    """Split the quantity into one part for each fill; the last fill takes the rest."""
    parts = lifecycle.statuses.count(_PARTIAL)
    before = 0
    for part in range(1, parts + 1):
        executed = int(quantity_steps * (part + rng.random() / 2) / (parts + 1))
        yield executed - before
        before = executed
    yield quantity_steps - before


def _fill_quote_e8(terms: OrderTerms, filled_steps: int, rng: Random) -> int:
    better_by = 1 + int(rng.random() * _LARGEST_IMPROVEMENT * terms.price_ticks)
    fill_ticks = terms.price_ticks - better_by if terms.is_buy else terms.price_ticks + better_by
    return fill_ticks * filled_steps * terms.market.quote_unit_e8
