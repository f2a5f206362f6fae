"""The rules that are active at a time, and the effects that they draw for a request.

A rule is for one route or, with `EVERY_ROUTE`, for each route that has no rule of the same name.
Rules of different names are active together.
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
    """A rule, and the time during which it is active."""

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

    def is_active(self, now_ms: int) -> bool:
        return now_ms < self.until_ms and self.requests_left > 0


class FaultTable:
    """The rules, present and future, and the random generator that draws effects from them.

    Of the rules with one name and route, only the latest that has begun may be active. Times are
    in ms of the caller's clock.
    """

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self._entries: defaultdict[tuple[str, str], list[_ScheduledRule]] = defaultdict(list)
        self._rng = Random(seed)  # noqa: S311  # a simulation: reproducible on purpose

    def set(self, rule: FaultRule, now_ms: int) -> None:
        """Activate `rule`, in place of the one with the same name and route."""
        self._add(_ScheduledRule.starting(rule, now_ms))

    def schedule(self, steps: Iterable[TimelineStep], now_ms: int) -> None:
        """Clear all faults and start a timeline of `steps`."""
        self.clear()
        for step in sorted(steps, key=lambda step: step.at_seconds):
            self._add(_ScheduledRule.starting(step.faults, now_ms + step.at_seconds * 1000))

    def clear(self) -> None:
        """Clear all faults, including scheduled ones."""
        self._entries.clear()

    def rules(self, now_ms: int) -> Sequence[FaultRule]:
        """Return the active rules."""
        return [
            entry.rule for key in self._entries if (entry := self._current(key, now_ms)) is not None
        ]

    def rules_for(self, route: str, now_ms: int) -> Sequence[FaultRule]:
        """Return the active rules for a route."""
        return [entry.rule for entry in self._active_for(route, now_ms)]

    def draw(self, target: RequestTarget, now_ms: int) -> Sequence[Effect]:
        """Draw the effects on the next request for `target`."""
        drawn: list[Effect] = []
        for entry in self._active_for(target.route, now_ms):
            if not entry.rule.matches(target):
                continue
            effects = draw_effects(entry.rule, self._rng)
            entry.requests_left -= bool(effects)
            drawn.extend(effects)
        return drawn

    def _add(self, entry: _ScheduledRule) -> None:
        key = (entry.rule.name, entry.rule.route)
        self._entries[key] = sorted([*self._entries[key], entry], key=lambda other: other.from_ms)

    def _active_for(self, route: str, now_ms: int) -> Iterator[_ScheduledRule]:
        """Yield the active rules for a route: for each name its own, else the general one."""
        for name in dict.fromkeys(name for name, _ in self._entries):
            own = self._current((name, route), now_ms)
            entry = own or self._current((name, EVERY_ROUTE), now_ms)
            if entry is not None:
                yield entry

    def _current(self, key: tuple[str, str], now_ms: int) -> _ScheduledRule | None:
        begun = [entry for entry in self._entries.get(key, ()) if entry.from_ms <= now_ms]
        return begun[-1] if begun and begun[-1].is_active(now_ms) else None
