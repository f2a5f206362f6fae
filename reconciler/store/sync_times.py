"""Write the times of the last sync, into `orders` or into the side table, within a statement.

A row of the side table is updated where it exists, and inserted where it does not. An insert with
ON CONFLICT alone would lock each existing row first, which takes 57 more bytes of log.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Table,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from reconciler.domain.status import OPEN
from reconciler.store.user_table import subquery_name


def later_sync(current: ColumnElement[Any], as_of: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the new time of the last sync: when we asked the exchange, not when we write the row.

    If `current` is later, keep it, unless that time is in the future.
    """
    as_of = func.least(as_of, func.now())
    return case((current.between(as_of, func.now()), current), else_=as_of)


def write_sync_times(side_table: Table, times: Select[Any]) -> CTE:
    """Write times into the side table; `times` selects `id` and `as_of`, when we asked.

    The result has a row for each time that was written.
    """
    new = times.cte(subquery_name("times"))
    current = side_table.c.last_synced_at
    updated = (
        update(side_table)
        .where(side_table.c.order_id == new.c.id)
        .values(last_synced_at=later_sync(current, new.c.as_of))
        .returning(side_table.c.order_id)
        .cte(subquery_name("updated_times"))
    )
    insertion = insert(side_table).from_select(
        ["order_id", "last_synced_at"],
        select(new.c.id, func.least(new.c.as_of, func.now())).where(
            new.c.id.not_in(select(updated.c.order_id))
        ),
    )
    # Another host may have looked at the order for the first time, too.
    inserted = (
        insertion.on_conflict_do_update(
            index_elements=[side_table.c.order_id],
            set_={"last_synced_at": later_sync(current, insertion.excluded.last_synced_at)},
        )
        .returning(side_table.c.order_id)
        .cte(subquery_name("first_times"))
    )
    written = select(updated.c.order_id).union_all(select(inserted.c.order_id))
    return written.cte(subquery_name("synced"))


def delete_sync_times(side_table: Table, ids: Select[Any]) -> CTE:
    """Delete the times of orders that have ended, so that they do not pile up."""
    return delete(side_table).where(side_table.c.order_id.in_(ids)).cte(subquery_name("forgotten"))


def is_open_status(status: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that one of our own words is that of an open order."""
    return status.in_([literal_column(f"'{word}'") for word in sorted(OPEN)])
