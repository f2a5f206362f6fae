"""Fixtures for the tests of trials: open orders, and the command as a real process."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

RunTune = Callable[..., "subprocess.CompletedProcess[str]"]

ORDERS = 300
SYMBOLS = 3
FILL = (
    "INSERT INTO orders (symbol, external_order_id, status, qty, last_synced_at)"
    " SELECT 'SYM' || n %% %s || 'USDT', (1000 + n)::text, 'new', 1, now()"
    " FROM generate_series(1, %s) AS n"
)
TABLES = (
    "orders",
    "activity_log",
    "reconciliation_holds",
    "reconciliation_state",
    "reconciliation_cycles",
)


@pytest.fixture
def run_tune() -> RunTune:
    """Run `reconciler tune` with these arguments and this environment."""

    def run_tune(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "reconciler", "tune", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )

    return run_tune


@pytest.fixture
def filled_url(database_url: str) -> str:
    """A database with some open orders, none of them stale."""
    with psycopg.connect(database_url) as connection:
        connection.execute(FILL, (SYMBOLS, ORDERS))
    return database_url


@pytest.fixture
def as_reader(database_url: str) -> Iterator[Callable[[str], str]]:
    """Make a role with nothing but the rights that a statement grants; return its URL.

    In the statement `{role}` is the role's name.
    """
    role = f"tune_reader_{os.getpid()}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))

        def grant(statement: str) -> str:
            connection.execute(statement.format(role=role).encode())
            url = make_url(database_url).set(username=role)
            return url.render_as_string(hide_password=False)

        yield grant
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table that the reconciler could write."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
            ).fetchall()
            for table in TABLES
        }


def relations(url: str) -> list[tuple[Any, ...]]:
    """Return every relation in a schema that is not PostgreSQL's own."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema)'"
        ).fetchall()
