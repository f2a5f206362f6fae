"""What a configuration file says and a table does not have, or cannot keep: named before a run."""

import pytest

from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from reconciler.errors import Problem
from reconciler.store.database import Database
from reconciler.store.orders_requirements import orders_problems
from reconciler.store.user_table import UserTable

from .builders import Application

DDL = """
    CREATE TYPE state AS ENUM ('OPEN', 'DONE');
    CREATE DOMAIN of_state AS state;
    CREATE TABLE pairs (id integer, name text);
    CREATE FUNCTION spy(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO pairs VALUES (1, 'x'); RETURN true; END $$;
    CREATE TABLE deals (
        id bigint PRIMARY KEY, pair_id integer, kind state, sym text, ext text, state state,
        code varchar(4),
        number smallint, done numeric(20, 8), "left" numeric(20, 2), units bigint, whole numeric,
        naive timestamp, zoned timestamptz, synced timestamptz, flag boolean, of_state of_state,
        small integer, exact numeric(10, 2), float real,
        twice numeric GENERATED ALWAYS AS (done * 2) STORED,
        upper text GENERATED ALWAYS AS (upper(sym)) STORED)"""

COLUMNS = """
    [orders]
    table = "deals"
    {orders}
    [orders.columns]
    symbol = {symbol}
    external_order_id = "ext"
    status = "{status}"
    executed_qty = {executed}
    last_synced_at = "synced"
    {columns}
    [orders.statuses]
    {statuses}
    {rest}
    """
DEFAULTS = {
    "orders": "",
    "symbol": '"sym"',
    "status": "state",
    "executed": '"done"',
    "columns": "",
    "statuses": 'OPEN = "open"\n    DONE = "filled"',
    "rest": "",
}

PROBLEMS = [
    ({"orders": "where = 'id'"}, "must be type boolean", "where ="),
    ({"orders": "where = 'nothing = 1'"}, 'column "nothing" does not exist', "where ="),
    ({"orders": "where = 'spy(id)'"}, "read-only transaction", "only reads"),
    ({"orders": "where = \"nextval('some') > 0\""}, "orders.where does not work", "only reads"),
    ({"executed": '"units"'}, "executed_qty would lose every fraction", 'scale = "1e-6"'),
    ({"executed": '{ column = "done", scale = "1e9" }'}, "would lose every fraction", "scale"),
    ({"executed": '{ remaining = "left", of = "done" }'}, "fewer decimal places than done", "type"),
    ({"executed": '{ remaining = "left", of = "whole" }'}, "fewer decimal places", "type"),
    ({"columns": 'updated_at = { column = "small", unit = "epoch-ms" }'}, "13 digits", "unit"),
    ({"columns": 'updated_at = { column = "code", unit = "epoch-s" }'}, "10 digits", "unit"),
    ({"columns": 'updated_at = { column = "exact", unit = "epoch-us" }'}, "16 digits", "unit"),
    ({"columns": 'updated_at = { column = "float", unit = "epoch-s" }'}, "10 digits", "unit"),
    ({"status": "flag"}, "deals.flag is boolean", "also_write"),
    ({"status": "of_state"}, "a domain over the enum state", "TYPE state"),
    ({"symbol": '"of_state"'}, "a domain over the enum state", "TYPE state"),
    ({"status": "upper", "statuses": 'OPEN = "open"'}, "deals.upper cannot be written", "made of"),
    ({"executed": '"twice"'}, "deals.twice cannot be written", "made of"),
    ({"rest": "[orders.also_write]\n    number = { open = 32768 }"}, "cannot be 32768", "open"),
    ({"rest": "[orders.also_write]\n    upper = { ended = 'x' }"}, "be written", "also_write"),
    ({"columns": 'created_at = "naive"'}, "deals.naive is timestamp without time zone", ""),
    (
        {"columns": 'created_at = { column = "zoned", unit = "naive-utc" }'},
        "deals.zoned is timestamp with time zone, it must be timestamp without a zone",
        "",
    ),
    ({"columns": 'avg_price = "averag"'}, "column deals.averag is missing", ""),
    ({"columns": 'account = "acount"'}, "column deals.acount is missing", "orders.columns.account"),
    ({"symbol": '"pair"'}, "column deals.pair is missing", ""),
    ({"symbol": '{ join = ["kind", "sym"] }'}, "deals.kind is an enum", "query"),
    (
        {"symbol": '{ query = "SELECT nam FROM pairs WHERE id = :value", column = "pair_id" }'},
        'column "nam" does not exist',
        ":value",
    ),
    (
        {"symbol": '{ query = "SELECT 1, 2 FROM pairs WHERE id = :value", column = "pair_id" }'},
        "subquery must return only one column",
        "one column",
    ),
    ({"statuses": 'OPEN = "open"\n    DON = "filled"'}, "has no label 'DON'", "'DONE'"),
    (
        {"status": "code", "statuses": 'OPEN = "open"\n    CANCELED = "canceled"'},
        "too short for the word 'CANCELED'",
        "remove it",
    ),
    ({"status": "number"}, "no row has the status 'OPEN'", '"100"'),
    (
        {"rest": "[orders.also_write]\n    flag = { open = 1, ended = 0 }"},
        "deals.flag is boolean, and cannot be 1",
        "another value",
    ),
    (
        {"rest": "[orders.also_write]\n    flug = { open = true, ended = false }"},
        "column deals.flug is missing",
        "write flag",
    ),
]


def problems_of(database: Database, changed: dict[str, str]) -> list[Problem]:
    text = COLUMNS.format(**(DEFAULTS | changed)).replace("\n    ", "\n")
    file = read_sections(parse_document(text, name="it"), variables=(), secrets=(), own_variable="")
    assert not file.problems
    assert file.orders is not None
    with database.autocommit() as connection:
        found = orders_problems(connection, UserTable(file.orders), with_side_table=False)
        assert connection.exec_driver_sql("SELECT count(*) FROM pairs").scalar_one() == 0
    return found


@pytest.mark.parametrize(
    ("changed", "what", "hint"), PROBLEMS, ids=[what for _, what, _ in PROBLEMS]
)
def test_what_does_not_fit_is_named_with_a_hint(
    changed: dict[str, str], what: str, hint: str, application: Application, database: Database
) -> None:
    application.execute(DDL)
    application.execute("INSERT INTO deals (id, state) VALUES (1, 'OPEN')")

    found = problems_of(database, changed)

    assert [problem for problem in found if what in problem.what and hint in problem.hint]
    assert all(problem.hint for problem in found)


def test_all_problems_are_named_at_once(application: Application, database: Database) -> None:
    application.execute(DDL)
    changed = {
        "executed": '"units"',
        "columns": 'created_at = "naive"\n    account = "acount"',
        "statuses": 'OPEN = "open"\n    DON = "filled"',
    }

    found = problems_of(database, changed)

    assert len(found) == 4


@pytest.mark.parametrize("where", ["deals.flag IS NOT TRUE", "sym <> '$reconciler$ % {rest}'"])
def test_a_table_that_fits_has_no_problem(
    where: str, application: Application, database: Database
) -> None:
    application.execute(DDL)

    assert problems_of(database, {"orders": f'where = "{where}"'}) == []
