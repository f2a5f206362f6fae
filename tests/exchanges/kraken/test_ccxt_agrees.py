"""Our reading of raw orders against ccxt's own parser: they agree, or the difference is listed.

Listed differences, each with its reason:

1. `pending` is open to ccxt, which has one word for both; to us it is pending.
2. An open order with something executed is open to ccxt; our `decide` makes it partial later.
3. Of an order with nothing executed ccxt's average is what `price` says, zero; ours is None.
4. ccxt takes `vol` for the amount of an order that was sized in quote currency, and reads the order
   whatever else it says; we give no quantity, and refuse it if nothing proves its currency.
5. An order that contradicts itself ccxt reads as it is; we refuse it.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import ccxt
import pytest
from hypothesis import given

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.constants import STATUSES
from reconciler.exchanges.kraken.reports import to_report

from .raw import CANCELED, CLOSED, OPEN, QUOTE_SIZED, TXID, decoded_order, raw_orders

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REF = OrderRef(symbol="XBTUSD", external_order_id=TXID)

CCXT_WORDS: Mapping[Status | None, str] = {
    Status.PENDING: "open",  # difference 1
    Status.NEW: "open",
    Status.FILLED: "closed",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
}

CLIENT = ccxt.kraken()


def parsed_by_ccxt(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ccxt's reading of an answer, which it decodes with the standard library."""
    decoded = json.loads(json.dumps(order))
    parsed: Mapping[str, Any] = CLIENT.parse_order({"id": TXID, **decoded})
    return parsed


def report_of(order: Mapping[str, Any]) -> Report:
    return to_report(REF, decoded_order(order), NOW)


def is_close(one: float, other: float) -> bool:
    """Compare with ccxt's numbers, which are floats."""
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=0)


def assert_same(order: Mapping[str, Any]) -> None:
    ours, theirs = report_of(order), parsed_by_ccxt(order)
    assert theirs["id"] == ours.external_order_id
    assert theirs["status"] == CCXT_WORDS[ours.status]
    assert is_close(theirs["filled"], float(ours.executed_qty))
    assert ours.side is not None
    assert theirs["side"] == ours.side.value
    assert theirs["clientOrderId"] == ours.client_order_id
    assert ours.placed_at is not None
    assert abs(theirs["timestamp"] - ours.placed_at.timestamp() * 1000) < 1
    if ours.avg_price is None:
        assert not theirs["average"] or not ours.executed_qty  # difference 3
    else:
        assert is_close(theirs["average"], float(ours.avg_price))
    if ours.quantity is not None:
        assert is_close(theirs["amount"], float(ours.quantity))


@pytest.mark.parametrize("order", [CLOSED, OPEN], ids=["closed", "open"])
def test_documented_order_is_read_alike(order: Mapping[str, Any]) -> None:
    assert_same(order)


def test_userref_is_no_client_id_of_ours() -> None:
    """ccxt falls back to `userref`, which several orders may share."""
    assert parsed_by_ccxt(CANCELED)["clientOrderId"] == "1000"
    assert report_of(CANCELED).client_order_id is None


@given(order=raw_orders())
def test_generated_order_of_every_status_is_read_alike(order: Mapping[str, Any]) -> None:
    assert_same(order)


@pytest.mark.parametrize("word", sorted(STATUSES))
def test_every_status_is_read_alike(word: str) -> None:
    assert parsed_by_ccxt({**CANCELED, "status": word})["status"] == CCXT_WORDS[STATUSES[word]]


def test_listed_difference_of_quote_sized_orders() -> None:
    ours, theirs = report_of(QUOTE_SIZED), parsed_by_ccxt(QUOTE_SIZED)

    assert theirs["amount"] == 60  # quote currency, as a quantity of base currency
    assert ours.quantity is None
    assert ours.is_quote_sized
    assert is_close(theirs["filled"], float(ours.executed_qty))
    partial = {**QUOTE_SIZED, "status": "canceled", "vol_exec": "0.0005", "cost": "25.00525"}
    assert parsed_by_ccxt(partial)["filled"] == 0.0005
    with pytest.raises(UnreadableRow):
        report_of(partial)


def test_listed_difference_of_contradictory_orders() -> None:
    overfilled = {**CLOSED, "vol_exec": "1.00000000"}

    assert parsed_by_ccxt(overfilled)["filled"] == 1
    with pytest.raises(UnreadableRow):
        report_of(overfilled)
