"""The planner of a shadow remembers in memory what a run that writes has in the database."""

from collections.abc import Callable, Iterator

import pytest

from reconciler.domain.decide import HoldReason
from reconciler.orders.dry_run_notes import DryRunNotes
from reconciler.orders.shadow.planner import ShadowPlanner
from reconciler.orders.shadow.state import Shadow
from reconciler.orders.shadow.workload import ShadowWorkload
from reconciler.settings import Settings
from reconciler.workload import Page

from .builders import Application, insert_order, read_hold

Open = Callable[[], ShadowPlanner]


@pytest.fixture
def shadow() -> Shadow:
    return Shadow()


@pytest.fixture
def open_planner(
    shadow: Shadow, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Open planners of one shadow, as a reload does; they are closed at the end."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    planners: list[ShadowPlanner] = []

    def open_another() -> ShadowPlanner:
        planners.append(ShadowWorkload.of(Settings.load(), shadow).open_planner())
        return planners[-1]

    yield open_another
    for planner in planners:
        planner.close()


def ids_in(page: Page) -> list[object]:
    return [id_ for chunk in page.chunks for id_ in chunk.ids]


def test_an_order_that_was_looked_at_is_left_out_also_after_a_reload(
    application: Application, open_planner: Open
) -> None:
    insert_order(application, 1)
    insert_order(application, 2)
    planner = open_planner()
    first = ids_in(planner.plan(10, None))

    planner.take_notes(DryRunNotes(confirmed=[1]))

    assert first == [1, 2]
    assert ids_in(planner.plan(10, None)) == [2]
    assert ids_in(open_planner().plan(10, None)) == [2]
    assert planner.measure_backlog().items == 1


def test_an_order_that_crashes_workers_is_counted_and_rests_but_no_hold_is_written(
    application: Application, open_planner: Open, shadow: Shadow
) -> None:
    insert_order(application, 1)
    planner = open_planner()
    (deadly,) = planner.plan(10, None).chunks

    planner.set_aside(deadly)

    assert ids_in(planner.plan(10, None)) == []
    assert read_hold(application, 1) is None
    assert shadow.report().would_hold == {HoldReason.CRASHED_WORKER: 1}


def test_the_halt_is_kept_in_memory_and_survives_a_reload(
    application: Application, open_planner: Open
) -> None:
    planner = open_planner()

    planner.write_halt("most of it looks wrong")

    assert planner.read_halt() == open_planner().read_halt() == "most of it looks wrong"
    assert application.execute("TABLE reconciliation_state").fetchall() == []
    planner.write_halt(None)
    assert planner.read_halt() is None
