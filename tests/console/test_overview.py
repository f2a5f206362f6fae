"""The overview follows a real supervisor and a real database, and survives the death of both."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg import sql
from pydantic import SecretStr

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database

from .conftest import OpenPage, StartConsole
from .processes import RunningConsole


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperProcess]:
    with PaperProcess(api_key="key", api_secret="secret") as paper:
        yield paper


@pytest.fixture
def demo(database: Database, database_url: str, paper: PaperProcess) -> Demo:
    return Demo(
        database=database,
        database_url=database_url,
        exchange=paper,
        api_key=SecretStr("key"),
        api_secret=SecretStr("secret"),
    )


@pytest.fixture
def environment(demo: Demo, tmp_path: Path) -> dict[str, str]:
    """The settings of the supervisor and of the console."""
    return {
        **demo.environment,
        "RECONCILIATION_CONTROL_SOCKET": str(tmp_path / "control.sock"),
        "RECONCILIATION_SHARDS": "2",
        "RECONCILIATION_INTERVAL_MS": "1000",
    }


@contextmanager
def _supervisor(environment: dict[str, str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "run"],
            env={**os.environ, **environment},
            cwd=folder,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(300)


def test_the_overview_follows_the_supervisor_and_survives_its_death_and_the_databases(
    demo: Demo,
    environment: dict[str, str],
    start_console: StartConsole,
    open_page: OpenPage,
    tmp_path: Path,
) -> None:
    demo.fill(orders=300, symbols=3, seed=1)
    console = start_console(**environment)
    page = open_page(console)
    expect(page.locator("#verdict")).to_contain_text("none runs")
    expect(page.locator("#verdict")).to_contain_text("reconciler run")

    with _supervisor(environment, tmp_path) as supervisor:
        expect(page.locator("#shards tbody tr")).to_have_count(2)
        expect(page.locator("#facts")).to_contain_text("running")
        expect(page.locator("#cycles tbody tr").first).to_contain_text("300")
        expect(page.locator("#transitions")).to_contain_text("filled")
        expect(page.locator("#verdict-title")).to_contain_text("Orders are right")
        expect(page.locator(".uplot")).to_have_count(2)
        supervisor.kill()
        supervisor.wait()

        expect(page.locator("#banners")).to_contain_text("No supervisor answers")
        expect(page.locator("#facts")).to_contain_text("last seen")
        expect(page.locator("#shards tbody tr")).to_have_count(2)

    with _database_away(demo.database_url):
        expect(page.locator("#verdict")).to_contain_text("does not answer")
        expect(page.locator("#facts")).to_contain_text("unknown")
        expect(page.locator("#verdict-title")).to_contain_text("Not known")
        expect(page.locator("#cycles")).to_contain_text("the database does not answer")
        expect(page.locator("#cycles tbody tr").first).to_contain_text("300")

    expect(page.locator("#verdict")).not_to_contain_text("does not answer")
    _expect_no_bug(console)


def test_a_page_says_so_when_the_console_has_ended(
    start_console: StartConsole, open_page: OpenPage
) -> None:
    own = start_console(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    page = open_page(own, allowed_error=re.compile("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE"))
    _wait_for_events(page)

    assert own.end() == 0

    expect(page.get_by_text("The console does not answer")).to_be_visible()


def test_an_open_stream_of_events_does_not_delay_the_end(start_console: StartConsole) -> None:
    console = start_console(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    with console.signed_in() as client, client.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"

        assert console.end() == 0


def test_events_tell_of_each_newer_snapshot(client: httpx.Client) -> None:
    with client.stream("GET", "/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        numbers = (line for line in stream.iter_lines() if line.startswith("data: "))

        first, second = next(numbers), next(numbers)

    assert int(second.split()[1]) > int(first.split()[1])


def test_the_history_has_only_what_came_after(client: httpx.Client) -> None:
    with client.stream("GET", "/events") as stream:
        next(line for line in stream.iter_lines() if line.startswith("data: "))
    whole = client.get("/overview/history").json()["seen"]["at"]

    rest = client.get("/overview/history", params={"after": whole[-1]}).json()["seen"]["at"]
    nonsense = client.get("/overview/history", params={"after": "nan;"})

    assert [at for at in rest if at <= whole[-1]] == []
    assert nonsense.status_code == 200


def _wait_for_events(page: Page) -> None:
    with page.expect_response(lambda answer: answer.url.endswith("/")):
        pass


@contextmanager
def _database_away(url: str) -> Iterator[None]:
    """Let nobody connect to a database, and end all its sessions."""
    name = url.partition("?")[0].rpartition("/")[2]
    server = url.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        connection.execute(alter.format(sql.Identifier(name), sql.SQL("false")))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(alter.format(sql.Identifier(name), sql.SQL("true")))


def _expect_no_bug(console: RunningConsole) -> None:
    assert "console.poll_failed" not in console.log
    assert "console.page_failed" not in console.log
