"""How a column keeps a number: what is read back of what was written. Exact and pure.

    column                                        scale
    ------                                        -----
    numeric(p,s), integers; with a power of ten   DecimalPlaces
    numeric, text                                 EveryDigit
    double precision, real; with a power of ten   FloatScale
    what is not executed yet of `qty`             RemainingScale, over any of these
    no such column                                NoColumn

A scale `is_exact` if two of its numbers are the same only if they are equal, whatever was ordered.

Every comparison is of a number that was `rounded` to its column, so a number that the column cannot
keep never looks like news. An application adds floats, so two of them are the same if they agree in
the digits that such a sum keeps: see `is_same_number`.
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import ClassVar, assert_never

from reconciler.domain.binary_float import BinaryFloat


@dataclass(frozen=True)
class DecimalPlaces:
    """A column that keeps this many decimal places; fewer than 0 are digits before the point.

    A numeric(p,s) or integer whose values stand for a multiple of 10^e keeps `s - e` places.
    """

    is_exact: ClassVar[bool] = True
    places: int
    quantum: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantum", Decimal((0, (1,), -self.places)))


@dataclass(frozen=True)
class EveryDigit:
    """A column that keeps every digit."""

    is_exact: ClassVar[bool] = True


@dataclass(frozen=True)
class FloatScale:
    """A binary float; a number is its value times 10^`exponent`."""

    is_exact: ClassVar[bool] = False
    kind: BinaryFloat
    exponent: int = 0


@dataclass(frozen=True)
class NoColumn:
    """No column at all: nothing is kept of a number, which leaves zero."""

    is_exact: ClassVar[bool] = True


@dataclass(frozen=True)
class RemainingScale:
    """A column with what is not executed yet: the quantity ordered less the quantity executed."""

    is_exact: ClassVar[bool] = False
    left: DecimalPlaces | EveryDigit | FloatScale


EVERY_DIGIT = EveryDigit()
NO_COLUMN = NoColumn()

QuantityScale = DecimalPlaces | EveryDigit | FloatScale
Scale = QuantityScale | NoColumn | RemainingScale


def rounded(value: Decimal, scale: Scale, ordered: Decimal | None = None) -> Decimal:
    """Return what a column of that `scale` keeps of a finite `value`, as PostgreSQL writes it.

    A `numeric` and an integer round half away from zero; a binary float takes the nearest number
    that it can hold. So our result equals what the application wrote from the same number. A larger
    number never rounds to less, so no quantity seems to shrink. Zero has no sign, as in `numeric`.

    `ordered` is the row's `qty`; without it, what remains is rounded as what is executed.
    """
    match scale:
        case DecimalPlaces(quantum=quantum):
            result = value.quantize(quantum, context=_EXACT)
        case EveryDigit():
            result = value
        case FloatScale(kind=kind, exponent=0):
            result = kind.nearest(value)
        case FloatScale(kind=kind, exponent=exponent):
            stored = kind.nearest(_EXACT.scaleb(value, -exponent))
            result = _EXACT.scaleb(stored, exponent)
        case RemainingScale(left=left):
            if ordered is None or not ordered.is_finite():
                return rounded(value, left)
            result = _EXACT.subtract(ordered, rounded(_EXACT.subtract(ordered, value), left))
        case NoColumn():
            return _ZERO
        case _:
            assert_never(scale)
    return result or result.copy_abs()


def is_same_number(
    one: Decimal, other: Decimal, scale: Scale, ordered: Decimal | None = None
) -> bool:
    """Return True if two finite numbers of a column are the same but for errors of float sums.

    Such numbers differ by at most one in the last digit that their type keeps of any decimal: the
    15th for `double precision`, the 6th for `real`. The digits are those of the larger number. Of
    what remains, and of a double, which an application may have computed as such a difference, they
    are those of `ordered`, the row's `qty`, if that is larger.
    """
    if one == other:
        return True
    column = scale
    if isinstance(scale, RemainingScale):
        # A row without a value is read as one where nothing is executed: no column rounds that.
        if rounded(one, scale, ordered) == rounded(other, scale, ordered):
            return True
        column = scale.left
    if not isinstance(column, FloatScale):
        return False
    sizes = [one.copy_abs(), other.copy_abs()]
    is_difference = isinstance(scale, RemainingScale) or column.kind is BinaryFloat.DOUBLE
    if is_difference and ordered is not None and ordered.is_finite():
        sizes.append(ordered.copy_abs())
    last_digit = max(sizes).adjusted() - column.kind.decimal_digits + 1
    return _EXACT.subtract(one, other).copy_abs() <= Decimal((0, (1,), last_digit))


_ZERO = Decimal(0)
# As many digits as a `numeric` can have before and after the point, and one for the carry. Made
# once: making a context takes ten times as long as rounding.
_EXACT = Context(prec=131_072 + 16_383 + 1, rounding=ROUND_HALF_UP)
