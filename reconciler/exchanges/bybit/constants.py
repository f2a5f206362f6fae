"""Published facts of Bybit's v5 API for spot orders, as tables.

Source: docs/v5 of github.com/bybit-exchange/docs, which bybit-exchange.github.io/docs/v5 shows,
read 2026-11-28 (its commit 072c197, 2026-07-24). Each table names its page.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.exchanges.base import Venue
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.resilience.limits import Cost, LimitScope, RateLimit
from reconciler.settings import KeyType

CATEGORY = "spot"
"""The product that every request names."""

# rate-limit.mdx, "API Rate Limit Table": for each account and path, in a rolling second.
REALTIME_LIMIT = RateLimit(
    name="order_realtime", scope=LimitScope.ROUTE, amount=50, window=timedelta(seconds=1)
)
HISTORY_LIMIT = RateLimit(
    name="order_history", scope=LimitScope.ROUTE, amount=50, window=timedelta(seconds=1)
)
KEY_LIMIT = RateLimit(
    name="user_query_api", scope=LimitScope.ROUTE, amount=10, window=timedelta(seconds=1)
)
# rate-limit.mdx, "HTTP IP limit": all requests to all hosts; a breach is answered with HTTP 403.
ADDRESS_LIMIT = RateLimit(
    name="address", scope=LimitScope.ADDRESS, amount=600, window=timedelta(seconds=5)
)

REALTIME_COST: Cost = {REALTIME_LIMIT.name: 1, ADDRESS_LIMIT.name: 1}
HISTORY_COST: Cost = {HISTORY_LIMIT.name: 1, ADDRESS_LIMIT.name: 1}
ACCOUNT_COST: Cost = {KEY_LIMIT.name: 1, ADDRESS_LIMIT.name: 1}
# market/ has no limit of its own in that table.
PUBLIC_COST: Cost = {ADDRESS_LIMIT.name: 1}

TIME_PATH = "/v5/market/time"
SYMBOLS_PATH = "/v5/market/instruments-info"
REALTIME_PATH = "/v5/order/realtime"
HISTORY_PATH = "/v5/order/history"
ACCOUNT_PATH = "/v5/user/query-api"

LIMIT_OF_PATH: Mapping[str, str] = MappingProxyType(
    {
        REALTIME_PATH: REALTIME_LIMIT.name,
        HISTORY_PATH: HISTORY_LIMIT.name,
        ACCOUNT_PATH: KEY_LIMIT.name,
    }
)
"""The limit that the headers of an answer from this path are about."""

REMAINING_HEADER = "X-Bapi-Limit-Status"
RESET_HEADER = "X-Bapi-Limit-Reset-Timestamp"
"""rate-limit.mdx: what is left of the path's limit; and, once it is exceeded, when it resets, in ms
since 1970; otherwise about the present time. `X-Bapi-Limit` is the account's limit."""

MAX_LIMIT = 100_000
"""No path allows more requests a second, so a larger number in a header is ignored as a mistake."""

PAGE_SIZE = 50
"""order/open-order.mdx and order/order-list.mdx, `limit`: 20 by default, 50 at most."""

RECENTLY_ENDED = 500
"""order/open-order.mdx: the orders that ended last, which `realtime` still knows. A restart of
Bybit's services empties it; `history` then has them."""

VENUE = Venue(
    name="bybit",
    base_url="https://api.bybit.com",
    limits=(REALTIME_LIMIT, HISTORY_LIMIT, KEY_LIMIT, ADDRESS_LIMIT),
    lookup_cost=REALTIME_COST,
    chunk_size=PAGE_SIZE,
    chunk_cost=HISTORY_COST,
    # order/order-list.mdx: canceled without a fill, rejected and deactivated orders for 24 hours;
    # orders with fills for two years.
    retention=Retention(unfilled=timedelta(hours=24), filled=timedelta(days=730)),
    # order/order-list.mdx: creation and cancelation are asynchronous, history may be late.
    placement_grace=timedelta(seconds=60),
    # guide.mdx, "Select Your API Key Type".
    key_types=frozenset({KeyType.HMAC, KeyType.RSA}),
    account_identity="the user id (userID) of the account or sub-account that owns the key",
)

QUERIES = VenueQueries(
    places=(Place(one_order=1), Place(one_order=1)),  # realtime, then history
    open_list=PagedList(page_size=PAGE_SIZE, of_symbol=1, of_all=1),
    ended_list=PagedList(page_size=PAGE_SIZE, of_symbol=1, of_all=1),
)
"""What can be asked, and what a request of each takes from its path's limit."""

RECV_WINDOW_MS = 5000
"""guide.mdx: the default. A timestamp is accepted from this long ago to less than 1 s ahead."""

MAX_SYMBOLS = 100_000
"""A list with more is no list of symbols."""

MAX_SYMBOL_PAGES = 100
"""market/instrument.mdx: spot symbols come on one page. A list with more pages never ends."""

MAX_SYMBOLS_BYTES = 32 * 2**20
"""The list of all symbols, with the rules of each, is longer than any answer about orders."""

MAX_CURSOR_LENGTH = 2000
"""A longer text is no cursor, and fits no request."""

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        # A conditional order that waits for its price, and the instant in which it is placed. The
        # page counts Triggered as closed, but the order itself goes on as New.
        "Untriggered": Status.PENDING,
        "Triggered": Status.PENDING,
        "New": Status.NEW,
        "PartiallyFilled": Status.PARTIAL,
        "Filled": Status.FILLED,
        "Cancelled": Status.CANCELED,
        # Spot only: a market order, or an order that was canceled, with fills.
        "PartiallyFilledCanceled": Status.CANCELED,
        # A conditional, TP/SL or OCO order that was canceled before it was triggered.
        "Deactivated": Status.CANCELED,
        "Rejected": Status.REJECTED,
        # On the page until 2024-01-31 and 2023-02-02: accepted, but not yet at the matching engine;
        # a cancelation is under way.
        "Created": Status.PENDING,
        "PendingCancel": Status.NEW,
    }
)
"""Our status for each word of enum.mdx, "orderStatus"."""

QUOTE_UNIT = "quoteCoin"
BASE_UNIT = "baseCoin"
"""order/open-order.mdx, `marketUnit`: the unit of a spot market order's `qty`."""
