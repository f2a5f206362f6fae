"""Progress on standard error: in a pipe a line at once, and one every few seconds."""

import re
import threading
from collections.abc import Callable

import click
import pytest

from reconciler.cli.ui.progress import LINE_SECONDS, ReconcileProgress, show_activity, step_progress
from reconciler.supervisor.summary import Summary
from reconciler.workload import Counts

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def a_summary(scanned: int) -> Summary:
    return Summary(counts=Counts(scanned=scanned, weight=54))


def test_a_pipe_gets_a_line_before_the_work_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_activity("digging"):
        output = capsys.readouterr()

    assert (output.out, output.err) == ("", "digging ...\n")


def test_a_pipe_gets_further_lines_during_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    reminded = threading.Event()

    def record(_: object, line: str) -> None:
        lines.append(line)
        if len(lines) > 1:
            reminded.set()

    monkeypatch.setattr("rich.console.Console.print", record)
    with show_activity("digging", line_seconds=0.001):
        assert reminded.wait(300)

    assert lines[:2] == ["digging ...", "digging: 0 s so far ..."]


def test_the_progress_thread_ends_after_an_error() -> None:
    before = threading.active_count()

    with pytest.raises(KeyError), show_activity("digging"):
        raise KeyError

    assert threading.active_count() == before


def test_each_step_in_a_pipe_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with step_progress() as shown:
        shown.begin("digging")
        shown.print_line("found 3")

    assert capsys.readouterr().err.splitlines() == ["digging ...", "found 3"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rich treat its output as a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("terminal")
def test_what_stays_on_a_terminal_has_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with step_progress() as shown:
        shown.begin("digging")
        shown.print_line("found 3")

    output = capsys.readouterr()
    assert output.out == ""
    assert "found 3" in re.split(r"[\r\n]+", CONTROL.sub("", output.err))


@pytest.mark.usefixtures("terminal")
def test_a_result_in_between_steps_goes_to_standard_output_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with step_progress() as shown:
        shown.begin("digging")
        shown.while_hidden(lambda: click.echo("a table"))

    assert capsys.readouterr().out == "a table\n"


@pytest.fixture
def clock() -> Callable[[], float]:
    """A clock that advances by half of LINE_SECONDS each time it is read."""
    readings = iter(range(1000))
    return lambda: next(readings) * LINE_SECONDS / 2


def test_reconciling_prints_a_line_every_few_seconds_in_a_pipe(
    clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    with ReconcileProgress(4000, monotonic=clock) as progress:
        for done in (1000, 2000, 3000, 4000):
            progress.update(a_summary(done))

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "reconciling: 2,000 of 4,000 orders, weight 54",
        "reconciling: 4,000 of 4,000 orders, weight 54",
    ]


def test_uncounted_orders_are_shown_without_a_total(
    clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    with ReconcileProgress(monotonic=clock) as progress:
        progress.update(a_summary(1000))
        progress.update(a_summary(2000))

    assert capsys.readouterr().err == "reconciling: 2,000 orders, weight 54\n"


def test_a_pipe_that_belongs_to_the_log_gets_no_line(
    clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    with ReconcileProgress(has_lines=False, monotonic=clock) as progress:
        for done in range(10):
            progress.update(a_summary(done))

    assert capsys.readouterr().err == ""
