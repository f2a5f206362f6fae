"""Pages of orders, translated to answers and failures of the requested orders.

An order gets a report only from a row of its own symbol and id. Ids are unique across symbols, so a
row of the right id and another symbol shows that the order's symbol is wrong. An order that cannot
be read fails alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import TERMINAL
from reconciler.errors import Malformed, UnreadableRow
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.bybit.raw_orders import OrderPage, RawOrder, decode_page
from reconciler.exchanges.bybit.reports import to_report
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_result import QueryResult, lookup_result, order_fault
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown

ById = Mapping[str, Sequence[OrderRef]]


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
    answers, failures = _read(page, {ref.external_order_id: [ref]}, fetched_at)
    return lookup_result([ref], answers=answers, failures=failures, fetched_at=fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    """Return the result of a page of a list. It says nothing about an order that it leaves out."""
    by_id: defaultdict[str, list[OrderRef]] = defaultdict(list)
    for ref in wanted:
        by_id[ref.external_order_id].append(ref)
    answers, failures = _read(page, by_id, fetched_at)
    if any(raw.symbol is None or raw.order_id is None for raw in page.orders):
        # Such a row may be another entry of any order: an end that it may deny is looked up.
        answers = {ref: answer for ref, answer in answers.items() if not _is_end(answer)}
    return QueryResult(
        answers=answers,
        failures=failures,
        listed=len(page.orders),
        next_cursor=page.next_cursor,
    )


def _read(
    page: OrderPage, by_id: ById, fetched_at: datetime
) -> tuple[dict[OrderRef, Answer], dict[OrderRef, Failure]]:
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for raw in page.orders:
        # An order without symbol or id proves nothing about any order.
        if raw.symbol is None or raw.order_id is None:
            continue
        for ref in by_id.get(raw.order_id, ()):
            try:
                answers[ref] = _answer(ref, raw, fetched_at)
            except Malformed as failure:
                failures[ref] = UnreadableRow(str(failure))
    # Of contradictory entries for one order neither is an answer.
    for ref in failures:
        answers.pop(ref, None)
    return answers, failures


def _is_end(answer: Answer) -> bool:
    return isinstance(answer, Report) and answer.status in TERMINAL


def _answer(ref: OrderRef, raw: RawOrder | UnreadableOrder[str], fetched_at: datetime) -> Answer:
    if raw.symbol != ref.symbol:
        reason = f"the exchange has it as an order of {str(raw.symbol)[:MAX_NAME_LENGTH]!r}"
        return order_fault(ref, reason, fetched_at)
    if isinstance(raw, UnreadableOrder):
        raise Malformed(f"{shown(ref)} cannot be read: {raw.reason}")
    return to_report(ref, raw, fetched_at)
