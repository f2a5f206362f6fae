from itertools import pairwise
from random import Random

import pytest

from reconciler.domain.decide import HoldReason
from reconciler.domain.order import OrderId
from reconciler.domain.status import Status
from reconciler.orders.dry_run_notes import DryRunNotes, WouldHold
from reconciler.orders.shadow.catch_up import CatchUp
from reconciler.orders.shadow.delays import Delays
from reconciler.orders.shadow.ledger import ABANDONED_SECONDS, Ledger
from reconciler.orders.shadow.recent_looks import RecentLooks
from reconciler.orders.shadow.state import Shadow
from reconciler.store.followed_rows import FollowedRow

from .shadow_builders import (
    FILLED,
    OPEN,
    a_change,
    a_row,
    a_stale_order,
    facts,
    notes_of,
)

STALE = 300.0


def test_an_order_rests_until_it_would_be_stale_again_by_our_own_look() -> None:
    ledger = Ledger()
    ledger.record(DryRunNotes(confirmed=[1]), now=1000.0)

    assert ledger.is_resting(a_stale_order(1), 1299.0, STALE)
    assert not ledger.is_resting(a_stale_order(1), 1300.0, STALE)
    assert not ledger.is_resting(a_stale_order(2), 1000.0, STALE)


def test_an_order_that_would_have_ended_is_asked_about_no_more_unless_its_row_names_another() -> (
    None
):
    ledger = Ledger()
    ledger.record(notes_of(a_change(1)), now=0.0)
    ledger.forget_old(10 * STALE, STALE)

    assert ledger.is_resting(a_stale_order(1), 10 * STALE, STALE)
    assert not ledger.is_resting(a_stale_order(1, external="replaced"), 10 * STALE, STALE)


def test_a_row_that_already_waits_for_a_change_is_no_new_change() -> None:
    ledger = Ledger()
    partial = facts(Status.PARTIAL, "2")

    first = ledger.record(notes_of(a_change(after=partial)), now=0.0)
    again = ledger.record(notes_of(a_change(after=partial)), now=400.0)
    (further,) = ledger.record(notes_of(a_change(after=FILLED)), now=800.0)

    assert (len(first), again) == (1, [])
    assert further.before == partial
    assert ledger.looked_at == 3
    assert {name: tally.would_change for name, tally in ledger.by_transition.items()} == {
        ("new", "partial"): 1,
        ("partial", "filled"): 1,
    }


def test_each_change_of_an_order_has_its_own_delay() -> None:
    ledger = Ledger()
    partial = facts(Status.PARTIAL, "2")
    ledger.record(notes_of(a_change(after=partial)), now=0.0)
    ledger.record(notes_of(a_change(after=FILLED)), now=100.0)

    on_its_way = ledger.settle([1], {1: a_row(partial)}, now=130.0)
    there = ledger.settle([1], {1: a_row(FILLED)}, now=160.0)

    assert [(one.verdict, one.seconds) for one in on_its_way] == [(CatchUp.CAUGHT_UP, 130.0)]
    assert [(one.verdict, one.seconds) for one in there] == [(CatchUp.CAUGHT_UP, 60.0)]
    figures = ledger.total.figures()
    assert (figures.would_change, figures.caught_up, figures.not_yet) == (2, 2, 0)
    assert figures.longest_seconds == 130.0
    assert ledger.followed_orders() == []


def test_every_change_is_caught_up_elsewhere_gone_or_not_yet() -> None:
    ledger = Ledger()
    ledger.record(notes_of(*(a_change(id_, external="x1") for id_ in range(4))), now=0.0)

    canceled = facts(Status.CANCELED)
    rows: dict[OrderId, FollowedRow] = {0: a_row(FILLED), 1: a_row(canceled), 2: a_row(OPEN)}
    ledger.settle(range(4), rows, now=9.0)

    figures = ledger.total.figures()
    assert (figures.caught_up, figures.elsewhere, figures.not_yet, figures.gone) == (1, 1, 1, 1)
    assert [followed.change.order_id for followed in ledger.waiting_changes()] == [2]
    assert [settled.change.order_id for settled in ledger.elsewhere] == [1]


