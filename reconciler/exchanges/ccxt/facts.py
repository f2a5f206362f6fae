"""What ccxt knows of an exchange before anything is asked: how often, and with which credentials.

ccxt has one limit for each exchange, `rateLimit`: the milliseconds for a request of cost 1.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import floor
from types import MappingProxyType
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

OPEN_ORDERS = "fetch_open_orders"
"""ccxt's method for the list of open orders."""

_ENDED_ORDERS = {
    "fetchCanceledAndClosedOrders": "fetch_canceled_and_closed_orders",
    "fetchClosedOrders": "fetch_closed_orders",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Paging:
    """How the next page of a list is asked for.

    Attributes:
        parameter: Has the cursor of the page.
        field: Of an order's row, has the cursor of the next page.
        size: The most orders of a page.
        is_stated: True if the exchange states the cursor; False if it is the id of the oldest order
            of a page that is full.
    """

    parameter: str
    field: str
    size: int
    is_stated: bool = True

    def next_cursor(self, orders: Sequence[Mapping[str, Any]]) -> str | None:
        """Return the cursor of the page after the one with `orders`; None if there is none."""
        found = [str(info[self.field]) for info in map(_row_of, orders) if info.get(self.field)]
        if not found:
            return None
        if self.is_stated:
            return found[0]
        return min(found, key=lambda text: (len(text), text)) if len(orders) >= self.size else None


def _row_of(order: Mapping[str, Any]) -> Mapping[str, Any]:
    info = order.get("info")
    return info if isinstance(info, Mapping) else {}


PAGING: Mapping[str, Paging] = MappingProxyType(
    {
        "bitget": Paging(parameter="idLessThan", field="orderId", size=100, is_stated=False),
        **dict.fromkeys(
            ("bybit", "bybiteu", "bybitid"),
            Paging(parameter="cursor", field="nextPageCursor", size=50),
        ),
        "coinbase": Paging(parameter="cursor", field="cursor", size=100),
        "okx": Paging(parameter="after", field="ordId", size=100, is_stated=False),
    }
)
"""By ccxt's id: where the lists have more than one page for us. Source: `fetch_open_orders` and
`fetch_canceled_and_closed_orders` of ccxt 4.5.90, which pass these parameters on, read 2026-11-29.

At others one page is read, and what is not on it is looked up: no list says that an order is not
there.
"""

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

    A list is asked for by symbol: some exchanges refuse a list of all symbols, or charge for each.
    """
    paging = PAGING.get(client.id)
    page = PagedList(page_size=PAGE_SIZE if paging is None else paging.size, of_symbol=1)
    return VenueQueries(
        places=tuple(Place(one_order=1) for _ in lookups_of(client)),
        open_list=page,
        ended_list=None if ended_orders_of(client) is None else page,
    )


def ended_orders_of(client: Any) -> str | None:
    """Return the method that lists ended orders; None if there is none, or ccxt emulates it."""
    return next(
        (method for name, method in _ENDED_ORDERS.items() if client.has.get(name) is True), None
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """One of ccxt's methods that finds an order by its id.

    Attributes:
        method: Its name.
        id_parameter: If it is the method of a list, the parameter that leaves all others out.
    """

    method: str
    id_parameter: str | None = None

    def arguments(self, order_id: str, symbol: str) -> tuple[object, ...]:
        """Return the arguments with which it is called."""
        if self.id_parameter is None:
            return (order_id, symbol)
        return (symbol, None, None, {self.id_parameter: order_id})


_BYBIT_ENDED = Lookup(method="fetch_canceled_and_closed_orders", id_parameter="orderId")
_ENDED_LOOKUPS: Mapping[str, Lookup] = MappingProxyType(
    dict.fromkeys(("bybit", "bybiteu", "bybitid"), _BYBIT_ENDED)
)
"""Instead of `fetchClosedOrder`, which at Bybit finds filled orders only: to ccxt 4.5.90 every
other that has ended does not exist. Read 2026-11-29."""


def lookups_of(client: Any) -> tuple[Lookup, ...]:
    """Return the methods that look up one order by its id, in the order in which they are tried.

    Where an exchange keeps open and closed orders apart, ccxt's `fetchOrder` may see only some of
    the closed ones (Bybit's: the last 500), so each place has a method of its own.
    """
    if all(client.has.get(name) is True for name in ("fetchOpenOrder", "fetchClosedOrder")):
        ended = _ENDED_LOOKUPS.get(client.id, Lookup(method="fetch_closed_order"))
        return (Lookup(method="fetch_open_order"), ended)
    return (Lookup(method="fetch_order"),) if client.has.get("fetchOrder") is True else ()


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
