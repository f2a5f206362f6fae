"""A table without rules that fits a width: it leaves out the columns that matter least. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from reconciler.cli.ui.output import cell_text

GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        least_width: So wide at least, so that the table does not move when a number grows.
        importance: Columns with a lower one are left out first.
        is_number: True if it goes right.
        takes_the_rest: True if its texts are cut to the width that is left. Such a column is the
            last one, and is shown where it has `least_width`.
    """

    least_width: int
    importance: int
    is_number: bool = True
    takes_the_rest: bool = False


def fitting_table(
    columns: Mapping[str, Column],
    rows: Iterable[Mapping[str, object]],
    *,
    width: int,
    marked: str | None = None,
    mark: str = "",
) -> Table:
    """Return a table that is at most `width` wide, unless its most important column is wider.

    Args:
        columns: The columns by their titles, from left to right.
        rows: For each row its cells by title.
        width: The width in characters.
        marked: The column whose title gets the `mark`.
        mark: A sign, as for the order of the rows.
    """
    cells = [{title: cell_text(row[title]) for title in columns} for row in rows]
    widths = {
        title: max([column.least_width, *(len(row[title]) for row in cells)])
        if not column.takes_the_rest
        else column.least_width
        for title, column in columns.items()
    }
    shown = columns_that_fit(columns, widths, width)
    left = width - sum(widths[title] + GAP for title in shown) + GAP
    table = Table(box=None, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False)
    for title in shown:
        column, is_marked = columns[title], title == marked
        table.add_column(
            Text(_heading(title, mark if is_marked else ""), style="reverse" if is_marked else ""),
            justify="right" if column.is_number else "left",
            vertical="bottom",
            min_width=widths[title],
            max_width=widths[title] + left if column.takes_the_rest else None,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in cells:
        table.add_row(*(row[title] for title in shown))
    return table


def columns_that_fit(
    columns: Mapping[str, Column], widths: Mapping[str, int], width: int
) -> Sequence[str]:
    """Return the titles of the most important columns that fit, from left to right."""
    shown: set[str] = set()
    used = -GAP
    for title in sorted(columns, key=lambda title: -columns[title].importance):
        needed = widths[title] + GAP
        if used + needed > width and shown:
            continue
        shown.add(title)
        used += needed
    return [title for title in columns if title in shown]


def _heading(title: str, mark: str) -> str:
    """Return a title of at most two lines; the mark is on the first, where it needs no width."""
    above, below = ("in", "flight") if title == "in flight" else ("", title)
    return f"{above}{mark}\n{below}" if above or mark else below
