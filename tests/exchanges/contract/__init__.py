"""The contract of every adapter: one suite of scenarios, and each venue's dialect as data."""

from tests.exchanges.contract import binance
from tests.exchanges.contract.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (binance.DIALECT,)
"""One for each package of `reconciler.exchanges.registry`: a test fails if one is missing."""
