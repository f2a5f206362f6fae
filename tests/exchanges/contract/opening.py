"""Opens the adapter of a dialect: that of the registry, or the template's, which is none of its."""

from dataclasses import replace

from reconciler.exchanges.base import Adapter, Exchange
from reconciler.exchanges.http_client import open_client
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import Sender
from reconciler.resilience.budget import Budget
from reconciler.resilience.nonces import LocalNonces
from tests.exchanges.contract.dialect import NOW, Dialect
from tests.exchanges.contract.template import ADAPTER as TEMPLATE

_NOT_REGISTERED: dict[str, Adapter] = {TEMPLATE.venue.name: TEMPLATE}


def open_dialect(dialect: Dialect, url: str, *, sender: Sender, budget: Budget) -> Exchange:
    """Open the account of the dialect's credentials at the server `url`."""
    adapter = _NOT_REGISTERED.get(dialect.name)
    if adapter is None:
        return open_exchange(
            venue(dialect.name, url),
            credentials=dialect.credentials,
            sender=sender,
            budget=budget,
            clock=lambda: NOW,
        )
    return adapter.open(
        venue=replace(adapter.venue, base_url=url),
        client=open_client(url, connections=adapter.requests_at_once),
        sender=sender,
        budget=budget,
        credentials=dialect.credentials,
        clock=lambda: NOW,
        requests_at_once=adapter.requests_at_once,
        nonces=LocalNonces(),
    )
