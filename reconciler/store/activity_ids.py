"""Ids of entries of the activity log: integers, or uuids where the application made the log."""

from uuid import UUID

from sqlalchemy import Connection

from reconciler.store import column_types
from reconciler.store.columns import read_columns
from reconciler.store.order_ids import parse_integer, parse_uuid


def has_uuids(connection: Connection) -> bool:
    """Return True if the entries of the log have uuids."""
    return read_columns(connection, "activity_log")["id"].type == column_types.UUID


def parse_activity_id(connection: Connection, text: str) -> int | UUID:
    """Return the id of an entry from its text.

    Raises:
        ValueError: the log cannot have such an id.
    """
    return parse_uuid(text) if has_uuids(connection) else parse_integer(text)
