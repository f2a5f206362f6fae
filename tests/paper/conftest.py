"""One real server for all tests of this folder, reset before each test."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.dialect import BinanceMeter
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultTable
from reconciler.paper.order_store import OrderStore
from reconciler.paper.orders import SeedOptions, generate_orders
from reconciler.paper.request_log import RequestLog
from reconciler.paper.server import new_exchange, serve_in_thread

NOW_MS = 1_795_478_400_000


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[PaperExchange, httpx.Client]]:
    exchange = new_exchange()
    with (
        serve_in_thread(exchange) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield exchange, client


@pytest.fixture
def exchange(served: tuple[PaperExchange, httpx.Client]) -> PaperExchange:
    exchange, _ = served
    exchange.clock_ms = lambda: NOW_MS
    exchange.sleep = asyncio.sleep
    exchange.request_log = RequestLog(started_ms=NOW_MS)
    exchange.access = AccessPolicy()
    exchange.meter = BinanceMeter()
    exchange.faults = FaultTable()
    exchange.orders = OrderStore(
        generate_orders(SeedOptions(orders=600, symbols=4, seed=7), NOW_MS)
    )
    return exchange


@pytest.fixture
def client(
    served: tuple[PaperExchange, httpx.Client],
    exchange: PaperExchange,  # noqa: ARG001  # set up before the first request
) -> httpx.Client:
    return served[1]
