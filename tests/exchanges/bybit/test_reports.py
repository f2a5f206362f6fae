"""A raw order of Bybit's, translated to a report."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from reconciler.domain.order import Side
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.constants import STATUSES
from reconciler.exchanges.bybit.raw_orders import RawOrder, decode_page
from reconciler.exchanges.bybit.reports import to_report
from tests.exchanges.bybit.documented import STATUSES as DOCUMENTED
from tests.exchanges.bybit.documented import a_page, an_order

REF = OrderRef(symbol="ETHUSDT", external_order_id="1321052653536515584")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def report_of(**fields: Any) -> Report:
    [raw] = decode_page(msgspec.json.encode(a_page(an_order(**fields)))).orders
    assert isinstance(raw, RawOrder)
    return to_report(REF, raw, NOW)


@pytest.mark.parametrize("word", DOCUMENTED)
def test_every_documented_status_is_mapped(word: str) -> None:
    assert report_of(orderStatus=word).status is STATUSES[word]


@pytest.mark.parametrize(
    ("word", "executed", "status"),
    [
        ("New", "0", Status.NEW),
        ("Untriggered", "0", Status.PENDING),
        ("Triggered", "0", Status.PENDING),
        ("Created", "0", Status.PENDING),
        ("PartiallyFilled", "0.05", Status.PARTIAL),
        ("PendingCancel", "0.05", Status.NEW),
        ("Filled", "0.1", Status.FILLED),
        ("Cancelled", "0", Status.CANCELED),
        ("PartiallyFilledCanceled", "0.05", Status.CANCELED),
        ("Deactivated", "0", Status.CANCELED),
        ("Rejected", "0", Status.REJECTED),
        ("Rejected", "0.05", Status.CANCELED),
        ("Active", "0", None),
        ("filled", "0.1", None),
    ],
)
def test_status_keeps_what_was_executed(word: str, executed: str, status: Status | None) -> None:
    report = report_of(orderStatus=word, cumExecQty=executed, avgPrice="1000.5")

    assert report.word == word
    assert report.status is status
    assert report.executed_qty == Decimal(executed)
    assert report.avg_price == (Decimal("1000.5") if Decimal(executed) else None)


@pytest.mark.parametrize(
    ("average", "value", "expected"),
    [
        ("1234.5", "999", Decimal("1234.5")),
        ("", "61.725", Decimal("1234.5")),
        ("0", "61.725", Decimal("1234.5")),
        (None, "61.725", Decimal("1234.5")),
        ("", "0", None),
        ("", "", None),
        ("0", None, None),
    ],
)
def test_average_is_avg_price_or_the_value_through_the_quantity(
    average: str | None, value: str | None, expected: Decimal | None
) -> None:
    report = report_of(
        orderStatus="PartiallyFilled", cumExecQty="0.05", avgPrice=average, cumExecValue=value
    )

    assert report.avg_price == expected


def test_limit_price_is_no_average() -> None:
    report = report_of(orderStatus="New", price="1000", avgPrice="", cumExecQty="0")

    assert report.avg_price is None


@pytest.mark.parametrize(
    ("order_type", "unit", "side", "quantity", "is_quote_sized"),
    [
        ("Limit", "", "Buy", Decimal("0.1"), False),
        ("Limit", "quoteCoin", "Buy", Decimal("0.1"), False),
        ("Market", "baseCoin", "Buy", Decimal("0.1"), False),
        ("Market", "quoteCoin", "Buy", None, True),
        ("Market", "quoteCoin", "Sell", None, True),
        ("Market", "", "Buy", None, True),
        ("Market", None, "Buy", None, True),
        ("Market", "", "Sell", Decimal("0.1"), False),
        ("Market", "lots", "Sell", None, False),
        ("Market", "", None, None, False),
        ("Block trade-Limit", "", "Sell", None, False),
        (None, "", "Sell", None, False),
    ],
)
def test_quantity_is_given_only_in_base_currency(
    order_type: str | None,
    unit: str | None,
    side: str | None,
    quantity: Decimal | None,
    *,
    is_quote_sized: bool,
) -> None:
    report = report_of(orderType=order_type, marketUnit=unit, side=side)

    assert report.quantity == quantity
    assert report.is_quote_sized is is_quote_sized


def test_filled_is_never_inferred_from_the_quantity_of_a_quote_sized_order() -> None:
    report = report_of(
        orderType="Market",
        marketUnit="quoteCoin",
        qty="200",
        orderStatus="PartiallyFilledCanceled",
        cumExecQty="0.19",
        avgPrice="1050",
    )

    assert (report.status, report.quantity) == (Status.CANCELED, None)


def test_what_tells_orders_apart_is_read() -> None:
    report = report_of(side="Sell", createdTime="1672217748287", updatedTime="1672217748999")

    assert report.side is Side.SELL
    assert report.client_order_id == "1672217748277652"
    assert report.placed_at == datetime(2022, 12, 28, 8, 55, 48, 287_000, tzinfo=UTC)
    assert report.changed_at == datetime(2022, 12, 28, 8, 55, 48, 999_000, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "x", -1, 10**18, None, [], "1672217748.287"])
def test_invalid_time_or_client_id_is_none(value: object) -> None:
    report = report_of(createdTime=value, updatedTime=value, orderLinkId="", side=value)

    assert report.placed_at is None
    assert report.changed_at is None
    assert report.client_order_id is None
    assert report.side is None


@pytest.mark.parametrize(
    "fields",
    [
        {"cumExecQty": ""},
        {"cumExecQty": "1e3"},
        {"cumExecQty": "-0.1"},
        {"cumExecQty": "NaN"},
        {"cumExecQty": "0.2"},
        {"avgPrice": "abc", "cumExecQty": "0.05"},
        {"qty": "1_0"},
        {"cumExecValue": "Infinity"},
    ],
    ids=str,
)
def test_invalid_quantity_makes_the_order_unreadable(fields: dict[str, str]) -> None:
    with pytest.raises(UnreadableRow, match="order 1321052653536515584 of ETHUSDT"):
        report_of(**fields)
