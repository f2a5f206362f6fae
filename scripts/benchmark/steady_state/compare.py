"""The comparison in the steady state: its contenders, and what ours must reach."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import BenchFailed, Comparison, Figure, Target, times_as_fast
from scripts.benchmark.process_group import WorkerConfig, worker_configs
from scripts.benchmark.processor_time import CLIENT, SERVER, Stopwatch, server_process
from scripts.benchmark.rounds import Contender, Progress, run_rounds
from scripts.benchmark.rows import ENDED_PER_OPEN, FURTHER_INDEXES, TABLE, Rows
from scripts.benchmark.size import Size
from scripts.benchmark.steady_state.meters import Reading, read_meters
from scripts.benchmark.steady_state.sweeps import SweepsOutcome, sweep_repeatedly
from scripts.benchmark.steady_state.whole_sweep import (
    SYMBOLS,
    TOGETHER,
    WholeSweep,
    microseconds_by_part,
    whole_sweeps,
)
from scripts.benchmark.store.compare import contenders
from scripts.benchmark.store.single_process import SingleProcess

KEY = "steady-state"
CHANGED_SHARE = 0.01
WANTED = (None, 3.0, 3.0, 40.0, 150.0)
"""The factors by which ours must be faster than each other contender, in their order."""

MICROSECONDS, WHOLE_MICROSECONDS = 12, 40
LOG_BYTES, HOT_PERCENT = 220, 98
SWEEPS, QUICK_SWEEPS = 50, 3
SHARE_CONFIRMED, LEAST_CONFIRMED = 8, 500
"""An eighth of the orders is confirmed again and again."""

WHOLE_SWEEP_FACTOR = 3
"""The whole sweep has as many times the orders: 120,000 by default."""

_PATIENCE_SECONDS, _LOOK_SECONDS = 30.0, 0.05


def compare_steady_state(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Run it.

    Raises:
        BenchFailed: a contender did not do all of the work.
    """
    whole_orders = size.orders * WHOLE_SWEEP_FACTOR
    rows = Rows(orders=size.orders, changed_share=CHANGED_SHARE)
    on_progress(f"writing {rows.total:,} orders")
    rows.make(scratch.database)
    rates, times = _compare_rates(contenders(rows), scratch, size, on_progress)
    written = list(_written(contenders(rows), scratch, size, on_progress))
    scratch.clear()
    sweeps = QUICK_SWEEPS if size.is_quick else SWEEPS
    tables = _tables(max(LEAST_CONFIRMED, size.orders // SHARE_CONFIRMED))
    confirms = {
        name: _confirm(table, scratch, sweeps, size, on_progress) for name, table in tables.items()
    }
    usual, *_ = tables
    confirms[f"{usual}, side table"] = _confirm(
        tables[usual], scratch, sweeps, size, on_progress, with_side_table=True
    )
    scratch.clear()
    whole = list(whole_sweeps(scratch, size, whole_orders, on_progress))
    parts = microseconds_by_part(whole, whole_orders)
    ours = [figure.median for figure in times if figure.name == rates[0].name]
    return Comparison(
        key=KEY,
        title="Steady state: 99 of 100 orders unchanged",
        conditions=(
            f"{size.orders:,} open orders among {size.orders * ENDED_PER_OPEN:,} ended ones,"
            f" {CHANGED_SHARE:.0%} of them filled; {TABLE}; {size.workers} worker processes,"
            f" batches of {size.batch_size}; every row compared after every round. Log, HOT and"
            " growth are those of one sweep over a fresh table, the first change of a page after a"
            f" checkpoint included; for a confirm, those of {sweeps} sweeps after a first one,"
            " nothing changed, nothing vacuumed. A whole sweep has"
            f" {whole_orders:,} unchanged orders of {SYMBOLS} symbols"
        ),
        figures=(
            *rates,
            *_whole_figures(whole, whole_orders),
            *_confirm_figures(confirms),
            *times,
            *written,
        ),
        targets=(
            *times_as_fast(rates, WANTED),
            Target(
                name="processor time of an order, server and client, us",
                wanted=MICROSECONDS,
                reached=sum(ours),
                at_most=True,
            ),
            Target(
                name="whole sweep: processor time of an order, ours together, us",
                wanted=WHOLE_MICROSECONDS,
                reached=median(parts[TOGETHER]),
                at_most=True,
            ),
            *_confirm_targets(next(iter(confirms.values()))),
        ),
    )


def _compare_rates(
    ways: Sequence[SingleProcess], scratch: ScratchDatabase, size: Size, on_progress: Progress
) -> tuple[list[Figure], list[Figure]]:
    """Run all contenders; return the rate of each, and its processor time."""
    stopwatch = Stopwatch(server=server_process(scratch.database))
    times: dict[tuple[str, str], list[float]] = {
        (part, contender.name): [] for part in (SERVER, CLIENT) for contender in ways
    }

    def observe(contender: Contender, work: Callable[[], float]) -> float:
        before = stopwatch.read()
        seconds = work()
        after = stopwatch.read()
        for part in (SERVER, CLIENT):
            microseconds = (after[part] - before[part]) / contender.orders * 1e6
            times[part, contender.name].append(microseconds)
        return seconds

    rates = run_rounds(ways, scratch=scratch, size=size, on_progress=on_progress, observe=observe)
    return rates, [
        Figure(group=f"processor time, {part}", name=name, unit="us an order", values=tuple(values))
        for (part, name), values in times.items()
    ]


def _written(
    ways: Sequence[SingleProcess], scratch: ScratchDatabase, size: Size, on_progress: Progress
) -> Iterator[Figure]:
    """Yield what each contender writes in one sweep."""
    configs = worker_configs(scratch.url, size)
    for contender in ways:
        on_progress(f"what is written: {contender.name}")
        before, after = _read_around(contender, scratch, configs)
        orders = contender.orders
        growth = after.growth_since(before)
        for group, unit, value in (
            ("log", "bytes an order", (after.log_bytes - before.log_bytes) / orders),
            ("HOT updates", "%", (after.updates - before.updates).percent_in_place),
            (
                "growth of the further indexes",
                "bytes an order",
                sum(growth[name] for name in FURTHER_INDEXES) / orders,
            ),
        ):
            yield Figure(group=group, name=contender.name, unit=unit, values=(value,))


def _read_around(
    contender: SingleProcess, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
) -> tuple[Reading, Reading]:
    """Read the meters before and after one sweep.

    The server counts a session's updates at the latest when the session ends.
    """
    with contender.at_work(scratch, configs) as work:
        contender.prepare(scratch)
        before = read_meters(scratch.database)
        work()
        contender.require_done(scratch)
    updates = contender.orders * contender.writes_per_order
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        after = read_meters(scratch.database)
        if (after.updates - before.updates).updates >= updates:
            return before, after
        time.sleep(_LOOK_SECONDS)
    raise BenchFailed(f"the server did not count {updates:,} updates of {contender.name}")


def _whole_figures(sweeps: Sequence[WholeSweep], orders: int) -> Iterator[Figure]:
    yield Figure(
        name="whole sweep, HTTP included",
        unit="orders/s",
        values=tuple(orders / sweep.seconds for sweep in sweeps),
        note="the supervisor and its workers; the clock starts when all workers are ready",
    )
    for part, values in microseconds_by_part(sweeps, orders).items():
        yield Figure(name=f"whole sweep: processor time, {part}", unit="us an order", values=values)


def _tables(orders: int) -> dict[str, Rows]:
    """Return the tables on which orders are confirmed again and again, the usual one first."""
    usual = Rows(orders=orders, changed_share=0)
    dense = replace(usual, ended_per_open=0)
    return {
        f"1 of {usual.spacing} open, fillfactor {usual.fillfactor}": usual,
        f"1 of {usual.spacing} open, fillfactor 100": replace(usual, fillfactor=100),
        f"all open, fillfactor {dense.fillfactor}": dense,
        f"all open, of 1 symbol, fillfactor {dense.fillfactor}": replace(dense, symbols=1),
        "all open, of 1 symbol, fillfactor 100": replace(dense, symbols=1, fillfactor=100),
    }


def _confirm(
    table: Rows,
    scratch: ScratchDatabase,
    sweeps: int,
    size: Size,
    on_progress: Progress,
    *,
    with_side_table: bool = False,
) -> SweepsOutcome:
    scratch.clear()
    return sweep_repeatedly(
        scratch,
        table,
        sweeps=sweeps,
        batch_size=size.batch_size,
        on_progress=on_progress,
        with_side_table=with_side_table,
    )


def _confirm_figures(confirms: Mapping[str, SweepsOutcome]) -> Iterator[Figure]:
    for name, outcome in confirms.items():
        yield Figure(name=f"log of a confirm, {name}", unit="bytes", values=(outcome.log_bytes,))
    for name, outcome in confirms.items():
        yield Figure(name=f"HOT confirms, {name}", unit="%", values=(outcome.hot_share * 100,))
    for name, outcome in confirms.items():
        growth = sum(outcome.growth.values()) / 1024
        yield Figure(name=f"growth of all indexes, {name}", unit="KiB", values=(growth,))


def _confirm_targets(confirms: SweepsOutcome) -> Iterator[Target]:
    yield Target(
        name="log of a confirm, bytes",
        wanted=LOG_BYTES,
        reached=confirms.log_bytes,
        at_most=True,
    )
    yield Target(name="HOT confirms, %", wanted=HOT_PERCENT, reached=confirms.hot_share * 100)
    yield Target(
        name="growth of all indexes, bytes",
        wanted=0,
        reached=sum(confirms.growth.values()),
        at_most=True,
    )
