"""The statement that writes a batch: orders, activity log and holds at once."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    DateTime,
    Interval,
    Numeric,
    Select,
    String,
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
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from reconciler.store import activity
from reconciler.store.array_parameters import SEPARATOR, unnest
from reconciler.store.hold_writes import release_holds, write_holds
from reconciler.store.named_type import NamedType
from reconciler.store.orders_table import OrdersTable
from reconciler.store.stored_values import of_orders
from reconciler.store.sync_times import (
    delete_sync_times,
    is_open_status,
    later_sync,
    write_sync_times,
)
from reconciler.store.tables import activity_log
from reconciler.store.user_table import literal as quoted_text
from reconciler.store.user_table import literal_of, subquery_name


class WritePart(StrEnum):
    """A part of the statement. The values name its subqueries.

    With the side table there is SYNCED, the times of confirmed and of changed rows, and no
    CONFIRMED.
    """

    CHANGED = "changed"
    LOGGED = "logged"
    CONFIRMED = "confirmed"
    SYNCED = "synced"
    HELD = "held"
    RELEASED = "released"


def counted_parts(
    parts: AbstractSet[WritePart], *, with_side_table: bool = False
) -> list[WritePart]:
    """Return the parts whose rows are counted, in the order of the counts."""
    logged = {WritePart.LOGGED} if WritePart.CHANGED in parts else set[WritePart]()
    counted = parts | logged
    if with_side_table:
        counted = counted - {WritePart.CONFIRMED} | {WritePart.SYNCED}
    return [part for part in WritePart if part in counted]


def build_write_statement(
    orders: OrdersTable, parts: frozenset[WritePart], resolution: str
) -> Select[Any]:
    """Build the statement for these parts; it takes `BatchWrites.parameters`.

    It returns the number of rows that each part wrote, in the order of `BatchWrites.counts`.
    """
    written: dict[WritePart, CTE] = {}
    uncounted: list[CTE] = []
    if WritePart.CHANGED in parts:
        written[WritePart.CHANGED] = _change(orders)
        written[WritePart.LOGGED] = log_changes(written[WritePart.CHANGED])
        if orders.side_table is not None:
            uncounted.append(delete_sync_times(orders.side_table, _ended_ids(orders)))
    if WritePart.CONFIRMED in parts:
        written[WritePart.CONFIRMED] = _confirm(orders)
    if WritePart.SYNCED in parts and orders.side_table is not None:
        written[WritePart.SYNCED] = write_sync_times(orders.side_table, _times(orders))
    if WritePart.HELD in parts:
        written[WritePart.HELD] = write_holds(orders.scope).cte(subquery_name(WritePart.HELD))
    if WritePart.RELEASED in parts:
        released = release_holds(orders.scope, resolution)
        uncounted.append(released.cte(subquery_name(WritePart.RELEASED)))
    counts = select(*(count_written(part, rows) for part, rows in written.items()))
    return counts.add_cte(*uncounted)


def _unnest_changes(orders: OrdersTable) -> Any:
    return unnest(
        "changes",
        id=("changed_ids", orders.id_type),
        as_of=("changed_as_of", DateTime(timezone=True)),
        **change_columns(orders),
    )


def _unnest_confirmations(orders: OrdersTable) -> Any:
    return unnest(
        "confirmations",
        id=("confirmed_ids", orders.id_type),
        as_of=("confirmed_as_of", DateTime(timezone=True)),
    )


def _ended_ids(orders: OrdersTable) -> Select[Any]:
    changes = _unnest_changes(orders)
    return select(changes.c.id).where(~is_open_status(changes.c.status))


def _times(orders: OrdersTable) -> Select[Any]:
    """Return the ids and the times of all rows that are confirmed, or changed and still open."""
    changes, confirmations = _unnest_changes(orders), _unnest_confirmations(orders)
    times = union_all(
        select(changes.c.id, changes.c.as_of).where(is_open_status(changes.c.status)),
        select(confirmations.c.id, confirmations.c.as_of),
    ).subquery("written_times")
    return select(times.c.id, times.c.as_of)


def _change(orders: OrdersTable) -> CTE:
    """Change the rows, and return the log entry of each."""
    changes = _unnest_changes(orders)
    return (
        update(orders.table)
        .where(orders.id == changes.c.id, orders.is_ours)
        .values(changed_columns(orders, changes, changes.c.as_of))
        .returning(changes.c.id, changes.c.details, has_kept(orders, changes))
        .cte(subquery_name(WritePart.CHANGED))
    )


CHANGE_COLUMNS: Mapping[str, Any] = {
    "status": ("statuses", Text()),
    "executed_qty": ("quantities", Numeric()),
    "avg_price": ("prices", Numeric()),
    "details": func.string_to_array(bindparam("details", type_=Text), SEPARATOR.decode()),
}
"""The new facts of changed rows and the log entry of each, as columns of `unnest`."""


def change_columns(orders: OrdersTable) -> Mapping[str, Any]:
    """Return CHANGE_COLUMNS, and the user's words for the statuses if they are not ours."""
    own_words = {"word": ("words", Text())} if not orders.statuses.are_ours else {}
    return {**CHANGE_COLUMNS, **own_words}


