# ruff: noqa: S311  # reproducible on purpose
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.status import Status
from reconciler.paper.lifecycle import (
    KINDS,
    MIN_QUANTITY_STEPS,
    STATUS_OF,
    BinanceStatus,
    Kind,
    Stage,
    Terms,
    live,
)
from reconciler.paper.market import KNOWN

terms_of_any_order = st.builds(
    Terms,
    market=st.sampled_from(KNOWN),
    is_buy=st.booleans(),
    price_ticks=st.integers(1000, 10**7),
    quantity_steps=st.integers(MIN_QUANTITY_STEPS, 10**7),
)


@settings(deadline=None)
@given(st.sampled_from(KINDS), terms_of_any_order, st.integers())
def test_executed_quantity_and_quote_never_shrink_along_a_life(
    kind: Kind, terms: Terms, seed: int
) -> None:
    life = live(kind, terms, Random(seed))

    for earlier, later in pairwise(life):
        assert earlier.executed_e8 <= later.executed_e8 <= _quantity_e8(terms)
        assert earlier.quote_e8 <= later.quote_e8


@settings(deadline=None)
@given(st.sampled_from(KINDS), terms_of_any_order, st.integers())
def test_only_the_last_stage_may_be_terminal(kind: Kind, terms: Terms, seed: int) -> None:
    life = live(kind, terms, Random(seed))

    assert all(stage.is_open for stage in life[:-1])
    assert [stage.word for stage in life] == list(kind.words)


@settings(deadline=None)
@given(st.sampled_from(KINDS), terms_of_any_order, st.integers())
def test_status_moves_only_forward_along_a_life(kind: Kind, terms: Terms, seed: int) -> None:
    statuses = [stage.status for stage in live(kind, terms, Random(seed))]

    assert None not in statuses
    for earlier, later in pairwise(filter(None, statuses)):
        assert earlier.progress <= later.progress


@settings(deadline=None)
@given(st.sampled_from(KINDS), terms_of_any_order, st.integers())
def test_words_agree_with_quantities(kind: Kind, terms: Terms, seed: int) -> None:
    for stage in live(kind, terms, Random(seed)):
        if stage.word == BinanceStatus.FILLED:
            assert stage.executed_e8 == _quantity_e8(terms)
        elif stage.word == BinanceStatus.PARTIALLY_FILLED:
            assert 0 < stage.executed_e8 < _quantity_e8(terms)
        elif stage.word in (BinanceStatus.NEW, BinanceStatus.PENDING_NEW, BinanceStatus.REJECTED):
            assert stage.executed_e8 == 0


@settings(deadline=None)
@given(st.sampled_from(KINDS), terms_of_any_order, st.integers())
def test_average_price_is_better_than_the_limit_price(kind: Kind, terms: Terms, seed: int) -> None:
    limit = Decimal(terms.price_ticks * terms.market.tick_e8).scaleb(-8)

    for stage in live(kind, terms, Random(seed)):
        average = stage.avg_price
        assert (average is None) == (stage.executed_e8 == 0)
        if average is not None:
            assert average < limit if terms.is_buy else average > limit
            assert abs(average - limit) <= limit * Decimal("0.002")


@settings(deadline=None)
@given(terms_of_any_order, st.integers())
def test_the_quote_of_a_single_fill_is_exactly_price_times_quantity(
    terms: Terms, seed: int
) -> None:
    filled_at_once = Kind(weight=1, words=(BinanceStatus.NEW, BinanceStatus.FILLED))

    last = live(filled_at_once, terms, Random(seed))[-1]

    price_ticks, remainder = divmod(
        last.quote_e8, terms.quantity_steps * terms.market.quote_unit_e8
    )
    assert remainder == 0
    assert price_ticks != terms.price_ticks


def test_every_way_an_order_can_end_is_among_the_kinds() -> None:
    last_words = {kind.words[-1] for kind in KINDS}
    partly_filled_ends = {
        kind.words[-1] for kind in KINDS if BinanceStatus.PARTIALLY_FILLED in kind.words
    }

    assert last_words == set(BinanceStatus) - {
        BinanceStatus.PENDING_NEW,
        BinanceStatus.PENDING_CANCEL,
    }
    assert {
        BinanceStatus.CANCELED,
        BinanceStatus.EXPIRED,
        BinanceStatus.EXPIRED_IN_MATCH,
    } <= partly_filled_ends
    assert any(word is BinanceStatus.PENDING_NEW for kind in KINDS for word in kind.words)


@pytest.mark.parametrize("word", BinanceStatus)
def test_every_word_has_a_status_of_ours(word: BinanceStatus) -> None:
    assert STATUS_OF[word] in Status


def test_open_stage_with_executed_quantity_is_partial() -> None:
    assert Stage(word="NEW", executed_e8=1, quote_e8=1).status is Status.PARTIAL
    assert Stage(word="CANCELED", executed_e8=1, quote_e8=1).status is Status.CANCELED


def test_a_word_that_nobody_knows_has_no_status_and_is_not_open() -> None:
    stage = Stage(word="HALF_BAKED", executed_e8=0, quote_e8=0)

    assert stage.status is None
    assert not stage.is_open


def test_an_unknown_quote_has_no_average() -> None:
    assert Stage(word="FILLED", executed_e8=10**8, quote_e8=-1).avg_price is None


def _quantity_e8(terms: Terms) -> int:
    return terms.quantity_steps * terms.market.step_e8
