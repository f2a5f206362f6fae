"""A real database, a real exchange, and the real command as a process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database

from .commands import RunningCommand

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"

# On a busy machine late answers may open a breaker: an endless run then soon goes on.
SOON_HALF_OPEN: dict[str, object] = {"RECONCILIATION_BREAKER_OPEN_MS": 1000}

# The requests of one test must not use up the rate limit of the next.
AMPLE = ("--weight-limit", "1000000")


@pytest.fixture(scope="session")
def paper() -> Iterator[PaperProcess]:
    """An exchange of this test process."""
    with PaperProcess(api_key=KEY, api_secret=SECRET, options=AMPLE) as paper:
        yield paper


@pytest.fixture
def demo(database: Database, database_url: str, paper: PaperProcess) -> Iterator[Demo]:
    """A database of this test without orders, and the exchange without faults."""
    yield Demo(
        database=database,
        database_url=database_url,
        exchange=paper,
        api_key=SecretStr(KEY),
        api_secret=SecretStr(SECRET),
    )
    paper.clear_faults()


Start = Callable[..., RunningCommand]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start commands: `start("run", "--once", NAME=value)`. They end with the test."""
    with ExitStack() as running:

        def start_command(*arguments: str, **environment: object) -> RunningCommand:
            return running.enter_context(
                RunningCommand(arguments, environment={**environment}, folder=tmp_path)
            )

        yield start_command
    assert not [thread for thread in threading.enumerate() if thread.name == "listener"]


@pytest.fixture
def reconcile(start: Start, demo: Demo) -> Start:
    """Start `reconciler run` on the demo's database and exchange, with its log as JSON lines."""

    def start_run(*arguments: str, **environment: object) -> RunningCommand:
        endless = {} if "--once" in arguments else SOON_HALF_OPEN
        return start("run", *arguments, **(settings_of(demo) | endless | environment))

    return start_run


def settings_of(demo: Demo) -> dict[str, object]:
    """Return the environment variables for a demo. Retries are short."""
    return {
        **demo.environment,
        "RECONCILIATION_SHARDS": 2,
        "RECONCILIATION_RETRY_INITIAL_MS": 1,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
    }
