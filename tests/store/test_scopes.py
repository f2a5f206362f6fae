"""Two programs over one table: neither reads or writes what the other remembers."""

from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest

from reconciler.config_file.orders import OrdersConfig
from reconciler.domain.decide import decide
from reconciler.errors import Halted
from reconciler.scope import UNSCOPED, Scope
from reconciler.store import first_sync, shared_state
from reconciler.store.bulk_holds import HoldFilter, count_holds, dismiss_hold_page, read_hold_page
from reconciler.store.compare_and_set import PlannedResult, PlannedWrites
from reconciler.store.cycles import read_last_hour, record_cycle
from reconciler.store.database import Database
from reconciler.store.holds import (
    count_waiting,
    dismiss_hold,
    list_holds,
    measure_holds,
    read_hold,
    resolve_ended,
)
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.stale import StaleOrders, StalePage, SweepPosition
from reconciler.store.user_table import DEFAULT_TABLE, UserTable
from reconciler.store.write_result import WriteResult

from .builders import (
    EXCHANGE,
    Application,
    a_fault,
    a_policy,
    a_report,
    insert_order,
    now_of,
    read_log,
    read_row,
)
from .plans import explained
from .test_compare_and_set import plan
from .test_cycles import a_cycle
from .test_stale_plan import HOLDS, OPEN_ORDERS, insert, reads_of_holds

HERE, THERE = Scope("binance-7"), Scope("binance-8")

next_to_another = pytest.mark.parametrize("there", [THERE, UNSCOPED], ids=["a scope", "no scope"])
"""Runs a test next to a program with another scope, and next to one without any."""


def orders_of(database: Database, scope: Scope) -> OrdersTable:
    with database.autocommit() as connection:
        return read_orders_table(connection, UserTable(OrdersConfig(scope=scope or None)))


def writer_of(database: Database, scope: Scope) -> OrderWriter:
    orders = orders_of(database, scope)
    return OrderWriter(orders, exchange=EXCHANGE, decide=partial(decide, policy=a_policy(orders)))


def stale_of(database: Database, scope: Scope) -> StaleOrders:
    return StaleOrders(orders_of(database, scope), stale_after=timedelta(minutes=5))


def hold(database: Database, scope: Scope, id_: int) -> None:
    writer, fault = writer_of(database, scope), a_fault(id_, fetched_at=now_of(database))
    with database.transaction() as connection:
        writer.hold(connection, {id_: fault})


def apply(database: Database, scope: Scope, id_: int) -> WriteResult:
    writer, answer = writer_of(database, scope), a_report(id_, fetched_at=now_of(database))
    with database.transaction() as connection:
        return writer.apply(connection, {id_: answer})


def write_planned(database: Database, scope: Scope, planned: PlannedWrites) -> PlannedResult:
    writer = writer_of(database, scope)
    with database.autocommit() as connection:
        return writer.write_planned(connection, planned)


def page_of(database: Database, scope: Scope) -> StalePage:
    stale = stale_of(database, scope)
    with database.transaction() as connection:
        position = SweepPosition(scan=stale.scan(connection))
        return stale.read_page(connection, 10, position)


def attempts_of(database: Database, scope: Scope, id_: int) -> int | None:
    """Return the attempts of an order's active hold; None if it has none."""
    with database.autocommit() as connection:
        found = read_hold(connection, scope, str(id_))
    return None if found is None or found.resolved_at is not None else found.attempts


