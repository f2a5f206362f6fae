"""Growth: what a page and an order cost when there is more of everything."""

from dataclasses import replace

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, Figure, Target, ratio
from scripts.benchmark.growth.drain_rate import Shape, drain
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
PAGE_AT_MOST, HOT_AT_LEAST, BACKLOG_AT_LEAST, BACKLOG_TIME_AT_MOST = 1.2, 0.8, 0.9, 1 / 0.9
FIRST_BACKLOG = 10_000


def compare_growth(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: not every order was changed.
    """
    ended = QUICK_ENDED if size.is_quick else ENDED
    grown = among_ended(scratch, size, ended, on_progress)
    scratch.clear()
    drained = drain(scratch, size, _shapes(size), on_progress)
    backlogs = QUICK_BACKLOGS if size.is_quick else BACKLOGS
    first, largest = drained[_backlog(FIRST_BACKLOG)], drained[_backlog(backlogs[-1])]
    return Comparison(
        key=KEY,
        title="Growth",
        conditions=(
            f"{size.orders:,} open orders where nothing else is said, {size.workers} workers,"
            f" batches of {size.batch_size}; rates are those of plan and apply with the exchange's"
            " answers in memory, and every order has been filled. Orders that are drained have the"
            " sync times that a sweep leaves: symbol after symbol, each in the order of its ids. In"
            " the case 'scattered', and among ended orders, they are scattered over the table"
        ),
        figures=(
            *(page for page, _, _ in grown),
            *(blocks for _, blocks, _ in grown),
            *(rate for _, _, rate in grown),
            *(one.rate for one in drained.values()),
            *(drained[name].processor_time for name in _backlogs(size)),
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
                reached=_growth(drained[_HOT].rate, drained[_EVEN].rate),
            ),
            Target(
                name=f"rate of the largest backlog, times that of {FIRST_BACKLOG:,}",
                wanted=BACKLOG_AT_LEAST,
                reached=_growth(largest.rate, first.rate),
            ),
            Target(
                name=f"processor time of the largest backlog, times that of {FIRST_BACKLOG:,}",
                wanted=BACKLOG_TIME_AT_MOST,
                reached=_growth(largest.processor_time, first.processor_time),
                at_most=True,
            ),
        ),
    )


def _growth(large: Figure, small: Figure) -> float:
    return ratio(large.values, small.values)


_EVEN = "12 symbols, evenly"
_HOT = f"12 symbols, one with {HOT_SHARE:.0%}"


def _backlog(orders: int) -> str:
    return f"backlog of {orders:,}"


def _backlogs(size: Size) -> dict[str, Rows]:
    """Return the rows of each backlog by name, the largest in the worst case, too."""
    backlogs = QUICK_BACKLOGS if size.is_quick else BACKLOGS
    return {
        **{_backlog(many): Rows(orders=many, is_swept=True) for many in backlogs},
        f"{_backlog(backlogs[-1])}, scattered": Rows(orders=backlogs[-1]),
    }


def _shapes(size: Size) -> dict[str, Shape]:
    symbols = QUICK_SYMBOLS if size.is_quick else SYMBOLS
    shards = QUICK_SHARDS if size.is_quick else SHARDS
    even = Rows(orders=size.orders, is_swept=True)
    return {
        _EVEN: Shape(rows=even, workers=size.workers),
        _HOT: Shape(rows=replace(even, hot_share=HOT_SHARE), workers=size.workers),
        **{name: Shape(rows=rows, workers=size.workers) for name, rows in _backlogs(size).items()},
        **{
            f"{many:,} symbols": Shape(rows=replace(even, symbols=many), workers=size.workers)
            for many in symbols
        },
        **{f"{many} shards": Shape(rows=even, workers=many) for many in shards},
    }
