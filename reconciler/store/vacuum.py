"""Find the sessions, transactions and slots that keep vacuum from removing dead rows.

Every sync leaves a dead version of its row. Vacuum removes it only when no snapshot is older. So
one transaction that is left open keeps every row that dies in the whole database, and a page of
stale orders has to read through the dead rows of `orders`.

Reads the catalogs, writes nothing. A session whose transaction keeps nothing is not named, however
long it has been open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from sqlalchemy import Connection, Interval, bindparam, text

from reconciler.errors import Problem

MIN_BLOCKED_TIME = timedelta(minutes=5)
MIN_BLOCKED_TRANSACTIONS = 100_000
"""The threshold where no time is known: of slots, and of sessions that our role may not see."""


class _BlockerKind(StrEnum):
    """The kinds of blockers. Each is ended in another way."""

    SESSION = "session"
    PREPARED = "prepared"
    STANDBY = "standby"
    SLOT = "slot"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Blocker:
    """A session, transaction or slot that keeps dead rows. `name` is a pid, or quoted for SQL.

    `role`, `state` and `open_for` are None if they are unknown.
    """

    kind: _BlockerKind
    name: str
    role: str | None
    application: str
    state: str | None
    open_for: str | None
    transactions: int


# A session keeps the rows that its snapshot sees and, once it has written, newer ones. The sessions
# of vacuum itself keep nothing. A slot's xmin is its standby's. Its catalog_xmin keeps only catalog
# rows, so it does not matter here.
_BLOCKERS = text(
    """
    SELECT kind, name, role, application, state,
        date_trunc('second', open_for)::text AS open_for, transactions
    FROM (
        SELECT CASE backend_type WHEN 'walsender' THEN 'standby' ELSE 'session' END AS kind,
            pid::text AS name, quote_ident(usename) AS role,
            coalesce(nullif(application_name, ''), backend_type, 'unknown') AS application, state,
            now() - xact_start AS open_for,
            greatest(age(backend_xmin), age(backend_xid)) AS transactions
        FROM pg_stat_activity
        WHERE coalesce(backend_xmin, backend_xid) IS NOT NULL
            AND (datname = current_database() OR backend_type = 'walsender')
            AND pid <> pg_backend_pid()
            AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
        UNION ALL
        SELECT 'prepared', quote_literal(gid), quote_ident(owner), '', NULL,
            now() - prepared, age(transaction)
        FROM pg_prepared_xacts
        WHERE database = current_database()
        UNION ALL
        SELECT CASE WHEN active THEN 'standby' ELSE 'slot' END, quote_literal(slot_name), NULL,
            slot_name, NULL, NULL, age(xmin)
        FROM pg_replication_slots
        WHERE xmin IS NOT NULL
    ) AS blockers
    WHERE open_for >= :min_time OR open_for IS NULL AND transactions >= :min_transactions
    ORDER BY transactions DESC, name
    """
).bindparams(bindparam("min_time", type_=Interval))


def vacuum_blockers(
    connection: Connection,
    *,
    min_time: timedelta = MIN_BLOCKED_TIME,
    min_transactions: int = MIN_BLOCKED_TRANSACTIONS,
) -> list[Problem]:
    """Name each blocker of `min_time` or older, the one that keeps the most first.

    If its age is not known, `min_transactions` of the whole server decide.
    """
    rows = connection.execute(
        _BLOCKERS, {"min_time": min_time, "min_transactions": min_transactions}
    )
    blockers = (_Blocker(**{**row, "kind": _BlockerKind(row["kind"])}) for row in rows.mappings())
    return [
        Problem(what=f"{_what(blocker)}: every row that died since stays", hint=_hint(blocker))
        for blocker in blockers
    ]


def _what(blocker: _Blocker) -> str:
    if blocker.open_for is None:
        since = f"for {blocker.transactions:,} transactions of the server"
    else:
        since = f"for {blocker.open_for}"
    match blocker.kind:
        case _BlockerKind.SESSION:
            return f"session {blocker.name} ({', '.join(_marks(blocker))}) holds it back {since}"
        case _BlockerKind.PREPARED:
            return (
                f"the prepared transaction {blocker.name} of role {blocker.role} holds it back"
                f" {since}"
            )
        case _BlockerKind.STANDBY:
            return f"a query on the standby {blocker.application} holds it back {since}"
        case _BlockerKind.SLOT:
            return (
                f"the replication slot {blocker.name}, which no standby uses, holds it back {since}"
            )
        case _:
            assert_never(blocker.kind)


def _marks(blocker: _Blocker) -> Iterator[str]:
    yield blocker.application
    if blocker.role is not None:
        yield f"role {blocker.role}"
    if blocker.state is not None:
        yield blocker.state


def _hint(blocker: _Blocker) -> str:
    match blocker.kind:
        case _BlockerKind.SESSION:
            hint = (
                "commit or roll back there; if it is not needed, run:"
                f" SELECT pg_terminate_backend({blocker.name})"
            )
            if blocker.state is not None and blocker.state.startswith("idle in transaction"):
                return (
                    f"{hint}; against the next one: ALTER ROLE {blocker.role}"
                    " SET idle_in_transaction_session_timeout = '5min'"
                )
            return hint
        case _BlockerKind.PREPARED:
            return (
                "let the application that prepared it end it; if that is gone for good, run:"
                f" ROLLBACK PREPARED {blocker.name}"
            )
        case _BlockerKind.STANDBY:
            return "end the long query there, or set hot_standby_feedback = off on the standby"
        case _BlockerKind.SLOT:
            return (
                "start its standby again; if that is gone for good, run:"
                f" SELECT pg_drop_replication_slot({blocker.name})"
            )
        case _:
            assert_never(blocker.kind)
