"""`reconciler demo --chaos`: reconcile while the exchange misbehaves and workers are killed."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from reconciler.cli.run_report import ReportRow, RunReport
from reconciler.cli.runner import run_config_of, run_supervisor
from reconciler.demo import PAPER, Demo
from reconciler.orders.workload import OrderWorkload
from reconciler.paper.dialects import DEFAULT, load_dialect
from reconciler.scope import UNSCOPED
from reconciler.settings import Settings
from reconciler.store.holds import list_holds
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import open_metrics
from tests.chaos import change_recorder
from tests.chaos.kills import kill_workers
from tests.chaos.recovery import EVERY_HOLD, clear_holds_and_halt
from tests.chaos.schedule import Schedule, plan_chaos

STALE_SHARE = 0.8
"""After this share of the chaos every row has been stale; until then more become stale."""

MOST_SWEEPS = 5
OPERATOR = "demo"

# Short times, so that much happens: many retries, open breakers and restarts.
SHORT_TIMES = {
    "interval_ms": 500,
    "stale_minutes": 0.05,
    "breaker_open_ms": 1000,
    "retry_initial_ms": 20,
    "retry_cap_ms": 100,
    "rate_share": 1.0,
    "drain_seconds": 3.0,
}
STALE_AT_ONCE = {"stale_minutes": 0.0001}
RESTARTS = RestartPolicy(most=1000, cap=timedelta(milliseconds=400))

Progress = Callable[[Summary], None]


@dataclass(frozen=True, kw_only=True)
class ChaosReport(RunReport):
    """The report of a demo, with what went wrong on purpose.

    Attributes:
        faults_injected: The kinds of fault that the exchange had.
        requests_refused: The requests that got no answer, or a refusal.
        workers_killed: The workers that were killed.
        holds_made: The holds that were made, resolved or not.
        sweeps_afterwards: The sweeps after the chaos until every row was right.
    """

    faults_injected: int
    requests_refused: int
    workers_killed: int
    holds_made: int
    sweeps_afterwards: int

    def _rows(self) -> list[ReportRow]:
        return [
            *super()._rows(),
            ("kinds of fault injected", self.faults_injected, ""),
            ("requests not answered", self.requests_refused, ""),
            ("workers killed", self.workers_killed, ""),
            ("holds made", self.holds_made, ""),
            ("sweeps afterwards", self.sweeps_afterwards, ""),
        ]


class Chaos:
    """A time of faults and kills while the demo reconciles, and what was done in it."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._done: dict[str, Any] = {}

    def reconcile(
        self, demo: Demo, settings: Settings, *, seed: int, on_progress: Progress
    ) -> Summary:
        """Reconcile while everything goes wrong, then recover as an operator would.

        Raises:
            KeyboardInterrupt: INT or TERM came.
            ReconcilerError: the supervisor failed.
        """
        rng = Random(seed)  # noqa: S311 - chaos is to be reproducible, not secret
        dialect = load_dialect(DEFAULT if demo.exchange_name == PAPER else demo.exchange_name)
        schedule = plan_chaos(dialect, seconds=self._seconds, rng=rng)
        with demo.database.transaction() as connection:
            change_recorder.start(connection)
        demo.go_stale_within(self._seconds * STALE_SHARE)
        summary, kills = asyncio.run(
            _reconcile_in_chaos(
                demo,
                settings.model_copy(update=SHORT_TIMES),
                schedule,
                rng=rng,
                on_progress=on_progress,
            )
        )
        demo.exchange.clear_faults()
        sweeps = _recover(demo, settings.model_copy(update=SHORT_TIMES | STALE_AT_ONCE), summary)
        with demo.database.autocommit() as connection:
            holds = list_holds(
                connection, UNSCOPED, reason=None, with_resolved=True, limit=EVERY_HOLD
            )
        self._done = {
            "faults_injected": len(schedule.faults),
            "requests_refused": sum(demo.exchange.stats()["rejected"].values()),
            "workers_killed": kills,
            "holds_made": len(holds),
            "sweeps_afterwards": sweeps,
        }
        return summary

    def wrong_changes(self, demo: Demo) -> list[str]:
        """Describe each change of a row that must never have been made."""
        return change_recorder.wrong_changes(demo)

    def add_to(self, report: RunReport) -> ChaosReport:
        """Add what was done in the chaos to a report."""
        return ChaosReport(**vars(report), **self._done)


def _supervisor(settings: Settings, on_progress: Progress) -> Supervisor:
    run_config = run_config_of(OrderWorkload(settings=settings), settings, is_once=False)
    return Supervisor(
        run_config.workload,
        replace(run_config.options, restarts=RESTARTS),
        metrics=open_metrics(settings.statsd),
        set_up_worker=run_config.set_up_worker,
        on_progress=on_progress,
    )


async def _reconcile_in_chaos(
    demo: Demo, settings: Settings, schedule: Schedule, *, rng: Random, on_progress: Progress
) -> tuple[Summary, int]:
    """Run a supervisor until the chaos is over; return its summary, and the number of kills.

    The chaos begins with the first batch: before that, it would hit no work.

    Raises:
        KeyboardInterrupt: a signal stopped it before the end.
    """
    is_working = asyncio.Event()

    def record_progress(summary: Summary) -> None:
        is_working.set()
        on_progress(summary)

    supervisor = _supervisor(settings, record_progress)

    async def inject() -> int:
        await is_working.wait()
        await asyncio.to_thread(demo.exchange.set_timeline, schedule.steps)
        return await kill_workers(schedule, lambda: supervisor.pids, rng=rng)

    running = asyncio.create_task(supervisor.run())
    injecting = asyncio.create_task(inject())
    await asyncio.wait({running, injecting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        injecting.cancel()
        running.result()
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGTERM)  # as an operator does: it drains
    summary = await running
    return summary, injecting.result()


def _recover(demo: Demo, settings: Settings, summary: Summary) -> int:
    """Dismiss holds, release the halt and sweep until every row is right; return the sweeps.

    Raises:
        KeyboardInterrupt: INT or TERM came.
    """
    for sweep in range(1, MOST_SWEEPS + 1):
        clear_holds_and_halt(demo.database, by=OPERATOR)
        of_sweep = run_supervisor(OrderWorkload(settings=settings), settings, is_once=True)
        _add(summary, of_sweep)
        if of_sweep.ending is StopReason.STOPPED:
            raise KeyboardInterrupt
        if not demo.mismatches():
            return sweep
    return MOST_SWEEPS


def _add(summary: Summary, of_sweep: Summary) -> None:
    summary.counts.add(of_sweep.counts)
    summary.cycles += of_sweep.cycles
    summary.restarts += of_sweep.restarts
    summary.set_aside += of_sweep.set_aside
    summary.ending = of_sweep.ending
    summary.fault = of_sweep.fault
