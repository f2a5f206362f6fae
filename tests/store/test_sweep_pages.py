"""A sweep goes symbol by symbol, the longest unsynced first, and has every stale order once."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.domain.order import OrderId
from reconciler.store import stale
from reconciler.store.database import Database
from reconciler.store.stale import SweepPosition, SymbolBacklog

from .builders import (
    SHAPES,
    Application,
    a_fault,
    applied,
    connect_application,
    insert_order,
    make_ready,
    now_of,
    use_side_table,
)
from .test_stale import ids_of, read_page, read_pages, stale_orders

MINUTES_AGO = "now() - %s * interval '1 minute'"


@pytest.fixture
def nullable(application: Application) -> Application:
    """The application, whose orders may have no symbol."""
    application.execute("ALTER TABLE orders ALTER symbol DROP NOT NULL")
    return application


def insert_orders(application: Application, *rows: tuple[OrderId, str | None, int | None]) -> None:
    """Insert orders: id, symbol and for how many minutes it has not been synced."""
    for id_, symbol, minutes in rows:
        insert_order(application, id_, symbol=symbol)
        application.execute(
            f"UPDATE orders SET last_synced_at = {MINUTES_AGO} WHERE id = %s",  # noqa: S608 - as above
            [minutes, id_],
        )


def pages_of(database: Database, limit: int) -> list[list[OrderId]]:
    return [ids_of(page) for page in read_pages(database, limit)]


def scanned(database: Database) -> list[SymbolBacklog]:
    orders = stale_orders(database)
    with database.transaction() as connection:
        return list(orders.scan(connection).symbols)


def test_the_symbol_with_the_longest_unsynced_order_comes_first(
    application: Application, database: Database
) -> None:
    insert_orders(
        application,
        *((1, "LATE", 30), (2, "LATE", 8), (3, "NEW", None), (4, "NEW", 7), (5, "OLD", 60)),
        *((6, "FRESH", 1), (7, "AHEAD", -10)),
    )

    assert scanned(database) == [("NEW", 2), ("OLD", 1), ("LATE", 2), ("AHEAD", 1)]
    assert pages_of(database, 2) == [[3, 4], [5], [1, 2], [7]]


def test_of_two_symbols_with_new_orders_the_one_that_waits_longer_comes_first(
    application: Application, database: Database
) -> None:
    for id_, symbol in ((1, "B"), (2, "A")):
        insert_order(application, id_, symbol=symbol, created_at=f"2026-11-0{id_}")

    assert scanned(database) == [("B", 1), ("A", 1)]


def test_a_page_has_whole_symbols_and_room_for_their_growth(
    application: Application, database: Database
) -> None:
    symbols = [f"S{id_ // 3}" for id_ in range(12)]
    insert_orders(application, *((id_, symbol, 60 - id_) for id_, symbol in enumerate(symbols)))

    assert pages_of(database, 8) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


@pytest.mark.parametrize("most", [2, 5, 1_000], ids=lambda most: f"{most} ids listed at once")
def test_a_symbol_larger_than_a_page_comes_in_parts_by_age(
    most: int, application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "MAX_LISTED", most)
    ages = [9, 12, None, 8, 10, None, 11, 7, 10]
    insert_orders(application, *((id_, "BIG", age) for id_, age in enumerate(ages)))
    insert_orders(application, (20, "SMALL", 6))

    pages = pages_of(database, 2)

    assert [id_ for page in pages for id_ in page] == [2, 5, 1, 6, 4, 8, 0, 3, 7, 20]
    assert max(map(len, pages)) == 2


def test_a_symbol_whose_orders_go_stale_again_at_once_comes_to_an_end(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "MAX_LISTED", 3)
    insert_orders(application, *((id_, "BIG", 60 - id_) for id_ in range(1, 9)))
    insert_orders(application, (9, "SMALL", 1))
    orders = stale_orders(database, stale_after=timedelta(0))
    found: list[OrderId] = []
    after: SweepPosition | None = None

    while len(found) < 20:
        with database.transaction() as connection:
            page = orders.read_page(connection, 2, after)
        found += ids_of(page)
        application.execute(
            "UPDATE orders SET last_synced_at = now() WHERE id = ANY (%s)", [ids_of(page)]
        )
        after = page.next
        if after is None:
            break

    assert found == list(range(1, 10))


def test_a_symbol_with_a_new_order_for_each_look_comes_to_an_end(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "MAX_LISTED", 3)
    insert_orders(application, *((id_, "BIG", None) for id_ in range(1, 9)))
    insert_orders(application, (9_000, "SMALL", 9))
    found: list[OrderId] = []
    after: SweepPosition | None = None

    while len(found) < 50:
        page = read_page(database, 2, after)
        found += ids_of(page)
        insert_orders(application, *((10 * len(found) + n, "BIG", None) for n in (0, 1)))
        after = page.next
        if after is None:
            break

    assert found[:8] == list(range(1, 9))
    assert found[-1] == 9_000
    assert len(set(found)) == len(found) <= 20


def test_a_smaller_page_loses_nothing_of_what_is_listed(
    application: Application, database: Database
) -> None:
    insert_orders(application, *((id_, "BIG", 60 - id_) for id_ in range(1, 9)))
    first = read_page(database, 3)
    found, after = ids_of(first), first.next

    while after is not None:
        page = read_page(database, 2, after)
        found, after = found + ids_of(page), page.next

    assert found == list(range(1, 9))


def test_a_symbol_that_outgrows_its_page_loses_no_order(
    application: Application, database: Database
) -> None:
    insert_orders(application, (1, "OLD", 60), (2, "GROWS", 30), (3, "LAST", 20))
    first = read_page(database, 1)
    insert_orders(application, *((id_, "GROWS", None) for id_ in (4, 5)))

    found, after = ids_of(first), first.next
    while after is not None:
        page = read_page(database, 1, after)
        found, after = found + ids_of(page), page.next

    assert found == [1, 4, 5, 2, 3]


def test_a_page_leaves_out_what_is_not_stale_any_more(
    application: Application, database: Database
) -> None:
    insert_orders(application, *((id_, "BIG", 60 - id_) for id_ in range(1, 7)))
    insert_orders(application, (7, "DONE", 7), (8, "LAST", 6))
    first = read_page(database, 2)
    application.execute("UPDATE orders SET last_synced_at = now() WHERE id IN (3, 4, 7)")
    application.execute("UPDATE orders SET status = 'filled' WHERE id = 5")

    second = read_page(database, 2, first.next)
    third = read_page(database, 2, second.next)

    assert [ids_of(page) for page in (first, second, third)] == [[1, 2], [6], [8]]
    assert third.next is None


def test_orders_on_hold_are_left_out_of_a_large_symbol(
    application: Application, database: Database
) -> None:
    insert_orders(application, *((id_, "BTCUSDT", 60 - id_) for id_ in range(1, 7)))
    applied(database, *((id_, a_fault(id_, fetched_at=now_of(database))) for id_ in (1, 2, 4)))

    assert pages_of(database, 2) == [[3], [5, 6]]


STRANGE = ["BTC/USDT", 'a "quote"', "back\\slash", "{1,2}", "", " ", "null", "NULL", "ü€", None]


def test_symbols_of_any_letters_are_found(nullable: Application, database: Database) -> None:
    insert_orders(nullable, *((id_, symbol, 9) for id_, symbol in enumerate(STRANGE)))

    found = {order.id: order.symbol for page in read_pages(database, 100) for order in page.orders}

    assert found == {id_: (symbol or "").strip() for id_, symbol in enumerate(STRANGE)}


TYPES = ["char(20)", "varchar(20)", "name", '"char"', "a_domain"]


@pytest.mark.parametrize("type_", TYPES)
def test_symbols_of_every_text_type_are_found(
    type_: str, nullable: Application, database: Database
) -> None:
    nullable.execute("CREATE DOMAIN a_domain AS varchar(20) CHECK (value <> '')")
    nullable.execute(f"ALTER TABLE orders ALTER symbol TYPE {type_}")
    insert_orders(nullable, (1, "a", 9), (2, "b", 8), (3, "a", 7), (4, "A", 6), (5, None, 5))

    assert pages_of(database, 1) == [[1], [3], [2], [4], [5]]
    assert pages_of(database, 100) == [[1, 2, 3, 4], [5]]


IGNORE_CASE = {
    "citext": "CREATE EXTENSION citext; ALTER TABLE orders ALTER symbol TYPE citext",
    "collation": (
        "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2',"
        " deterministic = false); ALTER TABLE orders ALTER symbol TYPE text COLLATE no_case"
    ),
}


# The wheel's PostgreSQL is built without either; Debian's, the oldest that is supported, is not.
@pytest.mark.parametrize("any_database_url", ["oldest"], indirect=True)
@pytest.mark.parametrize("change", IGNORE_CASE.values(), ids=IGNORE_CASE)
def test_symbols_that_differ_in_case_are_one_if_the_database_says_so(
    change: str, any_database_url: str
) -> None:
    database = Database(any_database_url, role="test")
    with connect_application(any_database_url) as application:
        application.execute(change)
        insert_orders(application, (1, "a", 9), (2, "b", 8), (3, "A", 7))

        by_ids, by_symbols = pages_of(database, 1), pages_of(database, 100)
    database.close()

    assert by_ids == [[1], [3], [2]]
    assert by_symbols == [[1, 2, 3]]


def test_the_orders_of_a_partitioned_table_are_found(
    owner: Application, empty_database: Database
) -> None:
    parts = (
        f"CREATE TABLE part_{part} PARTITION OF orders"
        f" FOR VALUES WITH (MODULUS 3, REMAINDER {part});"
        for part in range(3)
    )
    table = SHAPES["bigint id, text status"].ddl + " PARTITION BY HASH (id);"
    make_ready(owner, table + "".join(parts))
    insert_orders(owner, *((id_, f"S{id_ % 2}", 60 - id_) for id_ in range(10)))

    by_ids, by_symbols = pages_of(empty_database, 2), pages_of(empty_database, 6)

    assert [id_ for page in by_ids for id_ in page] == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert by_symbols == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


def test_the_side_table_gives_the_same_pages(application: Application, database: Database) -> None:
    ages = [9, 12, None, 8, 10, None, 11, 1, 10, -9]
    insert_orders(application, *((id_, f"S{id_ % 2}", age) for id_, age in enumerate(ages)))
    limits = (1, 3, 4, 100)
    scan, pages = scanned(database), [pages_of(database, limit) for limit in limits]

    use_side_table(application)

    assert scanned(database) == scan == [("S1", 4), ("S0", 5)]
    assert [pages_of(database, limit) for limit in limits] == pages


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["A", "B", "C", None]), st.sampled_from([None, 9, 8, 7, 1, -9])),
        max_size=20,
    ),
    limit=st.integers(1, 12),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_stale_order_is_on_one_page(
    nullable: Application,
    database: Database,
    rows: list[tuple[str | None, int | None]],
    limit: int,
) -> None:
    nullable.execute("TRUNCATE orders")
    insert_orders(nullable, *((id_, symbol, age) for id_, (symbol, age) in enumerate(rows)))

    pages = pages_of(database, limit)

    assert sorted((id_ for page in pages for id_ in page), key=int) == [
        id_ for id_, (_, age) in enumerate(rows) if age != 1
    ]
    assert max(map(len, pages), default=0) <= limit
