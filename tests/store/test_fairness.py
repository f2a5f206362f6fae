"""No order starves, though the budget allows a tenth of the looks that the orders need.

What is guaranteed: each order that is stale when a sweep begins is looked at in this sweep, once.
One that goes stale during a sweep is looked at in the next one at the latest, so no order waits for
longer than two sweeps take. The symbols come in the order of their longest unsynced orders,
never-synced before all.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from reconciler.orders.backlog_scan import BacklogScan
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store import stale
from reconciler.workload import Page

from .builders import SHAPES, Application, Shape, make_ready
from .simulated_sweeps import (
    HOT,
    SimulatedPlatform,
    Sweep,
    injustices,
    unfair,
    with_simulated_clock,
)

SWEEPS = 4


def swept(
    url: str,
    application: Application,
    shape: Shape,
    change: Callable[[Page], Page] = lambda page: page,
) -> list[Sweep]:
    """Run sweeps one after another, with the planner's pages changed."""
    make_ready(application, shape.ddl)
    platform = SimulatedPlatform(application=application, id_of=shape.id_of)
    settings = Settings.load(database_url=with_simulated_clock(url))
    with closing(OrderWorkload(settings=settings).open_planner()) as planner:
        # A scan that a busy machine makes slow would delay the next one.
        quick = replace(planner, scans=BacklogScan(monotonic=lambda: 0.0))
        return [platform.sweep(unfair(quick, change)) for _ in range(SWEEPS)]


@pytest.mark.parametrize("name", ["bigint id, text status", "uuid id, varchar status"])
def test_no_order_waits_longer_than_two_sweeps_take(
    name: str, empty_database_url: str, owner: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "MAX_LISTED", 500)  # The hot symbol is listed in several parts.

    sweeps = swept(empty_database_url, owner, SHAPES[name])

    assert injustices(sweeps) == []
    assert sum(look.order.symbol == HOT for sweep in sweeps for look in sweep.looks) > 4000


def only_hot(page: Page) -> Page:
    """Leave out every symbol but the hot one."""
    return replace(page, chunks=tuple(chunk for chunk in page.chunks if chunk.key == HOT))


def only_the_first(page: Page) -> Page:
    """Begin a new sweep after each page."""
    return replace(page, next=None)


def in_another_order(page: Page) -> Page:
    """Let the symbols of a page come the other way round."""
    return replace(page, chunks=page.chunks[::-1])


@pytest.mark.parametrize(
    ("change", "injustice"),
    [
        (only_hot, "not looked at"),
        (only_the_first, "not looked at"),
        (in_another_order, "had waited for longer"),
    ],
)
def test_an_unfair_planner_is_found_out(
    change: Callable[[Page], Page],
    injustice: str,
    empty_database_url: str,
    owner: Application,
) -> None:
    sweeps = swept(empty_database_url, owner, SHAPES["bigint id, text status"], change)

    assert any(injustice in fault for fault in injustices(sweeps))
