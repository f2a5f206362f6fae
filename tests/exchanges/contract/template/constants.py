"""Published facts of the venue's API, as tables.

Source: name the page and the section of each fact, and the day on which you read it.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.base import Venue
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.resilience.limits import Cost, LimitScope, RateLimit
from reconciler.settings import KeyType

REQUESTS = "requests"
"""The limit of all requests, for an account."""

ONE_REQUEST: Cost = MappingProxyType({REQUESTS: 1})

PAGE_SIZE = 50
BATCH = 20

VENUE = Venue(
    name="template",
    base_url="https://api.template.invalid",
    limits=(
        RateLimit(name=REQUESTS, scope=LimitScope.ACCOUNT, amount=20, window=timedelta(seconds=1)),
    ),
    lookup_cost=ONE_REQUEST,
    chunk_size=PAGE_SIZE,
    chunk_cost=ONE_REQUEST,
    # By how an order ended. An order older than this may be "not found" although it filled.
    retention=Retention(unfilled=timedelta(days=1), filled=timedelta(days=90)),
    # For how long a new order may be "not found".
    placement_grace=timedelta(seconds=60),
    key_types=frozenset({KeyType.HMAC}),
    account_identity="the account's id",
)

QUERIES = VenueQueries(
    places=(Place(one_order=1, many_orders=1, batch=BATCH),),
    open_list=PagedList(page_size=PAGE_SIZE, of_symbol=1),
)
"""What the venue can be asked, and the price of each request."""

ORDERS_PATH = "/v1/orders"
ACCOUNT_PATH = "/v1/account"
TIME_PATH = "/v1/time"
SYMBOLS_PATH = "/v1/symbols"

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "queued": Status.PENDING,
        "open": Status.NEW,
        "partial": Status.PARTIAL,
        "filled": Status.FILLED,
        "canceled": Status.CANCELED,
        "rejected": Status.REJECTED,
        "expired": Status.EXPIRED,
    }
)
"""Our status for each documented word. Any other word is no status: the order waits."""

ERROR_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {
        "unknown_order": ErrorKind.ORDER_NOT_FOUND,
        "unknown_symbol": ErrorKind.UNKNOWN_SYMBOL,
        "bad_timestamp": ErrorKind.CLOCK_SKEW,
        "bad_key": ErrorKind.REFUSED,
        "bad_signature": ErrorKind.REFUSED,
        "too_many_requests": ErrorKind.RATE_LIMITED,
        "maintenance": ErrorKind.TRANSIENT,
        "internal": ErrorKind.TRANSIENT,
    }
)
"""The kind of each documented code. Any other is a rejection of that request alone."""

USED_HEADER = "X-Used"
MAX_USED = 100 * VENUE.limits[0].amount
"""A larger number in the header is a mistake."""

DEFAULT_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 3600.0

MAX_SYMBOLS = 100_000
MAX_SYMBOLS_BYTES = 8 * 2**20
