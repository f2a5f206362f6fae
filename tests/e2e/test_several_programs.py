"""Two programs over one table, each with a filter and an account of its own, side by side."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from reconciler.demo import Demo, _differences
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database

from .commands import RunningCommand
from .conftest import AMPLE, KEY, SECRET, SOON_HALF_OPEN, settings_of
from .rows import (
    ChangeListener,
    Connection,
    changes_not_logged,
    connected,
    listening_for_changes,
    orders_changed_twice,
)
from .statsd_socket import StatsdServer

ORDERS = 400

CONFIG = """
[orders]
where = "account_id = {account}"
scope = "{scope}"
"""

WATCH_WRITERS = """
    CREATE TABLE writes (account_id integer, writer text);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO writes VALUES (new.account_id, current_setting('application_name'));
        RETURN NULL;
    END $$;
    CREATE TRIGGER watch AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION watch()"""


@dataclass(kw_only=True)
class Program:
    """A program with an account at an exchange of its own, and a folder with its file."""

    demo: Demo
    account: int
    scope: str
    folder: Path
    running: ExitStack
    environment: dict[str, object] = field(default_factory=dict)

    def write_config(self, account: int) -> None:
        """Write the program's file: it follows the orders of an account."""
        text = CONFIG.format(account=account, scope=self.scope)
        (self.folder / "reconciler.toml").write_text(text)

    def fill(self, connection: Connection) -> None:
        """Write orders to the exchange, and to the table what was last seen of them."""
        self.demo.fill(orders=ORDERS, symbols=8, seed=self.account)
        connection.execute(
            "UPDATE orders SET account_id = %s WHERE account_id IS NULL", [self.account]
        )

    def start(self, *arguments: str) -> RunningCommand:
        """Start a command in the program's folder."""
        environment = settings_of(self.demo) | SOON_HALF_OPEN | self.environment
        command = RunningCommand(arguments, environment=environment, folder=self.folder)
        return self.running.enter_context(command)

    def answer(self, *arguments: str) -> dict[str, Any]:
        """Return what a command in the program's folder prints."""
        return self.start(*arguments, "--json").end().report

    def mismatches(self, connection: Connection) -> list[str]:
        """Compare the account's rows with the exchange's truth; describe each that differs."""
        rows: Any = connection.execute(
            "SELECT symbol, external_order_id, status, executed_qty, avg_price FROM orders"
            " WHERE account_id = %s",
            [self.account],
        )
        found = {(symbol, external): tuple(facts) for symbol, external, *facts in rows}
        return list(_differences(found, self.demo.exchange.orders()))


@pytest.fixture
def programs(database: Database, database_url: str, tmp_path: Path) -> Iterator[list[Program]]:
    """Two programs whose exchanges give the same ids to different orders."""
    with ExitStack() as running:
        made = []
        for account, scope in ((7, "binance-7"), (8, "binance.8")):
            folder = tmp_path / scope
            folder.mkdir()
            options = ("--account-id", str(account), *AMPLE)
            exchange = running.enter_context(
                PaperProcess(api_key=KEY, api_secret=SECRET, options=options)
            )
            demo = Demo(
                database=database,
                database_url=database_url,
                exchange=exchange,
                api_key=SecretStr(KEY),
                api_secret=SecretStr(SECRET),
            )
            program = Program(
                demo=demo, account=account, scope=scope, folder=folder, running=running
            )
            program.write_config(account)
            made.append(program)
        yield made


@pytest.fixture
def application(database_url: str, programs: list[Program]) -> Iterator[Connection]:
    """The application's connection; the table has the orders of both accounts."""
    with connected(database_url) as connection:
        connection.execute("ALTER TABLE orders ADD COLUMN account_id integer")
        for program in programs:
            program.fill(connection)
        yield connection


def test_each_of_two_programs_changes_only_its_own_rows_under_kills_of_both(
    programs: list[Program], application: Connection, database_url: str
) -> None:
    application.execute(WATCH_WRITERS)
    for program in programs:
        program.demo.exchange.set_faults(latency_ms=50)
        program.environment["RECONCILIATION_BATCH_SIZE"] = 20

    with listening_for_changes(database_url) as changes:
        for kill in (True, False):
            runs = [program.start("run") for program in programs]
            changes.wait_for_change()
            if kill:
                for run in runs:
                    run.wait_for("supervisor.started")
                    os.kill(run.pid, signal.SIGKILL)
                    run.end()
        wait_until_right(programs, application, changes)
    stop(runs)

    assert not orders_changed_twice(application)
    assert not changes_not_logged(application)
    assert pairs(application, "SELECT DISTINCT account_id, split_part(writer, ' ', 4) FROM writes")
    assert pairs(
        application,
        "SELECT DISTINCT account_id, details->>'scope' FROM activity_log"
        " JOIN orders ON orders.id::text = order_id",
    )
    assert pairs(
        application,
        "SELECT (value->>'identity')::int, scope FROM reconciliation_state"
        " WHERE key = 'account.paper'",
    )
    scanned = application.execute(
        "SELECT scope, max(scanned) FROM reconciliation_cycles GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [scope for scope, _ in scanned] == [program.scope for program in programs]


def test_commands_and_metrics_are_those_of_the_program_in_whose_folder_they_run(
    programs: list[Program], application: Connection, database_url: str
) -> None:
    here, there = programs
    statsd = StatsdServer()
    for program in programs:
        program.environment |= statsd.environment

    with listening_for_changes(database_url) as changes:
        runs = [program.start("run") for program in programs]
        wait_until_right(programs, application, changes)
    application.execute(
        "INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)"
        " VALUES (%s, 'halt', '{\"reason\": \"by hand\"}', now(), 'Ada')",
        [here.scope],
    )
    pids = [program.answer("status")["pid"] for program in programs]
    is_halted_there = there.answer("halt", "status")["is_on"]
    disjoint = check_of_programs(there)
    here.write_config(account=there.account)
    overlapping = check_of_programs(here)
    stop(runs)
    statsd.read()
    statsd.close()

    assert pids == [run.pid for run in runs]
    assert not is_halted_there
    assert disjoint["detail"] == "no open order is followed by the program binance-7 too"
    assert overlapping["verdict"] == "problem"
    assert "followed by the program binance.8 too" in overlapping["problems"][0]["what"]
    assert statsd.total("binance-7.orders.reconciled") > 0
    assert statsd.total("binance_8.orders.reconciled") > 0
    assert {name.split(".")[0] for _, name in statsd.values} == {"binance-7", "binance_8"}
    assert all(
        {line["scope"] for line in run.logged("supervisor.started")} == {program.scope}
        for run, program in zip(runs, programs, strict=True)
    )


def check_of_programs(program: Program) -> dict[str, Any]:
    checks: list[dict[str, Any]] = program.answer("check")["checks"]
    return next(check for check in checks if check["check"] == "programs")


def wait_until_right(
    programs: list[Program], application: Connection, changes: ChangeListener
) -> None:
    while any(program.mismatches(application) for program in programs):
        changes.wait_for_change()


def stop(runs: list[RunningCommand]) -> None:
    for run in runs:
        run.send(signal.SIGTERM)
    assert [run.end().exit_code for run in runs] == [0, 0]


def pairs(application: Connection, query: str) -> bool:
    """Return True if the query finds each account with its own scope, and nothing else."""
    found = set(application.execute(query.encode()).fetchall())
    return found == {(7, "binance-7"), (8, "binance.8")}
