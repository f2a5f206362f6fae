"""The bridge to exchanges that ccxt knows and we have no adapter for: EXCHANGE_NAME=ccxt:<id>.

    adapter    `CcxtBridge`: fetches a batch of orders in rounds of ccxt's methods
    facts      what ccxt knows of an exchange: limit, credentials, which lists it has
    reports    one parsed order to a `Report`, from what the exchange stated
    symbols    the spot market that a row's symbol stands for
    errors     ccxt's exceptions to ours
    client     ccxt's client with exact numbers, our clock, and what its parser left out
    statuses   the exchange's word, and ccxt's, to our status
    modules    one exchange's module of ccxt, without the others

Imports point down this list only. The extra `ccxt` installs it.
"""

from reconciler.exchanges.base import Adapter
from reconciler.exchanges.ccxt.adapter import REQUESTS_AT_ONCE, CcxtBridge
from reconciler.exchanges.ccxt.facts import venue_of


def adapter(exchange_id: str) -> Adapter:
    """Return the adapter for an exchange of ccxt, for the registry.

    Raises:
        ConfigurationError: ccxt is not installed, or the bridge cannot use it for this exchange.
    """
    return Adapter(venue=venue_of(exchange_id), open=CcxtBridge, requests_at_once=REQUESTS_AT_ONCE)
