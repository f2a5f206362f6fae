"""Error answers of exchanges: a kind for each code, and for each kind what the caller gets.

    kind of error                      what it becomes
    -------------                      ---------------
    order not found, order archived,
    unknown symbol, bad parameter      an `ErrorResponse`, returned: it is about the orders
    bad request, refused               Refused, with a hint for a person
    rejected                           RequestRejected: this request alone
    rate limited                       RateLimited, with the seconds to pause
    firewall                           FirewallRefused: `ApiClient` finds out what it blocks
    clock skew                         ClockSkew: sent again, with a new timestamp or a new nonce
    transient                          Unavailable: no evidence about an order

What is about the orders, or about the request, is believed of an answer with a code of the
exchange's only: without one another server may have answered, a proxy or a gateway, which knows
nothing of them. Such an answer is transient, at every venue.

A venue has a table of its codes, and reads an answer in three steps. This is for one that reports
errors with HTTP 200, in an envelope:

    def decode(self, request, response, decode):
        envelope = decode_envelope(response.body)          # None if it is no JSON of that form
        if response.status == 200 and envelope is not None and envelope.ret_code == 0:
            return decoded(request.path, response.body, decode)
        kind = kind_of(response.status, None if envelope is None else envelope.ret_code)
        return error_result(
            kind,
            error_text(request.path, response, code, message),
            hint=self._hint,
            pause_seconds=pause_seconds(response, default=60, maximum=600),
            code=code,
        )

An unknown code is `REJECTED` with a status below 500, and `TRANSIENT` otherwise: never "not found".
A code is no evidence that an order does not exist if it comes with a status that the venue does not
document for it.
No error's text carries a signature, a key or a token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, assert_never

import httpx

from reconciler.errors import (
    ClockSkew,
    FirewallRefused,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS
from reconciler.settings import Credentials
from reconciler.telemetry.redact import redact

T = TypeVar("T")

Decoder = Callable[[bytes], T]
"""Decodes a body.

Raises:
    ValueError: the body is not of the expected type.
