"""The reconciler next to an application on a platform's table: who disturbs whom?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from reconciler.embedded import embedded_postgres
from reconciler.paper.market import list_markets
from reconciler.paper.process import PaperProcess
from tests.adoption.application import Application
from tests.adoption.environment import AdoptedTable
from tests.adoption.platforms import Platform
from tests.chaos.supervisor_process import HANG_SECONDS, SupervisorProcess

KEY, SECRET = "key-of-the-application", "secret-of-the-application"
ORDERS, SYMBOLS = 200, 8
LOOK_SECONDS = 0.2

# Everything is due again at once, so that the two meet as often as possible.
INTENSE = {
    "RECONCILIATION_SHARDS": "2",
    "RECONCILIATION_INTERVAL_MS": "50",
    "RECONCILIATION_STALE_MINUTES": "0.005",
    "RECONCILIATION_BATCH_SIZE": "50",
    "RECONCILIATION_RATE_SHARE": "1",
    "LOG_FORMAT": "json",
}
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
CHANGES = "SELECT count(*) FROM activity_log"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What happened on one platform's table; `complaints` says what is wrong."""

    platform: str
    seconds: float
    writes: Counter[str]
    changes: int
    deadlocks: int
    application_errors: Counter[str]
    reconciler_errors: Counter[str]
    mismatches: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> Iterator[str]:
        """What must not happen, and did."""
        if self.deadlocks:
            yield f"{self.platform}: {self.deadlocks} deadlocks"
        for what, number in (self.application_errors + self.reconciler_errors).items():
            yield f"{self.platform}: {what}, {number} times"
        yield from (f"{self.platform}: {mismatch}" for mismatch in self.mismatches)
        if not self.changes:
            yield f"{self.platform}: the reconciler changed nothing"


def run_with_application(platform: Platform, *, seconds: float, seed: int) -> Result:
    """Run both on one table for `seconds`, then the reconciler alone, and compare every row."""
    rng = Random(seed)  # noqa: S311 - reproducible, not secret
    with (
        embedded_postgres() as url,
        PaperProcess(
            api_key=KEY, api_secret=SECRET, options=("--weight-limit", "100000000")
        ) as exchange,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        table = AdoptedTable(platform=platform, url=url, connection=connection, exchange=exchange)
        table.create()
        table.fill(orders=ORDERS, symbols=SYMBOLS, seed=seed)
        for environment in environments(table):
            run_command(environment, "db", "upgrade")
        symbols = [market.symbol for market in list_markets(SYMBOLS)]
        with running_supervisors(table) as supervisors:
            with Application(table, symbols, rng) as application:
                wait_for_a_change(connection, supervisors)
                wait(seconds, supervisors)
            errors = stop(supervisors)
        changes = scalar(connection, CHANGES)
        table.make_stale()
        for environment in environments(table):
            run_command(environment, "run", "--once")
        return Result(
            platform=platform.name,
            seconds=seconds,
            writes=application.writes,
            changes=changes,
            deadlocks=scalar(connection, DEADLOCKS),
            application_errors=application.errors,
            reconciler_errors=errors,
            mismatches=table.mismatches(),
        )


def environments(table: AdoptedTable) -> Iterator[Mapping[str, str]]:
    """Yield the environment for each program on the table."""
    for file in table.platform.configuration_files:
        yield {
            **INTENSE,
            "DATABASE_URL": table.url,
            "EXCHANGE_NAME": "paper",
            "EXCHANGE_BASE_URL": table.exchange.url,
            "EXCHANGE_API_KEY": KEY,
            "EXCHANGE_API_SECRET": SECRET,
            "RECONCILIATION_CONFIG": str(file),
        }


def run_command(environment: Mapping[str, str], *arguments: str) -> None:
    """Run a command of the reconciler to its end.

    Raises:
        RuntimeError: it failed.
    """
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "reconciler", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    if ended.returncode:
        command = " ".join(arguments)
        raise RuntimeError(f"{command} ended with code {ended.returncode}:\n{ended.stderr}")


@contextmanager
def running_supervisors(table: AdoptedTable) -> Iterator[list[SupervisorProcess]]:
    """Run a supervisor for each of the platform's files."""
    with ExitStack() as running:
        yield [
            running.enter_context(SupervisorProcess(environment))
            for environment in environments(table)
        ]


def wait_for_a_change(
    connection: psycopg.Connection[Any], supervisors: list[SupervisorProcess]
) -> None:
    """Wait until the reconciler has changed a row: on a busy machine its start takes a while.

    Raises:
        RuntimeError: a supervisor has ended.
    """
    deadline = time.monotonic() + HANG_SECONDS
    while not scalar(connection, CHANGES) and time.monotonic() < deadline:
        wait(LOOK_SECONDS, supervisors)


def wait(seconds: float, supervisors: list[SupervisorProcess]) -> None:
    """Let both work for `seconds`.

    Raises:
        RuntimeError: a supervisor has ended.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for supervisor in supervisors:
            supervisor.start_again_if_too_slow()
        time.sleep(LOOK_SECONDS)


def stop(supervisors: list[SupervisorProcess]) -> Counter[str]:
    """Drain the supervisors; return the events that they logged as errors."""
    errors = Counter[str]()
    for supervisor in supervisors:
        supervisor.process.send_signal(signal.SIGTERM)
        code = supervisor.process.wait(HANG_SECONDS)
        if code:
            errors[f"the supervisor ended with code {code}"] += 1
        for line in supervisor.log_lines():
            entry = parse(line)
            if entry.get("level") in {"error", "critical"}:
                errors[f"the reconciler logged {entry.get('event')}"] += 1
    return errors


def parse(line: str) -> dict[str, Any]:
    """Read a line of the log. Of what is none, only a traceback counts as an error.

    A supervisor that is started again, since the machine was too busy for its workers, says so.
    """
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        is_traceback = line.startswith("Traceback")
        return {"level": "error" if is_traceback else "info", "event": "a traceback"}
    return entry


def scalar(connection: psycopg.Connection[Any], statement: str) -> int:
    """Return the one number that a statement selects."""
    row = connection.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0
