"""The mapping of names for statsd_exporter, for those who use Prometheus instead of Graphite.

Each metric has two mappings, one with a scope after the prefix and one without. Those with a scope
come first: then a scope that is called like the beginning of a metric does no harm.
"""

import re

from reconciler.telemetry.metric_catalog import CATALOG
from reconciler.telemetry.metric_definition import Kind, Metric
from scripts.dashboard.prometheus_names import labels_of, prometheus_name, scale_of
from scripts.dashboard.yaml_text import Yaml, yaml_text

GAUGE_SECONDS = 30
"""How long a gauge that nobody sends stays: it is sent every 10 s, and is not true for ever."""

_KINDS = {Kind.COUNTER: "counter", Kind.TIMER: "observer", Kind.GAUGE: "gauge"}

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SLOW = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
_SLOW_TIMERS = {"orders.time_to_correct", "shadow.application_later"}

COMMENT = """
The mapping of names for statsd_exporter 0.24 or later, which Prometheus then scrapes:

    statsd_exporter --statsd.listen-udp=127.0.0.1:9125 --statsd.mapping-config=statsd_exporter.yml

STATSD_HOST and STATSD_PORT of the reconciler lead to it, instead of to StatsD.
Written by scripts/dashboards: change the code, not this file. For another STATSD_PREFIX:
scripts/dashboards --prefix NAME --output FOLDER
"""


def statsd_exporter_text(prefix: str) -> str:
    """Return the file."""
    return yaml_text(statsd_exporter_mapping(prefix), comment=COMMENT)


def statsd_exporter_mapping(prefix: str) -> dict[str, Yaml]:
    """Return the mapping: for each metric of the catalog, with a scope and without."""
    return {
        "mappings": [
            _mapping(metric, prefix, has_scope=has_scope)
            for has_scope in (True, False)
            for metric in CATALOG
        ]
    }


def _mapping(metric: Metric, prefix: str, *, has_scope: bool) -> dict[str, Yaml]:
    name = re.sub(r"<\w+>", "*", metric.pattern)
    mapping: dict[str, Yaml] = {
        "match": ".".join((prefix, *(["*"] if has_scope else []), name)),
        "match_metric_type": _KINDS[metric.kind],
        "name": prometheus_name(metric),
        "help": _plain(metric.meaning),
    }
    labels = (["scope"] if has_scope else []) + list(labels_of(metric))
    # Metrics of one name must have the same labels, so the scope is always there.
    values: dict[str, Yaml] = {} if has_scope else {"scope": ""}
    values |= {label: f"${place}" for place, label in enumerate(labels, start=1)}
    mapping["labels"] = values
    mapping |= _options(metric)
    return mapping


def _options(metric: Metric) -> dict[str, Yaml]:
    if metric.kind is Kind.GAUGE:
        scale = scale_of(metric)
        ttl: dict[str, Yaml] = {"ttl": f"{GAUGE_SECONDS}s"}
        return ttl if scale == 1 else ttl | {"scale": scale}
    if metric.kind is Kind.TIMER:
        buckets = _SLOW if metric.pattern in _SLOW_TIMERS else _FAST
        return {"observer_type": "histogram", "histogram_options": {"buckets": buckets}}
    return {}


def _plain(markdown: str) -> str:
    """Return a sentence without the links and marks of Markdown."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")
    return f"{text[0].upper()}{text[1:]}"
