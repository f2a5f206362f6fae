"""Times, durations, sizes and numbers as a person reads them: in the terminal and in the console.

Durations have two units at most.
"""

from datetime import UTC, datetime
from itertools import pairwise

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_MEGABYTE = 1_000_000


def moment(time: datetime) -> str:
    """Return a time in UTC, to the second: `2026-11-24 08:30:00`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `8 s`, `3 min 4 s`, `2 h 5 min`, `4 d 1 h`."""
    whole = max(0, round(seconds))
    for (unit, size), (smaller_unit, smaller_size) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{whole} s"


def memory(size_bytes: int | None) -> str:
    """Return a size in megabytes: `87 MB`."""
    return "-" if size_bytes is None else f"{size_bytes / _MEGABYTE:,.0f} MB"


NO_DECIMALS_FROM = 100
"""Numbers from this one on are shown without decimals."""


def number(value: float) -> str:
    """Return a number with thousands separators and no needless decimals."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= NO_DECIMALS_FROM else f"{value:,.2f}"
