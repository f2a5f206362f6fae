"""An order handler with a fake exchange, and orders for it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import psycopg

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import Facts
from reconciler.domain.report import Report
from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.exchanges.base import Account, Failure, LookupResult, OrderRef, Venue
from reconciler.exchanges.registry import venue
from reconciler.exchanges.request_policy import UsageCounter
from reconciler.orders.account import AccountVerifier
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.handler import OrderHandler
from reconciler.resilience.breaker import Breaker
from reconciler.scope import UNSCOPED
from reconciler.settings import BreakerPolicy
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale_order import StaleOrder
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import Batch, Chunk, Result

ORDERS = 4
EIGHT_PLACES = DecimalPlaces(8)
FILLED = Facts(status=Status.FILLED, executed_qty=Decimal(1), avg_price=Decimal(100))


class FakeExchange:
    """Reports `says` of each order, except of those in `silent_about` and in `failures`.

    About the former it says nothing at all; the latter fail with the given error.
    """

    def __init__(
        self,
        *,
        says: Facts = FILLED,
        silent_about: Sequence[str] = (),
        failures: Mapping[str, Failure] | None = None,
    ) -> None:
        self._says = says
        self._silent_about = silent_about
        self.failures = failures or {}
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.asked: list[str] = []
        self.accounts_asked = 0

    @property
    def venue(self) -> Venue:
        return venue("paper")

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        self.asked += [ref.external_order_id for ref in refs]
        answers = {
            ref: Report(
                symbol=ref.symbol,
                external_order_id=ref.external_order_id,
                word=self._says.status.value.upper(),
                status=self._says.status,
                executed_qty=self._says.executed_qty,
                avg_price=self._says.avg_price,
                fetched_at=self.clock(),
            )
            for ref in refs
            if ref.external_order_id not in {*self._silent_about, *self.failures}
        }
        failures = {
            ref: self.failures[ref.external_order_id]
            for ref in refs
            if ref.external_order_id in self.failures
        }
        return LookupResult(answers={**answers}, failures=failures)

    async def fetch_account(self) -> Account:
        self.accounts_asked += 1
        return Account(identity="nobody", clock_offset=timedelta(0))

    async def fetch_clock_offset(self) -> timedelta:
        return timedelta(0)

    async def fetch_symbols(self) -> frozenset[str]:
        return frozenset()

    def request_symbol(self, symbol: str) -> str:
        return symbol

    async def close(self) -> None: ...


def new_orders(database_url: str, count: int, *, on_hold: Collection[str] = ()) -> Chunk:
    """Insert new orders of one symbol and return them as a chunk."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, updated_at)"
            " SELECT 'BTCUSDT', n::text, 'new', now() - interval '1 hour'"
            " FROM generate_series(1, %s) AS n RETURNING id, external_order_id, xmin::text",
            (count,),
        ).fetchall()
    items = tuple(
        StaleOrder(
            id=id_,
            symbol="BTCUSDT",
            external_order_id=ext,
            status=Status.NEW,
            executed_qty=Decimal(0),
            avg_price=None,
            created_at=None,
            is_on_hold=ext in on_hold,
            version=version,
        )
        for id_, ext, version in rows
    )
    return Chunk(key="BTCUSDT", items=items)


def a_handler(database: Database, exchange: FakeExchange, rows: int = ORDERS) -> OrderHandler:
    with database.autocommit() as connection:
        table = read_orders_table(connection)
    policy = Policy(
        quantity_scale=EIGHT_PLACES,
        price_scale=EIGHT_PLACES,
        placement_grace=timedelta(0),
        retention=Retention(unfilled=timedelta(days=90)),
    )
    return OrderHandler(
        exchange=exchange,
        breaker=Breaker(BreakerPolicy()),
        usage=UsageCounter(),
        database=database,
        writer=OrderWriter(table, exchange="paper", decide=partial(decide, policy=policy)),
        policy=policy,
        account=AccountVerifier(
            exchange=exchange, database=database, scope=UNSCOPED, is_dry_run=False
        ),
        clock=DatabaseClock(),
        metrics=NoMetrics(),
        rows_per_transaction=rows,
        query_timeout_seconds=60.0,
        is_dry_run=False,
    )


async def handle(handler: OrderHandler, chunk: Chunk) -> Result:
    """Prepare and commit a chunk, as if the supervisor had found nothing suspicious."""
    batch = Batch(number=0, cycle=0, chunks=(chunk,))
    await handler.prepare(batch)
    return await handler.commit(batch, may_write=True)
