"""The statement of `reconciler.store.compare_and_set`: lock, compare and write at once."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Double,
    Interval,
    Numeric,
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
    true,
    update,
)

from reconciler.domain.decide import LONGEST_ANSWER_AGE
from reconciler.store import shared_state
from reconciler.store.array_parameters import unnest
from reconciler.store.holds import is_active
from reconciler.store.named_type import NamedType
from reconciler.store.orders_table import OrdersTable
from reconciler.store.row_versions import NO_VERSION
from reconciler.store.sql_failure import fail_with
from reconciler.store.sync_times import (
    delete_sync_times,
    is_open_status,
    write_sync_times,
)
from reconciler.store.tables import holds
from reconciler.store.user_table import subquery_name
from reconciler.store.write_statement import (
    WritePart,
    change_columns,
    changed_columns,
    count_written,
    has_kept,
    has_kept_time,
    log_changes,
    synced_columns,
)

MISMATCH = "reconciler: rows written and planned"
"""Begins the message with which the statement fails: see `_require_all_written`."""


_XID = NamedType("xid")
"""The type of `xmin`."""


def build_compare_and_set(orders: OrdersTable, parts: frozenset[WritePart]) -> Select[Any]:
    """Build the statement for CONFIRMED, CHANGED or both; it takes `PlannedWrites.parameters`.

    It returns one row: as texts, the ids of the rows that differ from what was planned, and the ids
    that could not be locked (each null if there are none); the database's clock; null; how many
    seconds passed until the rows were locked, and until they were written.

    Raises:
        psycopg.errors.InvalidTextRepresentation: other rows were written than should have been. The
            message has MISMATCH and the numbers of rows that were written and should have been.
    """
    ids = bindparam("ids", type_=ARRAY(orders.id_type))
    compared = _compare(orders, _unnest_planned(orders, ids, parts), parts)
    written: dict[WritePart, CTE] = {}
    uncounted: list[CTE] = []
    if WritePart.CHANGED in parts:
        written[WritePart.CHANGED] = _change(orders, compared)
        written[WritePart.LOGGED] = log_changes(written[WritePart.CHANGED])
        if orders.side_table is not None:
            uncounted.append(delete_sync_times(orders.side_table, _ended_ids(compared)))
    if orders.side_table is not None:
        written[WritePart.SYNCED] = write_sync_times(orders.side_table, _times(compared))
    elif WritePart.CONFIRMED in parts:
        written[WritePart.CONFIRMED] = _confirm(orders, compared)
    tally = _tally(compared)
    return select(
        tally.c.different,
        case((tally.c.ids < func.cardinality(ids), _not_found(ids, compared))),
        func.clock_timestamp(),
        _require_all_written(tally, written),
        tally.c.locked_after,
        # After the writes: PostgreSQL computes the columns in their order.
        _seconds_since_begin(),
    ).add_cte(*uncounted)


def _seconds_since_begin() -> ColumnElement[Any]:
    """Return the seconds since the statement began: its transaction has no other."""
    return cast(func.extract("epoch", func.clock_timestamp() - func.now()), Double)


def _unnest_planned(
    orders: OrdersTable, ids: ColumnElement[Any], parts: AbstractSet[WritePart]
) -> Any:
    """Return what was planned as a table: changes first, then the rows to confirm.

    The arrays of the changes are shorter, so the new facts of a row to confirm are null. With a
    table of their own they would be joined for each row: the planner does not know how long arrays
    are, and expects ten rows.
    """
    columns: dict[str, Any] = {
        "id": ids,
        "version": cast(bindparam("versions", type_=Text), ARRAY(_XID)),
        "as_of": ("as_of", DateTime(timezone=True)),
    }
    if WritePart.CHANGED in parts:
        columns |= {**change_columns(orders), **_FORMER_COLUMNS}
    return unnest("planned", **columns)


_FORMER_COLUMNS: Mapping[str, Any] = {
    "former_status": ("former_statuses", Text()),
    "former_qty": ("former_quantities", Numeric()),
    "former_price": ("former_prices", Numeric()),
}
"""The facts of the rows to change, as planned. The status is in the user's word."""


def _compare(orders: OrdersTable, planned: Any, parts: AbstractSet[WritePart]) -> CTE:
    """Lock the rows that may be written, and compare each planned row with what was planned.

    With the side table a row to confirm is not written, so it is read without a lock.
    """
    rows = _select_compared(orders, planned)
    locked = rows.with_for_update(skip_locked=True, of=orders.rows)
    if orders.side_table is None:
        return _materialized(locked, "compared")
    if WritePart.CHANGED not in parts:
        return _materialized(rows, "compared")
    to_change = _materialized(locked.where(_is_change(planned)), "locked")
    to_confirm = rows.where(~_is_change(planned))
    return _materialized(select(to_change).union_all(to_confirm), "compared")


def _materialized(rows: Any, name: str) -> CTE:
    query: CTE = rows.cte(subquery_name(name)).prefix_with("MATERIALIZED")
    return query


