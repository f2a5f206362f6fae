"""Pages of orders, translated to answers and failures of the orders asked for.

An order gets an answer only from a row of its own symbol and id. An order that cannot be read fails
alone.
"""

from collections.abc import Iterable
from datetime import datetime

from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import Malformed, UnreadableRow
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_result import QueryResult, lookup_result
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown
from tests.exchanges.contract.template.raw_orders import OrderPage, RawOrder
from tests.exchanges.contract.template.reports import to_report


def require_asked(refs: Iterable[OrderRef], page: OrderPage) -> OrderPage:
    """Return the answer to a look-up of `refs`.

    Raises:
        ValueError: it has an order that was not asked for: it is the answer to another request.
    """
    asked = {ref.external_order_id for ref in refs}
    for raw in page.orders:
        if raw.order_id not in asked:
            name = str(raw.order_id)[:MAX_NAME_LENGTH]
            raise ValueError(f"it is about {name}, which was not asked for")
    return page


def result_of_lookup(
    refs: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    """Return the result of a look-up: an order that it leaves out is not there."""
    refs = tuple(refs)
    answers, failures = _read(refs, page, fetched_at)
    return lookup_result(refs, answers=answers, failures=failures, fetched_at=fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    """Return the result of a page of a list, which says nothing of an order that it leaves out."""
    answers, failures = _read(wanted, page, fetched_at)
    return QueryResult(
        answers=answers,
        failures=failures,
        listed=len(page.orders),
        next_cursor=page.next_cursor,
    )


def order_fault(ref: OrderRef, reason: str, fetched_at: datetime) -> OrderFault:
    """Return the answer for an order that the exchange cannot be asked about as it is."""
    return OrderFault(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        detail=(
            f"the exchange cannot be asked for order {ref.external_order_id[:MAX_NAME_LENGTH]!r} of"
            f" {ref.symbol[:MAX_NAME_LENGTH]!r} ({reason}): correct the row's symbol or"
            " external_order_id"
        ),
        fetched_at=fetched_at,
    )


def _read(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> tuple[dict[OrderRef, Answer], dict[OrderRef, Failure]]:
    by_name = {(ref.symbol, ref.external_order_id): ref for ref in wanted}
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for raw in page.orders:
        # An order without symbol or id proves nothing about any order.
        if raw.symbol is None or raw.order_id is None:
            continue
        ref = by_name.get((raw.symbol, raw.order_id))
        if ref is None:
            continue
        try:
            answers[ref] = to_report(ref, _readable(ref, raw), fetched_at)
        except Malformed as failure:
            failures[ref] = UnreadableRow(str(failure))
    # Of contradictory entries for one order neither is an answer.
    for ref in failures:
        answers.pop(ref, None)
    return answers, failures


def _readable(ref: OrderRef, raw: RawOrder | UnreadableOrder[str]) -> RawOrder:
    if isinstance(raw, UnreadableOrder):
        raise UnreadableRow(f"{shown(ref)} cannot be read: {raw.reason}")
    return raw
