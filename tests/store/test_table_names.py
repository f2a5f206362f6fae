"""A table's name in the configuration file means what it means to PostgreSQL."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.config_file.sql_text import TableName, parse_table_name

PARTS = st.one_of(
    st.text(st.sampled_from('aZ_0$é". \t'), max_size=8),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.sampled_from(["orders", "Orders", '"Trade Orders"', '"a""b"', '""', "É" * 40, "x" * 70]),
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(".".join)


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[tuple[list[str]]]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=NAMES)
def test_a_name_is_read_as_postgresql_reads_it(
    connection: psycopg.Connection[tuple[list[str]]], text: str
) -> None:
    try:
        row = connection.execute("SELECT parse_ident(%s)::name[]::text[]", (text,)).fetchone()
    except psycopg.DataError:
        row = None

    expected: TableName | None = None
    match row:
        case ([name],):
            expected = TableName(name=name)
        case ([schema, name],):
            expected = TableName(schema=schema, name=name)
    assert parse_table_name(text) == expected
