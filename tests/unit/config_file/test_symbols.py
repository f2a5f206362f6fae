"""Symbols become the exchange's by the rules of the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config_file.symbols import BLANKS, Symbols

SYMBOLS = Symbols(
    ignore="/-_:. ",
    strip_suffix=(".BINANCE", ".US.BINANCE", "-PERP"),
    rename={"XBT/USD": "BTCUSD", "A.BINANCE": "a/b"},
)
TEXTS = st.text(st.sampled_from("AB/-_.: \tUS")).map(
    lambda text: text + ".BINANCE" if text.endswith("A") else text
)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("BTC/USDT", "BTCUSDT"),
        (" btc-usdt\t", "btcusdt"),
        ("BTCUSDT.BINANCE", "BTCUSDT"),
        ("BTCUSDT.US.BINANCE", "BTCUSDT"),
        ("BTCUSDT-PERP.BINANCE", "BTCUSDTPERP"),
        (".BINANCE", "BINANCE"),
        (" XBT/USD ", "BTCUSD"),
        ("A.BINANCE", "a/b"),
        ("XBT/USD.BINANCE", "XBTUSD"),
        ("/-/", ""),
        ("", ""),
    ],
)
def test_a_symbol_is_written_as_the_exchange_does(theirs: str, ours: str) -> None:
    assert SYMBOLS.normalize(theirs) == ours


@given(TEXTS, st.text(st.sampled_from(BLANKS)))
def test_blanks_around_a_symbol_never_count(text: str, blanks: str) -> None:
    assert SYMBOLS.normalize(f"{blanks}{text}{blanks}") == SYMBOLS.normalize(text)
    assert Symbols().normalize(f"{blanks}{text}{blanks}") == text.strip(BLANKS)


@given(TEXTS)
def test_no_letter_to_ignore_is_left_and_every_other_is_in_its_order(text: str) -> None:
    if text.strip(BLANKS) in SYMBOLS.rename:
        return

    symbol = SYMBOLS.normalize(text)

    kept = text.strip(BLANKS).translate(dict.fromkeys(map(ord, SYMBOLS.ignore)))
    assert not set(symbol) & set(SYMBOLS.ignore)
    assert kept.strip(BLANKS).startswith(symbol)
