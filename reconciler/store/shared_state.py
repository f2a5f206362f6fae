"""The state that all hosts share and that outlives a supervisor: `reconciliation_state`.

That is the halt, the account that the orders belong to, the rate-limit pauses, and the filter on
the orders: those of one scope, which each function is given.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Exists,
    Text,
    and_,
    cast,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from reconciler.errors import Halted
from reconciler.resilience.budget import MAX_RATE_LIMIT_PAUSE
from reconciler.scope import Scope
from reconciler.store.sql_failure import fail_with
from reconciler.store.tables import state

HALT = "halt"
LAST_RELEASE = "halt.last_release"
LAST_SCALING = "scale.last"
FILTER = "filter"
SUPERVISOR = "supervisor"


def read_halt(connection: Connection, scope: Scope) -> str | None:
    """Return the reason of the halt; None if it is not on.

    The halt is on if the row exists: a person may have written it in any form.
    """
    found = connection.execute(
        select(state.c.value, state.c.changed_by).where(_is_at(scope, HALT))
    ).one_or_none()
    if found is None:
        return None
    reason = found.value.get("reason") if isinstance(found.value, dict) else found.value
    return str(reason) if reason else f"applied by {found.changed_by}, who gave no reason"


def is_halted(scope: Scope) -> Exists:
    """Return the condition that the halt is on, for a statement that is about to write."""
    return select(state.c.key).where(_is_at(scope, HALT)).exists()


def fails_if_halted(scope: Scope) -> ColumnElement[bool]:
    """Return a condition that is true, and makes its statement fail while the halt is on.

    With `is_halted`, a statement writes no row, but the application's statement-level triggers run.
    A failed statement leaves nothing.
    """
    halted = select(literal("the halt is on: ", Text) + state.c.key).where(_is_at(scope, HALT))
    return fail_with(halted.scalar_subquery()).is_(None)


def require_no_halt(connection: Connection, scope: Scope) -> None:
    """Check that rows may be written.

    Raises:
        Halted: the halt is on.
    """
    reason = read_halt(connection, scope)
    if reason is not None:
        raise Halted(reason)


def apply_halt(connection: Connection, scope: Scope, reason: str) -> None:
    """Put the halt on for every host of this scope."""
    _write(connection, scope, HALT, {"reason": reason}, by=SUPERVISOR)


def release_halt(connection: Connection, scope: Scope, *, by: str = SUPERVISOR) -> bool:
    """Release the halt, and record who did it; return False if it was not on."""
    reason = read_halt(connection, scope)
    connection.execute(delete(state).where(_is_at(scope, HALT)))
    if reason is not None:
        _write(connection, scope, LAST_RELEASE, {"reason": reason}, by=by)
    return reason is not None


def record_scaling(
    connection: Connection, scope: Scope, *, host: str, before: int, after: int, by: str
) -> None:
    """Record who has changed the number of shards of a host's supervisor."""
    value = {"host": host, "before": before, "after": after}
    _write(connection, scope, f"{LAST_SCALING}.{host}", value, by=by)


def read_scopes(connection: Connection) -> Sequence[str]:
    """Read the scopes of all programs that have anything recorded."""
    return connection.execute(select(state.c.scope).distinct()).scalars().all()


def read_pauses(connection: Connection, scope: Scope, exchange: str) -> dict[str, float]:
    """Return how many seconds each host's rate-limit pause still lasts.

    A row that cannot be read is skipped. A pause longer than `MAX_RATE_LIMIT_PAUSE` was written by
    a wrong clock, and is cut to that.
    """
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    values = connection.execute(select(state.c.value).where(_is_pause(scope, exchange))).scalars()
    left: dict[str, float] = {}
    for value in values:
        with suppress(KeyError, TypeError, ValueError):
            left[str(value["host"])] = (
                datetime.fromisoformat(value["until"]) - now
            ).total_seconds()
    return {
        host: min(seconds, MAX_RATE_LIMIT_PAUSE.total_seconds())
        for host, seconds in left.items()
        if seconds > 0
    }


