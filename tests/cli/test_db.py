"""`reconciler db`: it says what it did, and refuses before it changes anything."""

import json
from collections.abc import Callable

import psycopg
import pytest

from reconciler.store import migrations
from reconciler.store.user_table import DEFAULT_TABLE

from .conftest import Invoke

HEAD = migrations.head()
OURS = {
    "activity_log",
    "reconciliation_holds",
    "reconciliation_cycles",
    "reconciliation_state",
    "reconciler_alembic_version",
}


def tables_of(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}


def run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def owned_by_another(as_role: Callable[..., str], empty_database_url: str) -> str:
    """An empty database that the role may use, with an `orders` that is not its own."""
    url = as_role()
    run_sql(
        empty_database_url,
        "CREATE TABLE orders (id bigint PRIMARY KEY, symbol text, external_order_id text,"
        " status text, executed_qty numeric, avg_price numeric, last_synced_at timestamptz)",
    )
    credentials = url.split("@")[0]
    return credentials + "@" + empty_database_url.split("@")[1]


def test_upgrade_sets_up_an_empty_database_and_says_so(
    invoke: Invoke, empty_database_url: str
) -> None:
    result = invoke("db", "upgrade", "--with-orders", DATABASE_URL=empty_database_url)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"upgraded from no revision to revision {HEAD} in ")
    assert tables_of(empty_database_url) == {*OURS, "orders"}


@pytest.mark.parametrize("has_column", [True, False], ids=["with the column", "without it"])
def test_upgrade_makes_the_side_table_once_and_takes_the_times_over(
    invoke: Invoke, empty_database_url: str, *, has_column: bool
) -> None:
    column = ", last_synced_at timestamptz" if has_column else ""
    synced = "UPDATE orders SET last_synced_at = '2026-01-02'"
    run_sql(
        empty_database_url,
        "CREATE TABLE orders (id uuid PRIMARY KEY, symbol text, external_order_id text,"
        f" status text, executed_qty numeric, avg_price numeric{column})",
        "INSERT INTO orders SELECT gen_random_uuid(), 'BTCUSDT', '1', status, 0, NULL"
        " FROM unnest(ARRAY['new', 'filled']) AS status",
        *([synced] if has_column else []),
    )

    made = invoke("db", "upgrade", DATABASE_URL=empty_database_url, RECONCILER_DB_SIDE_TABLE="1")
    again = invoke("db", "upgrade", "--side-table", DATABASE_URL=empty_database_url)

    assert made.exit_code == 0, made.stderr
    assert again.stdout == f"already at revision {HEAD}: nothing to do\n"
    assert tables_of(empty_database_url) == {*OURS, "orders", "reconciliation_sync"}
    with psycopg.connect(empty_database_url) as connection:
        times = connection.execute(
            "SELECT status, s.last_synced_at::date::text"
            " FROM orders JOIN reconciliation_sync s ON s.order_id = id"
        ).fetchall()
    assert times == ([("new", "2026-01-02")] if has_column else [])


def test_the_printed_sql_makes_the_side_table_too(invoke: Invoke, database_url: str) -> None:
    printed = invoke("db", "sql", "--side-table")

    statement = printed.stdout.partition("BEGIN;")[0]
    run_sql(database_url, statement, statement)

    assert "reconciliation_sync" in tables_of(database_url)


def test_a_second_upgrade_does_nothing_and_says_so(invoke: Invoke, ready_database_url: str) -> None:
    result = invoke("db", "upgrade", DATABASE_URL=ready_database_url)

    assert result.exit_code == 0
    assert result.stdout == f"already at revision {HEAD}: nothing to do\n"


def test_upgrade_creates_a_lost_index_again(invoke: Invoke, database_url: str) -> None:
    run_sql(database_url, "DROP INDEX reconciler_open_orders")

    result = invoke("db", "upgrade", "--json", DATABASE_URL=database_url)

    output = json.loads(result.stdout)
    assert (output["before"], output["after"], output["changed"]) == (HEAD, HEAD, True)
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT to_regclass('reconciler_open_orders')").fetchone()
    assert found == ("reconciler_open_orders",)


def test_upgrade_needs_orders_and_changes_nothing_without_it(
    invoke: Invoke, empty_database_url: str
) -> None:
    result = invoke("db", "upgrade", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "error: table orders is missing" in result.stderr
    assert "reconciler db upgrade --with-orders" in result.stderr
    assert tables_of(empty_database_url) == set()


def test_upgrade_names_every_problem_before_it_changes_anything(
    invoke: Invoke, owned_by_another: str, empty_database_url: str
) -> None:
    run_sql(
        empty_database_url,
        "ALTER TABLE orders DROP COLUMN executed_qty",
        "CREATE TABLE activity_log (id bigint PRIMARY KEY, order_id text)",
        "GRANT SELECT ON orders TO PUBLIC",
    )

    result = invoke("db", "upgrade", DATABASE_URL=owned_by_another)

    assert result.exit_code == 78
    assert "may not make tables in schema public" in result.stderr
    assert "orders belongs to postgres" in result.stderr
    assert "column orders.executed_qty is missing" in result.stderr
    assert "column activity_log.details is missing" in result.stderr
    assert tables_of(empty_database_url) == {"orders", "activity_log"}


def test_upgrade_without_rights_says_what_to_grant(
    invoke: Invoke, owned_by_another: str, empty_database_url: str
) -> None:
    refused = invoke("db", "upgrade", DATABASE_URL=owned_by_another)
    role = owned_by_another.split("//")[1].split(":", maxsplit=1)[0]
    run_sql(
        empty_database_url,
        f"GRANT CREATE ON SCHEMA public TO {role}",
        f"ALTER TABLE orders OWNER TO {role}",
    )

    done = invoke("db", "upgrade", DATABASE_URL=owned_by_another)

    assert refused.exit_code == 78, refused.stderr
    assert f"GRANT CREATE ON SCHEMA public TO {role}" in refused.stderr
    assert done.exit_code == 0, done.stderr


def test_upgrade_leaves_a_newer_database_alone(invoke: Invoke, database_url: str) -> None:
    run_sql(database_url, "UPDATE reconciler_alembic_version SET version_num = '9999'")

    result = invoke("db", "upgrade", DATABASE_URL=database_url)

    assert result.exit_code == 78
    assert "the database is at revision 9999, which this version does not know" in result.stderr
    assert "install the version that upgraded it" in result.stderr


def test_current_shows_that_the_database_is_up_to_date(
    invoke: Invoke, ready_database_url: str
) -> None:
    result = invoke("db", "current", DATABASE_URL=ready_database_url)

    assert result.exit_code == 0
    assert result.stdout == f"revision {HEAD}: up to date\n"


def test_current_is_code_1_for_a_database_that_is_behind(
    invoke: Invoke, empty_database_url: str
) -> None:
    result = invoke("db", "current", DATABASE_URL=empty_database_url)
    as_json = invoke("db", "current", "--json", DATABASE_URL=empty_database_url)

    assert result.exit_code == 1
    assert "no revision" in result.stdout
    assert "run reconciler db upgrade" in result.stdout
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout) == {"revision": None, "head": HEAD, "up_to_date": False}


def test_sql_prints_only_the_statements_without_a_database(invoke: Invoke) -> None:
    result = invoke("db", "sql", DATABASE_URL=None, RECONCILIATION_SHARDS="nonsense")

    assert result.exit_code == 0
    assert result.stdout == migrations.ddl(DEFAULT_TABLE)
    assert result.stderr == ""
