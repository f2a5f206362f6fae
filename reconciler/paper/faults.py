"""What goes wrong on purpose: decided purely, from settings and a seeded generator.

Rules hold for one route or, as `EVERY_ROUTE`, for all that have none of their own. Each kind of
fault is one function in `KINDS` that reads its setting and returns an effect or None. A new kind is
a setting, a function and, if it acts in a new way, an effect that `reconciler.paper.app` carries
out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

import msgspec

EVERY_ROUTE = "*"
SERVER_ERRORS = (500, 502, 503, 504)

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=600_000)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how much. The default is an exchange without faults.

    Attributes:
        latency_ms: Every answer is late by this.
        latency_jitter_ms: And by up to this much more, evenly spread.
        error_rate: Share of requests answered with one of `SERVER_ERRORS`.
        disconnect_rate: Share of requests whose connection is closed without an answer.
    """

    latency_ms: Milliseconds = 0
    latency_jitter_ms: Milliseconds = 0
    error_rate: Share = 0
    disconnect_rate: Share = 0


class FaultRule(Faults, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults for one route of the dialect, named by the last part of its path, or for every one."""

    route: str = EVERY_ROUTE


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """Wait before going on."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """Answer with this HTTP status instead of the truth."""

    http_status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HangUp:
    """Close the connection without an answer."""


Effect = Delay | Fail | HangUp
Kind = Callable[[Faults, Random], Effect | None]


def _be_late(faults: Faults, rng: Random) -> Effect | None:
    if not faults.latency_ms and not faults.latency_jitter_ms:
        return None
    jitter_ms = faults.latency_jitter_ms * rng.random()
    return Delay(seconds=(faults.latency_ms + jitter_ms) / 1000)


def _hang_up(faults: Faults, rng: Random) -> Effect | None:
    return HangUp() if rng.random() < faults.disconnect_rate else None


def _fail(faults: Faults, rng: Random) -> Effect | None:
    if rng.random() >= faults.error_rate:
        return None
    return Fail(http_status=rng.choice(SERVER_ERRORS))


KINDS: Sequence[Kind] = (_be_late, _hang_up, _fail)
"""In the order in which their effects happen; the first that ends the request ends it."""


def draw_effects(faults: Faults, rng: Random) -> Sequence[Effect]:
    """Draw what happens to one request."""
    return [effect for kind in KINDS if (effect := kind(faults, rng)) is not None]


class FaultTable:
    """The settings in force, by route, and the generator that decides by them."""

    def __init__(self, seed: int = 1) -> None:
        self._rules: dict[str, FaultRule] = {}
        self._rng = Random(seed)  # noqa: S311  # a simulation: reproducible on purpose

    def set(self, rule: FaultRule) -> None:
        """Let `rule` replace what was set for its route."""
        self._rules[rule.route] = rule

    def clear(self) -> None:
        """End every fault."""
        self._rules.clear()

    def rules(self) -> Sequence[FaultRule]:
        """Return what is in force."""
        return list(self._rules.values())

    def draw(self, route: str) -> Sequence[Effect]:
        """Draw what happens to the next request of `route`."""
        rule = self._rules.get(route) or self._rules.get(EVERY_ROUTE)
        return [] if rule is None else draw_effects(rule, self._rng)
