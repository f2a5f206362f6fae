"""Tables of one's own, of every kind of names, types and words: read, written and read back.

Each case has a table, its configuration file, and one open order; and what stands in the row when
the exchange has reported it filled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from reconciler.domain.decide import Change, Policy, Rule, decide
from reconciler.domain.report import Absent, Report
from reconciler.domain.status import Status
from reconciler.store import migrations
from reconciler.store.compare_and_set import PlannedWrites
from reconciler.store.database import Database
from reconciler.store.hold_acceptance import NotAcceptable, decide_acceptance
from reconciler.store.holds import read_hold
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable, require_schema
from reconciler.store.stale import StaleOrders
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import UserTable, pyformat, quoted

from .builders import Application, connect_application, read_log

LONG_AGO = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
EXECUTED, AVERAGE = Decimal("1.25"), Decimal("60000.5")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A table and its file.

    Attributes:
        insert: The values of an open row, by column.
        filled: What stands in it once it is filled.
    """

    ddl: str
    table: str
    config: str
    insert: dict[str, Any]
    filled: dict[str, Any]


HOSTILE = 'say "x"; DROP TABLE orders --%s :y'
LONG = "z" * 63

VIEW = """
            [orders]
            table = "deals"
            [orders.columns]
            symbol = "sym"
            external_order_id = "ext"
            status = "state"
            executed_qty = "done"
            last_synced_at = "synced"
            [orders.statuses]
            OPEN = "open"
            DONE = "filled"
            """

