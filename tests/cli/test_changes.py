"""`reconciler changes`: the latest changes of all orders, and each new one as it is made."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import psycopg
import pytest
from click.testing import Result
from psycopg.types.json import Jsonb

from .conftest import Invoke

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ADA = {
    "from": {"status": "partial", "status_written": "PARTIALLY_FILLED", "executed_qty": "1.0",
             "avg_price": None},
    "to": {"status": "filled", "status_written": "FILLED", "executed_qty": "2.50",
           "avg_price": "0.1000"},
    "exchange": "binance", "rule": "accepted", "by": "Ada", "fetched_at": "2026-11-24T11:59:59Z",
    "report": {"symbol": "ADAUSDT"},
}  # fmt: skip


@pytest.fixture
def connection(database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def changes(invoke: Invoke, database_url: str) -> Callable[..., Result]:
    """Run the command on the test's database."""
    return lambda *arguments: invoke("changes", *arguments, DATABASE_URL=database_url)


def log(
    connection: "psycopg.Connection[Any]",
    order_id: str = "4711",
    at: datetime = NOON,
    **details: object,
) -> None:
    connection.execute(
        "INSERT INTO activity_log (order_id, action, details, created_at)"
        " VALUES (%s, 'reconciliation.update', %s, %s)",
        (order_id, Jsonb({**ADA, **details}), at),
    )


def test_it_says_when_there_is_nothing(changes: Callable[..., Result]) -> None:
    assert changes().stdout == "nothing was changed\n"
    assert changes("--symbol", "BTCUSDT").stdout == "no change matches that\n"
    assert json.loads(changes("--json").stdout) == {"changes": []}


def test_a_change_is_one_line_in_a_pipe_with_the_users_words_and_ours(
    changes: Callable[..., Result], connection: "psycopg.Connection[Any]"
) -> None:
    log(connection)

    header, line = changes().stdout.splitlines()

    assert header.split() == ["when", "(UTC)", "order", "symbol", "change", "rule", "by"]
    assert " ".join(line.split()) == (
        "2026-11-24 12:00:00 4711 ADAUSDT PARTIALLY_FILLED (partial) -> FILLED (filled),"
        " executed 1 -> 2.5, average - -> 0.1 accepted Ada"
    )


def test_json_has_numbers_as_they_were_written(
    changes: Callable[..., Result], connection: "psycopg.Connection[Any]"
) -> None:
    log(connection)

    (change,) = json.loads(changes("--json").stdout)["changes"]

    assert change["to"] == ADA["to"]
    assert (change["order_id"], change["by"], change["rule"]) == ("4711", "Ada", "accepted")


def test_the_newest_come_first_and_options_choose(
    changes: Callable[..., Result], connection: "psycopg.Connection[Any]"
) -> None:
    now = datetime.now(UTC)
    log(connection, "1", now - timedelta(hours=3))
    log(connection, "2", now - timedelta(hours=1), rule="ended", report={"symbol": "BTCUSDT"})
    log(connection, "3", now, to={"status": "canceled"})

    def found(*options: str) -> list[str]:
        output = json.loads(changes("--json", *options).stdout)
        return [one["order_id"] for one in output["changes"]]

    assert found() == ["3", "2", "1"]
    assert found("--limit", "2") == ["3", "2"]
    assert found("--since", "2h") == ["3", "2"]
    assert found("--since", (now - timedelta(minutes=5)).isoformat()) == ["3"]
    assert found("--symbol", "BTCUSDT") == found("--rule", "ended") == ["2"]
    assert found("--status", "FILLED") == ["2", "1"]
    assert found("--status", "canceled", "--from-status", "PARTIALLY_FILLED") == ["3"]


def test_a_hostile_id_cannot_act_on_the_terminal(
    changes: Callable[..., Result], connection: "psycopg.Connection[Any]"
) -> None:
    log(connection, "\x1b[2J\u202e\n[red]x", report={"symbol": "\x07"})

    text = changes().stdout

    assert "\\x1b[2J\\u202e\\n[red]x" in text
    assert {"\x1b", "\u202e", "\x07"} & set(text) == set()


@pytest.mark.parametrize("option", [["--since", "soon"], ["--rule", "x"], ["--limit", "-1"]])
def test_bad_input_is_refused(changes: Callable[..., Result], option: list[str]) -> None:
    assert changes(*option).exit_code == 2


@contextmanager
def following(database_url: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Follow in a real process; end it if the test has not."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "reconciler", "changes", "--follow", *options],
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


def next_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip()


def test_it_follows_in_the_order_of_commits_and_ctrl_c_ends_it_with_code_0(
    connection: "psycopg.Connection[Any]", database_url: str
) -> None:
    log(connection, "1")
    log(connection, "2")
    with following(database_url, "--json", "--limit", "1") as process:
        found = [json.loads(next_line(process.stdout))["order_id"]]
        with psycopg.connect(database_url) as slow:
            log(slow, "early id")
            log(connection, "late id")
            found.append(json.loads(next_line(process.stdout))["order_id"])
        found.append(json.loads(next_line(process.stdout))["order_id"])
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)

    assert found == ["2", "late id", "early id"]
    assert (process.returncode, rest, errors) == (0, "", "")


def test_it_says_that_there_is_nothing_yet_and_survives_a_lost_session(
    connection: "psycopg.Connection[Any]", database_url: str
) -> None:
    with following(database_url) as process:
        assert next_line(process.stderr) == "nothing was changed yet; waiting for one ..."
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'reconciler changes%'"
        )
        assert "waiting until it does" in next_line(process.stderr)
        assert next_line(process.stderr) == "the database answers again"
        log(connection, "after")
        assert "  after  ADAUSDT  " in next_line(process.stdout)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)

    assert process.returncode == 0
