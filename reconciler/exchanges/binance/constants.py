"""Published facts of Binance's spot API, as tables.

Source: rest-api.md, errors.md and enums.md of github.com/binance/binance-spot-api-docs, and the
same pages on developers.binance.com; read 2026-11-24. Each table names its section.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.base import Venue
from reconciler.exchanges.query_plan.ascending_ids import QueryCosts
from reconciler.resilience.limits import Cost, LimitScope, RateLimit
from reconciler.settings import KeyType

WEIGHT = "weight"
"""The one limit: the weight of all requests from an address, in any minute."""

VENUE = Venue(
    name="binance",
    base_url="https://api.binance.com",
    # enums.md, "Rate limiters", REQUEST_WEIGHT; per IP, not per key (rest-api.md, "IP Limits").
    limits=(
        RateLimit(name=WEIGHT, scope=LimitScope.ADDRESS, amount=6000, window=timedelta(minutes=1)),
    ),
    # rest-api.md, "Query order".
    lookup_cost={WEIGHT: 4},
    # rest-api.md, "All orders": `limit` is 500 by default, 1000 at most.
    chunk_size=1000,
    chunk_cost={WEIGHT: 20},
    # errors.md, -2026: ended orders with nothing executed are archived after 90 days.
    retention=Retention(unfilled=timedelta(days=90)),
    # The query side lags the matching engine by up to 10 s.
    placement_grace=timedelta(seconds=60),
    # faqs/api_key_types.md, read 2026-11-27.
    key_types=frozenset({KeyType.HMAC, KeyType.ED25519, KeyType.RSA}),
    # rest-api.md, "Account information".
    account_identity="the account's uid",
)

# rest-api.md, "Query order", "Current open orders" (with and without a symbol) and "All orders".
COSTS = QueryCosts(
    one_order=VENUE.lookup_cost[WEIGHT],
    open_orders=6,
    all_open_orders=80,
    history_page=VENUE.chunk_cost[WEIGHT],
    page_size=VENUE.chunk_size,
)
ACCOUNT_COST: Cost = {WEIGHT: 20}
TIME_COST: Cost = {WEIGHT: 1}

# rest-api.md, "Exchange information", read 2026-11-28. Without `symbolStatus` it lists symbols of
# every status, so one whose trading is halted is listed too; without `permissions`, all symbols
# that SPOT, MARGIN or LEVERAGED accounts trade. The permission sets are most of the answer.
SYMBOLS_COST: Cost = {WEIGHT: 20}
SYMBOLS_PARAMETERS = MappingProxyType({"showPermissionSets": "false"})
MAX_SYMBOLS_BYTES = 32 * 2**20
"""The list of all symbols, with the rules of each, is longer than any answer about orders."""

MAX_SYMBOLS = 100_000
"""A list with more is no list of symbols."""

RECV_WINDOW_MS = 5000
"""rest-api.md, "Timing security": the default, and the widest that is recommended."""

USED_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
"""rest-api.md, "IP Limits": in every answer, the address's weight in the current minute."""

MAX_USED_WEIGHT = 100 * VENUE.limits[0].amount
"""No minute uses a hundred times its limit, so a larger number is ignored as a mistake."""

ORDER_ID_DIGITS = 20
"""rest-api.md, parameter `orderId`: `^[0-9]{1,20}$`, as its error -1100 says."""

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "PENDING_NEW": Status.PENDING,
        "NEW": Status.NEW,
        "PARTIALLY_FILLED": Status.PARTIAL,
        "FILLED": Status.FILLED,
        "CANCELED": Status.CANCELED,
        # "Currently unused". Still open; with something executed `decide` makes it partial.
        "PENDING_CANCEL": Status.NEW,
        "REJECTED": Status.REJECTED,
        "EXPIRED": Status.EXPIRED,
        "EXPIRED_IN_MATCH": Status.EXPIRED,
    }
)
"""Our status for each word of enums.md, "Order status"."""


_CODES_BY_KIND: Mapping[ErrorKind, tuple[int, ...]] = MappingProxyType(
    {
        ErrorKind.ORDER_NOT_FOUND: (-2013,),
        ErrorKind.ORDER_ARCHIVED: (-2026,),
        ErrorKind.UNKNOWN_SYMBOL: (-1121,),
        # One parameter is wrong: the text names it, and it may come from a row.
        ErrorKind.BAD_PARAMETER: (-1100, -1102, -1105, -1108, -1130),
        # "11xx - Request issues": those that no row's symbol or id can cause.
        ErrorKind.BAD_REQUEST: (
            *(-1101, -1103, -1104, -1106, -1111, -1114, -1115, -1116, -1117, -1118, -1119),
            *(-1120, -1122, -1125, -1127, -1128, -1131, -1134, -1135, -1139, -1145, -1151),
        ),
        ErrorKind.RATE_LIMITED: (-1003, 418, 429),
        # rest-api.md, "HTTP Return Codes": "the WAF Limit (Web Application Firewall) has been
        # violated". It blocks a word that it takes for an attack, or all that we send.
        ErrorKind.FIREWALL: (403,),
        ErrorKind.CLOCK_SKEW: (-1021,),
        # Two that the documentation does not name (read 2026-11-24). -2008, "Invalid Api-Key ID.":
        # a key that does not exist here, such as the testnet's (github.com, issues
        # binance/binance-api-postman#79 and sammchardy/python-binance#1155). 451: see `HINTS`.
        ErrorKind.REFUSED: (-1002, -1022, -2008, -2014, -2015, 401, 451),
        ErrorKind.TRANSIENT: (-1000, -1001, -1006, -1007, -1008, -1016),
    }
)
ERROR_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {code: kind for kind, codes in _CODES_BY_KIND.items() for code in codes}
)
"""The kind of each error code (errors.md) and HTTP status (rest-api.md, "HTTP Return Codes").

Any other code of an HTTP status below 500 is a rejection of that request alone. Everything else is
transient: it is no evidence about an order.
"""

ILLEGAL_CHARACTERS_CODE = -1100

HINTS: Mapping[int, str] = MappingProxyType(
    {
        # "Service unavailable from a restricted location according to 'b. Eligibility' in
        # https://www.binance.com/en/terms": github.com/ccxt/ccxt/issues/16044, read 2026-11-24.
        451: (
            "run it from a place that the exchange serves: its terms name those that it does not,"
            " and its support lifts a block that is a mistake"
        ),
    }
)
"""For a person, by HTTP status, if the key is not the reason for a refusal."""

PAUSE_SECONDS: Mapping[int, int] = MappingProxyType({403: 300, 418: 120})
"""The pause after an HTTP status without `Retry-After`.

A ban (418) lasts 2 minutes at least and 3 days at most (rest-api.md, "IP Limits"). The firewall
(403) gives no time, and blocks for longer if requests go on.
"""
DEFAULT_PAUSE_SECONDS = 60

MAX_BAN_SECONDS = 259_200.0
"""rest-api.md, "IP Limits": 3 days. No answer makes us pause for longer."""
