"""Pages of orders, translated to answers and failures of the requested orders.

An order gets a report only from a row of its own symbol and id. Ids are unique across symbols, so a
row of the right id and another symbol shows that the order's symbol is wrong. An order that cannot
be read fails alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import TERMINAL
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.raw_orders import OrderPage, RawOrder, decode_page
from reconciler.exchanges.bybit.reports import to_report
from reconciler.exchanges.query_result import (
    QueryResult,
    lookup_result,
    other_symbol_fault,
    result_of_rows,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown


def decode_lookup(ref: OrderRef, body: bytes) -> OrderPage:
    """Decode the answer to the look-up of `ref`.

    Raises:
        ValueError: the body is no page of orders, or it is about other orders.
    """
    page = decode_page(body)
    for raw in page.orders:
        # Not left out, as on a list: without any row the order would seem not to exist.
        if raw.order_id != ref.external_order_id or raw.symbol is None:
            raise ValueError(f"asked for {shown(ref)}, the answer is about another order, or none")
    return page


def decode_list(symbol: str | None, body: bytes) -> OrderPage:
    """Decode a page of the orders of `symbol`, or of all symbols.

    Raises:
        ValueError: the body is no page of orders, or none of them is of `symbol`.
    """
    page = decode_page(body)
    others = [raw.symbol for raw in page.orders if raw.symbol not in {symbol, None}]
    if symbol is not None and others and len(others) == len(page.orders):
        raise ValueError(
            f"asked for orders of {symbol}, the answer is about {str(others[0])[:MAX_NAME_LENGTH]}"
        )
    return page


def result_of_lookup(ref: OrderRef, page: OrderPage, fetched_at: datetime) -> QueryResult:
    """Return the result of the look-up of `ref`: an empty page says that it is not there."""
    return lookup_result([ref], _result_of_page([ref], page, fetched_at), fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    """Return the result of a page of a list. It says nothing about an order that it leaves out."""
    found = _result_of_page(wanted, page, fetched_at)
    answers = found.answers
    if any(raw.symbol is None or raw.order_id is None for raw in page.orders):
        # Such a row may be another entry of any order: an end that it may deny is looked up.
        answers = {ref: answer for ref, answer in answers.items() if not _is_end(answer)}
    return replace(found, answers=answers, listed=len(page.orders), next_cursor=page.next_cursor)


def _result_of_page(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    by_id: defaultdict[str, list[OrderRef]] = defaultdict(list)
    for ref in wanted:
        by_id[ref.external_order_id].append(ref)
    rows = (
        (ref, raw)
        for raw in page.orders
        # An order without symbol or id proves nothing about any order.
        if raw.symbol is not None and raw.order_id is not None
        for ref in by_id.get(raw.order_id, ())
    )
    return result_of_rows(rows, _answer, fetched_at)


def _is_end(answer: Answer) -> bool:
    return isinstance(answer, Report) and answer.status in TERMINAL


def _answer(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Answer:
    if raw.symbol != ref.symbol:
        return other_symbol_fault(ref, raw.symbol, fetched_at)
    return to_report(ref, raw, fetched_at)
