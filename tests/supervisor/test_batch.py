"""The worker's own part of a batch, on a real database; the exchange is played."""

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
    """Says of every order that it is filled, except of those that it passes over in silence.

    Or fails about, as `failures` says.
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
        self.asked += [one.external_order_id for one in refs]
        answers = {
            one: Report(
                symbol=one.symbol,
                external_order_id=one.external_order_id,
                word="FILLED",
                status=Status.FILLED,
                executed_qty=Decimal(1),
                avg_price=Decimal(100),
                fetched_at=self.clock(),
            )
            for one in refs
            if one.external_order_id not in {*self._silent_about, *self.failures}
        }
        failures = {
            one: self.failures[one.external_order_id]
            for one in refs
            if one.external_order_id in self.failures
        }
        return LookupResult(answers={**answers}, failures=failures)

    async def fetch_account(self) -> Account:
        self.accounts_asked += 1
        return Account(identity="nobody", clock_offset=timedelta(0))

    async def fetch_clock_offset(self) -> timedelta:
        return timedelta(0)

    async def close(self) -> None: ...


def new_orders(database_url: str, count: int, *, on_hold: Collection[str] = ()) -> Chunk:
    """Write new orders of one symbol; return them as a run."""
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
    """Some new orders of one symbol, as a run."""
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


async def handle(handler: OrderHandler, run: Chunk) -> Result:
    """Look at a run and finish it, as if the supervisor had found nothing odd."""
    batch = Batch(number=0, cycle=0, chunks=(run,))
    await handler.prepare(batch)
    return await handler.commit(batch, may_write=True)


async def test_an_order_that_nobody_speaks_of_counts_as_failed_and_does_not_circle(
    database: Database, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange(silent_about=["2"]))

    result = await handle(handler, orders)

    assert (result.counts.scanned, result.counts.reconciled, result.counts.errors) == (4, 3, 1)
    assert result.undone == ()


async def test_an_order_whose_request_is_turned_down_again_and_again_waits_for_a_person(
    database: Database, database_url: str, orders: Chunk
) -> None:
    refused = RequestRejected("/api/v3/order: HTTP 400, code -9999: no")
    handler = a_handler(database, FakeExchange(failures={"2": refused}))

    results = [await handle(handler, orders) for _ in range(3)]

    tallies = [(one.counts.errors, one.counts.held) for one in results]
    assert tallies == [(1, 0), (1, 0), (0, 1)]
    assert all(one.fault is None and one.undone == () for one in results)
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


async def test_an_order_on_hold_whose_request_is_turned_down_is_held_again_at_once(
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


async def test_what_was_asked_and_failed_counts_and_what_was_not_asked_does_not(
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
    assert [order.external_order_id for run in result.undone for order in run.items] == ["2"]


async def test_a_locked_row_counts_as_skipped_only_when_its_second_try_fails_too(
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


async def test_one_row_that_the_database_refuses_is_set_aside_and_the_others_are_done(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "ALTER TABLE orders ADD CHECK (external_order_id <> '2' OR status = 'new')"
        )

    result = await handle(a_handler(database, FakeExchange()), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


async def test_a_database_that_takes_no_writes_is_trouble_and_no_order_is_at_fault(
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


async def test_what_may_not_be_written_is_forgotten_and_no_row_is_touched(
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
    """Let a database end all sessions and take no new ones, for the length of a `with`."""
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


async def test_what_could_not_be_written_is_kept_and_written_when_the_database_is_back(
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
        for run in (first, *others):
            await handle(handler, run)

    assert exchange.asked == [first.items[0].external_order_id]


async def test_an_answer_that_is_not_fresh_any_more_is_asked_for_again(
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


async def test_who_we_are_is_asked_once_however_long_the_database_is_away(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)

    with refusing_sessions(database_url, postgres_url):
        results = [await handle(handler, orders) for _ in range(3)]
    then = await handle(handler, orders)

    assert all(one.fault is not None for one in results)
    assert exchange.accounts_asked == 1
    assert then.counts.reconciled == ORDERS


async def test_a_database_that_became_read_only_is_not_asked_for(
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

    results = [await handle(handler, run) for run in (first, *others)]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(read_only.format(name, sql.Literal("off")))
    database.close()
    then = [await handle(handler, run) for run in (first, *others)]

    assert all(one.fault is not None for one in results)
    assert sorted(exchange.asked) == ["1", "2", "3", "4"]
    assert sum(one.counts.reconciled for one in then) == ORDERS


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
    """The URL of a role that may do all that it needs, and is not the owner."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS batch_clerk; CREATE ROLE batch_clerk")
        connection.execute("GRANT USAGE ON SCHEMA public TO batch_clerk")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO batch_clerk")
        yield f"{database_url}&options=-crole%3Dbatch_clerk"
        connection.execute("DROP OWNED BY batch_clerk; DROP ROLE batch_clerk")


async def test_a_row_that_row_level_security_refuses_is_that_rows_hold(
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


async def test_a_row_that_a_trigger_refuses_as_forbidden_is_that_rows_hold(
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
async def test_a_right_that_goes_missing_is_waited_for_and_no_orders_fault(
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


async def test_after_a_suspended_machine_wakes_the_first_answers_are_refused_and_the_next_count(
    database: Database, database_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    # While the machine slept our clock stood still: what is asked now seems to be hours old.
    handler.clock.sync(datetime.now(UTC) - timedelta(hours=3))
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET updated_at = now() - interval '1 day'")

    first = await handle_by_its_clock(handler, exchange, orders)
    second = await handle_by_its_clock(handler, exchange, orders)

    assert (first.counts.scanned, first.counts.reconciled, first.counts.held) == (ORDERS, 0, 0)
    assert second.counts.reconciled == ORDERS


async def handle_by_its_clock(handler: OrderHandler, exchange: FakeExchange, run: Chunk) -> Result:
    """Handle a run whose answers bear the worker's own time, as an adapter's do."""
    exchange.clock = handler.clock
    return await handle(handler, run)
