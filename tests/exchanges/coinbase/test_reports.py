"""One order as sent, and what is reported of it."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciler.domain.order import Side
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.coinbase.constants import STATUSES
from reconciler.exchanges.coinbase.raw_orders import RawOrder, decode_order
from reconciler.exchanges.coinbase.reports import to_report

from .samples import NOW, Json, a_ref, a_row, filled

DOCUMENTED_STATUSES = (
    *("PENDING", "OPEN", "FILLED", "CANCELLED", "EXPIRED", "FAILED", "UNKNOWN_ORDER_STATUS"),
    *("QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"),
)
""""Get Order", `status`, read 2026-11-28."""


def reported(row: Json) -> Report:
    raw = decode_order(json.dumps({"order": row}).encode())
    assert isinstance(raw, RawOrder)
    return to_report(a_ref(1), raw, NOW)


def test_every_documented_status_is_mapped() -> None:
    assert STATUSES.keys() == set(DOCUMENTED_STATUSES)


@pytest.mark.parametrize("word", DOCUMENTED_STATUSES)
def test_status_is_reported_with_its_word(word: str) -> None:
    report = reported(a_row(1, status=word))

    assert (report.word, report.status) == (word, STATUSES[word])


@pytest.mark.parametrize("word", ["", "Filled", "DONE", "FILLED "])
def test_word_that_is_not_documented_has_no_status(word: str) -> None:
    assert reported(a_row(1, status=word)).status is None


def test_filled_order_is_reported_with_its_average() -> None:
    report = reported(filled(1))

    assert report == Report(
        symbol="BTC-USD",
        external_order_id=a_ref(1).external_order_id,
        word="FILLED",
        status=Status.FILLED,
        executed_qty=Decimal(2),
        avg_price=Decimal("21220.6399999973697697"),
        fetched_at=NOW,
        quantity=Decimal(2),
        side=Side.BUY,
        client_order_id="11111-000000-000001",
        placed_at=datetime(2026, 11, 27, 10, 0, 0, 123456, UTC),
        changed_at=datetime(2026, 11, 27, 10, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize("average", ["0", "0.00", "", None])
def test_average_that_says_nothing_is_none(average: str | None) -> None:
    assert reported(filled(1, average_filled_price=average)).avg_price is None


def test_limit_price_is_never_an_average() -> None:
    assert reported(a_row(1, average_filled_price="45000")).avg_price is None


@pytest.mark.parametrize(
    ("configuration", "size_in_quote"),
    [
        ({"market_market_ioc": {"quote_size": "10.00"}}, True),
        ({"market_market_ioc": {"quote_size": "10.00"}}, False),
        ({"market_market_ioc": {"quote_size": "10.00", "base_size": "0.001"}}, False),
        ({"limit_limit_fok": {"quote_size": "10.00", "limit_price": "1"}}, None),
        ({"market_market_ioc": {"base_size": "10.00"}}, True),
        ({}, True),
    ],
)
def test_order_for_an_amount_of_quote_currency_has_no_quantity(
    configuration: Json, *, size_in_quote: bool | None
) -> None:
    report = reported(filled(1, order_configuration=configuration, size_in_quote=size_in_quote))

    assert report.is_quote_sized
    assert report.quantity is None
    assert report.executed_qty == 2


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        [],
        "limit",
        {"limit_limit_gtc": None},
        {"limit_limit_gtc": {"base_size": 2}},
        {"limit_limit_gtc": {"base_size": "2"}, "sor_limit_ioc": {"base_size": "1"}},
    ],
)
def test_quantity_that_cannot_be_known_is_none(configuration: object) -> None:
    report = reported(filled(1, order_configuration=configuration))

    assert (report.is_quote_sized, report.quantity) == (False, None)


def test_edited_order_has_no_quantity_and_may_have_more_executed_than_it_was_placed_for() -> None:
    edited = filled(1, filled_size="3", edit_history=[{"price": "1", "size": "3"}])

    assert reported(edited).quantity is None


@pytest.mark.parametrize(
    "fields",
    [
        {"filled_size": "2.1"},
        {"filled_size": "-1"},
        {"filled_size": "1e3"},
        {"filled_size": "NaN"},
        {"filled_size": ""},
        {"average_filled_price": "-1"},
        {"average_filled_price": "Infinity"},
        {"order_configuration": {"limit_limit_gtc": {"base_size": "two"}}},
    ],
)
def test_order_with_an_impossible_quantity_is_unreadable(fields: Json) -> None:
    with pytest.raises(UnreadableRow):
        reported(filled(1, **fields))


@pytest.mark.parametrize("sent", [None, 17, "yesterday", "2026-11-27", "2026-13-01T00:00:00Z"])
def test_time_that_cannot_be_read_is_left_out(sent: object) -> None:
    assert reported(a_row(1, created_time=sent)).placed_at is None


def test_time_with_nanoseconds_is_read() -> None:
    report = reported(a_row(1, created_time="2026-11-27T10:00:00.123456789Z"))

    assert report.placed_at == datetime(2026, 11, 27, 10, 0, 0, 123456, UTC)
