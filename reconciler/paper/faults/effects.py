"""What happens to one request: drawn purely from the settings and a seeded generator.

Each kind is one function in `KINDS` that draws an effect or None; `reconciler.paper.app` carries
the effects out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from reconciler.paper.faults.rules import Faults

SERVER_ERRORS = (500, 502, 503, 504)


class Spoiling(StrEnum):
    """How the body of an answer is broken."""

    CUT = "cut"
    HTML = "html"
    WRONG_TYPE = "wrong_type"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """Wait before going on."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HangUp:
    """Close the connection without an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Answer 429 and want silence."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ban:
    """Answer 418 and ban the address."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """Answer with this HTTP status instead of the truth."""

    http_status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Maintain:
    """Answer that the exchange is being worked on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefuseKey:
    """Refuse whatever proof a private request brings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockAtFirewall:
    """Answer 403 with a page of HTML, as the firewall before the exchange does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """Answer with this error, whatever is asked for."""

    http_status: int
    code: int
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """Answer a look-up as if its order had been archived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alter:
    """Put other headers or fields in place of the true ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmptyList:
    """Answer a list with an empty one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoil:
    """Break the answer's body."""

    how: Spoiling


Effect = (
    Delay
    | HangUp
    | Silence
    | Ban
    | Fail
    | Maintain
    | RefuseKey
    | BlockAtFirewall
    | Refuse
    | Archive
    | Alter
    | EmptyList
    | Spoil
)
Kind = Callable[[Faults, Random], Effect | None]


def _go_out(faults: Faults, _rng: Random) -> Effect | None:
    return HangUp() if faults.outage else None


def _be_late(faults: Faults, rng: Random) -> Effect | None:
    if not faults.latency_ms and not faults.latency_jitter_ms:
        return None
    jitter_ms = faults.latency_jitter_ms * rng.random()
    return Delay(seconds=(faults.latency_ms + jitter_ms) / 1000)


def _hang_up(faults: Faults, rng: Random) -> Effect | None:
    return HangUp() if _happens(faults.disconnect_rate, rng) else None


def _want_silence(faults: Faults, rng: Random) -> Effect | None:
    if not _happens(faults.rate_limit_rate, rng):
        return None
    return Silence(seconds=faults.retry_after_seconds)


def _ban(faults: Faults, rng: Random) -> Effect | None:
    return Ban(seconds=faults.ban_seconds) if _happens(faults.ban_rate, rng) else None


def _fail(faults: Faults, rng: Random) -> Effect | None:
    if not _happens(faults.error_rate, rng):
        return None
    return Fail(http_status=rng.choice(SERVER_ERRORS))


def _maintain(faults: Faults, rng: Random) -> Effect | None:
    return Maintain() if _happens(faults.maintenance_rate, rng) else None


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


def _alter(faults: Faults, _rng: Random) -> Effect | None:
    return Alter() if faults.headers or faults.fields or faults.without_fields else None


def _empty(faults: Faults, rng: Random) -> Effect | None:
    return EmptyList() if _happens(faults.empty_list_rate, rng) else None


def _cut(faults: Faults, rng: Random) -> Effect | None:
    return Spoil(how=Spoiling.CUT) if _happens(faults.cut_rate, rng) else None


def _send_html(faults: Faults, rng: Random) -> Effect | None:
    return Spoil(how=Spoiling.HTML) if _happens(faults.html_rate, rng) else None


def _mistype(faults: Faults, rng: Random) -> Effect | None:
    return Spoil(how=Spoiling.WRONG_TYPE) if _happens(faults.wrong_type_rate, rng) else None


def _happens(rate: float, rng: Random) -> bool:
    return rate > 0 and rng.random() < rate


KINDS: Sequence[Kind] = (
    _go_out,
    _be_late,
    _alter,
    _hang_up,
    _block,
    _want_silence,
    _ban,
    _fail,
    _maintain,
    _refuse_key,
    _refuse,
    _archive,
    _empty,
    _mistype,
    _cut,
    _send_html,
)
"""In the order in which their effects happen; the first that ends the request ends it."""


def draw_effects(faults: Faults, rng: Random) -> Sequence[Effect]:
    """Draw what happens to one request."""
    return [effect for kind in KINDS if (effect := kind(faults, rng)) is not None]
