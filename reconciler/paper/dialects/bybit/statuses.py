"""Bybit's words for the states of an order.

Source: enum.mdx, "orderStatus", of github.com/bybit-exchange/docs, read 2026-11-28. Bybit has no
word for an expired order: what its time in force ends is canceled. Nor has it one for an order
whose cancelation is under way.
"""

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.domain.status import Status
from reconciler.paper.lifecycle import ExchangeStatus, OrderState

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        ExchangeStatus.PENDING_NEW: "Untriggered",
        ExchangeStatus.NEW: "New",
        ExchangeStatus.PARTIALLY_FILLED: "PartiallyFilled",
        ExchangeStatus.PENDING_CANCEL: "New",
        ExchangeStatus.FILLED: "Filled",
        ExchangeStatus.CANCELED: "Cancelled",
        ExchangeStatus.EXPIRED: "Cancelled",
        ExchangeStatus.EXPIRED_IN_MATCH: "Cancelled",
        ExchangeStatus.REJECTED: "Rejected",
    }
)
_WITH_FILLS: Mapping[str, str] = MappingProxyType(
    {"New": "PartiallyFilled", "Cancelled": "PartiallyFilledCanceled"}
)
"""Words that change once something has been executed."""

_ROW_STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "Untriggered": Status.PENDING,
        "New": Status.NEW,
        "PartiallyFilled": Status.PARTIAL,
        "Filled": Status.FILLED,
        "Cancelled": Status.CANCELED,
        "PartiallyFilledCanceled": Status.CANCELED,
        "Deactivated": Status.CANCELED,
        "Rejected": Status.REJECTED,
    }
)


def word_of(state: OrderState) -> str:
    """Return Bybit's word for a state; a status set by hand as it is."""
    word = _WORDS.get(state.exchange_status)
    if word is None:
        return state.exchange_status
    return _WITH_FILLS.get(word, word) if state.executed_e8 > 0 else word


def row_status_of(state: OrderState) -> Status | None:
    """Return what a row must say once `word_of` was read; None for an unknown word."""
    status = _ROW_STATUSES.get(word_of(state))
    if status is None or state.executed_e8 <= 0:
        return status
    if not status.is_terminal:
        return Status.PARTIAL
    return Status.CANCELED if status is Status.REJECTED else status
