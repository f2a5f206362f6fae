from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.domain.report import average_price, rounded

from .builders import a_fault, a_report, an_absence

NAIVE = datetime(2026, 11, 24, 12, 0)  # noqa: DTZ001 - what is to be refused

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
    assert rounded(Decimal(value), scale).as_tuple() == Decimal(expected).as_tuple()


def test_column_without_a_scale_keeps_every_digit() -> None:
    value = Decimal("0." + "123456789" * 9)

    assert rounded(value, None) == value


def test_column_without_a_scale_knows_no_negative_zero() -> None:
    assert str(rounded(Decimal("-0"), None)) == "0"


def test_rounding_does_not_depend_on_the_ambient_context() -> None:
    with localcontext(Context(prec=3, rounding=ROUND_DOWN)):
        result = rounded(Decimal("12345.678"), 2)

    assert result == Decimal("12345.68")


amounts = st.decimals(min_value=0, max_value=10**30, allow_nan=False, places=25)
scales = st.integers(min_value=0, max_value=20)


@given(one=amounts, other=amounts, scale=scales)
def test_rounding_never_makes_the_larger_of_two_numbers_the_smaller(
    one: Decimal, other: Decimal, scale: int
) -> None:
    low, high = sorted([one, other])

    assert rounded(low, scale) <= rounded(high, scale)


@given(value=amounts, scale=scales)
def test_rounding_moves_by_at_most_half_a_step(value: Decimal, scale: int) -> None:
    with localcontext(prec=200):
        assert abs(rounded(value, scale) - value) * 2 <= Decimal(10) ** -scale


@given(value=amounts, scale=scales)
def test_rounding_twice_is_rounding_once(value: Decimal, scale: int) -> None:
    once = rounded(value, scale)

    assert rounded(once, scale).as_tuple() == once.as_tuple()


def test_average_is_quote_amount_divided_by_quantity() -> None:
    assert average_price(Decimal("150.75"), Decimal("1.5")) == Decimal("100.5")


@pytest.mark.parametrize(
    ("quote", "executed"),
    [("0", "1"), ("-1", "1"), ("NaN", "1"), ("1", "0"), ("1", "-1"), ("1", "NaN")],
)
def test_average_is_unknown_without_a_quote_and_a_quantity(quote: str, executed: str) -> None:
    assert average_price(Decimal(quote), Decimal(executed)) is None


def test_average_is_unknown_without_a_quote_amount() -> None:
    assert average_price(None, Decimal(1)) is None


def test_average_does_not_depend_on_the_ambient_context() -> None:
    with localcontext(Context(prec=3)):
        average = average_price(Decimal(20000), Decimal(3))

    assert rounded(average or Decimal(0), 8) == Decimal("6666.66666667")


def test_endless_average_just_below_a_half_is_not_rounded_up_twice() -> None:
    quantity = 10**45
    quote = quantity // 2 - 1

    average = average_price(Decimal(quote), Decimal(quantity))

    assert rounded(average or Decimal(0), 0) == 0


@given(
    quote=st.integers(min_value=1, max_value=10**30),
    quantity=st.integers(min_value=1, max_value=10**50),
    scale=st.integers(min_value=0, max_value=8),
)
@example(quote=1, quantity=2, scale=0)
@example(quote=5 * 10**29 - 1, quantity=10**30, scale=0)
def test_rounded_average_is_that_of_the_exact_quotient(
    quote: int, quantity: int, scale: int
) -> None:
    half_steps = 2 * quote * 10**scale // quantity
    steps = (half_steps + 1) // 2

    average = average_price(Decimal(quote), Decimal(quantity))

    assert average is not None
    assert rounded(average, scale) == Decimal(steps).scaleb(-scale, Context(prec=60))


@pytest.mark.parametrize("executed", ["-1", "NaN", "Infinity", "sNaN", "1E+100"])
def test_a_report_refuses_an_impossible_quantity(executed: str) -> None:
    with pytest.raises(ValueError, match="executed_qty"):
        a_report(executed=executed)


@pytest.mark.parametrize("average", ["-1", "NaN", "Infinity", "1E+100"])
def test_a_report_refuses_an_impossible_average(average: str) -> None:
    with pytest.raises(ValueError, match="avg_price"):
        a_report(average=average)


@pytest.mark.parametrize(
    "an_answer", [a_report, an_absence, a_fault], ids=["report", "absence", "unanswerable"]
)
def test_answer_refuses_a_time_without_a_zone(an_answer: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="fetched_at must carry a time zone"):
        an_answer(fetched_at=NAIVE)
