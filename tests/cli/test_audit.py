"""`reconciler audit`: the history of an order, as a table or as JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from reconciler.cli.audit import entry_cells
from reconciler.store.activity import ACTION, Activity

from .conftest import Invoke

NOW = datetime(2026, 11, 24, 12, 30, 15, 250_000, tzinfo=UTC)
DETAILS: dict[str, Any] = {
    "from": {"status": "new", "executed_qty": "0", "avg_price": None},
    "to": {"status": "filled", "executed_qty": "1.50000000", "avg_price": "100.25000000"},
    "exchange": "paper",
    "rule": "ended",
    "fetched_at": "2026-11-24T12:30:15.125Z",
    "report": {"symbol": "BTCUSDT"},
}


@pytest.fixture
def connection(database_url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def put_order(connection: "psycopg.Connection[tuple[Any, ...]]", order_id: int) -> None:
    connection.execute(
        "INSERT INTO orders (id, symbol, status) VALUES (%s, 'BTCUSDT', 'filled')", (order_id,)
    )


def log_change(connection: "psycopg.Connection[tuple[Any, ...]]", order_id: str) -> None:
    connection.execute(
        "INSERT INTO activity_log (order_id, action, details, created_at) VALUES (%s, %s, %s, %s)",
        (order_id, ACTION, Jsonb(DETAILS), NOW),
    )


def test_a_changed_order_shows_when_what_rule_and_exchange(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    put_order(connection, 7)
    log_change(connection, "7")

    result = invoke("audit", "7", DATABASE_URL=database_url)

    assert result.exit_code == 0
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "Order 7, which is now filled",
        "                                          exchange",
        "when (UTC)    change               rule   fetched at",
        "2026-11-24    new -> filled        ended  paper",
        "12:30:15.250  executed 0 -> 1.5           12:30:15.125",
        "              average - -> 100.25",
    ]


def test_json_is_the_log_as_it_was_written(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    put_order(connection, 7)
    log_change(connection, "7")

    result = invoke("audit", "7", "--json", DATABASE_URL=database_url)

    output = json.loads(result.stdout)
    assert (output["order_id"], output["status"]) == ("7", "filled")
    assert [entry["details"] for entry in output["entries"]] == [DETAILS]


def test_an_order_that_has_been_deleted_still_has_its_history(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    log_change(connection, "8")

    result = invoke("audit", "8", DATABASE_URL=database_url)

    assert result.exit_code == 0
    assert "Order 8, which is no longer in orders" in result.stdout
    assert "new -> filled" in result.stdout


def test_an_order_that_was_never_changed_says_so(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    put_order(connection, 9)

    result = invoke("audit", "9", DATABASE_URL=database_url)

    assert result.exit_code == 0
    assert result.stdout == "order 9 is now filled; the reconciler has never changed it\n"


@pytest.mark.parametrize(
    "order_id",
    ["10", "99999999999999999999", "0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11"],
    ids=["integer", "too large for any row", "uuid"],
)
def test_an_unknown_order_is_exit_code_1(
    invoke: Invoke, ready_database_url: str, order_id: str
) -> None:
    result = invoke("audit", order_id, DATABASE_URL=ready_database_url)
    as_json = invoke("audit", order_id, "--json", DATABASE_URL=ready_database_url)

    assert result.exit_code == 1
    assert f"order {order_id} is not known" in result.stderr
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout) == {"order_id": order_id, "status": None, "entries": []}


def test_a_uuid_is_found_however_it_is_written(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    order_id = UUID("0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11")
    log_change(connection, str(order_id))
    connection.execute("DROP TABLE orders")
    connection.execute(
        "CREATE TABLE orders (id uuid PRIMARY KEY, symbol text, external_order_id text, status"
        " text, executed_qty numeric, avg_price numeric, last_synced_at timestamptz)"
    )
    connection.execute("INSERT INTO orders (id, status) VALUES (%s, 'new')", (order_id,))

    result = invoke("audit", str(order_id).upper(), DATABASE_URL=database_url)

    assert f"Order {order_id}, which is now new" in result.stdout


def test_a_history_is_shown_without_a_suitable_orders_table(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    log_change(connection, "8")
    connection.execute("DROP TABLE orders")

    result = invoke("audit", "8", DATABASE_URL=database_url)

    assert result.exit_code == 0
    assert "new -> filled" in result.stdout


def test_a_database_without_our_tables_is_code_78(invoke: Invoke, empty_database_url: str) -> None:
    result = invoke("audit", "8", DATABASE_URL=empty_database_url)

    assert result.exit_code == 78
    assert "activity_log" in result.stderr
    assert "hint: run: reconciler" in result.stderr


@pytest.mark.parametrize("order_id", ["BTCUSDT", "1.5", "١٢", "0x10", "12;drop table orders", ""])
def test_an_invalid_order_id_is_a_usage_error(
    invoke: Invoke, ready_database_url: str, order_id: str
) -> None:
    result = invoke("audit", order_id, DATABASE_URL=ready_database_url)

    assert result.exit_code == 2
    assert "is neither an integer nor a uuid" in result.stderr


def test_what_the_application_logged_itself_is_shown_by_its_name() -> None:
    entry = Activity(
        id=1, order_id="8", action="placed", details={"by": "somebody"}, created_at=NOW
    )

    assert entry_cells(entry) == ("2026-11-24\n12:30:15.250", "placed", "", "")


def test_the_program_that_changed_an_order_is_shown_by_its_scope() -> None:
    entry = Activity(
        id=1, order_id="8", action=ACTION, details={**DETAILS, "scope": "vip"}, created_at=NOW
    )

    assert entry_cells(entry)[3] == "paper (vip)\n12:30:15.125"


WHOLE: dict[str, Any] = {
    **DETAILS,
    "report": {
        "symbol": "BTCUSDT",
        "external_order_id": "9",
        "word": "FILLED",
        "status": "filled",
        "executed_qty": "1.5",
        "avg_price": "100.25",
    },
}
ACCEPTED = {**WHOLE, "rule": "accepted", "by": "Ada"}
TAMPERED = {**WHOLE, "to": {**WHOLE["to"], "executed_qty": "2"}}


def log_details(
    connection: "psycopg.Connection[tuple[Any, ...]]", *details: dict[str, Any]
) -> None:
    for number, one in enumerate(details, 1):
        connection.execute(
            "INSERT INTO activity_log (order_id, action, details, created_at)"
            " VALUES (%s, %s, %s, %s)",
            (str(number), ACTION, Jsonb(one), NOW),
        )


def test_a_replay_counts_what_follows_and_what_persons_did(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    log_details(connection, WHOLE, WHOLE, ACCEPTED)

    result = invoke("audit", "--replay", DATABASE_URL=database_url)

    assert result.exit_code == 0
    assert result.stdout == (
        "3 changes: 2 follow from their reports, 1 were made by a person, 0 do not follow\n"
    )


def test_a_replay_lists_each_change_that_does_not_follow(
    invoke: Invoke, database_url: str, connection: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    log_details(connection, WHOLE, TAMPERED, DETAILS)

    result = invoke("audit", "--replay", DATABASE_URL=database_url)
    as_json = invoke("audit", "--replay", "--json", DATABASE_URL=database_url)

    output = json.loads(as_json.stdout)
    assert (result.exit_code, as_json.exit_code) == (1, 1)
    assert "recorded: filled, 2 executed at 100.25 (ended)" in result.stdout
    assert (output["changes"], output["follow"], output["by_person"]) == (3, 1, 0)
    assert [one["order_id"] for one in output["differ"]] == ["2", "3"]
    assert "cannot be read" in output["differ"][1]["difference"]


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (("2",), 1),
        (("--since", "2026-11-24"), 2),
        (("--since", "2026-11-25"), 0),
        (("--until", "2026-11-24T12:30:15.250Z"), 0),
        (("--since", "2026-11-24T13:30:15+01:00", "--until", "2026-11-25"), 2),
    ],
)
def test_a_replay_can_be_limited_to_an_order_or_a_time(
    arguments: tuple[str, ...],
    changes: int,
    invoke: Invoke,
    database_url: str,
    connection: "psycopg.Connection[tuple[Any, ...]]",
) -> None:
    log_details(connection, WHOLE, WHOLE)

    result = invoke("audit", "--replay", "--json", *arguments, DATABASE_URL=database_url)

    assert json.loads(result.stdout)["changes"] == changes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name an order, or give --replay"),
        (("7", "--since", "2026-11-24"), "go with --replay"),
        (("--replay", "--since", "yesterday"), "'yesterday' is not a time"),
        (("--replay", "--since", "2026-11-24", "--until", "2026-11-24"), "must be earlier"),
    ],
)
def test_an_audit_that_asks_for_nothing_is_a_usage_error(
    arguments: tuple[str, ...], message: str, invoke: Invoke
) -> None:
    result = invoke("audit", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
