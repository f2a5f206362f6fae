"""The documented grants suffice, and allow nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row
from sqlalchemy import make_url

from reconciler.paper.process import PaperProcess

from ..e2e.commands import DEADLINE_SECONDS  # noqa: TID252 - tests are no package
from .documents import marked

ROLE = "reconciler"
DATABASE_IN_THE_DOCUMENT = "DATABASE trading"
ORDERS = 200
STRANGE = {"symbol": "BTCUSDT", "order_id": 4711}
NOT_OURS = (
    "DELETE FROM orders",
    "INSERT INTO orders (symbol) VALUES ('BTCUSDT')",
    "UPDATE orders SET symbol = 'ETHUSDT'",
    "UPDATE activity_log SET action = 'none'",
    "DELETE FROM activity_log",
    "DELETE FROM reconciliation_cycles",
    "CREATE TABLE mine ()",
)


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The owner of a database that no other role may use."""
    with psycopg.connect(database_url, autocommit=True, row_factory=scalar_row) as connection:
        name = connection.info.dbname
        connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC".encode())
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        yield connection


@pytest.fixture
def service_url(owner: psycopg.Connection[Any], database_url: str) -> Iterator[str]:
    """The URL of the database for a role with the documented rights."""
    for block in marked("grants"):
        grants = block.code.replace(DATABASE_IN_THE_DOCUMENT, f"DATABASE {owner.info.dbname}")
        owner.execute(grants.encode())
    yield make_url(database_url).set(username=ROLE).render_as_string(hide_password=False)
    owner.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}".encode())


@pytest.fixture(scope="module")
def exchange() -> Iterator[PaperProcess]:
    """An exchange with orders, one of them in an unknown status."""
    with PaperProcess() as paper:
        paper.seed(orders=ORDERS)
        paper.place_order(**STRANGE, status="HALTED")
        yield paper


def fill_database(database_url: str, exchange: PaperProcess) -> None:
    """Fill the database with the tutorial's script."""
    (script,) = marked("fill")
    filled = call(database_url, exchange.url, "-c", script.code)
    assert filled.returncode == 0, filled.stderr


def reconciler(
    service_url: str, exchange: PaperProcess, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return call(service_url, exchange.url, "-m", "reconciler", *arguments)


def call(database_url: str, exchange_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    addresses = {
        "DATABASE_URL": database_url,
        "EXCHANGE_NAME": "paper",
        "EXCHANGE_BASE_URL": exchange_url,
        "RECONCILIATION_SHARDS": "1",
    }
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *arguments],
        env=os.environ | addresses,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_documented_grants_suffice_for_the_service(
    database_url: str, service_url: str, owner: psycopg.Connection[Any], exchange: PaperProcess
) -> None:
    fill_database(database_url, exchange)

    first = reconciler(service_url, exchange, "run", "--once", "--json")
    exchange.place_order(**STRANGE, status="FILLED", executed_qty="1")
    owner.execute("UPDATE reconciliation_holds SET next_attempt_at = now()")
    second = reconciler(service_url, exchange, "run", "--once", "--json")

    report = json.loads(first.stdout)
    logged = owner.execute("SELECT count(*) FROM activity_log").fetchone()
    resolved = owner.execute("SELECT resolution FROM reconciliation_holds").fetchall()
    cycles = owner.execute("SELECT count(*) FROM reconciliation_cycles").fetchone()
    assert (report["reconciled"], report["held"], first.returncode) == (ORDERS, 1, 1)
    assert report["discrepancies"] > 0
    assert second.returncode == 0, second.stderr
    assert logged == report["discrepancies"] + 1
    assert resolved == ["reconciled"]
    assert cycles == 2


def test_the_documented_rights_suffice_to_check_explain_and_audit(
    service_url: str, owner: psycopg.Connection[Any], exchange: PaperProcess
) -> None:
    owner.execute("INSERT INTO orders (symbol) VALUES ('BTCUSDT')")

    check = reconciler(service_url, exchange, "check")
    audit = reconciler(service_url, exchange, "audit", "1")
    health = reconciler(service_url, exchange, "health", "--json")
    with psycopg.connect(owner.info.dsn) as holding:
        pid = holding.info.backend_pid
        holding.execute("SELECT FROM orders FOR UPDATE")
        explain = reconciler(service_url, exchange, "explain", "1", "--json")

    assert check.returncode == 0, check.stdout + check.stderr
    assert json.loads(health.stdout)["source"] == "database", health.stdout
    (holder,) = json.loads(explain.stdout)["row_held_by"]
    assert (holder["pid"], holder["since"], holder["query"]) == (pid, None, None)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_the_documented_rights_allow_nothing_else(service_url: str) -> None:
    with psycopg.connect(service_url, autocommit=True) as service:
        allowed = [statement for statement in NOT_OURS if is_allowed(service, statement)]

    assert allowed == []


def is_allowed(service: psycopg.Connection[Any], statement: str) -> bool:
    try:
        service.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True
