"""Answers of Bybit, decoded to a value, to an `ErrorResponse`, or to one of our errors.

Every answer is in an envelope whose `retCode` says whether it is an error, mostly with HTTP 200.
No error's text carries a signature, a key or a token.
"""

import re
from dataclasses import dataclass
from typing import Annotated, TypeVar

import httpx
import msgspec

from reconciler.errors import Malformed, Refused
from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    error_text,
    pause_seconds,
)
from reconciler.exchanges.bybit.constants import (
    CATEGORY,
    MAX_CURSOR_LENGTH,
    MAX_SYMBOLS,
    RESET_HEADER,
)
from reconciler.exchanges.bybit.errors import (
    BAN_SECONDS,
    BAN_WORDS,
    COUNTRY_HINT,
    COUNTRY_WORDS,
    DEFAULT_PAUSE_SECONDS,
    ERROR_KINDS,
    HINTS,
    HTTP_KINDS,
    MAX_PAUSE_SECONDS,
)
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, whole_number

T = TypeVar("T")

_MAX_NANOSECONDS = 253_402_300_800 * 10**9


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    ret_code: int
    ret_msg: str = ""
    time: object = None


class _Time(msgspec.Struct, frozen=True, rename="camel"):
    time_nano: str


class _TimeAnswer(msgspec.Struct, frozen=True):
    result: _Time


class _Key(msgspec.Struct, frozen=True):
    user_id: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=0, name="userID")
    user_id_int64: object = msgspec.field(default=None, name="userIDInt64")


class _KeyAnswer(msgspec.Struct, frozen=True):
    result: _Key


class _ListedSymbol(msgspec.Struct, frozen=True, gc=False):
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class _SymbolPage(msgspec.Struct, frozen=True, rename="camel"):
    category: str
    list: Annotated[list[_ListedSymbol], msgspec.Meta(max_length=MAX_SYMBOLS)]
    next_page_cursor: Annotated[str, msgspec.Meta(max_length=MAX_CURSOR_LENGTH)] = ""


class _SymbolAnswer(msgspec.Struct, frozen=True):
    result: _SymbolPage


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_time = msgspec.json.Decoder(_TimeAnswer).decode
_decode_key = msgspec.json.Decoder(_KeyAnswer).decode
_decode_symbols = msgspec.json.Decoder(_SymbolAnswer).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class SymbolPage:
    """A page of the listed symbols, and the cursor of the next one; "" if this is the last."""

    symbols: frozenset[str]
    next_cursor: str


def decode_symbols(body: bytes) -> SymbolPage:
    """Decode the names of the listed symbols.

    Raises:
        ValueError: the body is no list of spot symbols.
    """
    page = _decode_symbols(body).result
    if page.category != CATEGORY:
        raise ValueError(f"asked for {CATEGORY} symbols, the answer is about {page.category[:40]}")
    return SymbolPage(
        symbols=frozenset(listed.symbol for listed in page.list),
        next_cursor=page.next_page_cursor,
    )


def decode_time(body: bytes) -> int:
    """Return the exchange's time in milliseconds since 1970.

    Raises:
        ValueError: the body has none.
    """
    text = _decode_time(body).result.time_nano
    nanoseconds = whole_number(text, maximum=_MAX_NANOSECONDS)
    if nanoseconds is None:
        raise ValueError(f"timeNano {text[:40]!r} is no time")
    return nanoseconds // 1_000_000


def decode_user_id(body: bytes) -> int | None:
    """Return the id of the user whose key it is; None if the answer has none.

    Raises:
        ValueError: the body is no description of a key.
    """
    key = _decode_key(body).result
    # user/apikey-info.mdx shows both in its example: "0" stands where the short one suffices.
    long_id = str(key.user_id_int64 or "")
    return key.user_id or whole_number(long_id, maximum=2**63 - 1) or None


def decode_response(
    path: str, response: HttpResponse, decode: Decoder[T], *, hint: str
) -> T | ErrorResponse:
    """Return the decoded body, or the error if it says something about the requested orders.

    `hint` tells a person what to do if the exchange refuses our credentials.

    Raises:
        ExchangeError: the class that belongs to the status or the code.
    """
    envelope = _envelope(response.body)
    if response.status == httpx.codes.OK:
        if envelope is None:
            raise Malformed(error_text(path, response, None, None))
        if envelope.ret_code == 0:
            return decoded(path, response.body, decode)
    code = None if envelope is None or envelope.ret_code == 0 else envelope.ret_code
    message = "" if envelope is None else envelope.ret_msg
    text = error_text(path, response, code, message)
    words = _words(response.body)
    if response.status == httpx.codes.FORBIDDEN and COUNTRY_WORDS in words:
        raise Refused(text, hint=COUNTRY_HINT)
    return error_result(
        _kind_of(response.status, code, message, is_ban=BAN_WORDS in words),
        text,
        hint=hint if code is None else HINTS.get(code, hint),
        pause_seconds=_pause_seconds(response, envelope),
        code=code,
        parameter=_parameter_in(message),
    )


def _envelope(body: bytes) -> _Envelope | None:
    try:
        return _decode_envelope(body)
    except DECODE_ERRORS:
        return None


def _kind_of(status: int, code: int | None, message: str, *, is_ban: bool) -> ErrorKind:
    """Classify by HTTP status, then by code. An unknown code is about this request alone."""
    if status == httpx.codes.FORBIDDEN and is_ban:
        return ErrorKind.RATE_LIMITED
    if status != httpx.codes.OK:
        return HTTP_KINDS.get(status, ErrorKind.TRANSIENT)
    kind = ErrorKind.REJECTED if code is None else ERROR_KINDS.get(code, ErrorKind.REJECTED)
    if kind is ErrorKind.CLOCK_SKEW and not _TIME_WORDS.search(message):
        return ErrorKind.TRANSIENT
    if kind is ErrorKind.BAD_PARAMETER and _parameter_in(message) is None:
        return ErrorKind.REJECTED
    return kind


_TIME_WORDS = re.compile("time|recv_?window|expired", re.IGNORECASE)
"""10002 has also been sent for a request that the server could not read ("invalid request")."""

_ORDER_ID_WORDS = re.compile("order_? ?id|order link ?id", re.IGNORECASE)


def _parameter_in(message: str) -> str | None:
    """Return the parameter that an error's text names: only rows have ids and symbols."""
    if _ORDER_ID_WORDS.search(message):
        return "orderId"
    return "symbol" if "symbol" in message.lower() else None


def _pause_seconds(response: HttpResponse, envelope: _Envelope | None) -> float:
    """Return how long to pause: until the limit resets, or the ten minutes of a ban."""
    if response.status == httpx.codes.FORBIDDEN:
        return pause_seconds(response, default=BAN_SECONDS, maximum=MAX_PAUSE_SECONDS)
    reset_ms = _milliseconds(response.headers.get(RESET_HEADER, ""))
    now_ms = _milliseconds(None if envelope is None else envelope.time)
    if reset_ms is None or now_ms is None or reset_ms <= now_ms:
        return pause_seconds(response, default=DEFAULT_PAUSE_SECONDS, maximum=MAX_PAUSE_SECONDS)
    return min((reset_ms - now_ms) / 1000, MAX_PAUSE_SECONDS)


def _milliseconds(value: object) -> int | None:
    return whole_number(str(value), maximum=_MAX_NANOSECONDS // 1_000_000)


def _words(body: bytes) -> str:
    return body[:4000].decode(errors="replace").lower()
