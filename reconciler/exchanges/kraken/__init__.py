"""Kraken's spot market, and every server with the same API: a gateway, the paper exchange.

    adapter      `Kraken`: fetches a batch of orders in rounds of queries
    mapping      answers to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    api          how requests are written and answers read
    signing      the signature of a request
    raw_orders   bytes to raw orders, one by one
    refs         order ids as Kraken writes them
    errors       published errors, with hints
    constants    other published facts: limits, statuses, retention

Imports point down this list only.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.kraken.adapter import REQUESTS_AT_ONCE, Kraken
from reconciler.exchanges.kraken.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Kraken, requests_at_once=REQUESTS_AT_ONCE)
