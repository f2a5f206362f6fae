"""How results are shown: tables and colour on a terminal, plain text in a pipe, or JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from reconciler.errors import Problem

PIPE_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """Return a console; in a pipe it is wide enough not to wrap what programs read."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, width=PIPE_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON object."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Print a table: ruled on a terminal, aligned columns in a pipe. Numbers stand to the right."""
    out = console()
    rows = [list(row) for row in rows]
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.ROUNDED if out.is_terminal else None,
        header_style="bold",
        show_header=any(columns),
        pad_edge=out.is_terminal,
    )
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    out.print(table)


def shown(cell: Any) -> str:
    """Return a cell's text: thousands apart, no digits that nobody reads."""
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.2f}"
        case _:
            return str(cell)


def print_problems(problems: Iterable[Problem]) -> None:
    """Print what is wrong and how to mend it, to standard error."""
    for problem in problems:
        click.echo(f"{click.style('x', fg='red')} {problem}", err=True)
