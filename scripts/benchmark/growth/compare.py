"""Growth: what a page and an order cost when there is more of everything."""

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, Figure, Target, ratio
from scripts.benchmark.growth.drain_rate import Shape, rates
from scripts.benchmark.growth.table_growth import among_ended
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import Rows
from scripts.benchmark.size import Size

KEY = "growth"
ENDED, QUICK_ENDED = (10_000, 1_000_000, 10_000_000), (10_000, 100_000)
BACKLOGS, QUICK_BACKLOGS = (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000)
SYMBOLS, QUICK_SYMBOLS = (1, 100, 10_000), (100,)
SHARDS, QUICK_SHARDS = (1, 2, 4, 8, 16), (1,)
HOT_SHARE = 0.8
PAGE_AT_MOST, HOT_AT_LEAST, BACKLOG_AT_LEAST = 1.2, 0.8, 0.9
FIRST_BACKLOG = 10_000


def compare_growth(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: not every order was changed.
    """
    ended = QUICK_ENDED if size.is_quick else ENDED
    grown = among_ended(scratch, size, ended, on_progress)
    scratch.clear()
    drained = {figure.name: figure for figure in rates(scratch, size, _shapes(size), on_progress)}
    return Comparison(
        key=KEY,
        title="Growth",
        conditions=(
            f"{size.orders:,} open orders where nothing else is said, {size.workers} workers,"
            f" batches of {size.batch_size}; rates are those of plan and apply with the exchange's"
            " answers in memory"
        ),
        figures=(
            *(page for page, _, _ in grown),
            *(blocks for _, blocks, _ in grown),
            *(rate for _, _, rate in grown),
            *drained.values(),
        ),
        targets=(
            Target(
                name=f"stale page among {ended[-1]:,} ended, times that among {ended[0]:,}",
                wanted=PAGE_AT_MOST,
                reached=_growth(grown[-1][0], grown[0][0]),
                at_most=True,
            ),
            Target(
                name="rate with a hot symbol, times that of an even spread",
                wanted=HOT_AT_LEAST,
                reached=_growth(drained[_HOT], drained[_EVEN]),
            ),
            Target(
                name=f"rate of the largest backlog, times that of {FIRST_BACKLOG:,}",
                wanted=BACKLOG_AT_LEAST,
                reached=_growth(
                    drained[_backlog((QUICK_BACKLOGS if size.is_quick else BACKLOGS)[-1])],
                    drained[_backlog(FIRST_BACKLOG)],
                ),
            ),
        ),
    )


def _growth(large: Figure, small: Figure) -> float:
    return ratio(large.values, small.values)


_EVEN = "12 symbols, evenly"
_HOT = f"12 symbols, one with {HOT_SHARE:.0%}"


def _backlog(orders: int) -> str:
    return f"backlog of {orders:,}"


def _shapes(size: Size) -> dict[str, Shape]:
    backlogs = QUICK_BACKLOGS if size.is_quick else BACKLOGS
    symbols = QUICK_SYMBOLS if size.is_quick else SYMBOLS
    shards = QUICK_SHARDS if size.is_quick else SHARDS
    even = Rows(orders=size.orders)
    return {
        _EVEN: Shape(rows=even, workers=size.workers),
        _HOT: Shape(rows=Rows(orders=size.orders, hot_share=HOT_SHARE), workers=size.workers),
        **{
            _backlog(many): Shape(rows=Rows(orders=many), workers=size.workers) for many in backlogs
        },
        **{
            f"{many:,} symbols": Shape(
                rows=Rows(orders=size.orders, symbols=many), workers=size.workers
            )
            for many in symbols
        },
        **{f"{many} shards": Shape(rows=even, workers=many) for many in shards},
    }
