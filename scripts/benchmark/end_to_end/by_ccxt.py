"""The same with ccxt's asynchronous fetchOrder, its binance class pointed at the paper exchange.

Its own rate limiter is off, since no other contender has one; markets are loaded beforehand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ccxt.async_support as ccxt
import psycopg

from scripts.benchmark.end_to_end.fixture import PaperFixture
from scripts.benchmark.end_to_end.sequential_loop import AT_ONCE, ConcurrentWorker, RequestLoop
from scripts.benchmark.process_group import WorkerConfig, WorkerFactory

_OWN_URL = "https://api.binance.com"
_OPTIONS = {
    "defaultType": "spot",
    "fetchCurrencies": False,
    "fetchMargins": False,
    "fetchMarkets": {"types": ["spot"]},
}


@dataclass(frozen=True, kw_only=True)
class CcxtLoop(RequestLoop):
    """ccxt."""

    name: str = f"ccxt fetchOrder, {AT_ONCE} at once"
    note: str = "binance class, asynchronous, its rate limiter off; psycopg, one process, no log"

    def worker_factory(self) -> WorkerFactory:
        """Return what makes the loop."""
        return partial(_CcxtWorker, self.fixture, self.orders)


class _CcxtWorker(ConcurrentWorker):
    def __init__(self, fixture: PaperFixture, orders: int, config: WorkerConfig) -> None:
        super().__init__(orders)
        self._rows, self._exchange = self._runner.run(_open(fixture, config.url))
        self._names: Mapping[str, str] = {
            id_: markets[0]["symbol"] for id_, markets in self._exchange.markets_by_id.items()
        }

    async def fetch(self, symbol: str, order_id: str) -> dict[str, Any]:
        order = await self._exchange.fetch_order(order_id, self._names[symbol])
        info: dict[str, Any] = order["info"]
        return info

    async def close_client(self) -> None:
        await self._exchange.close()


async def _open(fixture: PaperFixture, url: str) -> tuple[psycopg.AsyncConnection[Any], Any]:
    exchange = ccxt.binance(
        {
            "apiKey": fixture.api_key.get_secret_value(),
            "secret": fixture.api_secret.get_secret_value(),
            "enableRateLimit": False,
            "options": _OPTIONS,
        }
    )
    exchange.urls["api"] = {
        name: address.replace(_OWN_URL, fixture.exchange_url)
        for name, address in exchange.urls["api"].items()
        if isinstance(address, str)
    }
    await exchange.load_markets()
    return await psycopg.AsyncConnection.connect(url, autocommit=True), exchange
