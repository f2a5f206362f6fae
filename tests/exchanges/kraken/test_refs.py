"""Which texts can be an order's id at Kraken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.refs import invalid_reason, is_txid


def of_id(external_order_id: str) -> OrderRef:
    return OrderRef(symbol="XBTUSD", external_order_id=external_order_id)


@pytest.mark.parametrize(
    "txid", ["OQCLML-BW3P3-BUCMWZ", "O37652-RJWRT-IMO74O", "OT5JQ3-MNZQI-GDXY7O"]
)
def test_documented_txid_is_asked_for(txid: str) -> None:
    assert invalid_reason(of_id(txid)) is None


@pytest.mark.parametrize(
    ("external_order_id", "told"),
    [
        ("", "empty or too long"),
        ("O" * 101, "empty or too long"),
        ("oqclml-bw3p3-bucmwz", "write it in capitals"),
        ("TCCCTY-WE2O6-P3NB37", "trade or a ledger entry"),
        ("LGBRJU-SQZ4L-5HLS3C", "trade or a ledger entry"),
        ("123456789", "userref"),
        ("9cc788d8-9c00-4b25-94d3-26d93603948d", "cl_ord_id"),
        ("OQCLML-BW3P3-BUCMWZ,O37652-RJWRT-IMO74O", "no comma"),
        ("OQCLML-BW3P3-BUCMWZ\n", "no blank"),
        ("['OHF36Q-XQSB6-UIBS3Q']", "nothing else"),
        ("OQCLML-BW3P3-BUCMW\u0417", "nothing else"),
    ],
)
def test_other_text_is_no_txid_and_the_reason_says_what_it_may_be(
    external_order_id: str, told: str
) -> None:
    reason = invalid_reason(of_id(external_order_id))

    assert reason is not None
    assert told in reason
    assert "OQCLML-BW3P3-BUCMWZ" in reason


@given(text=st.text(max_size=24))
def test_only_a_txid_is_sent(text: str) -> None:
    assert (invalid_reason(of_id(text)) is None) is is_txid(text)
