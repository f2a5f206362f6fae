# ruff: noqa: S311  # reproducible on purpose
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.status import Status
from reconciler.paper.lifecycle import (
    LIFECYCLES,
    MIN_QUANTITY_STEPS,
    STATUS_OF,
    ExchangeStatus,
    Lifecycle,
    OrderState,
    OrderTerms,
    draw_states,
)
from reconciler.paper.market import KNOWN

terms_of_any_order = st.builds(
    OrderTerms,
    market=st.sampled_from(KNOWN),
    is_buy=st.booleans(),
    price_ticks=st.integers(1000, 10**7),
    quantity_steps=st.integers(MIN_QUANTITY_STEPS, 10**7),
)


@given(st.sampled_from(LIFECYCLES), terms_of_any_order, st.integers())
def test_executed_quantity_and_quote_never_shrink(
    lifecycle: Lifecycle, terms: OrderTerms, seed: int
) -> None:
    states = draw_states(lifecycle, terms, Random(seed))

    for earlier, later in pairwise(states):
        assert earlier.executed_e8 <= later.executed_e8 <= _quantity_e8(terms)
        assert earlier.quote_e8 <= later.quote_e8


@given(st.sampled_from(LIFECYCLES), terms_of_any_order, st.integers())
def test_only_the_last_state_may_be_terminal(
    lifecycle: Lifecycle, terms: OrderTerms, seed: int
) -> None:
    states = draw_states(lifecycle, terms, Random(seed))

    assert all(state.is_open for state in states[:-1])
    assert [state.exchange_status for state in states] == list(lifecycle.statuses)


@given(st.sampled_from(LIFECYCLES), terms_of_any_order, st.integers())
def test_status_of_an_order_moves_only_forward(
    lifecycle: Lifecycle, terms: OrderTerms, seed: int
) -> None:
    statuses = [state.status for state in draw_states(lifecycle, terms, Random(seed))]

    assert None not in statuses
    for earlier, later in pairwise(filter(None, statuses)):
        assert earlier.progress <= later.progress


@given(st.sampled_from(LIFECYCLES), terms_of_any_order, st.integers())
def test_exchange_statuses_agree_with_quantities(
    lifecycle: Lifecycle, terms: OrderTerms, seed: int
) -> None:
    for state in draw_states(lifecycle, terms, Random(seed)):
        if state.exchange_status == ExchangeStatus.FILLED:
            assert state.executed_e8 == _quantity_e8(terms)
        elif state.exchange_status == ExchangeStatus.PARTIALLY_FILLED:
            assert 0 < state.executed_e8 < _quantity_e8(terms)
        elif state.exchange_status in (
            ExchangeStatus.NEW,
            ExchangeStatus.PENDING_NEW,
            ExchangeStatus.REJECTED,
        ):
            assert state.executed_e8 == 0


@given(st.sampled_from(LIFECYCLES), terms_of_any_order, st.integers())
def test_average_price_is_better_than_the_limit_price(
    lifecycle: Lifecycle, terms: OrderTerms, seed: int
) -> None:
    limit = Decimal(terms.price_ticks * terms.market.tick_e8).scaleb(-8)

    for state in draw_states(lifecycle, terms, Random(seed)):
        average = state.avg_price
        assert (average is None) == (state.executed_e8 == 0)
        if average is not None:
            assert average < limit if terms.is_buy else average > limit
            assert abs(average - limit) <= limit * Decimal("0.002")


@given(terms_of_any_order, st.integers())
def test_quote_of_a_single_fill_is_exactly_price_times_quantity(
    terms: OrderTerms, seed: int
) -> None:
    filled_at_once = Lifecycle(frequency=1, statuses=(ExchangeStatus.NEW, ExchangeStatus.FILLED))

    last = draw_states(filled_at_once, terms, Random(seed))[-1]

    price_ticks, remainder = divmod(
        last.quote_e8, terms.quantity_steps * terms.market.quote_unit_e8
    )
    assert remainder == 0
    assert price_ticks != terms.price_ticks


def test_lifecycles_include_every_end_of_an_order() -> None:
    last_words = {lifecycle.statuses[-1] for lifecycle in LIFECYCLES}
    partly_filled_ends = {
        lifecycle.statuses[-1]
        for lifecycle in LIFECYCLES
        if ExchangeStatus.PARTIALLY_FILLED in lifecycle.statuses
    }

    assert last_words == set(ExchangeStatus) - {
        ExchangeStatus.PENDING_NEW,
        ExchangeStatus.PENDING_CANCEL,
    }
    assert {
        ExchangeStatus.CANCELED,
        ExchangeStatus.EXPIRED,
        ExchangeStatus.EXPIRED_IN_MATCH,
    } <= partly_filled_ends
    assert any(
        exchange_status is ExchangeStatus.PENDING_NEW
        for lifecycle in LIFECYCLES
        for exchange_status in lifecycle.statuses
    )


@pytest.mark.parametrize("exchange_status", ExchangeStatus)
def test_every_exchange_status_has_a_status_of_ours(exchange_status: ExchangeStatus) -> None:
    assert STATUS_OF[exchange_status] in Status


def test_open_state_with_executed_quantity_is_partial() -> None:
    assert OrderState(exchange_status="NEW", executed_e8=1, quote_e8=1).status is Status.PARTIAL
    assert (
        OrderState(exchange_status="CANCELED", executed_e8=1, quote_e8=1).status is Status.CANCELED
    )


def test_unknown_exchange_status_is_not_open() -> None:
    state = OrderState(exchange_status="HALF_BAKED", executed_e8=0, quote_e8=0)

    assert state.status is None
    assert not state.is_open


def test_order_with_an_unknown_quote_has_no_average() -> None:
    assert OrderState(exchange_status="FILLED", executed_e8=10**8, quote_e8=-1).avg_price is None


def _quantity_e8(terms: OrderTerms) -> int:
    return terms.quantity_steps * terms.market.step_e8
