"""What must be true before a check of the user's table can say anything."""

from sqlalchemy import Connection

from reconciler.errors import SchemaMismatch
from reconciler.store.orders_table import read_orders_table
from reconciler.store.privileges import missing_privileges, missing_read_privileges
from reconciler.store.user_table import UserTable

RIGHTS = "the rights are granted"
OUR_TABLES = "our tables are there"


def until_readable(connection: Connection, table: UserTable) -> str | None:
    """Return what must be true before the table can be read, for `skipped`; None if it is."""
    return RIGHTS if missing_read_privileges(connection, table) else None


def until_writable(connection: Connection, table: UserTable) -> str | None:
    """Return what must be true before the table can be written; None if it is."""
    return until_readable(connection, table) or (
        RIGHTS if missing_privileges(connection, table) else None
    )


def until_suitable(connection: Connection, table: UserTable) -> str | None:
    """Return that the table must be suitable; None if it is."""
    try:
        read_orders_table(connection, table)
    except SchemaMismatch:
        return f"{table.name} is suitable"
    return None
