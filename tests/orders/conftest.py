"""Fixtures for the tests of the order workload."""

from collections.abc import Iterator

import psycopg
import pytest

from reconciler.workload import Chunk

from .builders import ORDERS, new_orders


@pytest.fixture
def orders(database_url: str) -> Chunk:
    """New orders of one symbol, as a chunk."""
    return new_orders(database_url, ORDERS)


@pytest.fixture
def restricted_url(database_url: str) -> Iterator[str]:
    """The URL of the role `batch_clerk`, which has the privileges it needs and is not the owner."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS batch_clerk; CREATE ROLE batch_clerk")
        connection.execute("GRANT USAGE ON SCHEMA public TO batch_clerk")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO batch_clerk")
        yield f"{database_url}&options=-crole%3Dbatch_clerk"
        connection.execute("DROP OWNED BY batch_clerk; DROP ROLE batch_clerk")
