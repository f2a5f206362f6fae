from decimal import Decimal

import pytest

from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.orders.shadow.catch_up import CatchUp, judge_catch_up
from reconciler.store.followed_rows import FollowedRow

from .shadow_builders import FILLED, OPEN, a_change, a_row, facts

PARTIAL = facts(Status.PARTIAL, "2", "10")
CANCELED = facts(Status.CANCELED, "2", "10")


@pytest.mark.parametrize(
    ("row", "after", "verdict"),
    [
        pytest.param(OPEN, FILLED, CatchUp.NOT_YET, id="untouched"),
        pytest.param(PARTIAL, FILLED, CatchUp.NOT_YET, id="on its way"),
        pytest.param(FILLED, FILLED, CatchUp.CAUGHT_UP, id="there"),
        pytest.param(facts(Status.FILLED, "4"), FILLED, CatchUp.CAUGHT_UP, id="without average"),
        pytest.param(facts(Status.FILLED, "3"), FILLED, CatchUp.ELSEWHERE, id="ended with less"),
        pytest.param(CANCELED, FILLED, CatchUp.ELSEWHERE, id="another end"),
        pytest.param(facts(Status.EXPIRED, "2"), CANCELED, CatchUp.ELSEWHERE, id="expired"),
        pytest.param(OPEN, PARTIAL, CatchUp.NOT_YET, id="partial, untouched"),
        pytest.param(facts(Status.PARTIAL, "1"), PARTIAL, CatchUp.NOT_YET, id="partial, less"),
        pytest.param(facts(Status.PARTIAL, "3"), PARTIAL, CatchUp.CAUGHT_UP, id="partial, more"),
        pytest.param(FILLED, PARTIAL, CatchUp.CAUGHT_UP, id="partial, filled since"),
        pytest.param(CANCELED, PARTIAL, CatchUp.CAUGHT_UP, id="partial, canceled since"),
        pytest.param(facts(Status.CANCELED), PARTIAL, CatchUp.ELSEWHERE, id="partial, but nothing"),
        pytest.param(facts(Status.NEW, "NaN"), PARTIAL, CatchUp.NOT_YET, id="no number"),
        pytest.param(None, FILLED, CatchUp.ELSEWHERE, id="a status that is not ours"),
    ],
)
def test_a_row_is_compared_with_the_change_that_was_not_written(
    row: Facts | None, after: Facts, verdict: CatchUp
) -> None:
    assert judge_catch_up(a_row(row), a_change(after=after)) is verdict


def test_a_row_that_is_deleted_or_names_another_order_is_gone() -> None:
    assert judge_catch_up(None, a_change()) is CatchUp.GONE
    assert judge_catch_up(a_row(FILLED, "another"), a_change()) is CatchUp.GONE


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        pytest.param(PARTIAL, CatchUp.NOT_YET, id="the old average"),
        pytest.param(facts(Status.PARTIAL, "2", "11"), CatchUp.CAUGHT_UP, id="the new average"),
        pytest.param(facts(Status.PARTIAL, "3", "12"), CatchUp.CAUGHT_UP, id="further"),
        pytest.param(FILLED, CatchUp.CAUGHT_UP, id="ended"),
    ],
)
def test_a_change_of_the_average_alone_waits_for_that_average(row: Facts, verdict: CatchUp) -> None:
    after = Facts(status=Status.PARTIAL, executed_qty=Decimal(2), avg_price=Decimal(11))

    assert judge_catch_up(a_row(row), a_change(before=PARTIAL, after=after)) is verdict


def test_a_word_that_would_be_written_for_several_ends_agrees_with_each() -> None:
    both = frozenset({Status.CANCELED, Status.EXPIRED})
    row = FollowedRow("x1", facts(Status.CANCELED, "2"), "closed", both)

    for end, verdict in ((Status.EXPIRED, CatchUp.CAUGHT_UP), (Status.FILLED, CatchUp.ELSEWHERE)):
        assert judge_catch_up(row, a_change(after=facts(end, "2"))) is verdict
