"""HTTP responses of Binance, decoded to a value, to an `ErrorResponse`, or to one of our errors.

Raw JSON stops here and in `raw_orders`. No error's text carries a signature, a key or a token.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar, assert_never

import httpx
import msgspec

from reconciler.errors import (
    ClockSkew,
    FirewallRefused,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.binance.constants import (
    BAD_REQUEST_HINT,
    DEFAULT_PAUSE_SECONDS,
    ERROR_KINDS,
    HINTS,
    MAX_BAN_SECONDS,
    MAX_NAME_LENGTH,
    MAX_SYMBOLS,
    PAUSE_SECONDS,
    ErrorKind,
)
from reconciler.exchanges.http_client import HttpResponse
from reconciler.telemetry.redact import redact

T = TypeVar("T")

Decoder = Callable[[bytes], T]
"""Decodes a body.

Raises:
    ValueError: the body is not of the expected type.
"""


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """The exchange's clock, in ms since 1970."""

    server_time: int


class AccountInformation(msgspec.Struct, frozen=True):
    """The account of the key. Binance.US and older gateways do not say which one it is."""

    uid: int | None = None


class _ListedSymbol(msgspec.Struct, frozen=True, gc=False):
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class _ListedSymbols(msgspec.Struct, frozen=True):
    symbols: Annotated[list[_ListedSymbol], msgspec.Meta(max_length=MAX_SYMBOLS)]


class _ErrorPayload(msgspec.Struct, frozen=True):
    code: int
    msg: str = ""


DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""Raised by decoders, also for numbers with too many digits and for values nested too deep."""

decode_server_time = msgspec.json.Decoder(ServerTime).decode
decode_account = msgspec.json.Decoder(AccountInformation).decode
_decode_listed = msgspec.json.Decoder(_ListedSymbols).decode
_decode_error = msgspec.json.Decoder(_ErrorPayload).decode

_BANNED_UNTIL = re.compile(r"banned until ([0-9]{10,13})(?![0-9])", re.IGNORECASE)
_DIGITS_OF_SECONDS = 10
_MAX_DIGITS = 9
_NAMED_PARAMETER = re.compile(r"'([A-Za-z]\w*)'")


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the names of the symbols, and skip all else."""
    return frozenset(listed.symbol for listed in _decode_listed(body).symbols)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorResponse:
    """An error response that says something about the requested orders.

    Attributes:
        kind: An order not found or archived, an unknown symbol or a bad parameter, or a firewall's
            block.
        text: The path, the status, and the exchange's own text.
        parameter: The wrong parameter, if the exchange names one.
    """

    kind: ErrorKind
    text: str
    code: int | None = None
    parameter: str | None = None


def decode_response(
    path: str, response: HttpResponse, decode: Decoder[T], *, hint: str
) -> T | ErrorResponse:
    """Return the decoded body, or the error if it says something about the requested orders.

    `hint` tells a person what to do if the exchange refuses our credentials.

    Raises:
        ExchangeError: the class that belongs to the status or the code.
    """
    status = response.status
    if status == httpx.codes.OK:
        return _decoded(path, response.body, decode)
    error = _error_payload(response.body)
    text = f"{path}: HTTP {status}, {_error_text(status, response.body, error)}"
    kind = _kind_of(status, error)
    match kind:
        case (
            ErrorKind.ORDER_NOT_FOUND
            | ErrorKind.ORDER_ARCHIVED
            | ErrorKind.UNKNOWN_SYMBOL
            | ErrorKind.BAD_PARAMETER
        ):
            return ErrorResponse(
                kind=kind,
                text=text,
                code=None if error is None else error.code,
                parameter=_parameter_in(error),
            )
        case ErrorKind.BAD_REQUEST:
            raise Refused(text, hint=BAD_REQUEST_HINT)
        case ErrorKind.REJECTED:
            raise RequestRejected(text)
        case ErrorKind.RATE_LIMITED:
            raise RateLimited(text, retry_after_seconds=_pause_seconds(response, error))
        case ErrorKind.FIREWALL:
            raise FirewallRefused(text, retry_after_seconds=_pause_seconds(response, error))
        case ErrorKind.CLOCK_SKEW:
            raise ClockSkew(text)
        case ErrorKind.REFUSED:
            raise Refused(text, hint=HINTS.get(status, hint))
        case ErrorKind.TRANSIENT:
            raise Unavailable(text)
        case _:
            assert_never(kind)


