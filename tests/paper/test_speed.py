"""Generous bounds on CPU time: they catch an answer that has become quadratic."""

import time

from reconciler.paper.dialects.binance.parameters import QueryParameters
from reconciler.paper.dialects.binance.routes import BinanceView, answer_all_orders, answer_order
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.orders import SeedOptions


def test_full_page_and_one_order_of_a_hot_symbol_are_fast(
    exchange: PaperExchange,
) -> None:
    exchange.seed(SeedOptions(orders=100_000, symbols=2, hot_share=0.9))
    latest = exchange.orders.of_symbol("BTCUSDT").latest(1)[0]
    view = BinanceView(account=exchange.view("allOrders"))
    page = QueryParameters("symbol=BTCUSDT&limit=1000&orderId=1")
    one = QueryParameters(f"symbol=BTCUSDT&orderId={latest.order_id}")

    started = time.process_time()
    for _ in range(20):
        answer_all_orders(view, page)
        answer_order(view, one)

    assert (time.process_time() - started) / 20 < 0.05
