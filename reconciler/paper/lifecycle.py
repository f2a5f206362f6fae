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


class ExchangeStatus(StrEnum):
    """What can be the matter with an order at an exchange. Each dialect has its words for them.

    They are those of Binance, which distinguishes the most. Source: Binance Spot API documentation,
    "ENUM Definitions", order status; read 2026-11-24.
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
    ExchangeStatus.NEW: Status.NEW,
    ExchangeStatus.PENDING_NEW: Status.PENDING,
    ExchangeStatus.PARTIALLY_FILLED: Status.PARTIAL,
    ExchangeStatus.FILLED: Status.FILLED,
    ExchangeStatus.CANCELED: Status.CANCELED,
    ExchangeStatus.PENDING_CANCEL: Status.NEW,
    ExchangeStatus.REJECTED: Status.REJECTED,
    ExchangeStatus.EXPIRED: Status.EXPIRED,
    ExchangeStatus.EXPIRED_IN_MATCH: Status.EXPIRED,
}


class OrderState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order's status and execution at one moment.

    Attributes:
        exchange_status: An `ExchangeStatus`, or any other text that was set by hand or by a fault.
        quote_e8: Below zero if the exchange does not know it.
    """

    exchange_status: str
    executed_e8: int
    quote_e8: int

    @property
    def status(self) -> Status | None:
        """Our status, or None for an unknown `exchange_status`.

        It is what a venue means that has a word for each: see `Dialect.row_status`. An open order
        that is partly filled is `partial`, whatever a venue calls it.
        """
        status = STATUS_OF.get(self.exchange_status)
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
    statuses: tuple[ExchangeStatus, ...]
    time_in_force: str = "GTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderTerms:
    """Side, price and quantity of an order, in whole ticks and steps of its market."""

    market: Market
    is_buy: bool
    price_ticks: int
    quantity_steps: int


_NEW, _PARTIAL = ExchangeStatus.NEW, ExchangeStatus.PARTIALLY_FILLED

LIFECYCLES = (
    Lifecycle(frequency=34, statuses=(_NEW, ExchangeStatus.FILLED)),
    Lifecycle(frequency=12, statuses=(_NEW, _PARTIAL, ExchangeStatus.FILLED)),
    Lifecycle(frequency=7, statuses=(_NEW, _PARTIAL, _PARTIAL, ExchangeStatus.FILLED)),
    Lifecycle(
        frequency=3, statuses=(_NEW, _PARTIAL, _PARTIAL, _PARTIAL, _PARTIAL, ExchangeStatus.FILLED)
    ),
    Lifecycle(frequency=12, statuses=(_NEW, ExchangeStatus.CANCELED)),
    Lifecycle(frequency=7, statuses=(_NEW, _PARTIAL, ExchangeStatus.CANCELED)),
    Lifecycle(frequency=4, statuses=(_NEW, ExchangeStatus.EXPIRED), time_in_force="FOK"),
    Lifecycle(frequency=3, statuses=(_NEW, _PARTIAL, ExchangeStatus.EXPIRED), time_in_force="IOC"),
    Lifecycle(frequency=2, statuses=(_NEW, ExchangeStatus.REJECTED)),
    Lifecycle(frequency=1, statuses=(_NEW, ExchangeStatus.EXPIRED_IN_MATCH)),
    Lifecycle(frequency=1, statuses=(_NEW, _PARTIAL, ExchangeStatus.EXPIRED_IN_MATCH)),
    Lifecycle(frequency=6, statuses=(_NEW,)),
    Lifecycle(frequency=4, statuses=(_NEW, _PARTIAL)),
    Lifecycle(frequency=2, statuses=(ExchangeStatus.PENDING_NEW, _NEW)),
    Lifecycle(frequency=2, statuses=(ExchangeStatus.PENDING_NEW, _NEW, ExchangeStatus.FILLED)),
)

MIN_QUANTITY_STEPS = 1000
"""The smallest quantity that can be split into the fills of the longest lifecycle."""

_SCALE = DecimalPlaces(fixed_point.PLACES)
_UNTOUCHED = {
    exchange_status: OrderState(exchange_status=exchange_status, executed_e8=0, quote_e8=0)
    for exchange_status in ExchangeStatus
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
    for exchange_status in lifecycle.statuses:
        if exchange_status is _PARTIAL or exchange_status is ExchangeStatus.FILLED:
            filled_steps = next(fills)
            executed_steps += filled_steps
            quote_e8 += _fill_quote_e8(terms, filled_steps, rng)
        states.append(_state(exchange_status, executed_steps * terms.market.step_e8, quote_e8))
    return tuple(states)


def _state(exchange_status: ExchangeStatus, executed_e8: int, quote_e8: int) -> OrderState:
    if executed_e8 == 0:
        return _UNTOUCHED[exchange_status]
    return OrderState(exchange_status=exchange_status, executed_e8=executed_e8, quote_e8=quote_e8)


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
