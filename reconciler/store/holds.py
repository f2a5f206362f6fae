"""Orders on hold: when each is tried again, and how a hold ends.

What is read or written here are the holds of one scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Numeric,
    Select,
    Uuid,
    and_,
    case,
    cast,
    func,
    select,
    update,
)

from reconciler.domain.decide import HoldReason
from reconciler.domain.status import OPEN
from reconciler.domain.value import Value
from reconciler.scope import Scope
from reconciler.store.open_index import (
    CLOCK_TOLERANCE,
    MAX_COUNTED,
    OPEN_INDEX,
    avoid_table_scans,
)
from reconciler.store.order_ids import has_texts
from reconciler.store.orders_table import OrdersTable
from reconciler.store.tables import holds
from reconciler.store.user_table import UserTable

FIRST_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
MAX_AHEAD = MAX_WAIT + CLOCK_TOLERANCE
"""An attempt further in the future was set by a wrong clock: it counts as due."""


class ActiveHold(Value):
    """The active hold of an order, and how often in a row it was held for that reason."""

    reason: HoldReason
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOrder:
    """A hold as it is shown to a person.

    Attributes:
        row_facts: What the row said when the order was last held.
        report: What the exchange reported then; None if it reported nothing about the order.
        resolved_at: When the hold ended; None while it lasts.
        resolution: How it ended.
        symbol, external_order_id: The row's symbol and external id when it was last held; None if
            not known, as for holds of earlier versions.
    """

    order_id: str
    reason: HoldReason
    detail: str
    attempts: int
    first_held_at: datetime
    next_attempt_at: datetime
    row_facts: dict[str, Any]
    report: dict[str, Any] | None
    resolved_at: datetime | None
    resolution: str | None
    symbol: str | None
    external_order_id: str | None

    def is_of(self, symbol: str, external_order_id: str | None) -> bool:
        """Return True if the row still names the order of the hold, or that order is not known."""
        return is_named_by((self.symbol, self.external_order_id), (symbol, external_order_id))

    def is_waiting(self, symbol: str, external_order_id: str | None, now: datetime) -> bool:
        """Return True if the next attempt is not due yet. The condition `is_waiting` in Python."""
        ahead = self.next_attempt_at - now
        return self.is_of(symbol, external_order_id) and timedelta(0) < ahead <= MAX_AHEAD


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldMetrics:
    """The number of open orders, how many of them are on hold, and the age of the oldest hold.

    `oldest_age_seconds` includes holds of ended orders; it is None if there is no hold.
    """

    open_orders: int
    held_orders: int
    oldest_age_seconds: float | None


def is_named_by(held: tuple[str | None, str | None], row: tuple[str, str | None]) -> bool:
    """Return True if a row names the order that its hold was for: both as (symbol, id)."""
    return held[0] is None or held == row


def attempts_in_a_row(active: ActiveHold | None, reason: HoldReason) -> int:
    """Return how often the order has been held for `reason` without a break."""
    return active.attempts if active is not None and active.reason is reason else 0


def wait_before_attempt(attempts: int) -> timedelta:
    """Return the wait after `attempts` (1 or more) holds in a row: doubling, up to MAX_WAIT."""
    doublings: int = min(attempts - 1, 10)
    return min(MAX_WAIT, FIRST_WAIT * (1 << doublings))


def list_holds(
    connection: Connection,
    scope: Scope,
    *,
    reason: HoldReason | None,
    with_resolved: bool,
    limit: int,
    symbol: str | None = None,
) -> Sequence[HeldOrder]:
    """Read holds, the longest held first. `symbol` is that of the row when it was held."""
    statement = select_holds(scope).order_by(holds.c.first_held_at, holds.c.id).limit(limit)
    if reason is not None:
        statement = statement.where(holds.c.reason == reason.value)
    if symbol is not None:
        statement = statement.where(holds.c.symbol == symbol)
    if not with_resolved:
        statement = statement.where(holds.c.resolved_at.is_(None))
    return [held_order(row) for row in connection.execute(statement).mappings()]


def is_active(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a hold of this scope has not ended."""
    return and_(holds.c.scope == scope, holds.c.resolved_at.is_(None))


def is_waiting() -> ColumnElement[bool]:
    """Return the condition that a hold's next attempt is not due yet."""
    ahead = holds.c.next_attempt_at
    return and_(ahead > func.now(), ahead <= func.now() + MAX_AHEAD)


def count_waiting(connection: Connection, scope: Scope) -> int:
    """Count the holds whose next attempt is not due yet."""
    statement = select(func.count()).where(is_active(scope), is_waiting())
    return int(connection.execute(statement).scalar_one())


def count_far_ahead(connection: Connection, scope: Scope) -> int:
    """Count the holds whose next attempt is too far in the future: a clock was wrong."""
    statement = select(func.count()).where(
        is_active(scope), holds.c.next_attempt_at > func.now() + MAX_AHEAD
    )
    return int(connection.execute(statement).scalar_one())


