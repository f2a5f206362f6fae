"""Two people decide on the same hold at the same time: one does, and the other is told."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import combinations_with_replacement

import pytest

from reconciler.scope import UNSCOPED
from reconciler.store.bulk_holds import HoldFilter
from reconciler.store.database import Database
from reconciler.store.hold_decisions import AcceptHolds, DecisionResult, DismissHolds, HoldDecision
from reconciler.store.user_table import DEFAULT_TABLE

from ..console.orders_on_hold import REPORT, ROW, hold  # noqa: TID252 - tests are no package
from .builders import IS_WAITING_FOR_A_LOCK, Application, connect_application, until

ALL = HoldFilter()
SAME_AS_ROW = {**REPORT, **ROW}
"""What the exchange says is what the row has: then only the hold can say who was first."""


def accept(database: Database, by: str) -> HoldDecision:
    return AcceptHolds(
        database=database,
        table=DEFAULT_TABLE,
        scope=UNSCOPED,
        by=by,
        exchange="paper",
        status=None,
    )


def dismiss(database: Database, by: str) -> HoldDecision:
    return DismissHolds(database=database, table=DEFAULT_TABLE, scope=UNSCOPED, by=by)


def decide_one(decision: HoldDecision) -> DecisionResult:
    return decision.decide_each([1])


def decide_all(decision: HoldDecision) -> DecisionResult:
    return decision.decide_counted(ALL, decision.count(ALL), lambda _: None)


Way = tuple[Callable[[Database, str], HoldDecision], Callable[[HoldDecision], DecisionResult]]

WAYS: Mapping[str, Way] = {
    "accept": (accept, decide_one),
    "accept all": (accept, decide_all),
    "dismiss": (dismiss, decide_one),
    "dismiss all": (dismiss, decide_all),
}


@pytest.mark.parametrize("report", [REPORT, SAME_AS_ROW], ids=["news", "no news"])
@pytest.mark.parametrize(("first", "second"), [*combinations_with_replacement(WAYS, 2)])
def test_one_of_two_decisions_at_once_is_done_and_the_other_is_told(
    application: Application,
    database_url: str,
    first: str,
    second: str,
    report: Mapping[str, object],
) -> None:
    hold(application, 1, report=report)
    with ThreadPoolExecutor() as threads, connect_application(database_url) as observer:
        with application.transaction():
            application.execute("SELECT FROM reconciliation_holds FOR UPDATE")
            futures = [
                threads.submit(_decide, database_url, WAYS[way], by)
                for way, by in ((first, "ada"), (second, "bob"))
            ]
            for by in ("ada", "bob"):
                until(observer, IS_WAITING_FOR_A_LOCK, f"reconciler {by}")
        results = [future.result() for future in futures]

    winner, loser = sorted(results, key=lambda result: -result.done)
    assert (winner.done, winner.refused, winner.gone) == (1, 0, 0)
    assert (loser.done, loser.refused + loser.gone) == (0, 1)
    ended = application.execute("SELECT resolution FROM reconciliation_holds").fetchall()
    assert [row["resolution"].split()[-1] for row in ended] == [winner.by]
    if loser.refused:
        assert f"is no longer on hold: {ended[0]['resolution']}" in loser.refusals[0]["why"]


def _decide(database_url: str, way: Way, by: str) -> DecisionResult:
    decision, decide = way
    with closing(Database(database_url, role=by)) as database:
        return decide(decision(database, by))
