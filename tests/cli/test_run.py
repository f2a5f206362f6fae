"""`reconciler run`: the cause of an early stop is always reported."""

import pytest

from reconciler.cli import run
from reconciler.supervisor.summary import StopReason, Summary

from .conftest import Invoke

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_the_cause_of_an_early_stop_is_told_without_counts(
    dry_run: tuple[str, ...], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = Summary(ending=StopReason.HALTED, fault="all orders have vanished")
    monkeypatch.setattr(run, "run_supervisor", lambda *_, **__: summary)

    result = invoke("run", "--once", *dry_run, DATABASE_URL=NOWHERE)

    assert result.exit_code == 75
    assert "stopped early: all orders have vanished" in result.stderr


def test_a_successful_run_reports_no_fault(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        run, "run_supervisor", lambda *_, **__: Summary(ending=StopReason.COMPLETED)
    )

    result = invoke("run", "--once", DATABASE_URL=NOWHERE)

    assert result.exit_code == 0
    assert "stopped early" not in result.stderr
