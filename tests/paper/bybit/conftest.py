"""One real server with Bybit's dialect, reset before each test."""

from collections.abc import Iterator

import httpx
import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultTable
from reconciler.paper.order_store import OrderStore
from reconciler.paper.orders import SeedOptions, generate_orders
from reconciler.paper.request_log import RequestLog
from reconciler.paper.server import new_exchange, serve_in_thread
from tests.paper.bybit.bybit_client import KEY, SECRET, BybitClient

NOW_MS = 1_795_478_400_000


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[PaperExchange, httpx.Client]]:
    exchange = new_exchange("bybit")
    with (
        serve_in_thread(exchange) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield exchange, client


@pytest.fixture
def exchange(served: tuple[PaperExchange, httpx.Client]) -> PaperExchange:
    exchange, _ = served
    exchange.clock_ms = lambda: NOW_MS
    exchange.request_log = RequestLog(started_ms=NOW_MS)
    exchange.access = AccessPolicy(api_key=KEY, api_secret=SECRET)
    exchange.meter = exchange.dialect.new_meter(is_enforced=False)
    exchange.faults = FaultTable()
    exchange.orders = OrderStore(
        generate_orders(SeedOptions(orders=900, symbols=4, seed=7), NOW_MS)
    )
    return exchange


@pytest.fixture
def bybit(served: tuple[PaperExchange, httpx.Client], exchange: PaperExchange) -> BybitClient:
    return BybitClient(exchange=exchange, http=served[1])
