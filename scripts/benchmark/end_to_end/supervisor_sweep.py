"""The reconciler: one sweep of the real supervisor with its workers, on the real adapter.

It starts as every process does; its time begins when all workers are ready and the first page is
about to be planned.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.summary import StopReason
from reconciler.telemetry.logs import configure_logs
from reconciler.trial.scratch_database import ScratchDatabase
from reconciler.trial.sweep import options_of, sweep
from scripts.benchmark.end_to_end.fixture import PaperFixture
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.process_group import ProcessGroup, WorkerConfig


@dataclass(frozen=True, kw_only=True)
class SupervisorSweep:
    """The supervisor."""

    fixture: PaperFixture
    name: str = "reconciler: supervisor and workers"
    note: str = (
        "the product as it is, log entries and cycle records included; the clock starts when all"
        " workers are ready"
    )

    @property
    def orders(self) -> int:
        """All of them."""
        return self.fixture.orders

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back."""
        self.fixture.put_back(scratch)

    @contextmanager
    def at_work(
        self, _scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Callable[[], float]]:
        """Start the process that will be the supervisor."""
        with ProcessGroup(
            partial(_SupervisorWorker, self.fixture, len(configs)), configs[:1]
        ) as group:
            yield group.run

    def require_done(self, scratch: ScratchDatabase) -> None:
        """Require that every row is right and every change logged."""
        self.fixture.require_done(scratch, self.name, self.orders, is_logged=True)


class _SupervisorWorker:
    """A process that is a supervisor, round after round."""

    def __init__(self, fixture: PaperFixture, shards: int, config: WorkerConfig) -> None:
        self._settings = Settings.load(
            database_url=config.url,
            exchange_name="paper",
            exchange_base_url=fixture.exchange_url,
            exchange_api_key=fixture.api_key,
            exchange_api_secret=fixture.api_secret,
            shards=shards,
            batch_size=config.batch_size,
        )
        self._quiet = partial(configure_logs, "ERROR", "json", secrets=(fixture.api_secret,))
        self._quiet()

    def close(self) -> None:
        """Do nothing: each round closes what it opens."""

    def run(self, _pipe: Connection) -> float:
        """Sweep; return when it was finished, had the workers been ready from the start."""
        called = time.monotonic()
        done = sweep(
            OrderWorkload(settings=self._settings),
            options_of(self._settings, halt=HaltPolicy()),
            set_up_worker=lambda _: self._quiet,
        )
        if done.summary.ending is not StopReason.COMPLETED:
            fault = f"{done.summary.ending} {done.summary.fault}"
            raise BenchFailed(f"the supervisor ended early: {fault}")
        return called + done.seconds
