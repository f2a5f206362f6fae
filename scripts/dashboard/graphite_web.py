"""The dashboards for graphite-web: the state that its dashboard page saves and loads.

graphite-web has no variables, but templates: a dashboard saved as one, with the prefix as its key,
can be opened for any prefix. So the prefix stands only in targets, where a template replaces it.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.graphite_rows import grade_as_legend, with_grade_in_words
from scripts.dashboard.panel import DashboardPlan, Line, Panel, PanelUnit
from scripts.dashboard.signal import BadRows, Verdict
from scripts.dashboard.verdict_rows import NONE_IS_BAD

WIDTH, HEIGHT = 600, 260
"""Three graphs fit side by side in a window of 1,920 pixels, two in one of 1,280."""

REFRESH_SECONDS = 10
HOURS = 1
GREEN, YELLOW, RED, PURPLE, GREY = "00c000", "ffb000", "ff4040", "a060ff", "909090"
WHITE, LIGHT_GREY = "ffffff", "505050"

_BAD = "ff4040,ffb000,c03080,c05020,ff80c0,804040,d0a060,905090"
"""Colours of what is bad: none that says that it is good."""

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
    targets = [target for line in panel.lines for target in _targets(line, expressions)]
    targets += _limit_lines(panel)
    graph: dict[str, Any] = {
        "target": targets,
        "title": panel.title,
        "vtitle": panel.unit.value,
        "hideLegend": "false",
        "lineWidth": "2",
        "yMin": "0",
        "fontSize": "9",
    }
    if panel.unit.is_state:
        graph |= {"lineMode": "staircase", "yStep": "1"}
    if panel.unit.is_state and not panel.is_stacked:
        graph["yMax"] = str(_HIGHEST[panel.unit])
    if panel.is_stacked:
        graph["areaMode"] = "stacked"
    if panel.is_stacked and panel.unit.is_state:
        graph |= {"vtitle": "lowest: the cause", "hideYAxis": "true"}  # the axis counts the sum
    if panel.shows_faults:
        graph["colorList"] = _BAD
    if any(isinstance(line.signal, Verdict) for line in panel.lines):
        graph["areaMode"] = "all"
    return [urlencode({"target": targets}, doseq=True), graph, f"/render?{_query(graph)}"]


def _targets(line: Line, expressions: GraphiteExpressions) -> Iterator[str]:
    if isinstance(line.signal, Verdict):
        yield from _in_colours_of_grades(expressions.of(line.signal))
    elif isinstance(line.signal, BadRows):
        rows = expressions.of_rows(line.signal)
        yield f"color({with_grade_in_words(rows.nothing_arrives())},'{PURPLE}')"
        yield from map(with_grade_in_words, rows.bad_now())
        # 0 would have no area.
        yield f"color(alias(offset({rows.none_is_bad()},0.1),'{NONE_IS_BAD}'),'{GREEN}')"
        yield f"color(aliasSub({rows.bad_earlier()},'$',' (earlier)'),'{LIGHT_GREY}')"
    elif line.is_limit:
        color = RED if "critical" in line.name else YELLOW if "warning" in line.name else GREY
        yield f"color({expressions.of_line(line)},'{color}')"
    else:
        yield expressions.of_line(line)


def _in_colours_of_grades(verdict: str) -> Iterator[str]:
    """Return a target for each grade that was given, which has a value only while it is given.

    The first target says in the legend what the verdict is now.
    """
    yield f"color({grade_as_legend(verdict)},'{WHITE}')"
    for grade, (word, color) in enumerate(
        (("healthy", GREEN), ("warning", YELLOW), ("critical", RED), ("unknown", PURPLE))
    ):
        alone = f"removeBelowValue(removeAboveValue({verdict},{grade}),{grade})"
        # Healthy is 0, which would have no area.
        seen = f"offset({alone},0.1)" if grade == 0 else alone
        given = f"maximumAbove({seen},0)"
        yield f"color(alias({given},'{word}'),'{color}')"


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