@next_to_another
def test_an_order_is_on_hold_in_each_scope_by_itself(
    there: Scope, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    for scope, times in ((HERE, 2), (there, 1)):
        for _ in range(times):
            hold(database, scope, 1)

    with database.transaction() as connection:
        listed = list_holds(connection, there, reason=None, with_resolved=True, limit=10)
        counted = count_waiting(connection, there)
        measured = measure_holds(connection, DEFAULT_TABLE, there)
        dismissed = dismiss_hold(connection, there, "1", by="Ada")

    assert [one.attempts for one in listed] == [1]
    assert (counted, measured.held_orders) == (1, 1)
    assert dismissed
    assert attempts_of(database, there, 1) is None
    assert attempts_of(database, HERE, 1) == 2


@next_to_another
def test_many_holds_are_decided_in_one_scope_only(
    there: Scope, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    hold(database, HERE, 1)
    hold(database, there, 1)
    orders, every = orders_of(database, there), HoldFilter()

    with database.transaction() as connection:
        count = count_holds(connection, orders, every)
        pages = {"after": 0, "last_id": count.last_id, "limit": 10}
        page = read_hold_page(connection, orders, every, **pages)
        dismissed, _ = dismiss_hold_page(connection, orders, every, **pages, by="Ada")

    assert (count.total, len(page.holds), dismissed) == (1, 1, 1)
    assert attempts_of(database, HERE, 1) == 1


@next_to_another
def test_a_hold_keeps_an_order_only_from_the_program_whose_it_is(
    there: Scope, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    hold(database, HERE, 1)
    planned = plan(database, change=[1])

    pages = [page_of(database, scope) for scope in (HERE, there)]
    kept_back = write_planned(database, HERE, planned)
    result = write_planned(database, there, planned)

    assert [len(page.orders) for page in pages] == [0, 1]
    assert kept_back.different == {1}
    assert not result.different
    assert attempts_of(database, HERE, 1) == 1
    (entry,) = read_log(application, 1)
    assert entry["details"].get("scope", UNSCOPED) == there


@next_to_another
def test_a_write_ends_only_the_hold_of_its_own_scope(
    there: Scope, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    hold(database, HERE, 1)
    hold(database, there, 1)

    apply(database, there, 1)

    assert attempts_of(database, there, 1) is None
    assert attempts_of(database, HERE, 1) == 1
    (entry,) = read_log(application, 1)
    assert entry["details"].get("scope", UNSCOPED) == there

    ended = []
    for orders in (orders_of(database, there), orders_of(database, HERE)):
        with database.transaction() as connection:
            ended.append(resolve_ended(connection, orders))

    assert ended == [0, 1]


@next_to_another
def test_a_halt_stops_only_its_own_scope(
    there: Scope, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    with database.transaction() as connection:
        shared_state.apply_halt(connection, HERE, "all vanished")
    planned = plan(database, change=[1])

    with pytest.raises(Halted, match="all vanished"):
        write_planned(database, HERE, planned)
    with pytest.raises(Halted, match="all vanished"):
        apply(database, HERE, 2)
    write_planned(database, there, planned)
    apply(database, there, 2)
    with database.transaction() as connection:
        was_on_there = shared_state.release_halt(connection, there)
        reason_here = shared_state.read_halt(connection, HERE)

    assert not was_on_there
    assert reason_here == "all vanished"
    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["filled", "filled"]


@next_to_another
def test_account_and_pauses_belong_to_a_scope(
    there: Scope,
    application: Application,  # noqa: ARG001 - creates the tables
    database: Database,
) -> None:
    with database.transaction() as connection:
        for scope, account in ((HERE, "7"), (there, "8")):
            shared_state.remember_account(connection, scope, "paper", account)
        shared_state.confirm_account(connection, there, "paper", "9", by="Ada")
        shared_state.write_pause(connection, HERE, "paper", "this-host", 300)
        shared_state.write_pause(connection, there, "paper", "another", 60)
        accounts = [
            shared_state.read_account(connection, scope, "paper") for scope in (HERE, there)
        ]
        pauses = [
            set(shared_state.read_pauses(connection, scope, "paper")) for scope in (HERE, there)
        ]

    assert accounts == ["7", "9"]
    assert pauses == [{"this-host"}, {"another"}]


@next_to_another
def test_cycles_and_the_first_sync_belong_to_a_scope(
    there: Scope,
    application: Application,  # noqa: ARG001 - creates the tables
    database: Database,
) -> None:
    begun = now_of(database) - timedelta(minutes=10)
    with database.transaction() as connection:
        for minutes, scope, scanned in ((0, HERE, 7), (1, HERE, 9), (2, there, 100)):
            at = begun + timedelta(minutes=minutes)
            first_sync.record_first_sync(
                connection, scope, started_at=at, scanned=scanned, ends_sweep=minutes != 2
            )
            record_cycle(connection, scope, a_cycle(at, scanned=scanned))

        here, theirs = (read_last_hour(connection, scope) for scope in (HERE, there))
        nobody = read_last_hour(connection, Scope("no program"))

    assert (here.scanned, here.first_sync_scanned, here.is_first_sync) == (16, 7, False)
    assert (theirs.scanned, theirs.first_sync_scanned, theirs.is_first_sync) == (100, 100, True)
    assert (nobody.scanned, nobody.last_run_age_seconds, nobody.is_first_sync) == (0, None, True)


def test_a_page_does_not_read_the_holds_of_other_scopes(
    application: Application, database: Database
) -> None:
    insert(application, OPEN_ORDERS, first=301, last=6_300)
    application.execute(HOLDS.format(count=3_000, wait="1 hour"))
    application.execute("UPDATE reconciliation_holds SET scope = %s", [THERE])
    application.execute(HOLDS.format(count=10, wait="1 hour"))
    application.execute("UPDATE reconciliation_holds SET scope = %s WHERE scope = ''", [HERE])
    application.execute("VACUUM ANALYZE orders, reconciliation_holds")
    stale = stale_of(database, HERE)
    with database.transaction() as connection:
        position = SweepPosition(scan=stale.scan(connection))

    found = explained(database, lambda connection: stale.read_page(connection, 700, position))

    assert 590 <= found.root["Actual Rows"] < 600, "all of one symbol, but those on hold here"
    assert reads_of_holds(found) <= 40
    assert "Seq Scan" not in {kind for kind, _ in found.scans_of("reconciliation_holds")}


@pytest.mark.parametrize("role", ["supervisor", "worker 63"])
def test_postgresql_shows_the_whole_scope_of_a_session(role: str, database_url: str) -> None:
    longest = Scope("s" * 40)
    with (
        closing(Database(database_url, role=role, scope=longest)) as database,
        database.autocommit() as connection,
    ):
        name = connection.exec_driver_sql("SHOW application_name").scalar_one()

    assert name == f"reconciler {role} {longest}"
