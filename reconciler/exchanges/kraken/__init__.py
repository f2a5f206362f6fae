"""Kraken's spot market.

adapter       one account, as `reconciler.exchanges.base.Exchange`
mapping       answers, translated to answers and failures of the requested orders
reports       one order, translated to a `Report`
raw_orders    answers as Kraken sends them
api           requests and errors, for `reconciler.exchanges.api_client`
signing       signatures
txids         order ids
error_kinds   what each error says
constants     published facts
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.kraken.adapter import REQUESTS_AT_ONCE, Kraken
from reconciler.exchanges.kraken.constants import VENUE

ADAPTER = Adapter(venue=VENUE, open=Kraken, requests_at_once=REQUESTS_AT_ONCE)
