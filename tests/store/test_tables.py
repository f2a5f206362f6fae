"""Any suitable `orders` is accepted; for any other, every problem is named."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from reconciler.adoption.config_text import read_orders_text
from reconciler.domain.column_scale import EVERY_DIGIT, DecimalPlaces, Scale
from reconciler.errors import Problem, SchemaMismatch
from reconciler.store import migrations
from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table, require_schema
from reconciler.store.side_table import side_table_ddl
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import DEFAULT_TABLE, UserTable

from .builders import (
    SHAPES,
    Application,
    Shape,
    a_report,
    applied,
    connect_application,
    facts_of,
    insert_order,
    make_ready,
    now_of,
    read_log,
    read_row,
    shape_of,
)

COLUMNS: dict[str, str] = {
    "id": "bigint PRIMARY KEY",
    "symbol": "text",
    "external_order_id": "text",
    "status": "text",
    "executed_qty": "numeric",
    "avg_price": "numeric",
    "last_synced_at": "timestamptz",
}


def an_orders_table(owner: Application, **changed: str | None) -> None:
    """Create `orders` with some columns of another type, or (None) without them."""
    columns = {name: ddl for name, ddl in {**COLUMNS, **changed}.items() if ddl}
    body = ", ".join(f"{name} {ddl}" for name, ddl in columns.items())
    owner.execute(f"CREATE TABLE orders ({body})")


def problems_of(database: Database) -> list[Problem]:
    with database.autocommit() as connection:
        try:
            read_orders_table(connection)
        except SchemaMismatch as mismatch:
            return list(mismatch.problems)
    return []


def run_hint(owner: Application, problem: Problem) -> None:
    """Run the SQL of a hint just as it is printed."""
    _, is_there, statement = problem.hint.partition("run ALTER")
    statement = f"ALTER{statement}" if is_there else problem.hint.partition("run: ")[2]
    owner.execute(statement.encode())


def test_every_shape_is_accepted_with_the_columns_it_has(
    shape: Shape, empty_database: Database
) -> None:
    with empty_database.autocommit() as connection:
        orders = require_schema(connection)

    compared = {"qty", "client_order_id"} if " qty " in shape.ddl else set()
    assert orders.optional == {"avg_price"} | shape.optional | compared


def test_every_shape_takes_a_change_and_logs_it(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(7)
    insert_order(owner, id_)

    report = a_report(id_, executed="2", average="60000", fetched_at=now_of(empty_database))
    applied(empty_database, (id_, report))

    assert facts_of(read_row(owner, id_)) == ("filled", Decimal(2), Decimal(60000))
    assert [entry["order_id"] for entry in read_log(owner, id_)] == [str(id_)]


@pytest.mark.parametrize(
    ("shape_name", "scales"),
    [
        ("bigint id, text status", (DecimalPlaces(8), DecimalPlaces(8))),
        ("uuid id, varchar status", (EVERY_DIGIT, EVERY_DIGIT)),
        ("integer id, enum status", (DecimalPlaces(3), DecimalPlaces(0))),
        ("domains", (DecimalPlaces(8), DecimalPlaces(8))),
    ],
)
def test_the_scales_are_those_of_the_columns(
    shape_name: str,
    scales: tuple[Scale, Scale],
    owner: Application,
    empty_database: Database,
) -> None:
    owner.execute(SHAPES[shape_name].ddl)

    orders = shape_of(empty_database)

    assert (orders.quantity_scale, orders.price_scale) == scales


def test_tables_are_found_in_any_schema_of_the_search_path(
    owner: Application, empty_database_url: str
) -> None:
    owner.execute("CREATE SCHEMA ours")
    owner.execute("CREATE SCHEMA trading")
    owner.execute("SET search_path = trading")
    an_orders_table(owner)
    database = Database(f"{empty_database_url}&options=-csearch_path%3Dours,trading", role="test")

    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)
    with database.autocommit() as connection:
        orders = require_schema(connection)
    database.close()

    assert orders.id_type.python_type is int
    assert owner.execute("SELECT to_regclass('ours.activity_log') AS log").fetchone() != {
        "log": None
    }


def test_a_missing_orders_table_is_named_with_both_hints(empty_database: Database) -> None:
    (problem,) = problems_of(empty_database)

    assert "table orders is missing" in problem.what
    assert "DATABASE_URL" in problem.hint
    assert "db upgrade --with-orders" in problem.hint


@pytest.mark.parametrize("column", sorted(COLUMNS.keys() - {"avg_price", "last_synced_at"}))
def test_a_missing_column_is_named_with_its_line_in_the_file(
    column: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: None})

    (problem,) = problems_of(empty_database)

    assert problem.what == f"column orders.{column} is missing"
    assert f'[orders.columns] of reconciler.toml: {column} = "..."' in problem.hint


@pytest.mark.parametrize("ddl", [None, "text", "timestamp"])
def test_with_the_side_table_no_column_for_the_last_sync_is_needed(
    ddl: str | None, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, last_synced_at=ddl)
    (problem,) = problems_of(empty_database)

    owner.execute(side_table_ddl(DEFAULT_TABLE))

    assert 'last_synced_at = "side-table"' in problem.hint
    assert problems_of(empty_database) == []


def test_a_side_table_of_another_table_of_orders_is_named(
    owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner)
    owner.execute(side_table_ddl(DEFAULT_TABLE))
    owner.execute("DROP TABLE orders")
    an_orders_table(owner, id="uuid PRIMARY KEY")
    (problem,) = problems_of(empty_database)

    owner.execute(problem.hint.removeprefix("run: ").partition(";")[0])

    assert problem.what.endswith("not of the type of orders.id, which is uuid")
    assert problems_of(empty_database) == []


@pytest.mark.parametrize(
    ("column", "ddl"),
    [
        ("external_order_id", "boolean"),
        ("status", "varchar(7)"),
        ("executed_qty", "money DEFAULT 0"),
        ("avg_price", "money"),
    ],
)
def test_a_lossy_type_is_named_and_its_hint_changes_it(
    column: str, ddl: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: ddl})
    (problem,) = problems_of(empty_database)

    run_hint(owner, problem)

    assert problem.what.startswith(f"orders.{column} is ")
    assert problems_of(empty_database) == []


@pytest.mark.parametrize(
    ("column", "ddl"),
    [
        ("id", "bytea PRIMARY KEY"),
        ("id", "numeric PRIMARY KEY"),
        ("status", "integer"),
        ("status", '"char"'),
        ("executed_qty", "jsonb"),
        ("executed_qty", "bigint"),
        ("avg_price", "jsonb"),
        ("last_synced_at", "text"),
        ("last_synced_at", "bigint"),
        ("created_at", "bigint"),
    ],
)
def test_no_hint_has_a_statement_that_some_value_could_break(
    column: str, ddl: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: ddl})

    (problem,) = problems_of(empty_database)

    assert problem.what.startswith(f"orders.{column} is ")
    assert problem.hint
    assert "ALTER" not in problem.hint
    assert "run:" not in problem.hint.partition("; or, ")[0]


@pytest.mark.parametrize(
    "binding",
    [
        "CREATE VIEW open_orders AS SELECT status FROM orders",
        "CREATE POLICY mine ON orders USING (status <> 'hidden')",
        (
            "CREATE TRIGGER told AFTER UPDATE OF status ON orders FOR EACH ROW EXECUTE FUNCTION"
            " suppress_redundant_updates_trigger()"
        ),
        "ALTER TABLE orders ADD COLUMN loud text GENERATED ALWAYS AS (upper(status)) STORED",
    ],
    ids=["view", "policy", "trigger", "generated column"],
)
def test_a_type_that_cannot_be_changed_directly_has_another_hint(
    binding: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, status="varchar(7)")
    (free,) = problems_of(empty_database)
    owner.execute(binding)

    (bound,) = problems_of(empty_database)

    with pytest.raises(psycopg.Error):
        run_hint(owner, free)
    assert not bound.hint.startswith("run: ")
    assert "PostgreSQL refuses to change it" in bound.hint


@pytest.mark.parametrize("harmless", ["DEFAULT 'new'", "CHECK (status <> '')", "UNIQUE"])
def test_what_follows_a_column_does_not_block_its_type_change(
    harmless: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, status=f"varchar(7) {harmless}")

    run_hint(owner, problems_of(empty_database)[0])

    assert problems_of(empty_database) == []


@pytest.mark.parametrize(
    ("column", "theirs"),
    [
        ("symbol", "market"),
        ("external_order_id", "exchange_order_id"),
        ("external_order_id", '"externalOrderId"'),
        ("status", "state"),
        ("status", "order_status"),
        ("status", '"Status"'),
        ("executed_qty", "filled_qty"),
        ("executed_qty", "executed_quantity"),
        ("executed_qty", "qty_executed"),
        ("last_synced_at", "last_sync_at"),
        ("id", "order_id"),
    ],
)
def test_no_column_is_added_if_one_of_a_similar_name_exists(
    column: str, theirs: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: None, theirs: COLUMNS[column]})

    (problem,) = problems_of(empty_database)

    shown = theirs.strip('"')
    assert problem.what == f"column orders.{column} is missing; orders has {shown}"
    assert f'{column} = "{shown}"' in problem.hint
    assert "ADD COLUMN" not in problem.hint


@pytest.mark.parametrize(
    ("column", "theirs"),
    [("executed_qty", "qty"), ("id", "user_id"), ("status", "side")],
)
def test_an_unrelated_column_is_not_taken_for_a_missing_one(
    column: str, theirs: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: None, theirs: "numeric"})

    (problem,) = problems_of(empty_database)

    assert problem.what == f"column orders.{column} is missing"
    assert f'[orders.columns] of reconciler.toml: {column} = "..."' in problem.hint


LINES = [
    ("created_at", "timestamp", 'created_at = { column = "created_at", unit = "naive-utc" }'),
    ("updated_at", "timestamp(3)", 'updated_at = { column = "updated_at", unit = "naive-utc" }'),
    ("created_at", "bigint", 'created_at = { column = "created_at", unit = "epoch-ms" }'),
    ("last_synced_at", "date", 'last_synced_at = "side-table"'),
    (
        "last_synced_at",
        "timestamp",
        'last_synced_at = { column = "last_synced_at", unit = "naive-utc" }',
    ),
    (
        "symbol",
        "integer",
        'symbol = { query = "SELECT name FROM pairs WHERE id = :value", column = "symbol" }',
    ),
]


@pytest.mark.parametrize(("column", "ddl", "line"), LINES)
def test_a_line_of_the_file_is_proposed_where_it_makes_the_column_fit(
    column: str, ddl: str, line: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, **{column: ddl})
    owner.execute("CREATE TABLE pairs (id int, name text)")
    (problem,) = problems_of(empty_database)

    assert problem.what.startswith(f"orders.{column} is ")
    assert line in problem.hint
    config, found = read_orders_text(f"[orders.columns]\n{line}\n", name="reconciler.toml")
    assert config is not None, found
    with empty_database.autocommit() as connection:
        read_orders_table(connection, UserTable(config))


def test_a_missing_external_id_is_named_or_added(
    owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, external_order_id=None)
    (problem,) = problems_of(empty_database)

    run_hint(owner, problem)

    assert 'external_order_id = "..."' in problem.hint
    assert problems_of(empty_database) == []


@pytest.mark.parametrize("schema", ["public", "Trading Venue"])
def test_an_enum_lacking_labels_is_named_without_a_statement(
    schema: str, owner: Application, empty_database: Database
) -> None:
    owner.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    enum: str = f'"{schema}"."OrderStatus"'
    owner.execute(f"CREATE TYPE {enum} AS ENUM ('new', 'filled', 'canceled', 'done')")
    an_orders_table(owner, status=enum)

    (problem,) = problems_of(empty_database)

    assert "lacks pending, partial, rejected, expired" in problem.what
    assert problem.hint.startswith("it has new, filled, canceled, done; ")
    assert "ALTER" not in problem.hint


def test_every_problem_of_orders_is_named_at_once(
    owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner, symbol=None, executed_qty="money", last_synced_at="timestamp")

    with (
        empty_database.autocommit() as connection,
        pytest.raises(SchemaMismatch) as mismatch,
    ):
        require_schema(connection)

    assert [problem.what.split(" is ")[0] for problem in mismatch.value.problems] == [
        "column orders.symbol",
        "orders.executed_qty",
        "orders.last_synced_at",
        "table activity_log",
        "table reconciliation_cycles",
        "table reconciliation_holds",
        "table reconciliation_state",
        "index reconciler_open_orders on orders",
    ]
    assert all(problem.hint for problem in mismatch.value.problems)


def test_our_missing_tables_are_created_by_their_hints_command(
    owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner)
    with empty_database.connection() as connection:
        assert {problem.hint for problem in schema_problems(connection, DEFAULT_TABLE)} == {
            "run: reconciler db upgrade"
        }
        connection.rollback()

        migrations.upgrade(connection, DEFAULT_TABLE)

        require_schema(connection)


ANOTHER_LOG: dict[str, Any] = {
    "order ids that are numbers": "order_id bigint",
    "no details": "details",
    "times without a zone": "created_at timestamp",
    "a column that only the application can fill": "user_id bigint NOT NULL",
}


@pytest.mark.parametrize("changed", ANOTHER_LOG.values(), ids=ANOTHER_LOG)
def test_an_unfit_activity_log_of_the_application_stops_upgrades(
    changed: str, owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner)
    columns = {
        "id": "bigserial",
        "order_id": "text",
        "action": "text",
        "details": "jsonb",
        "created_at": "timestamptz",
    }
    name, _, ddl = changed.partition(" ")
    columns[name] = ddl
    body = ", ".join(f"{name} {ddl}" for name, ddl in columns.items() if ddl)
    owner.execute(f"CREATE TABLE activity_log ({body})")

    with empty_database.connection() as connection:
        with pytest.raises(SchemaMismatch) as mismatch:
            migrations.upgrade(connection, DEFAULT_TABLE)
        untouched = migrations.current(connection)
        connection.rollback()
        for problem in mismatch.value.problems:
            run_hint(owner, problem)
        migrations.upgrade(connection, DEFAULT_TABLE)
        require_schema(connection)

    assert untouched is None


def test_a_fitting_activity_log_of_the_applications_own_is_shared(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(
        "CREATE TABLE activity_log (id serial PRIMARY KEY, order_id varchar(80), action text,"
        " details json, created_at timestamptz, user_id bigint)"
    )
    make_ready(owner, SHAPES["nothing optional"].ddl)
    insert_order(owner, 1)

    applied(empty_database, (1, a_report(1, fetched_at=now_of(empty_database))))

    assert len(read_log(owner, 1)) == 1


def test_a_view_needs_no_index_and_a_materialized_one_is_refused(
    owner: Application, empty_database: Database
) -> None:
    an_orders_table(owner)
    owner.execute("ALTER TABLE orders RENAME TO all_orders")
    owner.execute("CREATE VIEW orders AS SELECT * FROM all_orders")
    with empty_database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)
        assert schema_problems(connection, DEFAULT_TABLE) == []

    owner.execute("DROP VIEW orders; CREATE MATERIALIZED VIEW orders AS SELECT * FROM all_orders")
    with (
        empty_database.connection() as connection,
        pytest.raises(SchemaMismatch, match="orders takes no UPDATE") as mismatch,
    ):
        migrations.upgrade(connection, DEFAULT_TABLE)

    assert len(mismatch.value.problems) == 1


def test_two_applications_search_paths_do_not_mix(
    owner: Application, empty_database_url: str
) -> None:
    for schema in ("one", "two"):
        owner.execute(f"CREATE SCHEMA {schema}")
        with connect_application(f"{empty_database_url}&options=-csearch_path%3D{schema}") as own:
            database = Database(
                f"{empty_database_url}&options=-csearch_path%3D{schema}", role="test"
            )
            make_ready(own, SHAPES["nothing optional"].ddl)
            insert_order(own, 1)
            applied(database, (1, a_report(1, fetched_at=now_of(database))))
            database.close()
            assert len(read_log(own, 1)) == 1
