"""The application and other workers write the same rows at once: no session waits for long."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from functools import partial
from threading import Event, Lock
from typing import Any

import pytest

from reconciler.domain.decide import Decision, decide
from reconciler.domain.order import Order, OrderId
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.errors import StoreUnavailable
from reconciler.store import order_rows
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.write_result import WriteResult

from .builders import (
    EXCHANGE,
    IS_WAITING_FOR_A_LOCK,
    Application,
    a_policy,
    a_report,
    a_writer,
    applied,
    connect_application,
    insert_order,
    now_of,
    read_hold,
    read_log,
    read_row,
    shape_of,
    until,
)

APPLICATION: str = "the application"


def a_writer_that_first(action: Callable[[], object], database: Database) -> OrderWriter:
    """Return a writer that runs `action` after it locked the rows, before it decides."""
    orders = shape_of(database)
    policy = a_policy(orders)

    def run_action_and_decide(order: Order, answer: Answer | None, now: datetime) -> Decision:
        action()
        return decide(order, answer, now, policy)

    return OrderWriter(orders, exchange=EXCHANGE, decide=run_action_and_decide)


def write_batch(
    writer: OrderWriter,
    database: Database,
    answers: dict[OrderId, Answer],
    at_last: Callable[[], object] = lambda: None,
) -> WriteResult:
    """Apply the answers; run `action` before the commit."""
    with database.transaction() as connection:
        result = writer.apply(connection, answers)
        at_last()
        return result


def reports_of(database: Database, *ids: int) -> dict[OrderId, Answer]:
    now = now_of(database)
    return {id_: a_report(id_, fetched_at=now) for id_ in ids}


@pytest.mark.parametrize(
    "lock",
    [
        "SELECT FROM orders WHERE id = 1 FOR UPDATE",
        "SELECT FROM orders WHERE id = 1 FOR SHARE",
        "UPDATE orders SET qty = 5 WHERE id = 1",
        "DELETE FROM orders WHERE id = 1",
    ],
)
def test_a_row_that_the_application_locks_is_skipped_at_once(
    lock: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)

    with application.transaction():
        application.execute(lock)
        result = applied(database, *reports_of(database, 1, 2).items())

    assert result.skipped == (1,)
    assert read_row(application, 2)["status"] == "filled"
    assert read_log(application, 1) == []


def test_a_row_that_an_uncommitted_fill_refers_to_is_skipped(
    application: Application, database: Database
) -> None:
    application.execute("CREATE TABLE fills (order_id bigint REFERENCES orders)")
    insert_order(application, 1)

    with application.transaction():
        application.execute("INSERT INTO fills VALUES (1)")
        meanwhile = applied(database, *reports_of(database, 1).items())
    afterwards = applied(database, *reports_of(database, 1).items())

    assert meanwhile.skipped == (1,)
    assert afterwards.skipped == ()
    assert read_row(application, 1)["status"] == "filled"


def test_a_row_that_another_worker_locks_is_skipped_at_once(
    application: Application, database: Database, database_url: str
) -> None:
    insert_order(application, 1)
    answers = reports_of(database, 1)
    other = Database(database_url, role="other")

    with other.transaction() as connection:
        a_writer(database).apply(connection, answers)
        mine = applied(database, *answers.items())
    other.close()

    assert mine.skipped == (1,)
    assert len(read_log(application, 1)) == 1


def test_the_application_waits_only_to_write_the_same_row(
    application: Application, database: Database, database_url: str
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    locked, go_on = Event(), Event()

    def wait() -> None:
        locked.set()
        go_on.wait()

    writer = a_writer_that_first(wait, database)
    url = f"{database_url}&application_name={APPLICATION.replace(' ', '%20')}"

    with ThreadPoolExecutor() as threads, connect_application(url) as other:
        ours = threads.submit(write_batch, writer, database, reports_of(database, 1))
        locked.wait()
        application.execute("SET lock_timeout = '100ms'")
        application.execute("UPDATE orders SET qty = 1 WHERE id = 2")
        application.execute("SELECT * FROM orders WHERE id = 1")
        theirs = threads.submit(other.execute, "UPDATE orders SET qty = 2 WHERE id = 1")
        until(application, IS_WAITING_FOR_A_LOCK, APPLICATION)
        assert not theirs.done()
        go_on.set()
        theirs.result()
        ours.result()

    row = read_row(application, 1)
    assert (row["status"], row["qty"]) == ("filled", 2)


def test_a_worker_stopped_with_rows_locked_loses_the_locks(
    application: Application,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        order_rows, "IDLE_TRANSACTION_TIMEOUT", order_rows.IDLE_TRANSACTION_TIMEOUT / 200
    )
    insert_order(application, 1)
    answers = reports_of(database, 1)

    with connect_application(database_url) as other:
        finish = "UPDATE orders SET qty = 7, updated_at = clock_timestamp() WHERE id = 1"
        writer = a_writer_that_first(lambda: other.execute(finish), database)
        with pytest.raises(StoreUnavailable, match="idle-in-transaction"):
            write_batch(writer, database, answers)

    row = read_row(application, 1)
    assert (row["status"], row["qty"]) == ("new", 7)
    assert read_log(application, 1) == []


def test_the_idle_timeout_ends_with_the_transaction(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    writer = a_writer(database)
    answers = reports_of(database, 1)
    show = "SHOW idle_in_transaction_session_timeout"

    with database.transaction() as connection:
        writer.apply(connection, answers)
        during = connection.exec_driver_sql(show).scalar_one()
    with database.autocommit() as connection:
        after = connection.exec_driver_sql(show).scalar_one()

    assert (during, after) == ("10s", "0")


@pytest.mark.parametrize("moment", ["while it decides", "before it commits"])
def test_a_killed_session_writes_nothing_and_the_next_does_all(
    moment: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    insert_order(application, 3, status="filled")
    answers = reports_of(database, 1, 2)
    answers[3] = a_report(3, Status.CANCELED, fetched_at=now_of(database))
    kill = partial(
        application.execute,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'reconciler test'",
    )
    is_early = moment == "while it decides"
    writer = a_writer_that_first(kill, database) if is_early else a_writer(database)

    with pytest.raises(StoreUnavailable):
        write_batch(writer, database, answers, at_last=kill)
    statuses = [read_row(application, id_)["status"] for id_ in (1, 2)]
    hold = read_hold(application, 3)
    applied(database, *answers.items())

    assert statuses == ["new", "new"]
    assert hold is None
    assert [len(read_log(application, id_)) for id_ in (1, 2)] == [1, 1]
    assert read_hold(application, 3) is not None


class LivingExchange:
    """An exchange whose orders go from new over partial to filled, three units each."""

    def __init__(self, ids: range, *, seed: int) -> None:
        self._executed = dict.fromkeys(ids, 0)
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._lock = Lock()

    def ask(self, id_: int, now: datetime) -> Report:
        with self._lock:
            if self._chance.random() < 0.5:
                self._executed[id_] = min(3, self._executed[id_] + 1)
            return self._report(id_, now)

    def finish(self, id_: int) -> None:
        with self._lock:
            self._executed[id_] = 3

    def truth(self, now: datetime) -> dict[OrderId, Answer]:
        return {id_: self._report(id_, now) for id_ in self._executed}

    def _report(self, id_: int, now: datetime) -> Report:
        executed = self._executed[id_]
        status = (Status.NEW, Status.PARTIAL, Status.PARTIAL, Status.FILLED)[executed]
        average = "60000" if executed else None
        return a_report(id_, status, str(executed), average, fetched_at=now)


RECORD_EVERY_CHANGE = """
    CREATE TABLE steps (
        id bigint GENERATED ALWAYS AS IDENTITY, order_id bigint, writer text,
        old_status text, status text, old_qty numeric, qty numeric);
    CREATE FUNCTION record_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO steps (order_id, writer, old_status, status, old_qty, qty)
        VALUES (new.id, current_setting('application_name'), old.status, new.status,
            old.executed_qty, new.executed_qty);
        RETURN NULL;
    END $$;
    CREATE TRIGGER record_step AFTER UPDATE ON orders FOR EACH ROW
        WHEN ((old.status, old.executed_qty) IS DISTINCT FROM (new.status, new.executed_qty))
        EXECUTE FUNCTION record_step();
