"""A venue in memory that answers the queries of `AnyIds`, and counts what they cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.errors import RequestRejected
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.any_ids import AnyIds, SearchState
from reconciler.exchanges.query_plan.offer import PagedList, VenueQueries
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_result import QueryResult, lookup_result

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def order_ref(name: int | str, symbol: str = "BTCUSDT") -> OrderRef:
    """Return the reference of an order."""
    return OrderRef(symbol=symbol, external_order_id=f"id-{name}")


def a_report(ref: OrderRef, *, has_ended: bool = False, executed: str = "0") -> Report:
    """Return a report of an order."""
    status = Status.CANCELED if has_ended else Status.NEW
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=status.value,
        status=status,
        executed_qty=Decimal(executed),
        avg_price=None,
        fetched_at=NOW,
    )


@dataclass
class SimulatedVenue:
    """An account's orders: whether each has ended, the newest first.

    `forgotten` are orders that only the last place knows once they have ended. A look-up of one of
    `rejected` is rejected.
    """

    queries: VenueQueries
    ended: Mapping[OrderRef, bool]
    forgotten: frozenset[OrderRef] = frozenset()
    rejected: frozenset[OrderRef] = frozenset()

    def answer(self, query: Query) -> QueryResult:
        """Return the result of a query, about every order that it shows."""
        match query:
            case GetOrder(ref=ref, step=step):
                return self._look_up([ref], step)
            case ManyOrders(refs=refs, step=step):
                return self._look_up(refs, step)
            case ListOpenOrders(symbol=symbol, cursor=cursor):
                return self._page(self.queries.open_list, symbol, cursor, has_ended=False)
            case ListEndedOrders(symbol=symbol, cursor=cursor):
                return self._page(self.queries.ended_list, symbol, cursor, has_ended=True)
            case _:
                raise AssertionError(query)

    def cost_of(self, query: Query) -> int:
        """Return the price of a query. A query that the venue does not offer is an error."""
        match query:
            case GetOrder(step=step):
                return _offered(self.queries.places[step].one_order)
            case ManyOrders(refs=refs, step=step):
                assert len(refs) <= self.queries.places[step].batch
                if self.queries.places[step].is_of_symbol:
                    assert len({ref.symbol for ref in refs}) == 1
                return _offered(self.queries.places[step].many_orders)
            case ListOpenOrders(symbol=symbol):
                return _price_of(self.queries.open_list, symbol)
            case ListEndedOrders(symbol=symbol):
                return _price_of(self.queries.ended_list, symbol)
            case _:
                raise AssertionError(query)

    def _look_up(self, refs: Sequence[OrderRef], step: int) -> QueryResult:
        if self.rejected.intersection(refs):
            return QueryResult(failure=RequestRejected("bad id"))
        is_last = step == len(self.queries.places) - 1
        found: dict[OrderRef, Answer] = {
            ref: a_report(ref, has_ended=self.ended[ref])
            for ref in refs
            if ref in self.ended and (is_last or not (self.ended[ref] and ref in self.forgotten))
        }
        return lookup_result(refs, QueryResult(answers=found), NOW)

    def _page(
        self, offer: PagedList | None, symbol: str | None, cursor: str | None, *, has_ended: bool
    ) -> QueryResult:
        assert offer is not None
        listed = [
            ref
            for ref, is_ended in self.ended.items()
            if is_ended is has_ended and symbol in {None, ref.symbol}
        ]
        size = offer.page_size or max(1, len(listed))
        first = int(cursor or 0)
        shown = listed[first : first + size]
        return QueryResult(
            answers={ref: a_report(ref, has_ended=has_ended) for ref in shown},
            listed=len(shown),
            next_cursor=str(first + size) if first + size < len(listed) else None,
        )


@dataclass
class SearchOutcome:
    """The result and the cost of a whole search."""

    plan: AnyIds
    cost: int = 0
    rounds: list[tuple[Query, ...]] = field(default_factory=list)
    answers: dict[OrderRef, Answer] = field(default_factory=dict)
    failures: dict[OrderRef, Failure] = field(default_factory=dict)

    @property
    def queries(self) -> list[Query]:
        """All queries, in the order of the rounds."""
        return [query for sent in self.rounds for query in sent]


def search_for(
    refs: Iterable[OrderRef],
    venue: SimulatedVenue,
    plan: AnyIds | None = None,
    *,
    learns: bool = True,
    replaced: Mapping[Query, QueryResult] | None = None,
) -> SearchOutcome:
    """Run the plan against a venue. `replaced` has what the venue says instead."""
    outcome = SearchOutcome(plan=plan or AnyIds(queries=venue.queries))
    search: SearchState = outcome.plan.start(refs)
    while sent := tuple(outcome.plan.next_round(search)):
        outcome.rounds.append(sent)
        outcome.cost += sum(venue.cost_of(query) for query in sent)
        results = [(query, (replaced or {}).get(query) or venue.answer(query)) for query in sent]
        if learns:
            outcome.plan = outcome.plan.learn(search, results)
        progress = outcome.plan.advance(search, results)
        assert not progress.answers.keys() & progress.failures.keys()
        outcome.answers.update(progress.answers)
        outcome.failures.update(progress.failures)
        search = progress.search
    if learns:
        outcome.plan = outcome.plan.learn_from_batch(outcome.answers.values())
    return outcome


def _offered(price: int | None) -> int:
    assert price is not None
    return price


def _price_of(offer: PagedList | None, symbol: str | None) -> int:
    assert offer is not None
    return _offered(offer.of_all if symbol is None else offer.of_symbol)
