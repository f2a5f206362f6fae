"""A signal in the language of Graphite's render API, for StatsD without its legacy name space.

Each expression has been evaluated by a real graphite-web: tests/observe.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatchmethod

from reconciler.statsd_target import DEFAULT_PREFIX
from reconciler.telemetry.metric_definition import Kind, Metric
from scripts.dashboard.graphite_rows import RowExpressions
from scripts.dashboard.limits import STALE_SECONDS
from scripts.dashboard.panel import Line
from scripts.dashboard.signal import (
    Age,
    BadRows,
    Duration,
    Growth,
    Rate,
    Row,
    Share,
    Signal,
    StaleTimes,
    Total,
    Value,
    Verdict,
)

_FOLDERS = {Kind.COUNTER: "counters", Kind.TIMER: "timers", Kind.GAUGE: "gauges"}

MISSING_FLUSHES = 3
"""The number of missing values after which a gauge counts as gone. The latest value is often
missing, because its flush is still under way."""

YEAR_SECONDS = 31_536_000

UNKNOWN = 3
"""The verdict, where nobody judges."""

LESS_IS_WORSE = {"shards.running"}
"""Gauges of which the lowest value of a time matters; of the others the highest does."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """How the metrics are called in Graphite.

    Attributes:
        prefix: The prefix of all metrics, with the scope if there is one; may be a variable of
            the dashboard.
        stale_seconds: The time after which an order is stale; may be a variable as well.
    """

    prefix: str
    stale_seconds: str

    def path(self, metric: Metric, ending: str = "") -> str:
        """Return the path of a metric, with `*` for the variable parts of its name."""
        return f"stats.{_FOLDERS[metric.kind]}.{self.prefix}.{_with_wildcards(metric)}{ending}"


def _with_wildcards(metric: Metric) -> str:
    return ".".join("*" if part.startswith("<") else part for part in metric.pattern.split("."))


SHIPPED_NAMES = Names(prefix=DEFAULT_PREFIX, stale_seconds=f"{STALE_SECONDS:.10g}")
"""Those of the files in `dashboards/`: of a reconciler without settings of its own."""


class GraphiteExpressions:
    """Writes signals as expressions."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def of_tile(self, line: Line) -> str:
        """Return the target of a tile: the present value, and none a moment after the last one."""
        present = f"keepLastValue({self.of(line.signal)},{MISSING_FLUSHES})"
        return f"alias({present},'{line.name}')"

    def of_rows(self, signal: BadRows) -> RowExpressions:
        """Return the expressions of the rows of the verdict: several targets."""
        return RowExpressions(self.names.path(signal.metric), MISSING_FLUSHES)

    def targets(self, line: Line) -> Iterator[str]:
        """Yield the targets of a panel's line: most have one."""
        if isinstance(line.signal, BadRows):
            rows = self.of_rows(line.signal)
            yield rows.nothing_arrives()
            yield from rows.bad_now()
            yield rows.none_is_bad()
            yield rows.bad_earlier()
        else:
            yield self.of_line(line)

    def of_line(self, line: Line) -> str:
        """Return the target of a panel's line, with its name in the legend."""
        expression = self.of(line.signal)
        nodes = _nodes_of_variables(line.signal)
        if not nodes:
            return f"alias({expression},'{line.name}')"
        # Of many, only those that are not 0 at some moment: the others would fill the legend.
        is_many = isinstance(line.signal, Rate)
        shown = f"maximumAbove({expression},0)" if is_many else expression
        named = f"aliasByNode({shown},{','.join(map(str, nodes))})"
        if len(nodes) > 1:
            named = f"aliasSub({named},'[.]',' to ')"
        if line.name:
            named = f"aliasSub({named},'^','{line.name}')"
        if is_many:
            named = f"fallbackSeries({named},alias(constantLine(0),'none'))"
        return named

    @singledispatchmethod
    def of(self, signal: Signal) -> str:
        """Return the expression of a signal."""
        raise NotImplementedError(type(signal).__name__)

    @of.register
    def _(self, signal: Value) -> str:
        # Where several values share a pixel, their mean is no state, and hides a peak.
        worst = "min" if signal.pattern in LESS_IS_WORSE else "max"
        return f"consolidateBy({self.names.path(signal.metric)},'{worst}')"

    @of.register
    def _(self, signal: Verdict) -> str:
        known = f"keepLastValue({self.names.path(signal.metric)},{MISSING_FLUSHES})"
        verdict = f"fallbackSeries(transformNull({known},{UNKNOWN}),constantLine({UNKNOWN}))"
        return f"consolidateBy({verdict},'max')"

    @of.register
    def _(self, signal: Row) -> str:
        path = self.names.path(signal.metric).replace("*", signal.row)
        return f"keepLastValue({path},{MISSING_FLUSHES})"

    @of.register
    def _(self, signal: Age) -> str:
        # Both are brought to one step: with timeFunction's default of 60 s, the gauge's last 60 s
        # would count, and with the mean instead of the last second half a step would be missing.
        # It begins each step; what counts is the end.
        step = signal.step_seconds
        end_of_step = f"offset(timeFunction('now',{step}),{step - 1})"
        now = f"consolidateBy({end_of_step},'last')"
        age = f"diffSeries({now},keepLastValue({self.names.path(signal.metric)}))"
        # Where the gauge has no value, the difference is the time itself: some 50 years.
        return f"removeAboveValue({age},{YEAR_SECONDS})"

    @of.register
    def _(self, signal: Growth) -> str:
        mean = f"movingAverage({self.names.path(signal.metric)},'5min')"
        return f"diffSeries({mean},timeShift({mean},'{signal.minutes}min'))"

    @of.register
    def _(self, signal: Rate) -> str:
        return f"scaleToSeconds({self.names.path(signal.metric, '.count')},{signal.seconds})"

    @of.register
    def _(self, signal: Total) -> str:
        return self._total(signal.metric, signal.minutes)

    @of.register
    def _(self, signal: Duration) -> str:
        path = self.names.path(signal.metric, f".{signal.statistic}")
        shown = f"consolidateBy({path},'max')" if "upper" in signal.statistic else path
        return f"scale({shown},0.001)" if signal.in_seconds else shown

    @of.register
    def _(self, signal: Share) -> str:
        part, whole = (self._total(metric, signal.minutes) for metric in signal.metrics)
        return f"asPercent({part},{whole})"

    @of.register
    def _(self, signal: StaleTimes) -> str:
        return f"scale(constantLine({self.names.stale_seconds}),{signal.times:g})"

    def _total(self, metric: Metric, minutes: int) -> str:
        return f"movingSum({self.names.path(metric, '.count')},'{minutes}min',0)"


def _nodes_of_variables(signal: Signal) -> list[int]:
    """Return where in its path the variable parts of a signal's name are, from the end: -1 last."""
    if not isinstance(signal, Value | Rate):
        return []
    parts = signal.metric.pattern.split(".") + (["count"] if isinstance(signal, Rate) else [])
    return [place - len(parts) for place, part in enumerate(parts) if part.startswith("<")]
