"""The alerts for Grafana to provision: a file for its folder `provisioning/alerting`."""

from scripts.dashboard.alerts import ALERTS, Alert
from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.signal import Age, Verdict
from scripts.dashboard.yaml_text import Yaml, yaml_text

DATASOURCE_UID = "graphite"
"""The uid of the data source: a rule names it, and knows no variables."""

LOOK_SECONDS, LOOK_SECONDS_OF_AGE = 120, 900
HALF = 0.5

COMMENT = f"""
Alerts for Grafana 11 or later: put this file into its folder provisioning/alerting. They ask the
data source with the uid `{DATASOURCE_UID}`; change it here if yours has another one.

Their limits are those of `reconciler health`; docs/reference/dashboards.md explains each.
Written by scripts/dashboards: change the code, not this file. For another STATSD_PREFIX:
scripts/dashboards --prefix NAME --output FOLDER
"""


def grafana_alerts_text(names: Names) -> str:
    """Return the file."""
    group: dict[str, Yaml] = {
        "orgId": 1,
        "name": "reconciler",
        "folder": "Reconciler",
        "interval": "30s",
        "rules": [_rule(alert, GraphiteExpressions(names)) for alert in ALERTS],
    }
    return yaml_text({"apiVersion": 1, "groups": [group]}, comment=COMMENT)


def _rule(alert: Alert, expressions: GraphiteExpressions) -> dict[str, Yaml]:
    ask: dict[str, Yaml] = {
        "refId": "A",
        "target": expressions.of(alert.signal),
        "textEditor": True,
    }
    reduce: dict[str, Yaml] = {
        "refId": "B",
        "type": "reduce",
        "expression": "A",
        "reducer": "last",
        "settings": {"mode": "dropNN"},
    }
    compare: dict[str, Yaml] = {
        "refId": "C",
        "type": "threshold",
        "expression": "B",
        "conditions": [{"evaluator": _evaluator(alert)}],
    }
    seconds = LOOK_SECONDS_OF_AGE if isinstance(alert.signal, Age) else LOOK_SECONDS
    return {
        # At most 40 characters, and the same for ever.
        "uid": alert.name,
        "title": alert.name,
        "condition": "C",
        "data": [
            {
                "refId": "A",
                "datasourceUid": DATASOURCE_UID,
                "relativeTimeRange": {"from": seconds, "to": 0},
                "model": ask,
            },
            {"refId": "B", "datasourceUid": "__expr__", "model": reduce},
            {"refId": "C", "datasourceUid": "__expr__", "model": compare},
        ],
        "noDataState": "Alerting" if isinstance(alert.signal, Verdict) else "OK",
        "execErrState": "Error",
        "for": f"{alert.for_seconds}s",
        "annotations": {
            "summary": alert.summary,
            "runbook": f"docs/how-to/incident-runbook.md#{alert.runbook}",
        },
        "labels": {"severity": alert.severity.value},
    }


def _evaluator(alert: Alert) -> dict[str, Yaml]:
    if alert.up_to is None:
        return {"type": "gt", "params": [alert.above]}
    # Grafana's range leaves out both ends; grades are whole numbers.
    return {"type": "within_range", "params": [alert.above + HALF, alert.up_to + HALF]}
