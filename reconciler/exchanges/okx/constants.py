"""Published facts of OKX's API v5 for spot, as tables.

Source: OKX API guide, https://www.okx.com/docs-v5/en/, read 2026-11-28 in the copies of July 2026
that its readers keep. Each table names its section.
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

_WINDOW = timedelta(seconds=2)
"""Every limit of a route counts within 2 s."""

LOOKUP_LIMIT = "order"
OPEN_LIMIT = "orders_pending"
HISTORY_LIMIT = "orders_history"
ARCHIVE_LIMIT = "orders_history_archive"
ACCOUNT_LIMIT = "account_config"
TIME_LIMIT = "public_time"
SYMBOLS_LIMIT = "public_instruments"


def _limit(name: str, amount: int, scope: LimitScope = LimitScope.ROUTE) -> RateLimit:
    return RateLimit(name=name, scope=scope, amount=amount, window=_WINDOW)


LIMITS = (
    # "Order details": 60 a 2 s for a user id and an instrument id. Counted here for the user id
    # alone, so that it holds whatever the instruments are.
    _limit(LOOKUP_LIMIT, 60),
    # "Order list", "Order history (last 7 days)" and "(last 3 months)": for a user id.
    _limit(OPEN_LIMIT, 60),
    _limit(HISTORY_LIMIT, 40),
    _limit(ARCHIVE_LIMIT, 20),
    # "Get account configuration": for a user id.
    _limit(ACCOUNT_LIMIT, 5),
    # "Get system time" and "Get instruments": for an address.
    _limit(TIME_LIMIT, 10, LimitScope.ADDRESS),
    _limit(SYMBOLS_LIMIT, 20, LimitScope.ADDRESS),
)

LOOKUP_COST: Cost = {LOOKUP_LIMIT: 1}
OPEN_COST: Cost = {OPEN_LIMIT: 1}
HISTORY_COST: Cost = {HISTORY_LIMIT: 1}
ARCHIVE_COST: Cost = {ARCHIVE_LIMIT: 1}
ACCOUNT_COST: Cost = {ACCOUNT_LIMIT: 1}
TIME_COST: Cost = {TIME_LIMIT: 1}
SYMBOLS_COST: Cost = {SYMBOLS_LIMIT: 1}

PAGE_SIZE = 100
"""The most, and the default, of `limit` in every list of orders."""

SPOT, MARGIN = "SPOT", "MARGIN"
"""The lists are of spot orders. A margin order of the table is found by its own look-up."""

ARCHIVED_TYPES = (SPOT, MARGIN)
"""The types by which the archive is asked for an order that "Order details" does not know."""

QUERIES = VenueQueries(
    # The price of a request is its share of what its own limit allows: 60, 60, 40 and 20 a 2 s. The
    # archive is asked a second time only about an order that does not exist, or a margin order.
    places=(Place(one_order=2), Place(one_order=6)),
    open_list=PagedList(page_size=PAGE_SIZE, of_symbol=2, of_all=2),
    ended_list=PagedList(page_size=PAGE_SIZE, of_symbol=3, of_all=3),
)
"""Look-ups in "Order details" and in the archive; the open orders; those that ended in 7 days."""

BASE_QUANTITY_TYPES = frozenset({SPOT, MARGIN})
"""Where `accFillSz` is in base currency ("Order details"). Elsewhere it counts contracts."""

DEMO_PARAMETER = "simulated"
DEMO_HEADER = "x-simulated-trading"
"""Overview, "Demo trading services": a request with this header set to 1 goes there."""

VENUE = Venue(
    name="okx",
    base_url="https://www.okx.com",
    limits=LIMITS,
    lookup_cost=LOOKUP_COST,
    chunk_size=PAGE_SIZE,
    chunk_cost=HISTORY_COST,
    # "Order history (last 7 days)": incomplete orders that were canceled are kept for 2 h only, and
    # "(last 3 months)" never has those. Three months have 89 days at least. How long "Order
    # details" knows an order is not documented.
    retention=Retention(unfilled=timedelta(hours=2), filled=timedelta(days=89)),
    # Not documented. As at the other venues: a look-up may lag the matching engine for seconds.
    placement_grace=timedelta(seconds=60),
    needs_passphrase=True,
    key_types=frozenset({KeyType.HMAC}),
    account_identity="uid",
    address_options=frozenset({f"{DEMO_PARAMETER}=1"}),
)

MAX_SYMBOLS_BYTES = 32 * 2**20
MAX_SYMBOLS = 100_000
"""A list with more is no list of instruments."""

ORDER_ID_DIGITS = 20
"""Ids have 18 digits (2021) or 19 (2026). They are text, and are compared as text."""

FILLED = "filled"

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "live": Status.NEW,
        "partially_filled": Status.PARTIAL,
        FILLED: Status.FILLED,
        "canceled": Status.CANCELED,
        # Canceled by Market Maker Protection, which is for options.
        "mmp_canceled": Status.CANCELED,
    }
)
"""Our status for each `state` of "Order details".

