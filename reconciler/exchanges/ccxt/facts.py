"""What ccxt knows of an exchange before anything is asked: how often, and with which credentials.

ccxt has one limit for each exchange, `rateLimit`: the milliseconds for a request of cost 1.
"""

import inspect
from datetime import timedelta
from math import floor
from typing import Any

from reconciler.domain.retention import Retention
from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.base import Venue
from reconciler.exchanges.ccxt.client import COST_SCALE, api_address
from reconciler.exchanges.ccxt.modules import load_class
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.resilience.limits import LimitScope, RateLimit
from reconciler.settings import KeyType

PAGE_SIZE = 50
"""Orders on one page of a list: what ccxt asks for differs, and few exchanges give fewer."""

OPEN_ORDERS, CLOSED_ORDERS = "fetch_open_orders", "fetch_closed_orders"
"""ccxt's methods for the lists."""

REQUESTS = "requests"
"""The one limit, in tenths of a request of cost 1."""

_SUPPORTED_CREDENTIALS = frozenset({"apiKey", "secret", "password"})

RETENTION = Retention(unfilled=timedelta(hours=2), filled=timedelta(days=7))
"""The shortest that a documented exchange has (OKX): ccxt does not know it of any."""


def venue_of(exchange_id: str) -> Venue:
    """Return the facts of an exchange that is asked through ccxt.

    Raises:
        ConfigurationError: ccxt is not installed, does not know the exchange, cannot look up one
            order there, or signs with credentials that we have no settings for.
    """
    client = load_class(exchange_id)()
    problems = _problems(exchange_id, client)
    if problems:
        raise ConfigurationError(problems)
    return Venue(
        name=f"ccxt:{exchange_id}",
        base_url=api_address(client),
        limits=(_limit(client),),
        lookup_cost={REQUESTS: COST_SCALE},
        chunk_size=PAGE_SIZE,
        chunk_cost={REQUESTS: COST_SCALE},
        retention=RETENTION,
        placement_grace=timedelta(seconds=60),
        needs_passphrase=bool(client.requiredCredentials.get("password")),
        key_types=frozenset(KeyType),
        needs_nonce=_numbers_requests(type(client)),
    )


def queries_of(client: Any) -> VenueQueries:
    """Return what ccxt can ask the exchange about orders, from the data of its class.

    A list is asked for by symbol, and for one page: how ccxt asks for the next one differs, and
    some exchanges refuse a list of all symbols, or charge for each.
    """
    page = PagedList(page_size=PAGE_SIZE, of_symbol=1)
    return VenueQueries(
        places=tuple(Place(one_order=1) for _ in lookups_of(client)),
        open_list=page,
        ended_list=page if client.has.get("fetchClosedOrders") is True else None,
    )


def lookups_of(client: Any) -> tuple[str, ...]:
    """Return the methods that look up one order by its id, in the order in which they are tried.

    Where an exchange keeps open and closed orders apart, ccxt's `fetchOrder` may see only some of
    the closed ones (Bybit's: the last 500), so each place has a method of its own.
    """
    if all(client.has.get(name) is True for name in ("fetchOpenOrder", "fetchClosedOrder")):
        return ("fetch_open_order", "fetch_closed_order")
    return ("fetch_order",) if client.has.get("fetchOrder") is True else ()


def _limit(client: Any) -> RateLimit:
    """Return the limit: in one second, or in the time of one request where that is longer."""
    milliseconds = float(client.rateLimit)
    seconds = max(1.0, milliseconds / 1000)
    return RateLimit(
        name=REQUESTS,
        scope=LimitScope.KEY,
        amount=max(COST_SCALE, floor(seconds * 1000 / milliseconds * COST_SCALE)),
        window=timedelta(seconds=seconds),
    )


def _numbers_requests(exchange: type) -> bool:
    """Return True if requests carry a `nonce`, which many exchanges want to grow with each."""
    return "'nonce'" in inspect.getsource(exchange.sign)  # type: ignore[attr-defined] # ccxt's


def _problems(exchange_id: str, client: Any) -> list[Problem]:
    problems = []
    if not lookups_of(client) or client.has.get("fetchOpenOrders") is not True:
        problems.append(
            Problem(
                what=f"ccxt cannot look up one order by its id, or list the open ones, at"
                f" {exchange_id}",
                hint="without that, an order that is missing cannot be told from one that was not"
                " asked for: write an adapter, docs/how-to/add-an-exchange.md",
            )
        )
    needed = {name for name, is_needed in client.requiredCredentials.items() if is_needed}
    other = sorted(needed - _SUPPORTED_CREDENTIALS)
    if other:
        problems.append(
            Problem(
                what=f"ccxt signs requests to {exchange_id} with {', '.join(other)}, for which the"
                " reconciler has no settings",
                hint="write an adapter, docs/how-to/add-an-exchange.md",
            )
        )
    return problems
