"""Show a value without moving it across the limit that it is compared with. Pure.

The texts are those of `reconciler.formatting`, with more digits where the limit needs them.
"""

from collections.abc import Callable
from typing import TypeAlias

from reconciler.formatting import (
    SMALLEST_PERCENT,
    TENTHS_BELOW,
    duration,
    duration_in_all_units,
    elapsed,
    in_two_units,
)

MAX_DIGITS = 9
"""The most decimals that a value is shown with."""

SideOf: TypeAlias = Callable[[float], object]
"""Judges a value: two values with equal results are on the same side."""


def round_on_same_side(value: float, digits: int, side_of: SideOf) -> str:
    """Return a value with `digits` decimals, or more if rounding would move it across a limit."""
    more = _digits_for(value, digits, side_of)
    return f"{value:.{more}f}"


def duration_on_same_side(seconds: float, side_of: SideOf) -> str:
    """Return a duration in its two largest units, or in all if the rest would cross a limit."""
    if side_of(in_two_units(seconds)) == side_of(seconds):
        return duration(seconds)
    digits = _digits_for(seconds, 0, side_of)
    return duration_in_all_units(round(seconds, digits), digits)


def elapsed_on_same_side(seconds: float, side_of: SideOf) -> str:
    """Return how long something took: `12 ms`, `2.1 s`, then as a duration."""
    if seconds >= TENTHS_BELOW:
        return duration_on_same_side(seconds, side_of)
    text = elapsed(seconds)
    return text if text.endswith("ms") else f"{round_on_same_side(seconds, 1, side_of)} s"


def percent_on_same_side(percentage: float, side_of: SideOf) -> str:
    """Return a percentage: `10.9%`; `<0.1%` if it is nearly nothing, unless that is a limit."""
    if 0 < percentage < SMALLEST_PERCENT and side_of(0.0) == side_of(SMALLEST_PERCENT):
        return f"<{SMALLEST_PERCENT}%"
    return round_on_same_side(percentage, 1, side_of).removesuffix(".0") + "%"


def _digits_for(value: float, fewest: int, side_of: SideOf) -> int:
    """Return with how many decimals the rounded value is on the value's side."""
    for digits in range(fewest, MAX_DIGITS):
        if side_of(round(value, digits)) == side_of(value):
            return digits
    return MAX_DIGITS
