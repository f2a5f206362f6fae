from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.exchanges.base import OrderRef
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.lookups.asking import FarExchange, open_far_exchange

ORDERS = 60


@pytest.fixture(scope="module")
def exchange() -> Iterator[FarExchange]:
    with open_far_exchange(0, ORDERS) as exchange:
        yield exchange


def test_every_order_is_reported_by_a_request_of_its_own(exchange: FarExchange) -> None:
    assert exchange.rate(4) > 0


def test_order_unknown_to_the_exchange_fails_the_measurement(
    exchange: FarExchange,
) -> None:
    unknown = OrderRef(symbol="SYM0USDT", external_order_id="7")

    with pytest.raises(BenchFailed, match="60 of 61 orders were reported"):
        replace(exchange, wanted=(*exchange.wanted, unknown)).rate(4)


def test_orders_that_one_request_answers_for_fail_the_measurement(exchange: FarExchange) -> None:
    same = tuple(
        OrderRef(symbol=spelling, external_order_id="1") for spelling in ("SYM0USDT", "SYM0/USDT")
    )

    with pytest.raises(BenchFailed, match="2 of 2 orders were reported, by 1 requests"):
        replace(exchange, wanted=same).rate(4)
