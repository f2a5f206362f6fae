"""`reconciler init`: it finds the table, asks what it cannot know, and writes only the file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from reconciler.adoption.config_text import read_orders_text
from reconciler.config_file.orders import OrdersConfig

from .conftest import Invoke

ORDERS = """
    (id bigint PRIMARY KEY, pair text, exchange_order_id text, status {status} NOT NULL,
     quantity numeric, filled numeric, price numeric, side text, created_at timestamptz)
"""
WORDS = ("OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is to be written, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reconciler.toml"


@pytest.fixture
def connection(empty_database_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        yield connection


Connection = psycopg.Connection[tuple[object, ...]]


def make_table(
    connection: Connection, name: str = "orders", *, words: Sequence[str | int] = WORDS
) -> None:
    kind = "integer" if isinstance(words[0], int) else "text"
    table = sql.Identifier(*name.split("."))
    columns = sql.SQL(ORDERS.format(status=kind))
    connection.execute(sql.SQL("CREATE TABLE {} {}").format(table, columns))
    for number, word in enumerate(words):
        connection.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, 'BTC/USDT', %s, %s, 1, 0, 5, 'buy', now())").format(
                table
            ),
            (number, str(number), word),
        )


def read(file: Path) -> OrdersConfig:
    config, problems = read_orders_text(file.read_text(encoding="utf-8"), name=file.name)
    assert config is not None, problems
    return config


def test_yes_writes_a_file_that_can_be_used_and_says_what_was_assumed(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection, words=(*WORDS, "frobnicated"))

    result = invoke("init", "--yes", DATABASE_URL=empty_database_url)

    assert result.exit_code == 0, result.output
    assert read(file).statuses.read("FILLED", None) == "filled"
    assert "frobnicated" in result.stdout
    assert "written: reconciler.toml" in result.stdout
    assert "followed: 2 rows; not followed: 5" in result.stdout
    assert "symbols: BTC/USDT is BTCUSDT" in result.stdout
    assert "index: db upgrade will build reconciler_open_orders (pair, id)" in result.stdout
    assert "confirms: a confirm writes no row" in result.stdout


def test_json_is_one_object_with_the_text(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)

    result = invoke("init", "--yes", "--json", DATABASE_URL=empty_database_url)

    report = json.loads(result.stdout)
    assert report["table"] == "orders"
    assert report["columns"]["symbol"]["value"] == '"pair"'
    assert report["to_fill_in"] == []
    assert report["first_cycle"]["followed"] == 2
    assert report["first_cycle"]["symbols"] == {"BTC/USDT": "BTCUSDT"}
    assert report["text"] == file.read_text(encoding="utf-8")


def test_without_a_table_of_orders_nothing_is_written(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    connection.execute("CREATE TABLE users (id int, name text)")

    result = invoke("init", "--yes", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "none of the 1 tables" in result.stderr
    assert "let its role read the table" in result.stderr
    assert not file.exists()


def test_of_several_tables_a_person_chooses_one(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    connection.execute("CREATE SCHEMA archive")
    make_table(connection, "orders")
    make_table(connection, "archive.orders")

    refused = invoke("init", "--yes", DATABASE_URL=empty_database_url)
    named = invoke("init", "--yes", "--table", "archive.orders", DATABASE_URL=empty_database_url)
    by_name = read(file).table
    file.unlink()
    asked = invoke("init", typed="2\n", DATABASE_URL=empty_database_url)

    assert refused.exit_code == 78
    assert "reconciler init --yes --table archive.orders" in refused.stderr
    assert named.exit_code == 0
    assert by_name.schema == "archive"
    assert asked.exit_code == 0, asked.output
    assert read(file).table.schema is None


def test_codes_are_asked_for_one_by_one(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection, words=(10, 20, 30, 40))

    guessed = invoke("init", "--yes", DATABASE_URL=empty_database_url)
    typed = "open\nfilled\ncanceled\nnonsense\nleave out\nleave out\nleave out\n"
    told = invoke("init", "--force", typed=typed, DATABASE_URL=empty_database_url)

    assert guessed.exit_code == 78
    lines = [line for line in guessed.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == len(range(10, 50, 10))
    assert told.exit_code == 0, told.output
    assert read(file).statuses.meanings == {"10": "open", "20": "filled", "30": "canceled"}


def test_each_line_to_fill_in_is_named_with_its_number(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)
    connection.execute("ALTER TABLE orders ALTER filled TYPE bigint")
    file.write_text("[settings]\ninterval_ms = 1000\n", encoding="utf-8")

    result = invoke("init", "--yes", "--force", DATABASE_URL=empty_database_url)

    lines = file.read_text(encoding="utf-8").splitlines()
    line = 'executed_qty = { column = "filled", scale = "" }'
    assert result.exit_code == 78
    assert f"reconciler.toml, line {lines.index(line) + 1}: filled has whole" in result.stderr
    assert f"fill in the empty quotes: {line}" in result.stderr


def test_a_key_without_a_way_to_its_symbol_is_left_to_the_file(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)
    connection.execute("ALTER TABLE orders DROP pair, ADD pair_id integer DEFAULT 1")

    result = invoke("init", typed="", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "pair_id is a key" in result.stderr
    assert 'symbol = { query = "", column = "pair_id" }' in file.read_text(encoding="utf-8")


def test_what_does_not_fit_is_named_after_the_file_is_written(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)
    connection.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey")

    result = invoke("init", "--yes", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "unique" in result.stderr
    assert read(file).columns.id.name == "id"


def test_if_nobody_answers_nothing_is_written(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection, words=(10,))

    result = invoke("init", typed="", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "reconciler init --yes" in result.stderr
    assert not file.exists()


def test_an_existing_file_is_replaced_only_where_a_person_agrees_and_only_its_orders(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)
    before = '[settings]\ninterval_ms = 1000\n\n[orders]\ntable = "old"\n'
    file.write_text(before, encoding="utf-8")

    refused = invoke("init", "--yes", DATABASE_URL=empty_database_url)
    declined = invoke("init", typed="n\n", DATABASE_URL=empty_database_url)
    after = file.read_text(encoding="utf-8")
    agreed = invoke("init", typed="y\n", DATABASE_URL=empty_database_url)

    assert (refused.exit_code, declined.exit_code, agreed.exit_code) == (78, 78, 0)
    assert "--force" in refused.stderr
    assert after == before
    assert read(file).table.name == "orders"
    assert file.read_text(encoding="utf-8").startswith("[settings]\ninterval_ms = 1000\n\n[orders]")


def test_another_file_is_written_where_the_variable_names_one(
    invoke: Invoke, connection: Connection, empty_database_url: str, tmp_path: Path
) -> None:
    make_table(connection)
    file = tmp_path / "other.toml"

    result = invoke(
        "init", "--yes", DATABASE_URL=empty_database_url, RECONCILIATION_CONFIG=str(file)
    )

    assert result.exit_code == 0, result.output
    assert read(file).table.name == "orders"


def test_names_of_any_kind_are_found_and_quoted(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    table = 'We;ird. "Orders" %s :x'
    make_table(connection, words=WORDS)
    connection.execute(sql.SQL("ALTER TABLE orders RENAME TO {}").format(sql.Identifier(table)))
    names = {"id": "ord id", "status": "Select", "pair": "PAIR%", "filled": "filled:QTY"}
    for old, new in names.items():
        connection.execute(
            sql.SQL("ALTER TABLE {} RENAME {} TO {}").format(
                sql.Identifier(table), sql.Identifier(old), sql.Identifier(new)
            )
        )
    quoted = '"' + table.replace('"', '""') + '"'

    result = invoke(*("init", "--table", quoted), typed="Select\n", DATABASE_URL=empty_database_url)

    assert result.exit_code == 0, result.output
    config = read(file)
    assert config.table.name == table
    assert config.columns.status.name == "Select"
    assert config.statuses.meanings.keys() == set(WORDS)


def test_a_view_is_found_where_the_role_may_not_read_the_table(
    invoke: Invoke, connection: Connection, empty_database_url: str, file: Path
) -> None:
    make_table(connection)
    connection.execute("CREATE VIEW all_orders AS SELECT * FROM orders")
    connection.execute("CREATE ROLE reader_of_a_view LOGIN")
    connection.execute("GRANT SELECT ON all_orders TO reader_of_a_view")
    url = empty_database_url.replace("//postgres:@", "//reader_of_a_view:@")
    try:
        result = invoke("init", "--yes", DATABASE_URL=url)
    finally:
        connection.execute("DROP OWNED BY reader_of_a_view")
        connection.execute("DROP ROLE reader_of_a_view")

    assert result.exit_code == 0, result.output
    assert read(file).table.name == "all_orders"
    assert "neither the primary key nor unique" in result.stdout
    assert "this is a view" in result.stdout
