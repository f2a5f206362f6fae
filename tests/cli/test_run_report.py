"""The report: JSON with the keys of the contract, and a table."""

import json
from collections import Counter

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.cli.run_report import RunReport
from reconciler.cli.runner import exit_code_of_stop, options_of, print_early_stop
from reconciler.settings import Settings
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.workload import Counts

CONTRACT = {
    "orders",
    "reconciled",
    "discrepancies",
    "errors",
    "mismatches",
    "seconds",
    "orders_per_second",
    "requests",
    "weight",
    "restarts",
    "shards",
}


def a_summary(**changed: int) -> Summary:
    counts = Counts(
        scanned=2000,
        reconciled=2000,
        discrepancies=900,
        requests=16,
        weight=254,
        transitions=Counter({"new.filled": 800, "new.canceled": 100}),
    )
    for name, count in changed.items():
        setattr(counts, name, count)
    return Summary(counts=counts, cycles=1, restarts=0, ending=StopReason.COMPLETED)


def a_report(*, mismatches: int | None = None, **counts: int) -> RunReport:
    return RunReport.of(
        a_summary(**counts), seconds=1.6, shards=2, lookup_weight=4, mismatches=mismatches
    )


def printed(report: RunReport, capsys: pytest.CaptureFixture[str]) -> list[str]:
    report.print(as_json=False)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_json_has_at_least_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    a_report(mismatches=0).print(as_json=True)

    output = json.loads(capsys.readouterr().out)
    assert output.keys() >= CONTRACT
    assert (output["orders"], output["orders_per_second"], output["mismatches"]) == (
        2000,
        1250.0,
        0,
    )
    assert output["transitions"] == {"new.canceled": 100, "new.filled": 800}


def test_the_table_compares_weights_and_sorts_the_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(a_report(mismatches=0), capsys)

    assert "request weight       254  8,000 with one request per order" in lines
    assert lines[-5:] == [
        "from  to        orders",
        "new   filled       800",
        "new   canceled     100",
        "",
        "every row equals the exchange's truth",
    ]


def test_rows_that_differ_are_the_reports_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(a_report(mismatches=3), capsys)[-1] == "3 rows differ from the exchange"


@pytest.mark.parametrize("count", ["errors", "held", "skipped_locked"])
def test_a_run_that_left_orders_undone_is_not_complete(count: str) -> None:
    assert a_report().is_complete
    assert not a_report(**{count: 1}).is_complete
    assert not a_report(mismatches=1).is_complete


@pytest.mark.parametrize(
    ("ending", "is_complete", "code"),
    [
        (StopReason.COMPLETED, True, Exit.OK),
        (StopReason.COMPLETED, False, Exit.INCOMPLETE),
        (StopReason.STOPPED, False, Exit.OK),
        (StopReason.STORE_GONE, False, Exit.UNAVAILABLE),
        (StopReason.EXCHANGE_GONE, False, Exit.TRY_AGAIN),
    ],
)
def test_each_stop_reason_has_its_exit_code(
    ending: StopReason, code: Exit, *, is_complete: bool
) -> None:
    assert exit_code_of_stop(ending, is_complete=is_complete) is code


def test_the_supervisor_gets_its_part_of_the_settings() -> None:
    options = options_of(Settings.load(shards=3, drain_seconds=7.5), is_once=True)

    assert (options.shards, options.drain.total_seconds(), options.is_once) == (3, 7.5, True)


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (StopReason.COMPLETED, ""),
        (StopReason.STOPPED, ""),
        (StopReason.STORE_GONE, "stopped early: no space left\n"),
        (StopReason.EXCHANGE_GONE, "stopped early: no space left\n"),
    ],
)
def test_a_run_that_gave_up_says_what_it_waited_for(
    ending: StopReason, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_early_stop(Summary(ending=ending, fault="no space left"))

    assert capsys.readouterr().err == message
