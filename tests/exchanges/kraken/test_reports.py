"""An order of Kraken is reported as it is, or not at all."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from reconciler.domain.order import Side
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.constants import STATUSES
from reconciler.exchanges.kraken.reports import to_report

from .raw import CANCELED, CLOSED, OPEN, QUOTE_SIZED, TXID, decoded_order, raw_orders

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REF = OrderRef(symbol="XBTUSD", external_order_id=TXID)


def report_of(order: Mapping[str, Any], **changes: object) -> Report:
    return to_report(REF, decoded_order({**order, **changes}), NOW)


def test_documented_closed_order_is_filled_at_its_price() -> None:
    report = report_of(CLOSED)

    assert (report.status, report.word) == (Status.FILLED, "closed")
    assert (report.executed_qty, report.quantity) == (Decimal("0.21804"), Decimal("0.21804"))
    assert report.avg_price == Decimal("6851.5")
    assert report.side is Side.SELL
    assert report.placed_at == datetime(2020, 4, 14, 0, 8, 39, 334_000, tzinfo=UTC)
    assert report.changed_at == datetime(2020, 4, 14, 0, 8, 39, 365_000, tzinfo=UTC)
    assert not report.is_quote_sized


def test_documented_canceled_order_has_no_average() -> None:
    report = report_of(CANCELED)

    assert (report.status, report.executed_qty) == (Status.CANCELED, Decimal(0))
    assert report.avg_price is None


def test_documented_open_order_is_new() -> None:
    report = report_of(OPEN)

    assert (report.status, report.executed_qty) == (Status.NEW, Decimal(0))
    assert report.client_order_id == "1234"
    assert report.placed_at == datetime(2024, 12, 10, 7, 21, 9, 370_000, tzinfo=UTC)
    assert report.changed_at is None


@pytest.mark.parametrize("word", sorted(STATUSES))
def test_every_documented_status_has_ours(word: str) -> None:
    report = report_of(CANCELED, status=word)

    assert (report.word, report.status) == (word, STATUSES[word])


def test_the_documented_statuses_are_all() -> None:
    """api-specs, `schemas/objects/user/orders/closed.yaml`, `status`."""
    assert set(STATUSES) == {"pending", "open", "closed", "canceled", "expired"}


@pytest.mark.parametrize("word", ["rejected", "Closed", "", "closed\x1b[0m", "é" * 100])
def test_unknown_status_is_reported_as_unknown_and_safe_to_show(word: str) -> None:
    report = report_of(CLOSED, status=word)

    assert report.status is None
    assert report.word.isascii()
    assert report.word.isprintable()
    assert len(report.word) <= 40


def test_partial_fill_then_cancel_keeps_the_fill() -> None:
    report = report_of(
        CANCELED, vol_exec="4.00000000", cost="4.000000", price="1.000000", misc="partial"
    )

    assert (report.status, report.executed_qty) == (Status.CANCELED, Decimal(4))
    assert (report.quantity, report.avg_price) == (Decimal(10), Decimal(1))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vol_exec": "0.21904"}, "more than was ordered"),
        ({"cost": "1400.0"}, "is not the cost"),
        ({"price": "7000.0"}, "is not the cost"),
        ({"vol_exec": "0.00000000"}, "at a cost of"),
        ({"vol_exec": "-0.1"}, "is no quantity"),
        ({"vol_exec": "1e-3"}, "is no quantity"),
        ({"vol_exec": ""}, "is no quantity"),
        ({"price": "NaN"}, "is no quantity"),
        ({"vol": "1_000"}, "is no quantity"),
        ({"cost": "\u0661"}, "is no quantity"),
    ],
)
def test_contradictory_order_is_not_reported(changes: Mapping[str, object], told: str) -> None:
    with pytest.raises(UnreadableRow, match=told):
        report_of(CLOSED, **changes)


def test_cut_off_cost_is_no_contradiction() -> None:
    """github.com/ccxt/ccxt/pull/8657: 0.01 at 1826.36 costs "18.26"."""
    report = report_of(CLOSED, vol="0.01", vol_exec="0.01", cost="18.26", price="1826.36")

    assert report.avg_price == Decimal("1826.36")


def test_order_without_average_is_reported_without() -> None:
    assert report_of(CLOSED, price="0.00000", cost="0.00000").avg_price is None
    assert report_of(CLOSED, price=None, cost=None).avg_price is None


def test_filled_quote_sized_order_is_reported_in_base_currency() -> None:
    report = report_of(QUOTE_SIZED)

    assert (report.status, report.executed_qty) == (Status.FILLED, Decimal("0.00119975"))
    assert report.avg_price == Decimal("50010.5")
    assert report.is_quote_sized
    assert report.quantity is None


@pytest.mark.parametrize(
    "changes",
    [
        # As the older documentation has it: every field in the other currency.
        {"vol_exec": "60.00000000", "cost": "0.00119975", "price": "0.0000199958"},
        {"status": "canceled", "vol_exec": "0.00059988", "cost": "30.00029"},
        {"status": "open", "vol_exec": "0.00059988", "cost": "30.00029"},
        {"vol": "0.00119975"},
        {"cost": None},
        {"price": None},
        {"vol": None},
    ],
    ids=["inverted", "canceled", "open", "base vol", "no cost", "no price", "no vol"],
)
def test_quote_sized_order_whose_currency_is_not_proven_is_not_reported(
    changes: Mapping[str, object],
) -> None:
    with pytest.raises(UnreadableRow, match="nothing proves"):
        report_of(QUOTE_SIZED, **changes)


def test_quote_sized_order_with_nothing_executed_is_reported() -> None:
    report = report_of(
        QUOTE_SIZED, status="canceled", vol_exec="0.00000000", cost="0.00000", price="0.00000"
    )

    assert (report.status, report.executed_qty) == (Status.CANCELED, Decimal(0))
    assert report.is_quote_sized


def test_market_order_without_flags_may_be_quote_sized() -> None:
    without = {name: value for name, value in CLOSED.items() if name != "oflags"}
    limit = {**without, "descr": {**CLOSED["descr"], "ordertype": "limit"}}

    with pytest.raises(UnreadableRow, match="nothing proves"):
        report_of(without)
    assert report_of(limit).executed_qty == Decimal("0.21804")


@given(order=raw_orders())
def test_every_order_that_does_not_contradict_itself_is_reported(order: Mapping[str, Any]) -> None:
    report = report_of(order)

    assert report.status is STATUSES[order["status"]]
    assert report.executed_qty == Decimal(order["vol_exec"])
    assert report.quantity == Decimal(order["vol"])
    assert (report.avg_price or 0) == (Decimal(order["price"]) if report.executed_qty else 0)
    assert report.placed_at is not None
    assert abs(report.placed_at.timestamp() - order["opentm"]) < 0.001
