from collections.abc import Callable
from datetime import datetime
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.domain.column_scale import DecimalPlaces, rounded
from reconciler.domain.report import average_price

from .builders import a_fault, a_report, an_absence

NAIVE = datetime(2026, 11, 24, 12, 0)  # noqa: DTZ001 - what is to be refused


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

    assert rounded(average or Decimal(0), DecimalPlaces(8)) == Decimal("6666.66666667")


def test_endless_average_just_below_a_half_is_not_rounded_up_twice() -> None:
    quantity = 10**45
    quote = quantity // 2 - 1

    average = average_price(Decimal(quote), Decimal(quantity))

    assert rounded(average or Decimal(0), DecimalPlaces(0)) == 0


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
    assert rounded(average, DecimalPlaces(scale)) == Decimal(steps).scaleb(-scale, Context(prec=60))


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
