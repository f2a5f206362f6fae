"""A number is rounded as its column keeps it; errors of float sums make no number another."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.binary_float import BinaryFloat
from reconciler.domain.column_scale import (
    EVERY_DIGIT,
    NO_COLUMN,
    DecimalPlaces,
    FloatScale,
    RemainingScale,
    Scale,
    is_same_number,
    rounded,
)

DOUBLE, REAL = FloatScale(BinaryFloat.DOUBLE), FloatScale(BinaryFloat.REAL)
# As `SELECT (value)::numeric(60, scale)` prints them.
AS_POSTGRESQL_ROUNDS = {
    "half_goes_up": ("0.125", 2, "0.13"),
    "half_goes_up_to_odd_as_to_even": ("0.135", 2, "0.14"),
    "half_goes_away_from_zero": ("-0.125", 2, "-0.13"),
    "below_half_goes_down": ("0.12499999999999999999999999999999", 2, "0.12"),
    "above_half_goes_up": ("0.12500000000000000000000000000001", 2, "0.13"),
    "carry_makes_a_digit_more": ("9.995", 2, "10.00"),
    "carry_from_nothing": ("0.5", 0, "1"),
    "short_number_is_padded": ("7", 2, "7.00"),
    "tiny_number_becomes_zero": ("0.004", 2, "0.00"),
    "tiny_negative_number_becomes_zero_without_a_sign": ("-0.004", 2, "0.00"),
    "negative_zero_becomes_zero": ("-0.0", 2, "0.00"),
    "exponent_is_written_out": ("1E+3", 2, "1000.00"),
    "tiny_exponent": ("1E-300", 8, "0.00000000"),
    "negative_scale_rounds_before_the_point": ("1250", -2, "13E+2"),
    "more_digits_than_the_usual_context": (
        "123456789012345678901234567890.123456785",
        8,
        "123456789012345678901234567890.12345679",
    ),
    "huge_number_at_a_fine_scale": ("1E+20", 18, "1" + "0" * 20 + "." + "0" * 18),
    "all_nines": ("9" * 40 + ".5", 0, "1" + "0" * 40),
}


@pytest.mark.parametrize(
    ("value", "scale", "expected"), AS_POSTGRESQL_ROUNDS.values(), ids=AS_POSTGRESQL_ROUNDS
)
def test_number_is_rounded_as_postgresql_does(value: str, scale: int, expected: str) -> None:
    assert rounded(Decimal(value), DecimalPlaces(scale)).as_tuple() == Decimal(expected).as_tuple()


def test_column_without_a_scale_keeps_every_digit() -> None:
    value = Decimal("0." + "123456789" * 9)

    assert rounded(value, EVERY_DIGIT) == value


def test_column_without_a_scale_knows_no_negative_zero() -> None:
    assert str(rounded(Decimal("-0"), EVERY_DIGIT)) == "0"


def test_rounding_does_not_depend_on_the_ambient_context() -> None:
    with localcontext(Context(prec=3, rounding=ROUND_DOWN)):
        result = rounded(Decimal("12345.678"), DecimalPlaces(2))

    assert result == Decimal("12345.68")


column_scales = st.one_of(
    st.builds(DecimalPlaces, st.integers(min_value=-3, max_value=20)),
    st.just(EVERY_DIGIT),
    st.builds(FloatScale, st.sampled_from(BinaryFloat), st.sampled_from([0, 0, -6, 3])),
)
quantity_scales = column_scales | st.builds(RemainingScale, column_scales)
scales = quantity_scales | st.just(NO_COLUMN)
amounts = st.decimals(min_value=0, max_value=10**30, allow_nan=False, places=25) | st.decimals(
    min_value=0, max_value=1000, allow_nan=False, places=8
)
maybe_ordered = st.none() | amounts | st.just(Decimal("NaN"))
fills = st.lists(st.decimals(min_value="1E-8", max_value=1000, places=8), min_size=1, max_size=8)


@given(one=amounts, other=amounts, scale=scales, ordered=maybe_ordered)
def test_rounding_never_makes_the_larger_of_two_numbers_the_smaller(
    one: Decimal, other: Decimal, scale: Scale, ordered: Decimal | None
) -> None:
    low, high = sorted([one, other])

    assert rounded(low, scale, ordered) <= rounded(high, scale, ordered)


@given(value=amounts, scale=scales, ordered=maybe_ordered)
def test_rounding_twice_is_rounding_once(
    value: Decimal, scale: Scale, ordered: Decimal | None
) -> None:
    once = rounded(value, scale, ordered)

    assert rounded(once, scale, ordered).as_tuple() == once.as_tuple()


@given(value=amounts, places=st.integers(min_value=0, max_value=20))
def test_rounding_moves_by_at_most_half_a_step(value: Decimal, places: int) -> None:
    difference = Fraction(rounded(value, DecimalPlaces(places))) - Fraction(value)

    assert abs(difference) * 2 <= Fraction(10) ** -places


@given(
    value=st.decimals(min_value=0, max_value=10**12, places=8),
    ordered=st.decimals(min_value=0, max_value=10**12, places=8),
)
def test_what_remains_in_a_numeric_of_as_many_places_keeps_every_digit(
    value: Decimal, ordered: Decimal
) -> None:
    assert rounded(value, RemainingScale(DecimalPlaces(8)), ordered) == value


def test_what_remains_of_an_unknown_quantity_is_rounded_as_what_is_executed() -> None:
    assert rounded(Decimal("0.125"), RemainingScale(DecimalPlaces(2))) == Decimal("0.13")


def test_no_column_keeps_nothing() -> None:
    assert rounded(Decimal(5), NO_COLUMN) == 0


@given(quantities=fills)
def test_quantities_added_as_doubles_are_the_same_as_their_sum(
    quantities: Sequence[Decimal],
) -> None:
    added = 0.0
    for quantity in quantities:
        added += float(quantity)

    assert is_same_number(Decimal(repr(added)), sum(quantities, Decimal(0)), DOUBLE)


@given(quantities=fills, rest=st.decimals(min_value=0, max_value=1000, places=8))
def test_quantities_taken_off_as_doubles_are_the_same_as_their_sum(
    quantities: Sequence[Decimal], rest: Decimal
) -> None:
    executed = sum(quantities, Decimal(0))
    ordered = executed + rest
    left = float(ordered)
    for quantity in quantities:
        left -= float(quantity)
    row = ordered - Decimal(repr(left))

    assert is_same_number(row, executed, RemainingScale(DOUBLE), ordered)
    # An application may have written this difference into a column `filled`.
    assert is_same_number(Decimal(repr(float(row))), executed, DOUBLE, ordered)


@pytest.mark.parametrize(
    ("one", "other", "scale", "ordered", "is_same"),
    [
        ("0.30000000000000004", "0.3", DOUBLE, None, True),
        ("0.9999999999999999", "1", DOUBLE, None, True),
        ("0.3", "0.30000000000001", DOUBLE, None, False),
        ("123456.12345677", "123456.12345678", DOUBLE, "123457", False),
        ("0.3000001", "0.3", REAL, None, True),
        ("0.30001", "0.3", REAL, None, False),
        ("2", "3", REAL, "1000000", False),
        ("0.30000000000000004", "0.3", EVERY_DIGIT, None, False),
        ("0.30000000000000004", "0.3", DecimalPlaces(17), None, False),
        ("0.30000000000000004", "0.3", RemainingScale(DecimalPlaces(17)), "1", False),
        ("1E-20", "0", DOUBLE, "1", True),
        ("1E-20", "0", DOUBLE, None, False),
        ("-5E-17", "0", RemainingScale(DOUBLE), "1", True),
        ("-5E-17", "0", RemainingScale(REAL), "1", True),
        ("0.00000001", "0", RemainingScale(DOUBLE), "1000", False),
        ("1E-20", "0", RemainingScale(DOUBLE), "NaN", False),
        ("0.0", "0", NO_COLUMN, None, True),
    ],
)
def test_two_numbers_are_the_same_in_the_digits_that_float_sums_keep(
    one: str,
    other: str,
    scale: Scale,
    ordered: str | None,
    is_same: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    known = None if ordered is None else Decimal(ordered)

    assert is_same_number(Decimal(one), Decimal(other), scale, known) is is_same
    assert is_same_number(Decimal(other), Decimal(one), scale, known) is is_same
