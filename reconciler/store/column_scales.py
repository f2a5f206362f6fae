"""How a column of the user's keeps a number, from its type and the configuration file."""

from decimal import Decimal

from reconciler.domain.binary_float import BinaryFloat
from reconciler.domain.column_scale import (
    EVERY_DIGIT,
    DecimalPlaces,
    FloatScale,
    QuantityScale,
)
from reconciler.store.columns import ColumnInfo


def scale_of(column: ColumnInfo, unit: Decimal = Decimal(1)) -> QuantityScale:
    """Return how `column` keeps a number that is its value times `unit`, a power of ten."""
    exponent = unit.adjusted()
    if column.type in frozenset(BinaryFloat):
        return FloatScale(BinaryFloat(column.type), exponent)
    return EVERY_DIGIT if column.scale is None else DecimalPlaces(column.scale - exponent)
