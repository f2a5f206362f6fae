"""A status column that ignores case: a word that the database considers equal to ours is ours."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from reconciler.domain.status import Status
from reconciler.store.coverage_count import measure_coverage
from reconciler.store.database import Database
from reconciler.store.orders_table import require_schema
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, a_report, applied, connect_application, now_of

KINDS = {
    "citext": "CREATE EXTENSION citext; ALTER TABLE orders ALTER status TYPE citext",
    "collation": (
        "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2',"
        " deterministic = false);"
        " ALTER TABLE orders ALTER status TYPE text COLLATE any_case"
    ),
}


# The wheel's PostgreSQL is built without either; Debian's, the oldest that is supported, is not.
pytestmark = pytest.mark.parametrize("any_database_url", ["oldest"], indirect=True)


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def application(request: pytest.FixtureRequest, any_database_url: str) -> Iterator[Application]:
    """The application, with rows in capitals."""
    with connect_application(any_database_url) as application:
        application.execute("DROP INDEX reconciler_open_orders")
        application.execute("ALTER TABLE orders DROP CONSTRAINT orders_status_check")
        application.execute(request.param)
        application.execute(
            "CREATE INDEX reconciler_open_orders ON orders"
            " (symbol, id) WHERE external_order_id IS NOT NULL"
            " AND status IN ('pending', 'partial', 'new')"
        )
        application.execute(
            "INSERT INTO orders (id, symbol, external_order_id, status)"
            " VALUES (1, 'BTCUSDT', '1', 'NEW'), (2, 'BTCUSDT', '2', 'Partial'),"
            " (3, 'BTCUSDT', '3', 'FILLED'), (4, 'BTCUSDT', '4', 'OPEN')"
        )
        yield application


def test_rows_with_capital_statuses_are_followed_and_written(
    application: Application, any_database_url: str
) -> None:
    database = Database(any_database_url, role="test")
    with database.autocommit() as connection:
        orders = require_schema(connection)
    with database.transaction() as connection:
        page = StaleOrders(orders, stale_after=timedelta(minutes=5)).read_page(connection, 10)
        coverage = measure_coverage(connection, DEFAULT_TABLE)
    report = a_report(1, executed="2", average="60000", fetched_at=now_of(database))
    written = applied(database, (1, report))
    database.close()

    assert {order.id: order.status for order in page.orders} == {
        1: Status.NEW,
        2: Status.PARTIAL,
    }
    assert coverage is not None
    assert (coverage.followed, dict(coverage.likely_open)) == (2, {"OPEN": 1})
    assert len(written.outcomes) == 1
    row = application.execute("SELECT status::text AS status FROM orders WHERE id = 1").fetchone()
    assert row == {"status": "filled"}
