"""Binance spot, and every server with the same API: the testnet, a gateway, the paper exchange.

    adapter      `Binance`: fetches a batch of orders in rounds of queries
    refs         symbols and order ids as Binance writes them
    mapping      responses to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    api          how requests are written and answers read
    raw_orders   bytes to raw orders, one by one
    decoding     HTTP responses to values or to errors
    constants    published facts: weights, statuses, error codes

Imports point down this list only.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE, Binance
from reconciler.exchanges.binance.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Binance, requests_at_once=REQUESTS_AT_ONCE)
"""For the registry."""
