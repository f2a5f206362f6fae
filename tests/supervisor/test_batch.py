"""A worker prepares and commits one batch, on a real database and a fake exchange."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import psycopg
import pytest
from psycopg import sql

from reconciler.domain import value
from reconciler.domain.decide import Policy, decide
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import BreakerOpen, RequestRejected, Suspended, Unavailable
from reconciler.exchanges.base import Account, Failure, LookupResult, OrderRef, Venue
from reconciler.exchanges.registry import venue
from reconciler.exchanges.request_policy import UsageCounter
from reconciler.orders.account import AccountVerifier
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.handler import OrderHandler
from reconciler.resilience.breaker import Breaker
from reconciler.settings import BreakerPolicy
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.stale import StaleOrder
from reconciler.store.tables import find_orders
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import Batch, Chunk, FaultKind, Result

ORDERS = 4


class FakeExchange:
    """Reports each order as filled, except those in `silent_about` and in `failures`.

    About the former it says nothing at all; the latter fail with the given error.
    """

    def __init__(
        self, *, silent_about: Sequence[str] = (), failures: Mapping[str, Failure] | None = None
    ) -> None:
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
                word="FILLED",
                status=Status.FILLED,
                executed_qty=Decimal(1),
                avg_price=Decimal(100),
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

    async def close(self) -> None: ...


def new_orders(database_url: str, count: int, *, on_hold: Collection[str] = ()) -> Chunk:
    """Insert new orders of one symbol and return them as a chunk."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, updated_at)"
            " SELECT 'BTCUSDT', n::text, 'new', now() - interval '1 hour'"
            " FROM generate_series(1, %s) AS n RETURNING id, external_order_id",
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
        )
        for id_, ext in rows
    )
    return Chunk(key="BTCUSDT", items=items)


@pytest.fixture
def orders(database_url: str) -> Chunk:
    """New orders of one symbol, as a chunk."""
    return new_orders(database_url, ORDERS)


def a_handler(database: Database, exchange: FakeExchange, rows: int = ORDERS) -> OrderHandler:
    with database.autocommit() as connection:
        table = find_orders(connection)
    policy = Policy(
        quantity_scale=8, price_scale=8, placement_grace=timedelta(0), retention=timedelta(days=90)
    )
    return OrderHandler(
        shard=0,
        exchange=exchange,
        breaker=Breaker(BreakerPolicy()),
        usage=UsageCounter(),
        database=database,
        writer=OrderWriter(table, exchange="paper", decide=partial(decide, policy=policy)),
        policy=policy,
        account=AccountVerifier(exchange=exchange, database=database, is_dry_run=False),
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


async def test_unresolved_order_counts_as_error_and_is_not_requeued(
    database: Database, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange(silent_about=["2"]))

    result = await handle(handler, orders)

    assert (result.counts.scanned, result.counts.reconciled, result.counts.errors) == (4, 3, 1)
    assert result.undone == ()


async def test_order_whose_request_is_rejected_often_goes_on_hold(
    database: Database, database_url: str, orders: Chunk
) -> None:
    refused = RequestRejected("/api/v3/order: HTTP 400, code -9999: no")
    handler = a_handler(database, FakeExchange(failures={"2": refused}))

    results = [await handle(handler, orders) for _ in range(3)]

    counts = [(result.counts.errors, result.counts.held) for result in results]
    assert counts == [(1, 0), (1, 0), (0, 1)]
    assert all(result.fault is None and result.undone == () for result in results)
    with psycopg.connect(database_url) as connection:
        held = connection.execute("SELECT reason, detail FROM reconciliation_holds").fetchall()
    assert [reason for reason, _ in held] == ["error"]
    assert "code -9999" in held[0][1]


async def test_rejections_with_an_answer_in_between_hold_nothing(
    database: Database, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)

    for turned_down in (True, True, False, True, True):
        exchange.failures = {"2": RequestRejected("code -9999")} if turned_down else {}
        result = await handle(handler, orders)

    assert (result.counts.errors, result.counts.held) == (1, 0)


async def test_rejected_order_on_hold_is_held_again_at_once(
    database: Database, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange(failures={"2": RequestRejected("code -9999")}))
    held = replace(
        orders,
        items=tuple(
            value.replace(order, is_on_hold=True) if order.external_order_id == "2" else order
            for order in orders.items
        ),
    )

    result = await handle(handler, held)

    assert (result.counts.errors, result.counts.held) == (0, 1)


async def test_failed_request_counts_and_one_not_sent_does_not(
    database: Database, orders: Chunk
) -> None:
    failures: dict[str, Failure] = {
        "1": Unavailable("HTTP 503"),
        "2": BreakerOpen(retry_after_seconds=120),
        "3": Suspended("not asked", retry_after_seconds=120),
    }
    handler = a_handler(database, FakeExchange(failures=failures))

    result = await handle(handler, orders)

    assert (result.counts.scanned, result.counts.reconciled, result.counts.errors) == (2, 1, 1)
    assert result.not_asked == 1
    assert [order.external_order_id for chunk in result.undone for order in chunk.items] == ["2"]


async def test_locked_row_counts_as_skipped_after_its_second_try(
    database: Database, database_url: str, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange())
    with psycopg.connect(database_url) as application:
        application.execute("SELECT FROM orders WHERE external_order_id = '3' FOR UPDATE")

        first = await handle(handler, orders)
        (skipped,) = first.skipped
        again = replace(skipped, is_second_try=True)
        second = await handle(handler, again)

    assert [order.external_order_id for order in skipped.items] == ["3"]
    assert (first.counts.scanned, first.counts.skipped_locked) == (3, 0)
    assert (second.counts.scanned, second.counts.skipped_locked) == (1, 1)


async def test_refused_row_goes_on_hold_and_the_others_are_written(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "ALTER TABLE orders ADD CHECK (external_order_id <> '2' OR status = 'new')"
        )

    result = await handle(a_handler(database, FakeExchange()), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


async def test_database_that_takes_no_writes_is_a_worker_fault(
    database: Database, database_url: str, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange())
    with psycopg.connect(database_url) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name)
        )
    database.close()

    result = await handle(handler, orders)

    assert result.fault is not None
    assert result.fault.kind is FaultKind.STORE
    assert result.undone == (orders,)


