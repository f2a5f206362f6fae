"""An index of the user's may serve as that of open orders. A plan that changes stops nobody."""

import pytest

from reconciler.cli.checks.database import check_schema
from reconciler.cli.checks.result import CheckStatus
from reconciler.store import migrations
from reconciler.store.database import Database
from reconciler.store.open_index import IndexState, read_index_state
from reconciler.store.orders_table import require_schema
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application

TABLE = """
    CREATE TABLE orders (id bigint PRIMARY KEY, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price numeric, last_synced_at timestamptz);
    INSERT INTO orders SELECT n, 'BTCUSDT', n, CASE WHEN n % 50 = 0 THEN 'new' ELSE 'filled' END, 0
        FROM generate_series(1, 1000) AS n;
    CREATE INDEX by_status ON orders (status);
    ANALYZE orders;
"""
OTHER_PLAN = """
    CREATE INDEX in_our_order ON orders (symbol, id);
    UPDATE orders SET status = 'new';
    ANALYZE orders;
"""


@pytest.fixture(autouse=True)
def _table(owner: Application) -> None:
    owner.execute(TABLE)


def state_of(database: Database) -> IndexState:
    with database.autocommit() as connection:
        return read_index_state(connection, DEFAULT_TABLE)


def upgrade(database: Database) -> None:
    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)


def test_a_program_goes_on_when_postgresql_no_longer_uses_the_users_index(
    owner: Application, empty_database: Database
) -> None:
    upgrade(empty_database)
    assert state_of(empty_database) is IndexState.REPLACED

    owner.execute(OTHER_PLAN)

    assert state_of(empty_database) is IndexState.UNUSED
    with empty_database.autocommit() as connection:
        require_schema(connection)
        checked = check_schema(connection, DEFAULT_TABLE)
    assert checked.status is CheckStatus.WARNING
    assert checked.problems[0].hint.startswith("run: reconciler db upgrade")


def test_the_next_upgrade_then_builds_our_own(owner: Application, empty_database: Database) -> None:
    upgrade(empty_database)
    owner.execute(OTHER_PLAN)

    upgrade(empty_database)

    assert state_of(empty_database) is IndexState.READY


def test_without_any_index_of_the_statuses_ours_is_missed(
    owner: Application, empty_database: Database
) -> None:
    upgrade(empty_database)

    owner.execute("DROP INDEX by_status")

    assert state_of(empty_database) is IndexState.MISSING


@pytest.mark.parametrize(
    "index",
    [
        pytest.param("(external_order_id)", id="of the exchange's ids"),
        pytest.param("(symbol)", id="of symbols"),
        pytest.param("(id) WHERE symbol <> ''", id="of some rows"),
    ],
)
def test_an_index_that_has_all_orders_is_none_of_open_ones(
    owner: Application, empty_database: Database, index: str
) -> None:
    owner.execute("DROP INDEX by_status")
    owner.execute(f"CREATE INDEX ON orders {index}".encode())

    assert state_of(empty_database) is IndexState.MISSING
