"""The commands on a table of the user's own, which the configuration file describes."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result

from reconciler.paper.exchange import PaperExchange
from reconciler.paper.orders import SeedOptions

from .conftest import Invoke

TABLE = """
    CREATE SCHEMA "tra.ding";
    CREATE TYPE "Order State" AS ENUM ('LIVE: 100%', 'PARTIALLY_FILLED', 'DONE', 'in doubt');
    CREATE TABLE "tra.ding"."O""r:d%er" (
        "order_id" bigint PRIMARY KEY, "sym.bol" text, "ext:id" text, "order" "Order State",
        filled numeric, note text
    );
    INSERT INTO "tra.ding"."O""r:d%er" VALUES
        (1, 'BTC/USDT', '1', 'LIVE: 100%', 0, 'mine'),
        (2, 'BTC/USDT', '2', 'PARTIALLY_FILLED', 1, 'mine'),
        (3, 'BTC/USDT', '3', 'in doubt', 0, 'theirs');
"""
FILE = """
[orders]
table = '"tra.ding"."O""r:d%er"'
where = "note = 'mine'"

[orders.columns]
id = "order_id"
symbol = "sym.bol"
external_order_id = "ext:id"
status = "order"
executed_qty = "filled"
last_synced_at = "side-table"

[orders.statuses]
"LIVE: 100%" = "new"
PARTIALLY_FILLED = "partial"
DONE = "filled"

[orders.symbols]
ignore = "/"
"""

Reconcile = Callable[..., Result]


@pytest.fixture
def owner(empty_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "reconciler.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def reconcile(
    invoke: Invoke,
    empty_database_url: str,
    config: Path,
    exchange: PaperExchange,
    exchange_environment: Mapping[str, str],
) -> Reconcile:
    """Run a command with the configuration file."""
    exchange.seed(SeedOptions(orders=1, symbols=1))

    def reconcile(*arguments: str) -> Result:
        return invoke(
            *arguments,
            DATABASE_URL=empty_database_url,
            RECONCILIATION_CONFIG=str(config),
            **exchange_environment,
        )

    return reconcile


def checks_of(result: Result) -> dict[str, Any]:
    return {check["check"]: check for check in json.loads(result.stdout)["checks"]}


@pytest.mark.usefixtures("owner")
def test_an_upgrade_builds_what_the_file_says_and_then_every_check_passes(
    reconcile: Reconcile,
) -> None:
    first, second = reconcile("db", "upgrade"), reconcile("db", "upgrade")
    checked = reconcile("check", "--json")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "nothing to do" in second.output
    checks = checks_of(checked)
    assert checked.exit_code == 0, checks
    assert {check["verdict"] for check in checks.values()} == {"ok"}
    assert checks["open orders"]["detail"] == (
        "2 followed: LIVE: 100% (new) 1, PARTIALLY_FILLED (partial) 1"
    )


@pytest.mark.usefixtures("owner")
def test_before_the_upgrade_the_check_says_what_is_missing(reconcile: Reconcile) -> None:
    checked = reconcile("check", "--json")

    assert checked.exit_code == 78, checked.output
    hints = {one["hint"] for one in checks_of(checked)["schema"]["problems"]}
    assert hints == {"run: reconciler db upgrade"}


def test_the_printed_sql_makes_the_side_table_and_the_index_too(
    owner: psycopg.Connection[Any], reconcile: Reconcile
) -> None:
    printed = reconcile("db", "sql").stdout
    owner.execute(printed.replace(" CONCURRENTLY", "").encode())

    result = reconcile("db", "upgrade")

    assert "nothing to do" in result.output, result.output


def test_a_status_that_the_file_leaves_out_is_refused_at_the_start(
    owner: psycopg.Connection[Any], reconcile: Reconcile
) -> None:
    reconcile("db", "upgrade")
    owner.execute("""UPDATE "tra.ding"."O""r:d%er" SET note = 'mine'""")

    checked, ran = reconcile("check", "--json"), reconcile("run", "--once")

    assert (checked.exit_code, ran.exit_code) == (78, 78)
    (problem,) = checks_of(checked)["open orders"]["problems"]
    said = "1 row has a status that [orders.statuses] leaves out: 'in doubt' 1"
    assert problem["what"] == said
    assert '"in doubt" = ...' in problem["hint"]
    assert said in ran.stderr


def test_a_side_table_is_not_made_against_the_file(
    owner: psycopg.Connection[Any], reconcile: Reconcile, config: Path
) -> None:
    owner.execute("""ALTER TABLE "tra.ding"."O""r:d%er" ADD COLUMN synced timestamptz""")
    config.write_text(FILE.replace('"side-table"', '"synced"'), encoding="utf-8")

    refused = reconcile("db", "upgrade", "--side-table")

    assert refused.exit_code == 78
    assert 'hint: write last_synced_at = "side-table" in [orders.columns]' in refused.stderr
    assert reconcile("db", "upgrade").exit_code == 0
