"""scripts/dashboards for another prefix, and the files as those who load them read them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it has no types
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import Runtime
from grafana_foundation_sdk.models.dashboard import Dashboard

from scripts.dashboard.alerts import ALERTS
from scripts.dashboard.grafana_query import GraphiteQuery, variant_config
from scripts.dashboard.layout import DASHBOARDS

from ..scripts import run_script  # noqa: TID252 - tests are no package

SHIPPED = Path(__file__).parents[2] / "dashboards"
GRAFANA = sorted((SHIPPED / "grafana").glob("*.json"))


@pytest.fixture(scope="module", autouse=True)
def _sdk_knows_our_query() -> None:
    register_default_plugins()
    Runtime().register_dataquery_variant(variant_config())


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", GRAFANA, ids=lambda path: path.stem)
def test_the_sdk_reads_a_dashboard_for_grafana_and_writes_the_same_again(path: Path) -> None:
    dashboard = Dashboard.from_json(read(path))

    assert json.loads(json.dumps(dashboard, cls=JSONEncoder)) == read(path)
    targets = [target for panel in dashboard.panels or [] for target in _targets(panel)]
    assert targets
    assert all(isinstance(target, GraphiteQuery) for target in targets)


def _targets(panel: Any) -> list[Any]:
    return getattr(panel, "targets", None) or []


@pytest.mark.parametrize("path", GRAFANA, ids=lambda path: path.stem)
def test_in_grafana_prefix_and_data_source_are_variables(path: Path) -> None:
    dashboard = read(path)
    queries = [query for panel in dashboard["panels"] for query in panel.get("targets", [])]

    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {
        "datasource",
        "prefix",
        "stale_seconds",
    }
    assert {query["datasource"]["uid"] for query in queries} == {"${datasource}"}
    assert [query["target"] for query in queries if ".reconciler." in query["target"]] == []


@pytest.mark.parametrize("path", GRAFANA, ids=lambda path: path.stem)
def test_in_grafana_no_panel_lies_over_another_and_each_line_is_full(path: Path) -> None:
    taken = [
        (place["x"] + x, place["y"] + y)
        for panel in read(path)["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["w"])
        for y in range(place["h"])
    ]

    assert len(taken) == len(set(taken))
    rows = {y for _, y in taken}
    assert rows == set(range(max(rows) + 1))
    assert max(x for x, _ in taken) == 23


def test_all_dashboards_of_the_code_are_shipped_and_no_other() -> None:
    for folder in ("grafana", "graphite"):
        stems = {path.stem for path in (SHIPPED / folder).iterdir()}
        assert stems == {plan.slug for plan in DASHBOARDS}


def test_the_alerts_for_grafana_can_be_provisioned() -> None:
    file = yaml.safe_load((SHIPPED / "alerts" / "grafana.yml").read_text(encoding="utf-8"))
    (group,) = file["groups"]

    assert file["apiVersion"] == 1
    assert [rule["title"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule in group["rules"]:
        steps = {step["refId"]: step for step in rule["data"]}
        assert rule["condition"] in steps
        assert len(rule["uid"]) <= 40
        for letter, step in steps.items():
            assert step["model"]["refId"] == letter
            assert step["model"].get("expression", "A") in steps


def test_files_for_another_prefix_name_no_other(tmp_path: Path) -> None:
    written = run_script(
        "dashboards", "--prefix", "desk.oms-2", "--stale-minutes", "0.1", "--output", str(tmp_path)
    )

    assert written.returncode == 0, written.stderr
    graphite = (tmp_path / "graphite" / "overview.json").read_text(encoding="utf-8")
    assert "stats.gauges.desk.oms-2.health.verdict" in graphite
    assert "stats.gauges.reconciler" not in graphite
    assert "constantLine(6)" in graphite
    mapping = (tmp_path / "prometheus" / "statsd_exporter.yml").read_text(encoding="utf-8")
    assert "desk.oms-2.*.orders.reconciled" in mapping
    assert 'match: "reconciler.' not in mapping


def test_another_prefix_does_not_replace_what_is_shipped() -> None:
    refused = run_script("dashboards", "--prefix", "desk")

    assert refused.returncode == 2
    assert "--output" in refused.stderr
