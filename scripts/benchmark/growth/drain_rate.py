"""The rate and processor time at which ours drains several shapes: the store alone, no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import worker_configs
from scripts.benchmark.processor_time import Stopwatch, server_process
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import Rows
from scripts.benchmark.size import Size
from scripts.benchmark.store.planned import OurWriter

PRIMED = 100_000
"""Up to this number of orders one untimed drain comes first: a cold start would distort it."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A number of orders, and of workers for them."""

    rows: Rows
    workers: int


@dataclass(frozen=True, kw_only=True)
class Drained:
    """What a shape took in each round: orders a second, and processor time of an order."""

    rate: Figure
    processor_time: Figure


def drain(
    scratch: ScratchDatabase, size: Size, shapes: Mapping[str, Shape], on_progress: Progress
) -> dict[str, Drained]:
    """Drain every shape in every round; return what each took, by its name."""
    stopwatch = Stopwatch(server=server_process(scratch.database))
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in shapes}
    for round_number in range(size.rounds):
        for name, shape in shapes.items():
            on_progress(f"round {round_number + 1} of {size.rounds}: {name}")
            values[name].append(_drain_once(scratch, shape, size, stopwatch))
    return {
        name: Drained(
            rate=Figure(name=name, unit="orders/s", values=tuple(rate for rate, _ in measured)),
            processor_time=Figure(
                name=f"processor time, {name}",
                unit="us an order",
                values=tuple(microseconds for _, microseconds in measured),
                note="server and client together",
            ),
        )
        for name, measured in values.items()
    }


def _drain_once(
    scratch: ScratchDatabase, shape: Shape, size: Size, stopwatch: Stopwatch
) -> tuple[float, float]:
    """Return the orders a second, and the microseconds of processor time of an order."""
    shape.rows.make(scratch.database)
    contender = OurWriter(shape.rows)
    contender.prepare(scratch)
    configs = worker_configs(scratch.url, replace(size, workers=shape.workers))
    with contender.at_work(scratch, configs) as work:
        if shape.rows.orders <= PRIMED:
            work()
            contender.prepare(scratch)
        before = sum(stopwatch.read().values())
        seconds = work()
        processor_seconds = sum(stopwatch.read().values()) - before
        contender.require_done(scratch)
    return shape.rows.orders / seconds, processor_seconds / shape.rows.orders * 1e6
