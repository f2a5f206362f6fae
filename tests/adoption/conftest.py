"""A platform's table in an empty database, a paper exchange, and the command on both."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from reconciler.paper.process import PaperProcess
from tests.adoption.environment import AdoptedTable
from tests.adoption.platforms import Platform
from tests.cli.conftest import invoke
from tests.e2e.commands import RunningCommand
from tests.store.conftest import EMPTY

__all__ = ["invoke"]

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"

# The requests of one test must not use up the rate limit of the next.
AMPLE = ("--weight-limit", "1000000")

Adopt = Callable[[Platform], AdoptedTable]
Start = Callable[..., RunningCommand]


@pytest.fixture(scope="session")
def paper() -> Iterator[PaperProcess]:
    """An exchange of this test process."""
    with PaperProcess(api_key=KEY, api_secret=SECRET, options=AMPLE) as paper:
        yield paper


@pytest.fixture(scope="session")
def _shared_database_url(postgres_url: str) -> str:
    name = f"adoption_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres_url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def adopt(_shared_database_url: str, paper: PaperProcess) -> Iterator[Adopt]:
    """Make a platform's table in an empty database."""
    with psycopg.connect(_shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)

        def adopt_platform(platform: Platform) -> AdoptedTable:
            table = AdoptedTable(
                platform=platform,
                url=_shared_database_url,
                connection=connection,
                exchange=paper,
            )
            table.create()
            return table

        yield adopt_platform


@pytest.fixture
def start(_shared_database_url: str, paper: PaperProcess, tmp_path: Path) -> Iterator[Start]:
    """Start a command with a configuration file: `start(path, "run", "--once")`."""
    with ExitStack() as running:

        def start_command(file: Path, *arguments: str) -> RunningCommand:
            environment = {
                "DATABASE_URL": _shared_database_url,
                "EXCHANGE_NAME": "paper",
                "EXCHANGE_BASE_URL": paper.url,
                "EXCHANGE_API_KEY": KEY,
                "EXCHANGE_API_SECRET": SECRET,
                "RECONCILIATION_CONFIG": file,
                "RECONCILIATION_SHARDS": 1,
                "LOG_FORMAT": "json",
            }
            return running.enter_context(
                RunningCommand(arguments, environment=environment, folder=tmp_path)
            )

        yield start_command
