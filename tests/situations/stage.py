"""A whole deployment of its own: a database, an exchange, StatsD and the reconciler."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.demo import Demo, open_demo
from reconciler.health_report import HealthReport, read_health
from reconciler.settings import Settings
from reconciler.store.database import Database
from tests.chaos.postmaster import Postmaster
from tests.e2e.commands import DEADLINE_SECONDS, EndedCommand, RunningCommand
from tests.e2e.control import wait_until_ready
from tests.e2e.statsd_socket import StatsdServer
from tests.polling import until_deadline

ORDERS, SYMBOLS, SHARDS = 1500, 60, 2

_FIRST_SYNC_IS_OVER = (
    "SELECT EXISTS (SELECT FROM reconciliation_cycles) AND NOT EXISTS (SELECT FROM orders"
    " WHERE status IN ('pending', 'partial', 'new') AND (last_synced_at IS NULL"
    " OR last_synced_at < now() - interval '5 minutes'))"
)
_LIVE_STATE_IS_RECORDED = (
    "SELECT EXISTS (SELECT FROM reconciliation_state WHERE key LIKE 'supervisor.%%')"
)


@dataclass(kw_only=True)
class Stage:
    """A deployment whose table has been synced once, and its running supervisor."""

    demo: Demo
    postmaster: Postmaster
    statsd: StatsdServer
    environment: dict[str, object]
    folder: Path
    stack: ExitStack
    run: RunningCommand

    @property
    def environment_texts(self) -> dict[str, str]:
        """The same environment variables, as text."""
        return {name: str(value) for name, value in self.environment.items()}

    def command(self, *arguments: str) -> EndedCommand:
        """Run a command to its end."""
        with RunningCommand(arguments, environment=self.environment, folder=self.folder) as running:
            return running.end()

    def start(self, *arguments: str, **environment: object) -> RunningCommand:
        """Start a command that ends with the stage."""
        return self.stack.enter_context(
            RunningCommand(
                arguments, environment=self.environment | environment, folder=self.folder
            )
        )

    def ask_health(self) -> HealthReport:
        """Return what `health` would say, without a process of its own."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment_texts.items():
                patch.setenv(name, value)
            return read_health(Settings.load())

    def make_stale(self) -> None:
        """Make every open order stale, since a minute."""
        with self.demo.database.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE orders SET last_synced_at = now() - interval '6 minutes'"
            )


@contextmanager
def a_stage(folder: Path, metrics: Mapping[str, object] | None = None) -> Iterator[Stage]:
    """Set the stage: the table's first sync is over, and the supervisor runs.

    Its metrics go to `stage.statsd`, or to where the settings `metrics` say.
    """
    with ExitStack() as stack:
        demo = stack.enter_context(open_demo(("--weight-limit", "1000000")))
        demo.fill(orders=ORDERS, symbols=SYMBOLS, seed=5)
        statsd = StatsdServer()
        stack.callback(statsd.close)
        environment = {
            **demo.environment,
            **(statsd.environment if metrics is None else metrics),
            "RECONCILIATION_SHARDS": SHARDS,
            "RECONCILIATION_INTERVAL_MS": 500,
            "RECONCILIATION_RETRY_INITIAL_MS": 1,
            "RECONCILIATION_CONTROL_SOCKET": folder / "control.sock",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
        }
        with Postmaster(demo.database_url) as postmaster:
            run = stack.enter_context(
                RunningCommand(("run",), environment=environment, folder=folder)
            )
            wait_until_ready(folder / "control.sock")
            _wait_until(demo.database, _FIRST_SYNC_IS_OVER)
            _wait_until(demo.database, _LIVE_STATE_IS_RECORDED)
            yield Stage(
                demo=demo,
                postmaster=postmaster,
                statsd=statsd,
                environment=environment,
                folder=folder,
                stack=stack,
                run=run,
            )


def _wait_until(database: Database, question: str) -> None:
    """Ask the database again and again until its answer is true."""
    for _ in until_deadline(DEADLINE_SECONDS):
        with database.transaction() as connection:
            if connection.exec_driver_sql(question).scalar_one():
                return
    raise AssertionError(f"never so: {question}")
