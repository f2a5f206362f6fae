"""`reconciler explain`: one answer, then the facts; the answer as a function of the facts."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result

from reconciler.domain.decide import HoldReason
from reconciler.domain.status import Status
from reconciler.explanation.answer import OrderSnapshot, answer, details, is_due
from reconciler.scope import UNSCOPED, Scope
from reconciler.store.explain import LockHolder, OrderRow
from reconciler.store.holds import HeldOrder
from reconciler.supervisor.status import ShardState

from .conftest import Invoke
from .fake_control_server import FakeControlServer, some_location

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=4)
LATER = NOW + timedelta(minutes=10)

DUE = OrderRow(
    symbol="BTCUSDT",
    stored_symbol="BTCUSDT",
    external_order_id="9",
    status=Status.NEW,
    word="new",
    last_synced_at=None,
    is_stale=True,
    fresh_until=None,
    now=NOW,
)
FRESH = replace(DUE, is_stale=False, last_synced_at=EARLIER, fresh_until=NOW + timedelta(minutes=1))
HOLD = HeldOrder(
    order_id="1",
    reason=HoldReason.CONFLICT,
    detail="the row says filled",
    attempts=3,
    first_held_at=EARLIER,
    next_attempt_at=LATER,
    row_facts={},
    report=None,
    resolved_at=None,
    resolution=None,
    symbol="BTCUSDT",
    external_order_id="9",
)
APPLICATION = LockHolder(
    pid=77,
    application="trading-api",
    user="trading",
    state="idle in transaction",
    since=EARLIER,
    query_since=EARLIER,
    query="UPDATE orders\n  SET note = 'x'",
)
WORKER = replace(APPLICATION, application="reconciler worker 1")
SCOPED_WORKER = replace(APPLICATION, application="reconciler worker 1 binance-7")
IN_FLIGHT = "it is in flight at the worker of shard 1, for 3 s so far"
LOCKED = "session 77 (trading-api) has locked its row (since 2026-11-24 11:56:00 UTC)"

UNANSWERED = "no supervisor answers at /tmp/x: nothing listens there"


def a_snapshot(row: OrderRow | None = DUE, **changes: Any) -> OrderSnapshot:
    defaults = OrderSnapshot(
        order_id="1",
        scope=UNSCOPED,
        row=row,
        hold=None,
        holders=(),
        location=some_location(),
        unanswered=None,
        halted=None,
        activity=(),
    )
    return replace(defaults, **changes)


def at(**changes: Any) -> OrderSnapshot:
    return a_snapshot(location=some_location(**changes))


NOT_DUE = [
    (a_snapshot(None), "it is no longer in orders"),
    (a_snapshot(replace(DUE, status=Status.FILLED, word="filled")), "it is filled, which is final"),
    (
        a_snapshot(replace(DUE, status=None, word="draft")),
        "its status 'draft' is not one that we follow",
    ),
    (
        a_snapshot(replace(DUE, external_order_id=None)),
        "it has no external_order_id, so the exchange cannot be asked about it",
    ),
    (
        a_snapshot(hold=HOLD),
        "it is on hold until 2026-11-24 12:10:00 UTC (conflict: the row says filled)",
    ),
    (a_snapshot(FRESH), "it is fresh until 2026-11-24 12:01:00 UTC, for 1 min more"),
    (
        a_snapshot(replace(FRESH, status=Status.CANCELED, word="CANCELED"), hold=HOLD),
        "it is CANCELED (canceled), which is final",
    ),
    (
        a_snapshot(FRESH, hold=HOLD),
        "it is on hold until 2026-11-24 12:10:00 UTC (conflict: the row says filled)",
    ),
]

IN_PROGRESS = [
    (
        at(in_flight_in=1, in_flight_seconds=3, breaker="open"),
        IN_FLIGHT,
    ),
    (
        replace(at(in_flight_in=1, in_flight_seconds=3), holders=(APPLICATION,)),
        f"{IN_FLIGHT}; {LOCKED}, so it may be skipped",
    ),
    (
        a_snapshot(holders=(WORKER,), location=None, unanswered="no supervisor answers"),
        "reconciler worker 1 (session 77) has locked its row to write it",
    ),
    (
        a_snapshot(holders=(SCOPED_WORKER,), scope=Scope("binance-7")),
        "reconciler worker 1 binance-7 (session 77) has locked its row to write it",
    ),
]

IN_THE_WAY = [
    (
        a_snapshot(holders=(SCOPED_WORKER,)),
        LOCKED.replace("trading-api", SCOPED_WORKER.application)
        + ", and locked rows are skipped, not waited for",
    ),
    (
        replace(at(breaker="open"), halted="41 of 50 vanished"),
        "the halt is on, and nothing may be written: 41 of 50 vanished",
    ),
    (at(paused_seconds=12), "the rate-limit pause lasts 12 s more"),
    (
        at(breaker="open", breaker_retry_seconds=80, fault="503"),
        "the breaker of shard 1 is open for 1 min 20 s more: 503",
    ),
    (
        at(breaker="open", breaker_retry_seconds=80, fault="HTTP 503. Please try again."),
        "the breaker of shard 1 is open for 1 min 20 s more: HTTP 503. Please try again",
    ),
    (at(backing_off_seconds=8), "shard 1 is backing off for 8 s more"),
    (at(shard_state=ShardState.BACKING_OFF), "its shard 1 is backing off"),
    (
        a_snapshot(holders=(APPLICATION,)),
        f"{LOCKED}, and locked rows are skipped, not waited for",
    ),
    (
        a_snapshot(holders=(APPLICATION,), location=None, unanswered="no supervisor answers"),
        f"{LOCKED}, and locked rows are skipped, not waited for",
    ),
    (
        a_snapshot(location=None, unanswered=UNANSWERED),
        f"{UNANSWERED}, so it is not known whether a worker has it",
    ),
]

ITS_TURN = [
    (at(), "the next cycle takes it"),
    (at(is_queued=True), "it is queued for shard 1"),
    (
        at(is_queued=True, shard_state=ShardState.PARKED),
        "it is queued; its shard 1 is parked, and other shards do its work",
    ),
    (
        a_snapshot(hold=replace(HOLD, next_attempt_at=EARLIER)),
        "the next cycle takes it",
    ),
    (a_snapshot(hold=replace(HOLD, resolved_at=EARLIER)), "the next cycle takes it"),
]


def cases(begin: str, table: list[tuple[OrderSnapshot, str]]) -> list[Any]:
    return [pytest.param(snapshot, f"{begin}{rest}.", id=rest[:60]) for snapshot, rest in table]


@pytest.mark.parametrize(
    ("snapshot", "sentence"),
    [
        *cases("It is not reconciled: ", NOT_DUE),
        *cases("It is being reconciled: ", IN_PROGRESS),
        *cases("It is due, but ", IN_THE_WAY),
        *cases("It is due: ", ITS_TURN),
    ],
)
def test_the_answer_is_the_first_reason_that_is_true(
    snapshot: OrderSnapshot, sentence: str
) -> None:
    assert answer(snapshot) == sentence
    assert is_due(snapshot) is not sentence.startswith("It is not reconciled")


def test_the_facts_name_every_condition_and_the_lock_holder() -> None:
    snapshot = replace(
        at(breaker="open", breaker_retry_seconds=80, fault="503", paused_seconds=3),
        hold=HOLD,
        holders=(APPLICATION,),
    )

    assert dict(details(snapshot)) == {
        "external id": "9",
        "status": "new",
        "last synced": "never",
        "fresh until": "it is stale",
        "on hold": "until 2026-11-24 12:10:00 UTC",
        "why": "conflict: the row says filled",
        "row locked by": "session 77 (trading-api), idle in transaction, since 2026-11-24 11:56:00"
        " UTC, its statement began 2026-11-24 11:56:00 UTC, UPDATE orders SET note = 'x'",
        "shard": "1, which is ready (bucket 77)",
        "in flight": "no",
        "breaker": "open, for 1 min 20 s more",
        "last fault": "503",
        "rate-limit pause": "for 3 s more",
        "halt": "off",
    }


@pytest.mark.parametrize(
    "row",
    [
        replace(DUE, status=Status.FILLED, word="filled"),
        replace(DUE, status=None, word="draft"),
        replace(DUE, external_order_id=None),
    ],
    ids=["ended", "not followed", "without an external id"],
)
def test_an_order_that_is_not_looked_at_is_neither_fresh_nor_stale(row: OrderRow) -> None:
    assert "fresh until" not in dict(details(a_snapshot(row)))


def test_what_our_role_may_not_see_of_a_session_is_left_out() -> None:
    holder = replace(APPLICATION, state=None, since=None, query_since=None, query=None)

    assert (
        dict(details(a_snapshot(holders=(holder,))))["row locked by"] == "session 77 (trading-api)"
    )


Explain = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def explain(invoke: Invoke, database_url: str, path: Path) -> Explain:
    """Explain on the test's database: `explain("1", "--json")`."""

    def explain(*arguments: str) -> Result:
        environment = {
            "DATABASE_URL": database_url,
            "RECONCILIATION_CONTROL_SOCKET": str(path),
        }
        return invoke("explain", *arguments, **environment)

    return explain


