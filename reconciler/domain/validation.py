"""Checks on times and amounts, before anything is decided on them."""

from datetime import UTC, datetime
from decimal import Decimal

MAX_DIGITS_BEFORE_POINT = 100
"""Far beyond any real amount. A misread exponent would otherwise cost gigabytes of digits."""


def require_aware(name: str, moment: datetime | None) -> None:
    """Refuse a time without a zone: it cannot be compared with the database's clock.

    Raises:
        ValueError: `moment` is naive.
    """
    if moment is None or moment.tzinfo is UTC:  # Nearly always: `utcoffset` takes far longer.
        return
    if moment.utcoffset() is None:
        raise ValueError(f"{name} must carry a time zone, {moment.isoformat()} has none")


def require_amount(name: str, amount: Decimal | None) -> None:
    """Refuse a number that can be neither a quantity nor a price.

    Raises:
        ValueError: `amount` is not finite, is negative, or is too large to be real.
    """
    if amount is None:
        return
    if not amount.is_finite() or (amount.is_signed() and amount):
        raise ValueError(f"{name} must be finite and not negative: {amount}")
    if amount.adjusted() >= MAX_DIGITS_BEFORE_POINT:
        raise ValueError(f"{name} has more than {MAX_DIGITS_BEFORE_POINT} digits: {amount}")
