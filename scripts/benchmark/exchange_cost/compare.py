"""Request weight for 1,000 orders, by symbols and share of ended orders, against the optimum."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from reconciler.exchanges.binance.constants import COSTS
from reconciler.exchanges.query_plan.ascending_ids import Estimates
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.exchange_cost.optimum import (
    expected_weight_of_plan,
    least_expected_weight,
)
from scripts.benchmark.exchange_cost.simulated import LEARNING_BATCHES, learned_weight
from scripts.benchmark.exchange_cost.sweep_weight import weight_per_order
from scripts.benchmark.figures import Comparison, Figure, Target
from scripts.benchmark.rounds import Progress
from scripts.benchmark.size import Size

KEY = "exchange-cost"
ORDERS = 1000
FEW_SYMBOLS = 10
SYMBOLS = (1, FEW_SYMBOLS, 100, 1000)
ENDED_SHARES = (0.0, 0.003, 0.02, 0.2, 1.0)
SWEPT = (20_000, 1_000_000)
SWEPT_SYMBOLS = (12, 300)
SWEPT_ENDED_SHARES = (0.0, 0.003)
BATCH_SIZES = (200, 1000)
SMALL_COUNTS = ((1,), (2,), (3,), (5,), (7,), (8,), (2, 1, 3), (3, 4), (1,) * 6)
QUICK_SMALL_COUNTS = ((1,), (3,), (2, 1, 3))
SMALL_SHARES = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)
AT_BEST = 1.1
SHARE_OF_SINGLE = 1 / 50


def compare_exchange_cost(
    _scratch: ScratchDatabase, size: Size, on_progress: Progress
) -> Comparison:
    """Count it.

    Raises:
        BenchFailed: an order was not reported.
    """
    on_progress(f"weight of {ORDERS:,} orders")
    weights = {
        (symbols, share): _weight(symbols, share)
        for symbols, share in product(SYMBOLS, ENDED_SHARES)
    }
    on_progress("small cases against the best of all strategies")
    worst = max(_times_optimum(QUICK_SMALL_COUNTS if size.is_quick else SMALL_COUNTS))
    single = ORDERS * COSTS.one_order
    return Comparison(
        key=KEY,
        title="Exchange cost: request weight",
        conditions=(
            f"{ORDERS:,} orders that lie close together in their symbols' histories, Binance's"
            f" published weights; estimates as learnt from {LEARNING_BATCHES} batches before; in"
            " the small cases given as they are, to adapter and optimum alike; one request per"
            f" order would weigh {single:,}; sweeps are cut into pages and batches as"
            " the supervisor does it, their orders evenly spread over the symbols"
        ),
        figures=tuple(
            Figure(
                name=f"{symbols:,} symbols, {share:.1%} ended",
                unit=f"weight per {ORDERS:,} orders",
                values=(weight,),
            )
            for (symbols, share), weight in weights.items()
        )
        + tuple(_sweeps()),
        targets=(
            Target(
                name="weight, times the optimum: the worst of the small cases",
                wanted=AT_BEST,
                reached=worst,
                at_most=True,
            ),
            *(
                Target(
                    name="weight, share of one request an order:"
                    f" {FEW_SYMBOLS} symbols, {share:.1%} ended",
                    wanted=SHARE_OF_SINGLE,
                    reached=weights[FEW_SYMBOLS, share] / single,
                    at_most=True,
                )
                for share in ENDED_SHARES
            ),
        ),
    )


def _sweeps() -> Iterator[Figure]:
    """Yield the weight of whole sweeps."""
    for orders, symbols, share, batch_size in product(
        SWEPT, SWEPT_SYMBOLS, SWEPT_ENDED_SHARES, BATCH_SIZES
    ):
        weight = weight_per_order(orders, symbols, share, batch_size) * ORDERS
        yield Figure(
            name=f"sweep of {orders:,}, {symbols:,} symbols, {share:.1%} ended,"
            f" batches of {batch_size:,}",
            unit=f"weight per {ORDERS:,} orders",
            values=(weight,),
        )


def _weight(symbols: int, ended_share: float) -> float:
    return float(learned_weight([ORDERS // symbols] * symbols, ended_share))


def _times_optimum(small_counts: Iterable[tuple[int, ...]]) -> Iterator[float]:
    costs = replace(COSTS, page_size=6)
    for counts, share in product(small_counts, SMALL_SHARES):
        estimates = Estimates(ended_share=share, wanted_share=1.0)
        planned = expected_weight_of_plan(counts, costs, estimates)
        yield planned / least_expected_weight(counts, costs, share)
