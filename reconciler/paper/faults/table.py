"""The rules in force at a time, and the effects that they draw for a request.

A rule is for one route or, with `EVERY_ROUTE`, for all routes without a rule of the same name of
their own. Rules of different names are in force together.
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
    """A rule, and from when to when it is in force."""

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
    """The rules, present and future, and the random generator that draws effects from them.

    Of the rules of one name and route, only the latest that has begun may be in force. Times are in
    ms of the caller's clock.
    """

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self._entries: defaultdict[tuple[str, str], list[_ScheduledRule]] = defaultdict(list)
        self._rng = Random(seed)  # noqa: S311  # a simulation: reproducible on purpose

    def set(self, rule: FaultRule, now_ms: int) -> None:
        """Put `rule` in force; it replaces the one of the same name and route."""
        self._add(_ScheduledRule.starting(rule, now_ms))

    def schedule(self, steps: Iterable[TimelineStep], now_ms: int) -> None:
        """End every fault and start a timeline of these steps."""
        self.clear()
        for step in sorted(steps, key=lambda step: step.at_seconds):
            self._add(_ScheduledRule.starting(step.faults, now_ms + step.at_seconds * 1000))

    def clear(self) -> None:
        """End every fault, also future ones."""
        self._entries.clear()

    def rules(self, now_ms: int) -> Sequence[FaultRule]:
        """Return the rules in force."""
        return [
            entry.rule for key in self._entries if (entry := self._current(key, now_ms)) is not None
        ]

    def rules_for(self, route: str, now_ms: int) -> Sequence[FaultRule]:
        """Return the rules in force for a route."""
        return [entry.rule for entry in self._in_force(route, now_ms)]

    def draw(self, target: RequestTarget, now_ms: int) -> Sequence[Effect]:
        """Draw the effects on the next request for `target`."""
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
        """Yield the rules in force for a route: of each name the route's own, else the general."""
        for name in dict.fromkeys(name for name, _ in self._entries):
            own = self._current((name, route), now_ms)
            entry = own or self._current((name, EVERY_ROUTE), now_ms)
            if entry is not None:
                yield entry

    def _current(self, key: tuple[str, str], now_ms: int) -> _ScheduledRule | None:
        begun = [entry for entry in self._entries.get(key, ()) if entry.from_ms <= now_ms]
        return begun[-1] if begun and begun[-1].is_in_force(now_ms) else None
