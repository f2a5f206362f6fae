"""What is read of an unknown table: bounded, in any kind of table, and without a write."""

from collections.abc import Iterator

import psycopg
import pytest

from reconciler.config_file.sql_text import TableName
from reconciler.errors import StoreUnavailable
from reconciler.store import bounded_source, sampling
from reconciler.store.database import Database
from reconciler.store.discovery import (
    Description,
    describe,
    find_relation,
    list_relations,
    read_only,
)
from reconciler.store.sampling import Sample, Values, take_sample

TABLES = """
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE pairs (id int PRIMARY KEY, name text);
    CREATE TABLE plain (
        id bigint PRIMARY KEY, pair int REFERENCES pairs, mood mood, at timestamptz DEFAULT now(),
        word text CHECK (word IN ('new', 'it''s done')), UNIQUE (pair, mood), secret text UNIQUE);
    CREATE TABLE parted (id bigint PRIMARY KEY, word text) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (500);
    CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
    INSERT INTO pairs VALUES (1, 'BTCUSDT');
    INSERT INTO parted SELECT n, CASE WHEN n = 999 THEN 'rare' ELSE 'often' END
        FROM generate_series(1, 999) AS n;
    CREATE VIEW seen AS SELECT id, word FROM parted;
    ANALYZE;
"""


@pytest.fixture
def tables(empty_database_url: str) -> Iterator[Database]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(TABLES)
    database = Database(empty_database_url, role="test")
    yield database
    database.close()


def look_at(database: Database, name: str) -> tuple[Description, Sample]:
    with read_only(database) as connection:
        relation = find_relation(connection, TableName(name=name))
        assert relation is not None
        description = describe(connection, relation)
        sample = take_sample(
            connection,
            description,
            columns=("id", "word"),
            counted=(("word",),),
            times=(),
            lookups=("SELECT name FROM pairs", "SELECT gone FROM pairs"),
        )
    return description, sample


def test_tables_and_views_are_listed_with_their_rows_and_partitions_are_not(
    tables: Database,
) -> None:
    with read_only(tables) as connection:
        listed = {one.table.name: one for one in list_relations(connection)}

    assert set(listed) == {"pairs", "plain", "parted", "seen"}
    assert listed["parted"].rows == 999
    assert listed["seen"].is_view
    assert listed["plain"].columns[0] == "id"


def test_the_catalog_says_what_a_column_is(tables: Database) -> None:
    description, sample = look_at(tables, "plain")

    assert description.primary_key == ("id",)
    assert description.unique == {"id", "secret"}
    assert description.references["pair"].key == "id"
    assert set(description.references["pair"].columns) == {"id", "name"}
    assert description.defaults == {"at": "now()"}
    assert set(description.allowed["word"]) == {"new", "it's done"}
    assert sample.symbols == {"SELECT name FROM pairs": ("BTCUSDT",)}


@pytest.mark.parametrize("name", ["parted", "seen"])
def test_a_small_table_is_counted(tables: Database, name: str) -> None:
    _, sample = look_at(tables, name)

    counted = sample.values["word",]
    assert counted == Values(counts={("often",): 998, ("rare",): 1})
    assert len(sample.rows) == sampling.SAMPLED_ROWS


def test_of_a_large_table_pages_and_the_newest_rows_are_read(
    tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_source, "MAX_READ_BYTES", 0)
    monkeypatch.setattr(bounded_source, "SAMPLED_PAGES", 1)
    monkeypatch.setattr(sampling, "NEWEST_ROWS", 10)

    _, sample = look_at(tables, "parted")

    counted = sample.values["word",]
    assert counted.is_estimate
    assert counted.counts["rare",] >= 1
    assert sample.rows[0] == {"id": "999", "word": "rare"}


def test_a_transaction_for_looking_cannot_write(tables: Database) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"), read_only(tables) as connection:
        connection.exec_driver_sql("DELETE FROM plain")
