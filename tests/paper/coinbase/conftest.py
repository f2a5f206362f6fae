"""A server in Coinbase's dialect for all tests of this folder, reset before each test."""

import time
from collections.abc import Iterator

import httpx
import pytest

from reconciler.paper.dialects.coinbase import DIALECT
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultTable
from reconciler.paper.new_keys import NewKey
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread

PREFIX = "/api/v3/brokerage"


@pytest.fixture(scope="package")
def key() -> NewKey:
    return DIALECT.new_key()


@pytest.fixture(scope="package")
def served(key: NewKey) -> Iterator[tuple[PaperExchange, str]]:
    exchange = new_exchange("coinbase", access=key.access)
    with serve_in_thread(exchange) as url:
        yield exchange, url


@pytest.fixture
def exchange(served: tuple[PaperExchange, str], key: NewKey) -> PaperExchange:
    exchange, _ = served
    exchange.clock_ms = lambda: round(time.time() * 1000)
    exchange.access = key.access
    exchange.faults = FaultTable()
    exchange.meter = DIALECT.new_meter(is_enforced=False)
    exchange.seed(SeedOptions(orders=300, symbols=6, seed=5))
    return exchange


@pytest.fixture
def url(served: tuple[PaperExchange, str], exchange: PaperExchange) -> str:
    assert exchange.orders is not None
    return served[1]


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}{PREFIX}", trust_env=False) as client:
        yield client
