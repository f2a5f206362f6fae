"""How the dialect spells symbols and ids."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.paper.dialects.kraken.names import (
    full_pair_name,
    inner_symbol,
    number_of,
    pair_name,
    txid_of,
)
from reconciler.paper.market import market_for


@given(number=st.integers(min_value=0, max_value=10**20))
def test_id_of_a_number_is_a_txid_and_leads_back(number: int) -> None:
    txid = txid_of(number)

    assert re.fullmatch("O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}", txid)
    assert number_of(txid) == number


@given(txid=st.from_regex(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}", fullmatch=True))
def test_every_txid_has_a_number(txid: str) -> None:
    number = number_of(txid)

    assert number is not None
    assert txid_of(number) == txid


@pytest.mark.parametrize("text", ["", "OABCDE", "TABCDE-FGHIJ-KLMNOP", "OABCDE-FGHIJ-KLMNOP\n"])
def test_other_text_has_no_number(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("symbol", "name", "full"),
    [
        ("BTCUSDT", "XBTUSDT", "XBTUSDT"),
        ("BTCEUR", "XBTEUR", "XXBTZEUR"),
        ("ETHBTC", "ETHXBT", "XETHXXBT"),
        ("DOGEUSDT", "XDGUSDT", "XDGUSDT"),
        ("SOLBTC", "SOLXBT", "SOLXBT"),
        ("T0001USDT", "T0001USDT", "T0001USDT"),
    ],
)
def test_pair_has_the_names_that_kraken_gives_it(symbol: str, name: str, full: str) -> None:
    market = market_for(symbol)

    assert pair_name(market) == name
    assert full_pair_name(market) == full
    assert inner_symbol(name) == symbol
