"""Our reading of Bybit's orders, compared with ccxt's own over generated orders of every status.

Where the two differ, `DIFFERENCES` has the reason.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any

import ccxt
import msgspec
import pytest

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.constants import STATUSES
from reconciler.exchanges.bybit.raw_orders import RawOrder, decode_page
from reconciler.exchanges.bybit.reports import to_report
from tests.exchanges.bybit.documented import a_page, an_order

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SYMBOL = "ETHUSDT"
ORDERS_OF_EACH_KIND = 25

OUR_WORDS = {
    Status.PENDING: "open",
    Status.NEW: "open",
    Status.PARTIAL: "open",
    Status.FILLED: "closed",
    Status.CANCELED: "canceled",
    Status.REJECTED: "rejected",
}
"""ccxt's word for each of our statuses."""

DIFFERENCES = {
    # ccxt counts it as closed, since it is how Bybit ends many market orders
    # (github.com/ccxt/ccxt/issues/18685). The order is not filled: what is left was canceled.
    "PartiallyFilledCanceled": ("closed", Status.CANCELED),
    # Gone from Bybit's page since 2024-01-31: "the final state of a successful conditional order".
    # It says that an order was placed, not what became of it: we hold such an order.
    "Active": ("open", None),
    # Words of older interfaces, which v5 never sends.
    "NEW": ("open", None),
    "PARTIALLY_FILLED": ("open", None),
    "FILLED": ("closed", None),
    "CANCELED": ("canceled", None),
    "PENDING_CANCEL": ("open", None),
    "PENDING_NEW": ("open", None),
    "REJECTED": ("rejected", None),
    "PARTIALLY_FILLED_CANCELLED": ("closed", None),
    # ccxt hands an unknown word on: we hold the order.
    "Hibernating": ("Hibernating", None),
}
WORDS = (*STATUSES, *DIFFERENCES)
TYPES = (("Limit", ""), ("Market", ""), ("Market", "baseCoin"), ("Market", "quoteCoin"))


@pytest.fixture(scope="module")
def client() -> Any:
    client = ccxt.bybit()
    client.set_markets(
        [
            client.safe_market_structure(
                {
                    "id": SYMBOL,
                    "symbol": "ETH/USDT",
                    "base": "ETH",
                    "quote": "USDT",
                    "type": "spot",
                    "spot": True,
                    "precision": {"amount": 1e-8, "price": 1e-8},
                }
            )
        ]
    )
    return client


def generated(word: str, order_type: str, unit: str, side: str, rng: Random) -> dict[str, Any]:
    """Make an order as Bybit would: a quote-sized one has its quantity in quote currency."""
    price = Decimal(rng.randrange(1, 10**8)).scaleb(-4)
    executed = Decimal(rng.choice([0, rng.randrange(1, 10**8)])).scaleb(-6)
    left = Decimal(rng.randrange(10**8)).scaleb(-6)
    average = price * Decimal(rng.randrange(900, 1100)).scaleb(-3)
    is_quote_sized = order_type == "Market" and (
        unit == "quoteCoin" or (not unit and side == "Buy")
    )
    quantity = (executed + left) * (price if is_quote_sized else 1)
    is_open = STATUSES.get(word, Status.FILLED) in {Status.PENDING, Status.NEW, Status.PARTIAL}
    return an_order(
        orderId=str(rng.randrange(10**18, 9 * 10**18)),
        orderStatus=word,
        orderType=order_type,
        marketUnit=unit,
        side=side,
        qty=f"{quantity:f}",
        price=f"{price:f}",
        cumExecQty=f"{executed:f}",
        cumExecValue=f"{executed * average:f}",
        avgPrice=rng.choice([f"{average:f}", ""]) if executed else rng.choice(["", "0"]),
        leavesQty=f"{left:f}" if is_open else "0",
        createdTime=str(rng.randrange(1_600_000_000_000, 1_800_000_000_000)),
        triggerPrice="",
        takeProfit="",
        stopLoss="",
    )


def generated_orders(word: str) -> Iterator[dict[str, Any]]:
    rng = Random(word)  # noqa: S311 - to be the same each time
    for (order_type, unit), side in product(TYPES, ("Buy", "Sell")):
        for _ in range(ORDERS_OF_EACH_KIND):
            yield generated(word, order_type, unit, side, rng)


def our_report(order: dict[str, Any]) -> Report:
    [raw] = decode_page(msgspec.json.encode(a_page(order))).orders
    assert isinstance(raw, RawOrder)
    return to_report(OrderRef(symbol=SYMBOL, external_order_id=raw.order_id), raw, NOW)


@pytest.mark.parametrize("word", WORDS)
def test_order_is_read_as_ccxt_reads_it_or_the_difference_has_a_reason(
    client: Any, word: str
) -> None:
    for order in generated_orders(word):
        theirs, ours = client.parse_order(order), our_report(order)

        expected = DIFFERENCES.get(word)
        if expected is not None:
            assert (theirs["status"], ours.status) == expected
        elif word == "Rejected" and ours.executed_qty:
            # What was executed stays executed: ccxt says rejected.
            assert (theirs["status"], ours.status) == ("rejected", Status.CANCELED)
        else:
            assert ours.status is not None
            assert theirs["status"] == OUR_WORDS[ours.status]
        assert theirs["filled"] == pytest.approx(float(ours.executed_qty))
        assert theirs["timestamp"] == int(order["createdTime"])
        assert ours.placed_at is not None
        assert theirs["timestamp"] == round(ours.placed_at.timestamp() * 1000)
        assert ours.side is not None
        assert theirs["side"] == ours.side.value.lower()
        assert theirs["clientOrderId"] == ours.client_order_id
        assert_same_average(theirs, ours)
        assert_same_quantity(theirs, ours)


def assert_same_average(theirs: dict[str, Any], ours: Report) -> None:
    if ours.avg_price is None:
        assert theirs["average"] is None
    else:
        assert theirs["average"] == pytest.approx(float(ours.avg_price))


def assert_same_quantity(theirs: dict[str, Any], ours: Report) -> None:
    """Compare the ordered quantity: for a quote-sized order ccxt makes one up, and we give none."""
    if ours.quantity is None:
        assert ours.is_quote_sized
        assert theirs["amount"] != float(theirs["info"]["qty"]) or not ours.executed_qty
    else:
        assert theirs["amount"] == pytest.approx(float(ours.quantity))


def test_every_word_that_ccxt_knows_is_compared(client: Any) -> None:
    for word in WORDS:
        if word in STATUSES or word == "Hibernating":
            continue
        assert client.parse_order_status(word) != word
    assert client.parse_order_status("Hibernating") == "Hibernating"
