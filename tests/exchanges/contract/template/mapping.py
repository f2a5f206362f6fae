"""Pages of orders, translated to answers and failures of the orders asked for.

An order gets an answer only from a row of its own symbol and id. An order that cannot be read fails
alone.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.query_result import QueryResult, lookup_result, result_of_rows
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH
from tests.exchanges.contract.template.raw_orders import OrderPage
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
    return lookup_result(refs, _result_of_page(refs, page, fetched_at), fetched_at)


def result_of_list(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    """Return the result of a page of a list, which says nothing of an order that it leaves out."""
    found = _result_of_page(wanted, page, fetched_at)
    return replace(found, listed=len(page.orders), next_cursor=page.next_cursor)


def _result_of_page(
    wanted: Iterable[OrderRef], page: OrderPage, fetched_at: datetime
) -> QueryResult:
    by_name: dict[tuple[str | None, str | None], OrderRef] = {
        (ref.symbol, ref.external_order_id): ref for ref in wanted
    }
    # An order without symbol or id proves nothing about any order.
    rows = (
        (by_name[name], raw)
        for raw in page.orders
        if (name := (raw.symbol, raw.order_id)) in by_name
    )
    return result_of_rows(rows, to_report, fetched_at)
