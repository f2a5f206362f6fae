"""The plan of a search, as `reconciler.exchanges.order_search` uses it. Every plan is pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

from reconciler.domain.report import Answer
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.queries import Query
from reconciler.exchanges.query_result import QueryResult

Search = TypeVar("Search")
"""What a plan knows of one search, between two rounds. Never changed, only replaced."""

Outcome = tuple[Query, QueryResult]
"""A query of a round, and its result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress(Generic[Search]):
    """The search after a round, and what the round settled."""

    search: Search
    answers: Mapping[OrderRef, Answer] = field(default_factory=dict)
    failures: Mapping[OrderRef, Failure] = field(default_factory=dict)


class QueryPlan(Protocol[Search]):
    """Chooses the queries of each round. A value: what it learns is in the plan it returns."""

    def start(self, refs: Iterable[OrderRef], *, lookup_only: Collection[OrderRef] = ()) -> Search:
        """Begin a search for `refs`. No list is sent for `lookup_only`, a part of them."""
        ...

    def next_round(self, search: Search) -> Sequence[Query]:
        """Return the queries of the next round, which may be sent at once; none ends the search."""
        ...

    def covered(self, search: Search, query: Query) -> frozenset[OrderRef]:
        """Return the orders for which `query`, one of the next round's, is sent."""
        ...

    def advance(self, search: Search, outcomes: Sequence[Outcome]) -> Progress[Search]:
        """Return the search after a round with these outcomes, one for each of its queries."""
        ...

    def samples(self, ref: OrderRef) -> Sequence[Query]:
        """Return one query of each kind that the plan may use, about `ref`: `check` tries them."""
        ...

    def learn(self, search: Search, outcomes: Sequence[Outcome]) -> Self:
        """Return the plan with better estimates. `search` is the one that the round was for."""
        ...

    def learn_from_batch(self, answers: Iterable[Answer]) -> Self:
        """Return the plan with better estimates after a whole search with these answers."""
        ...
