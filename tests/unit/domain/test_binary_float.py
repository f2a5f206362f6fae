"""A number is rounded as PostgreSQL's float columns round it, and then stays the same."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.binary_float import BinaryFloat

numbers = st.decimals(
    min_value=-(10**30), max_value=10**30, allow_nan=False, allow_infinity=False
) | st.floats(width=32, allow_nan=False, allow_infinity=False).map(Decimal)


@given(number=numbers, kind=st.sampled_from(BinaryFloat))
def test_a_kept_number_is_kept_as_it_is_again(number: Decimal, kind: BinaryFloat) -> None:
    kept = kind.nearest(number)

    assert kind.nearest(kept) == kept


@given(one=numbers, other=numbers, kind=st.sampled_from(BinaryFloat))
def test_a_larger_number_is_never_kept_as_a_smaller_one(
    one: Decimal, other: Decimal, kind: BinaryFloat
) -> None:
    smaller, larger = sorted((one, other))

    assert kind.nearest(smaller) <= kind.nearest(larger)


@given(bits=st.integers(min_value=0, max_value=2**31 - 2**23 - 1))
def test_every_real_number_is_kept_as_it_is(bits: int) -> None:
    (number,) = struct.unpack("<f", struct.pack("<i", bits))

    kept = float(BinaryFloat.REAL.nearest(Decimal(number)))

    assert struct.unpack("<f", struct.pack("<f", kept)) == (number,)


@pytest.mark.parametrize(
    ("number", "kind", "kept"),
    [
        ("0.1", BinaryFloat.DOUBLE, "0.1"),
        ("0.1", BinaryFloat.REAL, "0.1"),
        ("60000.123456789", BinaryFloat.REAL, "60000.125"),
        ("33.333333333333333333333", BinaryFloat.DOUBLE, "33.333333333333336"),
        ("0", BinaryFloat.REAL, "0"),
        ("-2.5", BinaryFloat.REAL, "-2.5"),
        # Almost half-way between two reals: rounded by way of a double, it would become 1.
        ("1.00000005960464477539062500001", BinaryFloat.REAL, "1.0000001"),
        ("1E+400", BinaryFloat.DOUBLE, "1E+400"),
        ("1E+40", BinaryFloat.REAL, "1E+40"),
        ("1E-400", BinaryFloat.DOUBLE, "1E-400"),
        ("1E-60", BinaryFloat.REAL, "1E-60"),
    ],
)
def test_a_number_is_kept_as_its_float_column_shows_it(
    number: str, kind: BinaryFloat, kept: str
) -> None:
    assert kind.nearest(Decimal(number)) == Decimal(kept)
