"""In each situation `health`, `top`, the console and the dashboard name the same cause."""

import time
from pathlib import Path
from typing import Any

import pytest

from scripts.observatory.stack import Observatory
from tests.console.processes import RunningConsole
from tests.e2e.commands import DEADLINE_SECONDS
from tests.polling import until_deadline
from tests.situations.dashboard import assert_dashboard_names
from tests.situations.produce import SITUATIONS, Situation
from tests.situations.stage import Stage, a_stage
from tests.situations.verdict import wait_for_cause
from tests.terminal import on_terminal

LAST_RUN = "cycle.last_run_timestamp"


@pytest.mark.long
@pytest.mark.parametrize("situation", SITUATIONS, ids=str)
def test_every_view_names_the_cause(
    situation: Situation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with (
        a_stage(tmp_path) as stage,
        on_terminal("top", environment=stage.environment_texts, columns=160, rows=40) as top,
    ):
        top.screen_with("OK")
        situation.produce(stage)
        produced_at = time.time()

        cause = wait_for_cause(stage, situation)

        top.screen_with("OK" if cause is None else cause["name"])
        assert_console_names(stage, cause)
        assert_metrics_name(stage, situation, produced_at)
        # Asked for last: where graphite-web is not installed, all else has been checked.
        observatory: Observatory = request.getfixturevalue("observatory")
        assert_dashboard_names(observatory, stage.statsd, situation, cause)


def assert_console_names(stage: Stage, cause: dict[str, Any] | None) -> None:
    """Check that the console's first page has the cause, and what to type."""
    with (
        RunningConsole(environment=stage.environment_texts, folder=stage.folder) as console,
        console.signed_in() as client,
    ):
        wanted = "Orders are right" if cause is None else f"<b>{cause['name']}</b>"
        for _ in until_deadline(DEADLINE_SECONDS):
            page = client.get("").text
            if wanted in page:
                break
    assert wanted in page
    if cause is not None:
        assert cause["command"] in page
        assert cause["runbook"].partition("#")[2] in page


def assert_metrics_name(stage: Stage, situation: Situation, produced_at: float) -> None:
    """Check that the gauges that a dashboard shows name the cause."""
    values = stage.statsd.values

    def last(name: str) -> float:
        return values["g", name][-1] if values["g", name] else 0.0

    if situation.name == "supervisor dead":
        # Nothing more comes: the dashboards show the age of the last run, and their alert fires.
        stage.statsd.read()
        assert 0 < last(LAST_RUN) <= produced_at
    elif situation.causes:
        stage.statsd.read_until(lambda: any(last(f"health.row.{one}") for one in situation.causes))
    else:
        stage.statsd.read()
        assert last("health.verdict") == 0
