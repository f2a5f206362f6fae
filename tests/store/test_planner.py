"""The planner ends the holds of ended orders and holds poisoned ones; not in a dry run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from reconciler.errors import SchemaMismatch
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.side_table import side_table_ddl
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.workload import Counts, Cycle

from .builders import (
    IN_ORDERS,
    Application,
    a_fault,
    applied,
    in_both,
    in_the_side_table,
    insert_order,
    now_of,
    read_hold,
)


@pytest.fixture(autouse=True)
def _settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


@pytest.mark.parametrize(
    ("is_dry_run", "is_held_then"), [(False, False), (True, True)], ids=["run", "dry run"]
)
def test_the_first_page_of_a_sweep_ends_the_holds_of_ended_orders(
    is_dry_run: bool,  # noqa: FBT001 - a case's value, not a switch
    is_held_then: bool,  # noqa: FBT001 - a case's value, not a switch
    application: Application,
    database: Database,
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET status = 'canceled'")
    planner = OrderWorkload(settings=Settings.load(), is_dry_run=is_dry_run).open_planner()

    planner.plan(10, None)
    planner.close()

    assert (read_hold(application, 1) is not None) is is_held_then


@pytest.mark.parametrize(
    ("is_dry_run", "is_held_then"), [(False, True), (True, False)], ids=["run", "dry run"]
)
def test_a_poisoned_order_is_held_but_not_by_a_dry_run(
    is_dry_run: bool,  # noqa: FBT001 - a case's value, not a switch
    is_held_then: bool,  # noqa: FBT001 - a case's value, not a switch
    application: Application,
) -> None:
    insert_order(application, 1)
    planner = OrderWorkload(settings=Settings.load(), is_dry_run=is_dry_run).open_planner()
    (deadly,) = planner.plan(10, None).chunks

    planner.set_aside(deadly)
    planner.close()

    assert (read_hold(application, 1) is not None) is is_held_then


@pytest.mark.parametrize("is_dry_run", [False, True], ids=["run", "dry run"])
def test_nonces_are_reserved_while_the_planners_connection_is_busy(
    *, is_dry_run: bool, application: Application
) -> None:
    planner = OrderWorkload(settings=Settings.load(), is_dry_run=is_dry_run).open_planner()

    with planner.database.transaction():
        first = planner.reserve_nonces(1000, 10)
        second = planner.reserve_nonces(1000, 10)
    planner.close()

    assert (first, second) == (1000, 1000 if is_dry_run else 1010)
    assert application is not None


@in_the_side_table
def test_a_sweep_forgets_the_sync_times_of_orders_that_the_application_has_ended(
    application: Application,
) -> None:
    for id_, age, status in ((1, 2, "new"), (2, 2, "filled"), (3, 0, "filled"), (4, -2, "filled")):
        insert_order(application, id_, status=status)
        application.execute(
            "INSERT INTO reconciliation_sync VALUES (%s, now() - %s * interval '1 hour')",
            [id_, age],
        )
    application.execute("INSERT INTO reconciliation_sync VALUES (5, '2020-01-01')")
    planner = OrderWorkload(settings=Settings.load()).open_planner()

    planner.plan(10, None)
    planner.close()

    left = application.execute("SELECT order_id FROM reconciliation_sync ORDER BY 1").fetchall()
    assert [row["order_id"] for row in left] == [1, 3]


@in_both
def test_a_side_table_that_comes_or_goes_while_we_run_ends_the_run(
    application: Application, sync_times: str
) -> None:
    planner = OrderWorkload(settings=Settings.load()).open_planner()
    has_none = sync_times == IN_ORDERS
    make = side_table_ddl(DEFAULT_TABLE)
    application.execute(make if has_none else "DROP TABLE reconciliation_sync")

    with pytest.raises(SchemaMismatch, match="start the service again"):
        planner.plan(10, None)
    planner.close()


def test_a_poisoned_order_is_held_even_if_its_row_is_locked(
    application: Application,
) -> None:
    insert_order(application, 1)
    planner = OrderWorkload(settings=Settings.load()).open_planner()
    (deadly,) = planner.plan(10, None).chunks

    with application.transaction():
        application.execute("SELECT 1 FROM orders FOR UPDATE")
        planner.set_aside(deadly)
    planner.close()

    hold = read_hold(application, 1)
    assert hold is not None
    assert hold["reason"] == "crashed_worker"


def test_a_sample_during_a_halt_ends_no_holds(
    application: Application,
    database: Database,
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET status = 'canceled'")
    planner = OrderWorkload(settings=Settings.load()).open_planner()

    planner.write_halt("most orders have vanished")
    planner.plan(10, None)
    halted = read_hold(application, 1)
    planner.write_halt(None)
    planner.plan(10, None)
    planner.close()

    assert halted is not None
    assert read_hold(application, 1) is None


def test_only_the_first_page_of_a_sweep_ends_holds(
    application: Application,
    database: Database,
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    planner = OrderWorkload(settings=Settings.load()).open_planner()
    first = planner.plan(1, None)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET status = 'canceled' WHERE id = 1")

    planner.plan(1, first.next)
    planner.close()

    assert first.next is not None
    assert read_hold(application, 1) is not None


@pytest.mark.parametrize("wrong_by", [-1, 1], ids=["an hour behind", "an hour ahead"])
def test_a_cycle_is_recorded_by_the_clock_of_the_database(
    wrong_by: int,
) -> None:
    clock = partial(_clock, timedelta(hours=wrong_by))
    opened = OrderWorkload(settings=Settings.load()).open_planner()
    assert isinstance(opened, OrderPlanner)
    planner = replace(opened, now=clock)
    counts = Counts()
    counts.scanned = 7
    ended = clock() - timedelta(seconds=90)

    planner.record(
        Cycle(
            started_at=ended - timedelta(seconds=1),
            finished_at=ended,
            duration_ms=1000,
            counts=counts,
            ends_sweep=True,
        )
    )
    hour = planner.last_hour()
    planner.close()

    assert hour.last_run_age_seconds is not None
    assert 89 < hour.last_run_age_seconds < 200
    assert hour.scanned == hour.first_sync_scanned == 7


def _clock(ahead: timedelta) -> datetime:
    return datetime.now(UTC) + ahead
