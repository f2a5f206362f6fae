"""An order as ccxt has parsed it, from what the exchange stated."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from reconciler.domain.order import Side
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.ccxt.client import open_client
from reconciler.settings import Credentials
from tests.exchanges.ccxt_bridge.raw_orders import MARKET, REF, parsed, report


def binance(**changed: object) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 1234567890123456789,
        "clientOrderId": "mine",
        "price": "100.00",
        "origQty": "2.00000000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "time": 1764000000000,
        "updateTime": 1764000000000,
        **changed,
    }


def bybit(**changed: object) -> dict[str, Any]:
    return {
        "orderId": "1234567890123456789",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "orderStatus": "New",
        "price": "100",
        "qty": "2",
        "cumExecQty": "0",
        "cumExecValue": "0",
        "avgPrice": "",
        "createdTime": "1764000000000",
        "updatedTime": "1764000000000",
        **changed,
    }


def test_order_is_reported_with_what_tells_it_from_another() -> None:
    found = report("binance", binance(executedQty="1.50000000", cummulativeQuoteQty="150.00000000"))

    assert (found.status, found.executed_qty, found.avg_price) == (
        Status.NEW,
        Decimal("1.5"),
        Decimal(100),
    )
    assert (found.quantity, found.side, found.client_order_id) == (Decimal(2), Side.BUY, "mine")
    assert found.placed_at == datetime.fromtimestamp(1764000000, UTC)
    assert found.word == "NEW"


@pytest.mark.parametrize("quote", ["-1", "0", "-0.00000001"])
def test_quote_that_is_not_known_is_no_average(quote: str) -> None:
    found = report(
        "binance", binance(executedQty="1.0", cummulativeQuoteQty=quote, status="FILLED")
    )

    assert (found.executed_qty, found.avg_price) == (Decimal(1), None)


def test_limit_price_is_never_the_average() -> None:
    raw = binance(executedQty="1.0", status="FILLED")
    del raw["cummulativeQuoteQty"]

    assert report("binance", raw).avg_price is None


def foxbit(**changed: object) -> dict[str, Any]:
    return {
        "id": "1234567890123456789",
        "sn": "OKMAKSDHRVVREK",
        "market_symbol": "btcusdt",
        "side": "BUY",
        "type": "LIMIT",
        "state": "FILLED",
        "price": "100.0",
        "price_avg": None,
        "quantity": "2.0",
        "quantity_executed": "2.0",
        "created_at": "2026-11-24T12:00:00.000Z",
        **changed,
    }


@pytest.mark.parametrize("executed", ["2.0", "1.0"])
def test_cost_that_ccxt_computes_from_the_limit_price_is_no_average(executed: str) -> None:
    raw = foxbit(quantity_executed=executed, state="CANCELED")

    assert parsed("foxbit", raw)["cost"] is not None
    assert report("foxbit", raw).avg_price is None


@pytest.mark.parametrize("kind", ["MARKET", "INSTANT", "STOP_MARKET", None])
def test_amount_is_base_currency_only_of_a_limit_order(kind: str | None) -> None:
    found = report("foxbit", foxbit(type=kind))

    assert (found.quantity, found.is_quote_sized) == (None, True)


def test_closed_without_a_word_is_not_filled_where_the_amount_may_be_quote_currency() -> None:
    raw = bybit(orderType="Market", orderStatus="Frozen", qty="1", cumExecQty="2", cumExecValue="1")

    assert report("bybit", raw).status is None


def test_pending_new_is_pending() -> None:
    assert report("binance", binance(status="PENDING_NEW")).status is Status.PENDING


def test_canceled_with_a_part_filled_is_canceled_with_its_quantity() -> None:
    raw = bybit(
        orderStatus="PartiallyFilledCanceled",
        cumExecQty="0.5",
        cumExecValue="50",
        avgPrice="100",
    )

    found = report("bybit", raw)

    assert (found.status, found.executed_qty) == (Status.CANCELED, Decimal("0.5"))
    assert found.avg_price == 100


def test_word_that_nobody_knows_has_no_status() -> None:
    found = report("bybit", bybit(orderStatus="Frozen"))

    assert (found.status, found.word) == (None, "Frozen")


def test_numbers_keep_every_digit() -> None:
    raw = bybit(cumExecQty="0.123456789012345678", cumExecValue="12.3", qty="1.0")

    assert report("bybit", raw).executed_qty == Decimal("0.123456789012345678")


def test_quantity_that_the_exchange_does_not_state_is_not_inferred() -> None:
    raw = bybit(orderStatus="Filled")
    for name in ("cumExecQty", "cumExecValue", "leavesQty"):
        raw.pop(name, None)

    assert parsed("bybit", raw)["filled"] == "2"  # ccxt's guess
    with pytest.raises(UnreadableRow, match="does not say what was executed"):
        report("bybit", raw)


def test_amount_of_a_market_order_is_no_quantity() -> None:
    found = report("bybit", bybit(orderType="Market", qty="100", cumExecQty="0.5", avgPrice="200"))

    assert (found.quantity, found.is_quote_sized) == (None, True)


@pytest.mark.parametrize("executed", ["-1", "NaN", "1e999", "one", "3"])
def test_quantity_that_cannot_be_true_is_unreadable(executed: str) -> None:
    with pytest.raises(UnreadableRow):
        report("bybit", bybit(cumExecQty=executed))


@pytest.mark.parametrize("raw", [{"orderId": "1234567890123456789", "createdTime": []}, {}])
def test_order_that_ccxt_cannot_parse_fails_alone(raw: dict[str, Any]) -> None:
    client = open_client("bybit", Credentials(), base_url="", now_ms=lambda: 0)
    market = client.safe_market_structure(MARKET)

    orders = client.parse_orders([raw, bybit()], market)

    good = [order for order in orders if order.get("status") == "open"]
    assert [order["id"] for order in good] == [REF.external_order_id]
