"""The comparison of the store: its contenders, and how much faster than each ours must be."""

from collections.abc import Sequence

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, times_as_fast
from scripts.benchmark.rounds import Progress, run_rounds
from scripts.benchmark.rows import ENDED_PER_OPEN, TABLE, Rows
from scripts.benchmark.size import Size
from scripts.benchmark.store.by_pgqueuer import PgqueuerJobs
from scripts.benchmark.store.by_procrastinate import ProcrastinateJobs
from scripts.benchmark.store.limit import Limit
from scripts.benchmark.store.planned import OurWriter
from scripts.benchmark.store.single_process import SingleProcess
from scripts.benchmark.store.take_rows import LeaseColumns, StaleQueryHoldingLocks

KEY = "store"
WANTED = (0.5, 1.4, 2.5, 14.0, 50.0)
"""The factors by which ours must be faster than each other contender, in their order."""


def compare_store(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Run it.

    Raises:
        BenchFailed: a contender did not do all of the work.
    """
    rows = Rows(orders=size.orders)
    on_progress(f"writing {rows.total:,} orders")
    rows.make(scratch.database)
    figures = run_rounds(contenders(rows), scratch=scratch, size=size, on_progress=on_progress)
    return Comparison(
        key=KEY,
        title="Store: rows reconciled, the exchange's answers in memory",
        conditions=(
            f"{size.orders:,} open orders among {size.orders * ENDED_PER_OPEN:,} ended ones,"
            f" {TABLE}; {size.workers} worker processes, batches of {size.batch_size}, one log"
            " entry for every change; every row counted after every round"
        ),
        figures=tuple(figures),
        targets=times_as_fast(figures, WANTED),
    )


def contenders(rows: Rows) -> Sequence[SingleProcess]:
    """Return all ways of working, ours first."""
    return (
        OurWriter(rows),
        Limit(rows),
        StaleQueryHoldingLocks(rows),
        LeaseColumns(rows),
        PgqueuerJobs(rows),
        ProcrastinateJobs(rows),
    )
