"""Kraken's spelling of symbols, assets and order ids.

    asset       BTC is XBT and DOGE is XDG; in full, those of the first years are XXBT, ZEUR
    pair        altname XBTEUR, wsname XBT/EUR; in full XXBTZEUR, if both its assets have one
    order       OABCDE-FGHIJ-KLMNOP: the letter O, and sixteen digits or capitals in groups

Sources, read 2026-11-28: the examples of "Get Asset Info" and "Get Tradable Asset Pairs".
"""

import re

from reconciler.paper.market import Market

_OWN_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_FULL_NAMES = {
    **{asset: f"X{asset}" for asset in ("ETC", "ETH", "LTC", "MLN", "REP", "XBT", "XDG", "XLM")},
    **{asset: f"X{asset}" for asset in ("XMR", "XRP", "ZEC")},
    **{asset: f"Z{asset}" for asset in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")},
}

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTH = 16
_IDS = len(_DIGITS) ** _LENGTH
_SPREAD = 3_141_592_653_589_793_238_462_643 % _IDS
"""Neighbours get ids that look nothing alike. It has no factor with 36 in common."""
_GATHER: int = pow(_SPREAD, -1, _IDS)
_TXID = re.compile(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}")


def altname(asset: str) -> str:
    """Return the short name of an asset."""
    return _OWN_NAMES.get(asset, asset)


def full_name(asset: str) -> str:
    """Return the name of an asset by which answers list it."""
    return _FULL_NAMES.get(altname(asset), altname(asset))


def pair_name(market: Market) -> str:
    """Return the short name of a pair, which orders have."""
    return altname(market.base) + altname(market.quote)


def inner_symbol(pair: str) -> str:
    """Return the exchange's own symbol of a pair's short name: BTCEUR for XBTEUR."""
    for asset, own in _OWN_NAMES.items():
        if pair.startswith(own):
            pair = asset + pair.removeprefix(own)
        if pair.endswith(own):
            pair = pair.removesuffix(own) + asset
    return pair


def full_pair_name(market: Market) -> str:
    """Return the name of a pair by which answers list it."""
    base, quote = altname(market.base), altname(market.quote)
    is_old = base in _FULL_NAMES and quote in _FULL_NAMES
    return full_name(base) + full_name(quote) if is_old else base + quote


def is_txid(text: str) -> bool:
    """Return True if `text` has the form of an order's id."""
    return _TXID.fullmatch(text) is not None


def txid_of(number: int) -> str:
    """Return the id of the order `number`."""
    left = number * _SPREAD % _IDS
    digits = ""
    for _ in range(_LENGTH):
        left, digit = divmod(left, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def number_of(txid: str) -> int | None:
    """Return the number of an order's id; None if it is no such id."""
    if not is_txid(txid):
        return None
    number: int = int(txid[1:].replace("-", ""), len(_DIGITS)) * _GATHER % _IDS
    return number
