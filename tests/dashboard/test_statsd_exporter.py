"""The mapping for statsd_exporter, by its documented rules.

statsd_exporter itself is a program in Go that neither Debian, npm nor PyPI has, so its matching is
written again here: a pattern matches a name of the same number of parts, `*` matches any one part,
a mapping is for one type, and the first one that matches wins.
Source: README.md and pkg/mapper/mapper.go of github.com/prometheus/statsd_exporter, 2026-11.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it has no types

from reconciler.telemetry.metric_catalog import CATALOG
from reconciler.telemetry.metric_definition import Kind, Metric

SHIPPED = Path(__file__).parents[2] / "dashboards"
MAPPINGS: list[dict[str, Any]] = yaml.safe_load(
    (SHIPPED / "prometheus" / "statsd_exporter.yml").read_text(encoding="utf-8")
)["mappings"]
TYPES = {Kind.COUNTER: "counter", Kind.TIMER: "observer", Kind.GAUGE: "gauge"}
ENDINGS = {"counter": "_total", "observer": "_seconds", "gauge": ""}


def statsd_names(prefix: str, scope: str, metric: Metric) -> Iterator[str]:
    """Return every name under which a metric is sent."""
    for name in metric.names:
        yield ".".join(filter(None, (prefix, scope, name)))


SENT = [
    (name, TYPES[metric.kind], scope)
    for scope in ("", "binance-7")
    for metric in CATALOG
    for name in statsd_names("reconciler", scope, metric)
]


def matches(name: str, kind: str) -> list[tuple[dict[str, Any], list[str]]]:
    """Return the mappings that match a name, in order, each with what its `*` stand for."""
    parts = name.split(".")
    found = []
    for mapping in MAPPINGS:
        pattern = mapping["match"].split(".")
        if mapping["match_metric_type"] == kind and len(pattern) == len(parts):
            pairs = list(zip(pattern, parts, strict=True))
            if all(wanted in {"*", part} for wanted, part in pairs):
                found.append((mapping, [part for wanted, part in pairs if wanted == "*"]))
    return found


def labels(mapping: dict[str, Any], captured: list[str]) -> dict[str, str]:
    """Return the labels of a metric, with what they refer to."""
    return {
        label: captured[int(value[1:]) - 1] if value.startswith("$") else value
        for label, value in mapping["labels"].items()
    }


def test_each_name_that_is_sent_has_exactly_one_mapping() -> None:
    found = {name: len(matches(name, kind)) for name, kind, _ in SENT}

    assert len(found) == len(SENT)
    assert {name: count for name, count in found.items() if count != 1} == {}


def test_no_two_names_become_the_same_series() -> None:
    series = {}
    for name, kind, scope in SENT:
        mapping, captured = matches(name, kind)[0]
        values = labels(mapping, captured)
        assert values["scope"] == scope
        series[mapping["name"], tuple(sorted(values.items()))] = name

    assert len(series) == len(SENT)


@pytest.mark.parametrize("scope", ["transitions", "shard", "exchange", "health", "orders"])
def test_a_scope_that_is_called_like_a_metric_is_still_the_scope(scope: str) -> None:
    for metric in CATALOG:
        for name in statsd_names("reconciler", scope, metric):
            mapping, captured = matches(name, TYPES[metric.kind])[0]
            assert labels(mapping, captured)["scope"] == scope, name


def test_statsd_exporter_takes_each_pattern_name_and_label() -> None:
    for mapping in MAPPINGS:
        first = r"(\*|[a-zA-Z_][a-zA-Z0-9_\-]*)"
        others = r"(\.\*|\.[a-zA-Z0-9_][a-zA-Z0-9_\-]*)*"
        assert re.fullmatch(first + others, mapping["match"])
        assert re.fullmatch(r"reconciler_[a-z0-9_]+", mapping["name"])
        assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]+", label) for label in mapping["labels"])
        stars = mapping["match"].count("*")
        used = [int(value[1:]) for value in mapping["labels"].values() if value.startswith("$")]
        assert sorted(used) == list(range(1, stars + 1))


def test_metrics_of_one_name_have_the_same_labels_type_and_help() -> None:
    seen: dict[str, Any] = {}
    for mapping in MAPPINGS:
        facts = (set(mapping["labels"]), mapping["match_metric_type"], mapping["help"])
        assert seen.setdefault(mapping["name"], facts) == facts


def test_names_end_with_their_unit_as_prometheus_wants_it() -> None:
    for mapping in MAPPINGS:
        assert mapping["name"].endswith(ENDINGS[mapping["match_metric_type"]])
        assert not mapping["name"].endswith("_ms")
        if mapping["match_metric_type"] == "observer":
            buckets = mapping["histogram_options"]["buckets"]
            assert buckets == sorted(set(buckets))
        assert ("ttl" in mapping) is (mapping["match_metric_type"] == "gauge")