CASES = {
    "hostile names": Case(
        ddl=f"""CREATE SCHEMA "select";
            CREATE TABLE "select"."Trade.Orders;" (
                "order" bigint PRIMARY KEY, "group" text, "{HOSTILE.replace('"', '""')}" text,
                "состояние" text, {LONG} numeric(20, 8), "user" numeric, "from%" timestamptz)
            """,
        table='"select"."Trade.Orders;"',
        config=f"""
            [orders]
            table = '"select"."Trade.Orders;"'
            where = "\\"group\\" NOT LIKE '%:x%%'"
            [orders.columns]
            id = "order"
            symbol = "group"
            external_order_id = '{HOSTILE}'
            status = "состояние"
            executed_qty = "{LONG}"
            avg_price = "user"
            last_synced_at = "from%"
            [orders.statuses]
            "it's 100% :open" = "open"
            "a\\\\b" = "filled"
            """,
        insert={
            "order": 1,
            "group": "BTCUSDT",
            HOSTILE: "77",
            "состояние": "it's 100% :open",
            LONG: 0,
            "user": None,
        },
        filled={"состояние": "a\\b", LONG: Decimal("1.25000000"), "user": AVERAGE},
    ),
    "integers, remaining, naive times": Case(
        ddl="""CREATE TABLE deals (
            id integer PRIMARY KEY, base varchar(8), quote char(6), ext bigint, state smallint,
            "left" numeric(20, 8), whole numeric(20, 8), is_open boolean, closed_by text,
            created timestamp(3), changed timestamp, synced timestamp(0))""",
        table="deals",
        config="""
            [orders]
            table = "deals"
            [orders.columns]
            symbol = { join = ["base", "quote"] }
            external_order_id = "ext"
            status = "state"
            executed_qty = { remaining = "left", of = "whole" }
            created_at = { column = "created", unit = "naive-utc" }
            updated_at = { column = "changed", unit = "naive:Asia/Tokyo" }
            last_synced_at = { column = "synced", unit = "naive-utc" }
            [orders.statuses]
            "100" = "open"
            "-200" = "canceled"
            "200" = "filled"
            "201" = "filled"
            [orders.statuses.write]
            filled = "200"
            [orders.also_write]
            is_open = { open = true, ended = false }
            closed_by = { ended = "us" }
            [orders.symbols]
            rename = { "BTCUSD" = "BTCUSDT" }
            """,
        insert={
            "id": 1,
            "base": "BTC",
            "quote": "USD",
            "ext": 77,
            "state": 100,
            "left": Decimal("1.25"),
            "whole": Decimal("1.25"),
            "is_open": True,
            "created": LONG_AGO.replace(tzinfo=None),
            "changed": LONG_AGO.replace(tzinfo=None),
        },
        filled={
            "state": 200,
            "left": Decimal("0E-8"),
            "whole": Decimal("1.25000000"),
            "is_open": False,
            "closed_by": "us",
        },
    ),
    "epochs, scaled integers, floats": Case(
        ddl="""CREATE TABLE deals (
            id uuid PRIMARY KEY, sym text, ext text, state text, done bigint, average real,
            qty double precision, created bigint, changed double precision, synced text)""",
        table="deals",
        config="""
            [orders]
            table = "public.deals"
            [orders.columns]
            symbol = "sym"
            external_order_id = "ext"
            status = "state"
            executed_qty = { column = "done", scale = "1e-6" }
            avg_price = "average"
            created_at = { column = "created", unit = "epoch-ns" }
            updated_at = { column = "changed", unit = "epoch-s" }
            last_synced_at = { column = "synced", unit = "epoch-us" }
            [orders.statuses]
            ACTIVE = "new"
            PART = "partial"
            EXECUTED = "filled"
            [orders.symbols]
            ignore = "-/"
            strip_suffix = [".BINANCE"]
            """,
        insert={
            "id": "00000000-0000-0000-0000-000000000001",
            "sym": " BTC-USDT.BINANCE ",
            "ext": "77",
            "state": "ACTIVE",
            "done": 0,
            "qty": 1.25,
            "created": int(LONG_AGO.timestamp()) * 10**9,
            "changed": LONG_AGO.timestamp(),
            "synced": str(int(LONG_AGO.timestamp()) * 10**6),
        },
        filled={"state": "EXECUTED", "done": 1_250_000, "average": 60000.5},
    ),
    "an enum, a key of another table, texts": Case(
        ddl="""CREATE TYPE "State" AS ENUM ('OPEN', 'DONE', 'GONE');
            CREATE TABLE pairs (id integer PRIMARY KEY, name text);
            INSERT INTO pairs VALUES (7, 'BTC_USDT');
            CREATE TABLE deals (
            id bigint PRIMARY KEY, pair_id integer REFERENCES pairs, ext text, state "State",
            done text, average varchar(40), synced timestamptz, deleted boolean DEFAULT false)""",
        table="deals",
        config="""
            [orders]
            table = "deals"
            where = "NOT deals.deleted"
            [orders.columns]
            symbol = { query = "SELECT name FROM pairs WHERE id = :value", column = "pair_id" }
            external_order_id = "ext"
            status = "state"
            executed_qty = "done"
            avg_price = "average"
            last_synced_at = "synced"
            [orders.statuses]
            OPEN = "open"
            DONE = "filled"
            GONE = "canceled"
            [orders.symbols]
            ignore = "_"
            """,
        insert={"id": 1, "pair_id": 7, "ext": "77", "state": "OPEN", "done": "0.000"},
        filled={"state": "DONE", "done": "1.25", "average": "60000.5"},
    ),
    "what remains, as texts": Case(
        ddl="""CREATE TABLE deals (id bigint PRIMARY KEY, sym text, ext text, state text,
            "left" text, whole varchar(20), synced timestamptz)""",
        table="deals",
        config=VIEW.replace('"done"', '{ remaining = "left", of = "whole" }'),
        insert={
            "id": 1,
            "sym": "BTCUSDT",
            "ext": "77",
            "state": "OPEN",
            "left": "1.25",
            "whole": "1.250",
        },
        filled={"state": "DONE", "left": "0.000"},
    ),
    "tables called like subqueries of ours": Case(
        ddl="""CREATE TABLE compared (id bigint PRIMARY KEY, changed text); CREATE TABLE held (
            id bigint PRIMARY KEY, sym text, ext text, state text, done numeric,
            synced timestamptz);
            INSERT INTO compared VALUES (1)""",
        table="held",
        config=VIEW.replace('"deals"', '"held"').replace(
            "[orders.columns]",
            """where = "held.id IN (SELECT compared.id FROM compared WHERE changed IS NULL)"
            [orders.columns]""",
        ),
        insert={"id": 1, "sym": "BTCUSDT", "ext": "77", "state": "OPEN", "done": 0},
        filled={"state": "DONE", "done": EXECUTED},
    ),
    "a view that PostgreSQL can write": Case(
        ddl="""CREATE TABLE base (
            id bigint PRIMARY KEY, sym text, ext text, state text, done numeric, synced timestamptz,
            tenant integer DEFAULT 7);
            CREATE VIEW deals AS
                SELECT id, sym, ext, state, done, synced FROM base WHERE tenant = 7""",
        table="deals",
        config=VIEW,
        insert={"id": 1, "sym": "BTCUSDT", "ext": "77", "state": "OPEN", "done": 0},
        filled={"state": "DONE", "done": EXECUTED},
    ),
    "a view over two tables with a trigger": Case(
        ddl="""CREATE TABLE base (id bigint PRIMARY KEY, sym text, ext text, synced timestamptz);
            CREATE TABLE progress (base_id bigint PRIMARY KEY REFERENCES base, state text,
                done numeric);
            CREATE VIEW deals AS SELECT b.id, b.sym, b.ext, b.synced, p.state, p.done
                FROM base b JOIN progress p ON p.base_id = b.id;
            CREATE FUNCTION write_deal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF TG_OP = 'INSERT' THEN
                    INSERT INTO base VALUES (NEW.id, NEW.sym, NEW.ext, NEW.synced);
                    INSERT INTO progress VALUES (NEW.id, NEW.state, NEW.done);
                ELSE
                    UPDATE base SET synced = NEW.synced WHERE id = OLD.id;
                    UPDATE progress SET state = NEW.state, done = NEW.done WHERE base_id = OLD.id;
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER write_deal INSTEAD OF INSERT OR UPDATE ON deals
                FOR EACH ROW EXECUTE FUNCTION write_deal()""",
        table="deals",
        config=VIEW,
        insert={"id": 1, "sym": "BTCUSDT", "ext": "77", "state": "OPEN", "done": 0},
        filled={"state": "DONE", "done": EXECUTED},
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[str(request.param)]


@pytest.fixture
def owner(case: Case, empty_database_url: str) -> Iterator[Application]:
    with connect_application(empty_database_url) as connection:
        connection.execute(case.ddl.encode())
        yield connection


@pytest.fixture
def database(owner: Application, empty_database_url: str, case: Case) -> Iterator[Database]:
    assert not owner.closed
    database = Database(empty_database_url, role="test")
    with database.connection() as connection:
        migrations.upgrade(connection, table_of(case))
    yield database
    database.close()


def table_of(case: Case) -> UserTable:
    document = parse_document(case.config.replace("\n            ", "\n"), name="it")
    file = read_sections(document, variables=(), secrets=(), own_variable="")
    assert not file.problems
    assert file.orders is not None
    return UserTable(file.orders)


def orders_of(database: Database, case: Case) -> OrdersTable:
    with database.autocommit() as connection:
        return require_schema(connection, table_of(case))


def insert(owner: Application, case: Case) -> None:
    columns = ", ".join(map(quoted, case.insert))
    values = ", ".join(["%s"] * len(case.insert))
    statement = pyformat(f"INSERT INTO {case.table} ({columns}) VALUES ") + f"({values})"  # noqa: S608 - ours
    owner.execute(statement.encode(), list(case.insert.values()))


def row_of(owner: Application, case: Case) -> dict[str, Any]:
    (row,) = owner.execute(f"SELECT * FROM {case.table}".encode()).fetchall()  # noqa: S608 - ours
    return row


def read_stale(database: Database, orders: OrdersTable) -> tuple[StaleOrder, ...]:
    stale = StaleOrders(orders, stale_after=timedelta(minutes=5))
    with database.transaction() as connection:
        return stale.read_page(connection, 100).orders


def writer_of(orders: OrdersTable) -> OrderWriter:
    policy = Policy(
        quantity_scale=orders.quantity_scale,
        price_scale=orders.price_scale,
        ordered_scale=orders.ordered_scale,
        unwritable=orders.statuses.unwritable,
    )
    return OrderWriter(orders, exchange="paper", decide=partial(decide, policy=policy))


def a_report(status: Status, executed: Decimal, average: Decimal | None) -> Report:
    return Report(
        symbol="BTCUSDT",
        external_order_id="77",
        word=status.upper(),
        status=status,
        executed_qty=executed,
        avg_price=average,
        fetched_at=datetime.now(UTC),
        quantity=EXECUTED,
    )


FILLED = partial(a_report, Status.FILLED, EXECUTED, AVERAGE)
CONFIRMED = partial(a_report, Status.NEW, Decimal(0), None)


def test_an_open_order_is_read_in_our_terms(
    owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)

    (order,) = read_stale(database, orders_of(database, case))

    assert (order.symbol, order.external_order_id) == ("BTCUSDT", "77")
    assert (order.status, order.executed_qty, order.avg_price) == (Status.NEW, Decimal(0), None)
    assert order.created_at is None or abs(order.created_at - LONG_AGO) < timedelta(seconds=1)


@pytest.mark.parametrize("way", ["compare and set", "under the lock"])
def test_a_change_is_written_in_their_terms_and_logged_in_both(
    way: str, owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)
    orders = orders_of(database, case)
    (order,) = read_stale(database, orders)

    write(database, orders, order, FILLED(), way)

    row = row_of(owner, case)
    assert {name: row[name] for name in case.filled} == case.filled
    (entry,) = read_log(owner, order.id)
    assert entry["details"]["to"]["status"] == "filled"
    word = case.filled[next(iter(case.filled))]
    assert entry["details"]["to"]["status_written"] == str(word)
    assert Decimal(entry["details"]["to"]["executed_qty"]) == EXECUTED
    assert read_stale(database, orders) == ()


@pytest.mark.parametrize("way", ["compare and set", "under the lock"])
def test_a_confirm_moves_only_the_sync_time(
    way: str, owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)
    orders = orders_of(database, case)
    (order,) = read_stale(database, orders)
    before = row_of(owner, case)

    write(database, orders, order, CONFIRMED(), way)

    after = row_of(owner, case)
    assert [name for name in before if before[name] != after[name]] == [
        table_of(case).columns_of("last_synced_at")[0]
    ]
    assert read_stale(database, orders) == ()
    assert read_log(owner, order.id) == []


def test_deciding_again_on_what_was_written_changes_nothing(
    owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)
    orders = orders_of(database, case)
    (order,) = read_stale(database, orders)
    partly = partial(a_report, Status.PARTIAL, Decimal("0.3333333333"), Decimal("60000.12345678"))

    write(database, orders, order, partly(), "under the lock")
    before = row_of(owner, case)
    write(database, orders, order, partly(), "under the lock")

    assert len(read_log(owner, order.id)) == ("PART" in case.config or "open" in case.config)
    after = row_of(owner, case)
    synced = table_of(case).columns_of("last_synced_at")[0]
    assert before | {synced: None} == after | {synced: None}


def test_a_status_without_a_word_is_a_hold(
    owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)
    orders = orders_of(database, case)
    (order,) = read_stale(database, orders)
    before = row_of(owner, case)

    write(database, orders, order, a_report(Status.EXPIRED, Decimal(0), None), "under the lock")

    assert row_of(owner, case) == before
    (held,) = owner.execute("SELECT reason, detail FROM reconciliation_holds").fetchall()
    assert "has no word for that" in held["detail"]


def test_a_person_is_told_that_a_status_has_no_word(
    owner: Application, database: Database, case: Case
) -> None:
    insert(owner, case)
    orders = orders_of(database, case)
    (order,) = read_stale(database, orders)
    before = row_of(owner, case)
    absent = Absent(symbol="BTCUSDT", external_order_id="77", fetched_at=datetime.now(UTC))
    with database.transaction() as connection:
        writer_of(orders).apply(connection, {order.id: absent})
        hold = read_hold(connection, orders.scope, str(order.id))

    assert hold is not None
    with pytest.raises(NotAcceptable, match="has no word for that"):
        decide_acceptance(hold, Status.EXPIRED, orders, now=datetime.now(UTC))
    assert row_of(owner, case) == before


def write(
    database: Database, orders: OrdersTable, order: StaleOrder, report: Report, way: str
) -> None:
    writer = writer_of(orders)
    if way == "under the lock" or not order.version:  # As for a view: see `BatchState`.
        with database.transaction() as connection:
            writer.apply(connection, {order.id: report})
        return
    facts = order.facts
    to = facts.__class__(
        status=report.status or facts.status,
        executed_qty=report.executed_qty,
        avg_price=report.avg_price or facts.avg_price,
    )
    is_confirm = to.is_same(facts)
    change = [] if is_confirm else [(order, report, Change(to=to, rule=Rule.ENDED))]
    planned = PlannedWrites(confirmed=[(order, report)] if is_confirm else [], changed=change)
    with database.autocommit() as connection:
        result = writer.write_planned(connection, planned)
    assert (result.different, result.skipped) == (frozenset(), frozenset())
