from collections import Counter

import pytest

from reconciler.telemetry.metric_catalog import CATALOG, HEALTH_ROWS
from scripts.dashboard.alerts import ALERTS
from scripts.dashboard.layout import DASHBOARDS, OVERVIEW
from scripts.dashboard.no_panel import NO_PANEL
from scripts.dashboard.panels import OLDEST_STALE, ROWS, VERDICT
from scripts.dashboard.signal import Duration, Row, Value
from scripts.dashboard.verdict_rows import LEGENDS

from ..docs.documents import anchors, read  # noqa: TID252 - tests are no package
from ..scripts import run_script  # noqa: TID252

SHOWN = {metric.pattern for plan in DASHBOARDS for panel in plan.panels for metric in panel.metrics}


def test_each_metric_has_a_panel_or_a_reason_why_it_has_none() -> None:
    patterns = [metric.pattern for metric in CATALOG]

    assert [pattern for pattern in patterns if (pattern in SHOWN) is (pattern in NO_PANEL)] == []
    assert set(NO_PANEL) <= set(patterns)


def test_a_panel_or_alert_about_a_metric_that_nobody_sends_cannot_be_written() -> None:
    with pytest.raises(LookupError, match=r"no metric 'stale\.backlogs'"):
        Value("stale.backlogs")
    with pytest.raises(LookupError, match=r"stale\.backlog is a gauge"):
        Duration("stale.backlog")
    with pytest.raises(LookupError, match="no row 'staleness'"):
        Row(row="staleness")


def test_the_overview_begins_with_the_verdict_its_reasons_and_the_oldest_stale_order() -> None:
    assert list(OVERVIEW.panels)[:3] == [VERDICT, ROWS, OLDEST_STALE]


def test_each_row_of_the_verdict_has_an_alert_or_a_metric_that_has_one() -> None:
    by_row = {alert.signal.row for alert in ALERTS if isinstance(alert.signal, Row)}
    by_metric = {
        "breakers": "ReconcilerBreakerOpen",
        "halt": "ReconcilerHalt",
        "last_run": "ReconcilerLastRunCritical",
        "pause": "ReconcilerRateLimitPause",
    }

    # The mode is never bad, and only the command finds its own configuration wrong.
    never_sent_as_bad = {"mode", "configuration"}

    assert by_row | set(by_metric) | never_sent_as_bad == set(HEALTH_ROWS)
    assert set(by_metric.values()) <= {alert.name for alert in ALERTS}


def test_each_alert_has_a_name_of_its_own() -> None:
    names = Counter(alert.name for alert in ALERTS)

    assert [name for name, count in names.items() if count > 1] == []


def test_the_files_and_the_table_of_the_docs_agree_with_the_code() -> None:
    checked = run_script("dashboards", "--check")

    assert checked.returncode == 0, checked.stderr


def test_the_runbook_has_a_section_for_each_panel_and_alert() -> None:
    sections = anchors(read("docs/how-to/incident-runbook.md"))
    panels = {panel.runbook for plan in DASHBOARDS for panel in plan.panels}

    assert panels | {alert.runbook for alert in ALERTS} <= set(sections)


def test_the_legend_of_each_row_is_not_cut_off_in_graphite_web() -> None:
    fits = 36  # characters, before the grade, so that two fit side by side

    assert {slug: text for slug, text in LEGENDS.items() if len(text) > fits} == {}
