"""The definition of a metric: its name, kind, unit and meaning.

A name can have variable parts, such as `<n>` in `shard.<n>.queued`. Each has a closed set of
values, so the number of series is bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from reconciler.domain.status import Status


class Kind(StrEnum):
    """The kind of a metric. The value is the letter of the StatsD protocol."""

    COUNTER = "c"
    TIMER = "ms"
    GAUGE = "g"


class Unit(StrEnum):
    """What a metric counts or measures."""

    ORDERS = "orders"
    REQUESTS = "requests"
    WEIGHT = "request weight"
    ERRORS = "errors"
    TIMES = "times"
    WORKERS = "workers"
    LINES = "lines"
    SHARDS = "shards"
    ACCOUNTS = "accounts"
    MILLISECONDS = "ms"
    SECONDS = "s"
    UNIX_SECONDS = "s since 1970"
    STATE = "state"


class WhenGone(StrEnum):
    """What becomes of a gauge when the supervisor ends normally."""

    ZERO = "set to 0"
    """0 is true: nothing runs any more."""
    UNKNOWN = "set to 3"
    """Nobody judges any more, so the verdict is unknown."""
    NOT_SENT = "not sent again"
    """What it says of the database or the exchange may still hold, or not: nobody looks."""

    @property
    def gauge(self) -> int | None:
        """The value that is sent then; None if none is."""
        match self:
            case WhenGone.ZERO:
                return 0
            case WhenGone.UNKNOWN:
                return 3
            case WhenGone.NOT_SENT:
                return None
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, or one for each value of the variable parts of its name.

    Attributes:
        pattern: The name without prefix and scope, with variable parts in angle brackets.
        meaning: What it counts or measures, as a sentence without a full stop.
        values: The values that each variable part can have, by its name without brackets.
        when_gone: For gauges: what becomes of it when the supervisor ends normally.
    """

    pattern: str
    kind: Kind
    unit: Unit
    meaning: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when_gone: WhenGone | None = None

    @property
    def names(self) -> Iterator[str]:
        """Every name that it can have, without prefix and scope."""
        names = [self.pattern]
        for variable, values in self.values.items():
            names = [name.replace(f"<{variable}>", value) for name in names for value in values]
        return (name for name in names if self.pattern != TRANSITIONS or is_transition(name))


TRANSITIONS = "transitions.<from>.<to>"


def is_transition(name: str) -> bool:
    """Return True if a change can have this name: no status goes back, and no end changes."""
    before, after = map(Status, name.split(".")[1:])
    return before is after or (not before.is_terminal and after.progress > before.progress)
