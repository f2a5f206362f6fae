"""Binance spot, and whatever speaks its dialect: the testnet, a gateway, the paper exchange.

    adapter     `Binance`: rounds of routes for a batch, an answer or a failure for every order
    answers     what a row, a list or an error says about the orders it was asked for
    session     one question under the guard: its signature, the exchange's clock, one attempt
    rows        bytes to the orders that they list
    wire        bytes to what a decoder makes of them, or to the error that they stand for
    facts       what the documentation says: weights, statuses, error codes

Imports point down this list only.
"""

from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE, Binance, request_symbol
from reconciler.exchanges.binance.constants import CODES, STATUSES, VENUE, Meaning
from reconciler.exchanges.binance.session import Sender, percent_encoded, signature_of

__all__ = [
    "CODES",
    "REQUESTS_AT_ONCE",
    "STATUSES",
    "VENUE",
    "Binance",
    "Meaning",
    "Sender",
    "percent_encoded",
    "request_symbol",
    "signature_of",
]
