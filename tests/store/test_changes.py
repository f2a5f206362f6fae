"""The changes of all orders: filtered, page by page, each new one once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from reconciler.scope import UNSCOPED, Scope
from reconciler.store import migrations, sample_orders
from reconciler.store.change_feed import ChangeFeed
from reconciler.store.changes import (
    ChangeFilter,
    ChangePosition,
    LoggedChange,
    read_changes,
)
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, connect_application
from .plans import explained

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ALL = ChangeFilter()

_ADD = (
    "INSERT INTO activity_log (order_id, action, details, created_at)"
    " VALUES (%s, 'reconciliation.update', %s, %s) RETURNING id"
)
_OWN_LOG = {
    "bigint ids": "CREATE TABLE activity_log (id bigserial PRIMARY KEY, order_id text,"
    " action text, details jsonb, created_at timestamptz DEFAULT now())",
    "uuid ids, varchar, json": "CREATE TABLE activity_log (id uuid PRIMARY KEY DEFAULT"
    " gen_random_uuid(), order_id varchar(40), action varchar(40), details json,"
    " created_at timestamptz DEFAULT now())",
    "partitioned": "CREATE TABLE activity_log (id bigint GENERATED ALWAYS AS IDENTITY,"
    " order_id text, action text, details jsonb, created_at timestamptz DEFAULT now())"
    " PARTITION BY RANGE (created_at);"
    " CREATE TABLE activity_log_all PARTITION OF activity_log DEFAULT",
}


def add(
    session: "psycopg.Connection[Any]",
    order_id: str,
    *,
    at: datetime | None = None,
    symbol: str = "BTCUSDT",
    rule: str = "forward",
    before: str = "new",
    after: str = "partial",
    **more: object,
) -> None:
    """Log a change."""
    details = {
        "from": {"status": before, "executed_qty": "0", "avg_price": None},
        "to": {"status": after, "executed_qty": "1.50", "avg_price": "100"},
        "exchange": "paper",
        "rule": rule,
        "fetched_at": NOON.isoformat(),
        "report": {"symbol": symbol},
        **more,
    }
    session.execute(_ADD, (order_id, Jsonb(details), at or datetime.now(UTC)))


def orders_of(changes: Any) -> list[str]:
    return [change.order_id for change in changes]


def read(
    database: Database, change_filter: ChangeFilter = ALL, scope: Scope = UNSCOPED
) -> list[str]:
    with database.autocommit() as connection:
        page = read_changes(connection, scope, change_filter, limit=100)
    return orders_of(page.changes)


@pytest.mark.parametrize(
    ("change_filter", "found"),
    [
        (ALL, ["4", "3", "2", "1"]),
        (ChangeFilter(symbol="ETHUSDT"), ["2"]),
        (ChangeFilter(rule="late_fill"), ["3"]),
        (ChangeFilter(status="filled"), ["4", "3"]),
        (ChangeFilter(status="FILLED"), ["4"]),
        (ChangeFilter(status_before="partial"), ["4"]),
        (ChangeFilter(since=NOON + timedelta(seconds=3)), ["4", "3"]),
        (ChangeFilter(symbol="NOUSDT"), []),
    ],
    ids=["all", "symbol", "rule", "status", "the user's word", "before", "since", "none"],
)
def test_the_newest_come_first_and_a_filter_chooses(
    application: Application, database: Database, change_filter: ChangeFilter, found: list[str]
) -> None:
    for number, more in enumerate(
        [
            {},
            {"symbol": "ETHUSDT"},
            {"rule": "late_fill", "after": "filled"},
            {"before": "partial", "to": {"status": "filled", "status_written": "FILLED"}},
        ],
        start=1,
    ):
        add(application, str(number), at=NOON + timedelta(seconds=number), **more)  # type: ignore[arg-type]  # of the words above

    assert read(database, change_filter) == found


def test_the_entries_of_the_application_and_of_other_programs_are_left_out(
    application: Application, database: Database
) -> None:
    add(application, "of before the scope had a name")
    add(application, "ours", scope="binance-7")
    add(application, "of another", scope="okx-1")
    application.execute(
        "INSERT INTO activity_log (order_id, action, details) VALUES ('app', 'order.note', '{}')"
    )

    assert read(database, scope=Scope("binance-7")) == ["ours", "of before the scope had a name"]
    assert read(database) == ["of before the scope had a name"]


@pytest.mark.parametrize("ddl", list(_OWN_LOG.values()), ids=list(_OWN_LOG))
def test_pages_of_any_log_have_each_change_once(
    ddl: str, owner: Application, empty_database: Database
) -> None:
    owner.execute(sample_orders.ORDERS_DDL.encode())
    owner.execute(ddl.encode())
    with empty_database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)
    for number in range(10):  # Several at the same time.
        add(owner, str(number), at=NOON + timedelta(seconds=number // 4))
    found: list[LoggedChange] = []
    position: ChangePosition | None = None
    with empty_database.autocommit() as connection:
        while True:
            page = read_changes(connection, UNSCOPED, ALL, before=position, limit=3)
            found += page.changes
            position = page.next_before
            if position is None:
                break

    assert sorted(orders_of(found), key=int) == [str(number) for number in range(10)]
    assert [one.created_at for one in found] == sorted(
        (one.created_at for one in found), reverse=True
    )


def test_a_rare_filter_looks_at_a_bounded_number_and_says_where_to_go_on(
    application: Application, database: Database
) -> None:
    add(application, "rare", symbol="RAREUSDT", at=NOON)
    for number in range(10):
        add(application, str(number), at=NOON + timedelta(seconds=number + 1))
    rare = ChangeFilter(symbol="RAREUSDT")

    def read_page(connection: Connection, before: ChangePosition | None) -> Any:
        return read_changes(connection, UNSCOPED, rare, before=before, limit=5, looked_at=8)

    with database.autocommit() as connection:
        first = read_page(connection, None)
        second = read_page(connection, first.next_before)

    assert (orders_of(first.changes), first.is_full) == ([], False)
    assert first.next_before.created_at == NOON + timedelta(seconds=3)
    assert (orders_of(second.changes), second.next_before) == (["rare"], None)


def test_the_latest_are_read_from_the_index_among_many_entries_of_the_application(
    application: Application, database: Database
) -> None:
    application.execute(
        "INSERT INTO activity_log (order_id, action, details, created_at) SELECT n::text,"
        " CASE WHEN n % 100 = 0 THEN 'reconciliation.update' ELSE 'order.note' END,"
        ' \'{"report": {"symbol": "BTCUSDT"}}\', now() - make_interval(secs => n)'
        " FROM generate_series(1, 30000) n"
    )
    application.execute("ANALYZE activity_log")

    for change_filter in (ALL, ChangeFilter(symbol="BTCUSDT")):
        plan = explained(
            database,
            lambda connection, chosen=change_filter: read_changes(  # type: ignore[misc]  # a default binds the loop's value
                connection, UNSCOPED, chosen, limit=50
            ),
        )

        (scan,) = plan.scans_of("activity_log")
        assert scan[1] == "activity_log_changes"


@pytest.fixture
def feed_of(database: Database) -> Any:
    """Begin to follow: `poll = feed_of(ChangeFilter())`; `poll()` returns the new orders."""

    def feed_of(change_filter: ChangeFilter = ALL) -> Any:
        with database.autocommit() as connection:
            feed = ChangeFeed(connection, UNSCOPED, change_filter)

        def poll() -> list[str]:
            with database.autocommit() as connection:
                return orders_of(feed.poll(connection))

        return poll

    return feed_of


def test_what_commits_late_is_neither_lost_nor_doubled(
    application: Application, database_url: str, feed_of: Any
) -> None:
    with connect_application(database_url) as slow, connect_application(database_url) as slower:
        with slower.transaction():
            add(slower, "began before the feed")
            poll = feed_of()
            with slow.transaction():
                add(slow, "early id")
                add(application, "late id")
                assert poll() == ["late id"]
                add(application, "later id")
                assert poll() == ["later id"]
            assert poll() == ["early id"]
            assert poll() == []
        assert poll() == ["began before the feed"]
        assert poll() == []


def test_what_has_been_seen_is_not_read_again_while_a_transaction_writes_for_long(
    application: Application, database: Database, database_url: str
) -> None:
    with connect_application(database_url) as slow, slow.transaction():
        add(slow, "late")
        with database.autocommit() as connection:
            feed = ChangeFeed(connection, UNSCOPED, ALL)
            for number in range(300):
                add(application, str(number))
            assert len(feed.poll(connection)) == 300
        add(application, "new")

        plan = explained(database, feed.poll)

    assert plan.root["Actual Rows"] == 1


def test_what_was_there_is_not_new_and_what_is_rolled_back_never_appears(
    application: Application, database_url: str, feed_of: Any
) -> None:
    add(application, "old")
    poll = feed_of()

    with connect_application(database_url) as other, other.transaction(force_rollback=True):
        add(other, "rolled back")
        assert poll() == []
    add(application, "new")

    assert poll() == ["new"]


def test_only_what_matches_is_followed_also_more_than_a_page(
    application: Application, feed_of: Any
) -> None:
    poll = feed_of(ChangeFilter(symbol="ETHUSDT"))
    application.execute(
        "INSERT INTO activity_log (order_id, action, details) SELECT n::text,"
        " 'reconciliation.update', jsonb_build_object('report', jsonb_build_object('symbol',"
        " CASE WHEN n % 2 = 0 THEN 'ETHUSDT' ELSE 'BTCUSDT' END))"
        " FROM generate_series(1, 5000) n"
    )

    assert poll() == [str(number) for number in range(2, 5001, 2)]
    assert poll() == []


def test_a_log_with_uuids_is_followed_too(
    owner: Application, empty_database_url: str, empty_database: Database
) -> None:
    owner.execute(_OWN_LOG["uuid ids, varchar, json"].encode())
    add(owner, "old")
    with empty_database.autocommit() as connection:
        feed = ChangeFeed(connection, UNSCOPED, ALL)
        with connect_application(empty_database_url) as slow, slow.transaction():
            add(slow, "slow")
            add(owner, "quick")
            assert orders_of(feed.poll(connection)) == ["quick"]
        assert orders_of(feed.poll(connection)) == ["slow"]
        assert orders_of(feed.poll(connection)) == []
