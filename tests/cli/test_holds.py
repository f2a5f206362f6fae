"""`reconciler holds`, `halt` and `account`: what a person decides, and what is refused."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from reconciler.cli import hold_decisions
from reconciler.cli.ui.progress import CountProgress
from reconciler.paper.exchange import PaperExchange
from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale import StaleOrders

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
        " VALUES (%s, %s, 'suspicious', 2, now(), now() + interval '1 hour', %s, %s)",
        (str(order_id), reason, Jsonb(ROW), None if report is None else Jsonb(report)),
    )


def written(connection: Connection) -> tuple[Any, ...]:
    """Return everything that a decision can write."""
    return tuple(
        connection.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()  # noqa: S608 - the names above
        for table in ("orders", "activity_log", "reconciliation_holds", "reconciliation_state")
    )


def test_a_list_without_holds_says_that_there_is_none(command: Command) -> None:
    result = command("holds", "list")

    assert (result.exit_code, result.stdout) == (0, "no order is on hold\n")


def test_a_list_shows_active_holds_and_with_all_the_ended_ones(
    command: Command, connection: Connection
) -> None:
    for order_id, reason in ((1, "conflict"), (2, "not_found"), (3, "error")):
        hold(connection, order_id, reason)
    command("holds", "dismiss", "3", "--by", "Ada")

    def listed(*options: str) -> list[str]:
        output = json.loads(command("holds", "list", "--json", *options).stdout)
        return [one["order_id"] for one in output["holds"]]

    assert listed() == ["1", "2"]
    assert listed("--all") == ["1", "2", "3"]
    assert listed("--reason", "not_found") == ["2"]
    assert "dismissed by Ada" in command("holds", "list", "--all").stdout


def test_show_prints_the_row_and_the_exchanges_view(
    command: Command, connection: Connection
) -> None:
    hold(connection)

    text = command("holds", "show", "1").stdout
    output = json.loads(command("holds", "show", "1", "--json").stdout)

    assert "new, 0 executed" in text
    assert "FILLED, 1.5 executed" in text
    assert (output["row_facts"], output["report"]) == (ROW, REPORT)


def test_accept_writes_the_exchanges_view_in_a_persons_name(
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
    ("reason", "report", "arguments", "message"),
    [
        ("conflict", REPORT, ("accept", "1"), "give yours with --by"),
        ("conflict", REPORT, ("accept", "1", "--by", " "), "give yours with --by"),
        ("conflict", REPORT, ("dismiss", "1"), "give yours with --by"),
        ("conflict", REPORT, ("accept", "2", "--by", "Ada"), "order 2 has never been on hold"),
        ("conflict", REPORT, ("dismiss", "2", "--by", "Ada"), "order 2 has never been on hold"),
        ("conflict", REPORT, ("show", "2"), "order 2 has never been on hold"),
        ("not_found", None, ("accept", "1", "--by", "Ada"), "name the right one"),
        ("unknown_status", UNKNOWN, ("accept", "1", "--by", "Ada"), "name the right one"),
        (
            "conflict",
            REPORT,
            ("accept", "1", "--by", "Ada", "--status", "filled"),
            "leave --status out",
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
    message: str,
    command: Command,
    connection: Connection,
) -> None:
    hold(connection, reason=reason, report=report)
    before = written(connection)

    result = command("holds", *arguments)

    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""
    assert written(connection) == before


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ("status = 'partial', executed_qty = 1, avg_price = 90", "partial, 1 executed at 90"),
        ("status = 'canceled'", "canceled, 0 executed"),
    ],
)
def test_accept_refuses_a_moved_order_and_shows_its_state(
    move: str, message: str, command: Command, connection: Connection
) -> None:
    hold(connection)
    connection.execute(f"UPDATE orders SET {move}".encode())  # noqa: S608 - the cases above
    before = written(connection)

    result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert f"it is now {message}" in result.stderr
    assert written(connection) == before


def test_accept_names_a_status_of_the_applications_own(
    command: Command, connection: Connection
) -> None:
    hold(connection)
    connection.execute("ALTER TABLE orders DROP CONSTRAINT orders_status_check")
    connection.execute("UPDATE orders SET status = 'disputed'")

    result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert "a status of the application's own" in result.stderr


def test_accept_does_not_wait_for_a_locked_row_and_says_so(
    command: Command, connection: Connection, database_url: str
) -> None:
    hold(connection)
    before = written(connection)
    with psycopg.connect(database_url) as application:
        application.execute("SELECT FROM orders WHERE id = 1 FOR UPDATE")

        result = command("holds", "accept", "1", "--by", "Ada")

    assert result.exit_code == 1
    assert "locked by another session" in result.stderr
    assert written(connection) == before


@pytest.mark.parametrize("verb", ["accept", "dismiss"])
def test_an_ended_hold_is_refused_with_how_it_ended(
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
        stale = StaleOrders(read_orders_table(connection), stale_after=timedelta(minutes=5))
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


def test_the_account_is_shown_and_confirmed_by_a_named_person(
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
    assert known.stdout == "the orders belong to account another at paper\n"
    assert nameless.exit_code == 1
    assert untouched[0]["value"] == {"identity": "another"}
    assert confirmed.exit_code == 0, confirmed.stderr
    assert f"to account {row['value']['identity']}, confirmed by Ada" in confirmed.stdout
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


def hold_many(
    connection: Connection,
    numbers: range,
    *,
    reason: str = "error",
    symbol: str | None = "OLDUSDT",
    report: Mapping[str, Any] | None = None,
) -> None:
    """Put many orders on hold; with `symbol` None, as an earlier version wrote the hold."""
    connection.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status)"
        " SELECT n, coalesce(%s::text, 'OLDUSDT'), '9', 'new'"
        " FROM generate_series(%s::int, %s::int) AS n",
        (symbol, numbers.start, numbers.stop - 1),
    )
    connection.execute(
        "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
        " next_attempt_at, row_facts, report, held_symbol, held_external_order_id)"
        " SELECT n::text, %s, 'suspicious', 2, now(), now() + interval '1 hour', %s, %s,"
        " %s::text, CASE WHEN %s::text IS NULL THEN NULL ELSE '9' END"
        " FROM generate_series(%s::int, %s::int) AS n",
        (
            reason,
            Jsonb(ROW),
            None if report is None else Jsonb(report),
            symbol,
            symbol,
            numbers.start,
            numbers.stop - 1,
        ),
    )


def in_force(connection: Connection) -> list[int]:
    rows = connection.execute(
        "SELECT order_id::int FROM reconciliation_holds WHERE resolved_at IS NULL ORDER BY 1"
    ).fetchall()
    return [row["order_id"] for row in rows]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--reason", "error"), [5, 6, 7, 8]),
        (("--symbol", "OLDUSDT"), [3, 4, 7, 8]),
        (("--symbol", "NEWUSDT"), [1, 2, 5, 6]),
        (("--reason", "not_found", "--symbol", "NEWUSDT"), [1, 2, 3, 4, 5, 6]),
        (("--all",), []),
        (("--all", "--reason", "error"), [5, 6, 7, 8]),
    ],
    ids=lambda given: " ".join(map(str, given)),
)
def test_dismiss_ends_all_chosen_holds_and_no_other(
    options: tuple[str, ...], left: list[int], command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 3), reason="error", symbol="OLDUSDT")
    hold_many(connection, range(3, 5), reason="error", symbol="NEWUSDT")
    hold_many(connection, range(5, 7), reason="not_found", symbol=None)
    hold_many(connection, range(7, 9), reason="not_found", symbol="NEWUSDT")

    result = command("holds", "dismiss", *options, "--yes", "--by", "Ada")

    assert result.exit_code == 0, result.stderr
    assert in_force(connection) == left
    gone = 8 - len(left)
    assert f"{gone} holds: " in result.stderr
    assert result.stdout == f"{gone} holds were dismissed by Ada\n"


def test_without_a_terminal_or_yes_no_hold_is_decided(
    command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 31))
    before = written(connection)

    for verb in ("dismiss", "accept"):
        result = command("holds", verb, "--all", "--by", "Ada")

        assert result.exit_code == 2
        assert "30 holds: error 30" in result.stderr
        assert "error: 30 holds would be " in result.stderr
        assert "\n  hint: look at them with: reconciler holds list; then add --yes" in result.stderr
        assert result.stdout == ""
    assert written(connection) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name orders, or choose holds with --reason, --symbol or --all"),
        (("1", "--all"), "Name orders, or choose holds with --all, not both"),
        (("1", "2", "--reason", "error", "--symbol", "X"), "--reason and --symbol, not both"),
        (("--account", "7"), "--account chooses nothing"),
        (("--all", "--account", "7"), "--account chooses nothing"),
        (("--reason", "nonsense"), "is not one of"),
        (("one",), "neither an integer nor a uuid"),
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", ["dismiss", "accept"])
def test_an_empty_or_double_selection_is_a_usage_error(
    verb: str, arguments: tuple[str, ...], message: str, command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 3))
    before = written(connection)

    result = command("holds", verb, *arguments, "--yes", "--by", "Ada")

    assert result.exit_code == 2
    assert message in result.stderr
    assert written(connection) == before


def test_a_choice_in_the_environment_does_not_widen_named_orders(
    command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 4))

    result = command("holds", "dismiss", "2", "--by", "Ada", RECONCILER_HOLDS_REASON="error")

    assert result.exit_code == 0, result.stderr
    assert in_force(connection) == [1, 3]


def test_several_orders_are_decided_one_by_one(command: Command, connection: Connection) -> None:
    hold_many(connection, range(1, 4))

    result = command("holds", "dismiss", "1", "3", "77", "--by", "Ada")

    assert result.exit_code == 1
    assert in_force(connection) == [2]
    assert "order 77 has never been on hold" in result.stderr
    assert result.stdout == "2 of 3 holds were dismissed by Ada\n"


def test_a_choice_that_matches_no_hold_is_no_failure(
    command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 3))

    result = command("holds", "dismiss", "--symbol", "XRPUSDT", "--by", "Ada")

    assert result.exit_code == 0
    assert result.stdout == "no hold matches that: nothing was done\n"
    assert in_force(connection) == [1, 2]


def test_accept_writes_every_chosen_order_as_a_change_of_its_own(
    command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 451), reason="conflict", report=REPORT)
    connection.execute("UPDATE orders SET status = 'canceled' WHERE id = 7")
    hold_many(connection, range(451, 461), reason="error")

    result = command("holds", "accept", "--all", "--yes", "--json", "--by", "Ada")

    output = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (output["matched"], output["accepted"], output["refused"]) == (460, 449, 11)
    assert {one["order_id"] for one in output["refusals"]} == {"7", *map(str, range(451, 461))}
    (orders, log, holds, _) = written(connection)
    assert sum(row["status"] == "filled" for row in orders) == 449
    assert len({entry["order_id"] for entry in log}) == len(log) == 449
    assert {entry["details"]["by"] for entry in log} == {"Ada"}
    assert sum(one["resolution"] == "accepted by Ada" for one in holds) == 449


def test_a_row_the_database_refuses_does_not_stop_the_others(
    command: Command, connection: Connection
) -> None:
    hold_many(connection, range(1, 21), reason="conflict", report=REPORT)
    connection.execute("ALTER TABLE orders ADD CHECK (id <> 13 OR executed_qty = 0)")

    result = command("holds", "accept", "--all", "--yes", "--json", "--by", "Ada")

    output = json.loads(result.stdout)
    assert (result.exit_code, output["accepted"]) == (1, 19)
    assert [one["order_id"] for one in output["refusals"]] == ["13"]
    assert "the database refuses it" in output["refusals"][0]["why"]


def test_a_hold_that_begins_after_the_count_is_not_decided(
    command: Command, connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_many(connection, range(1, 4))

    def hold_another(*_: object, **__: object) -> None:
        with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as late:
            hold_many(late, range(4, 5))

    monkeypatch.setattr(hold_decisions, "confirm", hold_another)

    result = command("holds", "dismiss", "--all", "--by", "Ada")

    assert result.stdout == "3 holds were dismissed by Ada\n"
    assert in_force(connection) == [4]


@pytest.mark.parametrize(("answer", "left"), [("y", []), ("n", [1, 2])])
def test_on_a_terminal_the_person_is_asked_to_confirm(
    answer: str, left: list[int], connection: Connection, database_url: str
) -> None:
    hold_many(connection, range(1, 3))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "holds", "dismiss", "--all", "--by", "Ada"],
        env={**os.environ, "DATABASE_URL": database_url},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())

    _, output = process.communicate(timeout=300)

    os.close(ours)
    os.close(theirs)
    assert "2 holds: error 2\nshould these holds be dismissed? [y/N]: " in output
    assert process.returncode == (0 if answer == "y" else 1)
    assert in_force(connection) == left


def test_deciding_many_holds_shows_the_progress(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = iter([0.0, 1.9, 2.0, 2.0, 3.0, 7.1, 7.1])
    progress = CountProgress("dismissing holds", 9000, monotonic=lambda: next(seconds))

    with progress:
        for done in (1000, 2000, 3000, 4000):
            progress.update(done)

    assert capsys.readouterr().err == (
        "dismissing holds: 2,000 of 9,000\ndismissing holds: 4,000 of 9,000\n"
    )


def test_the_list_can_be_narrowed_to_a_symbol(command: Command, connection: Connection) -> None:
    hold_many(connection, range(1, 3), symbol="OLDUSDT")
    hold_many(connection, range(3, 4), symbol="NEWUSDT")

    output = json.loads(command("holds", "list", "--symbol", "NEWUSDT", "--json").stdout)

    assert [one["order_id"] for one in output["holds"]] == ["3"]
