"""Published facts of Kraken's spot REST API, as tables.

Sources, read 2026-11-28: docs.kraken.com, "Spot REST" (guides and API reference), and the OpenAPI
description that it is made from, github.com/krakenfx/api-specs (`spot-rest`). Each table names its
section; `errors` has the errors.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from reconciler.domain.retention import NEVER_FORGETS
from reconciler.domain.status import Status
from reconciler.exchanges.base import Venue
from reconciler.exchanges.key_form import KeyForm
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.resilience.limits import Cost, LimitScope, RateLimit
from reconciler.settings import KeyType

COUNTER = "counter"
"""The call counter of one API key, which each private request raises and time lowers."""

PUBLIC = "public"
"""The public requests of one address."""

QUERY_ORDERS = "/0/private/QueryOrders"
OPEN_ORDERS = "/0/private/OpenOrders"
CLOSED_ORDERS = "/0/private/ClosedOrders"
KEY_INFO = "/0/private/GetApiKeyInfo"
TIME = "/0/public/Time"
SYMBOLS = "/0/public/AssetPairs"

# "Spot REST rate limits": "Ledger/trade history calls increase the counter by 2. All other API
# calls increase this counter by 1", except the placing and canceling of orders. The documentation
# does not say whether ClosedOrders is a history call: ccxt (`kraken.py`) and Kraken's own
# kraken-cli count 1; we count 2, since a request too many costs a lockout.
QUERY_COST: Cost = MappingProxyType({COUNTER: 1})
OPEN_COST: Cost = MappingProxyType({COUNTER: 1})
CLOSED_COST: Cost = MappingProxyType({COUNTER: 2})
KEY_INFO_COST: Cost = MappingProxyType({COUNTER: 1})
PUBLIC_COST: Cost = MappingProxyType({PUBLIC: 1})

QUERY_BATCH = 20
"""Account Data, "Query Orders Info": "up to 50 ids"; the same repository's `ordersInfo.yaml`, as
ccxt, has "20 maximum", which every version takes.
"""

CLOSED_PAGE = 50
"""Account Data, "Get Closed Orders": "50 results are returned at a time, the most recent by
default". Open orders have no pages.
"""

VENUE = Venue(
    name="kraken",
    absent_order_id="OAAAAA-AAAAA-AAAAAA",
    base_url="https://api.kraken.com",
    limits=(
        # "Spot REST rate limits", of the lowest tier (Starter). Intermediate has 20 and falls by
        # 0.5 a second, Pro 20 and 1. "Each API key's counter is separate."
        RateLimit(name=COUNTER, scope=LimitScope.KEY, amount=15, leak_per_second=0.33),
        # Not in the documentation of today: ccxt, `kraken.py`, "for public: 1 req/s".
        RateLimit(name=PUBLIC, scope=LimitScope.ADDRESS, amount=1, window=timedelta(seconds=1)),
    ),
    lookup_cost=QUERY_COST,
    chunk_size=QUERY_BATCH,
    chunk_cost=QUERY_COST,
    # No page tells a time after which orders are forgotten, and `ClosedOrders` pages back to an
    # account's first one: closed orders of 2019 are in the examples of api-specs.
    retention=NEVER_FORGETS,
    # Not documented: the same as for other venues, whose query side lags by up to 10 s.
    placement_grace=timedelta(seconds=60),
    key_types=frozenset({KeyType.HMAC}),
    # "Spot REST authentication".
    key_form=KeyForm(hmac_digest="sha512", is_secret_base64=True),
    needs_nonce=True,
    # Account Data, "Get API Key Info", `iban`: "AA88 N84G WOAK NMOI".
    account_identity="the account's IIBAN",
)

QUERIES = VenueQueries(
    places=(
        Place(one_order=QUERY_COST[COUNTER], many_orders=QUERY_COST[COUNTER], batch=QUERY_BATCH),
    ),
    open_list=PagedList(page_size=None, of_all=OPEN_COST[COUNTER]),
    ended_list=PagedList(page_size=CLOSED_PAGE, of_all=CLOSED_COST[COUNTER]),
)
"""What Kraken can be asked. No list can be limited to a pair."""

QUERY_PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "query-open-trades": "Orders and trades - Query open orders & trades",
        "query-closed-trades": "Orders and trades - Query closed orders & trades",
    }
)
"""The permissions that a key needs, with their names on the page where it is made ("Query Orders
Info": either, "depending on status of order"). Without one of them a part of the orders is hidden.
"""

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "pending": Status.PENDING,
        # With something executed `decide` makes it partial.
        "open": Status.NEW,
        "closed": Status.FILLED,
        "canceled": Status.CANCELED,
        "expired": Status.EXPIRED,
    }
)
"""Our status for each word of the schema `OpenOrder`, `status`. An order that Kraken rejects gets
no txid, so there is no word for it.
"""

QUOTE_SIZED_FLAG, QUOTE_SIZED_TYPE = "viqc", "market"
"""`oflags`: "order volume expressed in quote currency. This option is supported only for buy market
orders."
"""

RATE_LIMIT_PAUSE_SECONDS = 15.0
""""Restricted for a few seconds (or possibly longer if calls continue to be made)"; kraken-cli says
5 to 15 s.
"""

LOCKOUT_SECONDS = 900.0
"""Support, "API error codes": "Temporary lockouts typically last approximately 15 minutes". The
documentation adds that each further request begins them again.
"""

THROTTLE_SECONDS = 5.0
"""The pause after `EService:Throttled` without a time."""

MAX_PAUSE_SECONDS = 3600.0
"""No text of an answer makes us pause for longer."""

NONCE_TRIES = 2
"""The times that a request is tried if its nonce is refused; each sends it twice at most."""

NONCE_HINT = (
    "make an API key for this program alone: another one uses it, with greater nonces"
    " than ours; or make a new key, since a key never takes a smaller nonce again"
)
"""For a person, if each new nonce is refused."""

REFUSAL_HINT = (
    "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist, allow this machine's IP"
    " address, and have the permissions to query open and closed orders & trades; a key that needs"
    " a one-time password cannot be used"
)
"""For a person, if the exchange refuses our credentials."""

MAX_SYMBOLS_BYTES = 32 * 2**20
"""The list of all pairs, with the fees of each, is longer than any answer about orders."""

MAX_SYMBOLS = 100_000
"""A list with more is no list of pairs."""

NEWER_ASSET_NAMES: Mapping[str, str] = MappingProxyType({"XBT": "BTC", "XDG": "DOGE"})
"""Guides, "Spot symbols": v2 of the WebSocket API has these instead, and requests take both."""
