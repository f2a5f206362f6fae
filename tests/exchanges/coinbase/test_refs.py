"""Symbols and order ids in the caller's spellings."""

import pytest

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.coinbase.refs import (
    invalid_reason,
    is_same_symbol,
    request_id,
    request_symbol,
)

from .samples import a_ref, each_way_to_mix_case, order_id


@pytest.mark.parametrize(
    ("symbol", "asked"),
    [
        ("BTC-USD", "BTC-USD"),
        ("btc-usd", "BTC-USD"),
        ("BTC/USD", "BTC-USD"),
        ("btc_usd", "BTC-USD"),
        ("BTCUSD", "BTCUSD"),
        ("btcusd", "BTCUSD"),
        ("BIT-26APR24-CDE", "BIT-26APR24-CDE"),
    ],
)
def test_symbol_is_asked_for_as_coinbase_writes_it_only_where_that_is_certain(
    symbol: str, asked: str
) -> None:
    assert request_symbol(symbol) == asked


@pytest.mark.parametrize(
    ("symbol", "product", "expected"),
    [
        ("BTC/USD", "BTC-USD", True),
        ("BTCUSD", "BTC-USD", True),
        ("BIT-26APR24-CDE", "BIT-26APR24-CDE", True),
        ("BTC-USD", "BTC-USDC", True),
        ("btc/usdc", "BTC-USD", True),
        ("BTCUSD", "BTC-USDC", True),
        ("BTCUSDC", "BTC-USD", True),
        ("BTC-USDT", "BTC-USD", False),
        ("BTC-EUR", "BTC-USDC", False),
        ("ETH-USDC", "BTC-USD", False),
        ("B-TCUSD", "BTC-USD", False),
        ("ETH-USD", "BTC-USD", False),
    ],
)
def test_symbol_of_a_row_means_one_book(symbol: str, product: str, *, expected: bool) -> None:
    assert is_same_symbol(symbol, product) is expected


def test_id_in_another_letter_case_is_the_same_id() -> None:
    for text in each_way_to_mix_case(order_id(0xABC)):
        assert request_id(text) == order_id(0xABC)


@pytest.mark.parametrize(
    "external_order_id",
    [
        "",
        "1234567890",
        "myOrder1",
        "0000-000000-000000",
        "../../accounts",
        f"{order_id(1)}\n",
        f" {order_id(1)}",
        order_id(1).replace("-", ""),
        order_id(1)[:-1] + "٣",
        order_id(1) + "0",
    ],
)
def test_id_that_is_no_uuid_is_not_asked_for(external_order_id: str) -> None:
    ref = OrderRef(symbol="BTC-USD", external_order_id=external_order_id)

    reason = invalid_reason(ref)

    assert reason is not None
    assert "UUID" in reason


@pytest.mark.parametrize("symbol", ["", "BTC USD", "BTC-USD\n", "BTC&x=1", "X" * 101])
def test_symbol_that_no_exchange_has_is_not_asked_for(symbol: str) -> None:
    assert invalid_reason(a_ref(1, symbol)) is not None


def test_order_with_a_symbol_and_a_uuid_is_asked_for() -> None:
    assert invalid_reason(a_ref(1)) is None
