"""How numbers, times and sizes are written, everywhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reconciler.formatting import (
    clock,
    duration,
    elapsed,
    memory,
    moment,
    number,
    percent,
)

IN_TOKYO = datetime(2026, 11, 24, 17, 30, 0, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [
        (number, 0, "0"),
        (number, 1_234_567, "1,234,567"),
        (duration, 0.4, "0 s"),
        (duration, -1, "0 s"),
        (duration, 59.6, "1 min"),
        (duration, 184, "3 min 4 s"),
        (duration, 7500, "2 h 5 min"),
        (duration, 349_200, "4 d 1 h"),
        (elapsed, 0, "0 ms"),
        (elapsed, 0.0124, "12 ms"),
        (elapsed, 0.0996, "0.1 s"),
        (elapsed, 2.14, "2.1 s"),
        (elapsed, 9.96, "10 s"),
        (elapsed, 184, "3 min 4 s"),
        (number, 0.0, "0"),
        (number, 0.25, "0.25"),
        (number, 0.999, "1.0"),
        (number, 2.5, "2.5"),
        (number, 99.96, "100"),
        (number, 1234.5, "1,234"),
        (percent, 0.0, "0%"),
        (percent, 0.0004, "<0.1%"),
        (percent, 0.109, "10.9%"),
        (percent, 1.0, "100%"),
        (memory, None, "-"),
        (memory, 61_400_000, "61 MB"),
        (moment, IN_TOKYO, "2026-11-24 08:30:00"),
        (clock, IN_TOKYO.astimezone(UTC), "08:30:00"),
    ],
)
def test_each_kind_of_value_has_one_form(
    written: Callable[[Any], str], value: object, text: str
) -> None:
    assert written(value) == text
