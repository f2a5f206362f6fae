"""What the metrics are called in Prometheus, as statsd_exporter gives them on.

`reconciler_` and the name, with the unit as Prometheus wants it at the end; what varies in a name
becomes a label. The prefix is not part of it; the scope is a label.
"""

from collections.abc import Iterator

from reconciler.telemetry.metric_definition import Kind, Metric

NAMESPACE = "reconciler"

LABELS = {"n": "shard"}
"""Labels for the variable parts whose own names statsd_exporter refuses: it wants two letters."""

_SECONDS = {"cycle.last_duration_ms": "cycle_last_duration_seconds"}
"""Gauges in milliseconds: statsd_exporter divides only timers by itself."""

_ENDINGS = {Kind.COUNTER: "_total", Kind.TIMER: "_seconds", Kind.GAUGE: ""}
_UNIX_TIMES = {"cycle.last_run_timestamp": "cycle_last_run_timestamp_seconds"}


def prometheus_name(metric: Metric) -> str:
    """Return the name of a metric."""
    name = _SECONDS.get(metric.pattern) or _UNIX_TIMES.get(metric.pattern)
    if name is None:
        parts = [part for part in metric.pattern.split(".") if not part.startswith("<")]
        name = "_".join(parts) + _ENDINGS[metric.kind]
    return f"{NAMESPACE}_{name}"


def labels_of(metric: Metric) -> Iterator[str]:
    """Return the labels of a metric, in the order of the variable parts of its name."""
    for part in metric.pattern.split("."):
        if part.startswith("<"):
            yield LABELS.get(part[1:-1], part[1:-1])


def scale_of(metric: Metric) -> float:
    """Return by what a gauge is multiplied."""
    return 0.001 if metric.pattern in _SECONDS else 1
