"""Output of results: tables and colour on a terminal, plain text in a pipe, or JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconciler.errors import Problem
from reconciler.formatting import number

PIPE_WIDTH = 500
"""Wide enough that no line is wrapped that a program may read."""


def console(*, stderr: bool = False) -> Console:
    """Return the console to print on. It uses colour on a terminal only, unless NO_COLOR is set."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, width=PIPE_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON object."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Print a table: with rules on a terminal, as aligned columns in a pipe. Numbers go right.

    A cell may be a `Text`, for colour.
    """
    out = console()
    rows = [list(row) for row in rows]
    table = Table(
        box=box.ROUNDED if out.is_terminal else None,
        header_style="bold",
        show_header=any(columns),
        pad_edge=out.is_terminal,
    )
    for index, column in enumerate(columns):
        is_number = _are_numbers([row[index] for row in rows])
        table.add_column(Text(column), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    if title is not None:
        out.print(Text(title, style="bold"))
    out.print(table)


def cell_text(cell: Any) -> str | Text:
    """Return a cell's text, with thousands separators and no needless decimals."""
    match cell:
        case None:
            return Text("-")
        case Text():
            return cell
        case bool():
            return Text("yes" if cell else "no")
        case int() | float():
            return Text(number(cell))
        case _:
            return Text(str(cell))


def print_problems(problems: Iterable[Problem], *, label: str = "", stderr: bool = False) -> None:
    """Print each problem with its hint. Lines are never cut: a hint may be a command."""
    out = console(stderr=stderr)
    for problem in problems:
        out.print(Text.assemble((label, "bold red"), problem.what), soft_wrap=True)
        out.print(Text.assemble(("  hint: ", "bold"), problem.hint), soft_wrap=True)


def quantity(text: str) -> Text:
    """Return a number with its unit, as a cell that goes right like a number."""
    return Text(text, justify="right")


def _are_numbers(cells: Sequence[object]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(map(_is_number, known))


def _is_number(cell: object) -> bool:
    if isinstance(cell, Text):
        return cell.justify == "right"
    return isinstance(cell, int | float) and not isinstance(cell, bool)
