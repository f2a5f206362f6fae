"""The comparison end to end: its contenders, and how much faster than each ours must be."""

from collections.abc import Sequence

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.end_to_end.by_ccxt import CcxtLoop
from scripts.benchmark.end_to_end.fixture import SYMBOLS, open_fixture
from scripts.benchmark.end_to_end.sequential_loop import ConcurrentLoop, SequentialLoop
from scripts.benchmark.end_to_end.supervisor_sweep import SupervisorSweep
from scripts.benchmark.figures import Comparison, times_as_fast
from scripts.benchmark.rounds import Contender, Progress, run_rounds
from scripts.benchmark.size import Size

KEY = "end-to-end"
WANTED = (20.0, 10.0)
"""The factors by which ours must be faster than each plain loop, in their order."""


def compare_end_to_end(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Run it.

    Raises:
        BenchFailed: a contender did not reconcile all of its orders.
    """
    on_progress(f"writing {size.orders:,} orders to the paper exchange and the database")
    with open_fixture(scratch, size.orders) as fixture:
        contenders: Sequence[Contender] = (
            SupervisorSweep(fixture=fixture),
            SequentialLoop(fixture=fixture),
            ConcurrentLoop(fixture=fixture),
            CcxtLoop(fixture=fixture),
        )
        figures = run_rounds(contenders, scratch=scratch, size=size, on_progress=on_progress)
    return Comparison(
        key=KEY,
        title="End to end: exchange, database and workers on this machine",
        conditions=(
            f"{size.orders:,} orders of {SYMBOLS} symbols (the loops take a part of them), the"
            " paper exchange as a process without latency and without a rate limit, requests"
            f" signed; {size.workers} worker processes of ours; every row compared with the"
            " exchange after every round"
        ),
        figures=tuple(figures),
        targets=times_as_fast(figures, WANTED),
    )
