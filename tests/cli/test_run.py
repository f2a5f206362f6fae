"""`reconciler run`: what made it stop early is always told."""

import pytest

from reconciler.cli import run
from reconciler.supervisor.summary import StopReason, Summary

from .conftest import Invoke

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_what_stopped_it_is_told_also_when_nothing_was_counted(
    dry_run: tuple[str, ...], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = Summary(ending=StopReason.HALTED, fault="all orders have vanished")
    monkeypatch.setattr(run, "supervise", lambda *_, **__: summary)

    result = invoke("run", "--once", *dry_run, DATABASE_URL=NOWHERE)

    assert result.exit_code == 75
    assert "stopped early: all orders have vanished" in result.stderr


def test_a_run_that_went_well_tells_of_no_trouble(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "supervise", lambda *_, **__: Summary(ending=StopReason.COMPLETED))

    result = invoke("run", "--once", DATABASE_URL=NOWHERE)

    assert result.exit_code == 0
    assert "stopped early" not in result.stderr
