"""The first sync of a scope's orders: any of them may differ from the exchange, which is no alarm.

It begins with the first cycle that looks at any order, and ends with the last cycle of the same
sweep. `reconciliation_state` records that, so it never comes again, even if the record of cycles is
deleted. A scope whose cycles are older than this record has no first sync. Cycles that begin more
than `FIRST_SYNC_HOURS` later count as usual, so that an endless sweep hides nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, and_, cast, func, select, text

from reconciler.scope import Scope
from reconciler.store.tables import state
from reconciler.telemetry.health import FIRST_SYNC_HOURS

_BEGIN = text(
    """
    INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)
    SELECT CAST(:scope AS text), 'first_sync',
        jsonb_build_object('began_at', CAST(:started_at AS timestamptz)), now(), 'supervisor'
    WHERE NOT EXISTS (SELECT FROM reconciliation_cycles WHERE scope = :scope AND scanned > 0)
    ON CONFLICT DO NOTHING
    """
)
_END = text(
    """
    UPDATE reconciliation_state
    SET value = value || jsonb_build_object('ended_at', CAST(:started_at AS timestamptz)),
        changed_at = now()
    WHERE scope = :scope AND key = 'first_sync' AND NOT value ? 'ended_at'
    """
)
LAST_START = f"""
    SELECT least(
        (value->>'ended_at')::timestamptz,
        (value->>'began_at')::timestamptz + interval '{FIRST_SYNC_HOURS} hours'
    )
    FROM reconciliation_state WHERE scope = :scope AND key = 'first_sync'
"""  # noqa: S608 - put together from constants
"""When the last cycle of the first sync may have begun; no row if there was no first sync.

It takes the parameter `scope`.
"""


def first_sync_began_at(scope: Scope) -> ColumnElement[Any]:
    """Return when the first sync began, as SQL; null if it is over or there was none."""
    began_at = cast(state.c.value["began_at"].astext, DateTime(timezone=True))
    return (
        select(began_at)
        .where(
            and_(
                state.c.scope == scope,
                state.c.key == "first_sync",
                ~state.c.value.has_key("ended_at"),
                began_at > func.now() - timedelta(hours=FIRST_SYNC_HOURS),
            )
        )
        .scalar_subquery()
    )


def record_first_sync(
    connection: Connection,
    scope: Scope,
    *,
    started_at: datetime,
    scanned: int,
    ends_sweep: bool,
) -> None:
    """Record that the first sync begins or ends with a cycle that is about to be recorded."""
    if scanned:
        connection.execute(_BEGIN, {"scope": scope, "started_at": started_at})
    if ends_sweep:
        connection.execute(_END, {"scope": scope, "started_at": started_at})
