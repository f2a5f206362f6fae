"""The statement of `reconciler.store.compare_and_set`: lock, compare and write at once."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.types import UserDefinedType

from reconciler.domain.decide import LONGEST_ANSWER_AGE
from reconciler.store import shared_state
from reconciler.store.tables import OrdersTable, holds
from reconciler.store.write_statement import (
    WritePart,
    changed_columns,
    last_synced_at,
    log_changes,
    unnest_arrays,
    unnest_changes,
)


class Xid(UserDefinedType[str]):
    """The type of `xmin`."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name."""
        return "xid"


def build_compare_and_set(orders: OrdersTable, parts: frozenset[WritePart]) -> Select[Any]:
    """Build the statement for CONFIRMED, CHANGED or both; it takes `PlannedWrites.parameters`.

    It returns one row: as texts, the ids of the rows that differ from what was planned, and the ids
    that could not be locked (null if all were); the database's clock.

    Raises:
        psycopg.errors.InvalidTextRepresentation: other rows were written than should have been.
    """
    planned = _planned(orders)
    locked = _lock(orders, planned)
    written: dict[WritePart, CTE] = {}
    if WritePart.CHANGED in parts:
        written[WritePart.CHANGED] = _change(orders, locked)
        written[WritePart.LOGGED] = log_changes(written[WritePart.CHANGED])
    if WritePart.CONFIRMED in parts:
        written[WritePart.CONFIRMED] = _confirm(orders, locked)
    return select(
        _different(locked),
        _not_locked(planned, locked),
        func.clock_timestamp(),
        _require_all_written(planned, locked, written),
    )


def _planned(orders: OrdersTable) -> CTE:
    """Return what was planned: the id, the row's version, when the exchange was asked.

    The rows to confirm come first.
    """
    columns = unnest_arrays(
        id=("ids", orders.c.id.type),
        version=cast(bindparam("versions", type_=Text), ARRAY(Xid())),
        as_of=("as_of", DateTime(timezone=True)),
    )
    rows = columns.table_valued(
        "id", "version", "as_of", with_ordinality="number", name="planned_rows"
    ).render_derived()
    is_change = rows.c.number > bindparam("confirmed", type_=Integer)
    return select(rows.c.id, rows.c.version, rows.c.as_of, is_change.label("is_change")).cte(
        "planned"
    )


def _lock(orders: OrdersTable, planned: CTE) -> CTE:
    """Lock the rows, and compare each with what was planned."""
    held = (
        select(holds.c.order_id)
        .where(
            holds.c.order_id == func.any(bindparam("ids_as_text", type_=ARRAY(Text()))),
            holds.c.resolved_at.is_(None),
        )
        .cte("held")
        .prefix_with("MATERIALIZED")
    )
    conditions: list[ColumnElement[bool]] = [
        literal_column("orders.xmin", Xid()) == planned.c.version,
        planned.c.as_of >= func.clock_timestamp() - literal(LONGEST_ANSWER_AGE, Interval),
        ~select(held.c.order_id).where(held.c.order_id == cast(orders.c.id, Text)).exists(),
    ]
    if "updated_at" in orders.optional:
        updated_at = orders.c.updated_at
        conditions.append(or_(updated_at.is_(None), updated_at <= planned.c.as_of))
    return (
        select(
            orders.c.id,
            _PLACE.label("place"),
            planned.c.as_of,
            planned.c.is_change,
            and_(*conditions).label("is_as_planned"),
        )
        .select_from(planned.join(orders.table, orders.c.id == planned.c.id))
        .where(~shared_state.is_halted())
        .with_for_update(skip_locked=True, of=orders.table)
        .cte("locked")
        .prefix_with("MATERIALIZED")
    )


_PLACE: ColumnElement[Any] = literal_column("orders.ctid")


def _is_to_be_written(orders: OrdersTable, locked: CTE) -> ColumnElement[bool]:
    """Return the condition that joins a row to its lock. The place alone is not unique.

    Each partition counts its places from zero.
    """
    return and_(locked.c.is_as_planned, locked.c.place == _PLACE, locked.c.id == orders.c.id)


def _change(orders: OrdersTable, locked: CTE) -> CTE:
    """Change the rows, and return the log entry of each."""
    changes = unnest_changes(orders)
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, locked), changes.c.id == locked.c.id)
        .values(changed_columns(orders, changes, locked.c.as_of))
        .returning(changes.c.id, changes.c.details)
        .cte(WritePart.CHANGED.value)
    )


def _confirm(orders: OrdersTable, locked: CTE) -> CTE:
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, locked), ~locked.c.is_change)
        .values(last_synced_at=last_synced_at(orders, locked.c.as_of))
        .returning(orders.c.id)
        .cte(WritePart.CONFIRMED.value)
    )


def _different(locked: CTE) -> ColumnElement[Any]:
    return _array(select(cast(locked.c.id, Text)).where(~locked.c.is_as_planned))


def _not_locked(planned: CTE, locked: CTE) -> ColumnElement[Any]:
    """Return the planned ids that are not locked; null, without a look for them, if all are."""
    is_locked = select(locked.c.id).where(locked.c.id == planned.c.id).exists()
    missing = select(cast(planned.c.id, Text)).where(~is_locked)
    return case((_count(locked) != _count(planned), _array(missing)))


def _array(rows: Select[Any]) -> ColumnElement[Any]:
    return func.array(rows.scalar_subquery(), type_=ARRAY(Text()))


def _require_all_written(
    planned: CTE, locked: CTE, written: Mapping[WritePart, CTE]
) -> ColumnElement[Any]:
    """Make the statement fail unless each row that is as planned was written, and no other.

    Only an error rolls a statement back, and plain SQL cannot raise one: so PostgreSQL has to read
    a text as a number that is none. Were the text a constant, it would be read beforehand.
    """
    to_change = _count(locked, locked.c.is_as_planned, locked.c.is_change)
    to_confirm = _count(locked, locked.c.is_as_planned, ~locked.c.is_change)
    expected = {
        WritePart.CHANGED: to_change,
        WritePart.LOGGED: to_change,
        WritePart.CONFIRMED: to_confirm,
    }
    is_wrong = or_(
        _count(locked) > _count(planned),  # Several rows have the same id.
        *(_count(rows) != expected[part] for part, rows in written.items()),
    )
    failure = literal("other rows were written than planned: ", Text) + cast(_count(locked), Text)
    return case((is_wrong, cast(failure, Integer)))


def _count(rows: CTE, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).select_from(rows).where(*conditions).scalar_subquery()
