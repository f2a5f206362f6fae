from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.paper import fixed_point


@given(st.integers(-(10**24), 10**24))
def test_formatted_number_is_parsed_back_unchanged(value_e8: int) -> None:
    assert fixed_point.from_text(fixed_point.to_text(value_e8)) == value_e8
    assert Decimal(fixed_point.to_text(value_e8)) == fixed_point.to_decimal(value_e8)


@pytest.mark.parametrize(
    ("value_e8", "text"),
    [(0, "0.00000000"), (1, "0.00000001"), (150_000_000, "1.50000000"), (-1, "-0.00000001")],
)
def test_numbers_have_eight_places_and_no_exponent(value_e8: int, text: str) -> None:
    assert fixed_point.to_text(value_e8) == text


@pytest.mark.parametrize("text", ["", "one", "NaN", "Infinity", "0.000000001", "1,5"])
def test_text_that_is_not_a_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        fixed_point.from_text(text)
