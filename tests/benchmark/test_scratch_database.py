import psycopg
import pytest

from reconciler.errors import ConfigurationError
from reconciler.trial.scratch_database import MARK, SCHEMA, open_scratch_database

SMALL = 1


def refusals(url: str, *, needed_megabytes: int = SMALL) -> list[str]:
    try:
        with open_scratch_database(url, needed_megabytes=needed_megabytes):
            return []
    except ConfigurationError as error:
        return [problem.what for problem in error.problems]


def objects(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)'"
        ).fetchall()


def leave_behind(url: str) -> None:
    """Leave what a bench leaves that was killed."""
    with psycopg.connect(url) as connection:
        connection.execute(
            f"CREATE SCHEMA {SCHEMA}; COMMENT ON SCHEMA {SCHEMA} IS '{MARK}';"
            f" CREATE TABLE {SCHEMA}.orders (id int)".encode()
        )


def test_a_lent_database_is_left_as_it_was(empty_database_url: str) -> None:
    with open_scratch_database(empty_database_url, needed_megabytes=SMALL) as scratch:
        with scratch.database.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE orders (id int)")
        made = objects(empty_database_url)

    assert made == [(SCHEMA, "orders")]
    assert objects(empty_database_url) == []


def test_what_an_interrupted_bench_has_left_is_cleared_away(empty_database_url: str) -> None:
    leave_behind(empty_database_url)

    assert refusals(empty_database_url) == []
    assert objects(empty_database_url) == []


def test_a_database_with_orders_of_somebody_else_is_refused(database_url: str) -> None:
    before = objects(database_url)

    found = refusals(database_url)

    assert found == [
        "it has a table public.orders that no measurement of ours made: the database is in use"
    ]
    assert objects(database_url) == before


def test_orders_in_a_schema_that_is_not_on_the_path_are_somebodys_too(
    empty_database_url: str,
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)")

    (found,) = refusals(empty_database_url)

    assert "shop.orders" in found


def test_a_schema_of_our_name_that_we_did_not_make_is_refused(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())

    (found,) = refusals(empty_database_url)

    assert "no measurement of ours made" in found


def test_a_role_with_too_few_rights_is_told_so(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        found = refusals(empty_database_url.replace("postgres:@", "reader:@"))
        connection.execute("DROP ROLE reader")

    assert found == ["the role may not create a schema in this database"]


def test_a_database_on_which_others_write_orders_is_refused(empty_database_url: str) -> None:
    leave_behind(empty_database_url)
    with psycopg.connect(empty_database_url, application_name="shop") as other:
        other.execute(f"INSERT INTO {SCHEMA}.orders VALUES (1)".encode())  # noqa: S608 - our own constant
        found = refusals(empty_database_url)
        other.rollback()

    assert found == ["others are at work on orders in this database: shop"]


def test_a_database_in_which_a_reconciler_works_is_refused(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, application_name="reconciler worker 0"):
        found = refusals(empty_database_url)

    assert found == ["others are at work on orders in this database: reconciler worker 0"]


def test_too_little_room_is_said_before_anything_is_written(empty_database_url: str) -> None:
    (found,) = refusals(empty_database_url, needed_megabytes=10**9)

    assert "these measurements need 1,000,000,000" in found


def test_missing_disk_space_is_reported_before_postgresql_starts() -> None:
    with (
        pytest.raises(ConfigurationError, match="--quick"),
        open_scratch_database(None, needed_megabytes=10**9),
    ):
        pass


def test_every_refusal_says_how_to_lend_a_scratch_database(database_url: str) -> None:
    with (
        pytest.raises(ConfigurationError, match="createdb reconciler_bench"),
        open_scratch_database(database_url, needed_megabytes=SMALL),
    ):
        pass


def test_an_annex_has_tables_of_its_own_and_goes_with_its_block(empty_database_url: str) -> None:
    with open_scratch_database(empty_database_url, needed_megabytes=SMALL) as scratch:
        with scratch.extra_schema("large") as extra:
            with extra.database.transaction() as connection:
                connection.exec_driver_sql("CREATE TABLE orders (id int)")
            during = objects(empty_database_url)
        after = objects(empty_database_url)

    assert during == [(f"{SCHEMA}_large", "orders")]
    assert after == []


def test_leftovers_of_an_interrupted_benchmark_are_removed(
    empty_database_url: str,
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            f"CREATE SCHEMA {SCHEMA}_large; COMMENT ON SCHEMA {SCHEMA}_large IS '{MARK}';"
            f" CREATE TABLE {SCHEMA}_large.orders (id int)".encode()
        )

    assert refusals(empty_database_url) == []
    assert objects(empty_database_url) == []
