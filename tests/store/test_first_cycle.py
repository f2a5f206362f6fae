"""What a first cycle would do, over any table, before anything of ours is there."""

from collections.abc import Iterator

import psycopg
import pytest

from reconciler.adoption.config_text import read_orders_text
from reconciler.errors import SchemaMismatch
from reconciler.store import bounded_source
from reconciler.store.database import Database
from reconciler.store.discovery import read_only
from reconciler.store.first_cycle import FirstCycle, Followed, foresee_first_cycle
from reconciler.store.open_index import IndexState
from reconciler.store.user_table import UserTable

TABLE = """
    CREATE TABLE theirs (
        id bigint PRIMARY KEY, pair text, remote_id text, state text, left_qty numeric, qty numeric,
        deleted_at timestamptz);
    INSERT INTO theirs SELECT n, 'BTC/USDT', CASE WHEN n > 1 THEN n::text END,
        (ARRAY['OPEN', 'DONE', 'odd', NULL])[1 + n % 4], 1, 1, CASE WHEN n > 9 THEN now() END
        FROM generate_series(0, 11) AS n;
    CREATE VIEW seen AS SELECT * FROM theirs;
"""
CONFIG = """
    [orders]
    table = "{table}"
    where = "{table}.deleted_at IS NULL"
    [orders.columns]
    symbol = "pair"
    external_order_id = "remote_id"
    status = "state"
    executed_qty = {{ remaining = "left_qty", of = "qty" }}
    last_synced_at = "side-table"
    [orders.statuses]
    OPEN = "open"
    DONE = "filled"
    [orders.symbols]
    ignore = "/"
"""


@pytest.fixture
def tables(empty_database_url: str) -> Iterator[Database]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(TABLE)
    database = Database(empty_database_url, role="test")
    yield database
    database.close()


def foresee(database: Database, table: str) -> FirstCycle:
    config, problems = read_orders_text(CONFIG.format(table=table), name="reconciler.toml")
    assert config is not None, problems
    with read_only(database) as connection:
        return foresee_first_cycle(connection, UserTable(config))


def test_rows_are_counted_by_status_and_by_why_they_are_not_followed(tables: Database) -> None:
    cycle = foresee(tables, "theirs")

    found = {(group.status, group.meaning, group.followed): group.rows for group in cycle.groups}
    assert found == {
        ("OPEN", "open", Followed.FOLLOWED): 2,
        ("OPEN", "open", Followed.NO_ID): 1,
        ("DONE", "filled", Followed.ENDED): 3,
        ("odd", None, Followed.LEFT_OUT): 2,
        ("odd", None, Followed.FILTERED): 1,
        (None, None, Followed.LEFT_OUT): 2,
        (None, None, Followed.FILTERED): 1,
    }
    assert cycle.not_followed == 10
    assert cycle.symbols == {"BTC/USDT": "BTCUSDT"}
    assert cycle.index_state is IndexState.MISSING


def test_an_index_of_the_users_that_finds_open_orders_is_named(
    tables: Database, empty_database_url: str
) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE INDEX by_state ON theirs (state)")

    cycle = foresee(tables, "theirs")

    assert cycle.index_state is IndexState.REPLACED
    assert cycle.index == "by_state"
    assert any("by_state" in line for line in cycle.plan)


def test_of_a_large_table_the_rows_are_estimated(
    tables: Database, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO theirs (id, pair, remote_id, state)"
            " SELECT n, 'BTC/USDT', n::text, 'OPEN' FROM generate_series(100, 4099) AS n"
        )
    monkeypatch.setattr(bounded_source, "MAX_READ_BYTES", 0)
    monkeypatch.setattr(bounded_source, "SAMPLED_PAGES", 10)

    cycle = foresee(tables, "theirs")

    assert cycle.is_estimate
    assert cycle.rows(Followed.FOLLOWED) > 1000


def test_a_table_that_does_not_fit_has_its_problems(tables: Database) -> None:
    with pytest.raises(SchemaMismatch, match="gone"):
        foresee(tables, "gone")
