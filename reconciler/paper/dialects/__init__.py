"""The dialects that the paper exchange speaks, each an entry of `_PACKAGES`.

    dialect    what a dialect must supply: read this first to add one
    binance    Binance spot
    bybit      Bybit spot, API v5
    okx        OKX spot, API v5
    kraken     Kraken spot, REST
    coinbase   Coinbase Advanced Trade, API v3

A dialect is imported when it is used: it needs the extra "demo".
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Its imports are those of a dialect.
    from reconciler.paper.dialects.dialect import Dialect

DEFAULT = "binance"

_PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "binance": "reconciler.paper.dialects.binance",
        "bybit": "reconciler.paper.dialects.bybit",
        "okx": "reconciler.paper.dialects.okx",
        "kraken": "reconciler.paper.dialects.kraken",
        "coinbase": "reconciler.paper.dialects.coinbase",
    }
)

NAMES = tuple(_PACKAGES)
"""The dialects that exist."""


class UnknownDialect(ValueError):
    """There is no dialect of that name."""


def load_dialect(name: str) -> "Dialect":
    """Return the dialect `name`.

    Raises:
        UnknownDialect: there is none; the message has the nearest names.
    """
    package = _PACKAGES.get(name)
    if package is None:
        raise UnknownDialect(f"no dialect {name!r}: choose {nearest_names(name)}")
    dialect: Dialect = import_module(package).DIALECT
    return dialect


def nearest_names(name: str) -> str:
    """Return the dialects with a name like `name`, or all, as text for a person."""
    return " or ".join(get_close_matches(name.lower(), NAMES, n=3) or NAMES)
