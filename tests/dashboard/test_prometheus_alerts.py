"""The alerts for Prometheus, with its own tool: each fires when it should, and only then."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.dashboard.alerts import ALERTS, Alert
from scripts.dashboard.prometheus_names import prometheus_name
from scripts.dashboard.signal import Age, Growth, Row, Total

from ..optional_programs import require_program  # noqa: TID252 - tests are no package

RULES = Path(__file__).parents[2] / "dashboards" / "prometheus" / "alerts.yml"

STEP_SECONDS = 15
CHANGE = 30 * 60
"""The second from which on it is bad; promtool's clock begins at 0."""

Series = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series of Prometheus, and whether an alert fires at a second; `labels` are those it adds."""

    alert: Alert
    series: Series
    at: int
    fires: bool
    labels: dict[str, str] = field(default_factory=dict)


def test_promtool_accepts_the_rules() -> None:
    checked = run_promtool("check", "rules", RULES)

    assert f"{len(ALERTS)} rules found" in checked


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    cases = [case for alert in ALERTS for case in cases_of(alert)]

    run_worlds(tmp_path, packed(cases))


def test_a_supervisor_that_is_gone_is_noticed_with_one_scope_and_with_several(
    tmp_path: Path,
) -> None:
    gone = next(alert for alert in ALERTS if alert.name == "ReconcilerSupervisorGone")
    late = CHANGE + gone.for_seconds + STEP_SECONDS
    stops = f"{constant(0, CHANGE)} stale"
    one = {"reconciler_health_verdict": stops}
    two = {
        'reconciler_health_verdict{scope="a"}': stops,
        'reconciler_health_verdict{scope="b"}': constant(0, 2 * CHANGE),
    }

    run_worlds(
        tmp_path,
        [
            [Case(alert=gone, series={}, at=gone.for_seconds + STEP_SECONDS, fires=True)],
            [
                Case(alert=gone, series=one, at=CHANGE, fires=False),
                Case(alert=gone, series=one, at=late, fires=True),
            ],
            [Case(alert=gone, series=two, at=late, fires=True, labels={"scope": "a"})],
        ],
    )


def cases_of(alert: Alert) -> Iterator[Case]:
    """Return the cases of an alert: before it is bad, when it is, and where it only nearly is."""
    settled = CHANGE + settle_seconds(alert)
    late = settled + alert.for_seconds + STEP_SECONDS
    value = alert.up_to if alert.up_to is not None else alert.above + 1
    bad = series_of(alert, value, late)
    yield Case(alert=alert, series=bad, at=CHANGE - STEP_SECONDS, fires=False)
    yield Case(alert=alert, series=bad, at=late, fires=True)
    if not isinstance(alert.signal, Growth):
        early = settled + alert.for_seconds - STEP_SECONDS
        yield Case(alert=alert, series=bad, at=early, fires=False)
    nearly = series_of(alert, alert.above, late)
    yield Case(alert=alert, series=nearly, at=late, fires=False)
    if alert.up_to is not None:
        worse = series_of(alert, alert.up_to + 1, late)
        yield Case(alert=alert, series=worse, at=late, fires=False)


def settle_seconds(alert: Alert) -> int:
    """Return how long it takes until the signal has the value that it then keeps."""
    match alert.signal:
        case Growth(minutes=minutes):
            return (minutes + 5) * 60
        case Age():
            return int(alert.above)
        case _:
            return 0


def series_of(alert: Alert, value: float, end: int) -> Series:
    """Return series with which an alert's signal is 0 up to `CHANGE`, and then gets to `value`."""
    (metric,) = alert.signal.metrics
    name = prometheus_name(metric)
    match alert.signal:
        case Row(row=row):
            return {f'{name}{{row="{row}"}}': f"{constant(0, CHANGE)} {constant(value, end)}"}
        case Growth(minutes=minutes):
            # Of the limit itself only nine tenths: the sums are not exact.
            grown = value if value > alert.above else 0.9 * value
            a_step = grown / (minutes * 60) * STEP_SECONDS
            return {name: f"{constant(7, CHANGE)} 7+{a_step:.10f}x{end // STEP_SECONDS}"}
        case Total():
            return {name: f"{constant(7, CHANGE)} {constant(7 + value, end)}"}
        case Age():
            # A cycle ends at each step, and then none does; or each is seen just in time.
            ended = f"0+{STEP_SECONDS}x{CHANGE // STEP_SECONDS - 1}"
            if value > alert.above:
                return {name: f"{ended} {constant(CHANGE, end)}"}
            return {name: f"{ended} {CHANGE - value:g}+{STEP_SECONDS}x{end // STEP_SECONDS}"}
        case _:
            return {name: f"{constant(0, CHANGE)} {constant(value, end)}"}


def constant(value: float, seconds: int) -> str:
    return f"{value:g}+0x{seconds // STEP_SECONDS - 1}"


def packed(cases: list[Case]) -> list[list[Case]]:
    """Return the cases in groups whose series do not collide: few groups are fast."""
    worlds: list[list[Case]] = []
    for case in cases:
        world = next((world for world in worlds if _fits(case, world)), None)
        if world is None:
            worlds.append([case])
        else:
            world.append(case)
    return worlds


def run_worlds(folder: Path, worlds: list[list[Case]]) -> None:
    """Let promtool run groups of cases, each with the series of all its cases."""
    tests = [_promtool_test(world) for world in worlds]
    file = folder / "test.yml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests}),
        encoding="utf-8",
    )
    run_promtool("test", "rules", file)


def _fits(case: Case, world: list[Case]) -> bool:
    merged: Series = {name: text for one in world for name, text in one.series.items()}
    return all(merged.get(name, text) == text for name, text in case.series.items())


def _promtool_test(world: list[Case]) -> dict[str, Any]:
    series: Series = {name: text for case in world for name, text in case.series.items()}
    return {
        "interval": f"{STEP_SECONDS}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{case.at}s",
                "alertname": case.alert.name,
                "exp_alerts": [_expected(case)] if case.fires else [],
            }
            for case in world
        ],
    }


def _expected(case: Case) -> dict[str, Any]:
    signal = case.alert.signal
    row = {"row": signal.row} if isinstance(signal, Row) else {}
    return {
        "exp_labels": {"severity": case.alert.severity.value, **row, **case.labels},
        "exp_annotations": {
            "summary": case.alert.summary,
            "runbook": f"docs/how-to/incident-runbook.md#{case.alert.runbook}",
        },
    }


def run_promtool(*arguments: str | Path) -> str:
    ran = subprocess.run(  # noqa: S603 - our own command
        [require_program("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
