"""Ours: one sweep of the real supervisor with its workers, on the real exchange's adapter.

It starts as every process does; its time begins when all workers are ready and the first page is
about to be planned.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection

from sqlalchemy import text

from reconciler.bench.end_to_end.scene import NO_LIMIT, Scene
from reconciler.bench.figures import BenchFailed
from reconciler.bench.ground import Ground
from reconciler.bench.team import Place, Team
from reconciler.resilience.breaker import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.supervisor.parent import Supervisor
from reconciler.supervisor.summary import Ending, Options, Summary
from reconciler.telemetry.logs import configure_logs
from reconciler.telemetry.metrics import open_metrics
from reconciler.worker.orders import OrderPlanner, OrderWorkload
from reconciler.worker.workload import (
    Backlog,
    Cycle,
    Handler,
    Page,
    Planner,
    Run,
    Workload,
)

_READY = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name LIKE 'reconciler worker %' AND state = 'idle'"
)
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The supervisor."""

    scene: Scene
    name: str = "reconciler: supervisor and workers"
    note: str = (
        "the product as it is, log entries and cycle records included; the clock starts when all"
        " workers are ready"
    )

    @property
    def orders(self) -> int:
        """All of them."""
        return self.scene.orders

    def prepare(self, ground: Ground) -> None:
        """Put the rows back."""
        self.scene.put_back(ground)

    @contextmanager
    def at_work(self, _ground: Ground, places: Sequence[Place]) -> Iterator[Callable[[], float]]:
        """Start the process that will be the supervisor."""
        with Team(partial(_Sweep, self.scene, len(places)), places[:1]) as team:
            yield team.run

    def require_done(self, ground: Ground) -> None:
        """Make sure that every row is true and every change logged."""
        self.scene.require_done(ground, self.name, self.orders, is_logged=True)


class _Sweep:
    """A process that is a supervisor, round after round."""

    def __init__(self, scene: Scene, shards: int, place: Place) -> None:
        self._settings = Settings.load(
            database_url=place.url,
            exchange_name="paper",
            exchange_base_url=scene.exchange_url,
            exchange_api_key=scene.api_key,
            exchange_api_secret=scene.api_secret,
            shards=shards,
            batch_size=place.batch_size,
        )
        self._quiet = partial(configure_logs, "ERROR", "json", secrets=(scene.api_secret,))
        self._quiet()

    def close(self) -> None:
        """Do nothing: each round closes what it opens."""

    def run(self, _pipe: Connection) -> float:
        """Sweep; return when it was finished, had the workers been ready from the start."""
        called = time.monotonic()
        ready: list[float] = []
        progress: list[float] = []
        workload = _Unhurried(
            OrderWorkload(settings=self._settings), self._settings.shards, ready.append
        )
        supervisor = Supervisor(
            workload,
            _options(self._settings),
            metrics=open_metrics(self._settings.statsd),
            prepare_worker=lambda _: self._quiet,
            on_progress=lambda _: progress.append(time.monotonic()),
        )
        summary: Summary = asyncio.run(supervisor.run())
        if summary.ending is not Ending.SWEPT:
            raise BenchFailed(f"the supervisor ended early: {summary.ending} {summary.trouble}")
        return called + progress[-1] - ready[0]


def _options(settings: Settings) -> Options:
    return Options(
        shards=settings.shards,
        batch_size=settings.batch_size,
        interval=settings.interval,
        drain=timedelta(seconds=settings.drain_seconds),
        rate_share=1.0,
        is_once=True,
    )


class _Unhurried(Workload):
    """The order workload, without a rate limit, whose first plan waits until the workers stand."""

    def __init__(
        self, workload: OrderWorkload, shards: int, on_ready: Callable[[float], None] | None
    ) -> None:
        self._workload = workload
        self._shards = shards
        self._on_ready = on_ready

    def __getstate__(self) -> dict[str, object]:
        """Leave behind what only the parent needs."""
        return {**self.__dict__, "_on_ready": None}

    @property
    def weight_per_minute(self) -> int:
        """As good as none."""
        return NO_LIMIT

    def open_planner(self) -> Planner:
        """Open the planner."""
        assert self._on_ready is not None  # noqa: S101 - this is the parent
        return _Waiting(self._workload.open_planner(), self._shards, self._on_ready)

    async def open_handler(
        self, *, shard: int, budget: Budget, breaker: BreakerSnapshot | None
    ) -> Handler:
        """Open the handler."""
        return await self._workload.open_handler(shard=shard, budget=budget, breaker=breaker)


class _Waiting(Planner):
    """The planner, whose first page waits for the workers."""

    def __init__(
        self, planner: OrderPlanner, shards: int, on_ready: Callable[[float], None]
    ) -> None:
        self._planner = planner
        self._shards = shards
        self._on_ready: Callable[[float], None] | None = on_ready

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Plan, the first time once all workers are connected."""
        if self._on_ready is not None:
            _await_workers(self._planner.database, self._shards)
            self._on_ready(time.monotonic())
            self._on_ready = None
        return self._planner.plan(limit, after)

    def backlog(self) -> Backlog:
        """Count what waits."""
        return self._planner.backlog()

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down."""
        self._planner.record(cycle)

    def set_aside(self, run: Run) -> None:
        """Put orders on hold."""
        self._planner.set_aside(run)

    def read_brake(self) -> str | None:
        """Ask for the brake."""
        return self._planner.read_brake()

    def write_brake(self, reason: str | None) -> None:
        """Set the brake."""
        self._planner.write_brake(reason)

    def close(self) -> None:
        """Close it."""
        self._planner.close()


def _await_workers(database: Database, shards: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.autocommit() as connection:
            if connection.execute(_READY).scalar_one() >= shards:
                return
        time.sleep(_LOOK_SECONDS)
    raise BenchFailed(f"{shards} workers were not ready within {_PATIENCE_SECONDS:.0f} s")
