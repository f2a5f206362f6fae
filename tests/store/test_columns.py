import pytest

from reconciler.store.columns import ColumnInfo, EnumType, read_columns
from reconciler.store.database import Database

from .builders import Application

TIMESTAMPTZ = "timestamp with time zone"


def the_column(database: Database) -> ColumnInfo:
    """Read the only column of the table `found`."""
    with database.autocommit() as connection:
        (column,) = read_columns(connection, "found").values()
    return column


@pytest.mark.parametrize(
    ("ddl", "words", "bounds"),
    [
        ("text", ("text", "text"), (None, None)),
        ("varchar(20)", ("character varying", "character varying(20)"), (20, None)),
        ("numeric", ("numeric", "numeric"), (None, None)),
        ("numeric(28, 8)", ("numeric", "numeric(28,8)"), (None, 8)),
        ("integer", ("integer", "integer"), (None, 0)),
        ("timestamptz(3)", (TIMESTAMPTZ, "timestamp(3) with time zone"), (None, None)),
        ("text[]", ("text[]", "text[]"), (None, None)),
        ("price", ("numeric", "numeric(28,8)"), (None, 8)),
        ("dear_price", ("numeric", "numeric(28,8)"), (None, 8)),
        ("word", ("character varying", "character varying(7)"), (7, None)),
    ],
)
def test_a_type_is_read_with_its_bounds_and_without_domains(
    ddl: str,
    words: tuple[str, str],
    bounds: tuple[int | None, int | None],
    owner: Application,
    empty_database: Database,
) -> None:
    owner.execute("CREATE DOMAIN price AS numeric(28, 8)")
    owner.execute("CREATE DOMAIN dear_price AS price CHECK (VALUE > 1000)")
    owner.execute("CREATE DOMAIN word AS varchar(7)")
    owner.execute(f"CREATE TABLE found (it {ddl})")

    column = the_column(empty_database)

    assert (column.type, column.full_type) == words
    assert (column.length, column.scale) == bounds
    assert column.enum is None


@pytest.mark.parametrize("ddl", ["integer NOT NULL", "never_null"])
def test_a_column_that_an_insert_has_to_fill_is_mandatory(
    ddl: str, owner: Application, empty_database: Database
) -> None:
    owner.execute("CREATE DOMAIN never_null AS integer NOT NULL")
    owner.execute(f"CREATE TABLE found (it {ddl})")

    assert the_column(empty_database).is_mandatory


@pytest.mark.parametrize(
    "ddl",
    [
        "integer",
        "integer NOT NULL DEFAULT 1",
        "serial",
        "integer NOT NULL GENERATED ALWAYS AS IDENTITY",
        "integer NOT NULL GENERATED ALWAYS AS (1) STORED",
        "never_null DEFAULT 1",
        "one_unless_told",
    ],
)
def test_a_column_that_may_be_null_or_has_a_default_is_optional(
    ddl: str, owner: Application, empty_database: Database
) -> None:
    owner.execute("CREATE DOMAIN never_null AS integer NOT NULL")
    owner.execute("CREATE DOMAIN one_unless_told AS integer NOT NULL DEFAULT 1")
    owner.execute(f"CREATE TABLE found (it {ddl})")

    assert not the_column(empty_database).is_mandatory


@pytest.mark.parametrize(("schema", "expected"), [("public", None), ("Market", "Market")])
def test_an_enum_has_its_labels_in_order_and_a_schema_if_needed(
    schema: str, expected: str | None, owner: Application, empty_database: Database
) -> None:
    owner.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    owner.execute(f"CREATE TYPE \"{schema}\".\"Side\" AS ENUM ('sell', 'buy')")
    owner.execute(f"ALTER TYPE \"{schema}\".\"Side\" ADD VALUE 'none' BEFORE 'buy'")
    owner.execute(f'CREATE DOMAIN way AS "{schema}"."Side"')
    owner.execute("CREATE TABLE found (it way)")

    assert the_column(empty_database).enum == EnumType(
        name="Side", schema=expected, labels=("sell", "none", "buy")
    )


@pytest.mark.parametrize(
    "ddl",
    ["CREATE SEQUENCE found", "CREATE TABLE other (it integer); CREATE INDEX found ON other (it)"],
)
def test_a_relation_that_is_no_table_has_no_columns(
    ddl: str, owner: Application, empty_database: Database
) -> None:
    owner.execute(ddl)

    with empty_database.autocommit() as connection:
        assert read_columns(connection, "found") == {}
        assert read_columns(connection, "nowhere") == {}


def test_a_dropped_column_is_not_returned(owner: Application, empty_database: Database) -> None:
    owner.execute("CREATE TABLE found (it integer, gone integer)")
    owner.execute("ALTER TABLE found DROP COLUMN gone")

    assert the_column(empty_database).name == "it"
