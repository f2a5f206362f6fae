"""The alerts as a list of Graphite expressions, for any program that asks the render API."""

from scripts.dashboard.alerts import ALERTS, Alert
from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.yaml_text import Yaml, yaml_text

LOOK_SECONDS = 900
"""How much of the past is asked for, besides the time of the alert: so old may be the last run."""

COMMENT = """
Alerts as expressions of Graphite's render API, for the program that you let it watch.

An alert fires when all values of the expression in the last `for_seconds` that are not null lie
above `above` and, where given, not above `up_to`; with no value at all it does not fire. Ask with
`from`, and with no maxDataPoints:

    GET /render?target=EXPRESSION&from=FROM&format=json

Their limits are those of `reconciler health`; docs/reference/dashboards.md explains each.
Written by scripts/dashboards: change the code, not this file. For another STATSD_PREFIX:
scripts/dashboards --prefix NAME --output FOLDER
"""


def graphite_alerts_text(names: Names) -> str:
    """Return the file."""
    alerts: list[Yaml] = [_entry(alert, GraphiteExpressions(names)) for alert in ALERTS]
    return yaml_text({"alerts": alerts}, comment=COMMENT)


def _entry(alert: Alert, expressions: GraphiteExpressions) -> dict[str, Yaml]:
    limits: dict[str, Yaml] = {"above": alert.above}
    if alert.up_to is not None:
        limits["up_to"] = alert.up_to
    return {
        "name": alert.name,
        "severity": alert.severity.value,
        "summary": alert.summary,
        "expression": expressions.of(alert.signal),
        "from": f"-{look_back_seconds(alert)}s",
        **limits,
        "for_seconds": alert.for_seconds,
        "runbook": f"docs/how-to/incident-runbook.md#{alert.runbook}",
    }


def look_back_seconds(alert: Alert) -> int:
    """Return for how long an alert's values are asked for."""
    return LOOK_SECONDS + alert.for_seconds
