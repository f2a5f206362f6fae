"""The plan for ids that need not ascend: what it sends, what counts, and what it costs."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain import value
from reconciler.domain.report import Absent, Answer, Report
from reconciler.errors import Malformed, RequestRejected, Unavailable, UnreadableRow
from reconciler.exchanges import registry
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.expected_cost import Estimates, WantedShares
from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_plan.traversal import MAX_PAGES
from reconciler.exchanges.query_result import QueryResult, lookup_result
from tests.exchanges.cheapest_strategy import CheapestStrategy
from tests.exchanges.simulated_venue import (
    NOW,
    SimulatedVenue,
    a_report,
    order_ref,
    search_for,
)

TWO_PLACES = VenueQueries(
    places=(Place(one_order=1), Place(one_order=1)),
    open_list=PagedList(page_size=50, of_symbol=1, of_all=1),
    ended_list=PagedList(page_size=50, of_symbol=1, of_all=1),
)
BATCHES = VenueQueries(
    places=(Place(many_orders=1, batch=20),), open_list=PagedList(page_size=None, of_all=1)
)
BATCHES_OF_SYMBOL = VenueQueries(
    places=(Place(one_order=1, many_orders=1, batch=10, is_of_symbol=True),),
    open_list=PagedList(page_size=None, of_symbol=1),
)
LOOKUPS_ALONE = VenueQueries(places=(Place(one_order=1),))
EVERYTHING = replace(TWO_PLACES, places=(Place(one_order=1), Place(many_orders=1, batch=7)))

OFFERS = {
    "two places": TWO_PLACES,
    "batches": BATCHES,
    "batches of a symbol": BATCHES_OF_SYMBOL,
    "look-ups alone": LOOKUPS_ALONE,
    "everything": EVERYTHING,
    "costly lists": VenueQueries(
        places=(Place(one_order=2, many_orders=3, batch=4),),
        open_list=PagedList(page_size=3, of_symbol=2, of_all=5),
        ended_list=PagedList(page_size=5, of_all=4),
    ),
}


def _offers_of_registered_venues() -> Mapping[str, VenueQueries]:
    """Return what each venue of the registry offers, from its own data, if `AnyIds` is its plan."""
    offers = {}
    for package in registry.PACKAGES:
        offer = getattr(import_module(f"{package}.constants"), "QUERIES", None)
        if isinstance(offer, VenueQueries):
            offers[package.rpartition(".")[2]] = offer
    return offers


def _venue(
    offer: VenueQueries, open_orders: int, ended: int = 0, symbols: int = 1
) -> tuple[list[OrderRef], SimulatedVenue]:
    """Return references to all orders of a venue, the ended ones spread evenly among them."""
    total = open_orders + ended
    refs = [order_ref(f"{rank:04}", f"SYM{rank % symbols}") for rank in range(total)]
    step = total / ended if ended else total + 1
    fates = {round(index * step) for index in range(ended)}
    return refs, SimulatedVenue(
        queries=offer, ended={ref: rank in fates for rank, ref in enumerate(refs)}
    )


def test_search_for_no_orders_sends_nothing() -> None:
    plan = AnyIds(queries=TWO_PLACES)

    assert plan.next_round(plan.start([])) == ()


def test_single_order_is_looked_up_by_its_id() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=1)

    outcome = search_for(refs, venue)

    assert outcome.queries == [GetOrder(ref=refs[0])]


def test_ended_order_is_looked_up_from_place_to_place() -> None:
    refs, venue = _venue(replace(TWO_PLACES, ended_list=None), open_orders=0, ended=1)
    venue.forgotten = frozenset(refs)

    outcome = search_for(refs, venue)

    assert outcome.queries == [GetOrder(ref=refs[0]), GetOrder(ref=refs[0], step=1)]
    assert outcome.answers == {refs[0]: a_report(refs[0], has_ended=True)}


def test_order_is_absent_only_after_the_last_place() -> None:
    venue = SimulatedVenue(queries=TWO_PLACES, ended={})

    outcome = search_for([order_ref(1)], venue)

    assert outcome.queries == [GetOrder(ref=order_ref(1)), GetOrder(ref=order_ref(1), step=1)]
    assert isinstance(outcome.answers[order_ref(1)], Absent)


@pytest.mark.parametrize("one_order", [1, None], ids=["one by one", "batches only"])
def test_order_that_a_batch_leaves_out_is_absent_only_if_it_is_asked_for_alone(
    one_order: int | None,
) -> None:
    place = Place(one_order=one_order, many_orders=1, batch=20)
    refs, venue = _venue(VenueQueries(places=(place,)), open_orders=9)
    unknown = [order_ref("unknown"), order_ref("unknown too")]

    outcome = search_for([*refs, *unknown], venue)

    batch, *alone = outcome.queries
    assert isinstance(batch, ManyOrders)
    assert len(batch.refs) == 11
    assert alone == [
        ManyOrders(refs=(ref,)) if one_order is None else GetOrder(ref=ref) for ref in unknown
    ]
    assert all(isinstance(outcome.answers[ref], Absent) for ref in unknown)
    assert all(isinstance(outcome.answers[ref], Report) for ref in refs)


def test_orders_that_an_empty_answer_to_a_batch_left_out_are_found_alone() -> None:
    place = Place(one_order=1, many_orders=1, batch=20)
    refs, venue = _venue(VenueQueries(places=(place,)), open_orders=9)
    empty = lookup_result(refs, QueryResult(), NOW)

    outcome = search_for(refs, venue, replaced={ManyOrders(refs=tuple(refs)): empty})

    assert all(isinstance(outcome.answers[ref], Report) for ref in refs)


def test_open_orders_are_listed_page_by_page() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=120)

    outcome = search_for(refs, venue)

    assert outcome.queries == [
        ListOpenOrders(symbol="SYM0"),
        ListOpenOrders(symbol="SYM0", cursor="50"),
        ListOpenOrders(symbol="SYM0", cursor="100"),
    ]


def test_open_orders_of_many_symbols_are_listed_together() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=100, symbols=50)

    outcome = search_for(refs, venue)

    assert outcome.queries == [
        ListOpenOrders(symbol=None),
        ListOpenOrders(symbol=None, cursor="50"),
    ]


def test_many_orders_that_left_the_open_list_are_found_among_the_ended() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=50, ended=50)

    outcome = search_for(refs, venue)

    assert outcome.queries == [ListOpenOrders(symbol="SYM0"), ListEndedOrders(symbol="SYM0")]
    assert outcome.answers == {ref: a_report(ref, has_ended=venue.ended[ref]) for ref in refs}


def test_orders_are_looked_up_in_full_batches() -> None:
    refs, venue = _venue(replace(BATCHES, open_list=None), open_orders=45)

    outcome = search_for(refs, venue)

    assert [len(query.refs) for query in outcome.queries if isinstance(query, ManyOrders)] == [
        *(20, 20, 5)
    ]


def test_batch_has_orders_of_one_symbol_where_the_venue_wants_it() -> None:
    refs, venue = _venue(replace(BATCHES_OF_SYMBOL, open_list=None), open_orders=12, symbols=3)

    outcome = search_for(refs, venue)

    assert outcome.cost == 3
    assert len(outcome.answers) == 12


def test_open_list_among_too_many_other_orders_is_given_up() -> None:
    others = {order_ref(f"other-{rank}"): False for rank in range(10_000)}
    wanted = [order_ref(rank) for rank in range(10)]
    venue = SimulatedVenue(queries=TWO_PLACES, ended=others | dict.fromkeys(wanted, False))

    first = search_for(wanted, venue)
    later = first
    for _ in range(3):
        later = search_for(wanted, venue, later.plan)

    assert first.cost <= 2 * len(wanted)
    assert first.cost > later.cost
    assert later.cost <= 1.5 * len(wanted)
    assert set(later.answers) == set(wanted)


def test_list_that_seemed_too_long_is_tried_again_later() -> None:
    wanted = [order_ref(rank) for rank in range(200)]
    venue = SimulatedVenue(queries=TWO_PLACES, ended=dict.fromkeys(wanted, False))
    plan = AnyIds(
        queries=TWO_PLACES,
        estimates=Estimates(on_open_pages=WantedShares(of_symbol=0.001, of_all=0.001)),
    )

    batches = 0
    while (outcome := search_for(wanted, venue, plan)).cost > 10:
        plan = outcome.plan
        batches += 1

    assert 1 < batches < 100


def test_page_that_fails_voids_the_pages_before_it() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=100)
    failure = Unavailable("down")

    outcome = search_for(
        refs,
        venue,
        replaced={ListOpenOrders(symbol="SYM0", cursor="50"): QueryResult(failure=failure)},
    )

    assert outcome.answers == {}
    assert outcome.failures == dict.fromkeys(refs, failure)


def test_page_of_one_symbol_that_fails_leaves_the_others_alone() -> None:
    refs, venue = _venue(
        replace(TWO_PLACES, open_list=PagedList(page_size=50, of_symbol=1)),
        open_orders=60,
        symbols=3,
    )
    failure = Unavailable("down")

    outcome = search_for(
        refs, venue, replaced={ListOpenOrders(symbol="SYM1"): QueryResult(failure=failure)}
    )

    of_symbol = {ref for ref in refs if ref.symbol == "SYM1"}
    assert outcome.failures == dict.fromkeys(of_symbol, failure)
    assert outcome.answers.keys() == set(refs) - of_symbol


def test_list_whose_cursor_repeats_fails() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=100)
    first = venue.answer(ListOpenOrders(symbol="SYM0"))

    outcome = search_for(
        refs,
        venue,
        replaced={
            ListOpenOrders(symbol="SYM0", cursor="50"): replace(first, next_cursor="50"),
        },
    )

    assert outcome.answers == {}
    assert {str(failure) for failure in outcome.failures.values()} == {
        "a list does not end: a page leads back to one before it"
    }


def test_list_without_end_fails() -> None:
    wanted = [order_ref(rank) for rank in range(1000)]
    venue = SimulatedVenue(queries=TWO_PLACES, ended=dict.fromkeys(wanted, False))
    pages: dict[Query, QueryResult] = {
        ListOpenOrders(symbol="BTCUSDT", cursor=str(page) if page else None): QueryResult(
            answers={wanted[page]: a_report(wanted[page])}, listed=1, next_cursor=str(page + 1)
        )
        for page in range(MAX_PAGES)
    }

    outcome = search_for(wanted, venue, replaced=pages)

    assert len(outcome.rounds) == MAX_PAGES
    assert outcome.answers == {}
    assert outcome.failures.keys() == set(wanted)


def test_order_that_differs_on_two_pages_is_looked_up() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=100)
    second = ListOpenOrders(symbol="SYM0", cursor="50")
    shown = venue.answer(second)
    twice = {**shown.answers, refs[0]: a_report(refs[0], executed="1")}

    lookup, now = GetOrder(ref=refs[0]), a_report(refs[0], executed="2")
    pages: dict[Query, QueryResult] = {
        second: replace(shown, answers=twice),
        lookup: QueryResult(answers={refs[0]: now}),
    }

    outcome = search_for(refs, venue, replaced=pages)

    assert outcome.failures == {}
    assert outcome.answers.keys() == set(refs)
    assert outcome.answers[refs[0]] == now
    assert outcome.queries.count(lookup) == 1


def test_order_that_is_the_same_on_two_pages_is_answered() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=100)
    second = ListOpenOrders(symbol="SYM0", cursor="50")
    shown = venue.answer(second)
    again = value.replace(a_report(refs[0]), changed_at=NOW)
    twice = {**shown.answers, refs[0]: again}

    outcome = search_for(refs, venue, replaced={second: replace(shown, answers=twice)})

    assert outcome.failures == {}
    assert outcome.answers.keys() == set(refs)


def test_order_that_cannot_be_read_fails_alone() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=40)
    shown = venue.answer(ListOpenOrders(symbol="SYM0"))
    unreadable = UnreadableRow("no number")
    answers = {ref: answer for ref, answer in shown.answers.items() if ref != refs[0]}

    outcome = search_for(
        refs,
        venue,
        replaced={
            ListOpenOrders(symbol="SYM0"): replace(
                shown, answers=answers, failures={refs[0]: unreadable}
            )
        },
    )

    assert outcome.failures == {refs[0]: unreadable}
    assert outcome.answers.keys() == set(refs[1:])


def test_absent_from_a_list_is_not_believed() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=40)
    shown = venue.answer(ListOpenOrders(symbol="SYM0"))
    absent: Answer = Absent(
        symbol=refs[0].symbol, external_order_id=refs[0].external_order_id, fetched_at=NOW
    )

    outcome = search_for(
        refs,
        venue,
        replaced={
            ListOpenOrders(symbol="SYM0"): replace(
                shown, answers={**shown.answers, refs[0]: absent}
            )
        },
    )

    assert all(isinstance(answer, Report) for answer in outcome.answers.values())


def test_orders_of_a_rejected_list_are_looked_up() -> None:
    refs, venue = _venue(replace(TWO_PLACES, ended_list=None), open_orders=12)
    venue.queries = replace(venue.queries, open_list=PagedList(page_size=50, of_symbol=1))
    rejected = QueryResult(failure=RequestRejected("no"))

    outcome = search_for(refs, venue, replaced={ListOpenOrders(symbol="SYM0"): rejected})

    assert outcome.failures == {}
    assert outcome.answers.keys() == set(refs)
    assert len([query for query in outcome.queries if isinstance(query, GetOrder)]) == 12


def test_rejected_batch_is_halved_until_the_bad_order_stands_alone() -> None:
    refs, venue = _venue(replace(BATCHES, open_list=None), open_orders=20)
    venue.rejected = frozenset({refs[7]})

    outcome = search_for(refs, venue)

    assert outcome.failures.keys() == venue.rejected
    assert outcome.answers.keys() == set(refs) - venue.rejected
    assert len(outcome.queries) <= 2 * 5


@pytest.mark.parametrize("offer", [TWO_PLACES, BATCHES], ids=["two places", "batches"])
def test_venue_that_rejects_everything_is_not_asked_about_each_order(offer: VenueQueries) -> None:
    refs, venue = _venue(offer, open_orders=1000)
    venue.rejected = frozenset(refs)
    lists = [ListOpenOrders(symbol=None), ListOpenOrders(symbol="SYM0")]

    outcome = search_for(
        refs,
        venue,
        replaced=dict.fromkeys(
            [*lists, ListEndedOrders(symbol=None), ListEndedOrders(symbol="SYM0")],
            QueryResult(failure=RequestRejected("no")),
        ),
    )

    assert outcome.failures.keys() == set(refs)
    assert len(outcome.queries) < 40


def test_order_that_the_venue_refuses_to_list_is_looked_up() -> None:
    refs, venue = _venue(TWO_PLACES, open_orders=40)
    shown = venue.answer(ListOpenOrders(symbol="SYM0"))

    outcome = search_for(
        refs,
        venue,
        replaced={ListOpenOrders(symbol="SYM0"): replace(shown, lookup_only=frozenset(refs[:2]))},
    )

    assert outcome.rounds[1] == (GetOrder(ref=refs[0]), GetOrder(ref=refs[1]))
    assert outcome.answers.keys() == set(refs)


def test_estimates_follow_the_results_of_batches() -> None:
    at_first = Estimates()

    after_outage = at_first.after_batch(reported=200, ended=180)
    after_calm = after_outage.after_batch(reported=200, ended=0)

    assert after_outage.ended_share == pytest.approx(0.9, abs=0.15)
    assert after_calm.ended_share < 0.15


def test_first_place_that_knows_no_ended_order_is_learned() -> None:
    refs, venue = _venue(replace(TWO_PLACES, ended_list=None), open_orders=100, ended=40)
    venue.forgotten = frozenset(refs)

    outcome = search_for(refs, venue)

    assert outcome.plan.estimates.first_place_share < 0.1


SMALL_COUNTS = [(1,), (2,), (3,), (5,), (7,), (2, 1, 3), (3, 3), (1,) * 6]
SHARES = [0.0, 0.02, 0.2, 0.5, 0.8, 1.0]


def _shrunk(offer: VenueQueries, divisor: int) -> VenueQueries:
    """Return the offer with smaller pages and batches, which few orders fill."""

    def of(one: PagedList | None) -> PagedList | None:
        if one is None or one.page_size is None:
            return one
        return replace(one, page_size=max(2, one.page_size // divisor))

    return replace(
        offer,
        places=tuple(
            replace(place, batch=max(1, min(3, place.batch // 5))) for place in offer.places
        ),
        open_list=of(offer.open_list),
        ended_list=of(offer.ended_list),
    )


def _expected_cost_of_plan(
    counts: tuple[int, ...], offer: VenueQueries, estimates: Estimates
) -> float:
    """Return the mean cost of our plan over every combination of ended and open orders."""
    refs = [
        order_ref(rank, f"SYM{symbol}")
        for symbol, count in enumerate(counts)
        for rank in range(count)
    ]
    forgotten = frozenset(refs if estimates.first_place_share == 0 else ())
    expected = 0.0
    for fates in product([False, True], repeat=len(refs)):
        ended = sum(fates)
        share = estimates.ended_share
        likelihood = share**ended * (1 - share) ** (len(refs) - ended)
        if likelihood == 0:
            continue
        venue = SimulatedVenue(
            queries=offer, ended=dict(zip(refs, fates, strict=True)), forgotten=forgotten
        )
        outcome = search_for(refs, venue, AnyIds(queries=offer, estimates=estimates), learns=False)
        assert outcome.answers.keys() == set(refs)
        expected += likelihood * outcome.cost
    return expected


PRICED = {
    **{name: offer for name, offer in OFFERS.items() if offer is not BATCHES_OF_SYMBOL},
    **_offers_of_registered_venues(),
}


@pytest.mark.parametrize("divisor", [1, 12, 30], ids=["as they are", "pages / 12", "pages / 30"])
@pytest.mark.parametrize("first_place_share", [0.0, 1.0])
@pytest.mark.parametrize("ended_share", SHARES)
@pytest.mark.parametrize("offer", PRICED.values(), ids=PRICED.keys())
def test_expected_cost_is_within_a_tenth_of_the_cheapest_strategy(
    offer: VenueQueries, ended_share: float, first_place_share: float, divisor: int
) -> None:
    small = offer if divisor == 1 else _shrunk(offer, divisor)
    all_wanted = WantedShares(of_symbol=1.0, of_all=1.0)
    estimates = Estimates(
        ended_share=ended_share,
        on_open_pages=all_wanted,
        on_ended_pages=all_wanted,
        newest_share=1.0,
        first_place_share=first_place_share,
    )
    cheapest = CheapestStrategy(
        queries=small, ended_share=ended_share, first_place_share=first_place_share
    )

    costs = {
        counts: (_expected_cost_of_plan(counts, small, estimates), cheapest.cost_of(*counts))
        for counts in SMALL_COUNTS
    }

    assert {
        counts: (planned, least)
        for counts, (planned, least) in costs.items()
        if planned > 1.1 * least + 1e-9
    } == {}


names = st.integers(min_value=0, max_value=30)
symbols = st.sampled_from(["AAA", "BBB", "CCC"])
refs_of_any_symbol = st.builds(order_ref, names, symbols)
cursors = st.sampled_from([None, "1", "2", "3", "4"])
failures = st.one_of(
    st.just(RequestRejected("no")), st.just(Unavailable("down")), st.just(Malformed("cut"))
)


@st.composite
def arbitrary_results(draw: st.DrawFn, covered: list[OrderRef]) -> QueryResult:
    """Draw any result of a query, also one that no exchange should give."""
    if draw(st.integers(0, 4)) == 0:
        return QueryResult(failure=draw(failures))
    answers: dict[OrderRef, Answer] = {}
    own_failures: dict[OrderRef, Failure] = {}
    for ref in [*covered, draw(refs_of_any_symbol)]:
        match draw(st.sampled_from(["report", "ended", "absent", "unreadable", "none", "none"])):
            case "report":
                answers[ref] = a_report(ref)
            case "ended":
                answers[ref] = a_report(ref, has_ended=True)
            case "absent":
                answers[ref] = Absent(
                    symbol=ref.symbol, external_order_id=ref.external_order_id, fetched_at=NOW
                )
            case "unreadable":
                own_failures[ref] = UnreadableRow("no number")
            case _:
                pass
    return QueryResult(
        answers=answers,
        failures=own_failures,
        listed=draw(st.integers(0, 100)),
        next_cursor=draw(cursors),
        lookup_only=frozenset(covered[: draw(st.integers(0, 2))] if draw(st.booleans()) else ()),
    )


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    wanted=st.lists(refs_of_any_symbol, max_size=40),
    offer=st.sampled_from(list(OFFERS.values())),
    ended_share=st.floats(0, 1),
    list_share=st.floats(0.001, 1),
)
def test_any_results_end_the_search_with_an_answer_or_a_failure_for_each_order(
    data: st.DataObject,
    wanted: list[OrderRef],
    offer: VenueQueries,
    ended_share: float,
    list_share: float,
) -> None:
    plan = AnyIds(
        queries=offer,
        estimates=Estimates(
            ended_share=ended_share,
            on_open_pages=WantedShares(of_symbol=list_share, of_all=list_share),
            newest_share=list_share,
        ),
    )
    search = plan.start(wanted)
    answers: dict[OrderRef, Answer] = {}
    failed: dict[OrderRef, Failure] = {}
    said_by_last_place: set[OrderRef] = set()
    rounds = 0

    while queries := plan.next_round(search):
        rounds += 1
        outcomes = []
        for query in queries:
            covered = sorted(plan.covered(search, query), key=str)
            result = data.draw(arbitrary_results(covered))
            outcomes.append((query, result))
            if isinstance(query, GetOrder | ManyOrders) and query.step == len(offer.places) - 1:
                said_by_last_place |= {*covered} & result.answers.keys()
        plan = plan.learn(search, outcomes)
        progress = plan.advance(search, outcomes)
        settled = answers.keys() | failed.keys()
        assert not settled & (progress.answers.keys() | progress.failures.keys())
        answers.update(progress.answers)
        failed.update(progress.failures)
        search = progress.search

    absent = {ref for ref, answer in answers.items() if isinstance(answer, Absent)}
    assert answers.keys() | failed.keys() == set(wanted)
    assert not answers.keys() & failed.keys()
    assert absent <= said_by_last_place
    assert rounds <= 10 * (len(wanted) + 10)
