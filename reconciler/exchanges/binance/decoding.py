"""HTTP responses of Binance, decoded to a value, to an `ErrorResponse`, or to one of our errors.

Raw JSON stops here and in `raw_orders`. No error's text carries a signature, a key or a token.
"""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar

import httpx
import msgspec

from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    error_text,
    retry_after_seconds,
)
from reconciler.exchanges.binance.constants import (
    DEFAULT_PAUSE_SECONDS,
    ERROR_KINDS,
    HINTS,
    MAX_BAN_SECONDS,
    MAX_SYMBOLS,
    PAUSE_SECONDS,
)
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS, listed_symbols
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

T = TypeVar("T")


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


decode_server_time = msgspec.json.Decoder(ServerTime).decode
decode_account = msgspec.json.Decoder(AccountInformation).decode
_decode_listed = msgspec.json.Decoder(_ListedSymbols).decode
_decode_error = msgspec.json.Decoder(_ErrorPayload).decode

_BANNED_UNTIL = re.compile(r"banned until ([0-9]{10,13})(?![0-9])", re.IGNORECASE)
_DIGITS_OF_SECONDS = 10
_NAMED_PARAMETER = re.compile(r"'([A-Za-z]\w*)'")


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the names of the symbols, and skip all else.

    Raises:
        ValueError: it is no list of symbols, or an empty one.
    """
    return listed_symbols(listed.symbol for listed in _decode_listed(body).symbols)


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
        return decoded(path, response.body, decode)
    error = _error_payload(response.body)
    code, message = (None, None) if error is None else (error.code, error.msg)
    return error_result(
        _kind_of(status, error),
        error_text(path, response, code, message),
        hint=HINTS.get(status, hint),
        pause_seconds=_pause_seconds(response, error),
        code=code,
        parameter=_parameter_in(error),
    )


def _kind_of(status: int, error: _ErrorPayload | None) -> ErrorKind:
    """Classify by HTTP status, then by error code. A 5xx says nothing about an order."""
    if status in ERROR_KINDS:
        return ERROR_KINDS[status]
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ErrorKind.TRANSIENT
    return ErrorKind.REJECTED if error is None else ERROR_KINDS.get(error.code, ErrorKind.REJECTED)


def _parameter_in(error: _ErrorPayload | None) -> str | None:
    """Return the parameter that an error's text names in quotes."""
    match = None if error is None else _NAMED_PARAMETER.search(error.msg)
    return None if match is None else match[1]


def _error_payload(body: bytes) -> _ErrorPayload | None:
    try:
        return _decode_error(body)
    except DECODE_ERRORS:
        return None


def _pause_seconds(response: HttpResponse, error: _ErrorPayload | None) -> float:
    """Return how long to pause: the longer of header and text, or the status's default."""
    candidates = [
        retry_after_seconds(response, maximum=MAX_BAN_SECONDS),
        _ban_seconds_left(response, error),
    ]
    seconds = max((one for one in candidates if one is not None), default=None)
    if seconds is None:
        return float(PAUSE_SECONDS.get(response.status, DEFAULT_PAUSE_SECONDS))
    return min(seconds, MAX_BAN_SECONDS)


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
