"""Changes as CSV: exact numbers, and no cell that a spreadsheet takes for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from reconciler.store.changes import LoggedChange

COLUMNS = (
    "created_at",
    "order_id",
    "symbol",
    "status_before",
    "status_after",
    "executed_before",
    "executed_after",
    "average_before",
    "average_after",
    "rule",
    "by",
    "exchange",
    "fetched_at",
    "id",
)

# A spreadsheet runs a text that begins so; the last two are skipped before it looks.
_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def header() -> str:
    """Return the line of the names."""
    return _written([COLUMNS])


def lines(changes: Iterable[LoggedChange]) -> str:
    """Return the lines of some changes."""
    return _written(map(_cells, changes))


def text_cell(text: str | None) -> str:
    """Return a text as a cell: with an apostrophe before what would be a formula.

    A number stays as it is, also a negative one.
    """
    if not text or _NUMBER.fullmatch(text):
        return text or ""
    return f"'{text}" if text.startswith(_FORMULA_BEGINNINGS) else text


def _cells(change: LoggedChange) -> Iterator[str]:
    before, after, fetched_at = change.before, change.after, change.fetched_at
    yield change.created_at.isoformat()
    yield text_cell(change.order_id)
    yield text_cell(change.symbol)
    yield text_cell(change.status_before)
    yield text_cell(change.status_after)
    for name in ("executed_qty", "avg_price"):
        yield text_cell(before.get(name))
        yield text_cell(after.get(name))
    yield text_cell(change.rule)
    yield text_cell(change.by)
    yield text_cell(change.exchange)
    yield "" if fetched_at is None else fetched_at.isoformat()
    yield str(change.id)


def _written(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
