"""The comparison of the store: who takes part, and what ours is to be beside each."""

from collections.abc import Sequence

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, times_as_fast
from scripts.benchmark.rounds import Contender, Progress, run_rounds
from scripts.benchmark.rows import ENDED_PER_OPEN, Rows
from scripts.benchmark.size import Size
from scripts.benchmark.store.by_pgqueuer import ByPgqueuer
from scripts.benchmark.store.by_procrastinate import ByProcrastinate
from scripts.benchmark.store.held import Held
from scripts.benchmark.store.leased import Leased
from scripts.benchmark.store.limit import Limit
from scripts.benchmark.store.planned import Planned

KEY = "store"
WANTED = (0.65, 1.5, 2.5, 5.0, 50.0)
"""Of the others in their order: ours is to be at least so many times as fast."""


def compare_store(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Run it.

    Raises:
        BenchFailed: somebody did not do all of the work.
    """
    rows = Rows(orders=size.orders)
    on_progress(f"writing {rows.total:,} orders")
    rows.make(scratch.database)
    contenders: Sequence[Contender] = (
        Planned(rows),
        Limit(rows),
        Held(rows),
        Leased(rows),
        ByPgqueuer(rows),
        ByProcrastinate(rows),
    )
    figures = run_rounds(contenders, scratch=scratch, size=size, on_progress=on_progress)
    return Comparison(
        key=KEY,
        title="Store: rows made true, the exchange's answers at hand",
        conditions=(
            f"{size.orders:,} open orders beside {size.orders * ENDED_PER_OPEN:,} ended ones,"
            f" {size.workers} worker processes, batches of {size.batch_size}, one log entry for"
            " every change; every row counted after every round"
        ),
        figures=tuple(figures),
        targets=times_as_fast(figures, WANTED),
    )
