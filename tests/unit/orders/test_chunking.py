"""A page is cut into runs that one page of the exchange's history answers for, answers by rows."""

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
from reconciler.store.stale import StaleOrder


def with_pages_of(length: int) -> Venue:
    """Return an exchange whose history comes in pages of that length."""
    return replace(venue("paper"), history_page=length)


def some_orders(*known: tuple[str, str]) -> list[StaleOrder]:
    """Return orders by (symbol, exchange's id), in the page's order."""
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
        for number, (symbol, external) in enumerate(known, start=1)
    ]


def exchange_ids(orders: list[StaleOrder], run_length: int) -> list[list[str]]:
    return [
        [order.external_order_id for order in chunk.items]
        for chunk in chunk_orders(orders, with_pages_of(run_length))
    ]


def some_answers(ids: Iterable[OrderId]) -> dict[OrderId, Answer]:
    """Return an answer to each order, in the order in which they came."""
    now = datetime.now(UTC)
    return {id_: Absent(symbol="BTC", external_order_id=str(id_), fetched_at=now) for id_ in ids}


def test_nothing_makes_no_run() -> None:
    assert chunk_orders([], with_pages_of(1000)) == ()


def test_a_run_is_of_one_symbol() -> None:
    orders = some_orders(("BTC", "1"), ("ETH", "2"), ("BTC", "3"))

    chunks = chunk_orders(orders, with_pages_of(1000))

    assert [(chunk.key, len(chunk.items)) for chunk in chunks] == [("BTC", 2), ("ETH", 1)]


def test_the_symbol_of_the_longest_unsynced_order_comes_first() -> None:
    orders = some_orders(("ETH", "9"), ("BTC", "1"), ("ADA", "5"), ("BTC", "2"))

    assert [chunk.key for chunk in chunk_orders(orders, with_pages_of(1000))] == [
        "ETH",
        "BTC",
        "ADA",
    ]


def test_a_hot_symbol_is_cut_into_runs_of_the_given_length() -> None:
    orders = some_orders(*(("BTC", str(number)) for number in range(1, 6)))

    assert exchange_ids(orders, 2) == [["1", "2"], ["3", "4"], ["5"]]


def test_a_symbol_that_just_fills_a_run_makes_one() -> None:
    orders = some_orders(("BTC", "1"), ("BTC", "2"))

    assert exchange_ids(orders, 2) == [["1", "2"]]


def test_ids_that_are_numbers_stand_in_the_order_of_their_values() -> None:
    orders = some_orders(*(("BTC", text) for text in ("10", "9", "9007199254740993", "100")))

    assert exchange_ids(orders, 2) == [["9", "10"], ["100", "9007199254740993"]]


def test_ids_that_are_words_are_taken_as_well() -> None:
    orders = some_orders(("BTC", "OB5V-2"), ("BTC", "OA3S-7"), ("BTC", ""))

    assert exchange_ids(orders, 1000) == [["", "OA3S-7", "OB5V-2"]]


def test_a_run_is_new_to_the_supervisor() -> None:
    (chunk,) = chunk_orders(some_orders(("BTC", "1")), with_pages_of(1000))

    assert (chunk.crashes, chunk.is_second_try) == (0, False)


@given(
    known=st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(1, 99).map(str))),
    run_length=st.integers(1, 7),
)
def test_every_order_is_in_one_run_and_no_run_is_too_long(
    known: list[tuple[str, str]], run_length: int
) -> None:
    orders = some_orders(*known)

    chunks = chunk_orders(orders, with_pages_of(run_length))

    arranged = list(chain.from_iterable(chunk.items for chunk in chunks))
    assert sorted(order.id for order in arranged) == [order.id for order in orders]
    assert all(1 <= len(chunk.items) <= run_length for chunk in chunks)
    assert all({order.symbol for order in chunk.items} == {chunk.key} for chunk in chunks)


def test_a_run_costs_one_request_each_until_a_page_of_history_is_cheaper() -> None:
    exchange = with_pages_of(1000)
    few = some_orders(("BTC", "1"))
    many = some_orders(*(("BTC", str(number)) for number in range(1000)))

    assert [chunk.cost for chunk in chunk_orders(few, exchange)] == [exchange.single_weight]
    assert [chunk.cost for chunk in chunk_orders(many, exchange)] == [exchange.history_weight]


def test_rows_that_are_neighbours_are_written_in_one_transaction() -> None:
    answers = some_answers([7, 30, 8, 5, 29])

    assert [list(some) for some in split_for_transactions(answers, 3)] == [[5, 7, 8], [29, 30]]


def test_rows_with_uuids_are_cut_in_the_order_of_their_index() -> None:
    first, second, third = (UUID(int=number << 64) for number in (1, 2, 3))

    cut = split_for_transactions(some_answers([third, first, second]), 2)

    assert [list(some) for some in cut] == [[first, second], [third]]


@given(ids=st.lists(st.integers(1, 99), unique=True), limit=st.integers(1, 7))
def test_every_answer_is_written_once_and_no_transaction_is_too_long(
    ids: list[int], limit: int
) -> None:
    answers = some_answers(ids)

    cut = list(split_for_transactions(answers, limit))

    assert {id_: answer for some in cut for id_, answer in some.items()} == answers
    assert sum(map(len, cut)) == len(answers)
    assert all(1 <= len(some) <= limit for some in cut)
