"""The comparison end to end: who takes part, and what ours is to be beside each."""

from collections.abc import Sequence

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.end_to_end.by_ccxt import ByCcxt
from scripts.benchmark.end_to_end.fixture import SYMBOLS, open_scene
from scripts.benchmark.end_to_end.sequential_loop import ManyAtOnce, OneByOne
from scripts.benchmark.end_to_end.supervisor_sweep import Swept
from scripts.benchmark.figures import Comparison, times_as_fast
from scripts.benchmark.rounds import Contender, Progress, run_rounds
from scripts.benchmark.size import Size

KEY = "end-to-end"
WANTED = (20.0, 10.0)
"""Of the plain loops in their order: ours is to be at least so many times as fast."""


def compare_end_to_end(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Run it.

    Raises:
        BenchFailed: somebody did not make all of his orders true.
    """
    on_progress(f"writing {size.orders:,} orders to the paper exchange and the database")
    with open_scene(scratch, size.orders) as scene:
        contenders: Sequence[Contender] = (
            Swept(scene=scene),
            OneByOne(scene=scene),
            ManyAtOnce(scene=scene),
            ByCcxt(scene=scene),
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
