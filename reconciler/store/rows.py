"""Rows as the driver makes them, for the paths that read thousands."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult


def fetch_plain(result: CursorResult[Any]) -> Sequence[tuple[Any, ...]]:
    """Fetch all rows as the driver's own tuples, in the order of the columns.

    SQLAlchemy's rows around them take longer to make than PostgreSQL takes to find a page of stale
    orders, and are slow to look into.
    """
    cursor = result.context.cursor
    assert cursor is not None  # noqa: S101 - a SELECT was sent
    rows = cursor.fetchall()
    result.close()
    return rows
