"""The look of results: aligned, never cut in a pipe, in colour on a terminal."""

import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from rich.text import Text

from reconciler.cli.ui.output import cell_text, print_json, print_problems, print_table
from reconciler.errors import Problem

RED = "\x1b[1;31m"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_numbers_are_right_aligned_and_words_left_aligned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["name", "count"], [("orders", 12_345), ("failed", 0), ("unknown", None)])

    assert lines_of(capsys) == [
        "name      count",
        "orders   12,345",
        "failed        0",
        "unknown       -",
    ]


def test_a_column_of_numbers_and_words_is_left_aligned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["", ""], [("a", 1), ("b", "two words"), ("c", True)], title="A title")

    assert lines_of(capsys) == ["A title", "a  1", "b  two words", "c  yes"]


def test_long_lines_are_not_wrapped_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["address"], [("x" * 300,)])
    print_problems([Problem(what="w" * 600, hint="m" * 600)])

    assert lines_of(capsys) == ["address", "x" * 300, "w" * 600, f"  hint: {'m' * 600}"]


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["[bold]column"], [("[red]cell",)], title="[i]title")
    print_problems([Problem(what="[red]what", hint="[/]hint")], label="[x] ")

    assert lines_of(capsys) == [
        "[i]title",
        "[bold]column",
        "[red]cell",
        "[x] [red]what",
        "  hint: [/]hint",
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"),
        (False, "no"),
        (1234567, "1,234,567"),
        (1.0, "1.0"),
        (99.999, "100"),
        (100.4, "100"),
        (12345.678, "12,346"),
        (Decimal("1.50"), "1.50"),
        (Text("coloured"), "coloured"),
    ],
)
def test_a_cell_shows_no_needless_decimals(cell: object, text: str) -> None:
    assert str(cell_text(cell)) == text


def test_json_output_is_exactly_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"orders": 1, "transitions": {"new.filled": 1}})

    assert json.loads(capsys.readouterr().out) == {"orders": 1, "transitions": {"new.filled": 1}}


@pytest.mark.parametrize(
    ("environment", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False)],
    ids=["as it is", "with NO_COLOR"],
)
def test_a_terminal_gets_colour_unless_no_color_is_set(
    environment: dict[str, str], *, is_coloured: bool
) -> None:
    messages = output_on_a_terminal({"TERM": "xterm", **environment})

    assert "DATABASE_URL is not set" in messages
    assert (RED in messages) is is_coloured
    assert ("31m" in messages) is is_coloured


def output_on_a_terminal(environment: dict[str, str]) -> str:
    """Return the output of a failing command on a terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "reconciler", "db", "current"]
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(command, env={**inherited, **environment}, stderr=theirs, check=False)  # noqa: S603  # our own command
    os.close(theirs)
    try:
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
