"""What an adapter made of the exchange's response to one query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.domain.report import Absent, Answer, OrderFault
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.queries import HistoryPage
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH


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


def lookup_result(
    refs: Iterable[OrderRef],
    *,
    answers: Mapping[OrderRef, Answer],
    failures: Mapping[OrderRef, Failure],
    fetched_at: datetime,
) -> QueryResult:
    """Return the result of a look-up of `refs`: those that it does not name are `Absent`."""
    absent: dict[OrderRef, Answer] = {
        ref: Absent(
            symbol=ref.symbol, external_order_id=ref.external_order_id, fetched_at=fetched_at
        )
        for ref in refs
        if ref not in answers and ref not in failures
    }
    return QueryResult(answers={**answers, **absent}, failures=failures)


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
