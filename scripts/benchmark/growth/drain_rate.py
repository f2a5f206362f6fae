"""The rate at which ours drains orders of several shapes: the store alone, without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import worker_configs
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


def rates(
    scratch: ScratchDatabase, size: Size, shapes: Mapping[str, Shape], on_progress: Progress
) -> list[Figure]:
    """Drain every shape in every round; return the orders a second of each."""
    values: dict[str, list[float]] = {name: [] for name in shapes}
    for round_number in range(size.rounds):
        for name, shape in shapes.items():
            on_progress(f"round {round_number + 1} of {size.rounds}: {name}")
            values[name].append(_rate(scratch, shape, size))
    return [
        Figure(name=name, unit="orders/s", values=tuple(measured))
        for name, measured in values.items()
    ]


def _rate(scratch: ScratchDatabase, shape: Shape, size: Size) -> float:
    shape.rows.make(scratch.database)
    contender = OurWriter(shape.rows)
    contender.prepare(scratch)
    configs = worker_configs(scratch.url, replace(size, workers=shape.workers))
    with contender.at_work(scratch, configs) as work:
        if shape.rows.orders <= PRIMED:
            work()
            contender.prepare(scratch)
        seconds = work()
        contender.require_done(scratch)
    return shape.rows.orders / seconds
