"""No order is held because the database is away or refuses a right, and answers are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from reconciler.orders.handler import OrderHandler
from reconciler.store.database import Database
from reconciler.workload import Chunk, FaultKind

from .builders import ORDERS, FakeExchange, a_handler, handle


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


async def a_verified_handler(database: Database, exchange: FakeExchange) -> OrderHandler:
    """Return a handler that has verified the account while the database was there."""
    handler = a_handler(database, exchange)
    await handler.account.verify()
    return handler


async def test_unwritten_answers_are_written_after_the_outage(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = await a_verified_handler(database, exchange)

    with refusing_sessions(database_url, postgres_url):
        first = await handle(handler, orders)
        again = await handle(handler, orders)
    then = await handle(handler, orders)

    for failed in (first, again):
        assert failed.fault is not None
        assert failed.fault.kind is FaultKind.STORE
        assert failed.unfinished == (orders,)
    assert then.counts.reconciled == ORDERS
    assert sorted(exchange.asked) == ["1", "2", "3", "4"]


async def test_nothing_is_asked_while_the_database_takes_no_writes(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = await a_verified_handler(database, exchange)
    first, *others = (replace(orders, items=(item,)) for item in orders.items)

    with refusing_sessions(database_url, postgres_url):
        for chunk in (first, *others):
            await handle(handler, chunk)

    assert exchange.asked == [first.items[0].external_order_id]


async def test_order_is_asked_again_when_its_answer_is_not_fresh(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = await a_verified_handler(database, exchange)

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
    assert result.unfinished == (orders,)


async def test_exchange_is_not_asked_while_database_is_read_only(
    database: Database, database_url: str, postgres_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = await a_verified_handler(database, exchange)
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
    revoke: str, grant: str, restricted_url: str, database_url: str, orders: Chunk
) -> None:
    database = Database(restricted_url, role="test")
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
    assert without.unfinished == (orders,)
    assert (again.counts.reconciled, again.fault) == (4, None)
