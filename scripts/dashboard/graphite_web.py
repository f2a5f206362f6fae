"""The dashboards for graphite-web: the state that its dashboard page saves and loads.

graphite-web has no variables, but templates: a dashboard saved as one, with the prefix as its key,
can be opened for any prefix. So the prefix stands only in targets, where a template replaces it.
"""

from typing import Any
from urllib.parse import urlencode

from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.panel import DashboardPlan, Panel, PanelUnit

WIDTH, HEIGHT = 580, 260
"""Three graphs fit side by side in a window of 1,920 pixels, two in one of 1,280."""

REFRESH_SECONDS = 10
HOURS = 1
YELLOW, RED = "ffb000", "ff4040"

_HIGHEST = {PanelUnit.GRADE: 3, PanelUnit.BREAKER: 2, PanelUnit.YES_OR_NO: 1}


def dashboard_state(plan: DashboardPlan, names: Names) -> dict[str, Any]:
    """Return the state of a dashboard, for `POST /dashboard/save/NAME`."""
    return {
        "name": dashboard_name(plan),
        "timeConfig": {
            "type": "relative",
            "relativeStartQuantity": str(HOURS),
            "relativeStartUnits": "hours",
            "relativeUntilQuantity": "",
            "relativeUntilUnits": "now",
            # Not used while the type is relative, but the page reads them.
            "startDate": "2026-01-01T00:00:00",
            "startTime": "12:00 AM",
            "endDate": "2026-01-01T00:00:00",
            "endTime": "12:00 AM",
        },
        "refreshConfig": {"enabled": True, "interval": REFRESH_SECONDS * 1000},
        "graphSize": {"width": WIDTH, "height": HEIGHT},
        "defaultGraphParams": {
            "from": f"-{HOURS}hours",
            "until": "now",
            "width": WIDTH,
            "height": HEIGHT,
        },
        "graphs": [graph_of(panel, names) for panel in plan.panels],
    }


def dashboard_name(plan: DashboardPlan) -> str:
    """Return what a dashboard is called in graphite-web."""
    return f"reconciler-{plan.slug}"


def graph_of(panel: Panel, names: Names) -> list[Any]:
    """Return a graph as the state has it: its targets, its parameters, its address."""
    expressions = GraphiteExpressions(names)
    targets = [expressions.of_line(line) for line in panel.lines] + _limit_lines(panel)
    graph: dict[str, Any] = {
        "target": targets,
        "title": panel.title,
        "vtitle": panel.unit.value,
        "hideLegend": "false",
        "lineWidth": "2",
        "yMin": "0",
    }
    if panel.unit.is_state:
        graph |= {"lineMode": "staircase", "yStep": "1"}
    if panel.unit.is_state and not panel.is_stacked:
        graph["yMax"] = str(_HIGHEST[panel.unit])
    if panel.unit is PanelUnit.MILLISECONDS:
        graph["yUnitSystem"] = "none"
    if panel.is_stacked:
        graph["areaMode"] = "stacked"
    return [urlencode({"target": targets}, doseq=True), graph, f"/render?{_query(graph)}"]


def _limit_lines(panel: Panel) -> list[str]:
    # States have their meaning on the axis; lines at 1 and 2 would hide them.
    if panel.limits is None or panel.unit.is_state:
        return []
    return [
        f"threshold({value:g},'from here: {word}','{color}')"
        for value, word, color in (
            (panel.limits.warning, "warning", YELLOW),
            (panel.limits.critical, "critical", RED),
        )
        if value is not None
    ]


def _query(graph: dict[str, Any]) -> str:
    return urlencode({"width": WIDTH, "height": HEIGHT} | graph, doseq=True)
