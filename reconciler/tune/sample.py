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
from reconciler.exchanges.binance.refs import request_symbol
from reconciler.paper.listing import OrderSpec
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.orders_table import require_schema
from reconciler.store.stale import StaleOrders, SweepPosition
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import UserTable
from reconciler.supervisor.options import PAGE_ITEMS

ALWAYS_STALE = timedelta(0)
"""A stale time with which every open order is stale."""

_PLACES = Decimal("1e-8")
_QUOTE_NOT_KNOWN = "-1"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some open orders, longest unsynced first.

    Attributes:
        open_orders: The number of all open orders that are not on hold.
        left_out: The number of orders whose exchange id is not a number: the trials' exchange
            cannot have these.
        has_side_table: The times of the last sync are in the side table.
    """

    orders: tuple[StaleOrder, ...]
    open_orders: int
    left_out: int = 0
    has_side_table: bool = False

    @property
    def symbols(self) -> int:
        """The number of symbols."""
        return len({order.symbol for order in self.orders})


def read_sample(settings: Settings, limit: int) -> Sample:
    """Read up to `limit` open orders.

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
    fit = tuple(order for order in found if _is_number(order.external_order_id))
    if not fit:
        raise ConfigurationError([_no_orders(len(found))])
    return Sample(
        orders=fit,
        open_orders=scan.backlog.orders,
        left_out=len(found) - len(fit),
        has_side_table=orders.side_table is not None,
    )


def order_specs(orders: Sequence[StaleOrder], *, ended_share: float) -> Iterator[OrderSpec]:
    """Yield the orders for the trials' exchange: as their rows say, but some of them canceled.

    Those are `ended_share` of them, evenly distributed.
    """
    for number, order in enumerate(orders, start=1):
        has_ended = int(number * ended_share) > int((number - 1) * ended_share)
        yield _order_spec(order, has_ended=has_ended)


def _pages(
    database: Database, stale: StaleOrders, limit: int, position: SweepPosition | None
) -> Iterator[tuple[StaleOrder, ...]]:
    while limit > 0 and position is not None:
        with database.transaction() as connection:
            page = stale.read_page(connection, min(limit, PAGE_ITEMS), position)
        yield page.orders
        limit -= len(page.orders)
        position = page.next


def _is_number(external_order_id: str) -> bool:
    """Return True if the id is a number, formatted as the exchange does."""
    return (
        external_order_id.isascii()
        and external_order_id.isdecimal()
        and (external_order_id == "0" or external_order_id[0] != "0")
    )


def _order_spec(order: StaleOrder, *, has_ended: bool) -> OrderSpec:
    executed = order.executed_qty.quantize(_PLACES)
    quote = (
        _QUOTE_NOT_KNOWN
        if order.avg_price is None
        else f"{(executed * order.avg_price).quantize(_PLACES):f}"
    )
    return OrderSpec(
        symbol=request_symbol(order.symbol),
        order_id=int(order.external_order_id),
        qty=f"{executed + 1:f}",
        executed_qty=f"{executed:f}",
        quote_qty=quote,
        status=_binance_status(order, has_ended=has_ended),
    )


def _binance_status(order: StaleOrder, *, has_ended: bool) -> str:
    if has_ended:
        return "CANCELED"
    if order.executed_qty > 0:
        return "PARTIALLY_FILLED"
    return "PENDING_NEW" if order.status is Status.PENDING else "NEW"


def _no_orders(found: int) -> Problem:
    if found:
        return Problem(
            what=f"none of {found:,} open orders has an external_order_id that is a number, as the"
            " exchange's are",
            hint="see what your application writes there; reconciler check says what is needed",
        )
    return Problem(
        what="there is no open order to try with, or all are on hold",
        hint="try again while there are some, or see it with made-up ones:"
        " docs/explanation/scaling.md",
    )
