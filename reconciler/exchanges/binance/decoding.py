"""Answers as they arrive: bytes to what they hold, or to the error that they stand for.

Raw JSON stops here. No error's text carries a signature, a key or a token.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar, assert_never

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
    CODES,
    FORM_HINT,
    HINTS,
    LONGEST_BAN_SECONDS,
    OTHER_SILENCE_SECONDS,
    SILENCE_SECONDS,
    Meaning,
)
from reconciler.exchanges.connection import Reply
from reconciler.telemetry.redact import redact

T = TypeVar("T")

Read = Callable[[bytes], T]
"""Makes of a body what it holds.

Raises:
    ValueError: it does not hold that.
"""


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """The exchange's clock, in ms since 1970."""

    server_time: int


class AccountInformation(msgspec.Struct, frozen=True):
    """Whose account it is; Binance.US and older gateways do not say."""

    uid: int | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int
    msg: str = ""


SERVER_TIME = msgspec.json.Decoder(ServerTime).decode
ACCOUNT_INFORMATION = msgspec.json.Decoder(AccountInformation).decode
_ERROR = msgspec.json.Decoder(_Error)
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoders raise: also for numbers of too many digits, and for what is nested too deep."""
_BANNED_UNTIL = re.compile(r"banned until ([0-9]{10,13})(?![0-9])", re.IGNORECASE)
_DIGITS_OF_SECONDS = 10
_MOST_DIGITS = 9
_NAMED_PARAMETER = re.compile(r"'([A-Za-z]\w*)'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An error that answers the question itself; `told` is the exchange's own text.

    `parameter` is the one that it finds fault with, where it names one.
    """

    meaning: Meaning
    told: str
    code: int | None = None
    parameter: str | None = None


def read(path: str, reply: Reply, decode: Read[T], *, hint: str) -> T | Fault:
    """Return what the exchange said, or the fault it found in the question.

    `hint` is what a person does where the exchange refuses our credentials.

    Raises:
        ExchangeError: of the class that the status or the code stands for.
    """
    status = reply.status
    if status == httpx.codes.OK:
        return _decoded(path, reply.body, decode)
    error = _error(reply.body)
    told = f"{path}: HTTP {status}, {_told(status, reply.body, error)}"
    meaning = _meaning(status, error)
    match meaning:
        case Meaning.ABSENT | Meaning.ARCHIVED | Meaning.UNKNOWN_SYMBOL | Meaning.BAD_PARAMETER:
            return Fault(
                meaning=meaning,
                told=told,
                code=None if error is None else error.code,
                parameter=_parameter_in(error),
            )
        case Meaning.BAD_FORM:
            raise Refused(told, hint=FORM_HINT)
        case Meaning.REJECTED:
            raise RequestRejected(told)
        case Meaning.TOO_MUCH:
            raise RateLimited(told, retry_after_seconds=_silence_seconds(reply, error))
        case Meaning.FIREWALL:
            raise FirewallRefused(told, retry_after_seconds=_silence_seconds(reply, error))
        case Meaning.CLOCK:
            raise ClockSkew(told)
        case Meaning.REFUSED:
            raise Refused(told, hint=HINTS.get(status, hint))
        case Meaning.PASSING:
            raise Unavailable(told)
        case _:
            assert_never(meaning)


def as_error(fault: Fault) -> Refused | Unavailable:
    """Return a fault as an error, where a question about no order was asked."""
    if fault.meaning is Meaning.BAD_PARAMETER:
        return Refused(fault.told, hint=FORM_HINT)
    return Unavailable(fault.told)


def _meaning(status: int, error: _Error | None) -> Meaning:
    """Weigh the HTTP status before the code: no 5xx says anything about an order."""
    if status in CODES:
        return CODES[status]
    if error is None or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Meaning.PASSING
    return CODES.get(error.code, Meaning.REJECTED)


def _parameter_in(error: _Error | None) -> str | None:
    """Return the parameter that an error's text names in quotes."""
    named = None if error is None else _NAMED_PARAMETER.search(error.msg)
    return None if named is None else named[1]


def whole_number(told: str, *, most: int) -> int | None:
    """Read digits and nothing else; None where there are other signs, or it is more than `most`."""
    is_number = told.isascii() and told.isdecimal() and len(told) <= len(str(most))
    number = int(told) if is_number else None
    return None if number is None or number > most else number


def _decoded(path: str, body: bytes, decode: Read[T]) -> T:
    try:
        return decode(body)
    except UNREADABLE as error:
        raise Malformed(
            f"{path}: unreadable answer ({str(error)[:200]}): {_excerpt(body)}"
        ) from None


def _error(body: bytes) -> _Error | None:
    try:
        return _ERROR.decode(body)
    except UNREADABLE:
        return None


def _told(status: int, body: bytes, error: _Error | None) -> str:
    if error is not None:
        return f"code {error.code}: {_excerpt(error.msg.encode(errors='replace'))}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _excerpt(body)
    return f"{_excerpt(body)}: is EXCHANGE_BASE_URL the address of the exchange's API?"


def _excerpt(body: bytes) -> str:
    """Return the start of an answer, without any secret that it may repeat."""
    start = body[:1000].decode(errors="replace")
    shown = "".join(letter if letter.isprintable() else " " for letter in start)
    return redact(shown)[:200].strip() or "an empty answer"


def _silence_seconds(reply: Reply, error: _Error | None) -> float:
    """Return how long to be silent: until the later of what header and text say; see facts."""
    said = [_retry_after_seconds(reply), _banned_seconds(reply, error)]
    seconds = max((one for one in said if one is not None), default=None)
    if seconds is None:
        return float(SILENCE_SECONDS.get(reply.status, OTHER_SILENCE_SECONDS))
    return min(seconds, LONGEST_BAN_SECONDS)


def _retry_after_seconds(reply: Reply) -> float | None:
    """Read `Retry-After`; None where it gives no number. Digits without end are a long time."""
    told = reply.headers.get("Retry-After", "")
    if not (told.isascii() and told.isdecimal()):
        return None
    return float(told) if len(told) <= _MOST_DIGITS else LONGEST_BAN_SECONDS


def _banned_seconds(reply: Reply, error: _Error | None) -> float | None:
    """Return how long a ban still lasts whose end stands in the text; None: none does.

    By the exchange's clock, as the answer's `Date` tells it; without that by ours.
    """
    named = _BANNED_UNTIL.search("" if error is None else error.msg)
    if named is None:
        return None
    until = int(named[1]) / (1000 if len(named[1]) > _DIGITS_OF_SECONDS else 1)
    seconds = until - _told_at(reply)
    return seconds if seconds > 0 else None


def _told_at(reply: Reply) -> float:
    """Return when the answer was given, in seconds since 1970."""
    try:
        return parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()