def _word(orders: OrdersTable, changes: Any) -> Any:
    return changes.c.word if not orders.statuses.are_ours else changes.c.status


def changed_columns(orders: OrdersTable, changes: Any, as_of: Any) -> dict[Any, Any]:
    """Return the new values of a changed row, by column."""
    columns = {
        orders.written_column(name): orders.stored[name].written(value)
        for name, value in _new_values(orders, changes).items()
    }
    if orders.side_table is None:
        columns |= synced_columns(orders, as_of)
    if "updated_at" in orders.stored:
        now = orders.stored["updated_at"].written(func.now())
        columns[orders.written_column("updated_at")] = now
    return columns | _following_columns(orders, changes)


def _new_values(orders: OrdersTable, changes: Any) -> dict[str, Any]:
    """Return the new facts by our names; without the average if the table has none."""
    values = {
        "status": _word(orders, changes),
        "executed_qty": changes.c.executed_qty,
        "avg_price": changes.c.avg_price,
    }
    return {name: value for name, value in values.items() if name in orders.stored}


def _following_columns(orders: OrdersTable, changes: Any) -> dict[Any, Any]:
    """Return the columns that follow the status, with the value of an open or an ended order."""
    columns = {}
    for following, kind in orders.following:
        current: Any = literal_column(of_orders(following.name))
        open_, ended = (
            current if value is None else cast(literal_column(literal_of(value)), NamedType(kind))
            for value in (following.open, following.ended)
        )
        value = case((is_open_status(changes.c.status), open_), else_=ended)
        columns[orders.table.c[following.name]] = value
    return columns


def synced_columns(orders: OrdersTable, as_of: Any) -> dict[Any, Any]:
    """Return the new time of the last sync, by column."""
    time = later_sync(orders.last_synced_at, as_of)
    written = orders.stored["last_synced_at"].written(time)
    return {orders.written_column("last_synced_at"): written}


def has_kept(orders: OrdersTable, changes: Any) -> Any:
    """Return, of a row just changed, whether it has what was written, or a word of its owner's.

    A trigger may have put the old facts back. Each look would change the row again, and log it.
    """
    values = _new_values(orders, changes)
    is_as_written = and_(
        *(orders.stored[name].has_kept(values[name]) for name in ("status", "executed_qty"))
    )
    words: list[Any] = [literal_column(quoted_text(word)) for word in orders.statuses.meanings]
    return or_(is_as_written, orders.status.not_in(words)).label("has_kept")


def log_changes(changed: CTE) -> CTE:
    """Write the log entries of changed rows; `changed` has their ids, details and `has_kept`.

    There is none of a row that has not kept its change, so that the counts differ.
    """
    return (
        insert(activity_log)
        .from_select(
            ["order_id", "action", "details", "created_at"],
            select(
                cast(changed.c.id, Text),
                literal(activity.ACTION, String),
                cast(changed.c.details, JSONB),
                func.now(),
            ).where(changed.c.has_kept),
        )
        .returning(activity_log.c.id)
        .cte(subquery_name(WritePart.LOGGED))
    )


def _confirm(orders: OrdersTable) -> CTE:
    confirmations = _unnest_confirmations(orders)
    return (
        update(orders.table)
        .where(orders.id == confirmations.c.id, orders.is_ours)
        .values(synced_columns(orders, confirmations.c.as_of))
        .returning(has_kept_time(orders, confirmations.c.as_of))
        .cte(subquery_name(WritePart.CONFIRMED))
    )


def has_kept_time(orders: OrdersTable, as_of: Any) -> Any:
    """Return, of a row just confirmed, whether its sync is as late as what was written.

    A trigger may have put the old time back: the order would be looked at again and again. A column
    may round a time to a second.
    """
    written = func.least(as_of, func.now()) - literal(LARGEST_ROUNDING, Interval)
    return (orders.last_synced_at >= written).label("has_kept")


LARGEST_ROUNDING = timedelta(seconds=1)


def count_written(part: WritePart, rows: CTE) -> Any:
    """Return the number of rows that a part wrote; of confirmed ones, that kept their time."""
    counted = select(func.count()).select_from(rows)
    if part is WritePart.CONFIRMED:
        counted = counted.where(rows.c.has_kept)
    return counted.scalar_subquery()