"""

IDS = range(1, 241)


def reconcile(database_url: str, exchange: LivingExchange, seed: int) -> int:
    """Act as a worker: ask about random orders and apply; return the number of locked rows."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    database = Database(database_url, role=f"worker {seed}")
    writer = a_writer(database)
    skipped = 0
    for _ in range(30):
        now = now_of(database)
        answers: dict[OrderId, Answer] = {
            id_: exchange.ask(id_, now) for id_ in chance.sample(IDS, 60)
        }
        skipped += len(write_batch(writer, database, answers).skipped)
    database.close()
    return skipped


def finish_orders(database_url: str, exchange: LivingExchange, seed: int) -> None:
    """Act as the application: receive fills by websocket, and write them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    with connect_application(database_url) as writer:
        for id_ in chance.sample(IDS, 120):
            exchange.finish(id_)
            with writer.transaction():
                writer.execute("SELECT FROM orders WHERE id = %s FOR UPDATE", [id_])
                writer.execute(
                    "UPDATE orders SET status = 'filled', executed_qty = 3, avg_price = 60000,"
                    " updated_at = clock_timestamp() WHERE id = %s",
                    [id_],
                )


def test_two_workers_and_the_application_move_orders_only_forward(
    application: Application, database: Database, database_url: str
) -> None:
    application.execute(RECORD_EVERY_CHANGE)
    for id_ in IDS:
        insert_order(application, id_)
    exchange = LivingExchange(IDS, seed=1)

    with ThreadPoolExecutor() as threads:
        work: list[Future[Any]] = [
            threads.submit(reconcile, database_url, exchange, 2),
            threads.submit(reconcile, database_url, exchange, 3),
            threads.submit(finish_orders, database_url, exchange, 4),
        ]
        for part in work:
            part.result()
    truth = exchange.truth(now_of(database))
    applied(database, *truth.items())

    steps = application.execute("SELECT * FROM steps ORDER BY id").fetchall()
    assert {writer["writer"][:10] for writer in steps} >= {"reconciler", ""}
    assert [writer for writer in steps if goes_back(writer)] == []
    assert changes_by_us(steps) == changes_logged(application)
    rows = application.execute("SELECT id, status, executed_qty FROM orders").fetchall()
    assert {row["id"]: (row["status"], row["executed_qty"]) for row in rows} == {
        id_: (report.status, report.executed_qty)
        for id_, report in truth.items()
        if isinstance(report, Report)
    }


def goes_back(writer: dict[str, Any]) -> bool:
    old, new = Status(writer["old_status"]), Status(writer["status"])
    return old.is_terminal or new.progress < old.progress or writer["qty"] < writer["old_qty"]


def changes_by_us(steps: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            str(writer["order_id"]),
            writer["old_status"],
            writer["status"],
            writer["old_qty"],
            writer["qty"],
        )
        for writer in steps
        if writer["writer"].startswith("reconciler")
    )


def changes_logged(application: Application) -> Counter[tuple[Any, ...]]:
    entries = application.execute("SELECT order_id, details FROM activity_log").fetchall()
    return Counter(
        (
            entry["order_id"],
            entry["details"]["from"]["status"],
            entry["details"]["to"]["status"],
            Decimal(entry["details"]["from"]["executed_qty"]),
            Decimal(entry["details"]["to"]["executed_qty"]),
        )
        for entry in entries
    )