"""

_MAX_DIGITS = 9
_SERVER_ERROR = httpx.codes.INTERNAL_SERVER_ERROR

ADDRESS_QUESTION = ": is EXCHANGE_BASE_URL the address of the exchange's API?"
"""For a person, after the text of an answer that may come from another server."""

BAD_REQUEST_HINT = (
    "update the reconciler: the exchange does not take requests as this version writes them; where"
    " EXCHANGE_BASE_URL leads to a gateway, see that it passes every parameter on"
)
"""For a person, if the exchange refuses the way we ask."""


class ErrorKind(StrEnum):
    """Meaning of an error code."""

    ORDER_NOT_FOUND = "order_not_found"
    ORDER_ARCHIVED = "order_archived"
    UNKNOWN_SYMBOL = "unknown_symbol"
    BAD_PARAMETER = "bad_parameter"
    BAD_REQUEST = "bad_request"
    REJECTED = "rejected"
    FIREWALL = "firewall"
    RATE_LIMITED = "rate_limited"
    CLOCK_SKEW = "clock_skew"
    REFUSED = "refused"
    TRANSIENT = "transient"


_BELIEVED_WITH_A_CODE = frozenset(
    {
        ErrorKind.ORDER_NOT_FOUND,
        ErrorKind.ORDER_ARCHIVED,
        ErrorKind.UNKNOWN_SYMBOL,
        ErrorKind.BAD_PARAMETER,
        ErrorKind.BAD_REQUEST,
        ErrorKind.REJECTED,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorResponse:
    """An error response that says something about the requested orders.

    Attributes:
        kind: An order not found or archived, an unknown symbol or a bad parameter, or a firewall's
            block.
        text: The path, the status, and the exchange's own text.
        code: The exchange's code, a number or a word.
        parameter: The wrong parameter, if the exchange names one.
    """

    kind: ErrorKind
    text: str
    code: int | str | None = None
    parameter: str | None = None


def error_result(
    kind: ErrorKind,
    text: str,
    *,
    hint: str,
    pause_seconds: float,
    code: int | str | None = None,
    parameter: str | None = None,
) -> ErrorResponse:
    """Return the error if it says something about the requested orders, or raise what it is.

    `hint` tells a person what to do if the exchange refuses our credentials. `pause_seconds` is for
    how long to send nothing if it limits our rate. `code` is None if the answer has none of the
    exchange's.

    Raises:
        ExchangeError: the class that belongs to the kind.
    """
    if code is None and kind in _BELIEVED_WITH_A_CODE:
        raise Unavailable(text)
    match kind:
        case (
            ErrorKind.ORDER_NOT_FOUND
            | ErrorKind.ORDER_ARCHIVED
            | ErrorKind.UNKNOWN_SYMBOL
            | ErrorKind.BAD_PARAMETER
        ):
            return ErrorResponse(kind=kind, text=text, code=code, parameter=parameter)
        case ErrorKind.BAD_REQUEST:
            raise Refused(text, hint=BAD_REQUEST_HINT)
        case ErrorKind.REJECTED:
            raise RequestRejected(text)
        case ErrorKind.RATE_LIMITED:
            raise RateLimited(text, retry_after_seconds=pause_seconds)
        case ErrorKind.FIREWALL:
            raise FirewallRefused(text, retry_after_seconds=pause_seconds)
        case ErrorKind.CLOCK_SKEW:
            raise ClockSkew(text)
        case ErrorKind.REFUSED:
            raise Refused(text, hint=hint)
        case ErrorKind.TRANSIENT:
            raise Unavailable(text)
        case _:
            assert_never(kind)


def as_exception(error: ErrorResponse) -> Refused | Unavailable:
    """Return the exception for an error response to a request about no order."""
    if error.kind is ErrorKind.BAD_PARAMETER:
        return Refused(error.text, hint=BAD_REQUEST_HINT)
    return Unavailable(error.text)


def decoded(path: str, body: bytes, decode: Decoder[T]) -> T:
    """Decode the body of an answer that is no error.

    Raises:
        Malformed: it is not what the exchange documents.
    """
    try:
        return decode(body)
    except DECODE_ERRORS as error:
        raise Malformed(
            f"{path}: unreadable answer ({str(error)[:200]}): {excerpt(body)}"
        ) from None


def error_text(
    path: str, response: HttpResponse, code: int | str | None, message: str | None
) -> str:
    """Return the text of an error: path, status, and the exchange's code and own text if any.

    Without a code, or if there is no such path, another server may have answered.
    """
    status = response.status
    if code is None:
        said = excerpt(response.body)
    else:
        said = (
            f"code {_printable(str(code), 40)}: {excerpt((message or '').encode(errors='replace'))}"
        )
    may_be_another = code is None or status == httpx.codes.NOT_FOUND
    question = ADDRESS_QUESTION if may_be_another and status < _SERVER_ERROR else ""
    return f"{path}: HTTP {status}, {said}{question}"


def excerpt(body: bytes) -> str:
    """Return the start of a body, without any secret that it may repeat."""
    return _printable(body[:1000].decode(errors="replace"), 200) or "an empty answer"


def _printable(text: str, length: int) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return redact(printable)[:length].strip()


def retry_after_seconds(
    response: HttpResponse, *, maximum: float, header: str = "Retry-After"
) -> float | None:
    """Return the header's seconds, or None if they are no whole number; never above `maximum`."""
    text = response.headers.get(header, "")
    if not (text.isascii() and text.isdecimal()):
        return None
    return min(float(text), maximum) if len(text) <= _MAX_DIGITS else maximum


def pause_seconds(response: HttpResponse, *, default: float, maximum: float) -> float:
    """Return the seconds of `Retry-After`, at most `maximum`; `default` without that header."""
    seconds = retry_after_seconds(response, maximum=maximum)
    return default if seconds is None else seconds


def refusal_hint(credentials: Credentials) -> str:
    """Tell a person what to do if the exchange refuses these credentials."""
    if credentials.api_key is None:
        return (
            "set TEST_JWT to a token that this server accepts, or EXCHANGE_API_KEY and"
            " EXCHANGE_API_SECRET for an exchange that wants signed requests"
        )
    names = "EXCHANGE_API_KEY and EXCHANGE_API_SECRET"
    if credentials.passphrase is not None:
        names = "EXCHANGE_API_KEY, EXCHANGE_API_SECRET and EXCHANGE_API_PASSPHRASE"
    return (
        f"check {names}: the key must exist, have read"
        " permission and allow this machine's IP address"
    )
