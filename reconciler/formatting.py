"""Numbers, times and sizes as a person reads them, in the terminal and in the console. Pure.

    number      1,234, 12.5, 0.25              a count; or a rate, with about three digits
    moment      2026-11-24 08:30:00            UTC, to the second; `clock` is the time of day
    duration    8 s, 3 min 4 s, 4 d 1 h        two units at most: an age, a pause, a limit
    elapsed     12 ms, 2.1 s, 34 s, 3 min 4 s  how long something took
    percent     0%, <0.1%, 10.9%
    memory      87 MB
    printable   any text, with control characters as escapes

What programs read (`--json`, logs, metrics) has plain numbers instead.
"""

from datetime import UTC, datetime
from itertools import pairwise

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_MEGABYTE = 1_000_000
SMALLEST_PERCENT = 0.1
"""A smaller share than this many percent is shown as less than it."""

TENTHS_BELOW = 10.0
"""What took fewer seconds than this is shown with a tenth of a second; below that, as ms."""


def moment(time: datetime) -> str:
    """Return a time in UTC, to the second: `2026-11-24 08:30:00`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def clock(time: datetime) -> str:
    """Return the time of day in UTC: `08:30:00`."""
    return f"{time.astimezone(UTC):%H:%M:%S}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `8 s`, `3 min 4 s`, `2 h 5 min`, `4 d 1 h`."""
    whole = max(0, round(seconds))
    for (unit, size), (smaller_unit, smaller_size) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size:,} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{whole} s"


def in_two_units(seconds: float) -> float:
    """Return the seconds that `duration` shows."""
    whole = max(0, round(seconds))
    for (_, size), (_, smaller_size) in pairwise(_UNITS):
        if whole >= size:
            return whole - whole % smaller_size
    return whole


def duration_in_all_units(seconds: float, digits: int) -> str:
    """Return a duration without leaving out a unit: `1 d 0.4 s`; the seconds with `digits`."""
    rest, parts = seconds, []
    for unit, size in _UNITS[:-1]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,.0f} {unit}")
    if rest or not parts:
        parts.append(f"{rest:.{digits}f} s")
    return " ".join(parts)


def elapsed(seconds: float) -> str:
    """Return how long something took: `12 ms`, `2.1 s`, then as a duration."""
    if round(seconds, 1) >= TENTHS_BELOW:
        return duration(seconds)
    if round(seconds, 3) < 0.1:  # noqa: PLR2004 - a tenth of a second
        return f"{max(0, round(seconds * 1000))} ms"
    return f"{seconds:.1f} s"


def number(value: float) -> str:
    """Return a number with thousands separators, and about three digits: `0.25`, `2.5`, `1,234`.

    An `int` is shown with all its digits.
    """
    size = abs(value)
    if isinstance(value, int) or size == 0 or round(size, 1) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if round(size, 2) >= 1 else f"{value:.2f}"


def percent(share: float) -> str:
    """Return a share of 1 as a percentage: `10.9%`; never `0.0%` for what is not zero."""
    percentage = 100 * share
    if 0 < percentage < SMALLEST_PERCENT:
        return f"<{SMALLEST_PERCENT}%"
    return f"{percentage:,.1f}".removesuffix(".0") + "%"


def printable(text: str) -> str:
    """Return a text without what would act on a terminal: that is shown as an escape."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def memory(size_bytes: int | None) -> str:
    """Return a size in megabytes: `87 MB`; a dash if it is not known."""
    return "-" if size_bytes is None else f"{size_bytes / _MEGABYTE:,.0f} MB"
