"""Try to lock and to write a row of the user's table, and undo it.

The catalog does not tell whether a view takes our statements: that depends on its query, and on
triggers. So one open order is locked and its status set to itself, in a savepoint that is rolled
back. Triggers of the table run, and what they write is undone, too.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.store.best_effort import refusal_of
from reconciler.store.user_table import UserTable, pyformat

_READ_ONLY = "25006"


class Step(StrEnum):
    """What was tried last."""

    LOCK = "locked"
    WRITE = "written"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialWrite:
    """What became of a trial.

    Attributes:
        step: What was tried last.
        rows: The number of rows that took it: 0 or 1.
        refusal: What the database said; None if it refused nothing.
        is_read_only: The database takes no writes at all now, as a standby.
    """

    step: Step
    rows: int
    refusal: str | None = None
    is_read_only: bool = False


def try_writing(connection: Connection, table: UserTable) -> TrialWrite:
    """Lock an open order that nobody has locked, write it, and roll that back.

    `connection` is in a transaction.
    """
    savepoint = connection.begin_nested()
    step = Step.LOCK
    try:
        ids = connection.exec_driver_sql(_lock(table)).scalars().all()
        if not ids:
            return TrialWrite(step=step, rows=0)
        step = Step.WRITE
        written = connection.exec_driver_sql(_write(table), {"id": ids[0]}).rowcount
        return TrialWrite(step=step, rows=written)
    except DBAPIError as error:
        refusal = refusal_of(error)
        is_read_only = getattr(error.orig, "sqlstate", None) == _READ_ONLY
        return TrialWrite(step=step, rows=0, refusal=refusal, is_read_only=is_read_only)
    finally:
        if savepoint.is_active:
            savepoint.rollback()


def _lock(table: UserTable) -> str:
    return pyformat(
        f"SELECT orders.{table.id} FROM {table.rows} WHERE {table.open_orders}"  # noqa: S608 - quoted, checked
        " LIMIT 1 FOR UPDATE OF orders SKIP LOCKED"
    )


def _write(table: UserTable) -> str:
    update = f"UPDATE {table.name} AS orders SET {table.status} = orders.{table.status}"  # noqa: S608 - as above
    return f"{pyformat(update)} WHERE orders.{pyformat(table.id)} = %(id)s"