def write_pause(
    connection: Connection, scope: Scope, exchange: str, host: str, seconds: float
) -> None:
    """Record a rate-limit pause of `seconds`, by the database's clock; delete past ones."""
    left = read_pauses(connection, scope, exchange)
    if seconds <= left.get(host, 0.0):
        return
    kept = [f"{_pause_prefix(exchange)}{other}" for other in left]
    connection.execute(
        delete(state).where(
            _is_pause(scope, exchange),
            state.c.key.not_in(kept),
        )
    )
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    until = now + min(timedelta(seconds=seconds), MAX_RATE_LIMIT_PAUSE)
    key = f"{_pause_prefix(exchange)}{host}"
    _write(connection, scope, key, {"until": until.isoformat(), "host": host}, by=SUPERVISOR)


def _is_pause(scope: Scope, exchange: str) -> ColumnElement[bool]:
    has_prefix = state.c.key.startswith(_pause_prefix(exchange), autoescape=True)
    return and_(state.c.scope == scope, has_prefix)


def _pause_prefix(exchange: str) -> str:
    return f"rate_limit_pause.{exchange}."


def reserve_nonces(
    connection: Connection, scope: Scope, exchange: str, *, least: int, count: int
) -> int:
    """Reserve `count` nonces of the exchange's key; return the first of them.

    That is `least`, or the one after all that were reserved before.
    """
    reserved = cast(state.c.value["next"].astext, BigInteger)
    after = func.greatest(func.coalesce(reserved, 0), least) + count
    statement = insert(state).values(
        scope=scope,
        key=_nonces_key(exchange),
        value={"next": least + count},
        changed_at=func.now(),
        changed_by=SUPERVISOR,
    )
    written = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[state.c.scope, state.c.key],
            set_={
                "value": func.jsonb_build_object("next", after),
                "changed_at": statement.excluded.changed_at,
                "changed_by": statement.excluded.changed_by,
            },
        ).returning(reserved)
    ).scalar_one()
    return int(written) - count


def read_reserved_nonces(connection: Connection, scope: Scope, exchange: str) -> int:
    """Return the least nonce that is not reserved."""
    value = _read(connection, scope, _nonces_key(exchange))
    return 0 if value is None else int(value["next"])


def _nonces_key(exchange: str) -> str:
    return f"nonces.{exchange}"


def read_account(connection: Connection, scope: Scope, exchange: str) -> str | None:
    """Return the account that the orders belong to; None before the first contact."""
    value = _read(connection, scope, _account_key(exchange))
    return None if value is None else str(value["identity"])


def remember_account(connection: Connection, scope: Scope, exchange: str, identity: str) -> str:
    """Record the account at the first contact; return the one that is recorded."""
    statement = insert(state).values(
        scope=scope,
        key=_account_key(exchange),
        value={"identity": identity},
        changed_at=func.now(),
        changed_by=SUPERVISOR,
    )
    connection.execute(statement.on_conflict_do_nothing())
    return read_account(connection, scope, exchange) or identity


def confirm_account(
    connection: Connection, scope: Scope, exchange: str, identity: str, *, by: str
) -> None:
    """Record another account as the right one: a person has confirmed it."""
    _write(connection, scope, _account_key(exchange), {"identity": identity}, by=by)


def _account_key(exchange: str) -> str:
    return f"account.{exchange}"


def record_filter(connection: Connection, scope: Scope, *, table: str, where: str | None) -> None:
    """Record which rows of a table are this program's, for the others; None: all rows are."""
    _write(connection, scope, FILTER, {"table": table, "where": where}, by=SUPERVISOR)


def _is_at(scope: Scope, key: str) -> ColumnElement[bool]:
    return and_(state.c.scope == scope, state.c.key == key)


def _read(connection: Connection, scope: Scope, key: str) -> dict[str, Any] | None:
    statement = select(state.c.value).where(_is_at(scope, key))
    value: dict[str, Any] | None = connection.execute(statement).scalar()
    return value


def _write(
    connection: Connection, scope: Scope, key: str, value: dict[str, Any], *, by: str
) -> None:
    statement = insert(state).values(
        scope=scope, key=key, value=value, changed_at=func.now(), changed_by=by
    )
    fresh = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[state.c.scope, state.c.key],
            set_={
                "value": fresh.value,
                "changed_at": fresh.changed_at,
                "changed_by": fresh.changed_by,
            },
        )
    )
