"""`reconciler health`: a verdict for Nagios, from the supervisor or from the database."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

from reconciler.health_report import recorded
from reconciler.telemetry.health import HostState, LastHour, Vitals

from .conftest import Invoke
from .fake_control_server import FakeControlServer

Ask = Callable[..., Result]

HOST = HostState(host="trading-1", instance="aa", shards=4, budget_per_minute=3000)
HEALTHY = Vitals(
    last_hour=LastHour(
        scanned=400, discrepancies=2, last_run_age_seconds=12, slowest_duration_ms=2100
    ),
    hosts=(HOST,),
)
UNHEALTHY = Vitals(
    last_hour=LastHour(last_run_age_seconds=12, slowest_duration_ms=12_000),
    hosts=(replace(HOST, breakers_open=1, account_fault="the exchange | says:\nno"),),
)


@pytest.fixture
def control_server(tmp_path: Path) -> Iterator[FakeControlServer]:
    with FakeControlServer(tmp_path / "control.sock") as control_server:
        yield control_server


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    return str(tmp_path / "nobody.sock")


@pytest.fixture
def ask_database(invoke: Invoke, database_url: str, nowhere: str) -> Ask:
    """Ask for the health where no supervisor answers: `ask_database("--json")`."""

    def ask(*arguments: str) -> Result:
        environment = {"DATABASE_URL": database_url, "RECONCILIATION_CONTROL_SOCKET": nowhere}
        return invoke("health", *arguments, **environment)

    return ask


def record_a_cycle(database_url: str, *, minutes_ago: float, errors: int = 0) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciliation_cycles (host, started_at, finished_at, duration_ms,"
            " scanned, reconciled, discrepancies, errors, held, skipped_locked, requests, weight,"
            " transitions) SELECT 'trading-1', moment, moment, 2100, 400, 400, 2, %s, 0, 0, 1, 1,"
            " '{}' FROM (SELECT now() - %s * interval '1 minute' AS moment) AS finished",
            (errors, minutes_ago),
        )


@pytest.mark.parametrize(
    ("vitals", "code", "line"),
    [
        (HEALTHY, 0, "RECONCILER OK - last run: 12 s ago"),
        (
            Vitals(
                last_hour=LastHour(last_run_age_seconds=61),
                hosts=(replace(HOST, breakers_half_open=1),),
            ),
            1,
            "RECONCILER WARNING - breakers: 1 half-open; last run: 1 min 1 s ago",
        ),
        (
            UNHEALTHY,
            2,
            "RECONCILER CRITICAL - accounts: the exchange / says: no; breakers: 1 open",
        ),
        (
            Vitals(),
            3,
            "RECONCILER UNKNOWN - supervisor: none runs; last run: no cycle has been recorded yet",
        ),
    ],
    ids=["healthy", "warning", "critical", "unknown"],
)
def test_the_first_line_and_the_code_are_what_nagios_reads(
    invoke: Invoke, control_server: FakeControlServer, vitals: Vitals, code: int, line: str
) -> None:
    control_server.answers["health"] = vitals

    result = invoke("health", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert (result.exit_code, result.stderr) == (code, "")
    assert result.stdout.splitlines()[0] == line


def test_all_rows_follow_with_their_grades(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["health"] = HEALTHY

    result = invoke("health", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert [" ".join(line.split()) for line in result.stdout.splitlines()[1:]] == [
        "breakers all closed healthy",
        "cycle duration 2.1 s, the slowest of the last hour healthy",
        "discrepancy rate 0.5% of 400 orders in the last hour healthy",
        "errors 0 in the last hour healthy",
        "last run 12 s ago healthy",
        "rate-limit pause none healthy",
        "halt off healthy",
        "accounts none refused healthy",
        "shards none of 4 parked healthy",
        "database answers healthy",
        "exchange no fault healthy",
        "supervisor 1 running: trading-1 (heard 0 s ago) healthy",
    ]


def test_json_has_the_reasons_the_rows_and_the_source(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["health"] = UNHEALTHY

    result = invoke("health", "--json", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    output = json.loads(result.stdout)
    assert (result.exit_code, output["status"], output["source"]) == (2, "critical", "supervisor")
    assert output["reasons"][1] == {
        "slug": "breakers",
        "name": "breakers",
        "value": "1 open",
        "grade": "critical",
        "command": "reconciler status",
        "runbook": "incident-runbook.md#breakers",
    }
    assert [row["slug"] for row in output["rows"]][:3] == [
        "breakers",
        "cycle_duration",
        "discrepancy_rate",
    ]
    assert output["note"] is None


def test_each_reason_says_what_to_type_and_where_to_read_on(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["health"] = UNHEALTHY

    result = invoke("health", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    shown = [" ".join(line.split()) for line in result.stdout.partition("\n\n")[2].splitlines()]
    assert shown == [
        "reason type read in docs/how-to",
        "accounts reconciler check incident-runbook.md#accounts",
        "breakers reconciler status incident-runbook.md#breakers",
    ]


@pytest.mark.parametrize(
    ("cycle", "code", "reasons"),
    [
        ({"minutes_ago": 0}, 0, []),
        ({"minutes_ago": 2}, 1, ["last run"]),
        ({"minutes_ago": 0, "errors": 21}, 2, ["errors"]),
        ({"minutes_ago": 3000}, 2, ["last run"]),
    ],
    ids=["a moment ago", "two minutes ago", "many errors", "two days ago"],
)
def test_without_a_supervisor_the_recorded_cycles_count(
    ask_database: Ask, database_url: str, cycle: dict[str, int], code: int, reasons: list[str]
) -> None:
    record_a_cycle(database_url, **cycle)

    result = ask_database("--json")

    output = json.loads(result.stdout)
    assert (result.exit_code, output["source"]) == (code, "database")
    assert [row["name"] for row in output["reasons"]] == reasons
    assert output["rows"][0]["slug"] == "breakers"
    assert output["rows"][0]["value"] == "not known: no supervisor has recorded its state"
    assert output["note"].startswith("no supervisor answers at /")


def test_without_a_supervisor_the_halt_is_read_from_the_database(
    ask_database: Ask, database_url: str
) -> None:
    record_a_cycle(database_url, minutes_ago=0)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciliation_state VALUES"
            """ ('halt', '{"reason": "41 of 50 vanished"}', now(), 'supervisor')"""
        )

    result = ask_database()

    assert result.exit_code == 2
    assert result.stdout.startswith("RECONCILER CRITICAL - halt: 41 of 50 vanished\n")


def test_without_any_recorded_cycle_health_is_unknown(ask_database: Ask) -> None:
    result = ask_database()

    assert result.exit_code == 3
    assert result.stdout.startswith(
        "RECONCILER UNKNOWN - supervisor: none runs; last run: no cycle has been recorded yet\n"
    )


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({}, "RECONCILER UNKNOWN - configuration: DATABASE_URL is not set"),
        (
            {"LOG_LEVEL": "loud"},
            "RECONCILER UNKNOWN - configuration: LOG_LEVEL is 'LOUD': input should be",
        ),
        (
            {"DATABASE_URL": "postgresql://me:secret-word@127.0.0.1:1/trading"},
            " - database: the database postgresql://me:***@127.0.0.1:1/trading does not answer",
        ),
    ],
    ids=["no database", "nonsense", "the database is away"],
)
def test_what_prevents_a_verdict_is_code_3_with_its_hint(
    invoke: Invoke, environment: dict[str, str], line: str
) -> None:
    result = invoke("health", **environment)
    as_json = invoke("health", "--json", **environment)

    output = json.loads(as_json.stdout)
    assert (result.exit_code, result.stderr, as_json.exit_code) == (3, "", 3)
    assert line in result.stdout.splitlines()[0]
    assert "\n  hint: " in result.stdout
    assert (output["status"], output["source"], output["rows"]) == ("unknown", None, [])
    assert {row["grade"] for row in output["reasons"]} == {"unknown"}


def test_a_table_that_is_locked_is_code_3_and_not_a_wait_without_end(
    ask_database: Ask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "STATEMENT_SECONDS", 0.5)
    with psycopg.connect(database_url) as migration:
        migration.execute("LOCK TABLE orders")

        result = ask_database()

    assert result.exit_code == 3
    assert "database: the database did not finish a statement" in result.stdout.splitlines()[0]


def test_a_database_without_our_tables_is_code_3(
    invoke: Invoke, empty_database_url: str, nowhere: str
) -> None:
    result = invoke(
        "health", DATABASE_URL=empty_database_url, RECONCILIATION_CONTROL_SOCKET=nowhere
    )

    assert result.exit_code == 3
    assert 'relation "reconciliation_state" does not exist' in result.stdout.splitlines()[0]


def test_a_supervisor_that_refuses_is_code_3(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    result = invoke("health", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert result.exit_code == 3
    assert result.stdout.startswith("RECONCILER UNKNOWN - configuration: no command health\n")
