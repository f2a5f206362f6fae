"""Bybit's error codes: what each says, and what a person can do about it.

Source: docs/v5/error.mdx of github.com/bybit-exchange/docs, read 2026-11-28; other pages of it are
named. Errors come as `retCode` with HTTP 200; a few things come as another HTTP status.
"""

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.exchanges.api_errors import ErrorKind

_CODES_BY_KIND: Mapping[ErrorKind, tuple[int, ...]] = MappingProxyType(
    {
        ErrorKind.ORDER_NOT_FOUND: (110001, 170213),
        # 10029: the key may use only some symbols, and this is none of them.
        ErrorKind.UNKNOWN_SYMBOL: (10029, 170121),
        # The text says which parameter. 110019: "Order ID is illegal".
        ErrorKind.BAD_PARAMETER: (10001, 110019, 170105, 170130),
        # 10018 is struck out on the page: the address's limit is answered with HTTP 403 now.
        ErrorKind.RATE_LIMITED: (10006, 10018, 170222),
        ErrorKind.CLOCK_SKEW: (-1, 10002),
        ErrorKind.REFUSED: (
            *(-2015, 10003, 10004, 10005, 10007, 10008, 10009, 10010, 10017, 10024, 10027, 10028),
            *(33004, 100028, 3100181),
        ),
        ErrorKind.TRANSIENT: (
            *(429, 10000, 10014, 10016, 10019, 40004, 110079, 170001, 170007, 170031, 170032),
            *(170035, 170146, 170147, 170191, 170212, 170234, 170310, 3100197, 3400214),
        ),
    }
)
ERROR_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {code: kind for kind, codes in _CODES_BY_KIND.items() for code in codes}
)
"""The kind of each `retCode` of the sections UTA and Spot Trade that is not about trading.

Any other code, also one that the page does not have, is a rejection of that request alone. 10019 is
in the section about websockets: the trade service restarts.
"""

TRADING_CODES = (
    *(range(30_000, 30_300), range(34_040, 34_041), range(110_000, 111_000)),
    *(range(170_000, 171_000), range(181_000, 183_000), range(500_010, 500_012)),
    range(3_000_000, 3_500_000),
)
"""The ranges of the codes of both sections about placing, changing, canceling and borrowing, which
are no answer to a query. What is in `ERROR_KINDS` comes first."""

HTTP_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    {
        400: ErrorKind.REJECTED,
        401: ErrorKind.REFUSED,
        # Of the address, if it sent too much or is in a country that is not served; or a firewall's
        # of one request. Without the words of either, another request shows which of them it is.
        403: ErrorKind.FIREWALL,
        429: ErrorKind.RATE_LIMITED,
        # "Wrong path", or a category that is not the account's; or a gateway on its way up.
        404: ErrorKind.TRANSIENT,
    }
)
"""The kind of each HTTP status of the section HTTP Code. Any other but 200 is transient."""

BAN_WORDS = "access too frequent"
"""rate-limit.mdx, "HTTP IP limit": the words of the 403 after too many requests from an address,
after which no request may be sent at all (read 2026-11-29)."""

BAN_SECONDS = 600.0
"""rate-limit.mdx, "HTTP IP limit": after a 403, at least ten minutes without any request."""

DEFAULT_PAUSE_SECONDS = 1.0
"""The pause after 10006 without a reset: the length of the window."""

MAX_PAUSE_SECONDS = 3600.0
"""No answer makes us pause for longer: no limit of Bybit's lasts as long."""

COUNTRY_WORDS = "block access from your country"
"""guide.mdx: addresses in the US and in Mainland China get a 403. It is a page of the network in
front of Bybit, CloudFront (github.com/sieblyio/bybit-api/issues/380), which has these words
(github.com/hummingbot/deploy/issues/28; both read 2026-11-28)."""

HINTS: Mapping[int, str] = MappingProxyType(
    {
        -2015: "the key has expired: make a new one (without bound addresses a key expires)",
        33004: "the key has expired: make a new one (without bound addresses a key expires)",
        10003: (
            "check EXCHANGE_API_KEY, and that the key was made at the server that EXCHANGE_BASE_URL"
            " names: mainnet, testnet and demo trading have keys of their own, and so has each"
            " country's site"
        ),
        10004: (
            "check EXCHANGE_API_SECRET: the secret of that very key, or the RSA private key whose"
            " public key was given to Bybit"
        ),
        10005: (
            "give the key the permission to read spot orders (Unified Trading, Orders, or SPOT"
            " Trade; read-only is enough)"
        ),
        10007: "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: Bybit does not know this user",
        10008: "look at the account at Bybit: its mode or a block does not allow it to be queried",
        10009: "run it from a place that Bybit serves, or ask its support",
        10010: "add this machine's public address to those that the key is bound to",
        10017: "set EXCHANGE_BASE_URL to the address of Bybit's API, as https://api.bybit.com",
        10024: "look at the account at Bybit: a compliance rule stops it",
        10027: "look at the account at Bybit: it is banned from trading",
        10028: "upgrade the account to a unified trading account: Bybit gives its orders only so",
        100028: "update the reconciler: Bybit does not let unified accounts ask in this way",
    }
)
"""For a person, by `retCode`."""

COUNTRY_HINT = (
    "run it from a place that Bybit serves: it refuses addresses in the US and in Mainland China;"
    " some countries have a site of their own, such as https://api.bybit.eu, for EXCHANGE_BASE_URL"
)
"""For a person, if the network in front of Bybit refuses the country."""

KEY_HINT = (
    "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist at the server that"
    " EXCHANGE_BASE_URL names, may read orders and allow this machine's IP address"
)
"""For a person, if the code has no hint of its own."""
