"""Orders are cut into chunks that one request answers for, answers into transactions."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.order import OrderId
from reconciler.domain.report import Absent, Answer
from reconciler.domain.status import Status
from reconciler.exchanges.base import Venue
from reconciler.exchanges.registry import venue
from reconciler.orders.chunking import chunk_orders, split_for_transactions
from reconciler.resilience.limits import weight_of
from reconciler.store.stale_order import StaleOrder


def with_pages_of(length: int) -> Venue:
    """Return an exchange whose history has pages of this length."""
    return replace(venue("paper"), chunk_size=length)


def some_orders(*symbols_and_ids: tuple[str, str]) -> list[StaleOrder]:
    """Return orders with this symbol and exchange id, in the order of the page."""
    return [
        StaleOrder(
            id=number,
            symbol=symbol,
            external_order_id=external,
            status=Status.NEW,
            executed_qty=Decimal(0),
            avg_price=None,
            created_at=None,
            is_on_hold=False,
        )
        for number, (symbol, external) in enumerate(symbols_and_ids, start=1)
    ]


def exchange_ids(orders: list[StaleOrder], page_length: int) -> list[list[str]]:
    return [
        [order.external_order_id for order in chunk.items]
        for chunk in chunk_orders(orders, with_pages_of(page_length))
    ]


def some_answers(ids: Iterable[OrderId]) -> dict[OrderId, Answer]:
    """Return an answer about each order, in the order of the ids."""
    now = datetime.now(UTC)
    return {id_: Absent(symbol="BTC", external_order_id=str(id_), fetched_at=now) for id_ in ids}


def test_page_without_orders_makes_no_chunk() -> None:
    assert chunk_orders([], with_pages_of(1000)) == ()


def test_chunk_has_orders_of_one_symbol_only() -> None:
    orders = some_orders(("BTC", "1"), ("ETH", "2"), ("BTC", "3"))

    chunks = chunk_orders(orders, with_pages_of(1000))

    assert [(chunk.key, len(chunk.items)) for chunk in chunks] == [("BTC", 2), ("ETH", 1)]


def test_symbol_of_the_longest_unsynced_order_comes_first() -> None:
    orders = some_orders(("ETH", "9"), ("BTC", "1"), ("ADA", "5"), ("BTC", "2"))

    assert [chunk.key for chunk in chunk_orders(orders, with_pages_of(1000))] == [
        "ETH",
        "BTC",
        "ADA",
    ]


def test_busy_symbol_is_cut_into_chunks_of_page_length() -> None:
    orders = some_orders(*(("BTC", str(number)) for number in range(1, 6)))

    assert exchange_ids(orders, 2) == [["1", "2"], ["3", "4"], ["5"]]


def test_symbol_that_just_fills_a_chunk_makes_one() -> None:
    orders = some_orders(("BTC", "1"), ("BTC", "2"))

    assert exchange_ids(orders, 2) == [["1", "2"]]


def test_ids_that_are_numbers_are_sorted_by_value() -> None:
    orders = some_orders(*(("BTC", text) for text in ("10", "9", "9007199254740993", "100")))

    assert exchange_ids(orders, 2) == [["9", "10"], ["100", "9007199254740993"]]


def test_ids_that_are_not_numbers_are_sorted_as_text() -> None:
    orders = some_orders(("BTC", "OB5V-2"), ("BTC", "OA3S-7"), ("BTC", ""))

    assert exchange_ids(orders, 1000) == [["", "OA3S-7", "OB5V-2"]]


def test_new_chunk_has_no_crashes_and_no_second_try() -> None:
    (chunk,) = chunk_orders(some_orders(("BTC", "1")), with_pages_of(1000))

    assert (chunk.crashes, chunk.is_second_try) == (0, False)


@given(
    symbols_and_ids=st.lists(
        st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(1, 99).map(str))
    ),
    page_length=st.integers(1, 7),
)
def test_every_order_is_in_one_chunk_and_none_is_too_long(
    symbols_and_ids: list[tuple[str, str]], page_length: int
) -> None:
    orders = some_orders(*symbols_and_ids)

    chunks = chunk_orders(orders, with_pages_of(page_length))

    chunked = list(chain.from_iterable(chunk.items for chunk in chunks))
    assert sorted(order.id for order in chunked) == [order.id for order in orders]
    assert all(1 <= len(chunk.items) <= page_length for chunk in chunks)
    assert all({order.symbol for order in chunk.items} == {chunk.key} for chunk in chunks)


def test_chunk_costs_single_requests_until_a_page_is_cheaper() -> None:
    exchange = with_pages_of(1000)
    few = some_orders(("BTC", "1"))
    many = some_orders(*(("BTC", str(number)) for number in range(1000)))

    assert [chunk.cost for chunk in chunk_orders(few, exchange)] == [
        weight_of(exchange.lookup_cost)
    ]
    assert [chunk.cost for chunk in chunk_orders(many, exchange)] == [
        weight_of(exchange.chunk_cost)
    ]


def test_neighbouring_rows_are_written_in_different_transactions() -> None:
    answers = some_answers([7, 30, 8, 5, 29])

    assert [list(part) for part in split_for_transactions(answers, 3)] == [[5, 8, 30], [7, 29]]


def test_rows_with_uuids_are_split_in_the_order_of_the_index() -> None:
    first, second, third = (UUID(int=number << 64) for number in (1, 2, 3))

    parts = split_for_transactions(some_answers([third, first, second]), 2)

    assert [list(part) for part in parts] == [[first, third], [second]]


@given(ids=st.lists(st.integers(1, 99), unique=True), limit=st.integers(1, 7))
def test_every_answer_is_written_once_in_short_transactions(ids: list[int], limit: int) -> None:
    answers = some_answers(ids)

    parts = list(split_for_transactions(answers, limit))

    assert {id_: answer for part in parts for id_, answer in part.items()} == answers
    assert sum(map(len, parts)) == len(answers)
    assert all(1 <= len(part) <= limit for part in parts)
