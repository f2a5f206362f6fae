"""What is plainly confirmed is confirmed by `decide`, for any row, report and policy."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.decide import LONGEST_ANSWER_AGE, Confirm, Policy, decide
from reconciler.domain.order import Facts, Order, Side, parse_side
from reconciler.domain.report import Absent, Report
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.orders.plain_confirm import is_plainly_confirmed
from reconciler.store.stale_order import StaleOrder

from .builders import NOW
from .test_decide_properties import policies, reports, row_amounts, times

zeros_and_others = st.just(Decimal(0)) | st.sampled_from([Decimal("-0.00"), Decimal(1)])
rows = st.builds(
    StaleOrder,
    id=st.just(1),
    symbol=st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHUSDT"]),
    external_order_id=st.sampled_from(["42", "42", "43"]),
    status=st.sampled_from([Status.NEW, Status.NEW, Status.PENDING, *Status]),
    executed_qty=zeros_and_others | row_amounts,
    avg_price=st.none() | row_amounts,
    created_at=st.none() | times,
    is_on_hold=st.booleans(),
    qty=st.none() | row_amounts.map(str),
    side=st.none() | st.sampled_from(["buy", "SELL", "both"]),
    client_order_id=st.none() | st.sampled_from(["", "mine-1", "mine-2"]),
)
near_reports = st.builds(
    lambda report, status, executed, placed_at: replace(
        report,
        status=status or report.status,
        executed_qty=executed,
        placed_at=placed_at or report.placed_at,
    ),
    reports,
    st.none() | st.sampled_from([Status.NEW, Status.PENDING]),
    zeros_and_others,
    st.none() | st.just(NOW),
)
ROW = StaleOrder(
    id=1,
    symbol="BTCUSDT",
    external_order_id="42",
    status=Status.NEW,
    executed_qty=Decimal(0),
    avg_price=None,
    created_at=NOW - timedelta(hours=1),
    is_on_hold=False,
    qty="1.5",
    side="BUY",
    client_order_id="mine-1",
)
REPORT = Report(
    symbol="BTCUSDT",
    external_order_id="42",
    word="NEW",
    status=Status.NEW,
    executed_qty=Decimal("0.00"),
    avg_price=None,
    fetched_at=NOW,
    quantity=Decimal("1.5"),
    side=Side.BUY,
    client_order_id="mine-1",
    placed_at=NOW - timedelta(hours=1),
)


def as_order(row: StaleOrder) -> Order:
    return Order(
        id=row.id,
        symbol=row.symbol,
        external_order_id=row.external_order_id,
        facts=Facts(status=row.status, executed_qty=row.executed_qty, avg_price=row.avg_price),
        created_at=row.created_at,
        qty=None if row.qty is None else Decimal(row.qty),
        side=parse_side(row.side),
        client_order_id=row.client_order_id,
    )


@given(row=rows, report=reports | near_reports, policy=policies)
def test_what_is_plainly_confirmed_is_confirmed_by_decide(
    row: StaleOrder, report: Report, policy: Policy
) -> None:
    assert not is_plainly_confirmed(row, report, NOW) or (
        decide(as_order(row), report, NOW, policy) == Confirm()
    )


@given(row=st.just(ROW), report=st.just(REPORT), policy=policies)
def test_an_open_order_that_nothing_happened_to_is_plainly_confirmed(
    row: StaleOrder, report: Report, policy: Policy
) -> None:
    assert is_plainly_confirmed(row, report, NOW)
    assert decide(as_order(row), report, NOW, policy) == Confirm()


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, client_order_id=None),
        replace(REPORT, client_order_id=""),
        replace(REPORT, side=None, placed_at=None, quantity=None),
    ],
)
def test_what_the_exchange_does_not_say_is_no_reason_to_decide(report: Report) -> None:
    assert is_plainly_confirmed(ROW, report, NOW)


@pytest.mark.parametrize(
    ("row", "report"),
    [
        (replace(ROW, side="sell"), REPORT),
        (replace(ROW, client_order_id="mine-2"), REPORT),
        (replace(ROW, created_at=NOW - timedelta(days=2)), REPORT),
        (replace(ROW, status=Status.PENDING), REPORT),
        (replace(ROW, executed_qty=Decimal(1)), REPORT),
        (replace(ROW, executed_qty=Decimal("NaN")), REPORT),
        (replace(ROW, avg_price=Decimal("NaN")), REPORT),
        (replace(ROW, external_order_id="43"), REPORT),
        (replace(ROW, symbol="ETHUSDT"), REPORT),
        (ROW, replace(REPORT, executed_qty=Decimal("0.1"))),
        (ROW, replace(REPORT, status=None)),
        (ROW, replace(REPORT, fetched_at=NOW - LONGEST_ANSWER_AGE - timedelta(seconds=1))),
        (ROW, Absent(symbol="BTCUSDT", external_order_id="42", fetched_at=NOW)),
    ],
)
def test_anything_else_is_left_to_decide(row: StaleOrder, report: Report) -> None:
    assert not is_plainly_confirmed(row, report, NOW)
