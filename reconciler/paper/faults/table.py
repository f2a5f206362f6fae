"""Which rules are in force when, and what they draw for a request.

A rule holds for one route or, as `EVERY_ROUTE`, for all that have none of their own of the same
name. Rules of different names hold side by side.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from reconciler.paper.faults.effects import Effect, draw_effects
from reconciler.paper.faults.rules import EVERY_ROUTE, FaultRule, RequestTarget, TimelineStep


@dataclass(kw_only=True, slots=True)
class _ScheduledRule:
    """A rule and when it holds."""

    rule: FaultRule
    from_ms: float
    until_ms: float
    requests_left: float

    @classmethod
    def starting(cls, rule: FaultRule, from_ms: float) -> "_ScheduledRule":
        seconds = inf if rule.for_seconds is None else rule.for_seconds
        requests = inf if rule.for_requests is None else rule.for_requests
        return cls(
            rule=rule, from_ms=from_ms, until_ms=from_ms + seconds * 1000, requests_left=requests
        )

    def is_in_force(self, now_ms: int) -> bool:
        return now_ms < self.until_ms and self.requests_left > 0


class FaultTable:
    """The rules, in force and to come, and the generator that decides by them.

    Of the rules of one name and route only the latest that has begun may be in force. Times are in
    ms of one clock, the caller's.
    """

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self._entries: defaultdict[tuple[str, str], list[_ScheduledRule]] = defaultdict(list)
        self._rng = Random(seed)  # noqa: S311  # a simulation: reproducible on purpose

    def set(self, rule: FaultRule, now_ms: int) -> None:
        """Let `rule` replace what was set for its name and route."""
        self._add(_ScheduledRule.starting(rule, now_ms))

    def schedule(self, steps: Iterable[TimelineStep], now_ms: int) -> None:
        """End every fault, and let these come into force one after the other, from now on."""
        self.clear()
        for step in sorted(steps, key=lambda step: step.at_seconds):
            self._add(_ScheduledRule.starting(step.faults, now_ms + step.at_seconds * 1000))

    def clear(self) -> None:
        """End every fault, also those to come."""
        self._entries.clear()

    def rules(self, now_ms: int) -> Sequence[FaultRule]:
        """Return what is in force."""
        return [
            entry.rule for key in self._entries if (entry := self._current(key, now_ms)) is not None
        ]

    def rules_for(self, route: str, now_ms: int) -> Sequence[FaultRule]:
        """Return what is in force for a route."""
        return [entry.rule for entry in self._in_force(route, now_ms)]

    def draw(self, target: RequestTarget, now_ms: int) -> Sequence[Effect]:
        """Draw what happens to the next request for `target`."""
        drawn: list[Effect] = []
        for entry in self._in_force(target.route, now_ms):
            if not entry.rule.matches(target):
                continue
            effects = draw_effects(entry.rule, self._rng)
            entry.requests_left -= bool(effects)
            drawn.extend(effects)
        return drawn

    def _add(self, entry: _ScheduledRule) -> None:
        key = (entry.rule.name, entry.rule.route)
        self._entries[key] = sorted([*self._entries[key], entry], key=lambda other: other.from_ms)

    def _in_force(self, route: str, now_ms: int) -> Iterator[_ScheduledRule]:
        """Find what is in force for a route: of each name its own rule, or else the general one."""
        for name in dict.fromkeys(name for name, _ in self._entries):
            own = self._current((name, route), now_ms)
            entry = own or self._current((name, EVERY_ROUTE), now_ms)
            if entry is not None:
                yield entry

    def _current(self, key: tuple[str, str], now_ms: int) -> _ScheduledRule | None:
        begun = [entry for entry in self._entries.get(key, ()) if entry.from_ms <= now_ms]
        return begun[-1] if begun and begun[-1].is_in_force(now_ms) else None
