"""Raw orders of every state, read by us and by ccxt's own parser: they agree, or it is listed.

The differences, each with its reason:

    amount    ccxt takes `sz` for a quantity of base currency unless it is a spot order to buy with
              `tgtCcy` quote_ccy. It is a quote amount as well when a market order to sell says
              quote_ccy, and by default when a market order to buy says nothing ("Place order",
              `tgtCcy`; for margin always): we have no quantity there. Nor have we for a market
              order that is filled with less than `sz`: OKX may have amended it ("Place order",
              `banAmend`).
    average   where `avgPx` is missing, ccxt divides the `sz` of an order sized in quote currency by
              what was executed, though less may have been spent: we know no average.
    status    ccxt knows states of algo orders, which no order here has. To us they are unknown.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.okx.mapping import decode_lookup
from reconciler.exchanges.okx.raw_orders import RawOrder
from reconciler.exchanges.okx.reports import to_report

from .examples import INSTRUMENT, STATES, Json, an_order, answer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
REF = OrderRef(symbol="BTC-USDT", external_order_id="1753197687182819328")

CCXT: Any = ccxt.okx()
CCXT.set_markets([CCXT.parse_market(INSTRUMENT)])

STATUSES = {
    Status.NEW: "open",
    Status.PARTIAL: "open",
    Status.FILLED: "closed",
    Status.CANCELED: "canceled",
}
ALGO_STATES = {"effective": "closed", "order_failed": "canceled", "partially_effective": "open"}


def read_by_us(row: Json) -> Report:
    [raw] = decode_lookup(REF)(answer(row))
    assert isinstance(raw, RawOrder)
    return to_report(REF, raw, NOW)


def number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def is_size_in_quote(row: Json) -> bool:
    """Say independently of both parsers whether `sz` is an amount of quote currency."""
    if row["ordType"] != "market":
        return False
    default = "quote_ccy" if row["side"] == "buy" else "base_ccy"
    return str(row["tgtCcy"] or default) == "quote_ccy"


def is_quote_size_to_ccxt(row: Json) -> bool:
    return (row["ordType"], row["side"], row["instType"], row["tgtCcy"]) == (
        "market",
        "buy",
        "SPOT",
        "quote_ccy",
    )


def with_places(places: int) -> st.SearchStrategy[str]:
    """Return numbers that a float keeps, since ccxt gives floats."""
    return st.integers(1, 10**7).map(lambda value: f"{Decimal(value).scaleb(-places):f}")


@st.composite
def raw_orders(draw: st.DrawFn) -> Json:
    filled = draw(st.one_of(st.just("0"), with_places(6)))
    is_average_known = filled != "0" and draw(st.booleans())
    order_type = draw(st.sampled_from(["limit", "market", "post_only", "fok", "ioc"]))
    is_market = order_type == "market"
    return an_order(
        state=draw(st.sampled_from(sorted(STATES))),
        side=draw(st.sampled_from(["buy", "sell"])),
        ordType=order_type,
        tgtCcy=draw(st.sampled_from(["", "base_ccy", "quote_ccy"])) if is_market else "",
        instType=draw(st.sampled_from(["SPOT", "MARGIN"])),
        px="" if is_market else draw(with_places(2)),
        sz=str(20 + draw(st.integers(0, 1000))),
        accFillSz=filled,
        avgPx=draw(with_places(2)) if is_average_known else "",
    )


@given(raw_orders())
def test_ccxt_reads_the_same_or_the_difference_is_listed(row: Json) -> None:
    ours, theirs = read_by_us(row), CCXT.parse_order(row)

    assert ours.status is not None
    assert theirs["id"] == row["ordId"]
    assert theirs["status"] == STATUSES[ours.status]
    assert number(theirs["filled"]) == ours.executed_qty
    assert theirs["side"] == row["side"]
    assert theirs["timestamp"] == int(str(row["cTime"]))
    if row["avgPx"] or not is_quote_size_to_ccxt(row):
        assert number(theirs["average"]) == ours.avg_price
    else:
        assert ours.avg_price is None
    if not ours.is_quote_sized and (row["ordType"], row["state"]) == ("market", "filled"):
        assert number(theirs["amount"]) == number(row["sz"])
        assert ours.quantity is None or ours.quantity == number(row["sz"])
    elif is_size_in_quote(row) == is_quote_size_to_ccxt(row):
        assert ours.is_quote_sized or number(theirs["amount"]) == ours.quantity
    else:
        assert number(theirs["amount"]) == number(row["sz"])
        assert (ours.is_quote_sized, ours.quantity) == (True, None)


@given(raw_orders())
def test_the_size_is_in_quote_currency_where_the_guide_says_so(row: Json) -> None:
    assert read_by_us(row).is_quote_sized == is_size_in_quote(row)


@pytest.mark.parametrize("state", ALGO_STATES)
def test_a_state_of_algo_orders_is_unknown_to_us_alone(state: str) -> None:
    row = an_order(state=state)

    assert read_by_us(row).status is None
    assert CCXT.parse_order(row)["status"] == ALGO_STATES[state]
