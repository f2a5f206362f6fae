"""Numbers as PostgreSQL's binary floats keep and show them: exact and pure."""

import math
import struct
from decimal import Context, Decimal
from enum import StrEnum

_REAL, _BITS = struct.Struct("<f"), struct.Struct("<i")
_EXACT = Context(prec=400)
_MAX_REAL_DIGITS = 9
"""Enough significant digits to tell each `real` from its neighbours (IEEE 754 binary32)."""


class BinaryFloat(StrEnum):
    """PostgreSQL's two binary float types."""

    DOUBLE = "double precision"
    REAL = "real"

    @property
    def decimal_digits(self) -> int:
        """How many significant digits of any decimal it keeps: DBL_DIG and FLT_DIG of IEEE 754."""
        return 15 if self is BinaryFloat.DOUBLE else 6

    def nearest(self, value: Decimal) -> Decimal:
        """Return what a column of this type keeps of a finite `value`.

        The result is the shortest decimal that parses to the same float. PostgreSQL shows another
        decimal if it is half-way between two floats; both give the same result here.
        A value out of range is returned as it is: the database refuses it.
        """
        if self is BinaryFloat.DOUBLE:
            number = float(value)
            return Decimal(repr(number)) if _is_representable(number, value) else value
        return _nearest_real(value.copy_abs()).copy_sign(value)


def _is_representable(number: float, value: Decimal) -> bool:
    return math.isfinite(number) and (number != 0 or value == 0)


def _nearest_real(value: Decimal) -> Decimal:
    try:
        (bits,) = _BITS.unpack(_REAL.pack(float(value)))
    except OverflowError:
        return value
    # By way of a double, a number is rounded twice: that can miss the nearest `real` by one.
    number = min(
        (_float_of_bits(near) for near in (bits, bits - 1, bits + 1) if near >= 0),
        key=lambda near: (_distance(near, value), _bits_of(near) & 1),
    )
    return _shortest_real(number) if _is_representable(number, value) else value


def _distance(number: float, value: Decimal) -> Decimal:
    return _EXACT.abs(_EXACT.subtract(Decimal(number), value))


def _float_of_bits(bits: int) -> float:
    number: float = _REAL.unpack(_BITS.pack(bits))[0]
    return number


def _bits_of(number: float) -> int:
    bits: int = _BITS.unpack(_REAL.pack(number))[0]
    return bits


def _shortest_real(number: float) -> Decimal:
    texts = (f"{number:.{digits}g}" for digits in range(1, _MAX_REAL_DIGITS + 1))
    return Decimal(next(text for text in texts if _parses_to(text, number)))


def _parses_to(text: str, number: float) -> bool:
    try:
        return _bits_of(float(text)) == _bits_of(number)
    except OverflowError:  # Rounded up beyond the largest.
        return False
