"""Pages of orders, translated to answers."""

from datetime import UTC, datetime

import msgspec
import pytest

from reconciler.domain.report import Report
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.mapping import decode_list, result_of_list
from tests.exchanges.bybit.documented import a_page, an_order

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OPEN, ENDED = (OrderRef(symbol="ETHUSDT", external_order_id=number) for number in ("1", "2"))


@pytest.mark.parametrize("nameless", [{"orderId": None}, {"symbol": None}, {"symbol": 7}], ids=str)
def test_row_that_names_no_order_leaves_no_end_on_its_page(nameless: dict[str, object]) -> None:
    rows = [
        an_order(orderId="1", orderStatus="New"),
        an_order(orderId="2", orderStatus="Rejected"),
    ]
    other = an_order(**{"orderId": "2", "orderStatus": "New"} | nameless)

    for page, answered in ((rows, {OPEN, ENDED}), ([*rows, other], {OPEN})):
        body = msgspec.json.encode(a_page(*page))
        result = result_of_list([OPEN, ENDED], decode_list(None, body), NOW)
        assert set(result.answers) == answered
        assert all(isinstance(answer, Report) for answer in result.answers.values())
        assert result.failures == {}
