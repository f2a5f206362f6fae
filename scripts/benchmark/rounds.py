"""The contenders take turns, round after round, on the same rows, so a disturbance hits all."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import WorkerConfig, worker_configs
from scripts.benchmark.size import Size

Progress = Callable[[str], None]


class Contender(Protocol):
    """A way to reconcile rows."""

    @property
    def name(self) -> str:
        """Its name in the table."""
        ...

    @property
    def note(self) -> str:
        """Its set-up, in a few words."""
        ...

    @property
    def orders(self) -> int:
        """The number of orders that it reconciles in a round."""
        ...

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back, and make ready for a round. Not timed."""
        ...

    def at_work(
        self, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> AbstractContextManager[Callable[[], float]]:
        """Start what it needs; yield what does the work of a round and returns its seconds."""
        ...

    def require_done(self, scratch: ScratchDatabase) -> None:
        """Make sure that a round's work has been done.

        Raises:
            BenchFailed: not all of it, or more.
        """
        ...


Observe = Callable[[Contender, Callable[[], float]], float]
"""Does the work of a round, and measures what else there is to measure; returns its seconds."""


def run_rounds(
    contenders: Sequence[Contender],
    *,
    scratch: ScratchDatabase,
    size: Size,
    on_progress: Progress,
    observe: Observe = lambda _, work: work(),
) -> list[Figure]:
    """Run every contender in every round; return the orders a second of each.

    Who is first changes from round to round.

    Raises:
        BenchFailed: a contender changed other rows than asked, or a process died.
    """
    configs = worker_configs(scratch.url, size)
    rates: list[list[float]] = [[] for _ in contenders]
    with ExitStack() as stack:
        on_progress("starting the workers")
        for contender in contenders:
            contender.prepare(scratch)
        work = [
            stack.enter_context(contender.at_work(scratch, configs)) for contender in contenders
        ]
        for round_number in range(size.rounds):
            for turn in range(len(contenders)):
                index = (turn + round_number) % len(contenders)
                contender = contenders[index]
                on_progress(f"round {round_number + 1} of {size.rounds}: {contender.name}")
                contender.prepare(scratch)
                seconds = observe(contender, work[index])
                contender.require_done(scratch)
                rates[index].append(contender.orders / seconds)
    return [
        Figure(name=contender.name, unit="orders/s", values=tuple(values), note=contender.note)
        for contender, values in zip(contenders, rates, strict=True)
    ]