@pytest.fixture
def application(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True, application_name="trading-api") as session:
        session.execute(
            "INSERT INTO orders (id, symbol, external_order_id, status)"
            " VALUES (1, 'BTCUSDT', '9', 'new')"
        )
        yield session


@pytest.mark.usefixtures("application")
def test_a_running_supervisor_is_asked_where_it_has_the_order(explain: Explain, path: Path) -> None:
    with FakeControlServer(
        path, locate=some_location(in_flight_in=1, in_flight_seconds=3.0)
    ) as control_server:
        result = explain("1")

    assert control_server.asked == [("locate", {"key": "BTCUSDT", "id": "1"})]
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:3] == [
        "It is being reconciled: it is in flight at the worker of shard 1, for 3 s so far.",
        "",
        "Order 1, BTCUSDT",
    ]
    assert "of shard 1, for 3 s" in result.stdout
    assert result.stdout.endswith("the reconciler has never changed it\n")


@pytest.mark.usefixtures("application")
def test_without_a_supervisor_its_part_is_not_known(explain: Explain, path: Path) -> None:
    text, output = explain("1").stdout, json.loads(explain("1", "--json").stdout)

    unanswered = f"no supervisor answers at {path}: nothing listens there"
    assert text.startswith(
        f"It is due, but {unanswered}, so it is not known whether a worker has it.\n"
    )
    assert (output["supervisor"], output["supervisor_unanswered"]) == (None, unanswered)
    assert (output["is_due"], output["answer"] + "\n") == (True, text.splitlines(keepends=True)[0])