def test_a_row_is_read_at_most_every_second_and_at_least_each_twentieth_of_its_age() -> None:
    ledger = Ledger()
    ledger.record(notes_of(a_change()), now=0.0)
    reads: list[float] = []
    now = 0.0
    while now < 3600:
        if ledger.due(now, 10):
            reads.append(now)
        now += 0.25

    gaps = [after - before for before, after in pairwise(reads)]
    assert min(gaps) >= 1
    assert all(gap <= max(1.25, after / 20 + 0.5) for gap, after in zip(gaps, reads, strict=False))
    assert len(reads) < 150


def test_no_more_is_due_at_once_than_asked_for_and_nothing_is_left_out() -> None:
    ledger = Ledger()
    ledger.record(notes_of(*map(a_change, range(25))), now=0.0)

    parts = [ledger.due(1.0, 10) for _ in range(4)]

    assert [len(part) for part in parts] == [10, 10, 5, 0]
    assert {id_ for part in parts for id_ in part} == set(range(25))


def test_a_hold_waits_longer_each_time_and_ends_with_a_confirm() -> None:
    ledger = Ledger()
    hold = DryRunNotes(holds=[WouldHold(order_id=1, reason=HoldReason.NOT_FOUND)])

    ledger.record(hold, now=0.0)
    assert ledger.is_resting(a_stale_order(1), 59.0, STALE)
    assert not ledger.is_resting(a_stale_order(1), 61.0, STALE)
    ledger.record(hold, now=61.0)
    assert ledger.is_resting(a_stale_order(1), 61.0 + 119.0, STALE)
    assert ledger.is_held(1)
    assert ledger.would_hold == {HoldReason.NOT_FOUND: 1}

    ledger.record(DryRunNotes(confirmed=[1]), now=200.0)
    assert not ledger.is_held(1)


def test_what_has_no_room_is_counted_and_the_rest_goes_on() -> None:
    ledger = Ledger(max_changes=2, looks=RecentLooks(max_orders=3))

    ledger.record(notes_of(*map(a_change, range(5))), now=0.0)

    assert ledger.total.would_change == 2
    assert (ledger.not_followed, ledger.looks.overflowed, len(ledger.looks)) == (3, 2, 3)


def test_nothing_of_an_order_that_has_ended_stays_in_memory() -> None:
    ledger = Ledger()
    ledger.record(
        DryRunNotes(
            confirmed=[1],
            changes=[a_change(2)],
            holds=[WouldHold(order_id=3, reason=HoldReason.ERROR)],
        ),
        now=0.0,
    )
    later = ABANDONED_SECONDS + 61.0

    ledger.settle([2], {2: a_row(FILLED, "x2")}, now=later)
    ledger.forget_old(later, STALE)
    ledger.due(later, 10)

    assert ledger.resting_orders() == 0
    assert (len(ledger._open), len(ledger._of_order), len(ledger._queue)) == (0, 0, 0)


@pytest.mark.parametrize("count", [1, 2, 20, 1000])
def test_quantiles_of_delays_are_right_to_within_half_a_bucket(count: int) -> None:
    rng = Random(count)  # noqa: S311 - to be reproducible, not secret
    values = [rng.lognormvariate(3, 2) for _ in range(count)]
    delays = Delays()
    for value in values:
        delays.add(value)

    assert delays.longest_seconds == max(values)
    for share in (0.5, 0.95):
        expected = sorted(values)[max(0, -int(-count * share // 1) - 1)]
        assert delays.quantile(share) == pytest.approx(expected, rel=0.026, abs=0.02)
    assert Delays().quantile(0.5) is None


def test_orders_that_would_be_on_hold_are_marked_so_and_the_halt_is_counted_once() -> None:
    now = [0.0]
    shadow = Shadow(monotonic=lambda: now[0])
    shadow.take(DryRunNotes(holds=[WouldHold(order_id=1, reason=HoldReason.NOT_FOUND)]))
    orders = [a_stale_order(1), a_stale_order(2)]

    resting = shadow.without_resting(orders, STALE)
    now[0] = 61.0
    due = shadow.without_resting(orders, STALE)
    shadow.halt = "most of it looks wrong"
    shadow.halt = "most of it looks wrong"

    assert [order.id for order in resting] == [2]
    assert [(order.id, order.is_on_hold) for order in due] == [(1, True), (2, False)]
    assert shadow.figures().halts == 1
    assert shadow.take_news().held == 1
    assert shadow.take_news().held == 0
