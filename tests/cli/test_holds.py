"""`reconciler holds`, `halt` and `account`: what a person decides, and what is refused."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from reconciler.paper.exchange import PaperExchange
from reconciler.store.database import Database
from reconciler.store.stale import StaleOrders
from reconciler.store.tables import find_orders

from .conftest import Invoke

Connection = psycopg.Connection[dict[str, Any]]
Command = Callable[..., Result]

ROW = {"status": "new", "executed_qty": "0", "avg_price": None}
REPORT = {
    "symbol": "BTCUSDT",
    "external_order_id": "9",
    "word": "FILLED",
    "status": "filled",
    "executed_qty": "1.5",
    "avg_price": "100.123456789",
}
NOTHING_FILLED = {**REPORT, "executed_qty": "0", "avg_price": None}
TOO_LITTLE = {**REPORT, "executed_qty": "0.000000001"}
UNKNOWN = {**REPORT, "word": "HALTED", "status": None}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def command(invoke: Invoke, database_url: str) -> Command:
    """Run a command on the test's database: `command("holds", "list")`."""

    def command(*arguments: str, **environment: str) -> Result:
        return invoke(*arguments, DATABASE_URL=database_url, **environment)

    return command


def hold(
    connection: Connection,
    order_id: int = 1,
    reason: str = "conflict",
    report: Mapping[str, Any] | None = REPORT,
) -> None:
    """Put an order on hold for an hour, with its row as it was then."""
    connection.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status)"
        " VALUES (%s, 'BTCUSDT', '9', 'new')",
        (order_id,),
    )
    connection.execute(
        "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
        " next_attempt_at, row_facts, report)"
        " VALUES (%s, %s, 'odd', 2, now(), now() + interval '1 hour', %s, %s)",
        (str(order_id), reason, Jsonb(ROW), None if report is None else Jsonb(report)),
    )


def written(connection: Connection) -> tuple[Any, ...]:
    """Return all that a decision could have written."""
    return tuple(
        connection.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()  # noqa: S608 - the names above
        for table in ("orders", "activity_log", "reconciliation_holds", "reconciliation_state")
    )


def test_an_empty_list_says_so(command: Command) -> None:
    result = command("holds", "list")

    assert (result.exit_code, result.stdout) == (0, "no order is on hold\n")


def test_a_list_shows_what_is_in_force_and_on_demand_what_has_ended(
    command: Command, connection: Connection
) -> None:
    for order_id, reason in ((1, "conflict"), (2, "not_found"), (3, "error")):
        hold(connection, order_id, reason)
    command("holds", "dismiss", "3", "--by", "Ada")

    def listed(*options: str) -> list[str]:
        told = json.loads(command("holds", "list", "--json", *options).stdout)
        return [one["order_id"] for one in told["holds"]]

    assert listed() == ["1", "2"]
    assert listed("--all") == ["1", "2", "3"]
    assert listed("--reason", "not_found") == ["2"]
    assert "dismissed by Ada" in command("holds", "list", "--all").stdout


def test_show_tells_the_row_and_the_exchanges_view(
    command: Command, connection: Connection
) -> None:
    hold(connection)

    text = command("holds", "show", "1").stdout
    told = json.loads(command("holds", "show", "1", "--json").stdout)

    assert "new, 0 executed" in text
    assert "FILLED, 1.5 executed" in text
    assert (told["row_facts"], told["report"]) == (ROW, REPORT)


def test_accept_writes_the_exchanges_view_once_and_in_the_persons_name(
    command: Command, connection: Connection
) -> None:
    hold(connection)

    result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "order 1 is now filled, 1.5 executed at 100.12345679, accepted by Ada\n"
    )
    (orders, (entry,), (ended,), _) = written(connection)
    assert (orders[0]["status"], str(orders[0]["avg_price"])) == ("filled", "100.12345679")
    assert (entry["details"]["by"], entry["details"]["rule"]) == ("Ada", "accepted")
    assert entry["details"]["from"] == ROW
    assert entry["details"]["to"]["avg_price"] == "100.12345679"
    assert ended["resolution"] == "accepted by Ada"
    assert ended["resolved_at"] is not None


