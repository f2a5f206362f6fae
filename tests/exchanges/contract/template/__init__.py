"""An adapter to begin with: a made-up venue, complete, small, and held to the contract suite.

    adapter      `Template`: fetches a batch of orders in rounds of queries
    mapping      pages of orders to the answers and failures of the orders asked for
    reports      one raw order to a `Report`
    raw_orders   bytes to raw orders, one by one
    api          how requests are written and answers read
    constants    published facts: limits, queries, statuses, errors

Imports point down this list only. docs/how-to/add-an-exchange.md says how to make a venue of it.
"""

from reconciler.exchanges.base import Adapter
from tests.exchanges.contract.template.adapter import REQUESTS_AT_ONCE, Template
from tests.exchanges.contract.template.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Template, requests_at_once=REQUESTS_AT_ONCE)
"""For the registry."""
