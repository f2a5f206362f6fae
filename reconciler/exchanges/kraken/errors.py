"""The errors of Kraken's REST API, and what each says about a request.

Errors come with HTTP 200, in the list `error` of the answer: a severity (`E` for an error, `W` for
a warning), a category, and a text, sometimes with a detail after another colon, as in
"EGeneral:Invalid arguments:txid". So a text is found by its longest known beginning.

Sources, all read 2026-11-28: docs.kraken.com, "Error messages" (guides/general/errors) and "Spot
REST rate limits"; the article "API error messages" of support.kraken.com (360001491786); for those
that neither names, the table of github.com/ccxt/ccxt, `python/ccxt/kraken.py`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from reconciler.exchanges.api_errors import ErrorKind

INVALID_ID = "EOrder:Invalid order"
LOCKOUT = "EGeneral:Temporary lockout"
THROTTLED = "EService:Throttled"

_TEXTS_BY_KIND: Mapping[ErrorKind, Sequence[str]] = MappingProxyType(
    {
        # A well-formed id of another account is no error: it is missing in `result`
        # (github.com/ccxt/ccxt/issues/8222, with the exchange's answer).
        ErrorKind.ORDER_NOT_FOUND: ("EOrder:Unknown order", "EGeneral:Unknown order"),
        # The only thing in our requests that comes from a row is an order's id.
        ErrorKind.BAD_PARAMETER: (
            # github.com/freqtrade/freqtrade/issues/8006: "['OHF36Q-XQSB6-UIBS3Q']" sent as an id.
            INVALID_ID,
            # Support: "calling the QueryOrders method without specifying a valid transaction id".
            "EGeneral:Invalid arguments",
            "EAPI:Invalid arguments",
        ),
        ErrorKind.BAD_REQUEST: ("EAPI:Bad request", "EGeneral:Unknown method"),
        # Sent again with a new nonce, as a timestamp is with a new time.
        ErrorKind.CLOCK_SKEW: ("EAPI:Invalid nonce",),
        ErrorKind.RATE_LIMITED: (
            "EAPI:Rate limit exceeded",
            "EAuth:Rate limit exceeded",
            "EAuth:Too many requests",
            "EGeneral:Too many requests",
            THROTTLED,
            # Of the matching engine, for each pair: our requests do not count there.
            "EOrder:Rate limit exceeded",
            "EOrder:Domain rate limit exceeded",
            LOCKOUT,
        ),
        ErrorKind.REFUSED: (
            "EAPI:Invalid key",
            "EAPI:Invalid signature",
            "EAPI:Feature disabled",
            "EGeneral:Permission denied",
            "EAuth:Account temporary disabled",
            "EAuth:Account unconfirmed",
            "EAccount:Invalid permissions",
            "ESession:Invalid session",
            "ETrade:User Locked",
            "ETrade:Locked",
        ),
        ErrorKind.TRANSIENT: (
            "EService:Unavailable",
            "EService:Busy",
            "EService:Timeout",
            "EService:Deadline elapsed",
            "EService:Market in cancel_only mode",
            "EService:Market in post_only mode",
            "EGeneral:Internal error",
            "EDatabase:Internal error",
        ),
        ErrorKind.REJECTED: (
            "EQuery:Unknown asset pair",
            "EQuery:Invalid asset pair",
            "EQuery:Unknown asset",
            "EOrder:Insufficient funds",
            "EOrder:Insufficient margin",
            "EOrder:Order minimum not met",
            "EOrder:Cost minimum not met",
            "EOrder:Tick size check failed",
            "EOrder:Invalid price",
            "EOrder:Orders limit exceeded",
            "EOrder:Scheduled orders limit exceeded",
            "EOrder:Positions limit exceeded",
            "EOrder:Unknown position",
            "EOrder:Cannot open position",
            "EOrder:Cannot open opposing position",
            "EOrder:Trading agreement required",
            "EOrder:Reduce only",
            "EOrder:Margin allowance exceeded",
            "EOrder:Margin level too low",
            "EOrder:Margin position size exceeded",
            "ETrade:Invalid request",
            "EFunding:Max fee exceeded",
            "EFunding:No funding method",
            "EFunding:Too many addresses",
            "EFunding:Unknown asset",
            "EFunding:Unknown withdraw key",
            "EFunding:Unknown reference id",
            "EFunding:Invalid reference id",
            "EFunding:Invalid amount",
            "EBM:limit exceeded",
        ),
    }
)
ERROR_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {text: kind for kind, texts in _TEXTS_BY_KIND.items() for text in texts}
)
"""The kind of each error. Another one has the kind of its category, and without that it is a
rejection of that request alone: no unknown error says anything about an order.
"""

_KINDS_BY_CATEGORY: Mapping[str, ErrorKind] = MappingProxyType(
    {
        "eservice": ErrorKind.TRANSIENT,
        "edatabase": ErrorKind.TRANSIENT,
        # "Error messages", "Authentication errors": no order is at fault. That the key is, only the
        # texts say that are known.
        "eapi": ErrorKind.TRANSIENT,
        "eauth": ErrorKind.TRANSIENT,
        "esession": ErrorKind.TRANSIENT,
    }
)

_TEXT_OF = MappingProxyType({text.casefold(): text for text in ERROR_KINDS})


def known_error(text: str) -> str | None:
    """Return the longest known beginning of the error `text`, or None if it has none."""
    parts = [part.strip() for part in text.split(":")]
    for count in range(len(parts), 1, -1):
        known = _TEXT_OF.get(":".join(parts[:count]).casefold())
        if known is not None:
            return known
    return None


def kind_of(text: str) -> ErrorKind:
    """Return the kind of the error `text`."""
    known = known_error(text)
    if known is not None:
        return ERROR_KINDS[known]
    category = text.partition(":")[0].strip().casefold()
    return _KINDS_BY_CATEGORY.get(category, ErrorKind.REJECTED)


def is_of_id(text: str) -> bool:
    """Return True if an error says that an order's id is none of Kraken's."""
    return known_error(text) == INVALID_ID


def is_warning(text: str) -> bool:
    """Return True for a warning, which comes with the answer and not instead of it."""
    return text.startswith("W")


_GRAVEST_FIRST = (
    ErrorKind.REFUSED,
    ErrorKind.RATE_LIMITED,
    ErrorKind.CLOCK_SKEW,
    ErrorKind.TRANSIENT,
    ErrorKind.BAD_REQUEST,
    ErrorKind.REJECTED,
    ErrorKind.BAD_PARAMETER,
    ErrorKind.ORDER_NOT_FOUND,
)


def gravest(texts: Sequence[str]) -> str:
    """Return the error of several that counts. "No such order" does only if there is no other."""
    return min(texts, key=lambda text: _GRAVEST_FIRST.index(kind_of(text)))
