"""What an adapter made of the exchange's response to one query."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from reconciler.domain.report import Absent, Answer, OrderFault
from reconciler.errors import Malformed, UnreadableRow
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.query_plan.queries import HistoryPage
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, shown

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryResult:
    """Result of one query: what it says about the orders for which it was sent.

    Attributes:
        answers: By order. `Absent` counts only from the last place in which the plan looks for an
            order: an adapter gives it for every order that a look-up does not find.
        failures: Orders that fail alone, such as one whose row cannot be read.
        failure: Why the query failed as a whole, so that it says nothing about any order.
        listed: The number of orders on the page of a list, ours or not.
        next_cursor: The cursor of a list's next page; None if this page is the last.
        page: The listed page, if the query is a `ListOrdersFrom`.
        is_blocked: True if a firewall lets no request about this order through.
        lookup_only: Orders to look up by id, because the exchange refuses to list them.
    """

    answers: Mapping[OrderRef, Answer] = field(default_factory=dict)
    failures: Mapping[OrderRef, Failure] = field(default_factory=dict)
    failure: Failure | None = None
    listed: int = 0
    next_cursor: str | None = None
    page: HistoryPage | None = None
    is_blocked: bool = False
    lookup_only: frozenset[OrderRef] = frozenset()


def result_of_rows(
    rows: Iterable[tuple[OrderRef, Row | UnreadableOrder[Any]]],
    to_answer: Callable[[OrderRef, Row, datetime], Answer],
    fetched_at: datetime,
) -> QueryResult:
    """Return the result of the rows of orders, each with the order that it is about.

    A row that cannot be read lets its order alone fail, even if another row of it can be read.
    """
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for ref, row in rows:
        try:
            if isinstance(row, UnreadableOrder):
                raise UnreadableRow(f"{shown(ref)} cannot be read: {row.reason}")
            answers[ref] = to_answer(ref, row, fetched_at)
        except Malformed as failure:
            failures[ref] = UnreadableRow(str(failure))
    for ref in failures:
        answers.pop(ref, None)
    return QueryResult(answers=answers, failures=failures)


def lookup_result(
    refs: Iterable[OrderRef], found: QueryResult, fetched_at: datetime
) -> QueryResult:
    """Return the result of a look-up of `refs`: those that `found` leaves out are `Absent`."""
    left_out: dict[OrderRef, Answer] = {
        ref: absent(ref, fetched_at)
        for ref in refs
        if ref not in found.answers and ref not in found.failures
    }
    return replace(found, answers={**found.answers, **left_out})


def absent(ref: OrderRef, fetched_at: datetime) -> Absent:
    """Return the answer for an order that the exchange says it does not have."""
    return Absent(symbol=ref.symbol, external_order_id=ref.external_order_id, fetched_at=fetched_at)


def unknown_symbol_reason(text: str) -> str:
    """Return why orders of a symbol cannot be asked about; `text` is the exchange's refusal."""
    return (
        "the exchange does not list this symbol, or no longer: it was delisted, renamed, or is"
        f" misspelt; {text}"
    )


def firewall_reason(text: str) -> str:
    """Return why an order cannot be asked about that a firewall blocks; `text` is its refusal."""
    return f"a firewall refuses requests that name it, and lets others pass; {text}"


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


def other_symbol_fault(ref: OrderRef, symbol: str, fetched_at: datetime) -> OrderFault:
    """Return the answer for an order that is of `symbol`, not of its row's."""
    reason = f"the exchange has it as an order of {symbol[:MAX_NAME_LENGTH]!r}"
    return order_fault(ref, reason, fetched_at)