def read_hold(connection: Connection, scope: Scope, order_id: str) -> HeldOrder | None:
    """Read the active hold of an order, or else its last one; None if it never had one."""
    statement = (
        select_holds(scope)
        .where(holds.c.order_id == order_id)
        .order_by(holds.c.resolved_at.desc().nulls_first())
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else held_order(row)


def read_holds_of_order(
    connection: Connection, scope: Scope, order_id: str, *, limit: int
) -> Sequence[HeldOrder]:
    """Read the latest holds of an order, active and ended, the newest first."""
    statement = (
        select_holds(scope)
        .where(holds.c.order_id == order_id)
        .order_by(holds.c.first_held_at.desc(), holds.c.id.desc())
        .limit(limit)
    )
    return [held_order(row) for row in connection.execute(statement).mappings()]


def dismiss_hold(connection: Connection, scope: Scope, order_id: str, *, by: str) -> bool:
    """End an order's hold, so that it is tried again at once; return False if it has none."""
    statement = (
        update(holds)
        .where(holds.c.order_id == order_id, is_active(scope))
        .values(resolved_at=func.now(), resolution=f"dismissed by {by}")
    )
    return connection.execute(statement).rowcount > 0


def resolve_ended(connection: Connection, orders: OrdersTable) -> int:
    """End the holds of orders that the application has ended or deleted; return their number.

    Such an order is not asked about any more, so nothing else would end its hold. An order that was
    held when its row had already ended is a contradiction, and stays for a person. Skips locked
    holds.
    """
    is_open = (
        select(orders.id)
        .select_from(orders.rows)
        .where(orders.id == as_order_id(orders), orders.is_open)
        .exists()
    )
    ended = (
        select(holds.c.id)
        .where(
            is_active(orders.scope),
            holds.c.row_facts["status"].astext.in_(sorted(OPEN)),
            ~is_open,
        )
        .with_for_update(skip_locked=True, of=holds)
    )
    statement = (
        update(holds)
        .where(holds.c.id.in_(ended))
        .values(resolved_at=func.now(), resolution="ended by the application")
    )
    return connection.execute(statement).rowcount


def measure_holds(connection: Connection, table: UserTable, scope: Scope) -> HoldMetrics:
    """Count the open orders and how many of them are on hold; needs a transaction.

    Costs the same on every table: open orders are counted up to `MAX_COUNTED`; beyond that,
    PostgreSQL's own estimate is used.
    """
    avoid_table_scans(connection)
    given = {"most": MAX_COUNTED, "table": table.name, "index": OPEN_INDEX, "scope": scope}
    row = connection.exec_driver_sql(_measure(table), given).one()
    return HoldMetrics(
        open_orders=row.open_orders,
        held_orders=row.held_orders,
        oldest_age_seconds=None if row.oldest_age is None else max(0.0, float(row.oldest_age)),
    )


_OPEN_WORDS = ", ".join(f"'{status}'" for status in sorted(OPEN))


def _measure(table: UserTable) -> str:
    return f"WITH counted AS ({table.open_orders_count}),{_MEASURE_HOLDS}"


_MEASURE_HOLDS = f"""
    estimated AS (
        SELECT coalesce(max(c.reltuples), 0)::bigint AS orders
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(%(table)s) AND c.relname = %(index)s
    )
    SELECT
        CASE WHEN counted.orders < %(most)s THEN counted.orders
             ELSE greatest(counted.orders, estimated.orders) END AS open_orders,
        (SELECT count(*) FROM reconciliation_holds WHERE scope = %(scope)s AND resolved_at IS NULL
            AND row_facts->>'status' IN ({_OPEN_WORDS})) AS held_orders,
        (SELECT extract(epoch FROM now() - min(first_held_at))
            FROM reconciliation_holds WHERE scope = %(scope)s AND resolved_at IS NULL) AS oldest_age
    FROM counted, estimated
"""  # noqa: S608 - put together from constants


def as_order_id(orders: OrdersTable) -> ColumnElement[Any]:
    """Return a hold's order as a value of `orders.id`.

    The value is null if the hold was made for a table whose ids had another type.
    """
    order_id = holds.c.order_id
    if has_texts(orders.id_type):
        return cast(order_id, orders.id_type)
    if isinstance(orders.id_type, Uuid):
        return case((order_id.regexp_match(_UUID), cast(order_id, Uuid())))
    is_bigint = cast(order_id, Numeric).between(-_LARGEST_ID - 1, _LARGEST_ID)
    number = case((is_bigint, cast(order_id, BigInteger)))
    return case((order_id.regexp_match("^-?[0-9]{1,19}$"), number))


_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_LARGEST_ID = 2**63 - 1


def select_holds(scope: Scope) -> Select[Any]:
    """Select the columns that `held_order` takes."""
    columns = (holds.c[name].label(name) for name in HeldOrder.__dataclass_fields__)
    return select(*columns).where(holds.c.scope == scope)


def held_order(row: Any) -> HeldOrder:
    """Return a selected row as a hold."""
    return HeldOrder(**{**row, "reason": HoldReason(row["reason"])})
