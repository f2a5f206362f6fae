"""The dashboards for Grafana 11.6 and later.

The data source, the prefix and the time after which an order is stale are variables. States are
drawn as bands of colour, everything else as lines; tiles at the top show the present values.
"""

import json
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from scripts.dashboard.grafana_query import DATASOURCE, GraphiteQuery, GraphiteQueryBuilder
from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.panel import DashboardPlan, Line, Panel, PanelUnit
from scripts.dashboard.signal import BadRows

GREEN, YELLOW, RED, GREY = "green", "orange", "red", "purple"
WHOLE_WIDTH = 24
TILE_HEIGHT, GRAPH_WIDTH, GRAPH_HEIGHT, BAND_HEIGHT, ROWS_HEIGHT = 4, 6, 7, 4, 8
FEW_PANELS = 4

_UNITS = {
    PanelUnit.ORDERS: "short",
    PanelUnit.PER_SECOND: "cps",
    PanelUnit.PER_MINUTE: "cpm",
    PanelUnit.MILLISECONDS: "ms",
    PanelUnit.SECONDS: "s",
    PanelUnit.PERCENT: "percent",
    PanelUnit.WEIGHT: "short",
    PanelUnit.NUMBER: "short",
}
"""Units by Grafana's names; states have words instead."""

_WORDS = {
    PanelUnit.GRADE: (
        ("healthy", GREEN),
        ("warning", YELLOW),
        ("critical", RED),
        ("unknown", GREY),
    ),
    PanelUnit.BREAKER: (("closed", GREEN), ("half-open", YELLOW), ("open", RED)),
    PanelUnit.YES_OR_NO: (("no", GREEN), ("YES", RED)),
}

_EXPRESSIONS = GraphiteExpressions(Names(prefix="$prefix", stale_seconds="$stale_seconds"))


def dashboard_json(plan: DashboardPlan, names: Names) -> dict[str, Any]:
    """Return a dashboard; `names` are the values that its variables have at first."""
    text = json.dumps(_build(plan, names).build(), cls=JSONEncoder)
    result: dict[str, Any] = json.loads(text)
    return result


def _build(plan: DashboardPlan, names: Names) -> dashboard.Dashboard:
    builder = (
        dashboard.Dashboard(plan.title)
        .uid(f"reconciler-{plan.slug}")
        .description(plan.answers)
        .tags(["reconciler"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Graphite").type("graphite")
        )
        .with_variable(_text_box("prefix", "Prefix, with the scope", names.prefix))
        .with_variable(_text_box("stale_seconds", "Stale after, in seconds", names.stale_seconds))
        .link(
            dashboard.DashboardLink("Reconciler")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["reconciler"])
            .as_dropdown(False)  # noqa: FBT003 - the SDK's own form
            .include_vars(True)  # noqa: FBT003 - the SDK's own form
            .keep_time(True)  # noqa: FBT003 - the SDK's own form
        )
    )
    tiles = [panel for panel in plan.panels if panel.tile]
    for panel in tiles:
        builder.with_panel(_tile(panel, WHOLE_WIDTH // len(tiles)))
    for section in plan.sections:
        builder.with_row(dashboard.Row(section.title))
        for panel, width in zip(section.panels, _widths(section.panels), strict=True):
            builder.with_panel(_graph(panel, width))
    return builder


def _text_box(name: str, label: str, value: str) -> dashboard.TextBoxVariable:
    option = models.VariableOption(text=value, value=value, selected=True)
    return (
        dashboard.TextBoxVariable(name)
        .label(label)
        .default_value(value)
        .current(option)
        .options([option])
    )


def _widths(panels: tuple[Panel, ...]) -> Iterator[int]:
    """Fill each line: panels that are bands alone are as wide as the page."""
    if all(panel.unit is PanelUnit.GRADE for panel in panels):
        yield from (WHOLE_WIDTH for _ in panels)
        return
    for_each_line = len(panels) if len(panels) <= FEW_PANELS else FEW_PANELS - 1
    yield from (WHOLE_WIDTH // for_each_line for _ in panels)


def _tile(panel: Panel, width: int) -> stat.Panel:
    words = _mappings(panel.unit)
    query = GraphiteQuery(target=_EXPRESSIONS.of_tile(panel.lines[0]), ref_id="A")
    tile = (
        stat.Panel()
        .title(panel.tile or panel.title)
        .description(_description(panel))
        .datasource(DATASOURCE)
        .with_target(GraphiteQueryBuilder(query))
        .span(width)
        .height(TILE_HEIGHT)
        .no_value("-")
        .mappings(words)
        .thresholds(_thresholds(panel))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .color_mode(_tile_color(panel))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        # Not the last value that there was: it may be an hour old.
        .reduce_options(common.ReduceDataOptions().calcs(["last"]))
    )
    return tile if words else tile.unit(_UNITS[panel.unit])


def _tile_color(panel: Panel) -> common_models.BigValueColorMode:
    # Green would say that all is well, where no limit says so.
    modes = common_models.BigValueColorMode
    return modes.NONE if panel.limits is None else modes.BACKGROUND


def _graph(panel: Panel, width: int) -> statetimeline.Panel | timeseries.Panel:
    graph = _bands(panel) if panel.unit.is_state else _lines(panel)
    graph.title(panel.title).description(_description(panel)).datasource(DATASOURCE)
    graph.span(width)
    targets = (target for line in panel.lines for target in _EXPRESSIONS.targets(line))
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        query = GraphiteQuery(target=target, ref_id=letter)
        graph.with_target(GraphiteQueryBuilder(query))
    return graph


def _bands(panel: Panel) -> statetimeline.Panel:
    is_alone = panel.unit is PanelUnit.GRADE
    has_many = any(isinstance(line.signal, BadRows) for line in panel.lines)
    height = ROWS_HEIGHT if has_many else BAND_HEIGHT if is_alone else GRAPH_HEIGHT
    return (
        statetimeline.Panel()
        .height(height)
        .mappings(_mappings(panel.unit))
        .show_value(common_models.VisibilityMode.AUTO)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(70)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )


def _lines(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .height(GRAPH_HEIGHT)
        .unit(_UNITS[panel.unit])
        .min(0)
        .line_width(2)
        .thresholds(_thresholds(panel))
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 - the SDK's own form
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    if panel.limits is not None:
        dashed = common_models.GraphThresholdsStyleMode.DASHED
        graph.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    if panel.is_stacked:
        normal = common_models.StackingMode.NORMAL
        graph.stacking(common.StackingConfig().mode(normal)).fill_opacity(30)
    for line in panel.lines:
        if line.is_limit:
            graph.override_by_name(line.name, list(_limit_style(line)))
    return graph


def _limit_style(line: Line) -> Iterator[models.DynamicConfigValue]:
    color = RED if "critical" in line.name else YELLOW
    yield models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
    yield models.DynamicConfigValue(
        id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, 10]}
    )


def _mappings(unit: PanelUnit) -> list[models.ValueMapping]:
    words = _WORDS.get(unit, ())
    if not words:
        return []
    results = {
        str(value): models.ValueMappingResult(text=text, color=color, index=value)
        for value, (text, color) in enumerate(words)
    }
    return [models.ValueMap(options=results)]


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=GREEN)]
    if panel.limits is not None:
        steps += [
            models.Threshold(value=value, color=color)
            for value, color in ((panel.limits.warning, YELLOW), (panel.limits.critical, RED))
            if value is not None
        ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _description(panel: Panel) -> str:
    return f"{panel.answers}\n\nRunbook: docs/how-to/incident-runbook.md#{panel.runbook}"
