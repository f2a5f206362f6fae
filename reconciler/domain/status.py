"""The seven statuses of an order, and the only way they may move: forward."""

from enum import StrEnum


class Status(StrEnum):
    """The status of an order. The values are those of the column `orders.status`."""

    PENDING = "pending"
    NEW = "new"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """True if the order can never change again."""
        return self in TERMINAL

    @property
    def progress(self) -> int:
        """The position in an order's life: pending < new < partial < every terminal status."""
        return _PROGRESS[self]


TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.REJECTED, Status.EXPIRED})
OPEN = frozenset(Status) - TERMINAL
SOMETHING_EXECUTED = frozenset({Status.PARTIAL, Status.FILLED})
"""An order with one of these and nothing executed contradicts itself."""

BY_VALUE = {status.value: status for status in Status}
"""A lookup here takes a third of the time of calling the enum."""


def in_both_words(word: str | None, status: str | None) -> str:
    """Return a status for a person: the user's word, and ours if it is another."""
    if word is None or word == status:
        return str(status)
    return word if status is None else f"{word} ({status})"


_PROGRESS = {
    Status.PENDING: 0,
    Status.NEW: 1,
    Status.PARTIAL: 2,
    Status.FILLED: 3,
    Status.CANCELED: 3,
    Status.REJECTED: 3,
    Status.EXPIRED: 3,
}
