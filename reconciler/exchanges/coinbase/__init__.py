"""Coinbase Advanced Trade, and every server with the same API: a gateway, the paper exchange.

    adapter      `Coinbase`: fetches a batch of orders in rounds of queries
    mapping      responses to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    api          requests and errors as Coinbase writes them
    signing      the web token of a request
    raw_orders   bytes to raw orders and other values
    refs         symbols and order ids as Coinbase writes them
    constants    published facts: limits, statuses, error words

Imports point down this list only.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.coinbase.adapter import REQUESTS_AT_ONCE, Coinbase
from reconciler.exchanges.coinbase.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Coinbase, requests_at_once=REQUESTS_AT_ONCE)
"""For the registry."""
