"""Published facts of the Advanced Trade API of Coinbase, as tables.

Sources, read 2026-11-28:
- the API reference at docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api ("Get Order",
  "List Orders", "Get API Key Permissions", "Get Server Time", "List Public Products") and the guide
  "REST API Rate Limits" next to it, in part as clients quote them next to their code;
- the exchange's own SDK, coinbase-advanced-py 1.8.4 (github.com/coinbase/coinbase-advanced-py).
Each fact names its place, and other sources where these are silent.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from reconciler.domain.retention import NEVER_FORGETS
from reconciler.domain.status import Status
from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.base import Venue
from reconciler.exchanges.key_form import KeyForm
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.resilience.limits import Cost, LimitScope, RateLimit
from reconciler.settings import KeyType

PRIVATE = "private"
"""The limit of signed requests, for an account."""

PUBLIC = "public"
"""The limit of unsigned requests, for an address."""

ONE_PRIVATE: Cost = {PRIVATE: 1}
ONE_PUBLIC: Cost = {PUBLIC: 1}

BATCH_LIMIT = 50
"""Ids in one request. "List Orders" gives no limit for `order_ids`, only the URL has one: 50 ids
make one of 2.5 kB, and servers commonly take 8 kB or less."""

PAGE_SIZE = 1000
""""List Orders", `limit`: 1000 is the default and the maximum, also of open orders altogether."""

AMOUNTS: Mapping[str, int] = MappingProxyType({PRIVATE: 30, PUBLIC: 10})
"""Requests a second: see `VENUE`."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ANY_UUID = _UUID.replace("a-f", "a-fA-F")

ORDER_ID = re.compile(_UUID)
"""An order id in small letters. The reference only says "string"; every id seen is a UUID (the
examples of ccxt's coinbase.py and of the issues of coinbase-advanced-py)."""

VENUE = Venue(
    name="coinbase",
    absent_order_id="00000000-0000-4000-8000-000000000000",
    base_url="https://api.coinbase.com",
    # "REST API Rate Limits": 30 private requests a second for a user, 10 public ones for an
    # address. The page is quoted in ccxt's coinbase.py and in nautilus_coinbase.
    limits=(
        RateLimit(
            name=PRIVATE,
            scope=LimitScope.ACCOUNT,
            amount=AMOUNTS[PRIVATE],
            window=timedelta(seconds=1),
        ),
        RateLimit(
            name=PUBLIC,
            scope=LimitScope.ADDRESS,
            amount=AMOUNTS[PUBLIC],
            window=timedelta(seconds=1),
        ),
    ),
    lookup_cost=ONE_PRIVATE,
    chunk_size=BATCH_LIMIT,
    chunk_cost=ONE_PRIVATE,
    # No page says that an order is ever forgotten.
    retention=NEVER_FORGETS,
    # No page gives a time. Connectors report that an order just placed is "not found" for seconds.
    placement_grace=timedelta(seconds=60),
    # SDK, jwt_generator.py, `_algorithm_for`.
    key_types=frozenset({KeyType.ES256, KeyType.ED25519}),
    key_form=KeyForm(
        # SDK, jwt_generator.py, `_load_private_key`: PEM, or base64 of 32 or 64 bytes.
        bare_secret=KeyType.ED25519,
        # "API Key Authentication"; the id alone names newer keys (github.com/coinbase/cdp-sdk,
        # `JwtOptions.api_key_id`).
        api_key=re.compile(rf"(?:organizations/{_ANY_UUID}/apiKeys/)?{_ANY_UUID}"),
        api_key_example="organizations/{organization id}/apiKeys/{key id}, or the key id alone",
    ),
    # "Get API Key Permissions", `portfolio_uuid`.
    account_identity="the uuid of the portfolio that the key belongs to",
)

QUERIES = VenueQueries(
    places=(
        # "List Orders", `order_placement_source`: unless asked otherwise, it lists only what was
        # placed with Advanced Trade. So an id that it leaves out is looked up on its own.
        Place(many_orders=1, batch=BATCH_LIMIT),
        Place(one_order=1),
    ),
    # By no symbol: a row may write "BTCUSD", which cannot be asked for.
    open_list=PagedList(page_size=PAGE_SIZE, of_all=1),
)

PREFIX = "/api/v3/brokerage"
ORDER_PATH = f"{PREFIX}/orders/historical"
BATCH_PATH = f"{ORDER_PATH}/batch"
KEY_PATH = f"{PREFIX}/key_permissions"
TIME_PATH = f"{PREFIX}/time"
PRODUCTS_PATH = f"{PREFIX}/market/products"
"""The public list: it needs no key, and has the same content as the private one (SDK, README)."""

MAX_SYMBOLS_BYTES = 8 * 2**20
"""Some 1,000 products of 1 kB."""

MAX_SYMBOLS = 100_000
"""A list with more is no list of symbols."""

