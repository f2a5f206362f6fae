"""The statement of `reconciler.store.compare_and_set`: lock, compare and write at once."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
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
    false,
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
    CHANGE_COLUMNS,
    WritePart,
    changed_columns,
    last_synced_at,
    log_changes,
    unnest,
)

MISMATCH = "reconciler: rows written and planned"
"""Begins the text that PostgreSQL cannot read as a number."""


class Xid(UserDefinedType[str]):
    """The type of `xmin`."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name."""
        return "xid"


def build_compare_and_set(orders: OrdersTable, parts: frozenset[WritePart]) -> Select[Any]:
    """Build the statement for CONFIRMED, CHANGED or both; it takes `PlannedWrites.parameters`.

    It returns one row: as texts, the ids of the rows that differ from what was planned, and the ids
    that could not be locked (each null if there are none); the database's clock.

    Raises:
        psycopg.errors.InvalidTextRepresentation: other rows were written than should have been. The
            message has MISMATCH and the numbers of rows that were written and should have been.
    """
    ids = bindparam("ids", type_=ARRAY(orders.c.id.type))
    locked = _lock(orders, _unnest_planned(ids, parts))
    written: dict[WritePart, CTE] = {}
    if WritePart.CHANGED in parts:
        written[WritePart.CHANGED] = _change(orders, locked)
        written[WritePart.LOGGED] = log_changes(written[WritePart.CHANGED])
    if WritePart.CONFIRMED in parts:
        written[WritePart.CONFIRMED] = _confirm(orders, locked)
    tally = _tally(locked)
    return select(
        tally.c.different,
        case((tally.c.ids < func.cardinality(ids), _not_locked(ids, locked))),
        func.clock_timestamp(),
        _require_all_written(tally, written),
    )


def _unnest_planned(ids: ColumnElement[Any], parts: AbstractSet[WritePart]) -> Any:
    """Return what was planned as a table: changes first, then the rows to confirm.

    The arrays of the changes are shorter, so the new facts of a row to confirm are null. With a
    table of their own they would be joined for each row: the planner does not know how long arrays
    are, and expects ten rows.
    """
    columns: dict[str, Any] = {
        "id": ids,
        "version": cast(bindparam("versions", type_=Text), ARRAY(Xid())),
        "as_of": ("as_of", DateTime(timezone=True)),
    }
    if WritePart.CHANGED in parts:
        columns |= CHANGE_COLUMNS
    return unnest("planned", **columns)


def _lock(orders: OrdersTable, planned: Any) -> CTE:
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
    if not orders.has_unique_id:
        conditions.append(_is_only_one(orders))
    return (
        select(
            _PLACE.label("place"),
            *planned.c,
            and_(*conditions).label("is_as_planned"),
        )
        .select_from(planned.join(orders.table, orders.c.id == planned.c.id))
        .where(~shared_state.is_halted())
        .with_for_update(skip_locked=True, of=orders.table)
        .cte("locked")
        .prefix_with("MATERIALIZED")
    )


_PLACE: ColumnElement[Any] = literal_column("orders.ctid")


def _is_only_one(orders: OrdersTable) -> ColumnElement[bool]:
    """Return the condition that no other row has the id of this one, locked or not."""
    twins = orders.table.alias("twins")
    count = select(func.count()).where(twins.c.id == orders.c.id).correlate(orders.table)
    return count.scalar_subquery() == 1


def _is_to_be_written(orders: OrdersTable, locked: CTE) -> ColumnElement[bool]:
    """Return the condition that joins a row to its lock. The place alone is not unique.

    Each partition counts its places from zero.
    """
    return and_(locked.c.is_as_planned, locked.c.place == _PLACE, locked.c.id == orders.c.id)


def _change(orders: OrdersTable, locked: CTE) -> CTE:
    """Change the rows, and return the log entry of each."""
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, locked), _is_change(locked))
        .values(changed_columns(orders, locked, locked.c.as_of))
        .returning(locked.c.id, locked.c.details)
        .cte(WritePart.CHANGED.value)
    )


def _confirm(orders: OrdersTable, locked: CTE) -> CTE:
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, locked), ~_is_change(locked))
        .values(last_synced_at=last_synced_at(orders, locked.c.as_of))
        .returning(orders.c.id)
        .cte(WritePart.CONFIRMED.value)
    )


def _is_change(locked: CTE) -> ColumnElement[bool]:
    """Return the condition that a row is to be changed, and not to be confirmed."""
    return locked.c.status.is_not(None) if "status" in locked.c else false()


def _tally(locked: CTE) -> CTE:
    """Count in one pass the rows that were locked, and those that should be written."""
    is_as_planned = locked.c.is_as_planned
    return select(
        func.count(locked.c.id.distinct()).label("ids"),
        func.count().filter(is_as_planned, _is_change(locked)).label("to_change"),
        func.count().filter(is_as_planned, ~_is_change(locked)).label("to_confirm"),
        func.array_agg(cast(locked.c.id, Text)).filter(~is_as_planned).label("different"),
    ).cte("tally")


def _not_locked(ids: ColumnElement[Any], locked: CTE) -> ColumnElement[Any]:
    planned = func.unnest(ids).table_valued("id", name="planned_ids").render_derived()
    missing = select(cast(planned.c.id, Text)).where(planned.c.id.not_in(select(locked.c.id)))
    return func.array(missing.scalar_subquery(), type_=ARRAY(Text()))


def _require_all_written(tally: CTE, written: Mapping[WritePart, CTE]) -> ColumnElement[Any]:
    """Make the statement fail unless each row that is as planned was written, and no other.

    Only an error rolls a statement back, and plain SQL cannot raise one: so PostgreSQL has to read
    a text as a number that is none.
    """
    expected = {
        WritePart.CHANGED: tally.c.to_change,
        WritePart.LOGGED: tally.c.to_change,
        WritePart.CONFIRMED: tally.c.to_confirm,
    }
    counts = [
        (select(func.count()).select_from(rows).scalar_subquery(), expected[part])
        for part, rows in written.items()
    ]
    is_wrong = or_(*(count != number for count, number in counts))
    numbers = func.concat_ws(" ", *(number for pair in counts for number in pair))
    return case((is_wrong, cast(literal(f"{MISMATCH} ", Text) + numbers, Integer)))
