"""Our parser against ccxt's own, over generated orders of every status.

They agree, or the difference stands below with its reason.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.exchanges.coinbase.constants import STATUSES
from reconciler.exchanges.coinbase.raw_orders import RawOrder, decode_order
from reconciler.exchanges.coinbase.reports import to_report

from .samples import NOW, Json, a_ref, a_row, dumped

CCXT = ccxt.coinbase()
CCXT.number = str  # its option for numbers that are not rounded

SAME: Mapping[str, tuple[Status, str]] = {
    "OPEN": (Status.NEW, "open"),
    "FILLED": (Status.FILLED, "closed"),
    "CANCELLED": (Status.CANCELED, "canceled"),
}
"""Words that mean the same to both."""

DIFFERENT: Mapping[str, tuple[Status | None, str, str]] = {
    "EXPIRED": (Status.EXPIRED, "canceled", "ccxt has no word for this end"),
    "FAILED": (Status.REJECTED, "canceled", "ccxt has no word for this end"),
    "PENDING": (Status.PENDING, "PENDING", "ccxt lets the word through: it does not know it"),
    "QUEUED": (Status.PENDING, "QUEUED", "the same"),
    "CANCEL_QUEUED": (Status.NEW, "CANCEL_QUEUED", "the same; the order is still open"),
    "EDIT_QUEUED": (Status.NEW, "EDIT_QUEUED", "the same; the order is still open"),
    "UNKNOWN_ORDER_STATUS": (None, "UNKNOWN_ORDER_STATUS", "the word says nothing; the same"),
}
"""Our status and ccxt's, with the reason for the difference."""

SIZED = (
    *("limit_limit_gtc", "limit_limit_gtd", "sor_limit_ioc", "market_market_ioc"),
    *("stop_limit_stop_limit_gtc", "stop_limit_stop_limit_gtd"),
)
"""Configurations whose size both read."""

UNSIZED_BY_CCXT = ("limit_limit_fok", "trigger_bracket_gtc", "trigger_bracket_gtd")
"""Configurations that ccxt does not know: it reads no size."""

AMOUNTS = st.decimals(min_value="0.00000001", max_value="100000", places=8)


@st.composite
def raw_orders(draw: st.DrawFn) -> Json:
    """Draw an order of any status, partly executed or not at all."""
    size = draw(AMOUNTS)
    filled = draw(st.sampled_from([Decimal(0), size, size / 2]))
    configuration = draw(st.sampled_from([*SIZED, *UNSIZED_BY_CCXT]))
    return a_row(
        1,
        status=draw(st.sampled_from(sorted(STATUSES))),
        side=draw(st.sampled_from(["BUY", "SELL"])),
        filled_size=f"{filled:f}",
        average_filled_price=f"{draw(AMOUNTS):f}" if filled else draw(st.sampled_from(["0", ""])),
        order_configuration={configuration: {"base_size": f"{size:f}", "limit_price": "1"}},
        client_order_id=draw(st.text("abc-123", min_size=1, max_size=36)),
    )


def ours(row: Json) -> Report:
    raw = decode_order(dumped({"order": row}))
    assert isinstance(raw, RawOrder)
    return to_report(a_ref(1), raw, NOW)


def number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def test_every_status_is_compared() -> None:
    assert SAME.keys() | DIFFERENT.keys() == STATUSES.keys()
    assert SAME.keys().isdisjoint(DIFFERENT)


@given(raw_orders())
def test_both_read_the_same_order_apart_from_the_listed_differences(row: Json) -> None:
    report, parsed = ours(row), CCXT.parse_order(row)

    expected = SAME.get(row["status"]) or DIFFERENT[row["status"]][:2]
    assert (report.status, parsed["status"]) == expected
    assert parsed["id"] == report.external_order_id
    assert parsed["clientOrderId"] == report.client_order_id
    assert parsed["side"] == (None if report.side is None else report.side.value)
    assert number(parsed["filled"]) == report.executed_qty
    # ccxt shows the "0" of an order without an average, or leaves it out.
    assert (number(parsed["average"]) or None) == report.avg_price
    assert report.placed_at is not None
    assert parsed["timestamp"] == int(report.placed_at.timestamp() * 1000)
    if next(iter(row["order_configuration"])) in SIZED:
        assert number(parsed["amount"]) == report.quantity
    else:
        # Of a closed order ccxt takes what was filled for what was ordered.
        assert number(parsed["amount"]) in {None, report.executed_qty}
        assert report.quantity is not None


@given(AMOUNTS, AMOUNTS)
def test_neither_takes_an_amount_of_quote_currency_for_the_quantity(
    quote: Decimal, filled: Decimal
) -> None:
    row = a_row(
        1,
        status="FILLED",
        order_configuration={"market_market_ioc": {"quote_size": f"{quote:f}"}},
        size_in_quote=True,
        filled_size=f"{filled:f}",
        average_filled_price="10",
    )

    report, parsed = ours(row), CCXT.parse_order(row)

    assert report.is_quote_sized
    assert report.quantity is None
    assert number(parsed["filled"]) == report.executed_qty == filled
    # Of a closed order ccxt takes what was filled for what was ordered.
    assert number(parsed["amount"]) in {None, filled}