async def test_commit_without_permission_touches_no_row(
    database: Database, database_url: str, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange())
    batch = Batch(number=0, cycle=0, chunks=(orders,))

    stats = await handler.prepare(batch)
    result = await handler.commit(batch, may_write=False)

    assert (stats.examined, stats.suspicious) == (ORDERS, 0)
    assert (result.counts.scanned, result.counts.reconciled, result.undone) == (ORDERS, 0, ())
    with psycopg.connect(database_url) as connection:
        statuses = connection.execute("SELECT DISTINCT status FROM orders").fetchall()
    assert statuses == [("new",)]


# While the database is away.


@contextmanager
def refusing_sessions(database_url: str, postgres_url: str) -> Iterator[None]:
    """End all sessions of a database and refuse new ones inside the block."""
    name = sql.Identifier(database_url.split("/")[3].split("?", maxsplit=1)[0])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(allow.format(name, sql.SQL("false")))
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (name.as_string(server).strip('"'),),
        )
        yield
        server.execute(allow.format(name, sql.SQL("true")))


async def test_unwritten_answers_are_written_after_the_outage(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    await handler.account.verify()

    with refusing_sessions(database_url, postgres_url):
        first = await handle(handler, orders)
        again = await handle(handler, orders)
    then = await handle(handler, orders)

    for failed in (first, again):
        assert failed.fault is not None
        assert failed.fault.kind is FaultKind.STORE
        assert failed.undone == (orders,)
    assert then.counts.reconciled == ORDERS
    assert sorted(exchange.asked) == ["1", "2", "3", "4"]


async def test_nothing_is_asked_while_the_database_takes_no_writes(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    await handler.account.verify()
    first, *others = (replace(orders, items=(item,)) for item in orders.items)

    with refusing_sessions(database_url, postgres_url):
        for chunk in (first, *others):
            await handle(handler, chunk)

    assert exchange.asked == [first.items[0].external_order_id]


async def test_order_is_asked_again_when_its_answer_is_not_fresh(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    await handler.account.verify()

    with refusing_sessions(database_url, postgres_url):
        await handle(handler, orders)
    handler.clock.sync(datetime.now(UTC) + timedelta(seconds=61))
    await handle(handler, orders)

    assert sorted(exchange.asked) == sorted(2 * ["1", "2", "3", "4"])


async def test_account_is_asked_once_during_a_database_outage(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)

    with refusing_sessions(database_url, postgres_url):
        results = [await handle(handler, orders) for _ in range(3)]
    then = await handle(handler, orders)

    assert all(result.fault is not None for result in results)
    assert exchange.accounts_asked == 1
    assert then.counts.reconciled == ORDERS


async def test_exchange_is_not_asked_while_database_is_read_only(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    await handler.account.verify()
    first, *others = (replace(orders, items=(item,)) for item in orders.items)
    name = sql.Identifier(database_url.split("/")[3].split("?", maxsplit=1)[0])
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(read_only.format(name, sql.Literal("on")))
    database.close()

    results = [await handle(handler, chunk) for chunk in (first, *others)]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(read_only.format(name, sql.Literal("off")))
    database.close()
    then = [await handle(handler, chunk) for chunk in (first, *others)]

    assert all(result.fault is not None for result in results)
    assert sorted(exchange.asked) == ["1", "2", "3", "4"]
    assert sum(result.counts.reconciled for result in then) == ORDERS


async def test_reports_of_other_orders_count_for_the_halt(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET qty = 0.5")
    items = tuple(value.replace(item, qty="0.5") for item in orders.items)
    handler = a_handler(database, FakeExchange())

    stats = await handler.prepare(Batch(number=0, cycle=0, chunks=(replace(orders, items=items),)))

    assert (stats.examined, stats.suspicious) == (ORDERS, ORDERS)


@pytest.fixture
def clerk(database_url: str) -> Iterator[str]:
    """The URL of a role that has all privileges it needs and is not the owner."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS batch_clerk; CREATE ROLE batch_clerk")
        connection.execute("GRANT USAGE ON SCHEMA public TO batch_clerk")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO batch_clerk")
        yield f"{database_url}&options=-crole%3Dbatch_clerk"
        connection.execute("DROP OWNED BY batch_clerk; DROP ROLE batch_clerk")


async def test_row_refused_by_row_level_security_goes_on_hold_alone(
    clerk: str, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
        connection.execute(
            "CREATE POLICY clerks ON orders USING (true)"
            " WITH CHECK (external_order_id <> '2' OR status <> 'filled')"
        )
    database = Database(clerk, role="test")

    result = await handle(a_handler(database, FakeExchange()), orders)
    database.close()

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


async def test_row_refused_by_a_trigger_goes_on_hold_alone(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF new.external_order_id = '2' THEN"
            " RAISE 'not yours' USING ERRCODE = 'insufficient_privilege'; END IF;"
            " RETURN new; END $$;"
            " CREATE TRIGGER forbid BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION forbid()"
        )

    result = await handle(a_handler(database, FakeExchange()), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


@pytest.mark.parametrize(
    ("revoke", "grant"),
    [
        ("REVOKE UPDATE ON orders FROM", "GRANT UPDATE ON orders TO"),
        ("REVOKE SELECT ON orders FROM", "GRANT SELECT ON orders TO"),
        ("REVOKE INSERT ON activity_log FROM", "GRANT INSERT ON activity_log TO"),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC,", "GRANT USAGE ON SCHEMA public TO PUBLIC,"),
    ],
    ids=["to write orders", "to read orders", "to log", "to see the schema"],
)
async def test_missing_right_is_waited_for_and_holds_no_order(
    revoke: str, grant: str, clerk: str, database_url: str, orders: Chunk
) -> None:
    database = Database(clerk, role="test")
    handler = a_handler(database, FakeExchange())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"{revoke} batch_clerk".encode())
        without = await handle(handler, orders)
        connection.execute(f"{grant} batch_clerk".encode())
    again = await handle(handler, orders)
    database.close()

    assert without.fault is not None
    assert without.fault.kind is FaultKind.RIGHTS
    assert "hint: run: reconciler check" in without.fault.message
    assert without.undone == (orders,)
    assert (again.counts.reconciled, again.fault) == (4, None)


async def test_first_answers_after_a_suspend_are_dropped_the_next_count(
    database: Database, database_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    # While the machine slept our clock stood still: what is asked now seems to be hours old.
    handler.clock.sync(datetime.now(UTC) - timedelta(hours=3))
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET updated_at = now() - interval '1 day'")

    first = await handle_by_own_clock(handler, exchange, orders)
    second = await handle_by_own_clock(handler, exchange, orders)

    assert (first.counts.scanned, first.counts.reconciled, first.counts.held) == (ORDERS, 0, 0)
    assert second.counts.reconciled == ORDERS


async def handle_by_own_clock(
    handler: OrderHandler, exchange: FakeExchange, chunk: Chunk
) -> Result:
    """Handle a chunk whose answers have the worker's own time, like those of an adapter."""
    exchange.clock = handler.clock
    return await handle(handler, chunk)
