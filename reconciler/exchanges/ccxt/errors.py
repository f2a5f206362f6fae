"""ccxt's exceptions, translated to ours. The table is complete for the installed version: a test.

Source: `ccxt/base/errors.py` of ccxt 4.5.90, read 2026-11-28, and the section "Error Handling" of
its manual. ccxt also uses `BadRequest` and `InvalidOrder` for codes that it does not distinguish:
they say nothing about an order.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.telemetry.redact import redact

DEFAULT_PAUSE_SECONDS = 60.0
"""The pause if an exchange limits our rate: ccxt does not pass on for how long."""

BAN_PAUSE_SECONDS = 300.0
"""The pause after `DDoSProtection`, which ccxt raises for bans and firewalls, too."""

_MAX_TEXT = 300


class ErrorKind(StrEnum):
    """Meaning of an exception."""

    ORDER_NOT_FOUND = "order_not_found"
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_SUPPORTED = "not_supported"
    DENIED = "denied"
    REJECTED = "rejected"
    REFUSED = "refused"
    CLOCK_SKEW = "clock_skew"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    MALFORMED = "malformed"
    UNAVAILABLE = "unavailable"


_NAMES_BY_KIND: Mapping[ErrorKind, tuple[str, ...]] = MappingProxyType(
    {
        ErrorKind.ORDER_NOT_FOUND: ("OrderNotFound",),
        ErrorKind.UNKNOWN_SYMBOL: ("BadSymbol",),
        # ccxt has no such request for this market, or the exchange has not.
        ErrorKind.NOT_SUPPORTED: ("NotSupported",),
        # The key's fault, or that of one market: Bybit's 10029 (symbol whitelist), Binance's -10047
        # (a coin that may not be traded where the account is) are among them.
        ErrorKind.DENIED: (
            *("PermissionDenied", "AccountNotEnabled", "RestrictedLocation"),
            "ManualInteractionNeeded",
        ),
        # The exchange has answered, and refuses this request for a reason that may be the order's.
        ErrorKind.REJECTED: (
            *("ArgumentsRequired", "BadRequest", "InvalidOrder", "MarketClosed"),
            *("OperationRejected", "NoChange", "MarginModeAlreadySet", "OrderNotCached"),
            *("OrderImmediatelyFillable", "OrderNotFillable", "DuplicateOrderId"),
            *("ContractUnavailable", "InsufficientFunds", "InvalidAddress", "AddressPending"),
        ),
        ErrorKind.REFUSED: (*("AuthenticationError", "AccountSuspended", "InvalidProxySettings"),),
        # ccxt raises it for a timestamp outside the window, and for a nonce that did not grow.
        ErrorKind.CLOCK_SKEW: ("InvalidNonce",),
        ErrorKind.RATE_LIMITED: ("RateLimitExceeded",),
        ErrorKind.BANNED: ("DDoSProtection",),
        ErrorKind.MALFORMED: ("BadResponse", "NullResponse", "ChecksumError"),
        ErrorKind.UNAVAILABLE: (
            *("OperationFailed", "NetworkError", "ExchangeNotAvailable", "OnMaintenance"),
            *("RequestTimeout", "ExchangeClosedByUser", "CancelPending", "UnsubscribeError"),
            # Also for codes that ccxt does not know, Bybit's "Server error." among them. If only
            # one order or symbol fails with it, the breaker finds out.
            *("ExchangeError", "BaseError"),
        ),
    }
)
ERROR_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {name: kind for kind, names in _NAMES_BY_KIND.items() for name in names}
)
"""The kind of each class of `ccxt.base.errors`, by its name."""

ABOUT_THE_REQUEST = frozenset(
    {
        *(ErrorKind.ORDER_NOT_FOUND, ErrorKind.UNKNOWN_SYMBOL),
        *(ErrorKind.NOT_SUPPORTED, ErrorKind.DENIED),
    }
)
"""Kinds that may say something about the order, or the market, that was asked for."""

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "RestrictedLocation": "run it from a place that the exchange serves",
        "AccountSuspended": "ask the exchange why the account is suspended",
        "AccountNotEnabled": "enable the account for this API at the exchange",
        "PermissionDenied": "give the key the right to read orders, for this machine's address",
        "ManualInteractionNeeded": "sign in at the exchange and do what it asks for",
        "NotSupported": "this exchange cannot be asked through ccxt: see docs/reference/ccxt.md",
        "InvalidProxySettings": "set at most one proxy for ccxt",
    }
)
_PAUSE_SECONDS: Mapping[ErrorKind, float] = MappingProxyType(
    {ErrorKind.RATE_LIMITED: DEFAULT_PAUSE_SECONDS, ErrorKind.BANNED: BAN_PAUSE_SECONDS}
)
_OURS: Mapping[ErrorKind, type[ClockSkew | Unavailable]] = MappingProxyType(
    {
        ErrorKind.CLOCK_SKEW: ClockSkew,
        ErrorKind.MALFORMED: Malformed,
        ErrorKind.UNAVAILABLE: Unavailable,
    }
)
KEY_HINT = (
    "check EXCHANGE_API_KEY, EXCHANGE_API_SECRET and EXCHANGE_API_PASSPHRASE: the key must exist,"
    " have read permission and allow this machine's IP address"
)


_KIND_BY_HTTP_STATUS: Mapping[int, ErrorKind] = MappingProxyType(
    {401: ErrorKind.REFUSED, 418: ErrorKind.BANNED, 429: ErrorKind.RATE_LIMITED}
)
"""Of an error that ccxt does not distinguish from others: Coinbase's 429, OKX' 50119."""


def kind_of(error: Exception, http_status: int | None = None) -> ErrorKind:
    """Return the kind of an exception of ccxt; a class that is new to us has its parent's."""
    name = next((base.__name__ for base in type(error).__mro__ if base.__name__ in ERROR_KINDS), "")
    kind = ERROR_KINDS.get(name, ErrorKind.UNAVAILABLE)
    if name == "ExchangeError" and http_status is not None:
        return _KIND_BY_HTTP_STATUS.get(http_status, kind)
    return kind


def translate(error: Exception, http_status: int | None = None) -> ExchangeError:
    """Return our error for an exception of ccxt that is no answer about an order.

    `OrderNotFound` and `BadSymbol` become `RequestRejected` where no order was asked for.
    """
    text, kind = error_text(error), kind_of(error, http_status)
    if kind in {ErrorKind.REFUSED, ErrorKind.DENIED}:
        return Refused(text, hint=hint_of(error))
    if kind in _PAUSE_SECONDS:
        return RateLimited(text, retry_after_seconds=_PAUSE_SECONDS[kind])
    return _OURS.get(kind, RequestRejected)(text)


def hint_of(error: Exception) -> str:
    """Return what a person can do about an exception that refuses the account."""
    return HINTS.get(type(error).__name__, KEY_HINT)


def error_text(error: Exception) -> str:
    """Return an exception's class and text, without a secret: ccxt repeats addresses in it."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(error)[:2000])
    before, _, query = text.partition("?")
    # The query carries the signature; what the exchange said comes after the address.
    _, _, said = query.partition(" ")
    shown = f"{before} {said}" if query else text
    return f"{type(error).__name__}: {redact(shown)[:_MAX_TEXT].strip()}"
