"""Symbols, order ids and statuses as Coinbase spells them.

Sources, read 2026-11-28: "Get Order" of the Advanced Trade API reference (docs.cdp.coinbase.com)
for the statuses; every order id in the examples of its SDK and of ccxt is a UUID.
"""

from collections.abc import Mapping
from uuid import UUID

from reconciler.domain.status import Status
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.market import Market

# A multiplication by an odd number permutes the integers below a power of two: ids do not ascend.
_NUMBER_BITS, _CHECK_BITS = 64, 58
_SPREAD, _CHECK = 0x9E3779B97F4A7C15, 0x2545F4914F6CDD1D
_GATHER = pow(_SPREAD, -1, 1 << _NUMBER_BITS)

WORDS: Mapping[str, str] = {
    ExchangeStatus.PENDING_NEW: "PENDING",
    ExchangeStatus.NEW: "OPEN",
    ExchangeStatus.PARTIALLY_FILLED: "OPEN",
    ExchangeStatus.PENDING_CANCEL: "CANCEL_QUEUED",
    ExchangeStatus.FILLED: "FILLED",
    ExchangeStatus.CANCELED: "CANCELLED",
    ExchangeStatus.REJECTED: "FAILED",
    ExchangeStatus.EXPIRED: "EXPIRED",
    # Self-trade prevention cancels ("Create Order", `self_trade_prevention_id`).
    ExchangeStatus.EXPIRED_IN_MATCH: "CANCELLED",
}
"""The word for each status of an order."""

STATUS_WORDS = frozenset({*WORDS.values(), "QUEUED", "EDIT_QUEUED", "UNKNOWN_ORDER_STATUS"})
"""Every word that "List Orders" takes as `order_status`."""

_ROW_STATUSES: Mapping[str, Status] = {
    "PENDING": Status.PENDING,
    "QUEUED": Status.PENDING,
    "OPEN": Status.NEW,
    "CANCEL_QUEUED": Status.NEW,
    "EDIT_QUEUED": Status.NEW,
    "FILLED": Status.FILLED,
    "CANCELLED": Status.CANCELED,
    "EXPIRED": Status.EXPIRED,
    "FAILED": Status.REJECTED,
}


def product_id(market: Market) -> str:
    """Spell a market's symbol: "BTC-USDT"."""
    return f"{market.base}-{market.quote}"


def order_uuid(number: int) -> str:
    """Spell an order's id as a UUID of version 4."""
    spread = number * _SPREAD % (1 << _NUMBER_BITS)
    bits = spread << _CHECK_BITS | _check_of(spread)
    high, middle, low = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return str(UUID(int=high << 80 | 0x4 << 76 | middle << 64 | 0b10 << 62 | low))


def order_number(order_id: str) -> int | None:
    """Return the number of an id, in small letters or capitals; None if no order can have it."""
    try:
        bits = UUID(order_id).int
    except ValueError:
        return None
    spread = (bits >> 80) << 16 | (bits >> 64 & 0xFFF) << 4 | bits >> 58 & 0xF
    number = spread * _GATHER % (1 << _NUMBER_BITS)
    return number if order_uuid(number) == order_id.lower() else None


def word(state: OrderState) -> str:
    """Return the word for a state; a status set by hand as it is."""
    return WORDS.get(state.exchange_status, state.exchange_status)


def row_status(state: OrderState) -> Status | None:
    """Return what a row must say once the word was read; None if the word says nothing."""
    status = _ROW_STATUSES.get(word(state))
    is_partial = status is not None and not status.is_terminal and state.executed_e8 > 0
    return Status.PARTIAL if is_partial else status


def _check_of(spread: int) -> int:
    return (spread ^ spread >> 29) * _CHECK % (1 << _CHECK_BITS)
