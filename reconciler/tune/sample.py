"""The open orders that every trial sweeps, and the same orders for the trials' exchange.

They are those longest unsynced, found by the supervisor's own query, but they need not be stale.
Nothing is locked or written.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciler.domain.status import Status
from reconciler.errors import ConfigurationError, Problem
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.listing import OrderSpec
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.orders_table import require_schema
from reconciler.store.stale import StaleOrders, SweepPosition
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import UserTable
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.tune.trial_exchange import TrialDialect

ALWAYS_STALE = timedelta(0)
"""A stale time with which every open order is stale."""

_PLACES = Decimal("1e-8")
_QUOTE_NOT_KNOWN = "-1"
_EXAMPLE_NUMBER = 4_280_387_573


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some open orders, longest unsynced first.

    Attributes:
        dialect: That of the trials' exchange.
        open_orders: The number of all open orders that are not on hold.
        left_out: The number of orders whose exchange id is not one of the trials' exchange, which
            cannot have these.
        has_side_table: The times of the last sync are in the side table.
    """

    orders: tuple[StaleOrder, ...]
    dialect: TrialDialect
    open_orders: int
    left_out: int = 0
    has_side_table: bool = False

    @property
    def symbols(self) -> int:
        """The number of symbols."""
        return len({order.symbol for order in self.orders})


def read_sample(settings: Settings, limit: int, dialect: TrialDialect) -> Sample:
    """Read up to `limit` open orders that an exchange of this dialect can have.

    Raises:
        ConfigurationError: the schema does not fit, a right is missing, or there is no order.
        StoreUnavailable: the database does not answer.
    """
    with closing(Database(settings.required_database_url, role="tune")) as database:
        with database.transaction() as connection:
            orders = require_schema(connection, UserTable(settings.orders))
            stale = StaleOrders(orders, stale_after=ALWAYS_STALE)
            scan = stale.scan(connection)
        position = SweepPosition(scan=scan)
        found = [order for page in _pages(database, stale, limit, position) for order in page]
    fit = tuple(order for order in found if dialect.number(order.external_order_id) is not None)
    if not fit:
        raise ConfigurationError([_no_orders(len(found), dialect)])
    return Sample(
        orders=fit,
        dialect=dialect,
        open_orders=scan.backlog.orders,
        left_out=len(found) - len(fit),
        has_side_table=orders.side_table is not None,
    )


def order_specs(
    orders: Sequence[StaleOrder], dialect: TrialDialect, *, ended_share: float
) -> Iterator[OrderSpec]:
    """Yield the orders for the trials' exchange: as their rows say, but some of them canceled.

    Those are `ended_share` of them, evenly distributed.
    """
    for number, order in enumerate(orders, start=1):
        has_ended = int(number * ended_share) > int((number - 1) * ended_share)
        yield _order_spec(order, dialect, has_ended=has_ended)


def _pages(
    database: Database, stale: StaleOrders, limit: int, position: SweepPosition | None
) -> Iterator[tuple[StaleOrder, ...]]:
    while limit > 0 and position is not None:
        with database.transaction() as connection:
            page = stale.read_page(connection, min(limit, PAGE_ITEMS), position)
        yield page.orders
        limit -= len(page.orders)
        position = page.next


def _order_spec(order: StaleOrder, dialect: TrialDialect, *, has_ended: bool) -> OrderSpec:
    number = dialect.number(order.external_order_id)
    assert number is not None  # noqa: S101 - `read_sample` has left out the others
    executed = order.executed_qty.quantize(_PLACES)
    quote = (
        _QUOTE_NOT_KNOWN
        if order.avg_price is None
        else f"{(executed * order.avg_price).quantize(_PLACES):f}"
    )
    return OrderSpec(
        symbol=dialect.symbol(order.symbol),
        order_id=number,
        qty=f"{executed + 1:f}",
        executed_qty=f"{executed:f}",
        quote_qty=quote,
        status=_exchange_status(order, has_ended=has_ended),
    )


def _exchange_status(order: StaleOrder, *, has_ended: bool) -> ExchangeStatus:
    if has_ended:
        return ExchangeStatus.CANCELED
    if order.executed_qty > 0:
        return ExchangeStatus.PARTIALLY_FILLED
    is_pending = order.status is Status.PENDING
    return ExchangeStatus.PENDING_NEW if is_pending else ExchangeStatus.NEW


def _no_orders(found: int, dialect: TrialDialect) -> Problem:
    if found:
        name = dialect.dialect.name
        return Problem(
            what=f"none of {found:,} open orders has an external_order_id like those of {name},"
            f" such as {dialect.dialect.order_id(_EXAMPLE_NUMBER)}",
            hint="see what your application writes there; reconciler check says what is needed",
        )
    return Problem(
        what="there is no open order to try with, or all are on hold",
        hint="try again while there are some, or see it with made-up ones:"
        " docs/explanation/scaling.md",
    )