Algo orders (`order-algo`) have others: `effective`, `order_failed`, `pause` and more. Their ids are
`algoId`s, and no route asked here returns one, so a word of theirs is an unknown word here.
"""


_CODES_BY_KIND: Mapping[ErrorKind, tuple[str, ...]] = MappingProxyType(
    {
        # "Trade class": 51603 comes with HTTP 200 (read 2026-11-29).
        ErrorKind.ORDER_NOT_FOUND: ("51603",),
        # 51001: no such instrument. 51015: of another type. 54007: not supported.
        ErrorKind.UNKNOWN_SYMBOL: ("51001", "51015", "54007"),
        # "Parameter {param0} error": the text names it, and it may come from a row.
        ErrorKind.BAD_PARAMETER: ("51000",),
        # What no row's symbol or id can cause: body, media type, method, missing, superfluous and
        # contradictory parameters, an endpoint that is inactive.
        ErrorKind.BAD_REQUEST: (
            *("50000", "50002", "50005", "50006", "50014", "50015", "50016", "50024", "50025"),
            *("50039", "50076", "50077", "50115", "51003", "51601", "51602"),
        ),
        ErrorKind.RATE_LIMITED: ("50011", "50040", "50061"),
        ErrorKind.CLOCK_SKEW: ("50102", "50112"),
        # The key, its permissions, its address, or its user.
        ErrorKind.REFUSED: (
            *("50007", "50008", "50010", "50012", "50027", "50029", "50030", "50035", "50038"),
            *("50041", "50051", "50053", "50059", "50060", "50067"),
            *(
                "50100",
                "50101",
                "50103",
                "50104",
                "50105",
                "50106",
                "50107",
                "50108",
                "50109",
                "50110",
                "50111",
                "50113",
                "50114",
            ),
            *("50118", "50119", "50120", "50121"),
        ),
        ErrorKind.TRANSIENT: ("50001", "50004", "50013", "50026", "50046", "50057", "50062"),
        # About placing orders, assets and positions: no answer to what is asked here, so that only
        # the request's own orders fail. The same goes for every code that is not in this table.
        ErrorKind.REJECTED: (
            *("1", "2", "50009", "50017", "50018", "50019", "50020", "50021", "50022", "50023"),
            *("50028", "50032", "50033", "50036", "50037", "50042", "50044", "50045", "50047"),
            *("50048", "50049", "50050", "50052", "50055", "50056", "50058", "50063", "50064"),
            *("50069", "50071", "50072", "50075", "50116", "50122", "51600"),
        ),
    }
)
ERROR_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {code: kind for kind, codes in _CODES_BY_KIND.items() for code in codes}
)
"""The kind of each code of "REST API error codes": all of its general and its API class, and of the
trade class those that a question about orders can have.

