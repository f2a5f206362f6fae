"""The market that a row's symbol stands for."""

import pytest

from reconciler.exchanges.ccxt.symbols import SpotMarkets

MARKETS = SpotMarkets(
    [
        {"symbol": "BTC/USDT", "id": "BTCUSDT", "spot": True},
        {"symbol": "BTC/USDT:USDT", "id": "BTCUSDT", "spot": False},
        {"symbol": "ETH/BTC", "id": "tETHBTC", "spot": True},
        {"symbol": "A/BC", "id": "x1", "spot": True},
        {"symbol": "AB/C", "id": "x2", "spot": True},
        {"symbol": None, "id": "broken", "spot": True},
    ]
)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC/USDT", "BTC/USDT"),
        ("BTCUSDT", "BTC/USDT"),
        ("btc-usdt", "BTC/USDT"),
        ("tETHBTC", "ETH/BTC"),
        ("ETHBTC", "ETH/BTC"),
        ("AB/C", "AB/C"),
        ("ABC", None),
        ("BTC/USDT:USDT", None),
        ("BTCUSDC", None),
        ("broken", None),
        ("", None),
    ],
)
def test_name_stands_for_one_spot_market_or_none(name: str, symbol: str | None) -> None:
    assert MARKETS.find(name) == symbol
