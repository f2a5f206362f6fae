"""The spot markets of an exchange, found by the symbol that a row has.

ccxt names a market "BTC/USDT" whatever the exchange calls it. A row may have ccxt's name, the
exchange's own, or either with other signs between the currencies. A name is used only if it fits
one spot market: the amounts of a contract are not in base currency.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any


class SpotMarkets:
    """The spot markets that the exchange lists."""

    def __init__(self, markets: Iterable[Mapping[str, Any]]) -> None:
        by_name: dict[str, set[str]] = defaultdict(set)
        symbols = set()
        for market in markets:
            symbol = market.get("symbol")
            if not market.get("spot") or not isinstance(symbol, str):
                continue
            symbols.add(symbol)
            for name in (symbol, market.get("id")):
                if isinstance(name, str):
                    by_name[_plain(name)].add(symbol)
        self.symbols = frozenset(symbols)
        self._by_name: Mapping[str, set[str]] = by_name

    def find(self, name: str) -> str | None:
        """Return ccxt's symbol of the market that `name` stands for; None unless it is certain."""
        if name in self.symbols:
            return name
        found = self._by_name.get(_plain(name), set())
        return next(iter(found)) if len(found) == 1 else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in "/-_: ")
