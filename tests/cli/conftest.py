"""Fixtures of the command line's tests: run it in this process, or as a process of its own."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import structlog
from click.testing import CliRunner, Result
from psycopg import sql

from reconciler.cli.app import cli
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.server import new_exchange, serve_in_thread

Invoke = Callable[..., Result]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]

API_KEY = "the-key-of-the-tests"
API_SECRET = "the-secret-of-the-tests"
NOWHERE = "http://127.0.0.1:1"
"""An address of this machine where nothing listens."""


@pytest.fixture
def invoke() -> Iterator[Invoke]:
    """Run the command line in this process: `invoke("check", "--json", LOG_LEVEL="DEBUG")`.

    `typed` is what a person types.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def invoke(*arguments: str, typed: str | None = None, **environment: str | None) -> Result:
        return CliRunner().invoke(
            cli, arguments, input=typed, env=environment, prog_name="reconciler"
        )

    yield invoke
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def run() -> RunCommand:
    """Run the command line as a process of its own, with the environment that is given."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "reconciler", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def exchange() -> PaperExchange:
    """A paper exchange that requires signed requests."""
    return new_exchange(access=AccessPolicy(api_key=API_KEY, api_secret=API_SECRET))


@pytest.fixture
def exchange_environment(exchange: PaperExchange) -> Iterator[Mapping[str, str]]:
    """The settings for `exchange`, as a server that answers."""
    with serve_in_thread(exchange) as url:
        yield {
            "EXCHANGE_NAME": "paper",
            "EXCHANGE_BASE_URL": url,
            "EXCHANGE_API_KEY": API_KEY,
            "EXCHANGE_API_SECRET": API_SECRET,
        }


@pytest.fixture
def as_role(database_url: str) -> Iterator[Callable[[str], str]]:
    """Make a role with a password and the rights that the statements grant; return its URL.

    In a statement `{role}` is the role's name. The server asks this role for its password.
    """
    role = f"role_{os.getpid()}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'right'").format(sql.Identifier(role))
        )
        _ask_for_password(connection, database_url, role)

        def grant(*statements: str) -> str:
            for statement in statements:
                connection.execute(statement.format(role=role).encode())
            return url_as(database_url, role, "right")

        yield grant
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def url_as(database_url: str, role: str, password: str) -> str:
    """Return the URL for another role."""
    return database_url.replace("//postgres:@", f"//{role}:{password}@")


def _ask_for_password(
    connection: "psycopg.Connection[tuple[object, ...]]", database_url: str, role: str
) -> None:
    """Make the server, which trusts every role, ask this one for a password; wait until it does."""
    folder = parse_qs(urlsplit(database_url).query)["host"][0]
    rule = f"local all {role} scram-sha-256\n"
    with open(f"{folder}/pg_hba.conf", "r+", encoding="utf-8") as file:  # noqa: PTH123 - the server's own file, as the wheel names it
        rules = file.read()
        if rule not in rules:
            file.seek(0)
            file.write(rule + rules)
    connection.execute("SELECT pg_reload_conf()")
    until = time.monotonic() + 10
    while _is_let_in(url_as(database_url, role, "wrong")):
        assert time.monotonic() < until, "the server does not ask for the password"


def _is_let_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