TOKEN_LIFE = timedelta(seconds=120)
"""SDK, jwt_generator.py: a token expires after two minutes."""

TOKEN_BEGINS_BEFORE = timedelta(seconds=1)
"""A token begins so long before now: our reading of the exchange's clock is not exact."""

ISSUER = "cdp"
"""SDK, jwt_generator.py, `iss`."""

OPEN = "OPEN"
""""List Orders", `order_status`: it may be asked for, but with no other status."""

STATUSES: Mapping[str, Status | None] = MappingProxyType(
    {
        "PENDING": Status.PENDING,
        "QUEUED": Status.PENDING,
        "OPEN": Status.NEW,
        # Asked to cancel or to change, and still open; with something executed `decide` makes it
        # partial.
        "CANCEL_QUEUED": Status.NEW,
        "EDIT_QUEUED": Status.NEW,
        "FILLED": Status.FILLED,
        "CANCELLED": Status.CANCELED,
        "EXPIRED": Status.EXPIRED,
        "FAILED": Status.REJECTED,
        # The nil value of the enum: it says nothing.
        "UNKNOWN_ORDER_STATUS": None,
    }
)
"""Our status for each word of "Get Order", `status`; None for the word that says nothing."""

NO_SUCH_ORDER = "order with this orderid was not found"
"""The text of a 404 about an order, in small letters: {"error": "NOT_FOUND", "error_details": ...,
"message": ...}; `error` was "unknown" before (ccxt's coinbase.py; OctoBot-Tentacles, coinbase.py).
A 404 about anything else, as a portfolio or a path, says nothing about an order."""

ERROR_WORDS: Mapping[str, ErrorKind] = MappingProxyType(
    {
        "INVALID_ARGUMENT": ErrorKind.REJECTED,
        "NOT_FOUND": ErrorKind.REJECTED,
        "unknown": ErrorKind.REJECTED,
        "PERMISSION_DENIED": ErrorKind.REFUSED,
        "RESOURCE_EXHAUSTED": ErrorKind.RATE_LIMITED,
        "INTERNAL": ErrorKind.TRANSIENT,
        "UNAVAILABLE": ErrorKind.TRANSIENT,
        "DEADLINE_EXCEEDED": ErrorKind.TRANSIENT,
        # docs.cdp.coinbase.com/coinbase-app, "Error Messages": those in `errors[].id`.
        "param_required": ErrorKind.REJECTED,
        "validation_error": ErrorKind.REJECTED,
        "invalid_request": ErrorKind.REJECTED,
        "not_found": ErrorKind.REJECTED,
        "authentication_error": ErrorKind.REFUSED,
        "unauthorized": ErrorKind.REFUSED,
        "invalid_token": ErrorKind.REFUSED,
        "revoked_token": ErrorKind.REFUSED,
        "expired_token": ErrorKind.CLOCK_SKEW,
        "invalid_scope": ErrorKind.REFUSED,
        "personal_details_required": ErrorKind.REFUSED,
        "identity_verification_required": ErrorKind.REFUSED,
        "unverified_email": ErrorKind.REFUSED,
        "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
        "resource_exhausted": ErrorKind.RATE_LIMITED,
        "internal_server_error": ErrorKind.TRANSIENT,
    }
)
"""The kind of each word in `error` (ccxt's coinbase.py; the SDK's rest_base.py) or `errors[].id`.

A status below comes before its word. Any other word is a rejection of that request alone if the
status is below 500, and no evidence about an order otherwise.
"""

STATUS_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {
        # "Unauthorized", and not why: a wrong key, or a clock that is wrong. Some right tokens are
        # refused too (coinbase-advanced-py, issue 132). So it is asked again with the exchange's
        # time; after a second one the key's own route tells whether it is the key's.
        401: ErrorKind.CLOCK_SKEW,
        403: ErrorKind.REFUSED,
        408: ErrorKind.TRANSIENT,
        # With a page of HTML (coinbase-samples/advanced-trade-sdk-go, issue 18).
        429: ErrorKind.RATE_LIMITED,
        451: ErrorKind.REFUSED,
    }
)

LIMIT_HEADER = "x-ratelimit-limit"
REMAINING_HEADER = "x-ratelimit-remaining"
RESET_HEADER = "x-ratelimit-reset"
"""SDK, constants.py. No page gives their units: what cannot be true is not used."""

MAX_RESET_SECONDS = 60
"""A longer time until a limit of one second is free again is a time of the clock, or a mistake."""

DEFAULT_PAUSE_SECONDS = 1.0
"""The pause after a 429 without `Retry-After`: the windows are a second long."""

FIREWALL_PAUSE_SECONDS = 300.0
"""The pause after a 403 that is a page and not JSON: a firewall's, which gives no time."""

MAX_PAUSE_SECONDS = 3600.0
"""No answer makes us pause for longer."""
