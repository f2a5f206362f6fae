"""The exchange's words for the state of an order, and ours beside them."""

from collections.abc import Mapping
from enum import StrEnum

from reconciler.domain.status import Status


class Word(StrEnum):
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
    Word.NEW: Status.NEW,
    Word.PENDING_NEW: Status.PENDING,
    Word.PARTIALLY_FILLED: Status.PARTIAL,
    Word.FILLED: Status.FILLED,
    Word.CANCELED: Status.CANCELED,
    Word.PENDING_CANCEL: Status.NEW,
    Word.REJECTED: Status.REJECTED,
    Word.EXPIRED: Status.EXPIRED,
    Word.EXPIRED_IN_MATCH: Status.EXPIRED,
}


def status_of(word: str, *, is_filled_in_part: bool) -> Status | None:
    """Return our status for the exchange's word; None for a word that nobody knows.

    An open order of which something is filled is `partial`, whatever its word.
    """
    status = STATUS_OF.get(word)
    if status is None or status.is_terminal or not is_filled_in_part:
        return status
    return Status.PARTIAL
