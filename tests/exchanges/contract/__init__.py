"""The contract of every adapter: one suite of scenarios, and each venue's dialect as data."""

from tests.exchanges.contract import binance, bybit, coinbase, kraken, okx, through_ccxt
from tests.exchanges.contract.dialect import Dialect
from tests.exchanges.contract.template import dialect as template

VENUES: tuple[Dialect, ...] = (
    binance.DIALECT,
    bybit.DIALECT,
    coinbase.DIALECT,
    kraken.DIALECT,
    okx.DIALECT,
)
"""One for each package of the registry: a test fails if one is missing."""

DIALECTS: tuple[Dialect, ...] = (*VENUES, *through_ccxt.DIALECTS, template.DIALECT)
"""And the same exchanges through the ccxt bridge; and the template's, so that a copy of it begins
with what holds.
"""