def _select_compared(orders: OrdersTable, planned: Any) -> Select[Any]:
    held = (
        select(holds.c.order_id)
        .where(
            holds.c.order_id == func.any(bindparam("ids_as_text", type_=ARRAY(Text()))),
            is_active(orders.scope),
        )
        .cte(subquery_name("held"))
        .prefix_with("MATERIALIZED")
    )
    version = literal_column("orders.xmin", _XID)
    conditions: list[ColumnElement[bool]] = [
        version == planned.c.version,
        version != literal_column(f"xid '{NO_VERSION}'", _XID),
        planned.c.as_of >= func.clock_timestamp() - literal(LONGEST_ANSWER_AGE, Interval),
        ~select(held.c.order_id).where(held.c.order_id == cast(orders.id, Text)).exists(),
    ]
    if "updated_at" in orders.optional:
        updated_at = orders.value("updated_at", DateTime(timezone=True))
        conditions.append(or_(updated_at.is_(None), updated_at <= planned.c.as_of))
    if not orders.has_unique_id:
        conditions.append(_is_only_one(orders))
    if "former_status" in planned.c:
        conditions.append(or_(~_is_change(planned), _has_same_facts(orders, planned)))
    carried = (column for column in planned.c if column.name not in _FORMER_COLUMNS)
    return (
        select(_PLACE.label("place"), *carried, and_(*conditions).label("is_as_planned"))
        .select_from(planned.join(orders.rows, orders.id == planned.c.id))
        .where(shared_state.fails_if_halted(orders.scope))
    )


_PLACE: ColumnElement[Any] = literal_column("orders.ctid")


def _has_same_facts(orders: OrdersTable, planned: Any) -> ColumnElement[bool]:
    """Return the condition that a row has the facts that were decided on.

    Another server may have given the number of a version to another one.
    """
    return and_(
        orders.status.is_not_distinct_from(planned.c.former_status),
        func.coalesce(orders.executed_qty, 0) == planned.c.former_qty,
        orders.avg_price.is_not_distinct_from(planned.c.former_price),
    )


def _is_only_one(orders: OrdersTable) -> ColumnElement[bool]:
    """Return the condition that no other row has the id of this one, locked or not."""
    twins = orders.whole_table("twins")
    twin_id = twins.c[orders.user.config.columns.id.name]
    return select(func.count()).where(twin_id == orders.id).scalar_subquery() == 1


def _is_to_be_written(orders: OrdersTable, compared: CTE) -> ColumnElement[bool]:
    """Return the condition that joins a row to its comparison. The place alone is not unique.

    Each partition counts its places from zero.
    """
    return and_(compared.c.is_as_planned, compared.c.place == _PLACE, compared.c.id == orders.id)


def _change(orders: OrdersTable, compared: CTE) -> CTE:
    """Change the rows, and return the log entry of each."""
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, compared), _is_change(compared))
        .values(changed_columns(orders, compared, compared.c.as_of))
        .returning(compared.c.id, compared.c.details, has_kept(orders, compared))
        .cte(subquery_name(WritePart.CHANGED))
    )


def _confirm(orders: OrdersTable, compared: CTE) -> CTE:
    return (
        update(orders.table)
        .where(_is_to_be_written(orders, compared), ~_is_change(compared))
        .values(synced_columns(orders, compared.c.as_of))
        .returning(has_kept_time(orders, compared.c.as_of))
        .cte(subquery_name(WritePart.CONFIRMED))
    )


def _times(compared: CTE) -> Select[Any]:
    """Return the ids and the times of all rows that are confirmed, or changed and still open."""
    rows = select(compared.c.id, compared.c.as_of).where(compared.c.is_as_planned)
    return rows.where(_is_open_afterwards(compared))


def _ended_ids(compared: CTE) -> Select[Any]:
    rows = select(compared.c.id).where(compared.c.is_as_planned)
    return rows.where(_is_change(compared), ~is_open_status(compared.c.status))


def _is_change(rows: Any) -> ColumnElement[bool]:
    """Return the condition that a row is to be changed, and not to be confirmed."""
    return rows.c.status.is_not(None) if "status" in rows.c else false()


def _is_open_afterwards(compared: CTE) -> ColumnElement[bool]:
    if "status" not in compared.c:
        return true()
    return or_(~_is_change(compared), is_open_status(compared.c.status))


def _tally(compared: CTE) -> CTE:
    """Count in one pass the rows that were found, and those that should be written."""
    is_as_planned = compared.c.is_as_planned
    return select(
        func.count(compared.c.id.distinct()).label("ids"),
        func.count().filter(is_as_planned, _is_change(compared)).label("to_change"),
        func.count().filter(is_as_planned, ~_is_change(compared)).label("to_confirm"),
        func.count().filter(is_as_planned, _is_open_afterwards(compared)).label("to_sync"),
        func.array_agg(cast(compared.c.id, Text)).filter(~is_as_planned).label("different"),
        _seconds_since_begin().label("locked_after"),
    ).cte(subquery_name("tally"))


def _not_found(ids: ColumnElement[Any], compared: CTE) -> ColumnElement[Any]:
    planned = func.unnest(ids).table_valued("id", name="planned_ids").render_derived()
    missing = select(cast(planned.c.id, Text)).where(planned.c.id.not_in(select(compared.c.id)))
    return func.array(missing.scalar_subquery(), type_=ARRAY(Text()))


def _require_all_written(tally: CTE, written: Mapping[WritePart, CTE]) -> ColumnElement[Any]:
    """Make the statement fail unless each row that is as planned was written, and no other."""
    expected = {
        WritePart.CHANGED: tally.c.to_change,
        WritePart.LOGGED: tally.c.to_change,
        WritePart.CONFIRMED: tally.c.to_confirm,
        WritePart.SYNCED: tally.c.to_sync,
    }
    counts = [(count_written(part, rows), expected[part]) for part, rows in written.items()]
    is_wrong = or_(*(count != number for count, number in counts))
    numbers = func.concat_ws(" ", *(number for pair in counts for number in pair))
    return case((is_wrong, fail_with(literal(f"{MISMATCH} ", Text) + numbers)))
