"""The effects of faults on one request, drawn from the settings and a seeded generator.

Pure. Each kind is one function in `EFFECTS` that draws an effect or None; `reconciler.paper.app`
applies the effects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from reconciler.paper.faults.rules import Faults

SERVER_ERRORS = (500, 502, 503, 504)


class Corruption(StrEnum):
    """The ways to corrupt the body of an answer."""

    CUT = "cut"
    HTML = "html"
    WRONG_TYPE = "wrong_type"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """Wait before the request is processed further."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Disconnect:
    """Close the connection without an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit:
    """Answer 429 and pause the address."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ban:
    """Answer 418 and ban the address."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerError:
    """Answer with this HTTP status."""

    http_status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Maintenance:
    """Answer 503 with a page of HTML, as during maintenance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefuseKey:
    """Refuse the credentials of a private request, whatever they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockAtFirewall:
    """Answer 403 with a page of HTML, as a firewall in front of the exchange does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """Answer with this error, whatever the request is."""

    http_status: int
    code: int
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """Answer a look-up as if its order had been archived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaceFields:
    """Replace headers or fields of the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmptyList:
    """Answer with an empty list where the answer is a list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CorruptBody:
    """Corrupt the answer's body."""

    how: Corruption


Effect = (
    Delay
    | Disconnect
    | RateLimit
    | Ban
    | ServerError
    | Maintenance
    | RefuseKey
    | BlockAtFirewall
    | Refuse
    | Archive
    | ReplaceFields
    | EmptyList
    | CorruptBody
)
DrawEffect = Callable[[Faults, Random], Effect | None]


def _outage(faults: Faults, _rng: Random) -> Effect | None:
    return Disconnect() if faults.outage else None


def _delay(faults: Faults, rng: Random) -> Effect | None:
    if not faults.latency_ms and not faults.latency_jitter_ms:
        return None
    jitter_ms = faults.latency_jitter_ms * rng.random()
    return Delay(seconds=(faults.latency_ms + jitter_ms) / 1000)


def _disconnect(faults: Faults, rng: Random) -> Effect | None:
    return Disconnect() if _happens(faults.disconnect_rate, rng) else None


def _rate_limit(faults: Faults, rng: Random) -> Effect | None:
    if not _happens(faults.rate_limit_rate, rng):
        return None
    return RateLimit(seconds=faults.retry_after_seconds)


def _ban(faults: Faults, rng: Random) -> Effect | None:
    return Ban(seconds=faults.ban_seconds) if _happens(faults.ban_rate, rng) else None


def _server_error(faults: Faults, rng: Random) -> Effect | None:
    if not _happens(faults.error_rate, rng):
        return None
    return ServerError(http_status=rng.choice(SERVER_ERRORS))


def _maintenance(faults: Faults, rng: Random) -> Effect | None:
    return Maintenance() if _happens(faults.maintenance_rate, rng) else None


def _refuse_key(faults: Faults, rng: Random) -> Effect | None:
    return RefuseKey() if _happens(faults.bad_key_rate, rng) else None


def _block(faults: Faults, rng: Random) -> Effect | None:
    return BlockAtFirewall() if _happens(faults.firewall_rate, rng) else None


def _refuse(faults: Faults, rng: Random) -> Effect | None:
    if not _happens(faults.refusal_rate, rng):
        return None
    return Refuse(
        http_status=faults.refusal_status,
        code=faults.refusal_code,
        message=faults.refusal_message,
    )


def _archive(faults: Faults, rng: Random) -> Effect | None:
    return Archive() if _happens(faults.archived_rate, rng) else None


def _replace_fields(faults: Faults, _rng: Random) -> Effect | None:
    return ReplaceFields() if faults.headers or faults.fields or faults.without_fields else None


def _empty(faults: Faults, rng: Random) -> Effect | None:
    return EmptyList() if _happens(faults.empty_list_rate, rng) else None


def _cut_body(faults: Faults, rng: Random) -> Effect | None:
    return CorruptBody(how=Corruption.CUT) if _happens(faults.cut_rate, rng) else None


def _send_html(faults: Faults, rng: Random) -> Effect | None:
    return CorruptBody(how=Corruption.HTML) if _happens(faults.html_rate, rng) else None


def _send_wrong_types(faults: Faults, rng: Random) -> Effect | None:
    return CorruptBody(how=Corruption.WRONG_TYPE) if _happens(faults.wrong_type_rate, rng) else None


def _happens(rate: float, rng: Random) -> bool:
    return rate > 0 and rng.random() < rate


EFFECTS: Sequence[DrawEffect] = (
    _outage,
    _delay,
    _replace_fields,
    _disconnect,
    _block,
    _rate_limit,
    _ban,
    _server_error,
    _maintenance,
    _refuse_key,
    _refuse,
    _archive,
    _empty,
    _send_wrong_types,
    _cut_body,
    _send_html,
)
"""In the order in which they are applied; the first to answer or disconnect ends the request."""


def draw_effects(faults: Faults, rng: Random) -> Sequence[Effect]:
    """Draw the effects on one request."""
    return [effect for draw in EFFECTS if (effect := draw(faults, rng)) is not None]