def as_exception(error: ErrorResponse) -> Refused | Unavailable:
    """Return the exception for an error response to a request about no order."""
    if error.kind is ErrorKind.BAD_PARAMETER:
        return Refused(error.text, hint=BAD_REQUEST_HINT)
    return Unavailable(error.text)


def _kind_of(status: int, error: _ErrorPayload | None) -> ErrorKind:
    """Classify by HTTP status, then by error code. A 5xx says nothing about an order."""
    if status in ERROR_KINDS:
        return ERROR_KINDS[status]
    if error is None or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ErrorKind.TRANSIENT
    return ERROR_KINDS.get(error.code, ErrorKind.REJECTED)


def _parameter_in(error: _ErrorPayload | None) -> str | None:
    """Return the parameter that an error's text names in quotes."""
    match = None if error is None else _NAMED_PARAMETER.search(error.msg)
    return None if match is None else match[1]


def whole_number(text: str, *, maximum: int) -> int | None:
    """Return the number, or None if `text` is not all digits or exceeds `maximum`."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(maximum))
    number = int(text) if is_number else None
    return None if number is None or number > maximum else number


def _decoded(path: str, body: bytes, decode: Decoder[T]) -> T:
    try:
        return decode(body)
    except DECODE_ERRORS as error:
        raise Malformed(
            f"{path}: unreadable answer ({str(error)[:200]}): {_excerpt(body)}"
        ) from None


def _error_payload(body: bytes) -> _ErrorPayload | None:
    try:
        return _decode_error(body)
    except DECODE_ERRORS:
        return None


def _error_text(status: int, body: bytes, error: _ErrorPayload | None) -> str:
    if error is not None:
        return f"code {error.code}: {_excerpt(error.msg.encode(errors='replace'))}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _excerpt(body)
    return f"{_excerpt(body)}: is EXCHANGE_BASE_URL the address of the exchange's API?"


def _excerpt(body: bytes) -> str:
    """Return the start of a body, without any secret that it may repeat."""
    start = body[:1000].decode(errors="replace")
    printable = "".join(letter if letter.isprintable() else " " for letter in start)
    return redact(printable)[:200].strip() or "an empty answer"


def _pause_seconds(response: HttpResponse, error: _ErrorPayload | None) -> float:
    """Return how long to pause: the longer of header and text, or the status's default."""
    candidates = [_retry_after_seconds(response), _ban_seconds_left(response, error)]
    seconds = max((one for one in candidates if one is not None), default=None)
    if seconds is None:
        return float(PAUSE_SECONDS.get(response.status, DEFAULT_PAUSE_SECONDS))
    return min(seconds, MAX_BAN_SECONDS)


def _retry_after_seconds(response: HttpResponse) -> float | None:
    """Return `Retry-After`, or None if it is no whole number.

    Too many digits count as `MAX_BAN_SECONDS`.
    """
    text = response.headers.get("Retry-After", "")
    if not (text.isascii() and text.isdecimal()):
        return None
    return float(text) if len(text) <= _MAX_DIGITS else MAX_BAN_SECONDS


def _ban_seconds_left(response: HttpResponse, error: _ErrorPayload | None) -> float | None:
    """Return the seconds left of the ban, or None if the text names no future end of one.

    The `Date` header is the present time; without it, our clock is.
    """
    match = _BANNED_UNTIL.search("" if error is None else error.msg)
    if match is None:
        return None
    until = int(match[1]) / (1000 if len(match[1]) > _DIGITS_OF_SECONDS else 1)
    seconds = until - _response_time(response)
    return seconds if seconds > 0 else None


def _response_time(response: HttpResponse) -> float:
    """Return when the response was sent, in seconds since 1970."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()
