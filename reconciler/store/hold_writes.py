"""The parts of the write statement that put orders on hold, and that end holds."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Interval,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.dml import ReturningInsert

from reconciler.scope import Scope
from reconciler.store.array_parameters import SEPARATOR, unnest
from reconciler.store.holds import is_active
from reconciler.store.tables import holds


def release_holds(scope: Scope, resolution: str) -> Update:
    """End the active holds of the orders in the parameter `released_ids`."""
    ids = bindparam("released_ids", type_=ARRAY(Text()))
    return (
        update(holds)
        .where(holds.c.order_id == func.any(ids), is_active(scope))
        .values(resolved_at=func.now(), resolution=resolution)
    )


def write_holds(scope: Scope) -> ReturningInsert[Any]:
    """Put orders on hold; an active hold of the same order for the same reason counts one more.

    The parameters are those of `_unnest_holds`. Returns the id of each hold.
    """
    new_holds = _unnest_holds()
    statement = insert(holds).from_select(
        [
            "order_id",
            "reason",
            "detail",
            "attempts",
            "first_held_at",
            "next_attempt_at",
            "row_facts",
            "report",
            "symbol",
            "external_order_id",
            "scope",
        ],
        select(
            new_holds.c.order_id,
            new_holds.c.reason,
            new_holds.c.detail,
            literal(1),
            func.now(),
            func.now() + new_holds.c.wait,
            cast(new_holds.c.row_facts, JSONB),
            cast(new_holds.c.report, JSONB),
            new_holds.c.symbol,
            new_holds.c.external_order_id,
            literal(scope, Text),
        ),
    )
    excluded = statement.excluded
    # A hold for another order counts from one. Holds of earlier versions do not know their order.
    is_same = and_(
        holds.c.reason == excluded.reason,
        func.coalesce(holds.c.symbol, excluded.symbol) == excluded.symbol,
        func.coalesce(holds.c.external_order_id, excluded.external_order_id)
        == excluded.external_order_id,
    )
    written = statement.on_conflict_do_update(
        index_elements=[holds.c.scope, holds.c.order_id],
        index_where=holds.c.resolved_at.is_(None),
        set_={
            "reason": excluded.reason,
            "detail": excluded.detail,
            "attempts": case((is_same, holds.c.attempts + 1), else_=1),
            "next_attempt_at": excluded.next_attempt_at,
            "row_facts": excluded.row_facts,
            "report": excluded.report,
            "symbol": excluded.symbol,
            "external_order_id": excluded.external_order_id,
        },
    )
    return written.returning(holds.c.id)


def _unnest_holds() -> Any:
    return unnest(
        "new_holds",
        order_id=("held_ids", Text()),
        symbol=("held_symbols", Text()),
        external_order_id=("held_external_ids", Text()),
        reason=("reasons", Text()),
        detail=("hold_details", Text()),
        wait=("waits", Interval()),
        row_facts=func.string_to_array(bindparam("held_facts", type_=Text), SEPARATOR.decode()),
        report=func.string_to_array(bindparam("held_reports", type_=Text), SEPARATOR.decode()),
    )
