"""Round a value without moving it across the limit that it is compared with."""

from collections.abc import Callable

MAX_DIGITS = 9
"""The most decimals that a value is shown with."""


def round_on_same_side(value: float, digits: int, side_of: Callable[[float], object]) -> str:
    """Return a value with `digits` decimals, or more if rounding would move it across a limit.

    Args:
        value: The value to show.
        digits: The fewest decimals.
        side_of: Judges a value: two values with equal results are on the same side.
    """
    for more in range(digits, MAX_DIGITS):
        rounded = f"{value:.{more}f}"
        if side_of(float(rounded)) == side_of(value):
            return rounded
    return f"{value:.{MAX_DIGITS}f}"
