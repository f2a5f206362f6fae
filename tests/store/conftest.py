"""The application: its own connection to the test's database, and its own tables.

A new database takes a third of a second, an emptied one a hundredth: here all tests share one.
"""

import os
from collections.abc import Iterator

import psycopg
import pytest

from reconciler.store import sample_orders
from reconciler.store.database import Database

from .builders import IN_ORDERS, SHAPES, Application, Shape, connect_application, make_ready

EMPTY = """
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
    END $$;
    CREATE SCHEMA public;
"""


@pytest.fixture(scope="session")
def _shared_database_url(postgres_url: str) -> str:
    name = f"store_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def empty_database_url(_shared_database_url: str) -> str:
    """An empty database."""
    with psycopg.connect(_shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
    return _shared_database_url


@pytest.fixture
def sync_times() -> str:
    """Where the times of the last sync are."""
    return IN_ORDERS


@pytest.fixture
def database_url(empty_database_url: str, sync_times: str) -> str:
    """A database with the sample `orders` and our tables, empty."""
    with connect_application(empty_database_url) as application:
        make_ready(application, sample_orders.ORDERS_DDL, sync_times)
    return empty_database_url


@pytest.fixture
def application(database_url: str) -> Iterator[Application]:
    """The application's connection to the database with the sample `orders`."""
    with connect_application(database_url) as connection:
        yield connection


@pytest.fixture
def clerk_role(application: Application) -> Iterator[str]:
    """A role that may use the schema and nothing else; it is dropped, also if the test fails."""
    application.execute("DROP ROLE IF EXISTS clerk; CREATE ROLE clerk")
    application.execute("GRANT USAGE ON SCHEMA public TO clerk")
    yield "clerk"
    application.rollback()
    application.execute("DROP OWNED BY clerk; DROP ROLE clerk")


@pytest.fixture
def owner(empty_database_url: str) -> Iterator[Application]:
    """The application's connection to an empty database."""
    with connect_application(empty_database_url) as connection:
        yield connection


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[Database]:
    """Our connection to the empty database."""
    database = Database(empty_database_url, role="test")
    yield database
    database.close()


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def shape(request: pytest.FixtureRequest, owner: Application, sync_times: str) -> Shape:
    """Each shape of `orders` in turn, created in the empty database together with our tables."""
    shape: Shape = request.param
    make_ready(owner, shape.ddl, sync_times)
    return shape
