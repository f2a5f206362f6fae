"""OKX spot, API v5, and every server with the same API: demo trading, a gateway, the paper one.

    adapter      `Okx`: fetches a batch of orders in rounds of queries
    refs         symbols and order ids as OKX writes them
    mapping      responses to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    raw_orders   bytes to raw orders, one by one
    api          requests with their signature, answers to values or to errors
    signing      the headers of a signed request
    constants    published facts: limits, states, error codes

Imports point down this list only.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.okx.adapter import REQUESTS_AT_ONCE, Okx
from reconciler.exchanges.okx.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Okx, requests_at_once=REQUESTS_AT_ONCE)
"""For the registry."""
