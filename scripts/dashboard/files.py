"""All files, by their paths below `dashboards/`."""

import json
from collections.abc import Iterator
from typing import Any

from scripts.dashboard.grafana import dashboard_json
from scripts.dashboard.grafana_alerts import grafana_alerts_text
from scripts.dashboard.graphite_alerts import graphite_alerts_text
from scripts.dashboard.graphite_expression import Names
from scripts.dashboard.graphite_web import dashboard_state
from scripts.dashboard.layout import DASHBOARDS
from scripts.dashboard.prometheus_alerts import prometheus_alerts_text
from scripts.dashboard.statsd_exporter import statsd_exporter_text


def files(names: Names) -> Iterator[tuple[str, str]]:
    """Return the path and the text of each file."""
    for plan in DASHBOARDS:
        yield f"graphite/{plan.slug}.json", _json(dashboard_state(plan, names))
        yield f"grafana/{plan.slug}.json", _json(dashboard_json(plan, names))
    yield "alerts/graphite.yml", graphite_alerts_text(names)
    yield "alerts/grafana.yml", grafana_alerts_text(names)
    yield "prometheus/alerts.yml", prometheus_alerts_text()
    yield "prometheus/statsd_exporter.yml", statsd_exporter_text(names.prefix)


def _json(value: dict[str, Any]) -> str:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n"
