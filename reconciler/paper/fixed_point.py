"""Numbers with eight decimal places, held as integers of 10^-8: exact, small and quick to write.

Binance states every price and quantity with eight places (Binance Spot API documentation,
`baseAssetPrecision` and `quoteAssetPrecision`, read 2026-11-24). A name that ends in `_e8` holds
such an integer: 1.5 is 150,000,000.
"""

from decimal import Decimal, InvalidOperation

PLACES = 8
ONE_E8 = 10**PLACES


def unit_e8(places: int) -> int:
    """Return 10^-places."""
    return int(10 ** (PLACES - places))


def to_text(value_e8: int) -> str:
    """Format with exactly eight decimal places, never with an exponent."""
    if value_e8 < 0:
        return "-" + to_text(-value_e8)
    whole, fraction = divmod(value_e8, ONE_E8)
    return f"{whole}.{fraction:08d}"


def to_decimal(value_e8: int) -> Decimal:
    """Return the exact number."""
    return Decimal(value_e8).scaleb(-PLACES)


def from_text(text: str) -> int:
    """Parse a decimal number of at most eight decimal places.

    Raises:
        ValueError: `text` is not a number, or has more decimal places.
    """
    try:
        scaled = Decimal(text).scaleb(PLACES)
        value = int(scaled)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a decimal number") from None
    if value != scaled:
        raise ValueError(f"{text!r} has more than {PLACES} decimal places")
    return value
