"""A plain loop: one request and one update an order, as one writes it first.

One after another: httpx' blocking client with its connection kept alive, and psycopg. Many at once:
httpx' asynchronous client with as many connections as there are requests under way.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.end_to_end.fixture import PaperFixture
from scripts.benchmark.end_to_end.updating import STALE, UPDATE, facts_of
from scripts.benchmark.process_group import ProcessGroup, WorkerConfig, WorkerFactory

AT_ONCE = 50
LEAST_ORDERS, DIVISOR = 200, 10
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RequestLoop:
    """Base of all loops: one process, no log, a part of the orders."""

    fixture: PaperFixture
    name: str = ""
    note: str = ""

    @property
    def orders(self) -> int:
        """A part of them, so that a round ends; the rate of a loop does not depend on it."""
        return min(self.fixture.orders, max(LEAST_ORDERS, self.fixture.orders // DIVISOR))

    def worker_factory(self) -> WorkerFactory:
        """Return what makes the loop, in its process."""
        raise NotImplementedError

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back."""
        self.fixture.put_back(scratch)

    @contextmanager
    def at_work(
        self, _scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Callable[[], float]]:
        """Start the process."""
        with ProcessGroup(self.worker_factory(), configs[:1]) as group:
            yield group.run

    def require_done(self, scratch: ScratchDatabase) -> None:
        """Require that its rows are right."""
        self.fixture.require_done(scratch, self.name, self.orders, is_logged=False)


@dataclass(frozen=True, kw_only=True)
class SequentialLoop(RequestLoop):
    """One after another."""

    name: str = "plain loop, one after another"
    note: str = "httpx, psycopg, one process; one request and one update an order, no log"

    def worker_factory(self) -> WorkerFactory:
        """Return what makes the loop."""
        return partial(_SequentialWorker, self.fixture, self.orders)


@dataclass(frozen=True, kw_only=True)
class ConcurrentLoop(RequestLoop):
    """Many at once."""

    name: str = f"plain loop, {AT_ONCE} at once"
    note: str = f"httpx' asynchronous client, {AT_ONCE} connections; psycopg, one process, no log"

    def worker_factory(self) -> WorkerFactory:
        """Return what makes the loop."""
        return partial(_ConcurrentWorker, self.fixture, self.orders)


def signed(fixture: PaperFixture, symbol: str, order_id: str) -> str:
    """Return the path of a signed question about one order."""
    query = urlencode(
        {"symbol": symbol, "orderId": order_id, "timestamp": round(time.time() * 1000)}
    )
    secret = fixture.api_secret.get_secret_value().encode()
    return f"/api/v3/order?{query}&signature={hmac.digest(secret, query.encode(), 'sha256').hex()}"


class _SequentialWorker:
    def __init__(self, fixture: PaperFixture, orders: int, config: WorkerConfig) -> None:
        self._fixture = fixture
        self._orders = orders
        self._rows = psycopg.connect(config.url, autocommit=True)
        self._exchange = httpx.Client(**_client_options(fixture))

    def close(self) -> None:
        self._exchange.close()
        self._rows.close()

    def run(self, _pipe: Connection) -> float:
        for id_, symbol, order_id in self._rows.execute(STALE, (self._orders,)).fetchall():
            answer = self._exchange.get(signed(self._fixture, symbol, order_id)).raise_for_status()
            self._rows.execute(UPDATE, (*facts_of(answer.json()), id_))
        return time.monotonic()


class ConcurrentWorker:
    """Reconciles orders concurrently, on an event loop of its own; a subclass has the client."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._runner = asyncio.Runner()
        self._rows: psycopg.AsyncConnection[Any]

    def close(self) -> None:
        """Close the client, the connection and the event loop."""
        self._runner.run(self.close_client())
        self._runner.run(self._rows.close())
        self._runner.close()

    def run(self, _pipe: Connection) -> float:
        """Reconcile the orders; return when the last was written, by `time.monotonic`."""
        self._runner.run(all_at_once(self._rows, self._orders, AT_ONCE, self.fetch))
        return time.monotonic()

    async def fetch(self, symbol: str, order_id: str) -> dict[str, Any]:
        """Fetch one order, in Binance's own words."""
        raise NotImplementedError

    async def close_client(self) -> None:
        """Close the connections to the exchange."""
        raise NotImplementedError


class _ConcurrentWorker(ConcurrentWorker):
    def __init__(self, fixture: PaperFixture, orders: int, config: WorkerConfig) -> None:
        super().__init__(orders)
        self._fixture = fixture
        self._rows = self._runner.run(_connect(config.url))
        self._exchange = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            **_client_options(fixture),
        )

    async def fetch(self, symbol: str, order_id: str) -> dict[str, Any]:
        response = await self._exchange.get(signed(self._fixture, symbol, order_id))
        order: dict[str, Any] = response.raise_for_status().json()
        return order

    async def close_client(self) -> None:
        await self._exchange.aclose()


async def all_at_once(
    rows: psycopg.AsyncConnection[Any],
    orders: int,
    at_once: int,
    ask: Callable[[str, str], Any],
) -> None:
    """Fetch the stale orders concurrently, and write each answer as it arrives."""
    gate = asyncio.Semaphore(at_once)

    async def reconcile(id_: int, symbol: str, order_id: str) -> None:
        async with gate:
            answer = await ask(symbol, order_id)
            await rows.execute(UPDATE, (*facts_of(answer), id_))

    stale = await (await rows.execute(STALE, (orders,))).fetchall()
    async with asyncio.TaskGroup() as group:
        for id_, symbol, order_id in stale:
            group.create_task(reconcile(id_, symbol, order_id))


async def _connect(url: str) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(url, autocommit=True)


def _client_options(fixture: PaperFixture) -> dict[str, Any]:
    return {
        "base_url": fixture.exchange_url,
        "headers": {"X-MBX-APIKEY": fixture.api_key.get_secret_value()},
        "timeout": _TIMEOUT_SECONDS,
        "trust_env": False,
    }
