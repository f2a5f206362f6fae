"""The footprint: what it takes to start, to stay and to write."""

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.end_to_end.fixture import open_fixture
from scripts.benchmark.figures import Comparison, Figure, Target
from scripts.benchmark.footprint import processes, writes
from scripts.benchmark.process_group import worker_configs
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import Rows
from scripts.benchmark.size import Size

KEY = "footprint"
FIRST_CYCLE_ORDERS = 200
VERSION_MS = 150
WORKER_MEGABYTES = 35
MEGABYTES_PER_MIB = 1.048576
ROUND_TRIPS = 2


def compare_footprint(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: the command failed, or did not do its work.
    """
    on_progress("start-up")
    version = [processes.version_ms() for _ in range(size.rounds)]
    with open_fixture(scratch, FIRST_CYCLE_ORDERS) as fixture:
        first = [processes.first_cycle_ms(scratch, fixture) for _ in range(size.rounds)]
    scratch.clear()
    on_progress("memory")
    with open_fixture(scratch, size.orders) as fixture:
        memory = [processes.memory_mib(scratch, fixture) for _ in range(min(3, size.rounds))]
    scratch.clear()
    on_progress("what is written")
    rows = Rows(orders=size.orders)
    rows.make(scratch.database)
    written = tuple(writes.written(scratch, rows, worker_configs(scratch.url, size)))
    steady = tuple(writes.steady(scratch, rows))
    trips = writes.round_trips(scratch, rows)
    worker = Figure(
        name=f"memory of the largest of {processes.WORKERS} workers",
        unit="MiB",
        values=tuple(worker for _, worker in memory),
        note="proportional set size, after all orders were reconciled",
    )
    start = Figure(name="reconciler --version", unit="ms", values=tuple(version))
    return Comparison(
        key=KEY,
        title="Footprint",
        conditions=(
            f"{size.orders:,} orders for memory and writes, {FIRST_CYCLE_ORDERS} for the first"
            " cycle; log and dead rows are those of the whole server, which nothing else uses"
        ),
        figures=(
            start,
            Figure(
                name="run --once, from its start to the end of its first cycle",
                unit="ms",
                values=tuple(first),
            ),
            Figure(
                name="memory of the supervisor", unit="MiB", values=tuple(own for own, _ in memory)
            ),
            worker,
            Figure(
                name=f"round trips for a batch of {writes.BATCH}",
                unit="",
                values=(float(trips),),
                note="counted in the protocol's trace",
            ),
            *written,
            *steady,
        ),
        targets=(
            Target(name=f"{start.name}, ms", wanted=VERSION_MS, reached=start.median, at_most=True),
            Target(
                name=f"{worker.name}, MB",
                wanted=WORKER_MEGABYTES,
                reached=worker.median * MEGABYTES_PER_MIB,
                at_most=True,
            ),
            Target(
                name=f"round trips for a batch of {writes.BATCH}",
                wanted=ROUND_TRIPS,
                reached=trips,
                at_most=True,
            ),
        ),
    )
