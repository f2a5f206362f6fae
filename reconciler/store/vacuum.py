"""Name what holds vacuum back: who may still need rows as they were before they were written.

Every sync leaves a dead version of its row, and vacuum removes it only when nobody's snapshot is
older. So one transaction that is left open keeps all that dies in the whole database meanwhile, and
a page of stale orders reads through what is dead of `orders`.

Reads the catalogs, writes nothing. A session whose transaction holds nothing back is not named,
however long it has been open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from sqlalchemy import Connection, Interval, bindparam, text

from reconciler.errors import Problem

LONGEST = timedelta(minutes=5)
MOST_TRANSACTIONS = 100_000
"""Where no time is known: of a slot, and of a session that our role may not look into."""


class _BlockerKind(StrEnum):
    """Who holds vacuum back, by what ends it."""

    SESSION = "session"
    PREPARED = "prepared"
    STANDBY = "standby"
    SLOT = "slot"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Blocker:
    """Somebody who holds vacuum back. `name` is a pid, or quoted for SQL.

    `open_for` and `state` are None where they are unknown.
    """

    kind: _BlockerKind
    name: str
    role: str | None
    application: str
    state: str | None
    open_for: str | None
    transactions: int


# A session keeps what its snapshot sees, and, once it has written, what is newer than that. The
# sessions of vacuum itself keep nothing. A slot's xmin is its standby's; what it keeps of the
# catalogs alone (catalog_xmin) concerns no order.
_OBSTACLES = text(
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
    ) AS obstacles
    WHERE open_for >= :longest OR open_for IS NULL AND transactions >= :most_transactions
    ORDER BY transactions DESC, name
    """
).bindparams(bindparam("longest", type_=Interval))


def vacuum_blockers(
    connection: Connection,
    *,
    longest: timedelta = LONGEST,
    most_transactions: int = MOST_TRANSACTIONS,
) -> list[Problem]:
    """Name whoever holds vacuum back for `longest` or more, who keeps the most first.

    Where no time is known, whoever has done so for `most_transactions` of the whole server.
    """
    rows = connection.execute(
        _OBSTACLES, {"longest": longest, "most_transactions": most_transactions}
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
            return f"the replication slot {blocker.name}, which nobody uses, holds it back {since}"
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
                "commit or roll back there; if nobody needs it, run:"
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
                "let whoever prepared it end it; if that is gone for good, run:"
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
