"""What a panel draws and an alert compares. Each backend has its own words for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.telemetry.metric_catalog import CATALOG
from reconciler.telemetry.metric_definition import Kind, Metric

_BY_PATTERN = {metric.pattern: metric for metric in CATALOG}


def metric_of(pattern: str, *kinds: Kind) -> Metric:
    """Return the metric with this pattern.

    Raises:
        LookupError: the catalog has none, or one of another kind.
    """
    metric = _BY_PATTERN.get(pattern)
    if metric is None:
        raise LookupError(f"the catalog has no metric {pattern!r}")
    if metric.kind not in kinds:
        raise LookupError(f"{pattern} is a {metric.kind.name.lower()}")
    return metric


class Signal:
    """A value over time, or one for each value of the variable parts of a name."""

    @property
    def metrics(self) -> Iterator[Metric]:
        """The metrics that it is made from."""
        raise NotImplementedError


@dataclass(frozen=True)
class _OfOneMetric(Signal):
    pattern: str

    def __post_init__(self) -> None:
        metric_of(self.pattern, *self._kinds())

    @property
    def metric(self) -> Metric:
        """The metric that it is made from."""
        return _BY_PATTERN[self.pattern]

    @property
    def metrics(self) -> Iterator[Metric]:
        """The metric that it is made from."""
        yield self.metric

    @staticmethod
    def _kinds() -> tuple[Kind, ...]:
        return (Kind.GAUGE,)


@dataclass(frozen=True)
class Value(_OfOneMetric):
    """A gauge."""


@dataclass(frozen=True)
class Verdict(_OfOneMetric):
    """The gauge of the verdict; 3 (unknown) where nobody has sent it for half a minute."""

    pattern: str = "health.verdict"


@dataclass(frozen=True)
class BadRows(_OfOneMetric):
    """The grades of all rows of the verdict; drawn are those that are not healthy all the time."""

    pattern: str = "health.row.<row>"


@dataclass(frozen=True)
class Row(_OfOneMetric):
    """The grade of one row of the verdict: 0 healthy, 1 warning, 2 critical."""

    pattern: str = "health.row.<row>"
    row: str = ""

    def __post_init__(self) -> None:
        if self.row not in self.metric.values["row"]:
            raise LookupError(f"the verdict has no row {self.row!r}")


@dataclass(frozen=True)
class Age(_OfOneMetric):
    """How long ago a gauge of Unix seconds was, in seconds. It grows on when nobody sends.

    It lags behind by up to `step_seconds`, and by the time between two values.
    """

    step_seconds: int = 10


@dataclass(frozen=True)
class Growth(_OfOneMetric):
    """By how much the mean of a gauge over 5 minutes is above that of `minutes` earlier."""

    minutes: int = 15


@dataclass(frozen=True)
class Rate(_OfOneMetric):
    """A counter per `seconds`."""

    seconds: int = 1

    @staticmethod
    def _kinds() -> tuple[Kind, ...]:
        return (Kind.COUNTER,)


@dataclass(frozen=True)
class Total(_OfOneMetric):
    """What a counter counted in the last `minutes`."""

    minutes: int = 60

    @staticmethod
    def _kinds() -> tuple[Kind, ...]:
        return (Kind.COUNTER,)


@dataclass(frozen=True)
class Duration(_OfOneMetric):
    """A statistic of a timer: `median`, or `upper_99`: 99 % were faster."""

    statistic: str = "median"
    in_seconds: bool = False

    @staticmethod
    def _kinds() -> tuple[Kind, ...]:
        return (Kind.TIMER,)


@dataclass(frozen=True)
class Share(Signal):
    """What a counter counted in the last `minutes`, in percent of another one."""

    part: str
    whole: str
    minutes: int = 60

    @property
    def metrics(self) -> Iterator[Metric]:
        """Both counters."""
        yield metric_of(self.part, Kind.COUNTER)
        yield metric_of(self.whole, Kind.COUNTER)


@dataclass(frozen=True)
class StaleTimes(Signal):
    """A constant: this many times the time after which an order is stale, in seconds."""

    times: float

    @property
    def metrics(self) -> Iterator[Metric]:
        """None."""
        return iter(())
