"""The markets: symbols, the price around which their orders lie, and their precision."""

from dataclasses import dataclass
from functools import lru_cache

from reconciler.paper import fixed_point


@dataclass(frozen=True, kw_only=True, slots=True)
class Market:
    """A pair of assets.

    Prices are multiples of `tick_e8`, quantities of `step_e8`. Their decimal places add up to
    at most eight, so that price times quantity has at most eight too, and is exact.
    """

    base: str
    quote: str
    mid_e8: int
    price_places: int
    quantity_places: int

    @property
    def symbol(self) -> str:
        """The symbol inside the exchange. Each dialect has its spelling."""
        return self.base + self.quote

    @property
    def tick_e8(self) -> int:
        """The smallest step of a price."""
        return fixed_point.unit_e8(self.price_places)

    @property
    def step_e8(self) -> int:
        """The smallest step of a quantity."""
        return fixed_point.unit_e8(self.quantity_places)

    @property
    def quote_unit_e8(self) -> int:
        """The cost of one step at a price of one tick."""
        return fixed_point.unit_e8(self.price_places + self.quantity_places)


def list_markets(count: int) -> tuple[Market, ...]:
    """Return `count` markets: the well-known ones first, then made-up ones."""
    made_up = tuple(_made_up(number) for number in range(1, count - len(KNOWN) + 1))
    return KNOWN[:count] + made_up


def _market(base: str, quote: str, mid: str, price_places: int, quantity_places: int) -> Market:
    return Market(
        base=base,
        quote=quote,
        mid_e8=fixed_point.from_text(mid),
        price_places=price_places,
        quantity_places=quantity_places,
    )


KNOWN = (
    _market("BTC", "USDT", "64250", 2, 5),
    _market("ETH", "USDT", "3120", 2, 4),
    _market("BNB", "USDT", "585", 2, 3),
    _market("SOL", "USDT", "148", 2, 3),
    _market("XRP", "USDT", "0.62", 4, 1),
    _market("ADA", "USDT", "0.45", 4, 1),
    _market("DOGE", "USDT", "0.125", 5, 0),
    _market("AVAX", "USDT", "28.5", 3, 2),
    _market("LINK", "USDT", "13.8", 3, 2),
    _market("LTC", "USDT", "72.4", 2, 3),
    _market("ETH", "BTC", "0.0485", 5, 3),
    _market("币安人生", "USDT", "0.118", 4, 1),  # Binance lists it: symbols may be UTF-8
    _market("BNB", "BTC", "0.0091", 6, 2),
    _market("BTC", "EUR", "59200", 2, 5),
    _market("ETH", "EUR", "2875", 2, 4),
    _market("SOL", "BTC", "0.0023", 7, 1),
    _market("UNI", "USDT", "7.9", 3, 2),
    _market("ATOM", "USDT", "6.4", 3, 2),
    _market("NEAR", "USDT", "5.1", 3, 1),
    _market("ARB", "USDT", "0.71", 4, 1),
    _market("TRX", "USDT", "0.162", 4, 1),
)


def _made_up(number: int) -> Market:
    return _market(f"T{number:04d}", "USDT", str(5 + number * 37 % 400), 2, 3)


@lru_cache(maxsize=16_384)
def market_for(symbol: str) -> Market:
    """Return the market of a symbol; an unknown symbol gets a made-up market."""
    for market in KNOWN:
        if market.symbol == symbol:
            return market
    return _market(symbol[:-4] or symbol, symbol[-4:] if symbol[:-4] else "", "100", 4, 4)
