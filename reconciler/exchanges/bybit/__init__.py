"""Bybit spot by its v5 API, and every server with the same: testnet, demo trading, country sites.

    adapter      `Bybit`: fetches a batch of orders in rounds of queries
    refs         symbols and order ids as Bybit writes them
    mapping      pages of orders to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    raw_orders   bytes to raw orders, one by one
    api          how requests are written and answers read
    decoding     answers to values or to errors
    signing      the signature of a request
    errors       published error codes, with hints
    constants    other published facts: limits, statuses, retention

Imports point down this list only.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.bybit.adapter import REQUESTS_AT_ONCE, Bybit
from reconciler.exchanges.bybit.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Bybit, requests_at_once=REQUESTS_AT_ONCE)
"""For the registry."""
