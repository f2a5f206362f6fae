"""Choose the cheapest requests at a venue whose ids need not be integers, nor ascend.

    open list  ->  ended list  ->  look-ups by id, from place to place

Each is left out where it is not worth its price. Lists come in pages by cursor, so one page is
asked for at a time; a list for each of several symbols, and all look-ups, are sent at once.

    query                     reports                            says "no such order"
    -----                     -------                            --------------------
    GetOrder                  this order, as one place has it    in the last place
    ManyOrders                these orders, the same             no, unless of one order
    ListOpenOrders            a page of the open orders          no
    ListEndedOrders           a page of the ended orders         no

Guarantees:
1. An order is absent only if every place, the last one last, said so to a look-up of that order
   alone. No list proves absence, nor does a batch: what is left out of one is asked for again.
2. Nothing of a list counts unless its walk ended well: if a page fails, or the list does not end,
   exactly the orders for which it was read fail.
3. A list that the venue rejects is not asked for again in this search; its orders are looked up. A
   rejected batch is halved, until the order that the venue rejects stands alone: it is looked up in
   the next place if there is one, since it may be the batch that is rejected. A rejection is never
   an answer.
4. Every order is listed as open at most once, as ended at most once, and looked up a bounded number
   of times in each place: so the search ends, with an answer or a failure for each order.
5. With true estimates the expected cost is within a tenth of the cheapest there is (measured
   against exhaustive search, with the prices of each venue, in tests/exchanges/test_any_ids.py),
   except where a batch must be of one symbol: there it is reckoned from the mean number of orders a
   symbol. A list costs at most a page more than the look-ups that it was to save.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.domain.report import Absent, Answer, Report
from reconciler.domain.status import TERMINAL
from reconciler.errors import Malformed, RequestRejected
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.expected_cost import (
    Estimates,
    ExpectedCost,
    is_cheaper_together,
)
from reconciler.exchanges.query_plan.list_choice import ListChoice, OrdersBySymbol
from reconciler.exchanges.query_plan.offer import VenueQueries
from reconciler.exchanges.query_plan.protocol import Outcome, Progress
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_plan.traversal import ListQuery, Traversal
from reconciler.exchanges.query_result import QueryResult

LOOKUPS_WHILE_REJECTED = 4
"""Look-ups of a round while the venue has rejected a request, and answered no look-up."""

REJECTIONS_BEFORE_GIVING_UP = 8
"""If it rejects the look-ups of these orders and answers none, it rejects the way we ask."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """What is known of an order that has neither answer nor failure.

    Attributes:
        step: The place in which it is looked up next.
        is_open_tried, is_ended_tried: True if a list of open, or of ended, orders was read for it.
        likely_ended: How likely it has ended, by the lists read for it; None if none was. It is 1
            if a whole list of open orders left it out.
        is_lookup_only: True if the venue refuses to list it or lists it in two ways, or the search
            uses no lists.
        batch: The most orders of its next batch; None if the venue's own limit counts.
    """

    step: int = 0
    is_open_tried: bool = False
    is_ended_tried: bool = False
    likely_ended: float | None = None
    is_lookup_only: bool = False
    batch: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchState:
    """The search for one batch of orders.

    Attributes:
        pending: The orders without an answer or a failure that counts.
        traversals: The lists that are being read.
        round: The queries of the next round, each with the orders for which it is sent.
        rejected_lists: First pages of lists that the venue rejected.
        rejections: The number of rejected lists and look-ups.
        orders_rejected: The number of orders whose own look-up was rejected.
        is_answered: True if the venue has answered a look-up.
    """

    pending: Mapping[OrderRef, Pending]
    traversals: tuple[Traversal, ...] = ()
    round: Mapping[Query, frozenset[OrderRef]] = field(default_factory=dict)
    rejected_lists: frozenset[ListQuery] = frozenset()
    rejections: int = 0
    orders_rejected: int = 0
    is_answered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AnyIds:
    """The plan of such a venue. Implements `reconciler.exchanges.query_plan.protocol.QueryPlan`."""

    queries: VenueQueries
    estimates: Estimates = field(default_factory=Estimates)

    def start(
        self, refs: Iterable[OrderRef], *, lookup_only: Collection[OrderRef] = ()
    ) -> SearchState:
        """Begin a search for `refs`. No list is sent for `lookup_only`, a part of them."""
        ordered = sorted(set(refs), key=_name_of)
        pending = {ref: Pending(is_lookup_only=ref in lookup_only) for ref in ordered}
        return self._planned(SearchState(pending=pending))

    def next_round(self, search: SearchState) -> Sequence[Query]:
        """Return the queries of the next round."""
        return tuple(search.round)

    def covered(self, search: SearchState, query: Query) -> frozenset[OrderRef]:
        """Return the orders for which `query` is sent."""
        return search.round[query]

    def samples(self, ref: OrderRef) -> Sequence[Query]:
        """Return a look-up in each place, and a page of each list."""
        samples: list[Query] = []
        for step, place in enumerate(self.queries.places):
            if place.one_order is not None:
                samples.append(GetOrder(ref=ref, step=step))
            if place.many_orders is not None:
                samples.append(ManyOrders(refs=(ref,), step=step))
        if (open_list := self.queries.open_list) is not None:
            of_symbol = open_list.of_symbol is not None
            samples.append(ListOpenOrders(symbol=ref.symbol if of_symbol else None))
        if (ended_list := self.queries.ended_list) is not None:
            of_symbol = ended_list.of_symbol is not None
            samples.append(ListEndedOrders(symbol=ref.symbol if of_symbol else None))
        return samples

    def advance(self, search: SearchState, outcomes: Sequence[Outcome]) -> Progress[SearchState]:
        """Return the search after a round, with the answers and failures that count."""
        after = _Round(search=search, plan=self)
        for query, result in outcomes:
            after.read(query, result)
        settled = after.settled()
        return Progress(
            search=self._planned(settled.search),
            answers=settled.answers,
            failures=settled.failures,
        )

    def learn(self, search: SearchState, outcomes: Sequence[Outcome]) -> "AnyIds":
        """Return the plan with the estimates that the pages and look-ups of a round improve."""
        estimates = self.estimates
        ended = found = 0
        for query, result in outcomes:
            if result.failure is not None:
                continue
            match query:
                case ListOpenOrders() | ListEndedOrders():
                    plan = replace(self, estimates=estimates)
                    estimates = plan.after_page(query, search, result)
                case GetOrder(step=0) | ManyOrders(step=0):
                    known = [ref for ref in search.round[query] if _has_ended(search, ref)]
                    ended += len(known)
                    found += len([ref for ref in known if _is_found(result.answers.get(ref))])
                case _:
                    pass
        if len(self.queries.places) > 1:
            estimates = estimates.after_first_place(ended=ended, found=found)
        return replace(self, estimates=estimates)

    def learn_from_batch(self, answers: Iterable[Answer]) -> "AnyIds":
        """Return the plan with the estimates that the answers of a batch improve."""
        statuses = [
            answer.status
            for answer in answers
            if isinstance(answer, Report) and answer.status is not None
        ]
        ended = len([status for status in statuses if status in TERMINAL])
        return replace(
            self, estimates=self.estimates.after_batch(reported=len(statuses), ended=ended)
        )

    def _planned(self, search: SearchState) -> SearchState:
        """Return the search with the queries of its next round."""
        lists: Mapping[Query, frozenset[OrderRef]] = {
            traversal.query: traversal.wanted for traversal in search.traversals
        }
        queries = lists or self._lists_to_begin(search)
        if queries:
            return replace(search, round=queries)
        lookups = list(self._lookups(search.pending))
        if search.rejections and not search.is_answered:
            lookups = lookups[:LOOKUPS_WHILE_REJECTED]
        return replace(search, round=dict(lookups))

    def _lists_to_begin(self, search: SearchState) -> Mapping[Query, frozenset[OrderRef]]:
        choice = self.list_choice(search)
        listable = [
            (ref, pending) for ref, pending in search.pending.items() if not pending.is_lookup_only
        ]
        if self.queries.open_list is not None:
            orders = _by_symbol(ref for ref, pending in listable if not pending.is_open_tried)
            if lists := choice.open_lists(orders):
                return {query: _included(query, orders) for query in lists}
        if self.queries.ended_list is not None:
            orders = _by_symbol(ref for ref, pending in listable if not pending.is_ended_tried)
            return {query: _included(query, orders) for query in choice.ended_lists(orders)}
        return {}

    def list_choice(self, search: SearchState) -> ListChoice:
        """Return the choice of lists, with what `search` knows of its orders."""
        usual = self.estimates.ended_share
        return ListChoice(
            cost=ExpectedCost(queries=self.queries, estimates=self.estimates),
            likely_ended={
                ref: usual if known.likely_ended is None else known.likely_ended
                for ref, known in search.pending.items()
            },
            rejected=search.rejected_lists,
        )

    def after_page(self, query: ListQuery, search: SearchState, result: QueryResult) -> Estimates:
        """Return better estimates after a page of a list that did not fail."""
        before = traversal_of(search, query)
        try:
            after = before.after_page(result)
        except Malformed:
            return self.estimates
        is_of_symbol = query.symbol is not None
        if isinstance(query, ListOpenOrders):
            shares = self.estimates.on_open_pages.after_pages(
                is_of_symbol=is_of_symbol, listed=result.listed, found=after.found_on_last
            )
            return replace(self.estimates, on_open_pages=shares)
        estimates = self.estimates
        # What follows the last wanted order on its page does not count: nothing was wanted there.
        if after.missing or after.is_complete:
            shares = estimates.on_ended_pages.after_pages(
                is_of_symbol=is_of_symbol, listed=result.listed, found=after.found_on_last
            )
            estimates = replace(estimates, on_ended_pages=shares)
        ended = {ref for ref in after.wanted if _has_ended(search, ref)}
        if replace(self, estimates=estimates).list_choice(search).is_over(after):
            found = len(ended - after.missing)
            estimates = estimates.after_ended_list(wanted=len(ended), found=found)
        return estimates

    def _lookups(
        self, pending: Mapping[OrderRef, Pending]
    ) -> Iterator[tuple[Query, frozenset[OrderRef]]]:
        groups: dict[tuple[int, int, str], list[OrderRef]] = defaultdict(list)
        for ref, known in pending.items():
            place = self.queries.places[known.step]
            size = place.batch if known.batch is None else min(place.batch, known.batch)
            groups[known.step, size, ref.symbol if place.is_of_symbol else ""].append(ref)
        for (step, size, _), refs in groups.items():
            place = self.queries.places[step]
            for first in range(0, len(refs), size):
                batch = refs[first : first + size]
                if is_cheaper_together(place, len(batch)):
                    yield ManyOrders(refs=tuple(batch), step=step), frozenset(batch)
                else:
                    yield from ((GetOrder(ref=ref, step=step), frozenset({ref})) for ref in batch)


class _Round:
    """Reads the outcomes of one round into the search that was before it."""

    def __init__(self, *, search: SearchState, plan: AnyIds) -> None:
        self._search = search
        self._places = len(plan.queries.places)
        self._choice = plan.list_choice(search)
        self._pending = dict(search.pending)
        self._traversals: list[Traversal] = []
        self._rejected_lists = set(search.rejected_lists)
        self._rejections = search.rejections
        self._orders_rejected = search.orders_rejected
        self._is_answered = search.is_answered
        self._last_rejection: Failure | None = None
        self._answers: dict[OrderRef, Answer] = {}
        self._failures: dict[OrderRef, Failure] = {}

    def read(self, query: Query, result: QueryResult) -> None:
        """Read the result of one query."""
        match query:
            case GetOrder() | ManyOrders():
                self._read_lookup(query, result)
            case ListOpenOrders() | ListEndedOrders():
                self._read_page(query, result)
            case _:
                raise ValueError(f"{query} is no query of this plan")

    def settled(self) -> Progress[SearchState]:
        """Return the search with everything that was read, and no round planned."""
        is_refused = self._orders_rejected >= REJECTIONS_BEFORE_GIVING_UP and not self._is_answered
        if is_refused and self._last_rejection is not None:
            for ref in list(self._pending):
                self._fail(ref, self._last_rejection)
        search = SearchState(
            pending=self._pending,
            traversals=tuple(self._traversals),
            rejected_lists=frozenset(self._rejected_lists),
            rejections=self._rejections,
            orders_rejected=self._orders_rejected,
            is_answered=self._is_answered,
        )
        return Progress(search=search, answers=self._answers, failures=self._failures)

    def _read_lookup(self, query: GetOrder | ManyOrders, result: QueryResult) -> None:
        refs = self._search.round[query]
        if isinstance(result.failure, RequestRejected):
            self._read_rejection(query, refs, result.failure)
        elif result.failure is not None:
            for ref in refs:
                self._fail(ref, result.failure)
        else:
            self._is_answered = True
            for ref in refs:
                self._read_place(ref, query.step, result, is_alone=len(refs) == 1)

    def _read_rejection(
        self,
        query: GetOrder | ManyOrders,
        refs: frozenset[OrderRef],
        rejection: RequestRejected,
    ) -> None:
        self._rejections += 1
        self._last_rejection = rejection
        is_last = query.step + 1 == self._places
        for ref in refs:
            if len(refs) > 1:
                self._pending[ref] = replace(self._pending[ref], batch=len(refs) // 2)
            elif isinstance(query, ManyOrders) and not is_last:
                self._pending[ref] = replace(self._pending[ref], step=query.step + 1, batch=None)
            else:
                self._orders_rejected += 1
                self._fail(ref, rejection)

    def _read_place(self, ref: OrderRef, step: int, result: QueryResult, *, is_alone: bool) -> None:
        answer = result.answers.get(ref)
        if ref in result.failures:
            self._fail(ref, result.failures[ref])
        elif answer is None:
            self._fail(ref, Malformed("the answer to a look-up says nothing about the order"))
        elif isinstance(answer, Absent) and step + 1 < self._places:
            self._pending[ref] = replace(self._pending[ref], step=step + 1, batch=None)
        elif isinstance(answer, Absent) and not is_alone:
            self._pending[ref] = replace(self._pending[ref], batch=1)
        else:
            self._answer(ref, answer)

    def _read_page(self, query: ListQuery, result: QueryResult) -> None:
        before = traversal_of(self._search, query)
        if isinstance(result.failure, RequestRejected):
            self._rejections += 1
            self._rejected_lists.add(replace(query, cursor=None))
            return
        failure = result.failure
        if failure is None:
            try:
                after = before.after_page(result)
            except Malformed as error:
                failure = error
        if failure is not None:
            for ref in before.wanted:
                self._fail(ref, failure)
            return
        for ref in before.wanted - after.wanted:
            self._pending[ref] = replace(self._pending[ref], is_lookup_only=True)
        if self._choice.is_over(after):
            self._end(after)
        else:
            self._traversals.append(after)

    def _end(self, traversal: Traversal) -> None:
        for ref, answer in traversal.answers.items():
            self._answer(ref, answer)
        for ref, failure in traversal.failures.items():
            self._fail(ref, failure)
        is_open_list = isinstance(traversal.query, ListOpenOrders)
        likely_ended = self._choice.ended_share_of_missing(traversal)
        for ref in traversal.missing:
            known = self._pending[ref]
            self._pending[ref] = replace(
                known,
                is_open_tried=known.is_open_tried or is_open_list,
                is_ended_tried=known.is_ended_tried or not is_open_list,
                likely_ended=likely_ended,
            )

    def _fail(self, ref: OrderRef, failure: Failure) -> None:
        del self._pending[ref]
        self._failures[ref] = failure

    def _answer(self, ref: OrderRef, answer: Answer) -> None:
        del self._pending[ref]
        self._answers[ref] = answer


def traversal_of(search: SearchState, query: ListQuery) -> Traversal:
    """Return the walk for which `query` asks for a page. It may be the first one."""
    for traversal in search.traversals:
        if traversal.query == query:
            return traversal
    return Traversal(query=query, wanted=search.round[query])


def _has_ended(search: SearchState, ref: OrderRef) -> bool:
    return search.pending[ref].likely_ended == 1


def _name_of(ref: OrderRef) -> tuple[str, str]:
    return ref.symbol, ref.external_order_id


def _by_symbol(refs: Iterable[OrderRef]) -> OrdersBySymbol:
    by_symbol: dict[str, list[OrderRef]] = defaultdict(list)
    for ref in refs:
        by_symbol[ref.symbol].append(ref)
    return by_symbol


def _included(query: ListQuery, orders: OrdersBySymbol) -> frozenset[OrderRef]:
    return frozenset(
        ref for symbol, refs in orders.items() if query.includes(symbol) for ref in refs
    )


def _is_found(answer: Answer | None) -> bool:
    return answer is not None and not isinstance(answer, Absent)
