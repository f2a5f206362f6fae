"""Progress on standard error: in a pipe a line at once, and one every few seconds."""

import re
import sys
import threading
from collections.abc import Callable

import click
import pytest

from reconciler.cli.ui.progress import LINE_SECONDS, ReconcileProgress, show_activity, step_progress
from reconciler.supervisor.summary import Summary
from reconciler.workload import Counts
from tests.terminal import lines_left, on_terminal

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


SHOWN_BY = {
    "activity": "with show_activity('digging'): work()",
    "steps": "with step_progress() as shown: shown.begin('digging'); work()",
    "run": "with ReconcileProgress(9) as shown: work()",
    "count": (
        "with CountProgress('digging', 9, monotonic=itertools.count(0, 9).__next__) as shown:"
        " shown.update(4); work()"
    ),
}
ENDINGS = {
    "end": "time.sleep(0.3)",
    "error": "time.sleep(0.3); sys.exit('it failed')",
    "ctrl-c": "os.write(1, READY); time.sleep(300)",
}
READY = b"\x1b]0;at work\x07"
"""Names the window, which changes nothing on the screen."""

PROGRAM = """
import itertools, os, sys, time
from reconciler.cli.errors import reporting_errors
from reconciler.cli.ui.progress import *
from reconciler.cli.ui.progress import CountProgress
READY = {ready!r}
def work():
    {ending}
with reporting_errors():
    {shown_by}
print("done")
"""


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["colour", "NO_COLOR"])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", SHOWN_BY)
def test_nothing_of_the_progress_stays_on_a_terminal(
    kind: str, ending: str, environment: dict[str, str]
) -> None:
    program = PROGRAM.format(ready=READY, ending=ENDINGS[ending], shown_by=SHOWN_BY[kind])
    command = (sys.executable, "-c", program)

    with on_terminal(command=command, environment=environment) as terminal:
        if ending == "ctrl-c":
            terminal.wait_for(READY)
            terminal.press(b"\x03")
        terminal.wait_for_end()

    expected = {"end": ["done"], "error": ["it failed"], "ctrl-c": ["interrupted"]}
    left = [line for line in lines_left(terminal.written) if line]
    assert left == expected[ending]
    assert terminal.written.count(b"\x1b[?25l") == terminal.written.count(b"\x1b[?25h"), "cursor"


@pytest.mark.parametrize("kind", ["activity", "steps"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(kind: str) -> None:
    program = PROGRAM.format(ready=READY, ending=ENDINGS["end"], shown_by=SHOWN_BY[kind])
    command = (sys.executable, "-c", program)

    with on_terminal(command=command, environment={"TERM": "dumb"}) as terminal:
        terminal.wait_for_end()

    assert terminal.written == b"digging ...\r\ndone\r\n"
