"""The contract of every adapter: one suite of scenarios, and each venue's dialect as data."""

from reconciler.exchanges import registry
from tests.exchanges.contract import binance, bybit, coinbase, kraken, okx
from tests.exchanges.contract.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = tuple(
    one
    for one in (binance.DIALECT, bybit.DIALECT, coinbase.DIALECT, kraken.DIALECT, okx.DIALECT)
    if one.name in registry.NAMES
)
"""One for each package of the registry: a test fails if one is missing."""
