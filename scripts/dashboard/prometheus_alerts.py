"""The alerts for Prometheus, on the metrics that statsd_exporter gives it."""

from functools import singledispatch

from scripts.dashboard.alerts import ALERTS, Alert
from scripts.dashboard.prometheus_names import prometheus_name
from scripts.dashboard.signal import Age, Growth, Row, Signal, Total, Value, Verdict
from scripts.dashboard.yaml_text import Yaml, yaml_text

COMMENT = """
Alerts for Prometheus, on the metrics of statsd_exporter with statsd_exporter.yml. In
prometheus.yml:

    rule_files: [alerts.yml]

Their limits are those of `reconciler health`; docs/reference/dashboards.md explains each.
Written by scripts/dashboards: change the code, not this file.
"""

LOST_MINUTES = 10
"""How long an alert about a supervisor that is gone from one scope of several stays."""


def prometheus_alerts_text() -> str:
    """Return the file."""
    rules = [_rule(alert) for alert in ALERTS]
    group: dict[str, Yaml] = {"name": "reconciler", "interval": "15s", "rules": rules}
    return yaml_text({"groups": [group]}, comment=COMMENT)


def _rule(alert: Alert) -> dict[str, Yaml]:
    return {
        "alert": alert.name,
        "expr": alert_expression(alert),
        "for": f"{alert.for_seconds}s",
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "runbook": f"docs/how-to/incident-runbook.md#{alert.runbook}",
        },
    }


def alert_expression(alert: Alert) -> str:
    """Return the expression that has a value where an alert fires."""
    expression = _expression(alert.signal)
    compared = f"{expression} > {alert.above:g}"
    if alert.up_to is not None:
        return f"{compared} <= {alert.up_to:g}"
    if isinstance(alert.signal, Verdict):
        # With several scopes, one that is gone is no longer there to be compared.
        gone = f"{expression} offset {LOST_MINUTES}m unless {expression}"
        return f"{compared} or ({gone}) or absent({expression})"
    return compared


@singledispatch
def _expression(signal: Signal) -> str:
    raise NotImplementedError(type(signal).__name__)


@_expression.register
def _(signal: Value | Verdict) -> str:
    return prometheus_name(signal.metric)


@_expression.register
def _(signal: Row) -> str:
    return f'{prometheus_name(signal.metric)}{{row="{signal.row}"}}'


@_expression.register
def _(signal: Age) -> str:
    # The gauge ends soon after its last value; the age of that value goes on.
    return f"time() - last_over_time({prometheus_name(signal.metric)}[1h])"


@_expression.register
def _(signal: Growth) -> str:
    name = prometheus_name(signal.metric)
    return f"avg_over_time({name}[5m]) - avg_over_time({name}[5m] offset {signal.minutes}m)"


@_expression.register
def _(signal: Total) -> str:
    return f"increase({prometheus_name(signal.metric)}[{signal.minutes}m])"
