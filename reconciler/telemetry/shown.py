"""How a value is shown that is judged: never so short that it seems to be across the border."""

from collections.abc import Callable

MOST_DIGITS = 9
"""As many as a value is shown with at most, where fewer would put it on the wrong side."""


def decisive(value: float, digits: int, side_of: Callable[[float], object]) -> str:
    """Show a value with `digits`, or with as many more as put it on its own side of a border.

    `side_of` judges a value; what it returns is compared.
    """
    for more in range(digits, MOST_DIGITS):
        shown = f"{value:.{more}f}"
        if side_of(float(shown)) == side_of(value):
            return shown
    return f"{value:.{MOST_DIGITS}f}"
