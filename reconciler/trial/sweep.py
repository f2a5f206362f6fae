"""One sweep of the real supervisor with its real workers, timed from when all workers are ready.

Each worker creates a file in a folder when its connections are open. The first plan waits for the
files of all workers. There is no rate limit.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Settings
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.options import Options
from reconciler.supervisor.summary import Summary
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import (
    Backlog,
    Chunk,
    Cycle,
    Handler,
    Page,
    Planner,
    Workload,
)

_POLL_SECONDS = 0.02
_READY_TIMEOUT_SECONDS = 60.0


class SweepFailed(ReconcilerError):
    """A sweep that cannot be measured: it did not begin, or ended before everything was done."""


@dataclass(kw_only=True)
class Sweep:
    """A sweep, running or finished."""

    started: float | None = None
    """When all workers were ready, by `time.monotonic`; None before."""
    ended: float | None = None
    """When something was last done; None before."""
    summary: Summary = field(default_factory=Summary)

    @property
    def seconds(self) -> float:
        """Seconds so far; 0 until something was done."""
        return 0.0 if self.started is None or self.ended is None else self.ended - self.started


def options_of(settings: Settings, *, halt: HaltPolicy) -> Options:
    """Return a sweep's options: those of the settings, with the whole rate limit."""
    return Options(
        shards=settings.shards,
        batch_size=settings.batch_size,
        interval=settings.interval,
        drain=timedelta(seconds=settings.drain_seconds),
        rate_share=1.0,
        is_once=True,
        hang_after=timedelta(seconds=settings.hang_seconds),
        halt=halt,
    )


def sweep(
    workload: Workload,
    options: Options,
    *,
    set_up_worker: Callable[[int], Callable[[], None]],
    on_ready: Callable[[], None] = lambda: None,
    on_progress: Callable[[Sweep], None] = lambda _: None,
) -> Sweep:
    """Run one sweep to its end, or until a signal ends it: `summary.ending` says which.

    Args:
        workload: The workload; its own weight limit is ignored.
        options: The supervisor's, with `is_once`.
        set_up_worker: As the supervisor's.
        on_ready: Called when all workers are ready, before the first plan, in a thread.
        on_progress: Called after each batch.

    Raises:
        SweepFailed: the workers did not get ready.
    """
    measured = Sweep()

    def record_ready() -> None:
        on_ready()
        measured.started = time.monotonic()

    def record_progress(summary: Summary) -> None:
        measured.ended, measured.summary = time.monotonic(), summary
        on_progress(measured)

    with tempfile.TemporaryDirectory(prefix="reconciler-sweep-") as folder:
        supervisor = Supervisor(
            _UnlimitedWorkload(workload, options.shards, Path(folder), record_ready),
            options,
            metrics=NoMetrics(),
            set_up_worker=set_up_worker,
            on_progress=record_progress,
        )
        measured.summary = asyncio.run(supervisor.run())
    return measured


class _UnlimitedWorkload(Workload):
    """A workload without a rate limit, whose first plan waits until the workers are ready."""

    def __init__(
        self,
        workload: Workload,
        shards: int,
        folder: Path,
        on_ready: Callable[[], None] | None,
    ) -> None:
        self._workload = workload
        self._shards = shards
        self._folder = folder
        self._on_ready = on_ready

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only the supervisor needs."""
        return {**self.__dict__, "_on_ready": None}

    @property
    def modules(self) -> tuple[str, ...]:
        """Those of the workload itself."""
        return self._workload.modules

    def open_planner(self) -> Planner:
        """Open the planner."""
        assert self._on_ready is not None  # noqa: S101 - this is the parent
        planner = self._workload.open_planner()
        return _WaitingPlanner(planner, self._shards, self._folder, self._on_ready)

    async def open_handler(
        self, *, shard: int, budget: Budget, nonces: Nonces, breaker: BreakerSnapshot | None
    ) -> Handler:
        """Open the handler, and report that the worker is ready."""
        handler = await self._workload.open_handler(
            shard=shard, budget=budget, nonces=nonces, breaker=breaker
        )
        (self._folder / str(shard)).touch()
        return handler


class _WaitingPlanner(Planner):
    """A planner whose first page waits for the workers."""

    def __init__(
        self, planner: Planner, shards: int, folder: Path, on_ready: Callable[[], None]
    ) -> None:
        self._planner = planner
        self._shards = shards
        self._folder = folder
        self._on_ready: Callable[[], None] | None = on_ready

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Plan, the first time once all workers are ready."""
        if self._on_ready is not None:
            _await_workers(self._folder, self._shards)
            self._on_ready()
            self._on_ready = None
        return self._planner.plan(limit, after)

    def measure_backlog(self) -> Backlog:
        """Count the items that wait."""
        return self._planner.measure_backlog()

    def record(self, cycle: Cycle) -> None:
        """Record the cycle."""
        self._planner.record(cycle)

    def set_aside(self, chunk: Chunk) -> None:
        """Put orders on hold."""
        self._planner.set_aside(chunk)

    def read_halt(self) -> str | None:
        """Read the halt."""
        return self._planner.read_halt()

    def write_halt(self, reason: str | None) -> None:
        """Write the halt."""
        self._planner.write_halt(reason)

    def close(self) -> None:
        """Close the planner."""
        self._planner.close()


def _await_workers(folder: Path, shards: int) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while len(list(folder.iterdir())) < shards:
        if time.monotonic() > deadline:
            raise SweepFailed(
                f"{shards} workers were not ready within {_READY_TIMEOUT_SECONDS:.0f} s"
            )
        time.sleep(_POLL_SECONDS)