@pytest.mark.parametrize(
    ("reason", "report", "executed"),
    [("not_found", None, "0E-8"), ("unknown_status", UNKNOWN, "1.50000000")],
)
def test_accept_writes_the_status_that_the_person_names(
    reason: str,
    report: Mapping[str, Any] | None,
    executed: str,
    command: Command,
    connection: Connection,
) -> None:
    hold(connection, reason=reason, report=report)

    result = command("holds", "accept", "1", "--by", "Ada", "--status", "canceled")

    assert result.exit_code == 0, result.stderr
    ((order,), (entry,), _, _) = written(connection)
    assert (order["status"], str(order["executed_qty"])) == ("canceled", executed)
    assert entry["details"]["by"] == "Ada"


@pytest.mark.parametrize(
    ("reason", "report", "arguments", "told"),
    [
        ("conflict", REPORT, ("accept", "1"), "give yours with --by"),
        ("conflict", REPORT, ("accept", "1", "--by", " "), "give yours with --by"),
        ("conflict", REPORT, ("dismiss", "1"), "give yours with --by"),
        ("conflict", REPORT, ("accept", "2", "--by", "Ada"), "order 2 has never been on hold"),
        ("conflict", REPORT, ("dismiss", "2", "--by", "Ada"), "order 2 has never been on hold"),
        ("conflict", REPORT, ("show", "2"), "order 2 has never been on hold"),
        ("not_found", None, ("accept", "1", "--by", "Ada"), "name the one that is true"),
        ("unknown_status", UNKNOWN, ("accept", "1", "--by", "Ada"), "name the one that is true"),
        (
            "conflict",
            REPORT,
            ("accept", "1", "--by", "Ada", "--status", "filled"),
            "leave --status away",
        ),
        (
            "not_found",
            None,
            ("accept", "1", "--by", "Ada", "--status", "filled"),
            "would be filled with nothing executed",
        ),
        (
            "unknown_status",
            {**UNKNOWN, "executed_qty": "0"},
            ("accept", "1", "--by", "Ada", "--status", "filled"),
            "write status, executed_qty and avg_price into the row yourself",
        ),
        (
            "conflict",
            NOTHING_FILLED,
            ("accept", "1", "--by", "Ada"),
            "would be filled with nothing executed",
        ),
        (
            "conflict",
            {**NOTHING_FILLED, "status": "partial"},
            ("accept", "1", "--by", "Ada"),
            "would be partial with nothing executed",
        ),
        (
            "conflict",
            TOO_LITTLE,
            ("accept", "1", "--by", "Ada"),
            "would be filled with nothing executed",
        ),
        ("error", None, ("accept", "1", "--by", "Ada"), "no view of the exchange to accept"),
        ("crashed_worker", None, ("accept", "1", "--by", "Ada"), "reconciler holds dismiss"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(  # noqa: PLR0917 - a table of cases
    reason: str,
    report: Mapping[str, Any] | None,
    arguments: tuple[str, ...],
    told: str,
    command: Command,
    connection: Connection,
) -> None:
    hold(connection, reason=reason, report=report)
    before = written(connection)

    result = command("holds", *arguments)

    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stdout == ""
    assert written(connection) == before


@pytest.mark.parametrize(
    ("move", "told"),
    [
        ("status = 'partial', executed_qty = 1, avg_price = 90", "partial, 1 executed at 90"),
        ("status = 'canceled'", "canceled, 0 executed"),
    ],
)
def test_accept_on_an_order_that_moved_is_refused_with_its_present_state(
    move: str, told: str, command: Command, connection: Connection
) -> None:
    hold(connection)
    connection.execute(f"UPDATE orders SET {move}".encode())  # noqa: S608 - the cases above
    before = written(connection)

    result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert f"it is now {told}" in result.stderr
    assert written(connection) == before


def test_accept_on_an_order_with_a_status_of_the_applications_own_says_that(
    command: Command, connection: Connection
) -> None:
    hold(connection)
    connection.execute("ALTER TABLE orders DROP CONSTRAINT orders_status_check")
    connection.execute("UPDATE orders SET status = 'disputed'")

    result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert "a status of the application's own" in result.stderr


def test_accept_on_a_locked_row_waits_for_nobody_and_says_so(
    command: Command, connection: Connection, database_url: str
) -> None:
    hold(connection)
    before = written(connection)
    with psycopg.connect(database_url) as application:
        application.execute("SELECT FROM orders WHERE id = 1 FOR UPDATE")

        result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert "locked by somebody else" in result.stderr
    assert written(connection) == before


@pytest.mark.parametrize("verb", ["accept", "dismiss"])
def test_a_hold_that_has_ended_is_refused_and_tells_how_it_ended(
    verb: str, command: Command, connection: Connection
) -> None:
    hold(connection)
    command("holds", "dismiss", "1", "--by", "Ada")
    before = written(connection)

    result = command("holds", verb, "1", "--by", "Bob")

    assert result.exit_code == 1
    assert "order 1 is no longer on hold: dismissed by Ada at 2" in result.stderr
    assert written(connection) == before


def test_dismiss_lets_the_order_be_tried_again_at_once(
    command: Command, connection: Connection, database: Database
) -> None:
    hold(connection)
    waiting = stale_ids(database)

    result = command("holds", "dismiss", "1", RECONCILER_OPERATOR="Ada")

    assert result.exit_code == 0
    assert "was dismissed by Ada" in result.stdout
    assert (waiting, stale_ids(database)) == ([], [1])


def stale_ids(database: Database) -> list[object]:
    with database.transaction() as connection:
        stale = StaleOrders(find_orders(connection), stale_after=timedelta(minutes=5))
        return [order.id for order in stale.read_page(connection, 10).orders]


def test_the_halt_is_shown_and_released_by_a_named_person(
    command: Command, connection: Connection
) -> None:
    off = command("halt", "status")
    connection.execute(
        "INSERT INTO reconciliation_state VALUES ('halt', %s, now(), 'supervisor')",
        (Jsonb({"reason": "all vanished"}),),
    )
    on = command("halt", "status")
    as_json = command("halt", "status", "--json")
    nameless = command("halt", "release")
    still_on = command("halt", "status")
    release = command("halt", "release", "--by", "Ada")

    assert (off.exit_code, off.stdout) == (0, "the halt is off\n")
    assert (on.exit_code, on.stdout) == (1, "the halt is on: all vanished\n")
    assert json.loads(as_json.stdout) == {"is_on": True, "reason": "all vanished"}
    assert (nameless.exit_code, still_on.exit_code) == (1, 1)
    assert (release.exit_code, release.stdout) == (0, "the halt was released by Ada\n")
    assert command("halt", "status").exit_code == 0
    assert command("halt", "release", "--by", "Ada").stdout == "the halt is not on\n"


def test_the_account_is_shown_and_another_is_confirmed_by_a_named_person(
    command: Command, connection: Connection, exchange_environment: Mapping[str, str]
) -> None:
    unknown = command("account", "show", **exchange_environment)
    connection.execute(
        "INSERT INTO reconciliation_state VALUES ('account.paper', %s, now(), 'supervisor')",
        (Jsonb({"identity": "another"}),),
    )
    known = command("account", "show", **exchange_environment)
    nameless = command("account", "confirm", **exchange_environment)
    untouched = written(connection)[3]
    confirmed = command("account", "confirm", "--by", "Ada", **exchange_environment)

    (row,) = written(connection)[3]
    assert unknown.stdout == "no account at paper is remembered yet\n"
    assert known.stdout == "the orders are of account another at paper\n"
    assert nameless.exit_code == 1
    assert untouched[0]["value"] == {"identity": "another"}
    assert confirmed.exit_code == 0, confirmed.stderr
    assert f"of account {row['value']['identity']}, confirmed by Ada" in confirmed.stdout
    assert (row["value"]["identity"] != "another", row["changed_by"]) == (True, "Ada")


def test_no_account_is_confirmed_that_the_exchange_did_not_name(
    command: Command,
    connection: Connection,
    exchange_environment: Mapping[str, str],
    exchange: PaperExchange,  # noqa: ARG001 - it answers
) -> None:
    wrong = {**exchange_environment, "EXCHANGE_API_SECRET": "wrong"}

    result = command("account", "confirm", "--by", "Ada", **wrong)

    assert result.exit_code == 78
    assert written(connection)[3] == []
