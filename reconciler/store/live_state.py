"""The live state of each supervisor, which it records for the others and for `health`.

It is a row of `reconciliation_state` for each supervisor, under `supervisor.HOST.INSTANCE`. The
supervisor writes it when something has changed and every few seconds, which tells that it still
runs; a stop deletes it. If the supervisor is killed, the row stays and grows old, until another
supervisor deletes it: one that started since on the same host, or any other an hour later.

A write changes no indexed column, so it is a HOT update, and it does not wait for the disk: what a
crash of PostgreSQL takes away is written again.
"""

from dataclasses import replace
from datetime import timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from reconciler.scope import Scope
from reconciler.store.tables import state
from reconciler.telemetry.health import HostState
from reconciler.telemetry.health.merge import FORGOTTEN_SECONDS

PREFIX = "supervisor."


def record_live_state(connection: Connection, scope: Scope, own: HostState) -> None:
    """Write a supervisor's state, by the database's clock; delete the states that it supersedes."""
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    statement = insert(state).values(
        scope=scope,
        key=_key(own),
        value=msgspec.to_builtins(own),
        changed_at=func.clock_timestamp(),
        changed_by=f"supervisor on {own.host}",
    )
    fresh = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[state.c.scope, state.c.key],
            set_={"value": fresh.value, "changed_at": fresh.changed_at},
        )
    )
    silent = func.clock_timestamp() - state.c.changed_at
    is_predecessor = and_(
        state.c.value["host"].astext == own.host,
        silent > timedelta(seconds=own.uptime_seconds),
    )
    is_forgotten = silent > timedelta(seconds=FORGOTTEN_SECONDS)
    connection.execute(
        delete(state).where(
            _is_live_state(scope), state.c.key != _key(own), or_(is_predecessor, is_forgotten)
        )
    )


def delete_live_state(connection: Connection, scope: Scope, own: HostState) -> None:
    """Delete the state of a supervisor that stops."""
    connection.execute(delete(state).where(state.c.scope == scope, state.c.key == _key(own)))


def read_live_states(connection: Connection, scope: Scope) -> tuple[HostState, ...]:
    """Read the states of all supervisors, with how long ago each was written.

    A state that cannot be read, as one of another version, is skipped.
    """
    silent = func.extract("epoch", func.clock_timestamp() - state.c.changed_at)
    rows = connection.execute(select(state.c.value, silent).where(_is_live_state(scope)))
    found = (_decode(value, float(seconds)) for value, seconds in rows)
    return tuple(host for host in found if host is not None)


def _decode(value: object, silent_seconds: float) -> HostState | None:
    try:
        host = msgspec.convert(value, HostState)
    except msgspec.ValidationError:
        return None
    return replace(host, silent_seconds=max(0.0, silent_seconds))


def _is_live_state(scope: Scope) -> ColumnElement[bool]:
    return and_(state.c.scope == scope, state.c.key.startswith(PREFIX, autoescape=True))


def _key(own: HostState) -> str:
    return f"{PREFIX}{own.host}.{own.instance}"
