"""Single look-ups a second by concurrency, compared with what the rate limit allows."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from statistics import median

from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE
from reconciler.exchanges.binance.constants import COSTS, VENUE
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, Figure, Target
from scripts.benchmark.lookups.asking import FarExchange, open_far_exchange
from scripts.benchmark.rounds import Progress
from scripts.benchmark.size import Size

KEY = "lookups"
AT_ONCE = (1, 2, REQUESTS_AT_ONCE, 8, 16, 50)
FAR_MS = 20
LATENCIES_MS = (0, FAR_MS)
ORDERS, QUICK_ORDERS = 300, 60
ALLOWED_PER_SECOND = VENUE.limits[0].per_minute / 60 / COSTS.one_order
"""Look-ups a second that the exchange's whole limit allows, for all workers together."""

Rates = dict[tuple[int, int], list[float]]
"""By latency in ms and requests at once: orders a second, once a round."""


def compare_lookups(_scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: an order was not reported by a look-up of its own.
    """
    orders = QUICK_ORDERS if size.is_quick else ORDERS
    with ExitStack() as stack:
        on_progress("starting the exchanges")
        exchanges = [stack.enter_context(open_far_exchange(ms, orders)) for ms in LATENCIES_MS]
        rates = _rates(exchanges, size, on_progress)
    return Comparison(
        key=KEY,
        title="Single look-ups: our adapter and client, by requests at once",
        conditions=(
            f"{orders:,} orders, each the only one of its symbol and ended; one process, signed"
            " requests, retry and breaker as always, connections open before; the paper exchange"
            " next to it, without a rate limit"
        ),
        figures=tuple(
            Figure(
                group=f"exchange {latency_ms} ms away",
                name=f"{at_once} at once",
                unit="orders/s",
                values=tuple(values),
            )
            for (latency_ms, at_once), values in rates.items()
        ),
        targets=(
            Target(
                name=f"rate of {REQUESTS_AT_ONCE} at once, {FAR_MS} ms away, times what Binance's"
                f" limit allows ({ALLOWED_PER_SECOND:g} orders/s)",
                wanted=1.0,
                reached=median(rates[FAR_MS, REQUESTS_AT_ONCE]) / ALLOWED_PER_SECOND,
            ),
        ),
    )


def _rates(exchanges: Sequence[FarExchange], size: Size, on_progress: Progress) -> Rates:
    turns = list(product(exchanges, AT_ONCE))
    rates: Rates = {(exchange.latency_ms, at_once): [] for exchange, at_once in turns}
    for number in range(size.rounds):
        on_progress(f"round {number + 1} of {size.rounds}")
        for exchange, at_once in turns:
            rates[exchange.latency_ms, at_once].append(exchange.rate(at_once))
    return rates