@pytest.mark.usefixtures("application")
def test_a_refusing_supervisor_counts_as_not_answering(explain: Explain, path: Path) -> None:
    with FakeControlServer(path):
        result = explain("1")

    assert result.exit_code == 0
    assert "the supervisor refuses to say: no command locate" in result.stdout


def test_the_session_that_has_locked_the_row_is_named(
    explain: Explain, application: psycopg.Connection[Any], path: Path
) -> None:
    with FakeControlServer(path, locate=some_location()), application.transaction():
        application.execute("SELECT FROM orders WHERE id = 1 FOR UPDATE")
        result = explain("1")

    pid = application.info.backend_pid
    assert result.stdout.startswith(
        f"It is due, but session {pid} (trading-api) has locked its row (since "
    )
    assert "idle in transaction" in result.stdout


def test_the_last_five_changes_are_shown_the_newest_last(
    explain: Explain, application: psycopg.Connection[Any]
) -> None:
    application.execute(
        "INSERT INTO activity_log (order_id, action, details, created_at)"
        " SELECT '1', 'note ' || number, '{}', now() + number * interval '1 s'"
        " FROM generate_series(1, 7) AS number"
    )

    text, output = explain("1").stdout, json.loads(explain("1", "--json").stdout)

    shown = [entry["action"] for entry in output["activity"]]
    assert shown == ["note 3", "note 4", "note 5", "note 6", "note 7"]
    assert "note 7" in text
    assert "note 2" not in text


def test_an_order_that_is_gone_still_has_its_history(
    explain: Explain, application: psycopg.Connection[Any]
) -> None:
    application.execute(
        "INSERT INTO activity_log (order_id, action, details, created_at)"
        " VALUES ('5', 'note', '{}', now())"
    )

    result = explain("5")

    assert result.exit_code == 0
    assert result.stdout.startswith("It is not reconciled: it is no longer in orders.\n")


@pytest.mark.parametrize("id_", ["5", "0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11"])
def test_an_unknown_order_to_explain_is_exit_code_1(explain: Explain, id_: str) -> None:
    result, as_json = explain(id_), explain(id_, "--json")

    assert (result.exit_code, as_json.exit_code) == (1, 1)
    assert result.stderr == (
        f"order {id_} is not known: it is neither in the activity log nor in orders\n"
    )
    assert json.loads(as_json.stdout)["is_known"] is False


def test_an_invalid_order_id_is_a_usage_error(explain: Explain) -> None:
    result = explain("BTCUSDT-1")

    assert result.exit_code == 2
    assert "'BTCUSDT-1' is neither an integer nor a uuid" in result.stderr


def test_a_conflict_shows_both_the_row_and_the_report() -> None:
    held = replace(
        HOLD,
        row_facts={
            "status": "new",
            "executed_qty": "0",
            "avg_price": None,
            "qty": "0.5",
            "client_order_id": "mine-1",
        },
        report={
            "word": "FILLED",
            "executed_qty": "4",
            "avg_price": "100",
            "quantity": "4",
            "client_order_id": "theirs",
        },
    )

    output = dict(details(a_snapshot(hold=held)))

    assert output["the row said"] == "new, 0 executed, average None, qty 0.5, client id mine-1"
    assert output["the exchange says"] == "FILLED, 4 executed, average 100, of 4, client id theirs"