A code comes with HTTP 200 or another status, but 51603 with 200 alone. Any other code is a
rejection of that request alone.
"""

STATUS_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {
        401: ErrorKind.REFUSED,
        403: ErrorKind.FIREWALL,
        # Another server than OKX has no such path. It says nothing about an order.
        404: ErrorKind.TRANSIENT,
        429: ErrorKind.RATE_LIMITED,
        451: ErrorKind.REFUSED,
    }
)
"""The kind of an HTTP status that comes without a known code, such as a proxy's.

Any other says nothing about an order.
"""

_KEY_HINT = (
    "check EXCHANGE_API_KEY, EXCHANGE_API_SECRET and EXCHANGE_API_PASSPHRASE: all three belong to"
    " one key, which must exist and have the permission to read"
)
_HEADER_HINT = (
    "set EXCHANGE_API_KEY, EXCHANGE_API_SECRET and EXCHANGE_API_PASSPHRASE; where EXCHANGE_BASE_URL"
    " leads to a gateway, see that it passes the OK-ACCESS- headers on"
)
_ADDRESS_HINT = (
    "add this machine's address to the key's IP allowlist on the exchange's page of API keys"
)
_SUPPORT_HINT = "sign in to the exchange's page: it says what the account lacks; then ask support"

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "50101": (
            "the key belongs to the other environment: a key of demo trading needs"
            f" EXCHANGE_BASE_URL=https://www.okx.com?{DEMO_PARAMETER}=1, any other key the address"
            " without it"
        ),
        "50038": f"demo trading does not offer this: take ?{DEMO_PARAMETER}=1 off the address",
        "50053": f"only demo trading offers this: add ?{DEMO_PARAMETER}=1 to the address",
        "50103": _HEADER_HINT,
        "50104": _HEADER_HINT,
        "50106": _HEADER_HINT,
        "50107": _HEADER_HINT,
        "50105": "set EXCHANGE_API_PASSPHRASE to the one that the key was made with",
        "50035": "bind the key to this machine's address on the exchange's page of API keys",
        "50110": _ADDRESS_HINT,
        "50118": _ADDRESS_HINT,
        "50121": _ADDRESS_HINT,
        "50113": "set EXCHANGE_API_SECRET to the secret that was shown when the key was made",
        "50030": "give the key the permission to read, on the exchange's page of API keys",
        "50120": "give the key the permission to read, on the exchange's page of API keys",
        "50111": _KEY_HINT,
        "50114": _KEY_HINT,
        "50119": (
            "set EXCHANGE_API_KEY to a key that exists: one that is bound to no address expires"
            " after 14 days without use; where the account lives at a regional site, set"
            " EXCHANGE_BASE_URL to that site's address"
        ),
        "50007": _SUPPORT_HINT,
        "50008": _SUPPORT_HINT,
        "50012": _SUPPORT_HINT,
        "50027": _SUPPORT_HINT,
        "50029": _SUPPORT_HINT,
        "50041": _SUPPORT_HINT,
        "50051": _SUPPORT_HINT,
        "50059": _SUPPORT_HINT,
        "50060": _SUPPORT_HINT,
        "50100": _SUPPORT_HINT,
        "451": (
            "run it from a place that the exchange serves: its terms name those that it does not"
        ),
    }
)
"""For a person, by error code or HTTP status. "API key security": 14 days of inactivity."""

PAUSE_SECONDS: Mapping[str, int] = MappingProxyType(
    {"50011": 2, "50040": 2, "50061": 2, "403": 300}
)
"""The pause by error code or HTTP status, if no header gives one: the window of the limit is 2 s.

A firewall gives no time, and may block for longer if requests go on.
"""
DEFAULT_PAUSE_SECONDS = 60

MAX_PAUSE_SECONDS = 86_400.0
"""No answer makes us pause for longer: bans are not documented."""
