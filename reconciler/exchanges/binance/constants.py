"""What Binance documents of its spot API, as tables.

Source: rest-api.md, errors.md and enums.md of github.com/binance/binance-spot-api-docs, and the
same pages on developers.binance.com; read 2026-11-24. Each table names its section.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from reconciler.domain.status import Status
from reconciler.exchanges.base import Venue
from reconciler.exchanges.query_plan import QueryCosts

VENUE = Venue(
    name="binance",
    base_url="https://api.binance.com",
    # enums.md, "Rate limiters", REQUEST_WEIGHT; per IP, not per key (rest-api.md, "IP Limits").
    weight_per_minute=6000,
    # rest-api.md, "Query order".
    single_weight=4,
    # rest-api.md, "All orders": `limit` is 500 unless told, 1000 at most.
    history_page=1000,
    history_weight=20,
    # errors.md, -2026: ended orders with nothing executed are archived after 90 days.
    retention=timedelta(days=90),
    # The query side lags the matching engine by up to 10 s.
    placement_grace=timedelta(seconds=60),
)

# rest-api.md, "Query order", "Current open orders" (with and without a symbol) and "All orders".
COSTS = QueryCosts(
    one_order=VENUE.single_weight,
    open_orders=6,
    all_open_orders=80,
    history_page=VENUE.history_weight,
    page_orders=VENUE.history_page,
)
ACCOUNT_WEIGHT = 20
TIME_WEIGHT = 1

RECV_WINDOW_MS = 5000
"""rest-api.md, "Timing security": the default, and the widest that is recommended."""

USED_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
"""rest-api.md, "IP Limits": in every answer, the address's weight in the minute under way."""

LARGEST_USED_WEIGHT = 100 * VENUE.weight_per_minute
"""No minute uses a hundred times its limit: a larger number is a mistake, and is not believed."""

LARGEST_CLOCK_OFFSET = timedelta(hours=12)
"""A clock that is further off is none, or ours is set to another zone."""

LATEST_TIME_MS = 253_402_300_800_000
"""The end of the year 9999, beyond which we cannot reckon."""

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


class Meaning(StrEnum):
    """What an error code means to us."""

    ABSENT = "absent"
    ARCHIVED = "archived"
    UNKNOWN_SYMBOL = "unknown_symbol"
    BAD_PARAMETER = "bad_parameter"
    BAD_FORM = "bad_form"
    REJECTED = "rejected"
    FIREWALL = "firewall"
    TOO_MUCH = "too_much"
    CLOCK = "clock"
    REFUSED = "refused"
    PASSING = "passing"


_MEANINGS: Mapping[Meaning, tuple[int, ...]] = MappingProxyType(
    {
        Meaning.ABSENT: (-2013,),
        Meaning.ARCHIVED: (-2026,),
        Meaning.UNKNOWN_SYMBOL: (-1121,),
        # One parameter is not as it should be; the text names it, and it may be a row's.
        Meaning.BAD_PARAMETER: (-1100, -1102, -1105, -1108, -1130),
        # "11xx - Request issues": those that no row's symbol or id can bring about.
        Meaning.BAD_FORM: (
            *(-1101, -1103, -1104, -1106, -1111, -1114, -1115, -1116, -1117, -1118, -1119),
            *(-1120, -1122, -1125, -1127, -1128, -1131, -1134, -1135, -1139, -1145, -1151),
        ),
        Meaning.TOO_MUCH: (-1003, 418, 429),
        # rest-api.md, "HTTP Return Codes": "the WAF Limit (Web Application Firewall) has been
        # violated", which is so for a word that it takes for an attack, or for all that we send.
        Meaning.FIREWALL: (403,),
        Meaning.CLOCK: (-1021,),
        # Two that the documentation does not name (read 2026-11-24). -2008, "Invalid Api-Key ID.":
        # a key that does not exist here, such as the testnet's (github.com, issues
        # binance/binance-api-postman#79 and sammchardy/python-binance#1155). 451: see `HINTS`.
        Meaning.REFUSED: (-1002, -1022, -2008, -2014, -2015, 401, 451),
        Meaning.PASSING: (-1000, -1001, -1006, -1007, -1008, -1016),
    }
)
CODES: Mapping[int, Meaning] = MappingProxyType(
    {code: meaning for meaning, codes in _MEANINGS.items() for code in codes}
)
"""What an error code (errors.md) or an HTTP status (rest-api.md, "HTTP Return Codes") means.

Any other code of an HTTP status below 500 is a rejection of that request alone. Whatever is left is
passing: it is no evidence about an order.
"""

ILLEGAL_CHARACTERS = -1100

FORM_HINT = (
    "update the reconciler: the exchange does not take requests as this version writes them; where"
    " EXCHANGE_BASE_URL leads to a gateway, see that it passes every parameter on"
)
"""What a person does where the exchange refuses how we ask."""

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
"""What a person does about a refusal by HTTP status, where no key is to blame."""

SILENCE_SECONDS: Mapping[int, int] = MappingProxyType({403: 300, 418: 120})
"""How long to be quiet after an HTTP status where no `Retry-After` says so.

A ban (418) lasts 2 minutes at least and 3 days at most (rest-api.md, "IP Limits"). The firewall
(403) tells no time, and asking on makes it block for longer.
"""
OTHER_SILENCE_SECONDS = 60

LONGEST_BAN_SECONDS = 259_200.0
"""rest-api.md, "IP Limits": 3 days. No answer silences us for longer."""
